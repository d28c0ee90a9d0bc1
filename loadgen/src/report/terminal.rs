//! The report on the terminal.

use std::io;

use super::figures::{Figures, PERCENTILES, ServerFigures, quantile};
use super::format;
use super::overview::Row;
use crate::result::{Messages, RunResult, ServerUse};
use crate::words::Words;

/// Writes a run's report as text.
///
/// # Errors
/// What `out` says.
pub fn print(result: &RunResult, out: &mut impl io::Write) -> io::Result<()> {
    let figures = Figures::of(result);
    writeln!(out, "\n{}  {}\n", result.scenario.name, format::about(&result.scenario))?;
    percentiles(result, out)?;
    if result.messages.offered > 0 {
        rates(&figures, &result.messages, out)?;
        accounts(&figures, &result.messages, out)?;
    }
    connections(result, &figures, out)?;
    words(&result.server_words, out)?;
    if let (Some(server), Some(derived)) = (&result.server, &figures.server) {
        uses(server, derived, out)?;
    }
    let generator = format!("{} of its busiest thread", format::share(figures.generator_busiest));
    let steal = format::share(result.generator.steal_share);
    writeln!(out, "  generator    {generator}, {steal} of the machine stolen\n")?;
    verdict(result, out)
}

/// Writes what the columns of [`print_row`] are.
///
/// # Errors
/// What `out` says.
pub fn print_head(out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
    let times = ["p50", "p99", "p99.9"].map(|name| format!("{name:>10}")).concat();
    writeln!(out, "{:16}{times}{:>14}", "run", "deliveries/s")
}

/// Writes a run among others as a line.
///
/// # Errors
/// What `out` says.
pub fn print_row(row: &Row, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
    let time = |ns: Option<u64>| ns.map_or(format::NONE.to_owned(), |ns| format::time(ns as f64));
    let times = [row.p50_ns, row.p99_ns, row.p99_9_ns].map(|ns| format!("{:>10}", time(ns)));
    let deliveries = format::number(row.delivered_per_second);
    write!(out, "{:16}{}{deliveries:>14}  {}", row.run, times.concat(), row.verdict)?;
    if let Some(why) = row.reasons.first() {
        write!(out, ": {why}")?;
    }
    writeln!(out)
}

/// The table of percentiles. What has no samples has no line.
fn percentiles(result: &RunResult, out: &mut impl io::Write) -> io::Result<()> {
    if result.times.each().all(|(_, times)| times.is_empty()) {
        return writeln!(out, "  Nothing was measured.\n");
    }
    write!(out, "  {:11}{:>13}", "", "count")?;
    for (_, label, _) in PERCENTILES {
        write!(out, "{label:>10}")?;
    }
    writeln!(out, "{:>10}", "max")?;
    for (name, times) in result.times.each().filter(|(_, times)| !times.is_empty()) {
        write!(out, "  {name:11}{:>13}", format::count(times.len()))?;
        for &(_, _, q) in PERCENTILES {
            let value = quantile(times, q);
            let value = value.map_or(format::NONE.to_owned(), |ns| format::time(ns as f64));
            write!(out, "{value:>10}")?;
        }
        writeln!(out, "{:>10}", format::time(times.max() as f64))?;
    }
    writeln!(out)
}

fn rates(figures: &Figures, messages: &Messages, out: &mut impl io::Write) -> io::Result<()> {
    let rate = format::number;
    let achieved = figures.achieved_share.map_or(format::NONE.to_owned(), format::share);
    writeln!(
        out,
        "  messages     offered {} ({}/s), sent {} ({}/s): {achieved}",
        format::count(messages.offered),
        rate(figures.offered_per_second),
        format::count(messages.sent),
        rate(figures.sent_per_second),
    )?;
    let delivered = format!("{}/s", rate(figures.delivered_per_second));
    writeln!(out, "  deliveries   {} ({delivered})", format::count(messages.delivered))
}

/// Where the deliveries went, as a sum that can be checked by eye.
fn accounts(figures: &Figures, messages: &Messages, out: &mut impl io::Write) -> io::Result<()> {
    let n = format::count;
    let [expected, delivered, lost] = [messages.expected, messages.delivered, messages.lost].map(n);
    write!(out, "  accounts     {expected} expected = {delivered} delivered + {lost} lost")?;
    match figures.unaccounted {
        0 => writeln!(out, "  (adds up)")?,
        by => writeln!(out, "  DOES NOT ADD UP: {by} unaccounted for")?,
    }
    if messages.gap_notices > 0 {
        let (missed, notices) = (n(messages.missed), n(messages.gap_notices));
        writeln!(out, "               {missed} announced as missed, in {notices} notices")?;
    }
    writeln!(
        out,
        "               {} duplicated, {} reordered, {} corrupted, {} misrouted, \
         {} orders that disagree",
        n(messages.duplicated),
        n(messages.reordered),
        n(messages.corrupted),
        n(messages.misrouted),
        n(messages.disagreements),
    )?;
    Ok(())
}

fn connections(result: &RunResult, figures: &Figures, out: &mut impl io::Write) -> io::Result<()> {
    let it = &result.connections;
    let n = format::count;
    write!(out, "  connections  {} opened, {} at most at a time", n(it.opened), n(it.most))?;
    for (count, what) in [
        (it.failed, "failed"),
        (it.refused, "refused"),
        (it.closed_by_server, "closed by the server"),
    ] {
        if count > 0 {
            write!(out, ", {} {what}", n(count))?;
        }
    }
    if let Some(rate) = figures.arrived_per_second {
        write!(out, "\n               all came within {:.2} s", it.most as f64 / rate)?;
        write!(out, " ({}/s)", format::number(rate))?;
    }
    let cost = figures.server.as_ref().and_then(|server| server.gather_ns_per_connection);
    if let Some(cost) = cost {
        let start = if figures.arrived_per_second.is_some() { ", " } else { "\n               " };
        write!(out, "{start}{} of server CPU each to come and join", format::time(cost))?;
    }
    writeln!(out)
}

fn uses(server: &ServerUse, derived: &ServerFigures, out: &mut impl io::Write) -> io::Result<()> {
    write!(out, "  server       {:.2} cores", derived.cores)?;
    if let (Some(user), Some(system)) =
        (derived.user_ns_per_delivery, derived.system_ns_per_delivery)
    {
        let [all, user, system] = [user + system, user, system].map(format::number);
        write!(out, ", {all} ns of CPU a delivery ({user} user + {system} system)")?;
    }
    let [before, after] = [server.rss_before, server.rss_after].map(|it| format::bytes(it as f64));
    write!(out, "\n               memory {before} before, {after} after")?;
    if let Some(bytes) = derived.rss_bytes_per_connection.filter(|bytes| *bytes > 0.0) {
        write!(out, ": {} a connection", format::bytes(bytes))?;
    }
    if let Some(lines) = derived.lines_per_write {
        write!(out, "\n               {} lines of rooms in each write", format::number(lines))?;
    }
    writeln!(out)
}

/// What the server said beside answers and messages, the first text of each kind.
fn words(words: &Words, out: &mut impl io::Write) -> io::Result<()> {
    for (index, word) in words.kinds.iter().enumerate() {
        let label = if index == 0 { "server said" } else { "" };
        writeln!(out, "  {label:13}{} × {}", format::count(word.count), word.text.escape_debug())?;
    }
    if words.others > 0 {
        writeln!(out, "  {:13}{} more, of other kinds", "", format::count(words.others))?;
    }
    Ok(())
}

/// Whether the run counts, and whether the server passed.
fn verdict(result: &RunResult, out: &mut impl io::Write) -> io::Result<()> {
    if let Some(sentence) = format::interruption(result) {
        writeln!(out, "INTERRUPTED: {sentence}.")?;
    }
    if !result.failures.is_empty() {
        writeln!(out, "FAILED: the server did not keep what the scenario promises.")?;
    }
    for why in &result.failures {
        writeln!(out, "  - {why}")?;
    }
    if result.invalid.is_empty() {
        writeln!(out, "VALID: the generator was not the limit.")?;
    } else {
        writeln!(out, "INVALID: the figures of this run say nothing about the server.")?;
    }
    for why in &result.invalid {
        writeln!(out, "  - {why}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn text(result: &RunResult) -> String {
        let mut out = vec![];
        print(result, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_good_run_says_all_its_figures() {
        let text = text(&fixture::named("fanout"));
        for part in [
            "  delivery         200 000",
            "1 000 000 expected = 1 000 000 delivered + 0 lost  (adds up)",
            "offered 1 000 (100/s), sent 1 000 (100/s): 100.0 %",
            "4 082 ns of CPU a delivery (1 122 user + 2 960 system)",
            "VALID: ",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        assert!(!text.contains("FAILED") && !text.contains("INVALID"), "{text}");
        let rows: Vec<&str> = text.lines().skip_while(|line| !line.contains("p50")).collect();
        let width = |line: &str| line.chars().count();
        assert!(rows[1..7].iter().all(|row| width(row) == width(rows[0])), "{text}");
    }

    #[test]
    fn a_percentile_of_a_few_is_hidden() {
        let text = text(&fixture::named("connect-storm"));
        let row = text.lines().find(|line| line.starts_with("  greeting")).expect("its row");
        assert_eq!(row.matches(format::NONE).count(), 1, "{row}");
        assert!(!text.contains("accounts"), "{text}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = text(&fixture::named("mixed"));
        for part in [
            "DOES NOT ADD UP: 20 unaccounted for",
            "12 refused, 3 closed by the server",
            "  server said  1 × Server is <full>, please",
            "INVALID: the figures of this run say nothing about the server.\n  - only 96.2 %",
            "FAILED: the server did not keep what the scenario promises.\n  - 100 deliveries",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }

    #[test]
    fn an_interrupted_run_says_what_it_has() {
        let mut result = fixture::named("fanout");
        result.interrupted = Some("measure");
        let text = text(&result);
        assert!(text.contains("INTERRUPTED: a signal ended it in its phase `measure`"), "{text}");
        assert!(text.contains("after 10.0 s of 10"), "{text}");
    }

    #[test]
    fn rows_are_below_their_head() {
        let mut out = vec![];
        print_head(&mut out).expect("a vector takes everything");
        for row in crate::report::overview::tests::rows() {
            print_row(&row, &mut out).expect("a vector takes everything");
        }
        let text = String::from_utf8(out).expect("text");
        let end =
            |line: &str, of: &str| line.find(of).map(|at| line[..at + of.len()].chars().count());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(end(lines[1], "100 000"), end(lines[0], "deliveries/s"), "{text}");
        assert_eq!(end(lines[1], " ms"), end(lines[0], "p99"), "{text}");
        assert!(lines[4].ends_with("FAILED: 3 deliveries <never> came"), "{text}");
    }

    #[test]
    fn a_run_without_anything_has_a_report_too() {
        assert!(text(&fixture::named("empty")).contains("Nothing was measured."));
    }
}
