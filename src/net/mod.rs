//! Layer 3: sockets. Knows bytes and connections, nothing of rooms and names.

mod acceptor;
mod connections;
mod loads;
mod readiness;

pub use acceptor::{Acceptor, listen, refuse};
pub use connections::{Connections, Received};
pub use loads::Loads;
