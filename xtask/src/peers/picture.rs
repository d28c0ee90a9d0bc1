//! Deliveries per second as bars: a panel for each workload, a bar for each server.

use std::fmt::Write as _;

use super::figures::Spread;
use super::table::grouped;

/// One workload.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// Servers and how fast they were.
    pub(crate) bars: Vec<(&'static str, Spread)>,
}

const WIDTH: u32 = 920;
const COLUMNS: usize = 2;
/// Of a panel, its gap to the next one included.
const PANEL_WIDTH: f64 = WIDTH as f64 / COLUMNS as f64;
const TITLE_HEIGHT: f64 = 34.0;
const BAR_HEIGHT: f64 = 20.0;
const PANEL_GAP: f64 = 22.0;
/// Where bars begin, and how long the longest is.
const BARS_FROM: f64 = 130.0;
const BAR_MAX: f64 = 230.0;
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#0b0b0a}.title{font-weight:600}\
    .value{fill:#6b6a64}.bar{fill:#b9b7ae}.ours{fill:#2a78d6}.spread{stroke:#0b0b0a}";

/// The picture, as SVG.
pub(crate) fn draw(panels: &[Panel]) -> String {
    let most = panels.iter().map(|panel| panel.bars.len()).max().unwrap_or(0);
    let height = TITLE_HEIGHT + most as f64 * BAR_HEIGHT + PANEL_GAP;
    let rows = panels.len().div_ceil(COLUMNS);
    let mut svg = String::new();
    for (at, panel) in panels.iter().enumerate() {
        let (x, y) = ((at % COLUMNS) as f64 * PANEL_WIDTH, (at / COLUMNS) as f64 * height);
        let _ = writeln!(svg, r#"<g transform="translate({x} {y})">"#);
        let _ = writeln!(svg, r#"<text class="title" x="12" y="24">{}</text>"#, panel.title);
        draw_bars(&mut svg, panel);
        svg.push_str("</g>\n");
    }
    let height = rows as f64 * height;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\">\n\
         <title>Deliveries per second, median with least and most</title>\n\
         <style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fcfcfb\"/>\n\
         {svg}</svg>\n"
    )
}

fn draw_bars(svg: &mut String, panel: &Panel) {
    let longest = panel.bars.iter().map(|(_, spread)| spread.max).fold(1.0, f64::max);
    let long = |value: f64| value / longest * BAR_MAX;
    for (at, (name, spread)) in panel.bars.iter().enumerate() {
        let y = TITLE_HEIGHT + at as f64 * BAR_HEIGHT;
        let (text, middle) = (y + 14.0, y + 9.0);
        let class = if name.starts_with("hubbub") { "bar ours" } else { "bar" };
        let end = BARS_FROM + long(spread.max) + 6.0;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{name}</text>\n\
             <rect class=\"{class}\" x=\"{BARS_FROM}\" y=\"{}\" width=\"{:.1}\" height=\"14\"/>\n\
             <path class=\"spread\" d=\"M{:.1} {middle}H{:.1}\"/>\n\
             <text class=\"value\" x=\"{end:.1}\" y=\"{text}\">{}</text>",
            BARS_FROM - 8.0,
            y + 2.0,
            long(spread.median),
            BARS_FROM + long(spread.min),
            BARS_FROM + long(spread.max),
            grouped(spread.median),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_medians_and_whiskers_as_their_spreads() {
        let spread = |median, min, max| Spread { median, min, max };
        let bars = vec![("hubbub", spread(100.0, 50.0, 200.0)), ("nats", spread(20.0, 20.0, 20.0))];
        let svg = draw(&[Panel { title: "1 × 2", bars }]);
        for part in [
            r#"class="bar ours" x="130" y="36" width="115.0""#,
            r#"d="M187.5 43H360.0""#,
            r#"class="bar" x="130" y="56" width="23.0""#,
            ">1 × 2</text>",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
    }
}
