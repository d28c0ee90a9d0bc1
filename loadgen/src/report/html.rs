//! `report.html`: a page that needs nothing but itself, for people.

use std::fmt::Write as _;

use super::environment::Environment;
use super::figures::{Figures, meaning, quantile};
use super::{format, tables};
use crate::result::RunResult;

/// How the page looks.
const STYLE: &str = include_str!("page.css");
/// What the times mean, in plain words.
const MEANINGS: &str = include_str!("meanings.html");

/// What the page is made of.
pub(crate) struct Parts<'a> {
    /// The run.
    pub(crate) result: &'a RunResult,
    /// Where it took place.
    pub(crate) environment: &'a Environment,
    /// The plots there are, by the names of their files.
    pub(crate) plots: Vec<(&'static str, String)>,
    /// The other files of the report.
    pub(crate) names: Vec<String>,
}

/// `text` as a part of a page.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The whole page.
pub(crate) fn page(parts: &Parts<'_>) -> String {
    let result = parts.result;
    let figures = Figures::of(result);
    let mut body = header(result);
    body.push_str(&headline(result, &figures));
    body.push_str(&verdict(result));
    body.push_str(&plots(parts));
    body.push_str(&section("Times", &tables::percentiles(result)));
    if result.messages.offered > 0 {
        body.push_str(&section("Messages", &tables::messages(result, &figures)));
    }
    body.push_str(&section("Connections", &tables::connections(result)));
    if !result.server_words.kinds.is_empty() {
        body.push_str(&section("What the server said", &tables::words(&result.server_words)));
    }
    if let (Some(server), Some(derived)) = (&result.server, &figures.server) {
        body.push_str(&section("Server", &tables::server(server, derived)));
    }
    body.push_str(&section("Generator", &tables::generator(result, &figures)));
    body.push_str(&section("What the times mean", MEANINGS));
    body.push_str(&section("Scenario", &tables::scenario(&result.scenario)));
    body.push_str(&section("Setup", &tables::setup(&result.setup)));
    body.push_str(&section("Environment", &tables::environment(parts.environment)));
    body.push_str(&section("Files", &tables::files(&parts.names)));
    document(&result.scenario.name, &body)
}

/// A page with this body, in our look.
pub(crate) fn document(title: &str, body: &str) -> String {
    let (title, generator) = (escape(title), concat!("loadgen ", env!("CARGO_PKG_VERSION")));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} · {generator}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\
         <footer>{generator}</footer>\n</main>\n</body>\n</html>\n"
    )
}

/// A part of a page.
pub(crate) fn section(title: &str, content: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n{content}</section>\n")
}

fn header(result: &RunResult) -> String {
    let mut badges = String::new();
    let mut badge = |kind: &str, text: &str| {
        let _ = write!(badges, "<span class=\"badge {kind}\">{text}</span>");
    };
    if result.invalid.is_empty() {
        badge("good", "✓ VALID")
    } else {
        badge("bad", "✕ INVALID")
    }
    if !result.failures.is_empty() {
        badge("bad", "✕ FAILED");
    }
    if result.interrupted.is_some() {
        badge("bad", "✕ INTERRUPTED");
    }
    format!(
        "<header>\n<p class=\"when\">{}</p>\n<h1>{} {badges}</h1>\n<p class=\"lead\">{}</p>\n\
         </header>\n",
        format::moment(result.started_unix_seconds),
        escape(&result.scenario.name),
        escape(&format::about(&result.scenario)),
    )
}

/// The figures one looks for first.
fn headline(result: &RunResult, figures: &Figures) -> String {
    let mut tiles = String::from("<div class=\"tiles\">\n");
    let mut tile = |label: &str, value: &str, note: &str| {
        let _ = writeln!(
            tiles,
            "<div class=\"tile\"><p>{label}</p><strong>{value}</strong><p>{note}</p></div>"
        );
    };
    let (times, messages) = (&result.times, &result.messages);
    let rare = "99 of 100 took no longer";
    for (label, times, q, note) in [
        ("delivery, median", &times.delivery, 0.5, meaning("delivery")),
        ("delivery, 99th percentile", &times.delivery, 0.99, rare),
    ] {
        if let Some(ns) = quantile(times, q) {
            tile(label, &format::time(ns as f64), note);
        }
    }
    if !times.delivery.is_empty() {
        let longest = format::time(times.delivery.max() as f64);
        tile("delivery, longest", &longest, &format!("of {}", format::count(times.delivery.len())));
    }
    if messages.offered > 0 {
        let rate = format!("{}/s", format::number(figures.delivered_per_second));
        let sent = format!("of {} messages a second", format::number(figures.sent_per_second));
        tile("deliveries", &rate, &sent);
        let mut expected = format!("of {} expected", format::count(messages.expected));
        if messages.missed > 0 {
            let _ = write!(expected, ", {} announced", format::count(messages.missed));
        }
        tile("lost", &format::count(messages.lost), &expected);
    }
    if let Some(ns) = quantile(&times.greeting, 0.99).filter(|_| messages.offered == 0) {
        let clients = format!("of {} clients coming in", format::count(times.greeting.len()));
        tile("greeting, 99th percentile", &format::time(ns as f64), &clients);
    }
    server_tiles(result, figures, tile);
    tiles + "</div>\n"
}

fn server_tiles(result: &RunResult, figures: &Figures, mut tile: impl FnMut(&str, &str, &str)) {
    let (Some(server), Some(derived)) = (&result.server, &figures.server) else { return };
    let cores = format!("{:.2}", derived.cores);
    match (derived.user_ns_per_delivery, derived.system_ns_per_delivery) {
        (Some(user), Some(system)) => {
            let cost = format::time(user + system);
            tile("server CPU a delivery", &cost, &format!("{cores} cores in all"));
        }
        _ => tile("server CPU", &cores, "cores"),
    }
    if let Some(cost) = derived.gather_ns_per_connection {
        let rate = figures.arrived_per_second.map_or_else(
            || "until all had joined".to_owned(),
            |rate| format!("until all had joined; {} came a second", format::number(rate)),
        );
        tile("server CPU a client", &format::time(cost), &rate);
    }
    let most = format!("with up to {} connections", format::count(result.connections.most));
    tile("server memory", &format::bytes(server.rss_after as f64), &most);
}

/// Whether the run counts, and whether the server passed.
fn verdict(result: &RunResult) -> String {
    let mut text = String::new();
    if let Some(sentence) = format::interruption(result) {
        text += &block("bad", &format!("<b>Interrupted:</b> {sentence}."), &[]);
    }
    if !result.failures.is_empty() {
        let what = "<b>Failed.</b> The server did not keep what the scenario promises:";
        text += &block("bad", what, &result.failures);
    }
    text += &if result.invalid.is_empty() {
        let what = "<b>Valid.</b> The generator kept its schedule and was not the limit.";
        block("good", what, &[])
    } else {
        let what = "<b>Invalid.</b> The figures of this run say nothing about the server:";
        block("bad", what, &result.invalid)
    };
    text
}

/// A verdict, `good` or `bad`, and the reasons for it.
pub(crate) fn block(kind: &str, what: &str, reasons: &[String]) -> String {
    let mut text = format!("<div class=\"verdict {kind}\"><p>{what}</p>");
    if !reasons.is_empty() {
        let reasons: String =
            reasons.iter().map(|why| format!("<li>{}</li>", escape(why))).collect();
        let _ = write!(text, "<ul>{reasons}</ul>");
    }
    text + "</div>\n"
}

/// A plot, and how to read it.
pub(crate) fn figure(title: &str, svg: &str, caption: &str) -> String {
    format!(
        "<figure role=\"img\" aria-label=\"{title}\">\n{svg}\
         <figcaption>{caption}</figcaption>\n</figure>\n"
    )
}

/// For each plot: its file, its title, and how to read it.
const PLOTS: &[(&str, &str, &str)] = &[
    (
        "percentiles.svg",
        "How long messages took",
        "Read it as: so many percent took no longer than this. Each step to the right is ten times \
         as rare, each line ends where too few samples are left to tell, and times are on a \
         logarithmic axis.",
    ),
    (
        "timeline.svg",
        "Second by second",
        "The shaded part is the one that counts. The names of the phases are above.",
    ),
    (
        "arrivals.svg",
        "How long clients took to come in",
        "Until the kernel had a connection, until the server had given it a name, and from asking \
         for a room until being in it.",
    ),
];

fn plots(parts: &Parts<'_>) -> String {
    let mut text = String::new();
    for (name, title, caption) in PLOTS {
        if let Some((_, svg)) = parts.plots.iter().find(|(other, _)| other == name) {
            text.push_str(&section(title, &figure(title, svg, caption)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn page_of(name: &str) -> String {
        let result = fixture::named(name);
        let environment = Environment::gather(&result.command);
        let names = vec!["run.json".to_owned()];
        page(&Parts { result: &result, environment: &environment, plots: vec![], names })
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        for name in fixture::NAMES {
            let page = page_of(name);
            for part in ["<script", "src=", "@import", "url(", "<link"] {
                assert!(!page.contains(part), "{part} in {name}");
            }
        }
    }

    #[test]
    fn sections_that_have_nothing_to_say_are_left_out() {
        let page = page_of("connect-storm");
        assert!(page.contains("<h2>Server</h2>") && !page.contains("<h2>Messages</h2>"));
        assert!(page_of("empty").contains("Nothing was measured"));
    }

    #[test]
    fn what_is_wrong_is_stamped_and_explained() {
        let page = page_of("mixed");
        assert!(page.contains("✕ INVALID") && page.contains("✕ FAILED"));
        assert!(page.contains("reader-0 &lt;was busy&gt; for 93 %"), "not escaped");
        assert!(page_of("fanout").contains("✓ VALID"));
    }
}
