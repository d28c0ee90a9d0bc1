//! The tables of the page.

use std::fmt::Write as _;

use super::environment::Environment;
use super::figures::{Figures, PERCENTILES, ServerFigures, meaning, quantile};
use super::html::escape;
use super::{format, settings};
use crate::result::{RunResult, ServerUse, Setup, ThreadUse};
use crate::scenario::Scenario;
use crate::words::Words;

/// A table of names and values; the latter are escaped, the former are ours.
fn pairs(rows: &[(&str, String)]) -> String {
    let mut table = String::from("<table class=\"pairs\">\n");
    for (name, value) in rows {
        let _ = writeln!(table, "<tr><th>{name}</th><td>{}</td></tr>", escape(value));
    }
    table + "</table>\n"
}

/// The percentiles of all distributions that have samples.
pub(crate) fn percentiles(result: &RunResult) -> String {
    if result.times.each().all(|(_, times)| times.is_empty()) {
        return "<p>Nothing was measured.</p>\n".to_owned();
    }
    let mut table = String::from("<div class=\"wide\"><table>\n<tr><th></th><th>count</th>");
    for (_, label, _) in PERCENTILES {
        let _ = write!(table, "<th>{label}</th>");
    }
    table.push_str("<th>longest</th></tr>\n");
    for (name, times) in result.times.each().filter(|(_, times)| !times.is_empty()) {
        let title = format!("<b>{name}</b><small>{}</small>", meaning(name));
        let _ = write!(table, "<tr><th>{title}</th><td>{}</td>", format::count(times.len()));
        for &(_, _, q) in PERCENTILES {
            let value = quantile(times, q);
            let value = value.map_or(format::NONE.to_owned(), |ns| format::time(ns as f64));
            let _ = write!(table, "<td>{value}</td>");
        }
        let _ = writeln!(table, "<td>{}</td></tr>", format::time(times.max() as f64));
    }
    table
        + "</table></div>\n<p class=\"note\">A percentile with fewer than ten samples above it \
           would be the luck of a few: it is left out.</p>\n"
}

/// Where the messages went, as a sum.
pub(crate) fn messages(result: &RunResult, figures: &Figures) -> String {
    let it = &result.messages;
    let n = format::count;
    let term =
        |count: u64, what: &str| format!("<span><b>{}</b><small>{what}</small></span>", n(count));
    let sum = format!(
        "<p class=\"sum\">{} <i>=</i> {} <i>+</i> {} {}</p>\n",
        term(it.expected, "deliveries expected"),
        term(it.delivered, "delivered"),
        term(it.lost, "lost"),
        match figures.unaccounted {
            0 => "<em class=\"good\">✓ adds up</em>".to_owned(),
            by => format!("<em class=\"bad\">✕ {by} unaccounted for</em>"),
        }
    );
    let achieved = figures.achieved_share.map_or(format::NONE.to_owned(), format::share);
    let (offered, sent) = (figures.offered_per_second, figures.sent_per_second);
    let announced = match it.gap_notices {
        0 => "none".to_owned(),
        notices => format!("{} in {} notices", n(it.missed), n(notices)),
    };
    sum + &pairs(&[
        ("offered", format!("{} messages, {} a second", n(it.offered), format::number(offered))),
        ("sent", format!("{}, {} a second: {achieved}", n(it.sent), format::number(sent))),
        ("announced as missed", announced),
        ("duplicated", n(it.duplicated)),
        ("out of order", n(it.reordered)),
        ("corrupted", n(it.corrupted)),
        ("in a wrong room", n(it.misrouted)),
        ("receivers that disagree on the order", n(it.disagreements)),
    ])
}

/// What became of the connections.
pub(crate) fn connections(result: &RunResult) -> String {
    let it = &result.connections;
    pairs(&[
        ("opened", format::count(it.opened)),
        ("at most at a time", format::count(it.most)),
        ("failed", format::count(it.failed)),
        ("refused", format::count(it.refused)),
        ("closed by the server", format::count(it.closed_by_server)),
    ])
}

/// What the server used.
pub(crate) fn server(it: &ServerUse, derived: &ServerFigures) -> String {
    let bytes = |bytes: u64| format::bytes(bytes as f64);
    let per_delivery = |ns: Option<f64>| match ns {
        Some(ns) => format!(", {} a delivery", format::time(ns)),
        None => String::new(),
    };
    let cores = |ns: u64| if it.seconds > 0.0 { ns as f64 / it.seconds / 1e9 } else { 0.0 };
    let cpu = |ns: u64, each| format!("{:.2} cores{}", cores(ns), per_delivery(each));
    let memory = match derived.rss_bytes_per_connection.filter(|bytes| *bytes > 0.0) {
        Some(each) => format!(": {} a connection", format::bytes(each)),
        None => String::new(),
    };
    let lines = derived.lines_per_write.map_or(format::NONE.to_owned(), format::number);
    let switches = [it.voluntary_switches, it.involuntary_switches].map(format::count);
    let sockets = [it.socket_bytes_before, it.socket_bytes_after].map(bytes);
    threads(&it.threads, it.seconds)
        + &pairs(&[
            ("CPU in user code", cpu(it.user_ns, derived.user_ns_per_delivery)),
            ("CPU in the kernel", cpu(it.system_ns, derived.system_ns_per_delivery)),
            (
                "resident memory",
                format!("{} before, {} after{memory}", bytes(it.rss_before), bytes(it.rss_after)),
            ),
            ("lines of rooms in each write", lines),
            ("proportional memory", bytes(it.pss_after)),
            ("memory of all sockets", format!("{} before, {} after", sockets[0], sockets[1])),
            ("descriptors", format::count(it.descriptors)),
            ("context switches", format!("{} voluntary, {} involuntary", switches[0], switches[1])),
        ])
}

/// What the generator used.
pub(crate) fn generator(result: &RunResult, figures: &Figures) -> String {
    let it = &result.generator;
    let each = if it.reads > 0 { it.bytes_read as f64 / it.reads as f64 } else { 0.0 };
    let reads = format!("{}, {} each on average", format::count(it.reads), format::bytes(each));
    threads(&it.threads, it.seconds)
        + &pairs(&[
            ("busiest thread", format::share(figures.generator_busiest)),
            ("reads", reads),
            ("time stolen from the machine", format::share(it.steal_share)),
        ])
}

/// A bar for each thread: how busy it was, of one core.
fn threads(threads: &[ThreadUse], seconds: f64) -> String {
    if threads.is_empty() || seconds <= 0.0 {
        return String::new();
    }
    let mut table = String::from(
        "<table class=\"threads\">\n<tr><th>thread</th><th>busy, of one core</th><th></th>\
         <th>waiting for a core</th></tr>\n",
    );
    for thread in threads {
        let [busy, waited] = [thread.cpu_ns, thread.waited_ns].map(|ns| ns as f64 / seconds / 1e9);
        let _ = writeln!(
            table,
            "<tr><th>{}</th><td class=\"meter\"><i style=\"width:{:.1}%\"></i></td><td>{}</td>\
             <td>{}</td></tr>",
            escape(&thread.name),
            busy.min(1.0) * 100.0,
            format::share(busy),
            format::share(waited),
        );
    }
    table + "</table>\n"
}

/// What the server said, as often as it did.
pub(crate) fn words(words: &Words) -> String {
    let kinds = words.kinds.iter().map(|word| (word.count, word.text.as_str()));
    let others = (words.others > 0).then_some((words.others, "other texts"));
    let rows = kinds.chain(others).map(|(count, text)| {
        format!("<tr><td>{} ×</td><th>{}</th></tr>\n", format::count(count), escape(text))
    });
    format!("<table>\n{}</table>\n", rows.collect::<String>())
}

/// Where and how the run was made.
pub(crate) fn setup(it: &Setup) -> String {
    let list = |cpus: &[usize]| match cpus {
        [] => "any".to_owned(),
        cpus => cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let mut rows = vec![("server", it.server.clone()), ("shards", it.shards.to_string())];
    if let Some(spawned) = &it.spawned {
        let history = spawned.history_messages.map_or("by default".to_owned(), |it| it.to_string());
        rows.push(("messages of history", history));
        rows.push(("cores of the server", list(&spawned.cpus)));
        rows.push(("more flags of the server", spawned.args.join(" ")));
    }
    rows.push(("cores of the generator", list(&it.generator_cpus)));
    rows.push(("processes of the generator", it.processes.to_string()));
    pairs(&rows)
}

/// The effective settings, as a file to run again.
pub(crate) fn scenario(scenario: &Scenario) -> String {
    let text = escape(&settings::file(scenario));
    format!(
        "<pre>{text}</pre>\n<p class=\"note\">All settings, flags included: \
         <code>loadgen scenario.toml</code> runs it again.</p>\n"
    )
}

/// Where the run took place.
pub(crate) fn environment(it: &Environment) -> String {
    let virtual_one = if it.hypervisor { ", virtual" } else { "" };
    let commit = it.commit.as_ref().map_or(format::NONE.to_owned(), |commit| {
        let dirty = if it.dirty == Some(true) { ", with changes" } else { "" };
        format!("{commit}{dirty}")
    });
    let limit = it.descriptor_limit.map_or("none".to_owned(), format::count);
    pairs(&[
        ("command", it.command.join(" ")),
        ("processor", format!("{}, {} cores{virtual_one}", it.cpu, it.cores)),
        ("frequency governor", it.governor.clone().unwrap_or(format::NONE.to_owned())),
        ("memory", format::bytes(it.memory_bytes as f64)),
        ("kernel", it.kernel.clone()),
        ("descriptor limit", limit),
        ("compiler", format!("{}, {} build", it.rustc, it.profile)),
        ("commit", commit),
    ])
}

/// Links to the files beside the page.
pub(crate) fn files(names: &[String]) -> String {
    let mut list = String::from("<ul class=\"files\">\n");
    for name in names {
        let what = match name.rsplit_once('.') {
            Some((_, "json")) if name.starts_with("env") => "where the run took place",
            Some((_, "json")) if name.starts_with("sweep") => "the table, for programs",
            Some((_, "json")) => "everything known of the run",
            Some((_, "hlog")) => "whole distributions: merge and compare these",
            Some((_, "hgrm")) => "percentiles as text, for plotters",
            Some((_, "toml")) => "the settings, to run it again",
            Some((_, "csv")) if name.starts_with("sweep") => "the table, for spreadsheets",
            Some((_, "csv")) => "the seconds, for spreadsheets",
            _ => "the plot",
        };
        let name = escape(name);
        let _ = writeln!(list, "<li><a href=\"{name}\">{name}</a> {what}</li>");
    }
    list + "</ul>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_scenario_of_a_page_is_a_scenario_file() {
        for name in fixture::NAMES {
            let expected = fixture::named(name).scenario;
            let html = scenario(&expected);
            let text = html.strip_prefix("<pre>").expect("its beginning");
            let (text, _) = text.split_once("</pre>").expect("its end");
            let text = text.replace("&quot;", "\"").replace("&amp;", "&");
            assert_eq!(Scenario::parse(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn messages_are_a_sum() {
        let result = fixture::named("mixed");
        let html = messages(&result, &Figures::of(&result));
        assert!(html.contains("✕ 20 unaccounted for"), "{html}");
        let result = fixture::named("slow-consumers");
        let html = messages(&result, &Figures::of(&result));
        assert!(html.contains("✓ adds up") && html.contains("86 750 in 1 204 notices"), "{html}");
    }
}
