//! Layer 3: sockets. Knows bytes and connections, nothing of rooms and names.

mod acceptor;
mod admission;
mod certificates;
mod connections;
mod handshakes;
mod lingering;
mod listener;
mod loads;
mod networks;
mod places;
pub mod proxy;
mod readiness;
mod user_timeout;
mod visitors;

pub use acceptor::{Acceptor, Arrival, Port, refuse};
pub use admission::{Admission, AdmissionLimits, Cost, ENTRIES_PER_CONNECTION};
pub use certificates::{CertificateFacts, CertificateFiles, Certificates, unix_seconds};
pub use connections::{Connections, Received};
pub use handshakes::{Handshakes, Settled, secure};
pub use lingering::LINGER_MAX;
pub use listener::{BACKLOG, ListenAddress, ListenOptions, Listener, SocketFile};
pub use loads::{Loads, Waiting};
pub use networks::{CUSTOMER_BITS, network};
pub use places::{Places, Turn, Turns};
pub use proxy::{Heard, Proxies};
pub use readiness::{WatchedListener, WatchedSocket, WatchedStream};
pub use visitors::Shown;
