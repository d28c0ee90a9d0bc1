//! The timeline: small plots above each other that share the seconds of a run.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Axis;
use super::format;
use super::plots::{
    Area, FAINT, GRID, INK, LINES, Plot, SCALE, SHADE, TICK, WIDTH, draw, text, units,
};
use crate::result::{Phase, RunResult, Second};

/// Pixels of a small plot.
const PANEL_HEIGHT: u32 = 136;
/// Pixels above a small plot, and down to the middle of its title there: nearer to its own plot
/// than to the one above.
const TITLE_HEIGHT: u32 = 38;
const TITLE_MIDDLE: u32 = 24;
/// Pixels of the line above the first one that names the phases.
const PHASES_HEIGHT: u32 = 26;
/// Pixels of the line below the last one that counts the seconds.
const SECONDS_HEIGHT: u32 = 30;
/// Pixels left of a plot, for its labels.
const LABELS_WIDTH: u32 = 76;
/// Pixels right of it.
const MARGIN: u32 = 16;
/// A phase's name needs this many pixels.
const NAME_WIDTH: f64 = 54.0;
/// More points than this cannot be told apart: a soak's seconds are put together.
const POINTS_MAX: usize = 1_000;

/// Bytes in the unit of the memory's axis, so that its labels are round.
const MIB: f64 = 1_048_576.0;

type Error = DrawingAreaErrorKind<std::io::Error>;

/// Seconds and values.
type Line = Vec<(f64, f64)>;

/// A small plot.
struct Panel {
    title: &'static str,
    /// What it shows of a second; none where there is nothing to show.
    value: fn(&Second) -> Option<f64>,
    /// Whether seconds that are put together show their highest value, or else their mean.
    highest: bool,
    label: fn(f64) -> String,
}

/// All small plots. Those that have nothing to show are left out.
const PANELS: &[Panel] = &[
    Panel {
        title: "Deliveries a second",
        value: |it| Some(it.delivered as f64),
        highest: false,
        label: format::short,
    },
    Panel {
        title: "Delivery time, 99th percentile",
        // Deliveries of the warm-up are counted, and not timed.
        value: |it| (it.p99_us > 0.0).then_some(it.p99_us * 1e3),
        highest: true,
        label: format::round_time,
    },
    Panel {
        title: "Connections",
        value: |it| Some(it.connections as f64),
        highest: true,
        label: format::short,
    },
    Panel {
        title: "Server CPU, in cores",
        value: |it| Some(it.server_cpu),
        highest: false,
        label: format::short,
    },
    Panel {
        title: "Server memory (RSS)",
        value: |it| Some(it.server_rss as f64 / MIB),
        highest: true,
        label: |mib| format!("{} MiB", format::short(mib)),
    },
];

/// The plots of a run's seconds; none if it has fewer than two.
pub(crate) fn timeline(result: &RunResult) -> Plot {
    let end = result.timeline.last().map_or(0.0, |last| f64::from(last.second) + 1.0);
    let panels: Vec<(&Panel, Vec<Line>, f64)> = PANELS
        .iter()
        .map(|panel| {
            let lines = panel.lines(&result.timeline);
            let most = lines.iter().flatten().map(|point| point.1).fold(0.0, f64::max);
            (panel, lines, most)
        })
        .filter(|(_, _, most)| *most > 0.0)
        .collect();
    if result.timeline.len() < 2 || panels.is_empty() {
        return Ok(None);
    }
    let count = u32::try_from(panels.len()).expect("a few panels");
    let mut svg = String::new();
    draw(&mut svg, PHASES_HEIGHT + count * PANEL_HEIGHT + SECONDS_HEIGHT, |area| {
        let (head, mut rest) = area.split_vertically(units(PHASES_HEIGHT));
        names(&head, &result.phases, end)?;
        for (index, (panel, lines, most)) in panels.iter().enumerate() {
            let is_last = index + 1 == panels.len();
            let height = PANEL_HEIGHT + if is_last { SECONDS_HEIGHT } else { 0 };
            let (here, below) = rest.split_vertically(units(height));
            panel.draw(&here, lines, Extent { end, most: *most }, &result.phases, is_last)?;
            rest = below;
        }
        Ok::<_, Error>(())
    })?;
    Ok(Some(svg))
}

/// How far a panel's axes go.
#[derive(Clone, Copy)]
struct Extent {
    end: f64,
    most: f64,
}

impl Panel {
    /// The lines that show some seconds: a new one after each gap.
    fn lines(&self, seconds: &[Second]) -> Vec<Line> {
        let mut lines = vec![vec![]];
        for group in seconds.chunks(seconds.len().div_ceil(POINTS_MAX).max(1)) {
            let values: Vec<f64> = group.iter().filter_map(self.value).collect();
            let middle = f64::from(group[0].second) + group.len() as f64 / 2.0;
            let value = match (values.len(), self.highest) {
                (0, _) => {
                    lines.push(vec![]);
                    continue;
                }
                (_, true) => values.iter().copied().fold(0.0, f64::max),
                (count, false) => values.iter().sum::<f64>() / count as f64,
            };
            lines.last_mut().expect("a line").push((middle, value));
        }
        lines.retain(|line| !line.is_empty());
        lines
    }

    fn draw(
        &self,
        area: &Area<'_>,
        lines: &[Line],
        Extent { end, most }: Extent,
        phases: &[Phase],
        is_last: bool,
    ) -> Result<(), Error> {
        let axis = Axis::up_to(most);
        let top = axis.end();
        let mut chart = ChartBuilder::on(area)
            .margin_top(units(TITLE_HEIGHT))
            .margin_right(units(MARGIN))
            .x_label_area_size(if is_last { units(SECONDS_HEIGHT) } else { 0 })
            .y_label_area_size(units(LABELS_WIDTH))
            .build_cartesian_2d(0.0..end, axis)?;
        for phase in phases.iter().filter(|phase| phase.name == "measure") {
            let (from, to) = (phase.start_seconds, phase.start_seconds + phase.seconds);
            let shade = Rectangle::new([(from, 0.0), (to.min(end), top)], SHADE.filled());
            chart.draw_series([shade])?;
        }
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(SCALE))
            .axis_style(GRID.stroke_width(SCALE))
            .label_style(text(12.0, FAINT, HPos::Center, VPos::Center))
            .set_tick_mark_size(LabelAreaPosition::Bottom, TICK)
            .x_label_formatter(&|seconds| format!("{} s", format::short(*seconds)))
            .y_label_formatter(&|value| (self.label)(*value))
            .draw()?;
        for line in lines {
            let points = || line.iter().copied();
            chart.draw_series(AreaSeries::new(points(), 0.0, LINES[0].mix(0.12)))?;
            chart.draw_series(LineSeries::new(points(), LINES[0].stroke_width(2 * SCALE)))?;
            if line.len() == 1 {
                chart
                    .draw_series(points().map(|it| Circle::new(it, units(3), LINES[0].filled())))?;
            }
        }
        let style = text(14.0, INK, HPos::Left, VPos::Center);
        area.draw_text(self.title, &style, (units(LABELS_WIDTH), units(TITLE_MIDDLE)))?;
        let style = text(13.0, FAINT, HPos::Right, VPos::Center);
        let most = format!("at most {}", (self.label)(most));
        area.draw_text(&most, &style, (units(WIDTH - MARGIN), units(TITLE_MIDDLE)))
    }
}

/// The names of the phases where they are, if there is room.
fn names(area: &Area<'_>, phases: &[Phase], end: f64) -> Result<(), Error> {
    let pixel = f64::from(WIDTH - LABELS_WIDTH - MARGIN) / end;
    for phase in phases.iter().filter(|phase| phase.seconds * pixel > NAME_WIDTH) {
        let middle = (phase.start_seconds + phase.seconds / 2.0) * pixel + f64::from(LABELS_WIDTH);
        let style = text(12.0, FAINT, HPos::Center, VPos::Center);
        let at = ((middle * f64::from(SCALE)) as i32, units(PHASES_HEIGHT / 2));
        area.draw_text(phase.name, &style, at)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn what_there_is_nothing_of_has_no_plot() {
        let svg = timeline(&fixture::named("connect-storm")).expect("drawn").expect("a plot");
        assert!(svg.contains("Connections") && svg.contains("RSS"));
        assert!(!svg.contains("Deliveries"));
        assert_eq!(timeline(&fixture::named("empty")), Ok(None));
    }

    #[test]
    fn a_long_run_has_few_points_and_keeps_its_peaks() {
        let second = |second| Second { second, delivered: 1, p99_us: 5.0, ..Second::default() };
        let mut seconds: Vec<Second> = (0..86_400).map(second).collect();
        seconds[777].p99_us = 900.0;
        let lines = PANELS[1].lines(&seconds);
        assert!(lines[0].len() <= POINTS_MAX);
        assert!(lines[0].iter().any(|point| point.1 > 899e3));
    }

    #[test]
    fn a_second_without_timed_deliveries_interrupts_the_line_of_their_times() {
        let second = |p99_us| Second { delivered: 1, p99_us, ..Second::default() };
        let seconds = [second(5.0), second(0.0), second(5.0), second(5.0)];
        let lengths: Vec<usize> = PANELS[1].lines(&seconds).iter().map(Vec::len).collect();
        assert_eq!(lengths, [1, 2]);
    }
}
