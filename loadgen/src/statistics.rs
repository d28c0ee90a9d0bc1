//! Whether two small sets of numbers differ, and by how much, without assuming how they are spread.

use std::f64::consts::PI;

/// A difference whose p-value is above this may be chance.
pub const SIGNIFICANCE: f64 = 0.05;
/// Two-sided quantile of the normal distribution for an interval of 95 %.
const NORMAL_95: f64 = 1.959_963_984_540_054;
/// Up to here all arrangements are counted: their number is a whole one in an `f64`, and counting
/// takes milliseconds.
const EXACT_MAX: usize = 50;

/// The median, none of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}

/// The outcome of a Mann–Whitney test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// Pairs in which the number of the first set is the greater one; half for equal ones.
    pub u: f64,
    /// How likely sets from the same source differ as much, in either direction.
    pub p: f64,
}

/// Tests whether `a` and `b` come from the same source. Exact for up to 50 numbers together, ties
/// or not; by the normal approximation above.
#[must_use]
pub fn mann_whitney(a: &[f64], b: &[f64]) -> MannWhitney {
    let ranks = doubled_ranks(a, b);
    let doubled_sum: usize = ranks[..a.len()].iter().sum();
    let u = doubled_sum as f64 / 2.0 - (a.len() * (a.len() + 1)) as f64 / 2.0;
    let p = if a.is_empty() || b.is_empty() {
        1.0
    } else if ranks.len() <= EXACT_MAX {
        exact_p(&ranks, a.len(), doubled_sum)
    } else {
        normal_p(&ranks, a.len(), u)
    };
    MannWhitney { u, p }
}

/// By how much the numbers of one set are above those of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The Hodges–Lehmann estimate: the median of the differences of all pairs.
    pub by: f64,
    /// Where it is with a confidence of 95 % or more; none when there are too few numbers for that.
    pub interval: Option<(f64, f64)>,
}

/// How far `b` is above `a`; none if either is empty.
#[must_use]
pub fn shift(a: &[f64], b: &[f64]) -> Option<Shift> {
    let mut differences: Vec<f64> = b.iter().flat_map(|b| a.iter().map(move |a| b - a)).collect();
    differences.sort_by(f64::total_cmp);
    let by = median(&differences)?;
    let outside = differences_outside(a.len(), b.len());
    let interval = outside.checked_sub(1).map(|from| {
        let to = differences.len() - outside;
        (differences[from], differences[to])
    });
    Some(Shift { by, interval })
}

/// The rank of each number among all, doubled so that those of ties, which share the mean of
/// theirs, are whole: those of `a` first.
fn doubled_ranks(a: &[f64], b: &[f64]) -> Vec<usize> {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let rank = |value: &f64| {
        let below = all.iter().filter(|other| *other < value).count();
        let equal = all.iter().filter(|other| *other == value).count();
        2 * below + equal + 1
    };
    all.iter().map(rank).collect()
}

/// How likely it is that `take` of `ranks`, drawn at random, add up to each sum.
fn sums(ranks: &[usize], take: usize) -> Vec<f64> {
    let total: usize = ranks.iter().sum();
    // Ways to draw so many of the ranks seen so far with such a sum.
    let mut ways = vec![vec![0.0; total + 1]; take + 1];
    ways[0][0] = 1.0;
    for &rank in ranks {
        for drawn in (1..=take).rev() {
            for sum in rank..=total {
                ways[drawn][sum] += ways[drawn - 1][sum - rank];
            }
        }
    }
    let ways = ways.swap_remove(take);
    let all: f64 = ways.iter().sum();
    ways.into_iter().map(|ways| ways / all).collect()
}

/// How likely a sum of `take` of `ranks` is as far from its mean as `sum` is.
fn exact_p(ranks: &[usize], take: usize, sum: usize) -> f64 {
    let total: usize = ranks.iter().sum();
    // Times the number of ranks, to stay with whole numbers.
    let distance = |sum: usize| (sum * ranks.len()).abs_diff(total * take);
    let far = sums(ranks, take).into_iter().enumerate();
    let p: f64 = far.filter(|(s, _)| distance(*s) >= distance(sum)).map(|(_, p)| p).sum();
    p.min(1.0)
}

/// The same by the normal approximation, with corrections for ties and for continuity.
fn normal_p(ranks: &[usize], take: usize, u: f64) -> f64 {
    let (n, m) = (take as f64, (ranks.len() - take) as f64);
    let all = n + m;
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    let cubes = |tied: &[usize]| (tied.len() as f64).powi(3) - tied.len() as f64;
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(cubes).sum();
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((u - n * m / 2.0).abs() - 0.5).max(0.0);
    (2.0 * normal_tail(distance / variance.sqrt())).min(1.0)
}

/// How likely a normal number is above `z`, by Marsaglia's series ("Evaluating the Normal
/// Distribution", 2004).
fn normal_tail(z: f64) -> f64 {
    let (mut sum, mut term, mut odd) = (z, z, 1.0);
    while term > f64::EPSILON * sum {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    (0.5 - sum * (-z * z / 2.0).exp() / (2.0 * PI).sqrt()).max(0.0)
}

/// The position, from 1 and from either end, of the sorted differences of all pairs between which
/// their median is with a confidence of 95 % or more; 0 if there is no such position.
fn differences_outside(n: usize, m: usize) -> usize {
    let all = n + m;
    if all > EXACT_MAX {
        let (n, m) = (n as f64, m as f64);
        return (n * m / 2.0 - NORMAL_95 * (n * m * (n + m + 1.0) / 12.0).sqrt()) as usize;
    }
    let ranks: Vec<usize> = (1..=all).map(|rank| 2 * rank).collect();
    let least = n * (n + 1);
    // Sums of untied doubled ranks are even.
    let chances = sums(&ranks, n).into_iter().skip(least).step_by(2);
    let below = chances.scan(0.0, |below, p| {
        *below += p;
        Some(*below)
    });
    below.take_while(|below| *below <= SIGNIFICANCE / 2.0).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9 * right.abs().max(1e-3)
    }

    /// The p-value by looking at every way to draw `a` from all numbers.
    fn brute_force(a: &[f64], b: &[f64]) -> f64 {
        let all: Vec<f64> = a.iter().chain(b).copied().collect();
        let centre = (a.len() * b.len()) as f64 / 2.0;
        let distance = |of_a: u32| {
            let is_a = |at: usize| of_a & 1 << at != 0;
            let mut u = 0.0;
            for (i, x) in all.iter().enumerate().filter(|(i, _)| is_a(*i)) {
                for (j, y) in all.iter().enumerate().filter(|(j, _)| !is_a(*j)) {
                    assert_ne!(i, j);
                    u += if x > y { 1.0 } else { f64::from(u8::from(x == y)) / 2.0 };
                }
            }
            (u - centre).abs()
        };
        let seen = distance((1 << a.len()) - 1);
        let draws = (0_u32..1 << all.len()).filter(|draw| draw.count_ones() as usize == a.len());
        let (far, draws) = draws.fold((0, 0), |(far, draws), draw| {
            (far + usize::from(distance(draw) >= seen), draws + 1)
        });
        far as f64 / f64::from(draws)
    }

    #[test]
    fn sets_apart_have_the_least_p_there_is() {
        for (n, least) in [(3, 0.1), (4, 2.0 / 70.0), (5, 2.0 / 252.0), (10, 2.0 / 184_756.0)] {
            let a: Vec<f64> = (0..n).map(f64::from).collect();
            let b: Vec<f64> = (n..2 * n).map(f64::from).collect();
            let test = mann_whitney(&a, &b);
            assert!(close(test.p, least) && test.u == 0.0, "{n}: {test:?}");
            assert!(close(mann_whitney(&b, &a).p, least));
        }
    }

    #[test]
    fn published_examples_come_out() {
        // The example in SciPy's documentation: ages at a diagnosis.
        let males = [19.0, 22.0, 16.0, 29.0, 24.0];
        let females = [20.0, 11.0, 17.0, 12.0];
        let test = mann_whitney(&males, &females);
        assert!(close(test.p, 1.0 / 9.0) && test.u == 17.0, "{test:?}");
        let approximate = normal_p(&doubled_ranks(&males, &females), 5, 17.0);
        assert!(close(approximate, 0.111_346_886_533_140_41), "{approximate}");
        // Hollander and Wolfe's permeability of membranes, as in R's `wilcox.test`.
        let term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let weeks = [1.15, 0.88, 0.90, 0.74, 1.21];
        let test = mann_whitney(&term, &weeks);
        assert!(test.u == 35.0 && (test.p - 0.254_4).abs() < 5e-5, "{test:?}");
        // Many numbers with ties, as `scipy.stats.mannwhitneyu` has them.
        let a: Vec<f64> = (0..30).map(|n| f64::from(n * 7 % 30)).collect();
        let b: Vec<f64> = (0..30).map(|n| f64::from(n * 11 % 30 + 4)).collect();
        let test = mann_whitney(&a, &b);
        assert!(close(test.p, 0.099_135_506_962_219_52) && test.u == 338.0, "{test:?}");
    }

    #[test]
    fn exact_values_are_those_of_looking_at_every_draw() {
        let sets: [(&[f64], &[f64]); 6] = [
            (&[3.0, 1.0, 4.0, 1.5], &[5.0, 9.0, 2.0, 6.0, 5.5]),
            (&[1.0, 1.0, 2.0, 3.0], &[2.0, 2.0, 3.0, 4.0]),
            (&[1.0, 2.0, 2.0, 2.0, 7.0], &[2.0, 3.0, 3.0]),
            (&[5.0, 5.0, 5.0, 5.0], &[5.0, 5.0, 5.0, 6.0]),
            (&[1.0], &[2.0, 3.0]),
            (&[1.0, 8.0, 2.0, 9.0, 4.0], &[3.0, 7.0, 5.0, 6.0, 10.0, 11.0]),
        ];
        for (a, b) in sets {
            let (exact, brute) = (mann_whitney(a, b).p, brute_force(a, b));
            assert!(close(exact, brute), "{a:?} {b:?}: {exact} {brute}");
        }
    }

    #[test]
    fn equal_sets_do_not_differ() {
        let few = [2.0; 5];
        let many = [2.0; 40];
        assert!(close(mann_whitney(&few, &few).p, 1.0));
        assert!(close(mann_whitney(&many, &many).p, 1.0));
        assert_eq!(mann_whitney(&[], &few).p, 1.0);
    }

    #[test]
    fn the_approximation_meets_the_exact_values() {
        let a: Vec<f64> = (0..25).map(|n| f64::from(n * 7 % 50)).collect();
        for up in [0.5, 4.5, 9.5] {
            let b: Vec<f64> = (25..50).map(|n| f64::from(n * 7 % 50) + up).collect();
            let ranks = doubled_ranks(&a, &b);
            let exact = mann_whitney(&a, &b);
            let approximate = normal_p(&ranks, a.len(), exact.u);
            assert!((exact.p - approximate).abs() < 0.01, "{up}: {exact:?} {approximate}");
        }
    }

    #[test]
    fn normal_tails_are_those_of_tables() {
        for (z, tail) in [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931_457),
            (NORMAL_95, 0.025),
            (3.0, 0.001_349_898_031_630_1),
            (5.0, 2.866_515_7e-7),
        ] {
            assert!((normal_tail(z) - tail).abs() < 1e-13, "{z}: {}", normal_tail(z));
        }
        assert!((0.0..1e-15).contains(&normal_tail(12.0)));
    }

    #[test]
    fn a_shift_is_the_median_of_differences_with_an_interval() {
        let a = [1.0, 2.0, 4.0, 8.0];
        let b = [101.0, 102.0, 104.0, 108.0];
        // For 4 v 4 the interval is from the least to the greatest difference.
        let apart = Shift { by: 100.0, interval: Some((93.0, 107.0)) };
        assert_eq!(shift(&a, &b), Some(apart));
        assert_eq!(shift(&a[..3], &b[..3]).expect("a shift").interval, None);
        assert_eq!(shift(&[], &b), None);
    }

    #[test]
    fn intervals_have_the_positions_of_published_tables() {
        // Critical values of U for 5 % two-sided, plus one.
        for (n, m, critical) in [(4, 4, 0), (5, 5, 2), (6, 8, 8), (10, 10, 23), (20, 20, 127)] {
            assert_eq!(differences_outside(n, m), critical + 1, "{n} v {m}");
        }
        assert_eq!(differences_outside(3, 3), 0);
        let by_approximation = differences_outside(26, 25);
        assert!((220..=222).contains(&by_approximation), "{by_approximation}");
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
