//! Tables, on a terminal and in Markdown.

use std::fmt::Write as _;

/// Rows of cells under a head: the first two columns are words, the others figures.
pub(crate) struct Table {
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Columns that are set to the left.
const WORDS: usize = 2;

impl Table {
    /// With columns as wide as they must be.
    pub(crate) fn text(&self) -> String {
        let head: Vec<String> = self.head.iter().map(|&it| it.to_owned()).collect();
        let all = || std::iter::once(&head).chain(&self.rows);
        let wide = |at: usize| all().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let wide: Vec<usize> = (0..head.len()).map(wide).collect();
        let mut text = String::new();
        for row in all() {
            let mut line = String::new();
            for (at, (cell, wide)) in row.iter().zip(&wide).enumerate() {
                let _ = match at {
                    _ if at < WORDS => write!(line, "{cell:<wide$}  "),
                    _ => write!(line, "{cell:>wide$}  "),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// For a page.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head: Vec<String> = self.head.iter().map(|&it| it.to_owned()).collect();
        let rule: String =
            (0..head.len()).map(|at| if at < WORDS { "---|" } else { "---:|" }).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}|{rule}\n{rows}", line(&head))
    }
}

/// Two significant digits at least, and nothing behind the point of a large number.
pub(crate) fn short(value: f64) -> String {
    if value < 9.95 { format!("{value:.1}") } else { grouped(value) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let rows = [["1 × 2", "hubbub", "8 000"], ["", "nats", "70"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec()).to_vec();
        Table { head: vec!["load", "server", "rate"], rows }
    }

    #[test]
    fn columns_are_aligned_on_a_terminal() {
        let text = "load   server   rate\n1 × 2  hubbub  8 000\n       nats       70\n";
        assert_eq!(table().text(), text);
    }

    #[test]
    fn figures_are_set_to_the_right_in_markdown() {
        let text = "| load | server | rate |\n|---|---|---:|\n| 1 × 2 | hubbub | 8 000 |\n\
                    |  | nats | 70 |\n";
        assert_eq!(table().markdown(), text);
    }

    #[test]
    fn figures_have_the_digits_that_mean_something() {
        let figures = [0.04, 9.94, 9.96, 1234.5, 8_396_000.0].map(short);
        assert_eq!(figures, ["0.0", "9.9", "10", "1 234", "8 396 000"]);
    }
}
