//! Connecting to one of several addresses: Happy Eyeballs (RFC 8305).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

/// How long an attempt has before the next address is tried beside it, as RFC 8305 advises.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses that are tried at most: a name may have any number.
const ADDRESSES_MAX: usize = 16;

/// Connects to whichever of `addresses` answers first, until `deadline`. If none does, says of each
/// address that was tried why not.
pub(crate) async fn connect(
    addresses: impl IntoIterator<Item = SocketAddr>,
    deadline: Instant,
) -> Result<TcpStream, String> {
    let mut untried = interleaved(addresses);
    let mut attempts = FuturesUnordered::new();
    let mut failures = vec![];
    loop {
        attempts.extend(untried.pop_front().map(|address| async move {
            let connected = timeout_at(deadline, TcpStream::connect(address)).await;
            (address, connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())))
        }));
        // The next one is tried when its time has come, or at once when one has failed.
        tokio::select! {
            attempt = attempts.next() => match attempt {
                Some((_, Ok(stream))) => return Ok(stream),
                Some((address, Err(error))) => failures.push((address, error)),
                None => return Err(told(&failures)),
            },
            () = sleep(ATTEMPT_DELAY), if !untried.is_empty() => {}
        }
    }
}

/// The families take turns, beginning with that of the first address: the system's order says which
/// it prefers.
fn interleaved(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = addresses.into_iter().collect();
    let is_first = addresses.first().map(SocketAddr::is_ipv6);
    let mut seen = [0, 0];
    // Stable, so each family keeps its order.
    addresses.sort_by_cached_key(|address| {
        let other = usize::from(Some(address.is_ipv6()) != is_first);
        seen[other] += 1;
        2 * seen[other] + other
    });
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    addresses.into()
}

fn told(failures: &[(SocketAddr, io::Error)]) -> String {
    match failures {
        [] => "the name has no address".to_owned(),
        [(_, error)] => reason(error),
        _ => {
            let each = failures
                .iter()
                .map(|(address, error)| format!("{}: {}", address.ip(), reason(error)));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nobody listens there (is the server running?)".to_owned()
        }
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

    fn deadline() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    /// An address that does not answer, for as long as what comes with it lives: its queue is full.
    fn silent() -> (SocketAddr, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        listener.bind(&any.into()).expect("a port");
        listener.listen(0).expect("a queue");
        let address = listener.local_addr().expect("it is bound");
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let filler = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            filler.set_nonblocking(true).expect("an option of our own socket");
            // Either it finds room in the queue, or there is none any more.
            let _ = filler.connect(&address);
            sockets.push(filler);
        }
        (address.as_socket().expect("an IPv4 address"), sockets)
    }

    #[test]
    fn families_take_turns() {
        let all =
            addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1", "[::1]:1"]);
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1", "[::1]:1"];
        assert_eq!(interleaved(all), addresses(&expected));
        assert_eq!(interleaved((0..99).map(|port| ([127, 0, 0, 1], port).into())).len(), 16);
    }

    #[tokio::test]
    async fn an_address_that_is_silent_hides_no_good_one() {
        let (silent, _sockets) = silent();
        let good = TcpListener::bind("127.0.0.1:0").expect("a port");
        let good = good.local_addr().expect("it is bound");
        let stream = connect([silent, good], deadline()).await.expect("one of them answers");
        assert_eq!(stream.peer_addr().expect("it is connected"), good);
    }

    #[tokio::test]
    async fn whatever_was_tried_is_told() {
        let (silent, _sockets) = silent();
        let unused = TcpListener::bind("127.0.0.2:0").expect("a port");
        let refuses = unused.local_addr().expect("it is bound");
        drop(unused);
        let soon = Instant::now() + Duration::from_millis(300);
        let why = connect([silent, refuses], soon).await.expect_err("none answers");
        assert!(why.contains("127.0.0.2: nobody listens there"), "{why}");
        assert!(why.contains("127.0.0.1: no answer"), "{why}");
        let why = connect([refuses], deadline()).await.expect_err("none answers");
        assert!(why.starts_with("nobody listens there"), "{why}");
        assert!(connect([], deadline()).await.is_err());
    }
}
