//! The connection: a task that does what it is ordered to, and tells what happens.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::args::Server;
use crate::dial;
use crate::splitter::Splitter;
use crate::tls::Tls;

/// How long a server may take to let us in.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);

/// So long before that, the attempts that are left are given up.
const TELL_BEFORE: Duration = Duration::from_millis(500);

/// After this long a silent server is asked whether it is still there, so often.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES_MAX: u32 = 3;

/// How long what was sent may not be acknowledged until the connection is taken for dead.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// Events that wait to be looked at. When there are more, nothing is read.
const EVENTS_MAX: usize = 1024;

/// Orders that wait to be followed.
const ORDERS_MAX: usize = 64;

/// Bytes that wait to be sent. When there are more, no order is taken.
const UNSENT_BYTES_MAX: usize = 64 << 10;

const READ_BYTES: usize = 16 << 10;

/// What the connection is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Connect, while there is no connection.
    Connect,
    /// Send this line, while there is one.
    Send(String),
}

/// What has happened to the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It is there.
    Up,
    /// The server has sent this line.
    Line(String),
    /// It is not there, or no longer: why.
    Down(String),
}

/// Where to connect, and how.
#[derive(Debug)]
pub(crate) struct Target {
    /// Where.
    pub(crate) server: Server,
    /// Through TLS, if so.
    pub(crate) tls: Option<Tls>,
}

/// A connection, plain or not.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl Target {
    /// Connects, or says why that was not possible.
    pub(crate) async fn connect(&self) -> Result<Box<dyn Wire>, String> {
        let deadline = Instant::now() + CONNECT_WAIT_MAX;
        let connected = timeout_at(deadline, self.connect_until(deadline)).await;
        connected
            .unwrap_or_else(|_| Err(format!("no answer within {} s", CONNECT_WAIT_MAX.as_secs())))
    }

    async fn connect_until(&self, deadline: Instant) -> Result<Box<dyn Wire>, String> {
        let Server { host, port } = &self.server;
        let addresses = lookup_host((host.as_str(), *port)).await;
        let addresses = addresses.map_err(|error| error.to_string())?;
        // Before the deadline of all, so that what was tried can be told.
        let stream = dial::connect(addresses, deadline - TELL_BEFORE).await?;
        prepare(&stream).map_err(|error| error.to_string())?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some(tls) => Ok(Box::new(tls.secure(stream).await?)),
        }
    }
}

/// Lines go at once, and a server that has vanished is missed.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_PROBES_MAX);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    Ok(())
}

/// Our end of the task.
#[derive(Debug)]
pub(crate) struct Link {
    /// What it is to do.
    pub(crate) orders: mpsc::Sender<Order>,
    /// What has happened.
    pub(crate) events: mpsc::Receiver<Event>,
}

impl Link {
    /// Starts the task with a connection to `target`.
    pub(crate) fn start(target: Target, wire: Box<dyn Wire>) -> Self {
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let (told, events) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(run(target, wire, taken, told));
        Self { orders, events }
    }
}

/// Goes from connection to connection until nobody is interested any more.
async fn run(
    target: Target,
    wire: Box<dyn Wire>,
    mut orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<Event>,
) {
    let mut connected = Ok(wire);
    loop {
        let why = match connected {
            Ok(wire) => carry(wire, &mut orders, &events).await,
            Err(why) => Some(why),
        };
        let Some(why) = why else { return };
        if events.send(Event::Down(why)).await.is_err() {
            return;
        }
        loop {
            match orders.recv().await {
                Some(Order::Connect) => break,
                // It was on its way when the connection was lost.
                Some(Order::Send(_)) => {}
                None => return,
            }
        }
        connected = target.connect().await;
    }
}

/// Carries lines both ways until the connection ends, and says why it did; nothing if nobody is
/// interested any more.
async fn carry(
    wire: Box<dyn Wire>,
    orders: &mut mpsc::Receiver<Order>,
    events: &mpsc::Sender<Event>,
) -> Option<String> {
    let (mut reader, mut writer) = tokio::io::split(wire);
    let mut splitter = Splitter::default();
    let mut arrived = vec![0; READ_BYTES];
    let (mut unsent, mut unflushed) = (vec![], false);
    events.send(Event::Up).await.ok()?;
    loop {
        // Reading goes on whatever the other direction does: a server may want its answers to be
        // read before it reads on.
        tokio::select! {
            read = reader.read(&mut arrived) => match read {
                Ok(0) => return Some("the server has ended the connection".to_owned()),
                Ok(bytes) => for line in splitter.feed(&arrived[..bytes]) {
                    events.send(Event::Line(line)).await.ok()?;
                },
                Err(error) => return Some(broken(&error)),
            },
            pushed = push(&mut writer, &unsent), if unflushed => match pushed {
                Ok(0) => unflushed = false,
                Ok(bytes) => drop(unsent.drain(..bytes)),
                Err(error) => return Some(broken(&error)),
            },
            order = orders.recv(), if unsent.len() < UNSENT_BYTES_MAX => match order {
                Some(Order::Send(line)) => {
                    unsent.extend_from_slice(line.as_bytes());
                    unsent.push(b'\n');
                    unflushed = true;
                }
                Some(Order::Connect) => {}
                None => return None,
            },
        }
    }
}

/// Writes some of what there is to write, and says how much; or sees to it that all of it leaves.
/// May be given up at any time, and nothing is lost or written twice.
async fn push(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() { writer.flush().await.map(|()| 0) } else { writer.write(bytes).await }
}

fn broken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the connection was cut".to_owned(),
        io::ErrorKind::ConnectionReset => "the server has broken the connection".to_owned(),
        io::ErrorKind::TimedOut => "the server no longer answers".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    /// What fits into the made-up network.
    const NETWORK_BYTES: usize = 64;

    /// A connection's task, and the server's end of it.
    struct Play {
        orders: mpsc::Sender<Order>,
        events: mpsc::Receiver<Event>,
        server: tokio::io::DuplexStream,
        ended: tokio::task::JoinHandle<Option<String>>,
    }

    impl Play {
        fn start() -> Self {
            let (wire, server) = tokio::io::duplex(NETWORK_BYTES);
            let (orders, mut taken) = mpsc::channel(ORDERS_MAX);
            let (told, events) = mpsc::channel(EVENTS_MAX);
            let carrying = async move { carry(Box::new(wire), &mut taken, &told).await };
            Self { orders, events, server, ended: tokio::spawn(carrying) }
        }
    }

    // With its clock paused, time is over as soon as nothing can happen any more.
    #[tokio::test(start_paused = true)]
    async fn lines_go_both_ways_even_if_the_server_waits_for_us_to_read() {
        let mut play = Play::start();
        assert_eq!(play.events.recv().await, Some(Event::Up));
        let long = "x".repeat(10 * NETWORK_BYTES);
        for line in [&*long, "last"] {
            play.orders.send(Order::Send(line.to_owned())).await.expect("the task runs");
        }
        // Far more than is on its way at once, before anything of ours is read.
        let lines = format!("{long}\n{long}\n");
        let written = timeout(CONNECT_WAIT_MAX, play.server.write_all(lines.as_bytes())).await;
        written.expect("it reads").expect("it is there");
        for _ in 0..2 {
            assert_eq!(play.events.recv().await, Some(Event::Line(long.clone())));
        }
        let mut read = vec![0; long.len() + 6];
        play.server.read_exact(&mut read).await.expect("it writes");
        assert_eq!(read, format!("{long}\nlast\n").as_bytes());
        drop(play.server);
        let why = play.ended.await.expect("no panic");
        assert_eq!(why.as_deref(), Some("the server has ended the connection"));
    }

    #[tokio::test]
    async fn a_server_that_does_not_read_fills_a_bounded_queue() {
        let play = Play::start();
        let line = "x".repeat(UNSENT_BYTES_MAX / 8 + NETWORK_BYTES);
        let taken_max = ORDERS_MAX + 8;
        let mut taken = 0;
        for _ in 0..2 * taken_max {
            taken += usize::from(play.orders.try_send(Order::Send(line.clone())).is_ok());
            // The task has its turn, in which it takes what it can.
            tokio::task::yield_now().await;
        }
        assert_eq!(taken, taken_max);
    }

    #[tokio::test]
    async fn it_ends_when_nobody_is_interested() {
        let play = Play::start();
        drop(play.orders);
        assert_eq!(play.ended.await.expect("no panic"), None);
    }
}
