//! Counts beside a baseline's, and what to think of them.

use std::fmt::Write as _;

use super::callgrind::Counts;

/// How far a count may be from the baseline, in per cent. Chance moves none by a tenth of that.
const TOLERANCE: f64 = 2.0;

/// All cases of either side.
pub(crate) struct Comparison(Vec<Row>);

/// A case, as it is and as it was.
struct Row {
    case: String,
    now: Option<f64>,
    before: Option<f64>,
}

/// What to think of a case.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Same,
    Above,
    Below,
    /// Not in the baseline.
    New,
    /// Only in the baseline.
    Gone,
}

impl Row {
    /// In per cent, if there is something to compare.
    fn change(&self) -> Option<f64> {
        Some((self.now? / self.before? - 1.0) * 100.0)
    }

    fn verdict(&self) -> Verdict {
        match self.change() {
            Some(change) if change > TOLERANCE => Verdict::Above,
            Some(change) if change < -TOLERANCE => Verdict::Below,
            Some(_) => Verdict::Same,
            None if self.now.is_some() => Verdict::New,
            None => Verdict::Gone,
        }
    }
}

impl Comparison {
    /// Of what was counted with a baseline.
    pub(crate) fn new(counts: &Counts, baseline: &Counts) -> Self {
        let find = |all: &Counts, case: &str| all.iter().find(|(it, _)| it == case).map(|it| it.1);
        let counted = counts.iter().map(|(case, now)| Row {
            case: case.clone(),
            now: Some(*now),
            before: find(baseline, case),
        });
        let gone = baseline.iter().filter(|(case, _)| find(counts, case).is_none());
        let gone =
            gone.map(|(case, before)| Row { case: case.clone(), now: None, before: Some(*before) });
        Self(counted.chain(gone).collect())
    }

    /// For people: a line for each case.
    pub(crate) fn table(&self) -> String {
        let number = |it: Option<f64>| it.map_or("-".to_owned(), |it| format!("{it:.1}"));
        let mut table =
            format!("{:12}{:>14}{:>12}{:>11}\n", "case", "instructions", "baseline", "");
        for row in &self.0 {
            let change = row.change().map_or("-".to_owned(), |it| format!("{it:+.2} %"));
            let (now, before) = (number(row.now), number(row.before));
            let _ = writeln!(table, "{:12}{now:>14}{before:>12}{change:>11}", row.case);
        }
        table
    }

    /// An error if a case is above the baseline; otherwise advice, if the baseline is out of date.
    pub(crate) fn judge(&self) -> Result<String, String> {
        let above = self.cases(Verdict::Above);
        if !above.is_empty() {
            return Err(format!(
                "more than {TOLERANCE} % over the baseline: {above}. To see where they go: \
                 callgrind_annotate target/icount/CASE.callgrind. If what they are for is worth \
                 it: cargo xtask icount --bless"
            ));
        }
        let mut advice = String::new();
        for (verdict, how) in [
            (Verdict::Below, format!("More than {TOLERANCE} % below the baseline")),
            (Verdict::New, "Not in the baseline".to_owned()),
            (Verdict::Gone, "Only in the baseline".to_owned()),
        ] {
            let cases = self.cases(verdict);
            if !cases.is_empty() {
                let _ = writeln!(advice, "{how}: {cases}. Renew it: cargo xtask icount --bless");
            }
        }
        Ok(advice)
    }

    /// The cases of which we think that, as one would list them.
    fn cases(&self, verdict: Verdict) -> String {
        let cases = self.0.iter().filter(|row| row.verdict() == verdict);
        cases.map(|row| row.case.as_str()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(all: &[(&str, f64)]) -> Counts {
        all.iter().map(|&(case, count)| (case.to_owned(), count)).collect()
    }

    fn compare(now: &[(&str, f64)], before: &[(&str, f64)]) -> Comparison {
        Comparison::new(&counts(now), &counts(before))
    }

    #[test]
    fn two_per_cent_more_is_allowed_and_a_little_over_is_not() {
        for (now, allowed) in [(1_000.0, true), (1_019.9, true), (1_020.1, false)] {
            let judged = compare(&[("say", now)], &[("say", 1_000.0)]).judge();
            assert_eq!(judged.is_ok_and(|advice| advice.is_empty()), allowed, "{now}");
        }
    }

    #[test]
    fn a_failure_names_the_cases_that_are_above_and_no_others() {
        let now = [("decode", 900.0), ("say", 1_100.0), ("join", 1_000.0), ("rename", 1_030.0)];
        let error = compare(&now, &now.map(|(case, _)| (case, 1_000.0))).judge();
        let error = error.expect_err("two are above");
        assert!(error.starts_with("more than 2 % over the baseline: say, rename. "), "{error}");
        assert!(error.contains("--bless"), "{error}");
    }

    #[test]
    fn a_baseline_that_is_out_of_date_is_to_be_renewed() {
        for (now, before, told) in [
            (979.9, ("say", 1_000.0), "More than 2 % below the baseline: say. "),
            (1_000.0, ("join", 1_000.0), "Not in the baseline: say. "),
            (1_000.0, ("join", 1_000.0), "Only in the baseline: join. "),
        ] {
            let advice = compare(&[("say", now)], &[before]).judge().expect("none is above");
            assert!(advice.contains(told) && advice.contains("--bless"), "{advice}");
        }
        assert_eq!(compare(&[("say", 980.1)], &[("say", 1_000.0)]).judge(), Ok(String::new()));
    }

    #[test]
    fn the_table_has_every_case_of_either_side() {
        let table = compare(
            &[("say", 489.0), ("decode-utf8", 2_780.5), ("new", 1.0)],
            &[("decode-utf8", 2_700.0), ("gone", 2.0), ("say", 489.04)],
        );
        let expected = "\
case          instructions    baseline           
say                  489.0       489.0    -0.01 %
decode-utf8         2780.5      2700.0    +2.98 %
new                    1.0           -          -
gone                     -         2.0          -
";
        assert_eq!(table.table(), expected);
    }
}
