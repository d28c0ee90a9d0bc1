//! Axes that end on round numbers and have their labels there.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// An axis, even or logarithmic.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    range: Range<f64>,
    ticks: Vec<f64>,
    is_logarithmic: bool,
}

impl Axis {
    /// An axis from 0 up to `end` at least, where it has a few labels, one on its end.
    pub(crate) fn up_to(end: f64) -> Self {
        let step = step(end);
        let steps = (end / step).ceil().max(1.0);
        let ticks = (0..=steps as u32).map(|n| f64::from(n) * step).collect();
        Self { range: 0.0..steps * step, ticks, is_logarithmic: false }
    }

    /// An axis from 0 to `end` precisely.
    pub(crate) fn exactly(end: f64, ticks: Vec<f64>) -> Self {
        Self { range: 0.0..end, ticks, is_logarithmic: false }
    }

    /// A logarithmic axis for everything from `low` to `high`, which are at least 0.1.
    pub(crate) fn logarithmic(low: f64, high: f64) -> Self {
        let steps = |each: &'static [f64]| {
            (-1..13).flat_map(move |power| each.iter().map(move |n| n * 10_f64.powi(power)))
        };
        let fine: &'static [f64] = &[1.0, 2.0, 5.0];
        let start = steps(fine).take_while(|step| *step <= low).last().unwrap_or(low);
        let end = steps(fine).find(|step| *step >= high.max(start * 2.0)).unwrap_or(high);
        let each: &'static [f64] = if end / start > 1e3 { &[1.0] } else { fine };
        let ticks = steps(each).filter(|step| (start..=end).contains(step)).collect();
        Self { range: start..end, ticks, is_logarithmic: true }
    }

    /// Where it starts.
    pub(crate) fn start(&self) -> f64 {
        self.range.start
    }

    /// Where it ends.
    pub(crate) fn end(&self) -> f64 {
        self.range.end
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let place = |it: f64| if self.is_logarithmic { it.ln() } else { it };
        let (start, end) = (place(self.range.start), place(self.range.end));
        let share = (place(*value) - start) / (end - start);
        limit.0 + (f64::from(limit.1 - limit.0) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { vec![] } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// The distance of two labels on an axis up to `end`: a round number that makes two or three.
fn step(end: f64) -> f64 {
    let power = 10_f64.powf(end.log10().floor());
    let steps = [0.5, 1.0, 2.0, 2.5, 5.0].map(|n| n * power);
    steps.into_iter().find(|step| end / step <= 3.0).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_axes_have_a_few_labels_and_little_room_to_spare() {
        for end in [0.013, 0.44, 1.0, 2.1, 9.9, 104_000.0, 21e6] {
            let axis = Axis::up_to(end);
            assert!((3..=4).contains(&axis.ticks.len()), "{axis:?}");
            assert!(axis.end() >= end && axis.end() <= end * 2.0, "{axis:?}");
        }
    }

    #[test]
    fn logarithmic_axes_end_on_round_numbers() {
        let axis = Axis::logarithmic(310e3, 4.2e6);
        let about = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
        assert!(about(axis.range.start, 200e3) && about(axis.range.end, 5e6), "{axis:?}");
        assert_eq!(axis.ticks.len(), 5);
        let axis = Axis::logarithmic(0.3, 40.0);
        assert!(about(axis.range.start, 0.2) && about(axis.range.end, 50.0), "{axis:?}");
        let axis = Axis::logarithmic(1e6, 1e6);
        assert!(about(axis.range.end, 2e6), "{axis:?}");
    }

    #[test]
    fn values_are_where_they_belong() {
        let axis = Axis::logarithmic(1e3, 1e5);
        assert_eq!([1e3, 1e4, 1e5].map(|it| axis.map(&it, (0, 100))), [0, 50, 100]);
        let axis = Axis::exactly(4.0, vec![]);
        assert_eq!([0.0, 1.0, 4.0].map(|it| axis.map(&it, (100, 0))), [100, 75, 0]);
    }
}
