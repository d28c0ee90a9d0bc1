//! Standard output, whose failure is no reason to stop measuring.

use std::io::{self, ErrorKind, Write};

/// Takes everything, and keeps the first error of the stream beneath.
pub(crate) struct Output<W> {
    stream: W,
    failed: Option<io::Error>,
}

impl<W: Write> Output<W> {
    pub(crate) fn new(stream: W) -> Self {
        Self { stream, failed: None }
    }

    /// The first error, if not everything was taken.
    pub(crate) fn finish(mut self) -> Option<io::Error> {
        self.attempt(Write::flush);
        self.failed
    }

    fn attempt(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) {
        if self.failed.is_none() {
            self.failed = write(&mut self.stream).err();
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|stream| stream.write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(Write::flush);
        Ok(())
    }
}

/// What to say of standard output that did not take everything.
pub(crate) fn sentence(error: &io::Error) -> String {
    format!("cannot write to standard output: {error}")
}

/// Whether the reader has closed it, as `head` does, and need not be told.
pub(crate) fn is_closed(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}
