//! The picture: instructions a delivery over shards, a line for each size of room.

use std::fmt::Write as _;

use super::model::{Cell, Model};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;
const COLOURS: [&str; 4] = ["#2a78d6", "#c2591b", "#2f8f5b", "#7a4fb5"];
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#0b0b0a}.faint{fill:#6b6a64}\
    .grid{stroke:#e4e2da}.model{fill:none;stroke-dasharray:5 4;stroke-width:1.5}";

/// Both axes are logarithmic.
struct Scale {
    shards_max: f64,
    low: f64,
    high: f64,
}

impl Scale {
    fn x(&self, shards: u16) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * f64::from(shards).ln() / self.shards_max.ln()
    }

    fn y(&self, cost: f64) -> f64 {
        let part = (cost / self.low).ln() / (self.high / self.low).ln();
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part
    }
}

/// The picture, as SVG.
pub(crate) fn draw(cells: &[Cell], model: &Model) -> String {
    let costs = || cells.iter().map(|cell| cell.cost);
    let scale = Scale {
        shards_max: f64::from(cells.iter().map(|cell| cell.shards).max().unwrap_or(2).max(2)),
        low: 10_f64.powf(costs().fold(f64::MAX, f64::min).log10().floor()),
        high: 10_f64.powf(costs().fold(1.0, f64::max).log10().ceil()),
    };
    let mut svg = String::new();
    grid(&mut svg, cells, &scale);
    let mut sizes: Vec<u32> = cells.iter().map(|cell| cell.members).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for (size, colour) in sizes.iter().zip(COLOURS.iter().cycle()) {
        let of_size: Vec<&Cell> = cells.iter().filter(|cell| cell.members == *size).collect();
        line(&mut svg, &of_size, model, &scale, colour);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\">\n<title>Instructions a delivery by shards and members</title>\n\
         <style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fcfcfb\"/>\n\
         <text x=\"{LEFT}\" y=\"28\">Instructions a delivery, by shards: counted (dots), and the \
         model, not measured (dashed)</text>\n{svg}</svg>\n"
    )
}

fn grid(svg: &mut String, cells: &[Cell], scale: &Scale) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let mut cost = scale.low;
    while cost <= scale.high * 1.001 {
        let y = scale.y(cost);
        let _ = writeln!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}"/>"#
        );
        let (x, y) = (LEFT - 8.0, y + 4.0);
        let _ = writeln!(
            svg,
            r#"<text class="faint" x="{x}" y="{y:.1}" text-anchor="end">{cost:.0}</text>"#
        );
        cost *= 10.0;
    }
    let mut shards: Vec<u16> = cells.iter().map(|cell| cell.shards).collect();
    shards.sort_unstable();
    shards.dedup();
    for shards in shards {
        let (x, y) = (scale.x(shards), bottom + 22.0);
        let _ = writeln!(
            svg,
            r#"<text class="faint" x="{x:.1}" y="{y}" text-anchor="middle">{shards}</text>"#
        );
    }
    let middle = f64::midpoint(LEFT, right);
    let y = bottom + 44.0;
    let _ = writeln!(
        svg,
        r#"<text class="faint" x="{middle}" y="{y}" text-anchor="middle">shards</text>"#
    );
}

fn line(svg: &mut String, cells: &[&Cell], model: &Model, scale: &Scale, colour: &str) {
    let points: Vec<String> = cells
        .iter()
        .map(|cell| format!("{:.1},{:.1}", scale.x(cell.shards), scale.y(model.cost(cell))))
        .collect();
    let points = points.join(" ");
    let _ = writeln!(svg, r#"<polyline class="model" stroke="{colour}" points="{points}"/>"#);
    for cell in cells {
        let (x, y) = (scale.x(cell.shards), scale.y(cell.cost));
        let _ = writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}"/>"#);
    }
    if let Some(last) = cells.last() {
        let (x, y) = (scale.x(last.shards) + 12.0, scale.y(last.cost) + 4.0);
        let _ = writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}">rooms of {}</text>"#, last.members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_a_dot_and_every_size_a_line() {
        let cell = |shards, members| Cell { shards, members, hops: 1.0, cost: 100.0 };
        let cells = [cell(1, 2), cell(16, 2), cell(1, 10), cell(16, 10)];
        let svg = draw(&cells, &Model { delivery: 50.0, message: 1.0, hop: 2.0 });
        assert_eq!((svg.matches("<circle").count(), svg.matches("<polyline").count()), (4, 2));
        assert!(svg.contains("rooms of 10") && svg.contains("not measured"));
    }
}
