//! Every reason and every failure, each in a run that is sound but for it.

use crate::result::{Connections, GeneratorUse, Phase, ServerCounts, ServerUse, Setup, Times};
use crate::scenario::Scenario;
use crate::words::Words;

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
        setup: Setup::default(),
        command: vec![],
        started_unix_seconds: 0,
        phases: vec![],
        interrupted: None,
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
        server_words: Words::default(),
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
    let text = reason(|run| {
        run.connections.refused = 2;
        run.server_words.add("HTTP/1.1 429 Too Many Requests");
        run.server_words.add("There are too many connections from your address, please");
    });
    assert!(text.contains("rejected 2 connections"), "{text}");
    assert!(text.contains("it said: There are too many") && text.contains("--exempt"), "{text}");
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
        (run.caught_up, run.scenario.rate) = (false, RATE_LIMIT);
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

#[test]
fn a_rate_limit_is_no_broken_promise() {
    let behind = |rate: f64| {
        move |run: &mut RunResult| {
            (run.caught_up, run.scenario.rate) = (false, rate);
            (run.messages.lost, run.messages.delivered) = (900, 9000);
        }
    };
    assert_eq!(failure(behind(50.0)), Vec::<String>::new());
    let text = reason(behind(50.0));
    assert!(text.contains("send 50 messages a second") && text.contains("--exempt"), "{text}");
    assert_eq!(failure(behind(5.0)).len(), 1, "no limit holds for that");
    let counted = |throttled: u64| {
        move |run: &mut RunResult| {
            behind(50.0)(run);
            let counted = Some(ServerCounts { throttled, said: 990, ..ServerCounts::default() });
            run.server = Some(ServerUse { counted, ..ServerUse::default() });
        }
    };
    assert_eq!(failure(counted(0)).len(), 1, "the server knows of no limit");
    assert!(reason(counted(3)).contains("rate limit, 3 times"));
    assert_eq!(failure(counted(3)), Vec::<String>::new());
    let busy = |run: &mut RunResult| {
        behind(50.0)(run);
        let threads = vec![ThreadUse { cpu_ns: 9_000_000_000, ..ThreadUse::default() }];
        run.server = Some(ServerUse { seconds: 10.0, threads, ..ServerUse::default() });
    };
    assert_eq!(failure(busy).len(), 1, "it could do no more");
}

#[test]
fn a_busy_generator_does_not_blame_the_server_for_what_it_has_not_read() {
    let busy = |run: &mut RunResult| {
        run.caught_up = false;
        run.generator.threads[0].cpu_ns = 9_000_000_000;
        (run.messages.lost, run.messages.delivered) = (900, 9000);
        run.scenario.rate = 1.0;
    };
    assert_eq!(failure(busy), Vec::<String>::new());
    let mut result = sound();
    busy(&mut result);
    let reasons = judge(&result).join("; ");
    assert!(reasons.contains("900 deliveries were still missing"), "{reasons}");
}

#[test]
fn what_was_interrupted_before_it_counted_says_nothing_and_what_came_after_does() {
    let text = reason(|run| {
        run.interrupted = Some("ramp");
        run.connections.failed = 3;
    });
    assert!(text.contains("`ramp`"), "{text}");
    let mut measured = sound();
    measured.interrupted = Some("measure");
    assert_eq!(judge(&measured), Vec::<String>::new());
}
