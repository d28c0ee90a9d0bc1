//! Figures as people read them.

/// Three significant digits or so, and nothing behind the point of a large number.
pub(crate) fn short(value: f64) -> String {
    if value < 99.95 { format!("{value:.1}") } else { grouped(value) }
}

/// A whole number with a space between its thousands.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// The middle one of some values, of which there is at least one; of an even number the mean of the
/// middle two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}
