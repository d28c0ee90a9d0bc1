//! Layer 3: sockets. Knows bytes and connections, nothing of rooms and names.

mod acceptor;
mod admission;
mod connections;
mod lingering;
mod loads;
pub mod proxy;
mod readiness;

pub use acceptor::{Acceptor, Arrival, listen, refuse};
pub use admission::{Admission, AdmissionLimits};
pub use connections::{Connections, Received};
pub use loads::Loads;
pub use proxy::Proxies;
