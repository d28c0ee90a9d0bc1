//! This process and others, watched.

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

fn burn(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        black_box((0..1000).sum::<u64>());
    }
}

#[test]
fn a_busy_thread_shows_under_its_name_and_an_ended_one_subtracts_nothing() {
    let (told, wait) = mpsc::channel::<()>();
    let (tell, done) = mpsc::channel();
    let ending = thread::spawn(move || {
        burn(Duration::from_millis(50));
        tell.send(()).expect("somebody waits");
        wait.recv().expect("to be told");
    });
    done.recv().expect("it burns first");
    let before = Snapshot::of(std::process::id()).expect("a snapshot");
    told.send(()).expect("it waits");
    ending.join().expect("it ends");
    let (tell, burnt) = mpsc::channel();
    let (told, wait) = mpsc::channel::<()>();
    let busy = thread::Builder::new().name("busy-bee".to_owned());
    let busy = busy.spawn(move || {
        burn(Duration::from_millis(100));
        tell.send(()).expect("somebody waits");
        wait.recv().expect("to be told");
    });
    burnt.recv().expect("it burns");
    let after = Snapshot::of(std::process::id()).expect("a snapshot");
    told.send(()).expect("it waits");
    busy.expect("a thread").join().expect("it ends");

    let used = ServerUse::between(&before, &after);
    let bee = used.threads.iter().find(|thread| thread.name == "busy-bee").expect("the bee");
    assert!(bee.cpu_ns > 1_000_000, "{bee:?}");
    let most = (used.seconds * 1e9) as u64 * 2;
    assert!(used.threads.iter().all(|thread| thread.cpu_ns < most), "{used:?}");
    assert!(used.user_ns > 0 && used.seconds >= 0.1, "{used:?}");
    assert!(used.rss_after > 100_000 && used.descriptors >= 3, "{used:?}");
    assert!(used.pss_after > 0 && used.pss_after <= used.rss_after * 2, "{used:?}");
    let own = GeneratorUse::between(&[before], &[after]);
    assert!((0.0..=1.0).contains(&own.steal_share) && own.threads == used.threads);
}

#[test]
fn a_thread_number_that_went_to_another_thread_starts_from_zero() {
    let thread = |cpu_ns, voluntary| Thread { cpu_ns, voluntary, ..Thread::default() };
    let before = Threads(BTreeMap::from([(1, thread(500, 7)), (2, thread(40, 4))]));
    let after = Threads(BTreeMap::from([(1, thread(90, 3)), (2, thread(50, 6))]));
    let used: Vec<u64> = after.since(&before).iter().map(|thread| thread.cpu_ns).collect();
    assert_eq!(used, [90, 10]);
    assert_eq!(after.switches_since(&before), (5, 0));
}

#[test]
fn a_process_that_ended_is_gone_reaped_or_not() {
    let child = Command::new("cat").stdin(Stdio::piped()).spawn();
    let mut child = child.expect("a child");
    let pid = child.id();
    let probe = Probe::new(pid).expect("it runs");
    assert!(probe.read().expect("a reading").rss > 0);
    child.kill().expect("it can be killed");
    let limit = Instant::now() + Duration::from_secs(10);
    while probe.read().is_ok() && Instant::now() < limit {
        thread::sleep(Duration::from_millis(1));
    }
    for reaped in [false, true] {
        let error = Snapshot::of(pid).expect_err("it is gone");
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "reaped: {reaped}");
        assert_eq!(error.to_string(), format!("process {pid} is gone"));
        child.wait().expect("it ended");
    }
}

#[test]
fn a_process_that_took_over_a_number_is_another_one() {
    let probe = Probe::new(std::process::id()).expect("we run");
    let other = Probe { began: probe.began + 1, ..probe };
    assert!(probe.read().is_ok());
    assert_eq!(other.read().expect_err("another").kind(), io::ErrorKind::NotFound);
}

#[test]
fn texts_of_the_kernel_are_understood() {
    let stat = "7 (a) R (b) S 1 1 1 0 -1 4194304 103 0 0 0 21 9 0 0 20 0 1 0 6234 29 414 1";
    let times = ProcessTimes { user_ns: 210, system_ns: 90, began: 6234 };
    assert_eq!(ProcessTimes::parse(stat, 10), Some(times));
    assert_eq!(ProcessTimes::parse(&stat.replace(") S", ") Z"), 10), None);
    let sockstat = "sockets: used 9\nTCP: inuse 7 orphan 0 tw 5 alloc 7 mem 25\nUDP: mem 3\n";
    assert_eq!(tcp_pages(sockstat), 25);
    assert_eq!(pss_bytes("55-7f ---p [rollup]\nRss: 17 kB\nPss:   315 kB\n"), 315 * 1024);
    let status = "voluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";
    assert_eq!(labelled(status, "nonvoluntary_ctxt_switches:"), 3);
    assert_eq!(labelled(status, "voluntary_ctxt_switches:"), 12);
}

#[test]
fn steal_is_a_share_of_all_time_between() {
    let before = MachineTimes::parse("cpu  100 0 0 0 0 0 0 10 90 90\ncpu0 1 1 1\n");
    let after = MachineTimes::parse("cpu  170 0 5 15 0 0 0 20 99 99\n");
    assert!((after.steal_share_since(before) - 0.1).abs() < 1e-12);
    assert_eq!(after.steal_share_since(after), 0.0);
}
