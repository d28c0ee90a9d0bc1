//! A crew in a process of its own, for when one process may not have descriptors enough. Orders go
//! to its standard input and reports come from its standard output, as frames: a length, then a
//! value. Everything is exact on the other side, distributions too.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Assignment, Crew, Order, Standing, Threads};
use crate::worker::{Outcome, Tick};

/// The word on the command line that makes a process a crew.
const VERB: &str = "crew";
/// How often a crew tells how far it is.
const TELL_EVERY: Duration = Duration::from_millis(20);
/// No report is as long as this.
const FRAME_BYTES_MAX: u32 = 1 << 30;

/// What a crew tells.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Standing(Standing),
    Tick(Tick),
    /// Its last word.
    Ended(Result<Box<Outcome>, String>),
}

/// A process with a crew in it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    orders: ChildStdin,
    told: Receiver<Told>,
    standing: Standing,
    ticks: Vec<Tick>,
    ended: Option<Result<Box<Outcome>, String>>,
}

impl Process {
    /// Starts `program`, which is this one, as a crew.
    ///
    /// # Errors
    /// A sentence when it cannot be started.
    pub fn start(program: &Path, assignment: &Assignment) -> Result<Self, String> {
        let cannot = |e| format!("cannot start {}: {e}", program.display());
        let mut child = Command::new(program)
            .arg(VERB)
            // Ctrl-C is for whoever leads.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        let mut orders = child.stdin.take().expect("it is piped");
        let mut reports = child.stdout.take().expect("it is piped");
        let (tell, told) = channel();
        let read = move || {
            while let Ok(Some(frame)) = read_frame(&mut reports) {
                if tell.send(frame).is_err() {
                    return;
                }
            }
        };
        let name = "crew-reports".to_owned();
        thread::Builder::new().name(name).spawn(read).map_err(cannot)?;
        write_frame(&mut orders, assignment).map_err(cannot)?;
        let (standing, ticks) = (Standing::default(), vec![]);
        Ok(Self { child, orders, told, standing, ticks, ended: None })
    }

    fn take_in(&mut self, told: Told) {
        match told {
            Told::Standing(standing) => self.standing = standing,
            Told::Tick(tick) => self.ticks.push(tick),
            Told::Ended(outcome) => self.ended = Some(outcome),
        }
    }

    fn listen(&mut self) {
        while let Ok(told) = self.told.try_recv() {
            self.take_in(told);
        }
    }
}

impl Crew for Process {
    fn order(&mut self, order: Order) {
        // A crew that has ended says so, or is found out when it is waited for.
        let _ = write_frame(&mut self.orders, &order);
    }

    fn standing(&mut self) -> Standing {
        self.listen();
        let is_gone = self.ended.is_some() || !matches!(self.child.try_wait(), Ok(None));
        Standing { broken: self.standing.broken || is_gone, ..self.standing }
    }

    fn ticks(&mut self) -> Vec<Tick> {
        self.listen();
        std::mem::take(&mut self.ticks)
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn finish(mut self: Box<Self>) -> Result<(Outcome, Vec<Tick>), String> {
        while self.ended.is_none()
            && let Ok(told) = self.told.recv()
        {
            self.take_in(told);
        }
        let died = || Err("a process of ours died".to_owned());
        let outcome = self.ended.take().unwrap_or_else(died)?;
        Ok((*outcome, std::mem::take(&mut self.ticks)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both do nothing for a child that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is a crew: does what comes on standard input, and tells on standard output. An end of input is
/// an order to stop, so that nobody goes on without a leader.
///
/// # Errors
/// A sentence when nobody listens, or what comes makes no sense.
pub fn serve(orders: impl Read + Send + 'static, mut reports: impl Write) -> Result<(), String> {
    let mut orders = orders;
    let no_sense = |e: io::Error| format!("this is for processes of loadgen to use: {e}");
    let assignment: Option<Assignment> = read_frame(&mut orders).map_err(no_sense)?;
    let assignment = assignment.ok_or("there is nothing to do")?;
    let (give, given) = channel();
    let read = move || {
        while let Ok(Some(order)) = read_frame::<Order>(&mut orders) {
            if give.send(order).is_err() {
                return;
            }
        }
        let _ = give.send(Order::Stop);
    };
    let name = "crew-orders".to_owned();
    thread::Builder::new().name(name).spawn(read).map_err(|e| e.to_string())?;
    let nobody = |e: io::Error| format!("nobody hears what this process has to tell: {e}");
    let mut threads = Threads::start(&assignment)?;
    loop {
        let order = given.recv_timeout(TELL_EVERY).ok();
        if let Some(order) = order {
            threads.order(order);
        }
        for tick in threads.ticks() {
            write_frame(&mut reports, &Told::Tick(tick)).map_err(nobody)?;
        }
        let standing = threads.standing();
        if order == Some(Order::Stop) || standing.broken {
            break;
        }
        write_frame(&mut reports, &Told::Standing(standing)).map_err(nobody)?;
    }
    threads.order(Order::Stop);
    let ended = match Box::new(threads).finish() {
        Ok((outcome, ticks)) => {
            for tick in ticks {
                write_frame(&mut reports, &Told::Tick(tick)).map_err(nobody)?;
            }
            Ok(Box::new(outcome))
        }
        Err(why) => Err(why),
    };
    write_frame(&mut reports, &Told::Ended(ended)).map_err(nobody)
}

fn write_frame(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_stdvec(value).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= FRAME_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("a report is too long"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// The next value; none at the end.
fn read_frame<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_le_bytes(length);
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other("what comes is no frame"));
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes)?;
    postcard::from_bytes(&bytes).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use crate::message::Header;

    use super::*;

    #[test]
    fn an_outcome_is_the_same_on_the_other_side() {
        let mut outcome = Outcome { reads: 7, bytes_read: 900, ..Outcome::default() };
        for ns in (0..2_000).map(|n| n * n * 1_000) {
            outcome.times.delivery.saturating_record(ns);
            outcome.times.lag.saturating_record(ns / 3);
        }
        let mut receiver = crate::ledger::Receiver::new(3, 0, true);
        let header = Header {
            run: 1,
            sender: 9,
            room: 3,
            warm_up: false,
            sequence: 4,
            intended_ns: 0,
            sent_ns: 0,
        };
        receiver.message(&header, &mut outcome.sums);
        outcome.receivers.push(receiver);
        outcome.sent.entry((3, 9)).or_default().add(5, true);
        outcome.samples.insert((9, 4), (1, 2, 3));
        outcome.connect_error = Some("no".to_owned());
        let mut bytes = vec![];
        write_frame(&mut bytes, &Told::Ended(Ok(Box::new(outcome)))).expect("written");
        write_frame(&mut bytes, &Told::Standing(Standing::default())).expect("written");
        let mut from = &*bytes;
        let Ok(Some(Told::Ended(Ok(read)))) = read_frame(&mut from) else { panic!("no outcome") };
        assert_eq!(read.times.delivery.len(), 2_000);
        let mut again = vec![];
        write_frame(&mut again, &Told::Ended(Ok(read))).expect("written");
        assert!(bytes.starts_with(&again), "it is the same");
        assert!(matches!(read_frame(&mut from), Ok(Some(Told::Standing(_)))));
        assert!(matches!(read_frame::<Told>(&mut from), Ok(None)));
    }

    #[test]
    fn nonsense_is_refused() {
        let nothing = Vec::new();
        let long = [0xff; 64].to_vec();
        let broken = [8, 0, 0, 0, 9, 9].to_vec();
        for (bytes, says) in [(nothing, "nothing to do"), (long, "no frame"), (broken, "loadgen")] {
            let error = serve(io::Cursor::new(bytes), io::sink()).expect_err("nonsense");
            assert!(error.contains(says), "{error}");
        }
    }
}
