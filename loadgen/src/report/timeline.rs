//! The seconds of a run, for spreadsheets.

use std::fmt::Write as _;

use crate::result::Second;

/// The columns: [`Second`]'s fields.
const HEADER: &str = "second,connections,sent,delivered,p50_us,p99_us,max_us,\
    server_cpu_cores,server_rss_bytes,generator_cpu_cores";

/// A line for the header and one for each second.
pub(crate) fn csv(seconds: &[Second]) -> String {
    let mut text = format!("{HEADER}\n");
    for s in seconds {
        let _ = writeln!(
            text,
            "{},{},{},{},{:.1},{:.1},{:.1},{:.3},{},{:.3}",
            s.second,
            s.connections,
            s.sent,
            s.delivered,
            s.p50_us,
            s.p99_us,
            s.max_us,
            s.server_cpu,
            s.server_rss,
            s.generator_cpu
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_every_column() {
        let text = csv(&[Second { second: 3, p99_us: 12.34, ..Second::default() }]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
        assert_eq!(lines[1], "3,0,0,0,0.0,12.3,0.0,0.000,0,0.000");
    }
}
