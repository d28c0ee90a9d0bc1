//! The page of a sitting.

use super::PARTS;
use super::marks::{Mark, Measured, Verdict, Wanted};

/// What the page says, in Markdown.
pub(crate) fn write(measured: &Measured) -> String {
    let about = |key: &str| measured.peers["about"][key].as_str().unwrap_or("unknown").to_owned();
    let [date, commit, cpu, kernel, rounds] =
        ["date", "commit", "cpu", "kernel", "rounds"].map(about);
    let marks = measured.marks();
    let count = |verdict| marks.iter().filter(|mark| mark.verdict() == verdict).count();
    let rows: String = marks.iter().map(row).collect();
    let parts: String = PARTS.iter().map(|part| format!("- [`{0}`]({0})\n", part.folder)).collect();
    format!(
        "# {date}, commit {commit}\n\n\
         {cpu}, {kernel}; loopback, server on one core and generator on the other, medians of \
         {rounds} rounds in alternation. Made by `cargo xtask results`, which leaves raw data, \
         tables and pictures in:\n\n{parts}\n\
         ## Marks\n\n\
         Of {all} marks {holds} hold, {by_cpu} hold by CPU time only, {missed} are missed, and \
         {unknown} were not measured. In a closed loop clients send when they are answered: where \
         the one core of the generator is full, deliveries a second are the generator's, and the \
         last column compares what the servers spent on each.\n\n\
         | load | figure | wanted | measured | | by CPU time |\n|---|---|---:|---:|---|---:|\n\
         {rows}",
        all = marks.len(),
        holds = count(Verdict::Holds),
        by_cpu = count(Verdict::ByCpu),
        missed = count(Verdict::Missed),
        unknown = count(Verdict::NotMeasured),
    )
}

fn row(mark: &Mark) -> String {
    let (sign, wanted, unit) = match mark.wanted {
        Wanted::Times(least) => ("≥", least, " ×"),
        Wanted::AtLeast(least) => ("≥", least, ""),
        Wanted::AtMost(most) => ("≤", most, ""),
    };
    let cell = |figure: Option<f64>| {
        figure.map_or_else(|| "–".to_owned(), |it| format!("{}{unit}", short(it)))
    };
    let verdict = match mark.verdict() {
        Verdict::Holds => "holds",
        Verdict::ByCpu => "by CPU time",
        Verdict::Missed => "**missed**",
        Verdict::NotMeasured => "not measured",
    };
    format!(
        "| {} | {} | {sign} {}{unit} | {} | {verdict} | {} |\n",
        mark.load,
        mark.what,
        short(wanted),
        cell(mark.measured),
        cell(mark.by_cpu),
    )
}

/// With three digits that say something.
fn short(figure: f64) -> String {
    match figure {
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::marks::tests::measured;

    #[test]
    fn the_page_says_when_and_of_what_and_tells_every_mark() {
        let page = write(&measured());
        for part in [
            "# 2026-11-25 10:15, commit abc1234",
            "[`throughput`](throughput)",
            "| 1 × 1 000, 64 in flight | deliveries/s, to redis's | ≥ 3.30 × | 4.00 × | holds | ",
            "| connect + name + join | a second of server CPU | ≥ 30000 | 40000 | holds | – |",
            "| **missed** |",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert_eq!(page.matches("\n| ").count(), 1 + measured().marks().len());
    }
}
