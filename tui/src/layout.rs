//! Where everything is on the screen.

use ratatui::layout::{Position, Rect};

/// With fewer columns than this the lists are folded.
const WIDE_COLUMNS_MIN: u16 = 72;

/// A longest name, what is before and after it, and the line to its left.
const LISTS_COLUMNS: u16 = 25;

/// Between messages and that line.
const GAP_COLUMNS: u16 = 1;

/// Of rows, below the messages: where we are, and what is being typed.
const STATUS_ROWS: u16 = 1;
const INPUT_ROWS: u16 = 1;

/// The parts of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// What is said.
    pub(crate) messages: Rect,
    /// The lists, if they are shown: beside the messages, or in their place where it is narrow.
    pub(crate) lists: Option<Lists>,
    /// Where we are.
    pub(crate) status: Rect,
    /// What is being typed.
    pub(crate) input: Rect,
}

/// The lists, each with a title above its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lists {
    /// The rooms.
    pub(crate) rooms: Rect,
    /// The users.
    pub(crate) users: Rect,
    /// Whether messages are seen beside them.
    pub(crate) beside: bool,
}

impl Layout {
    /// For a screen that large, and so many rooms.
    pub(crate) fn new(area: Rect, flipped: bool, rooms: usize) -> Self {
        let input_rows = INPUT_ROWS.min(area.height);
        let status_rows = STATUS_ROWS.min(area.height - input_rows);
        let body = Rect { height: area.height - input_rows - status_rows, ..area };
        let status = Rect { y: body.bottom(), height: status_rows, ..area };
        let input = Rect { y: status.bottom(), height: input_rows, ..area };
        let wide = area.width >= WIDE_COLUMNS_MIN;
        let (messages, column) = match (wide, flipped) {
            (true, false) => {
                let [left, right] = columns(body);
                (left, Some(right))
            }
            (false, true) => (body, Some(body)),
            _ => (body, None),
        };
        let lists = column.map(|column| Lists::new(column, rooms, wide));
        Self { messages, lists, status, input }
    }
}

fn columns(body: Rect) -> [Rect; 2] {
    let left = Rect { width: body.width - LISTS_COLUMNS - GAP_COLUMNS, ..body };
    [left, Rect { x: left.right() + GAP_COLUMNS, width: LISTS_COLUMNS, ..body }]
}

impl Lists {
    /// Rooms get what they need, up to a half.
    fn new(column: Rect, rooms: usize, beside: bool) -> Self {
        let needed = u16::try_from(rooms + 2).unwrap_or(u16::MAX);
        let height = needed.min(column.height / 2);
        let rooms = Rect { height, ..column };
        let users = Rect { y: rooms.bottom(), height: column.height - height, ..column };
        Self { rooms, users, beside }
    }
}

/// How many entries of so many are seen in a list: if not all, then a row tells how many more.
pub(crate) fn entries_seen(list: Rect, entries: usize) -> usize {
    let rows = usize::from(list.height.saturating_sub(1));
    if entries <= rows { entries } else { rows.saturating_sub(1) }
}

/// Which entry of a list is at this place.
pub(crate) fn entry_at(list: Rect, at: Position, entries: usize) -> Option<usize> {
    let index = usize::from(at.y.checked_sub(list.y)?.checked_sub(1)?);
    (list.contains(at) && index < entries_seen(list, entries)).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(width: u16, height: u16, flipped: bool) -> Layout {
        Layout::new(Rect::new(0, 0, width, height), flipped, 3)
    }

    #[test]
    fn lists_are_beside_the_messages_where_there_is_room_and_else_in_their_place() {
        let wide = layout(80, 24, false);
        let lists = wide.lists.expect("there is room");
        assert_eq!((wide.messages, lists.beside), (Rect::new(0, 0, 54, 22), true));
        assert_eq!((lists.rooms, lists.users), (Rect::new(55, 0, 25, 5), Rect::new(55, 5, 25, 17)));
        assert_eq!((wide.status, wide.input), (Rect::new(0, 22, 80, 1), Rect::new(0, 23, 80, 1)));
        assert_eq!(layout(80, 24, true).lists, None);
        let narrow = layout(40, 12, false);
        assert_eq!((narrow.messages, narrow.lists), (Rect::new(0, 0, 40, 10), None));
        let lists = layout(40, 12, true).lists.expect("they are asked for");
        assert_eq!((lists.rooms.width, lists.beside), (40, false));
    }

    #[test]
    fn nothing_is_outside_of_any_screen() {
        for (width, height) in (0..90).flat_map(|width| (0..8).map(move |height| (width, height))) {
            for flipped in [false, true] {
                let layout = layout(width, height, flipped);
                let lists = layout.lists.map(|lists| [lists.rooms, lists.users]);
                let parts = [layout.messages, layout.status, layout.input];
                for part in parts.into_iter().chain(lists.into_iter().flatten()) {
                    let screen = Rect::new(0, 0, width, height);
                    assert_eq!(part.intersection(screen), part, "{width} by {height}");
                }
            }
        }
    }

    #[test]
    fn entries_are_below_the_title_and_above_the_rest() {
        let list = Rect::new(10, 5, 20, 4);
        for (entries, x, y, expected) in [
            (3, 10, 5, None),
            (3, 10, 6, Some(0)),
            (3, 29, 8, Some(2)),
            (3, 30, 8, None),
            (4, 10, 7, Some(1)),
            (4, 10, 8, None),
            (1, 10, 7, None),
            (3, 10, 0, None),
        ] {
            assert_eq!(entry_at(list, Position { x, y }, entries), expected, "{entries} {x} {y}");
        }
    }
}
