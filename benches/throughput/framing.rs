//! The one piece of state that cutting a stream into lines needs.

/// The unfinished line at the end of what a connection has sent so far.
///
/// Kept apart from the read buffer, which all connections share; most of the time it is empty and
/// costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Tail(Vec<u8>);

impl Tail {
    /// Puts the unfinished line in front of what will be read next and says how long it is.
    pub(crate) fn restore(&self, buffer: &mut [u8]) -> usize {
        buffer[..self.0.len()].copy_from_slice(&self.0);
        self.0.len()
    }

    /// Remembers what is left behind the last newline.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.0.clear();
        self.0.extend_from_slice(rest);
    }
}
