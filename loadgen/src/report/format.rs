//! Numbers and times as people read them: three digits, and the unit that suits them.

use crate::result::RunResult;
use crate::scenario::Scenario;

/// Stands for a figure there is not, or that would mean nothing.
pub(crate) const NONE: &str = "–";

/// A number below a thousand with three digits.
fn three_digits(number: f64) -> String {
    let decimals = match number {
        n if n < 9.995 => 2,
        n if n < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}

/// `number` in the first unit that leaves fewer than a thousand of it, or in the last one.
fn in_units(mut number: f64, step: f64, units: &[&str]) -> String {
    let (last, others) = units.split_last().expect("units");
    for unit in others {
        if number < 999.5 {
            return format!("{} {unit}", three_digits(number));
        }
        number /= step;
    }
    format!("{} {last}", three_digits(number))
}

/// A time.
#[must_use]
pub fn time(ns: f64) -> String {
    in_units(ns, 1e3, &["ns", "µs", "ms", "s"])
}

/// A time as a label of an axis: no digits that say nothing.
pub(crate) fn round_time(ns: f64) -> String {
    if ns <= 0.0 {
        return "0".to_owned();
    }
    let text = time(ns);
    let (number, unit) = text.split_once(' ').expect("a number and a unit");
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number} {unit}")
}

/// A whole number in groups of three digits.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// How many there are in a second, or any other number that need not be whole.
#[must_use]
pub fn number(number: f64) -> String {
    if number < 99.95 { format!("{number:.1}") } else { count(number.round() as u64) }
}

/// A number on an axis: `1.5 M`, `20 k`, `0.5`.
pub(crate) fn short(number: f64) -> String {
    let (number, unit) = match number {
        n if n >= 999_500.0 => (n / 1e6, " M"),
        n if n >= 999.5 => (n / 1e3, " k"),
        n => (n, ""),
    };
    let text = format!("{number:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A size in memory.
pub(crate) fn bytes(bytes: f64) -> String {
    if bytes < 999.5 {
        return format!("{bytes:.0} B");
    }
    in_units(bytes, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// A part of a whole.
pub(crate) fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A moment, given in seconds since 1970, as `2026-11-23 17:21:19 UTC`.
pub(crate) fn moment(unix_seconds: u64) -> String {
    let (day, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let mut day = day;
    let mut year = 1970;
    let days_in = |year: u64| if is_leap(year) { 366 } else { 365 };
    while day >= days_in(year) {
        day -= days_in(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02} UTC", day + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// What a scenario shows, and what of it was changed.
pub(crate) fn about(scenario: &Scenario) -> String {
    let changes = scenario.changes();
    let description = &scenario.description;
    if changes.is_empty() {
        return description.clone();
    }
    format!("{description} Changed: {}.", changes.join(", ")).trim_start().to_owned()
}

/// How a run was cut short, if it was.
pub(crate) fn interruption(result: &RunResult) -> Option<String> {
    let name = result.interrupted?;
    let phase = result.phases.iter().find(|phase| phase.name == name);
    let seconds = phase.map_or(0.0, |phase| phase.seconds);
    let whole = match name {
        "measure" => format!(" of {}", result.scenario.measure_seconds),
        "warm-up" => format!(" of {}", result.scenario.warm_up_seconds),
        _ => String::new(),
    };
    Some(format!("a signal ended it in its phase `{name}`, after {seconds:.1} s{whole}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_stands_beside_what_is_described() {
        let mut scenario = Scenario::built_in("fanout").expect("it is built in");
        assert_eq!(about(&scenario), scenario.description);
        (scenario.connections, scenario.rate, scenario.seed) = (10, 20.5, 7);
        let text = about(&scenario);
        assert!(text.ends_with("costs. Changed: connections = 10, rate = 20.5."), "{text}");
        scenario.name = "mine".to_owned();
        assert_eq!(about(&scenario), scenario.description, "it is not known what it was");
    }

    #[test]
    fn times_have_three_digits() {
        for (ns, text) in [
            (999.0, "999 ns"),
            (1_500.0, "1.50 µs"),
            (9_996.0, "10.0 µs"),
            (99_960.0, "100 µs"),
            (999_600.0, "1.00 ms"),
            (12_345_678.0, "12.3 ms"),
            (120e9, "120 s"),
        ] {
            assert_eq!(time(ns), text);
        }
        assert_eq!(round_time(1e6), "1 ms");
        assert_eq!(round_time(200e3), "200 µs");
        assert_eq!((round_time(1.5e6), round_time(0.0)), ("1.5 ms".into(), "0".into()));
    }

    #[test]
    fn numbers_are_grouped() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1 000"), (1_234_567, "1 234 567")] {
            assert_eq!(count(n), text);
        }
        assert_eq!((number(99.94), number(99.96)), ("99.9".to_owned(), "100".to_owned()));
        assert_eq!(short(1_500_000.0), "1.5 M");
        assert_eq!(
            (short(20_000.0), short(0.5), short(0.0)),
            ("20 k".into(), "0.5".into(), "0".into())
        );
        assert_eq!((bytes(12.0), bytes(2048.0)), ("12 B".to_owned(), "2.00 KiB".to_owned()));
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(moment(seconds), text);
        }
    }
}
