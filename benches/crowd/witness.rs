//! One client that listens to what the room is told, so that it is known when all is told.

/// How many the room's other members have been told to have come, as one of them hears it.
#[derive(Default)]
pub(crate) struct Witness {
    unfinished: Vec<u8>,
    told: usize,
}

impl Witness {
    /// Takes in what has arrived.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        self.unfinished.extend_from_slice(bytes);
        let mut lines = self.unfinished.split(|&byte| byte == b'\n');
        let rest = lines.next_back().unwrap_or_default().to_vec();
        self.told += lines.map(joined).sum::<usize>();
        self.unfinished = rest;
    }

    /// How many have come, one by one or in sum.
    pub(crate) fn told(&self) -> usize {
        self.told
    }
}

/// How many came, according to one line: `bob joined` or `12 joined, 3 left`.
fn joined(line: &[u8]) -> usize {
    let line = String::from_utf8_lossy(line);
    match line.split_once(" joined") {
        Some((_, "")) => 1,
        Some((count, rest)) if rest.starts_with(", ") => count.parse().unwrap_or(0),
        _ => 0,
    }
}
