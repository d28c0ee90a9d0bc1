//! Clients by the thousand, on one small runtime: for storms, herds and giant rooms, where
//! [`Client`](super::Client) would take a thread for each.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hubbub::machine::raise_descriptor_limit;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::PATIENCE;

/// Bytes a guest reads at once: there may be very many guests.
const READ_BYTES: usize = 1 << 10;

/// What somebody who was not let in waits before the next attempt; twice as long each time, up to
/// four times.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(50);

/// A runtime that serves many guests.
pub struct Crowd {
    runtime: Runtime,
}

/// One of them.
pub struct Guest {
    /// What it hears.
    pub ear: Ear,
    /// What it says.
    pub mouth: Mouth,
}

/// The half of a guest that listens.
pub struct Ear {
    /// What the server has named the guest.
    pub name: String,
    stream: BufReader<OwnedReadHalf>,
}

/// The half that talks; with it goes the connection's way to the server.
pub struct Mouth(OwnedWriteHalf);

impl Crowd {
    /// A place for guests, with a thread of its own, and as many descriptors as there may be.
    pub fn new() -> Self {
        raise_descriptor_limit();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { runtime: runtime.expect("a runtime") }
    }

    /// Lets so many guests in at once, each of whom tries until it succeeds.
    pub fn enter(&self, addr: SocketAddr, guests: usize) -> Vec<Guest> {
        self.each(0..guests, move |_| Guest::enter(addr))
    }

    /// Does the same for each of some things, all at once, and returns what came of it, in order.
    pub fn each<T, R, F>(
        &self,
        things: impl IntoIterator<Item = T>,
        task: impl Fn(T) -> F,
    ) -> Vec<R>
    where
        F: Future<Output = R> + Send + 'static,
        R: Send + 'static,
    {
        let tasks: Vec<_> =
            things.into_iter().map(|thing| self.runtime.spawn(task(thing))).collect();
        self.runtime.block_on(async {
            let mut results = Vec::with_capacity(tasks.len());
            for task in tasks {
                match task.await {
                    Ok(result) => results.push(result),
                    Err(failure) => std::panic::resume_unwind(failure.into_panic()),
                }
            }
            results
        })
    }
}

impl Guest {
    /// Connects and waits in `main`, after as many attempts as it takes within our patience.
    pub async fn enter(addr: SocketAddr) -> Self {
        let attempts = async {
            let mut wait = RETRY_AFTER_MIN;
            loop {
                match Self::try_enter(addr).await {
                    Ok(guest) => return guest,
                    Err(_) => tokio::time::sleep(wait).await,
                }
                wait = (wait * 2).min(RETRY_AFTER_MIN * 4);
            }
        };
        timeout(PATIENCE, attempts).await.expect("everybody is let in at some time")
    }

    /// Connects, and reads up to `You joined main`.
    pub async fn try_enter(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (reading, writing) = stream.into_split();
        let stream = BufReader::with_capacity(READ_BYTES, reading);
        let mut guest = Self { ear: Ear { name: String::new(), stream }, mouth: Mouth(writing) };
        loop {
            match guest.ear.line().await? {
                Some(line) if line == "You joined main" => return Ok(guest),
                Some(line) => {
                    if let Some(name) = line.strip_prefix("You are ") {
                        name.clone_into(&mut guest.ear.name);
                    }
                }
                None => return Err(io::ErrorKind::ConnectionRefused.into()),
            }
        }
    }

    /// Sends lines.
    pub async fn send(&mut self, lines: &str) {
        self.mouth.send(lines).await.expect("the server reads");
    }

    /// See [`Ear::find`].
    pub async fn find<R>(&mut self, wanted: impl Fn(&str) -> Option<R>) -> R {
        self.ear.find(wanted).await
    }

    /// See [`Ear::skip_to`].
    pub async fn skip_to(&mut self, line: &str) {
        self.ear.skip_to(line).await;
    }
}

impl Mouth {
    /// Sends lines.
    pub async fn send(&mut self, lines: &str) -> io::Result<()> {
        let sending = self.0.write_all(lines.as_bytes());
        timeout(PATIENCE, sending).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

impl Ear {
    /// The next line; nothing at the end of the connection.
    pub async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let reading = self.stream.read_line(&mut line);
        let count = timeout(PATIENCE, reading).await.map_err(|_| io::ErrorKind::TimedOut)??;
        line.truncate(line.trim_end().len());
        Ok((count > 0).then_some(line))
    }

    /// Reads up to a line that `wanted` finds something in, and what it found.
    pub async fn find<R>(&mut self, wanted: impl Fn(&str) -> Option<R>) -> R {
        let mut last = String::new();
        loop {
            match self.line().await {
                Ok(Some(line)) => match wanted(&line) {
                    Some(found) => return found,
                    None => last = line,
                },
                end => panic!("{}: {end:?}, after {last:?}", self.name),
            }
        }
    }

    /// Reads up to this line.
    pub async fn skip_to(&mut self, line: &str) {
        self.find(|it| (it == line).then_some(())).await;
    }

    /// Waits for the end of the connection, whatever it is like.
    pub async fn cut_off(mut self) {
        while let Ok(Some(_)) = self.line().await {}
    }

    /// All lines up to the end of the connection, which must be orderly.
    pub async fn rest(mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        let reading = self.stream.read_to_end(&mut bytes);
        let read = timeout(PATIENCE, reading).await.expect("the end within our patience");
        read.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        String::from_utf8(bytes).expect("text").lines().map(str::to_owned).collect()
    }
}
