//! The chat server most people write first, with the tools Tokio puts into their hands.
//!
//! One task per user, one broadcast channel per room, a line codec on both halves of the socket.
//! Its runtime has as many workers as the process has CPUs, which is one when it is pinned. It is
//! written to do well: no needless copies of a message, no delay on its sockets.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Sender};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec, LinesCodecError};

use crate::reference::{DELIVERIES, SAID, WRITES, add};

/// How far a user may fall behind before messages are lost.
const ROOM_CAPACITY: usize = 1024;

const LINE_BYTES_MAX: usize = 4096;

#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Sender<Arc<str>>>>);

impl Rooms {
    fn enter(&self, name: &str) -> Sender<Arc<str>> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let create = || broadcast::channel(ROOM_CAPACITY).0;
        rooms.entry(name.to_owned()).or_insert_with(create).clone()
    }
}

/// Serves whoever connects to this listener until the process ends.
pub(crate) fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let rooms = Arc::new(Rooms::default());
        let mut users = 0;
        loop {
            let (stream, _) = listener.accept().await?;
            let name = format!("user{users:08}");
            users += 1;
            let rooms = Arc::clone(&rooms);
            // How a conversation ends is the client's business.
            tokio::spawn(async move { drop(converse(stream, &name, &rooms).await) });
        }
    })
}

async fn converse(mut stream: TcpStream, name: &str, rooms: &Rooms) -> Result<(), LinesCodecError> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.split();
    let mut lines = FramedRead::new(reader, LinesCodec::new_with_max_length(LINE_BYTES_MAX));
    let mut sink = FramedWrite::new(writer, LinesCodec::new());
    sink.send(format!("You are {name}\nYou joined main")).await?;
    let mut room = rooms.enter("main");
    let mut messages = room.subscribe();
    loop {
        tokio::select! {
            line = lines.next() => {
                let Some(line) = line.transpose()? else { return Ok(()) };
                if let Some(wanted) = line.strip_prefix("/join ") {
                    room = rooms.enter(wanted);
                    messages = room.subscribe();
                    sink.send(format!("You joined {wanted}")).await?;
                } else {
                    add(&SAID, 1);
                    // This user listens too, so there is always a receiver.
                    let _ = room.send(format!("{name}: {line}").into());
                }
            }
            message = messages.recv() => match message {
                Ok(message) => {
                    sink.send(message).await?;
                    add(&DELIVERIES, 1);
                    add(&WRITES, 1);
                }
                Err(RecvError::Lagged(lost)) => {
                    sink.send(format!("Server is very busy and dropped {lost} messages")).await?;
                }
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }
}
