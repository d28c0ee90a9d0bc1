//! The status page: what a person wants to know at a glance. It works without a script, and loads
//! itself anew every few seconds.

use std::fmt::Write as _;
use std::time::Duration;

use super::health::{health, readiness};
use super::{Facts, recent::Recent};
use crate::metrics::Snapshot;
use crate::model::CloseReason;

/// How often a browser loads the page again.
const REFRESH_SECONDS: u32 = 5;

/// The page, of this moment.
pub(super) fn render(facts: &Facts, recent: &Recent) -> String {
    let now: Vec<Snapshot> = facts.board.shards().map(|(_, snapshot)| snapshot).collect();
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"{REFRESH_SECONDS}\"><title>Hubbub</title>\
         <style>{}</style></head><body><main>",
        include_str!("page.css")
    );
    header(&mut html, facts);
    tiles(&mut html, facts, &now, recent);
    shards(&mut html, facts, &now, recent);
    html.push_str("<div class=\"pair\">");
    let gone =
        |reason: CloseReason| now.iter().filter_map(|it| it.core.closed.get(reason.index())).sum();
    reasons(&mut html, "Clients gone", "Nobody has left yet.", gone);
    let away = |reason| facts.board.turned_away(reason);
    reasons(&mut html, "Turned away", "Nobody was turned away.", away);
    let _ = write!(
        html,
        "</div><footer>Rates are of the last {} s. For machines: <a href=\"/metrics\">metrics</a>, \
         <a href=\"/healthz\">health</a>, <a href=\"/readyz\">readiness</a>.</footer>\
         </main></body></html>",
        recent.span().as_secs()
    );
    html
}

fn header(html: &mut String, facts: &Facts) {
    let told = health(&facts.board).and_then(|_| readiness(&facts.board));
    let (class, state) = match &told {
        Ok(state) => ("good", *state),
        Err(reason) => ("bad", reason.as_str()),
    };
    let (version, up) = (env!("CARGO_PKG_VERSION"), duration(facts.started.elapsed()));
    let _ = write!(
        html,
        "<header><h1>Hubbub</h1><span class=\"state {class}\">{state}</span>\
         <span class=\"soft\">version {version}, up {up}</span></header>"
    );
}

fn tiles(html: &mut String, facts: &Facts, now: &[Snapshot], recent: &Recent) {
    let sum = |read: fn(&Snapshot) -> u64| now.iter().map(read).sum::<u64>();
    let rate = |read: fn(&Snapshot) -> f64| recent.rate(now, read);
    let (clients, held) = (sum(|it| it.stock.sessions), sum(|it| it.stock.held_bytes));
    html.push_str("<div class=\"tiles\">");
    let clients_max = facts.board.connections_max();
    tile(html, "clients", &count(clients), &format!("of {}", count(clients_max)));
    meter(html, clients, clients_max);
    tile(html, "memory held", &bytes(held), &of_bytes(facts.board.memory_bytes_max()));
    meter(html, held, facts.board.memory_bytes_max());
    tile(html, "rooms", &count(sum(|it| it.stock.rooms)), "");
    let received = sum(|it| it.core.said);
    let per_second = |rate: f64| format!("{}<small>/s</small>", count(rate.round() as u64));
    let in_all = |total: u64| format!("{} in all", count(total));
    tile(html, "messages in", &per_second(rate(|it| it.core.said as f64)), &in_all(received));
    let delivered = sum(|it| it.core.deliveries);
    let deliveries = rate(|it| it.core.deliveries as f64);
    tile(html, "deliveries", &per_second(deliveries), &in_all(delivered));
    let together = ratio(deliveries, rate(|it| it.net.writes as f64));
    tile(html, "messages a write", &together, "more is cheaper");
    let (missed, gaps) = (sum(|it| it.core.missed), sum(|it| it.core.gaps));
    tile(html, "missed by slow readers", &count(missed), &format!("in {} gaps", count(gaps)));
    tile(html, "log lines lost", &count(facts.lost.count()), "");
    html.push_str("</div>");
}

/// One figure, with a few words.
fn tile(html: &mut String, what: &str, figure: &str, more: &str) {
    let _ = write!(
        html,
        "<div><span class=\"soft\">{what}</span><b>{figure}</b><small>{more}</small></div>"
    );
}

/// Puts a bar into the last tile.
fn meter(html: &mut String, value: u64, max: u64) {
    let per_cent = (value as f64 / max.max(1) as f64 * 100.0).min(100.0);
    html.truncate(html.len() - "</div>".len());
    let _ = write!(
        html,
        "<meter max=\"100\" high=\"80\" optimum=\"0\" value=\"{per_cent:.1}\"></meter></div>"
    );
}

fn shards(html: &mut String, facts: &Facts, now: &[Snapshot], recent: &Recent) {
    html.push_str(
        "<h2>Shards</h2><div class=\"table\"><table><tr><th>shard</th><th>state</th><th>busy</th>\
         <th>clients</th><th>rooms</th><th>messages in/s</th><th>deliveries/s</th>\
         <th>messages a write</th><th>missed</th><th>memory</th></tr>",
    );
    for ((shard, stuck), snapshot) in facts.board.stuck().zip(now) {
        let rate = |read: fn(&Snapshot) -> f64| recent.rate_of(shard, snapshot, read);
        let deliveries = rate(|it| it.core.deliveries as f64);
        let state = match stuck {
            0 => "<td class=\"good\">turns</td>".to_owned(),
            seconds => format!("<td class=\"bad\">stuck for {seconds} s</td>"),
        };
        let _ = write!(
            html,
            "<tr><td>{shard}</td>{state}<td>{:.0} %</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            rate(|it| it.turn_times.seconds()) * 100.0,
            count(snapshot.stock.sessions),
            count(snapshot.stock.rooms),
            count(rate(|it| it.core.said as f64).round() as u64),
            count(deliveries.round() as u64),
            ratio(deliveries, rate(|it| it.net.writes as f64)),
            count(snapshot.core.missed),
            bytes(snapshot.stock.held_bytes),
        );
    }
    html.push_str("</table></div>");
}

/// A table of how many there are of each reason, of those there are.
fn reasons(html: &mut String, what: &str, none: &str, count_of: impl Fn(CloseReason) -> u64) {
    let _ = write!(html, "<section><h2>{what}</h2>");
    let counts = CloseReason::ALL.map(|reason| (count_of(reason), reason.label()));
    let mut counts: Vec<_> = counts.into_iter().filter(|&(count, _)| count > 0).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    if counts.is_empty() {
        let _ = write!(html, "<p class=\"soft\">{none}</p></section>");
        return;
    }
    html.push_str("<div class=\"table\"><table>");
    for (number, reason) in counts {
        let _ = write!(html, "<tr><td>{reason}</td><td>{}</td></tr>", count(number));
    }
    html.push_str("</table></div></section>");
}

/// A whole number, its thousands set apart.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn ratio(one: f64, other: f64) -> String {
    if other > 0.0 { format!("{:.1}", one / other) } else { "–".to_owned() }
}

fn bytes(number: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (number.max(1).ilog2() as usize / 10).min(units.len() - 1);
    let scaled = number as f64 / (1u64 << (10 * unit)) as f64;
    let decimals = usize::from(unit > 0 && scaled < 100.0);
    format!("{scaled:.decimals$} {}", units[unit])
}

fn of_bytes(max: u64) -> String {
    if max == u64::MAX { "without a limit".to_owned() } else { format!("of {}", bytes(max)) }
}

/// A time in its two largest units.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        let counts = [0, 999, 1000, 1_234_567].map(count);
        assert_eq!(counts, ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
        let sizes = [0, 1023, 1536, 200 << 20, 3 << 40].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.5 KiB", "200 MiB", "3.0 TiB"]);
        let times = [59, 61, 7300, 90_000].map(|it| duration(Duration::from_secs(it)));
        assert_eq!(times, ["59 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"]);
        assert_eq!([ratio(3.0, 2.0), ratio(3.0, 0.0)], ["1.5", "–"]);
    }
}
