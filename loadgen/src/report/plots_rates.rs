//! Delivery times by rate: where they begin to rise is what a server can take.

use plotters::prelude::*;

use super::axis::Axis;
use super::format;
use super::overview::{Row, Verdict};
use super::plots::{
    Area, Ending, Error, FAINT, HEIGHT, LINES, Plot, SCALE, SURFACE, chart, draw, endings, units,
};
use crate::statistics::median;

/// Rates that are further apart than this by factor would crowd at the left end of an even axis.
const EVEN_MAX: f64 = 20.0;

/// A percentile's name, and its time in a run.
type Percentile = (&'static str, fn(&Row) -> Option<u64>);

/// The percentiles that are drawn.
const PERCENTILES: [Percentile; 3] =
    [("p50", |row| row.p50_ns), ("p99", |row| row.p99_ns), ("p99.9", |row| row.p99_9_ns)];

/// The plot of some runs, with what their 99th percentile should be at most; none if nothing was
/// delivered in any.
pub(crate) fn plot(rows: &[Row], target_ns: Option<f64>) -> Plot {
    let times = || PERCENTILES.iter().flat_map(|(_, of)| rows.iter().filter_map(of));
    if times().next().is_none() {
        return Ok(None);
    }
    let mut svg = String::new();
    draw(&mut svg, HEIGHT, |area| {
        let all = || times().map(|ns| ns as f64).chain(target_ns);
        let low = all().fold(f64::INFINITY, f64::min);
        let high = all().fold(1.0, f64::max);
        rates_on(area, rows, target_ns, (rates(rows), Axis::logarithmic(low, high)))
    })?;
    Ok(Some(svg))
}

/// The axis for the rates of `rows`.
fn rates(rows: &[Row]) -> Axis {
    let rates = || rows.iter().map(|row| row.rate);
    let low = rates().fold(f64::INFINITY, f64::min);
    let high = rates().fold(1.0, f64::max);
    let is_even = low < 0.1 || high / low < EVEN_MAX;
    if is_even { Axis::up_to(high) } else { Axis::logarithmic(low, high) }
}

fn rates_on(
    area: &Area<'_>,
    rows: &[Row],
    target_ns: Option<f64>,
    (x, y): (Axis, Axis),
) -> Result<(), Error> {
    let (left, right) = (x.start(), x.end());
    let mut chart = chart(area, x, y, &|rate| format!("{}/s", format::short(*rate)))?;
    let mut ends = vec![];
    if let Some(target) = target_ns {
        let style = FAINT.stroke_width(SCALE);
        chart.draw_series(LineSeries::new([(left, target), (right, target)], style))?;
        let value = format!("p99 under {}", format::time(target));
        let at = chart.backend_coord(&(right, target));
        ends.push(Ending { name: "target", value, color: FAINT, at });
    }
    for ((name, of), color) in PERCENTILES.iter().zip(LINES) {
        let line = line(rows, *of);
        let style = color.stroke_width(2 * SCALE);
        chart.draw_series(LineSeries::new(line.iter().copied(), style))?;
        for row in rows {
            let Some(ns) = of(row) else { continue };
            mark(area, chart.backend_coord(&(row.rate, ns as f64)), row.verdict, color)?;
        }
        if let Some(&(rate, ns)) = line.last() {
            let value = format!("{} at {}/s", format::time(ns), format::short(rate));
            ends.push(Ending { name, value, color, at: chart.backend_coord(&(rate, ns)) });
        }
    }
    endings(area, &ends)
}

/// A point for each rate, from the lowest up: the median of its runs that say something about the
/// server.
fn line(rows: &[Row], of: fn(&Row) -> Option<u64>) -> Vec<(f64, f64)> {
    let valid = rows.iter().filter(|row| row.valid);
    let mut points: Vec<(f64, f64)> =
        valid.filter_map(|row| Some((row.rate, of(row)? as f64))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let middle = |runs: &[(f64, f64)]| {
        let times: Vec<f64> = runs.iter().map(|run| run.1).collect();
        Some((runs.first()?.0, median(&times)?))
    };
    points.chunk_by(|a, b| a.0 == b.0).filter_map(middle).collect()
}

/// The mark of a run: a dot, a cross or a ring.
fn mark(area: &Area<'_>, at: (i32, i32), verdict: Verdict, color: RGBColor) -> Result<(), Error> {
    let outline = color.stroke_width(2 * SCALE);
    match verdict {
        Verdict::Passed => area.draw(&Circle::new(at, units(4), color.filled())),
        Verdict::Failed => area.draw(&Cross::new(at, units(5), outline)),
        Verdict::Invalid => {
            area.draw(&Circle::new(at, units(4), SURFACE.filled()))?;
            area.draw(&Circle::new(at, units(4), outline))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::overview::tests::{result_at, rows};

    #[test]
    fn all_lines_have_their_names_and_the_target_its_own() {
        let svg = plot(&rows(), Some(5e6)).expect("drawn").expect("a plot");
        for part in [">\np50\n<", ">\np99\n<", ">\np99.9\n<", ">\np99 under 5.00 ms\n<"] {
            assert!(svg.contains(part), "no {part:?}");
        }
        let svg = plot(&rows(), None).expect("drawn").expect("a plot");
        assert!(!svg.contains("target"));
    }

    #[test]
    fn runs_that_did_not_pass_look_different() {
        let all = rows();
        let circles = |rows: &[Row]| {
            let svg = plot(rows, None).expect("drawn").expect("a plot");
            svg.matches("<circle").count()
        };
        // On each of three lines: a dot is a circle, a cross is none, a ring is two.
        assert_eq!([3, 4, 5].map(|runs| circles(&all[..runs])), [9, 9, 15]);
    }

    #[test]
    fn a_line_goes_through_the_median_of_valid_runs() {
        let mut rows = rows();
        for (index, p50) in [7_000_000, 9_000_000].into_iter().enumerate() {
            let mut again = Row::of(format!("rate-100-{}", index + 2), &result_at(100.0));
            again.p50_ns = Some(p50);
            rows.push(again);
        }
        let points = line(&rows, |row| row.p50_ns);
        let rates: Vec<f64> = points.iter().map(|point| point.0).collect();
        assert_eq!(rates, [100.0, 200.0, 400.0, 800.0]);
        assert_eq!(points[0].1, 7_000_000.0);
    }

    #[test]
    fn rates_far_apart_have_a_logarithmic_axis() {
        let mut rows = rows();
        let even = rates(&rows);
        assert_eq!((even.start(), even.end()), (0.0, 2_000.0));
        rows[0].rate = 10.0;
        let logarithmic = rates(&rows);
        assert!((logarithmic.start() - 10.0).abs() < 1e-6, "{logarithmic:?}");
        rows[0].rate = 0.0;
        assert_eq!(rates(&rows).start(), 0.0);
    }

    #[test]
    fn without_deliveries_there_is_no_plot() {
        assert_eq!(plot(&[], Some(5e6)), Ok(None));
    }
}
