//! Whether a run says anything about the server, and whether the server kept its promises.

use hdrhistogram::Histogram;

use crate::result::{Messages, RunResult, ThreadUse};
use crate::scenario::{Arrivals, Text};

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
/// The part of the connections at which a server that closes them is taken to be gone.
pub const CLOSED_MAX: f64 = 0.5;

/// Why a run says nothing about the server, a sentence for each reason; none for a valid run.
#[must_use]
pub fn judge(result: &RunResult) -> Vec<String> {
    let reasons = [
        rate_missed(result),
        not_offered(result),
        late(result),
        saturated(result),
        stolen(result),
        unconnected(result),
        refused(result),
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

/// What has not come by the end may still be on its way.
fn behind(result: &RunResult) -> Option<String> {
    (result.scenario.lossless && !result.caught_up).then(|| {
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
    let why = result.connect_error.as_deref().unwrap_or("nobody knows why");
    (failed > 0).then(|| {
        format!("{failed} connections could not be made, the limit is none; of the first: {why}")
    })
}

fn refused(result: &RunResult) -> Option<String> {
    let refused = result.connections.refused;
    (refused > 0).then(|| {
        format!(
            "the server was full and turned {refused} connections away, the limit is none: raise \
             its --connections-max and descriptor limit, or lower --connections"
        )
    })
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

fn milliseconds(ns: u64) -> String {
    format!("{:.2} ms", ns as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use crate::result::{Connections, GeneratorUse, Phase, ServerCounts, ServerUse, Times};
    use crate::scenario::Scenario;

    use super::*;

    type Change = fn(&mut RunResult);

    fn sound() -> RunResult {
        let mut times = Times::new();
        for _ in 0..100 {
            times.delivery.record(5_000_000).expect("in bounds");
            times.lag.record(900_000).expect("in bounds");
        }
        let threads = vec![
            ThreadUse { name: "sender-0".to_owned(), cpu_ns: 8_400_000_000, waited_ns: 0 },
            ThreadUse { name: "main".to_owned(), cpu_ns: 1_000, waited_ns: 0 },
        ];
        RunResult {
            scenario: Scenario::default(),
            command: vec![],
            started_unix_seconds: 0,
            phases: vec![],
            times,
            messages: Messages {
                offered: 1000,
                sent: 990,
                expected: 9900,
                delivered: 9900,
                ..Messages::default()
            },
            connections: Connections { opened: 10, most: 10, ..Connections::default() },
            connect_error: None,
            caught_up: true,
            server_end: None,
            timeline: vec![],
            intervals: vec![],
            server: None,
            generator: GeneratorUse {
                seconds: 10.0,
                threads,
                steal_share: 0.02,
                ..GeneratorUse::default()
            },
            invalid: vec![],
            failures: vec![],
        }
    }

    /// The one reason there is once `change` was made to a sound run.
    fn reason(change: impl FnOnce(&mut RunResult)) -> String {
        let mut result = sound();
        change(&mut result);
        let reasons = judge(&result);
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        reasons[0].clone()
    }

    fn failure(change: impl FnOnce(&mut RunResult)) -> Vec<String> {
        let mut result = sound();
        change(&mut result);
        failures(&result)
    }

    #[test]
    fn a_run_at_its_limits_is_valid_and_keeps_its_promises() {
        assert_eq!(judge(&sound()), Vec::<String>::new());
        assert_eq!(failures(&sound()), Vec::<String>::new());
    }

    #[test]
    fn a_missed_rate_invalidates_an_open_loop_only() {
        let text = reason(|run| run.messages.sent = 989);
        assert!(text.contains("98.9 %") && text.contains("989 of 1000"), "{text}");
        assert!(text.contains("limit is 99 %") && text.contains("--rate"), "{text}");
        let mut closed = sound();
        closed.messages.sent = 10;
        closed.scenario.arrivals = Arrivals::Window;
        assert!(judge(&closed).is_empty());
        let mut idle = sound();
        idle.messages = Messages::default();
        assert!(judge(&idle).is_empty());
    }

    #[test]
    fn lateness_is_measured_by_what_is_measured() {
        let late = |run: &mut RunResult| run.times.lag.record_n(1_500_000, 9).expect("in bounds");
        let text = reason(late);
        assert!(text.contains("1.50 ms") && text.contains("limit is 1.00 ms"), "{text}");
        let mut slow = sound();
        late(&mut slow);
        slow.times.delivery.record_n(20_000_000, 100).expect("in bounds");
        assert!(judge(&slow).is_empty(), "a tenth of 20 ms is 2 ms");
    }

    #[test]
    fn the_busiest_thread_and_the_hypervisor_are_named() {
        let text = reason(|run| run.generator.threads[0].cpu_ns = 8_600_000_000);
        assert!(text.contains("`sender-0` was busy for 86 %"), "{text}");
        assert!(text.contains("limit is 85 %"), "{text}");
        let text = reason(|run| run.generator.threads[1].waited_ns = 9_000_000_000);
        assert!(text.contains("`main` was busy for 90 %"), "{text}");
        let mut window = sound();
        window.scenario.arrivals = Arrivals::Window;
        window.generator.threads[0].cpu_ns = 9_000_000_000;
        assert_eq!(judge(&window).len(), 1, "nobody knows how busy the server is");
        let thread = |cpu_ns| ThreadUse { cpu_ns, ..ThreadUse::default() };
        for (server_ns, reasons) in [(8_900_000_000, 1), (9_100_000_000, 0)] {
            let threads = vec![thread(server_ns)];
            window.server = Some(ServerUse { seconds: 10.0, threads, ..ServerUse::default() });
            assert_eq!(judge(&window).len(), reasons, "{server_ns}");
        }
        let text = reason(|run| run.generator.steal_share = 0.031);
        assert!(text.contains("3.1 %") && text.contains("limit is 2 %"), "{text}");
    }

    #[test]
    fn connections_that_are_missing_invalidate() {
        let text = reason(|run| {
            run.connections.failed = 3;
            run.connect_error = Some("out of ports".to_owned());
        });
        assert!(text.contains("3 connections could not be made"), "{text}");
        assert!(text.ends_with("out of ports"), "{text}");
        let text = reason(|run| run.connections.refused = 2);
        assert!(text.contains("turned 2 connections away"), "{text}");
        let text = reason(|run| run.connections.closed_by_server = 5);
        assert!(text.contains("closed 5 connections of at most 10"), "{text}");
        let mut few = sound();
        few.connections.closed_by_server = 4;
        assert!(judge(&few).is_empty());
    }

    #[test]
    fn each_broken_promise_is_a_failure() {
        let changes: [(Change, &str); 8] = [
            (|run| (run.messages.lost, run.messages.delivered) = (2, 9898), "2 deliveries were ex"),
            (|run| run.messages.missed = 3, "3 messages were missed"),
            (|run| run.messages.duplicated = 4, "4 deliveries came again"),
            (|run| run.messages.reordered = 5, "5 deliveries came after"),
            (|run| run.messages.corrupted = 6, "6 deliveries came with a wrong checksum"),
            (|run| run.messages.misrouted = 7, "7 deliveries came to somebody"),
            (|run| run.messages.disagreements = 8, "8 pairs"),
            (|run| run.connections.closed_by_server = 1, "1 connections were closed"),
        ];
        for (change, begins) in changes {
            let texts = failure(change);
            assert!(texts.len() == 1 && texts[0].starts_with(begins), "{begins}: {texts:?}");
        }
    }

    #[test]
    fn a_scenario_that_may_lose_messages_may_not_damage_them() {
        let lossy = |run: &mut RunResult| {
            run.scenario.lossless = false;
            (run.messages.lost, run.messages.delivered) = (900, 9000);
            (run.messages.missed, run.messages.disagreements) = (900, 1);
        };
        assert_eq!(failure(lossy), Vec::<String>::new());
        let texts = failure(|run| {
            lossy(run);
            run.messages.corrupted = 1;
        });
        assert_eq!(texts.len(), 1, "{texts:?}");
    }

    #[test]
    fn senders_that_are_missing_are_missed() {
        let offer = |offered| {
            move |run: &mut RunResult| {
                let measured = Phase { name: "measure", start_seconds: 1.0, seconds: 10.0 };
                run.phases = vec![measured];
                (run.messages.offered, run.messages.sent) = (offered, offered);
            }
        };
        let mut sound = sound();
        offer(900)(&mut sound);
        assert_eq!(judge(&sound), Vec::<String>::new(), "chance may do that");
        let text = reason(offer(700));
        assert!(text.contains("700 messages were due, and the scenario's rate makes 1000"));
    }

    #[test]
    fn what_is_late_at_the_end_is_not_lost_and_a_bad_end_fails() {
        let texts = failure(|run| {
            run.caught_up = false;
            (run.messages.lost, run.messages.delivered) = (900, 9000);
        });
        assert!(texts.len() == 1 && texts[0].contains("had not caught up 10 s"), "{texts:?}");
        let texts = failure(|run| run.server_end = Some("it was killed".to_owned()));
        assert_eq!(texts, ["it was killed"]);
    }

    #[test]
    fn slow_receivers_may_miss_what_others_may_not() {
        let slow = |run: &mut RunResult| {
            (run.messages.missed, run.messages.missed_by_slow) = (900, 900);
        };
        assert_eq!(failure(slow), Vec::<String>::new());
        let texts = failure(|run| {
            slow(run);
            run.messages.missed += 2;
        });
        assert!(texts.len() == 1 && texts[0].starts_with("2 messages were missed"), "{texts:?}");
    }

    #[test]
    fn the_servers_own_count_is_compared() {
        let counted = |said: u64| {
            move |run: &mut RunResult| {
                run.messages.uncounted = 10;
                let counted = Some(ServerCounts { said, ..ServerCounts::default() });
                run.server = Some(ServerUse { counted, ..ServerUse::default() });
            }
        };
        assert_eq!(failure(counted(1000)), Vec::<String>::new());
        let texts = failure(counted(999));
        assert!(texts.len() == 1 && texts[0].contains("counted 999"), "{texts:?}");
        let herd = |run: &mut RunResult| {
            counted(999)(run);
            run.scenario.herds = 1;
        };
        assert_eq!(failure(herd), Vec::<String>::new());
    }

    #[test]
    fn counts_reconcile_or_fail() {
        let texts = failure(|run| run.messages.delivered = 9890);
        assert!(texts[0].contains("leaves 10 unaccounted for"), "{texts:?}");
        let texts = failure(|run| run.messages.delivered = 9901);
        assert!(texts[0].contains("leaves 1 too many"), "{texts:?}");
    }
}
