//! Whether a run says anything about the server, and whether the server kept its promises.

use hdrhistogram::Histogram;

use crate::plan::{Part, Plan};
use crate::result::{Messages, RunResult, ThreadUse};
use crate::scenario::{Arrivals, Text};
use crate::words;

/// Of the messages that were due, the part that must have been sent.
pub const ACHIEVED_MIN: f64 = 0.99;
/// By how many times its variation a random number may be too small.
const VARIATIONS_MAX: f64 = 4.0;
/// What the 99th percentile of lateness may always be.
pub const LAG_ALWAYS_NS: u64 = 1_000_000;
/// What it may be as a part of the 99th percentile of delivery.
pub const LAG_SHARE_MAX: f64 = 0.1;
/// The part of its time that a generator thread may be busy.
pub const BUSY_MAX: f64 = 0.85;
/// The part of the machine's time that its hypervisor may take away.
pub const STEAL_MAX: f64 = 0.02;
/// Messages a second that Hubbub takes from a client whose address is not exempt, unless it is told
/// otherwise.
pub const RATE_LIMIT: f64 = 10.0;
/// The part of the connections at which a server that closes them is taken to be gone.
pub const CLOSED_MAX: f64 = 0.5;

/// Why a run says nothing about the server, a sentence for each reason; none for a valid run.
#[must_use]
pub fn judge(result: &RunResult) -> Vec<String> {
    if result.is_cut_before_measuring() {
        let phase = result.interrupted.unwrap_or_default();
        return vec![format!("it was interrupted in its phase `{phase}`, before anything counted")];
    }
    let reasons = [
        rate_missed(result),
        not_offered(result),
        late(result),
        saturated(result),
        stolen(result),
        unconnected(result),
        refused(result),
        throttled(result),
        generator_behind(result),
        server_gone(result),
    ];
    reasons.into_iter().flatten().collect()
}

/// What the scenario promises and the server did not keep, a sentence each. Messages that no server
/// may damage fail any run; messages that are missing, only one that promises to lose none.
#[must_use]
pub fn failures(result: &RunResult) -> Vec<String> {
    let Messages { lost, missed, missed_by_slow, disagreements, .. } = result.messages;
    let Messages { duplicated, reordered, corrupted, misrouted, .. } = result.messages;
    let closed = result.connections.closed_by_server;
    let lossless = result.scenario.lossless;
    let expects_all = lossless && result.caught_up;
    let counts = [
        (expects_all, lost, "deliveries were expected and never came"),
        (
            lossless,
            missed - missed_by_slow,
            "messages were missed, as the server says, by receivers who kept up",
        ),
        (lossless, disagreements, "pairs of receivers saw messages of a room in different orders"),
        (lossless, closed, "connections were closed by the server without being asked to"),
        (true, duplicated, "deliveries came again"),
        (true, reordered, "deliveries came after a later one of the same sender"),
        (true, corrupted, "deliveries came with a wrong checksum"),
        (true, misrouted, "deliveries came to somebody who was not in the room"),
    ];
    let broken = counts.into_iter().filter(|(promised, count, _)| *promised && *count > 0);
    broken
        .map(|(_, count, what)| format!("{count} {what}; there should be none"))
        .chain(behind(result))
        .chain(result.server_end.clone())
        .chain(unreconciled(&result.messages))
        .chain(counted_otherwise(result))
        .collect()
}

/// Every delivery that there should have been either came or is lost. What came again, damaged,
/// or to the wrong place is counted beside, and is not among those that came.
fn unreconciled(messages: &Messages) -> Option<String> {
    let Messages { expected, delivered, lost, .. } = *messages;
    let accounted = delivered.saturating_add(lost);
    (accounted != expected).then(|| {
        format!(
            "the counts do not reconcile: {expected} deliveries were expected, {delivered} came \
             and {lost} are lost, which leaves {} {}",
            expected.abs_diff(accounted),
            if accounted < expected { "unaccounted for" } else { "too many" }
        )
    })
}

/// What has not come by the end may still be on its way. It is the server that is late, unless its
/// rate limit is why, or the generator.
fn behind(result: &RunResult) -> Option<String> {
    let is_servers = throttled(result).is_none() && saturated(result).is_none();
    (result.scenario.lossless && !result.caught_up && is_servers).then(|| {
        format!(
            "the server had not caught up {} s after the last message, {} deliveries were still \
             missing: lower --rate, or allow more drain_seconds_max",
            result.scenario.drain_seconds_max, result.messages.lost
        )
    })
}

/// A server that was started for this run counts what is said to it. Whoever breaks a connection
/// cannot know what still arrived.
fn counted_otherwise(result: &RunResult) -> Option<String> {
    let counted = result.server.as_ref()?.counted?;
    let sent = result.messages.sent + result.messages.uncounted;
    let comparable = result.scenario.lossless && result.caught_up && result.scenario.herds == 0;
    (comparable && counted.said != sent).then(|| {
        format!("{sent} messages were sent, and the server counted {} that were said", counted.said)
    })
}

fn is_open_loop(result: &RunResult) -> bool {
    result.scenario.arrivals != Arrivals::Window
}

fn rate_missed(result: &RunResult) -> Option<String> {
    let Messages { offered, sent, .. } = result.messages;
    let achieved = sent as f64 / offered as f64;
    let missed = is_open_loop(result) && offered > 0 && achieved < ACHIEVED_MIN;
    missed.then(|| {
        format!(
            "only {:.1} % of the messages that were due were sent ({sent} of {offered}), the limit \
             is {:.0} %: lower --rate or give the generator more cores",
            100.0 * achieved,
            100.0 * ACHIEVED_MIN
        )
    })
}

/// Senders that are missing have nothing due. Random numbers of messages vary by the root of their
/// mean, that of bursts by twice as much.
fn not_offered(result: &RunResult) -> Option<String> {
    let scenario = &result.scenario;
    let measured = result.phases.iter().find(|phase| phase.name == "measure")?;
    let seconds = measured.seconds.min(scenario.measure_seconds);
    let due = scenario.rate * seconds;
    let spread = VARIATIONS_MAX * (2.0 * scenario.burst * due).sqrt();
    let offered = result.messages.offered as f64;
    let is_measured = is_open_loop(result) && scenario.text == Text::Measured;
    let missing = is_measured && !scenario.has_newcomers() && offered < ACHIEVED_MIN * due - spread;
    missing.then(|| {
        format!(
            "{offered:.0} messages were due, and the scenario's rate makes {due:.0}: some who \
             should speak were not there"
        )
    })
}

fn late(result: &RunResult) -> Option<String> {
    let lag = p99(&result.times.lag);
    let delivery = p99(&result.times.delivery);
    let limit = LAG_ALWAYS_NS.max((delivery as f64 * LAG_SHARE_MAX) as u64);
    (is_open_loop(result) && lag > limit).then(|| {
        format!(
            "the generator sent late: the 99th percentile is {}, the limit is {} (1 ms, or a tenth \
             of that of delivery): lower --rate or give the generator cores of its own",
            milliseconds(lag),
            milliseconds(limit)
        )
    })
}

fn saturated(result: &RunResult) -> Option<String> {
    let used = &result.generator;
    let (thread, busy) = busiest(&used.threads, used.seconds)?;
    // With a window each side waits for the other: the one that is busier is the limit.
    let server = result.server.as_ref().and_then(|it| busiest(&it.threads, it.seconds));
    let is_limit = is_open_loop(result) || server.is_none_or(|(_, server)| server < busy);
    (busy > BUSY_MAX && is_limit).then(|| {
        format!(
            "the generator's thread `{}` was busy for {:.0} % of the time, the limit is {:.0} %: \
             lower --rate, or spread the load over more cores with --cpus",
            thread.name,
            100.0 * busy,
            100.0 * BUSY_MAX
        )
    })
}

/// The thread that was busiest, and for which part of the time. One that waits for its core is as
/// busy as one that has it: others are on the core.
fn busiest(threads: &[ThreadUse], seconds: f64) -> Option<(&ThreadUse, f64)> {
    let busy_ns = |thread: &ThreadUse| thread.cpu_ns + thread.waited_ns;
    let busiest = threads.iter().max_by_key(|thread| busy_ns(thread))?;
    (seconds > 0.0).then(|| (busiest, busy_ns(busiest) as f64 / 1e9 / seconds))
}

fn stolen(result: &RunResult) -> Option<String> {
    let share = result.generator.steal_share;
    (share > STEAL_MAX).then(|| {
        format!(
            "{:.1} % of the machine's time went to others (steal), the limit is {:.0} %: run again \
             when its host is quieter",
            100.0 * share,
            100.0 * STEAL_MAX
        )
    })
}

fn unconnected(result: &RunResult) -> Option<String> {
    let failed = result.connections.failed;
    let why = result.connect_error.as_deref().unwrap_or("it is not known why");
    (failed > 0).then(|| {
        let advice = with_advice(result, why);
        format!("{failed} connections could not be made, the limit is none; of the first: {advice}")
    })
}

fn refused(result: &RunResult) -> Option<String> {
    let refused = result.connections.refused;
    let is_hubbubs = |text: &str| words::is_rejection(text) && result.scenario.dialect.is_hubbub();
    let mut words = result.server_words.kinds.iter().map(|word| word.text.as_str());
    // What an answer over HTTP says is plainer than its status.
    let said = words.clone().find(|text| is_hubbubs(text));
    let said = said.or_else(|| words.find(|text| text.starts_with("HTTP/"))).unwrap_or("nothing");
    (refused > 0).then(|| {
        let said = with_advice(result, said);
        format!("the server rejected {refused} connections, the limit is none; it said: {said}")
    })
}

/// What a server said, and what to do about it if that is known.
fn with_advice(result: &RunResult, said: &str) -> String {
    let advice = words::advice(result.scenario.dialect, said);
    advice.map_or_else(|| said.to_owned(), |advice| format!("{said} ({advice})"))
}

fn server_gone(result: &RunResult) -> Option<String> {
    let (closed, most) = (result.connections.closed_by_server, result.connections.most);
    let gone = closed > 0 && closed as f64 >= CLOSED_MAX * most as f64;
    gone.then(|| {
        format!(
            "the server closed {closed} connections of at most {most}, the limit is {:.0} %: it \
             ended or was restarted during the run, its log will say why",
            100.0 * CLOSED_MAX
        )
    })
}

/// 0 for a distribution of nothing.
fn p99(times: &Histogram<u64>) -> u64 {
    if times.is_empty() { 0 } else { times.value_at_quantile(0.99) }
}

/// A server that leaves input unread because its client has spent a rate limit does what it should,
/// and what is measured is the limit. One that was not started for this run does not tell.
fn throttled(result: &RunResult) -> Option<String> {
    let scenario = &result.scenario;
    let advice = "start it with the generator's network in --exempt (127.0.0.0/8 is there by \
                  default), raise --messages-per-second, or lower --rate";
    if let Some(counted) = result.server.as_ref().and_then(|server| server.counted) {
        return (counted.throttled > 0).then(|| {
            let times = counted.throttled;
            format!("the server held clients to its rate limit, {times} times: {advice}")
        });
    }
    let server = result.server.as_ref().and_then(|it| busiest(&it.threads, it.seconds));
    let is_idle = server.is_none_or(|(_, busy)| busy < BUSY_MAX);
    let senders = Plan::new(scenario, 0, 1, Part { index: 0, of: 1 }).senders();
    let each = scenario.rate / f64::from(senders.max(1));
    let is_above = is_open_loop(result) && scenario.dialect.is_hubbub() && each > RATE_LIMIT;
    (!result.caught_up && is_above && is_idle).then(|| {
        format!(
            "the server held clients to a rate limit, as it seems: each of {senders} was to send \
             {each:.0} messages a second, and Hubbub takes {RATE_LIMIT:.0} from an address that is \
             not exempt: {advice}"
        )
    })
}

/// Nobody can tell where messages are that a busy generator has not read.
fn generator_behind(result: &RunResult) -> Option<String> {
    let is_ours = result.scenario.lossless && !result.caught_up && saturated(result).is_some();
    is_ours.then(|| {
        let missing = result.messages.lost;
        format!(
            "{missing} deliveries were still missing at the end, with a generator that was busy"
        )
    })
}

fn milliseconds(ns: u64) -> String {
    format!("{:.2} ms", ns as f64 / 1e6)
}

#[cfg(test)]
mod tests;
