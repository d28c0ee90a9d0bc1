//! The page of an overview: its runs as a plot and a table, with links to their own pages.

use std::fmt::Write as _;

use super::html::{block, document, escape, figure, section};
use super::overview::{Overview, Row, Verdict};
use super::{format, tables};

const CAPTION: &str = "Each line is a percentile of the delivery time, on a logarithmic axis: so \
    many of a hundred deliveries took no longer. A dot is a run that passed, a cross one in which \
    the server broke a promise. A ring is an invalid run: it says nothing about the server, and no \
    line goes through it.";

/// The whole page.
pub(crate) fn page(overview: &Overview<'_>, plot: Option<&str>, names: &[String]) -> String {
    let mut body = header(overview);
    let kind = if overview.verdict == Verdict::Passed { "good" } else { "bad" };
    body.push_str(&block(kind, &escape(overview.conclusion), &[]));
    if let Some(svg) = plot {
        let title = "Delivery time by rate";
        body.push_str(&section(title, &figure(title, svg, CAPTION)));
    }
    body.push_str(&section("Runs", &runs(overview.rows)));
    let settings = tables::scenario(overview.scenario);
    body.push_str(&section("Scenario", &settings));
    body.push_str(&section("Environment", &tables::environment(overview.environment)));
    body.push_str(&section("Files", &tables::files(names)));
    document(&title(overview), &body)
}

fn title(overview: &Overview<'_>) -> String {
    format!("{}: {}", overview.scenario.name, overview.kind)
}

fn header(overview: &Overview<'_>) -> String {
    let when = overview.rows.first().map_or(0, |row| row.started_unix_seconds);
    let mut badges = String::new();
    for (verdict, kind, mark) in [
        (Verdict::Passed, "good", "✓"),
        (Verdict::Failed, "bad", "✕"),
        (Verdict::Invalid, "bad", "✕"),
    ] {
        let count = overview.rows.iter().filter(|row| row.verdict == verdict).count();
        if count > 0 {
            let word = verdict.to_string().to_uppercase();
            let _ = write!(badges, "<span class=\"badge {kind}\">{mark} {count} {word}</span>");
        }
    }
    format!(
        "<header>\n<p class=\"when\">{}</p>\n<h1>{} {badges}</h1>\n\
         <p class=\"lead\">{}</p>\n</header>\n",
        format::moment(when),
        escape(&title(overview)),
        escape(&format::about(overview.scenario)),
    )
}

/// A line for each run in the order of their rates, and one below for what is wrong with it.
fn runs(rows: &[Row]) -> String {
    const HEAD: &[&str] = &[
        "deliveries/s",
        "p50",
        "p99",
        "p99.9",
        "longest",
        "server CPU<br>a delivery",
        "generator<br>busy",
        "",
    ];
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let mut table = String::from("<div class=\"wide\"><table>\n<tr><th>run</th>");
    for title in HEAD {
        let _ = write!(table, "<th>{title}</th>");
    }
    table.push_str("</tr>\n");
    for row in rows {
        let time = |ns: Option<f64>| ns.map_or(format::NONE.to_owned(), format::time);
        let whole = |ns: Option<u64>| time(ns.map(|ns| ns as f64));
        let run = escape(&row.run);
        let _ = write!(table, "<tr><th><a href=\"{run}/report.html\">{run}</a></th>");
        for cell in [
            format::number(row.delivered_per_second),
            whole(row.p50_ns),
            whole(row.p99_ns),
            whole(row.p99_9_ns),
            whole(row.max_ns),
            time(row.server_ns_per_delivery),
            format::share(row.generator_busiest),
        ] {
            let _ = write!(table, "<td>{cell}</td>");
        }
        let kind = if row.verdict == Verdict::Passed { "good" } else { "bad" };
        let _ = writeln!(table, "<td class=\"{kind}\">{}</td></tr>", row.verdict);
        for why in &row.reasons {
            let columns = HEAD.len() + 1;
            let why = escape(why);
            let _ = writeln!(table, "<tr class=\"why\"><td colspan=\"{columns}\">{why}</td></tr>");
        }
    }
    table + "</table></div>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Environment;
    use crate::report::overview::tests::rows;
    use crate::scenario::Scenario;

    fn page_of(rows: &[Row]) -> String {
        let overview = Overview {
            kind: "sweep",
            environment: &Environment::gather(&[]),
            scenario: &Scenario::default(),
            rows,
            target_p99_ns: None,
            conclusion: "all <is> well",
            verdict: Verdict::Passed,
        };
        page(&overview, Some("<svg></svg>"), &["sweep.csv".to_owned()])
    }

    #[test]
    fn every_run_has_a_row_with_a_link_and_its_reasons() {
        let page = page_of(&rows());
        for rate in ["100", "200", "400", "800", "1600"] {
            let link = format!("<a href=\"rate-{rate}/report.html\">");
            assert_eq!(page.matches(&link).count(), 1, "{rate}");
        }
        assert!(page.contains("3 deliveries &lt;never&gt; came"));
        assert!(page.contains("all &lt;is&gt; well"));
        assert!(page.contains("✓ 3 PASSED") && page.contains("✕ 1 INVALID"));
    }

    #[test]
    fn rows_are_in_the_order_of_their_rates() {
        let mut backwards = rows();
        backwards.reverse();
        let page = page_of(&backwards);
        let at = |run: &str| page.find(&format!("href=\"{run}/")).expect("a link");
        assert!(at("rate-100") < at("rate-800") && at("rate-800") < at("rate-1600"));
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = page_of(&rows());
        for part in ["<script", "src=", "@import", "url(", "<link"] {
            assert!(!page.contains(part), "{part}");
        }
    }
}
