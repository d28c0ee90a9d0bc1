//! The percentile curve, and what all plots have in common.
//!
//! Plots are drawn in the colours of the light scheme. The page recolours them for the dark one by
//! these very colours, so each has one meaning: see `page.css`.

use hdrhistogram::Histogram;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::figures::{Named, quantile_max};
use super::format;

/// Behind everything.
pub(crate) const SURFACE: RGBColor = RGBColor(0xfc, 0xfc, 0xfb);
/// Lines of the grid.
pub(crate) const GRID: RGBColor = RGBColor(0xe1, 0xe0, 0xd9);
/// Words.
pub(crate) const INK: RGBColor = RGBColor(0x0b, 0x0b, 0x0a);
/// Words that matter less.
pub(crate) const FAINT: RGBColor = RGBColor(0x6b, 0x6a, 0x64);
/// The part of a run that counts.
pub(crate) const SHADE: RGBColor = RGBColor(0xf2, 0xf1, 0xec);
/// Lines, in the order in which they are told apart best.
pub(crate) const LINES: [RGBColor; 3] =
    [RGBColor(0x2a, 0x78, 0xd6), RGBColor(0x1b, 0xaf, 0x7a), RGBColor(0xeb, 0x68, 0x34)];

/// The backend rounds to whole units: with this many in a pixel, curves are smooth.
pub(crate) const SCALE: u32 = 2;
/// How far the lines of the grid go on below a plot: enough to keep the first label there away from
/// the lowest one at the left.
pub(crate) const TICK: u32 = 6 * SCALE;
/// How wide plots are, in pixels.
pub(crate) const WIDTH: u32 = 920;
/// How high those with names right of their lines are.
pub(crate) const HEIGHT: u32 = 440;
/// Where the names of the lines are, right of the curves, in pixels.
const NAMES_WIDTH: u32 = 166;
/// The least distance of two names, in pixels.
const NAMES_APART: i32 = 34;
/// Points of a curve.
const STEPS: u32 = 400;
/// The last percentile has this many nines.
const NINES_MAX: f64 = 5.0;

/// What a plot is drawn on.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A plot, or why there is none.
pub(crate) type Plot = Result<Option<String>, String>;

/// Draws a plot of `height` pixels.
pub(crate) fn draw<'a, E: std::fmt::Display>(
    svg: &'a mut String,
    height: u32,
    paint: impl FnOnce(&Area<'a>) -> Result<(), E>,
) -> Result<(), String> {
    let area = SVGBackend::with_string(svg, (WIDTH * SCALE, height * SCALE)).into_drawing_area();
    area.fill(&SURFACE).map_err(|e| e.to_string())?;
    paint(&area).map_err(|e| e.to_string())?;
    area.present().map_err(|e| e.to_string())
}

/// Text of `size` pixels.
pub(crate) fn text(size: f64, color: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    // The backend divides what it is asked for by 1.24.
    let size = size * 1.24 * f64::from(SCALE);
    ("system-ui, sans-serif", size).into_font().color(&color).pos(Pos::new(h, v))
}

/// `pixels` in units of the backend.
pub(crate) fn units(pixels: u32) -> i32 {
    (pixels * SCALE).cast_signed()
}

/// Times by percentile, on axes where each step to the right is ten times as rare.
pub(crate) fn percentiles(distributions: &[Named<'_>]) -> Plot {
    let curves: Vec<Curve> = distributions
        .iter()
        .zip(LINES)
        .filter_map(|(&(name, times), color)| Curve::of(name, times, color))
        .collect();
    if curves.is_empty() {
        return Ok(None);
    }
    let mut svg = String::new();
    draw(&mut svg, HEIGHT, |area| curves_on(area, &curves))?;
    Ok(Some(svg))
}

/// A line of the percentile plot.
struct Curve {
    name: &'static str,
    color: RGBColor,
    /// Nines of the percentile, and nanoseconds.
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// The curve of a distribution as far as it has samples enough; none if it never has.
    fn of(name: &'static str, times: &Histogram<u64>, color: RGBColor) -> Option<Self> {
        let last = -(1.0 - quantile_max(times)).log10();
        let last = last.min(NINES_MAX);
        let point = |step| {
            let nines = last * f64::from(step) / f64::from(STEPS);
            let time = times.value_at_quantile(1.0 - 10_f64.powf(-nines));
            (nines, time as f64)
        };
        let points = (0..=STEPS).map(point).collect();
        (last > 0.0).then_some(Self { name, color, points })
    }

    fn last(&self) -> (f64, f64) {
        *self.points.last().expect("a curve has points")
    }
}

fn curves_on(area: &Area<'_>, curves: &[Curve]) -> Result<(), Error> {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let right = all().map(|point| point.0).fold(1.0, f64::max);
    let low = all().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = all().map(|point| point.1).fold(1.0, f64::max);
    let nines = (0..=NINES_MAX as u32).map(f64::from).filter(|n| *n <= right).collect();
    let (x, y) = (Axis::exactly(right, nines), Axis::logarithmic(low, high));
    let mut chart = chart(area, x, y, &|nines| percentile(*nines))?;
    // The first is the most important one. It often runs with the second: the thin line on the
    // broad one shows both.
    for (index, curve) in curves.iter().enumerate() {
        let width = if index == 0 { 5 } else { 2 };
        let style = curve.color.stroke_width(width * SCALE);
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), style))?;
    }
    let ending = |curve: &Curve| {
        let (nines, ns) = curve.last();
        let value = format!("{} at {}", format::time(ns), percentile(nines));
        let at = chart.backend_coord(&(nines, ns));
        Ending { name: curve.name, value, color: curve.color, at }
    };
    let ends: Vec<Ending<'_>> = curves.iter().map(ending).collect();
    for end in &ends {
        area.draw(&Circle::new(end.at, units(3), end.color.filled()))?;
    }
    endings(area, &ends)
}

/// What goes wrong with drawing.
pub(crate) type Error = DrawingAreaErrorKind<std::io::Error>;

/// Axes for times, with room for the names of lines at their right.
pub(crate) fn chart<'a, 'b>(
    area: &'a Area<'b>,
    x: Axis,
    times: Axis,
    x_label: &dyn Fn(&f64) -> String,
) -> Result<ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>, Error> {
    let mut chart = ChartBuilder::on(area)
        .margin_top(units(16))
        .margin_right(units(NAMES_WIDTH))
        .x_label_area_size(units(44))
        .y_label_area_size(units(76))
        .build_cartesian_2d(x, times)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(SCALE))
        .axis_style(GRID.stroke_width(SCALE))
        .label_style(text(13.0, FAINT, HPos::Center, VPos::Center))
        .set_tick_mark_size(LabelAreaPosition::Bottom, TICK)
        .x_label_formatter(&x_label)
        .y_label_formatter(&|ns| format::round_time(*ns))
        .draw()?;
    Ok(chart)
}

/// The end of a line: its name, its last value, and where it is.
pub(crate) struct Ending<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: String,
    pub(crate) color: RGBColor,
    pub(crate) at: (i32, i32),
}

/// Names lines at their ends.
pub(crate) fn endings(area: &Area<'_>, ends: &[Ending<'_>]) -> Result<(), Error> {
    let heights = apart(&ends.iter().map(|end| end.at.1).collect::<Vec<_>>());
    for (end, y) in ends.iter().zip(heights) {
        let x = units(WIDTH - NAMES_WIDTH + 14);
        let swatch = [(x, y - units(11)), (x + units(10), y - units(1))];
        area.draw(&Rectangle::new(swatch, end.color.filled()))?;
        let name_at = (x + units(16), y);
        area.draw_text(end.name, &text(14.0, INK, HPos::Left, VPos::Bottom), name_at)?;
        area.draw_text(&end.value, &text(13.0, FAINT, HPos::Left, VPos::Top), (x, y + units(2)))?;
    }
    Ok(())
}

/// The percentile with so many nines: 1 is `90 %`, 3 is `99.9 %`, and 4.3 is `99.995 %`.
fn percentile(nines: f64) -> String {
    // What is a whole number of nines but for its last bit is no more than that.
    let decimals = (nines - 1e-6).ceil().max(2.0) as usize - 2;
    format!("{:.decimals$} %", 100.0 * (1.0 - 10_f64.powf(-nines)))
}

/// The same heights, in the same order from top to bottom, moved so that names do not overlap.
fn apart(heights: &[i32]) -> Vec<i32> {
    let least = NAMES_APART * SCALE.cast_signed();
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by_key(|index| heights[*index]);
    let mut moved = heights.to_vec();
    for pair in order.windows(2) {
        moved[pair[1]] = moved[pair[1]].max(moved[pair[0]] + least);
    }
    // What was pushed below the plot pushes back.
    let bottom = units(HEIGHT - 44 - 16);
    let mut limit = bottom;
    for index in order.into_iter().rev() {
        moved[index] = moved[index].min(limit);
        limit = moved[index] - least;
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::{of_clients, of_messages};
    use crate::report::fixture;

    #[test]
    fn a_curve_for_each_distribution() {
        let times = fixture::named("fanout").times;
        let svg = percentiles(&of_messages(&times)).expect("drawn").expect("a plot");
        for part in [">\ndelivery\n<", ">\nservice\n<", ">\nlag\n<", ">\n99.9 %\n<"] {
            assert!(svg.contains(part), "no {part:?}");
        }
        let svg = percentiles(&of_clients(&times)).expect("drawn").expect("a plot");
        assert!(svg.contains(">\ngreeting\n<"));
        assert_eq!(percentiles(&of_messages(&fixture::named("empty").times)), Ok(None));
    }

    #[test]
    fn percentiles_have_the_decimals_they_need() {
        for (nines, text) in
            [(0.0, "0 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.301, "99.995 %")]
        {
            assert_eq!(percentile(nines), text);
        }
    }

    #[test]
    fn names_keep_their_distance_and_their_order() {
        let least = NAMES_APART * SCALE.cast_signed();
        assert_eq!(apart(&[100, 99, 500]), [99 + least, 99, 500]);
        let moved = apart(&[5000, 4999, 5001]);
        assert!(moved[1] < moved[0] && moved[0] < moved[2], "{moved:?}");
        assert_eq!(moved[2] - moved[0], least);
    }
}
