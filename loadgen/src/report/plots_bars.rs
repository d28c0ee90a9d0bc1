//! Bars beside each other: how several servers did in several tasks.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Axis;
use super::plots::{Area, Error, FAINT, GRID, INK, LINES, SCALE, WIDTH, draw, text, units};

/// Where bars begin, right of the names of their groups, in pixels.
const NAMES_WIDTH: u32 = 220;
/// What is left for values right of the longest bar, in pixels.
const VALUES_WIDTH: u32 = 60;
/// Above the bars: what they mean, and the scale.
const HEAD_HEIGHT: u32 = 60;
const BAR_HEIGHT: u32 = 12;
/// Between two bars of a group, and between two groups.
const BAR_GAP: u32 = 2;
const GROUP_GAP: u32 = 14;

/// A figure, and the least and the greatest that it was in several runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// How long the bar is.
    pub value: f64,
    /// Where its thin line begins.
    pub low: f64,
    /// Where that ends.
    pub high: f64,
}

/// Bars that are compared with each other.
#[derive(Clone, Debug)]
pub struct Group {
    /// What was done.
    pub name: String,
    /// A bar for each series, in their order; none where there is no figure.
    pub bars: Vec<Option<Bar>>,
}

/// Draws groups of bars, one for each of `series`, of which there are three at most; `unit` says
/// what a bar of length 1 is.
///
/// # Errors
/// What went wrong with drawing.
pub fn bars(unit: &str, series: &[&str], groups: &[Group]) -> Result<String, String> {
    let mut svg = String::new();
    let height = HEAD_HEIGHT + group_height(series.len()) * groups.len() as u32;
    draw(&mut svg, height, |area| bars_on(area, unit, series, groups))?;
    Ok(svg)
}

fn group_height(bars: usize) -> u32 {
    (BAR_HEIGHT + BAR_GAP) * bars as u32 + GROUP_GAP
}

fn bars_on(area: &Area<'_>, unit: &str, series: &[&str], groups: &[Group]) -> Result<(), Error> {
    let all = groups.iter().flat_map(|group| group.bars.iter().flatten());
    let scale = Axis::up_to(all.map(|bar| bar.value.max(bar.high)).fold(1.0, f64::max));
    let place = |value: f64| scale.map(&value, (units(NAMES_WIDTH), units(WIDTH - VALUES_WIDTH)));
    let bottom = HEAD_HEIGHT + group_height(series.len()) * groups.len() as u32;
    for tick in scale.key_points(plotters::coord::ranged1d::BoldPoints(usize::MAX)) {
        let (x, is_unit) = (place(tick), (tick - 1.0).abs() < 1e-9);
        let color = if is_unit { FAINT } else { GRID };
        let line = vec![(x, units(HEAD_HEIGHT - 8)), (x, units(bottom))];
        area.draw(&PathElement::new(line, color.stroke_width(SCALE)))?;
        let style = text(13.0, FAINT, HPos::Center, VPos::Bottom);
        area.draw_text(&super::format::short(tick), &style, (x, units(HEAD_HEIGHT - 12)))?;
    }
    legend(area, unit, series)?;
    for (index, group) in groups.iter().enumerate() {
        let top = HEAD_HEIGHT + group_height(series.len()) * index as u32;
        let middle = top + (BAR_HEIGHT + BAR_GAP) * series.len() as u32 / 2;
        let style = text(14.0, INK, HPos::Right, VPos::Center);
        area.draw_text(&group.name, &style, (units(NAMES_WIDTH - 10), units(middle)))?;
        for (row, (bar, color)) in group.bars.iter().zip(LINES).enumerate() {
            let Some(bar) = bar else { continue };
            one(area, bar, color, top + (BAR_HEIGHT + BAR_GAP) * row as u32, &place)?;
        }
    }
    Ok(())
}

/// A bar with its spread and its value, the top of it at `top`.
fn one(
    area: &Area<'_>,
    bar: &Bar,
    color: RGBColor,
    top: u32,
    place: &impl Fn(f64) -> i32,
) -> Result<(), Error> {
    let (from, to) = (units(top), units(top + BAR_HEIGHT));
    let middle = i32::midpoint(from, to);
    area.draw(&Rectangle::new([(place(0.0), from), (place(bar.value), to)], color.filled()))?;
    let spread = vec![(place(bar.low), middle), (place(bar.high), middle)];
    area.draw(&PathElement::new(spread, INK.stroke_width(SCALE)))?;
    let end = place(bar.value.max(bar.high)) + units(6);
    let style = text(12.0, FAINT, HPos::Left, VPos::Center);
    area.draw_text(&format!("{:.2}", bar.value), &style, (end, middle))
}

/// The names of the series with their colours, and what the scale is.
fn legend(area: &Area<'_>, unit: &str, series: &[&str]) -> Result<(), Error> {
    let style = text(14.0, INK, HPos::Left, VPos::Center);
    let mut x = units(10);
    let y = units(16);
    for (name, color) in series.iter().zip(LINES) {
        let swatch = [(x, y - units(5)), (x + units(10), y + units(5))];
        area.draw(&Rectangle::new(swatch, color.filled()))?;
        area.draw_text(name, &style, (x + units(16), y))?;
        let (width, _) = area.estimate_text_size(name, &style)?;
        x += units(16 + 24) + width.cast_signed();
    }
    let style = text(13.0, FAINT, HPos::Right, VPos::Center);
    area.draw_text(unit, &style, (units(WIDTH - 10), y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, values: &[f64]) -> Group {
        let bar = |&value: &f64| Some(Bar { value, low: value * 0.9, high: value * 1.1 });
        Group { name: name.to_owned(), bars: values.iter().map(bar).collect() }
    }

    #[test]
    fn every_bar_has_its_value_and_every_series_its_name() {
        let groups = [group("many in one room", &[1.04, 0.2]), group("pairs", &[0.87, 0.031])];
        let svg = bars("1 is bare epoll", &["ours", "theirs"], &groups).expect("drawn");
        for part in ["many in one room", "pairs", "ours", "theirs", "1 is bare epoll"] {
            assert!(svg.contains(&format!(">\n{part}\n<")), "no {part:?}");
        }
        for value in ["1.04", "0.20", "0.87", "0.03"] {
            assert!(svg.contains(&format!(">\n{value}\n<")), "no {value:?}");
        }
    }

    #[test]
    fn a_missing_figure_leaves_a_gap() {
        let mut some = group("a", &[1.0, 0.5]);
        let count = |group: &Group| {
            let svg = bars("", &["x", "y"], std::slice::from_ref(group)).expect("drawn");
            svg.matches("<rect").count()
        };
        let full = count(&some);
        some.bars[0] = None;
        assert_eq!(count(&some), full - 1);
    }
}
