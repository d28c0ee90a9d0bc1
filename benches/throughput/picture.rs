//! The picture: how far everyone gets with the same CPU, in multiples of the floor. Rates would be
//! the generator's where that is the limit.

use loadgen::report::{Bar, Group, bars};

use crate::cases::{Block, Case, Kind};
use crate::cli::Subject;
use crate::summary::{Entry, Metric, Summary};

/// Who is drawn, beside the floor that all are compared with.
const SUBJECTS: [Subject; 3] = [Subject::Hubbub, Subject::FloorEach, Subject::Tutorial];

const UNIT: &str = "deliveries for the same server CPU, in multiples of floor-coalesced";

/// Draws what was measured of servers as fast as they can; nothing if the floor was not.
pub(crate) fn draw(blocks: &[Block], entries: &[Entry]) -> Result<Option<String>, String> {
    let cases = blocks.iter().flat_map(|block| &block.cases);
    let saturated = cases.filter(|case| case.kind == Kind::Saturated && !case.shares_cores);
    let groups: Vec<Group> = saturated.filter_map(|case| group(case, entries)).collect();
    if groups.is_empty() {
        return Ok(None);
    }
    bars(UNIT, &SUBJECTS.map(Subject::name), &groups).map(Some)
}

fn group(case: &Case, entries: &[Entry]) -> Option<Group> {
    let far: Metric = |run| Some(1e9 / run.cpu_ns);
    let floor = Summary::of(entries, &case.name, Subject::FloorCoalesced)?.median(far)?;
    let bar = |subject| {
        let spread = Summary::of(entries, &case.name, subject)?.spread(far)?;
        let [value, low, high] = [spread.median, spread.min, spread.max].map(|it| it / floor);
        Some(Bar { value, low, high })
    };
    Some(Group { name: case.words.clone(), bars: SUBJECTS.map(bar).to_vec() })
}
