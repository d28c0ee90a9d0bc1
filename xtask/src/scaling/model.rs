//! The model: what a delivery costs when its room is spread over shards.
//!
//! `c = a + (m + h·k) / F`: of the room's `F` members each is served for `a`; a message is decided
//! and rendered for `m`, and brought to other shards in `k` hops for `h` each, whoever many it is
//! for.

/// How many parameters there are.
const PARAMETERS: usize = 3;

/// What was counted in one cell of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell {
    /// Shards.
    pub(crate) shards: u16,
    /// Members of a room.
    pub(crate) members: u32,
    /// Messages between shards for each that is said.
    pub(crate) hops: f64,
    /// Instructions for each delivery.
    pub(crate) cost: f64,
}

/// The parameters, in instructions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Model {
    /// A delivery.
    pub(crate) delivery: f64,
    /// A message.
    pub(crate) message: f64,
    /// A hop.
    pub(crate) hop: f64,
}

impl Model {
    /// The one that is closest to `cells`: the sum of the squares of its relative errors is least.
    /// None if they do not determine it.
    pub(crate) fn fit(cells: &[Cell]) -> Option<Self> {
        let mut normal = [[0.0; PARAMETERS + 1]; PARAMETERS];
        for cell in cells {
            let fan_out = f64::from(cell.members);
            let row = [1.0, 1.0 / fan_out, cell.hops / fan_out, cell.cost].map(|x| x / cell.cost);
            for (sums, x) in normal.iter_mut().zip(row) {
                sums.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
            }
        }
        let [delivery, message, hop] = solve(normal)?;
        Some(Self { delivery, message, hop })
    }

    /// What it says of a cell.
    pub(crate) fn cost(&self, cell: &Cell) -> f64 {
        self.delivery + (self.message + self.hop * cell.hops) / f64::from(cell.members)
    }

    /// How far it is off in a cell, as a part of what was counted.
    fn error(&self, cell: &Cell) -> f64 {
        self.cost(cell) / cell.cost - 1.0
    }

    /// The root of the mean square of its errors, and the largest.
    pub(crate) fn errors(&self, cells: &[Cell]) -> (f64, f64) {
        let errors: Vec<f64> = cells.iter().map(|cell| self.error(cell).abs()).collect();
        let squares: f64 = errors.iter().map(|error| error * error).sum();
        ((squares / errors.len() as f64).sqrt(), errors.iter().copied().fold(0.0, f64::max))
    }
}

/// Solves linear equations, each with its right side last, by elimination.
fn solve(mut rows: [[f64; PARAMETERS + 1]; PARAMETERS]) -> Option<[f64; PARAMETERS]> {
    for at in 0..PARAMETERS {
        let largest =
            (at..PARAMETERS).max_by(|&a, &b| rows[a][at].abs().total_cmp(&rows[b][at].abs()));
        rows.swap(at, largest?);
        let pivot = rows[at];
        if pivot[at].abs() < 1e-15 {
            return None;
        }
        for (_, row) in rows.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            let factor = row[at] / pivot[at];
            row.iter_mut().zip(pivot).for_each(|(x, p)| *x -= factor * p);
        }
    }
    let mut solution = [0.0; PARAMETERS];
    for (at, row) in rows.iter().enumerate() {
        solution[at] = row[PARAMETERS] / row[at];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(cost: impl Fn(f64, f64) -> f64) -> Vec<Cell> {
        let mut cells = vec![];
        for (shards, hops) in [(1, 0.0), (2, 1.5), (4, 3.75), (8, 6.0)] {
            for members in [2, 10, 100] {
                let cost = cost(hops, f64::from(members));
                cells.push(Cell { shards, members, hops, cost });
            }
        }
        cells
    }

    #[test]
    fn parameters_are_found_again() {
        let cells = cells(|hops, members| 50.0 + (700.0 + 900.0 * hops) / members);
        let Model { delivery, message, hop } = Model::fit(&cells).expect("it is determined");
        for (found, is) in [(delivery, 50.0), (message, 700.0), (hop, 900.0)] {
            assert!((found - is).abs() < 1e-6, "{found} for {is}");
        }
        let (mean, most) = Model::fit(&cells).expect("as before").errors(&cells);
        assert!(mean < 1e-9 && most < 1e-9);
    }

    #[test]
    fn what_the_model_does_not_know_shows_as_errors() {
        let cells = cells(|hops, members| 50.0 + (700.0 + 90.0 * hops * hops) / members);
        let (mean, most) = Model::fit(&cells).expect("it is determined").errors(&cells);
        assert!(mean > 0.01 && most > mean, "{mean} {most}");
    }

    #[test]
    fn too_few_cells_determine_nothing() {
        assert_eq!(Model::fit(&cells(|_, _| 1.0)[..2]), None);
    }
}
