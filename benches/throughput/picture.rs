//! The picture: how fast everyone is, in multiples of the floor.

use loadgen::report::{Bar, Group, bars};

use crate::cases::{Block, Case, Kind};
use crate::cli::Subject;
use crate::summary::{Entry, Metric, Summary};

/// Who is drawn, beside the floor that all are compared with.
const SUBJECTS: [Subject; 3] = [Subject::Hubbub, Subject::FloorEach, Subject::Tutorial];

const UNIT: &str = "deliveries a second, in multiples of floor-coalesced; thin lines: extremes";

/// Draws what was measured of servers as fast as they can; nothing if the floor was not.
pub(crate) fn draw(blocks: &[Block], entries: &[Entry]) -> Result<Option<String>, String> {
    let cases = blocks.iter().flat_map(|block| &block.cases);
    let saturated = cases.filter(|case| case.kind == Kind::Saturated && !case.shares_cores());
    let groups: Vec<Group> = saturated.filter_map(|case| group(case, entries)).collect();
    if groups.is_empty() {
        return Ok(None);
    }
    bars(UNIT, &SUBJECTS.map(Subject::name), &groups).map(Some)
}

fn group(case: &Case, entries: &[Entry]) -> Option<Group> {
    let rate: Metric = |run| Some(run.per_second);
    let floor = Summary::of(entries, &case.name, Subject::FloorCoalesced)?.median(rate)?;
    let bar = |subject| {
        let spread = Summary::of(entries, &case.name, subject)?.spread(rate)?;
        let [value, low, high] = [spread.median, spread.min, spread.max].map(|it| it / floor);
        Some(Bar { value, low, high })
    };
    Some(Group { name: case.words.clone(), bars: SUBJECTS.map(bar).to_vec() })
}
