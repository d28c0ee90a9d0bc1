//! What Tab makes of the beginning of a word.

use crate::input::Input;

/// Commands, each with a blank behind it if something else belongs there.
pub(crate) const COMMANDS: [&str; 7] =
    ["/help", "/join ", "/name ", "/quit", "/rooms", "/reconnect", "/users"];

/// What a word can become, in the order in which Tab goes through it.
#[derive(Debug)]
pub(crate) struct Completion {
    choices: Vec<String>,
    /// Which of them is in the line.
    chosen: usize,
    /// Where the word begins in the line.
    start: usize,
}

impl Completion {
    /// Completes the word before the cursor, if anything begins so. Names get a colon at the
    /// beginning of a line, as whoever is spoken to does.
    pub(crate) fn start<'a>(
        input: &mut Input,
        rooms: impl Iterator<Item = &'a str>,
        names: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        let before = input.before();
        let start = before.rfind(' ').map_or(0, |at| at + 1);
        let word = before[start..].to_lowercase();
        let begins_so = |choice: &str| choice.to_lowercase().starts_with(&word);
        let choices: Vec<String> = if start == 0 && word.starts_with('/') {
            COMMANDS.into_iter().filter(|it| begins_so(it)).map(str::to_owned).collect()
        } else if before[..start].trim_end().eq_ignore_ascii_case("/join") {
            rooms.filter(|it| begins_so(it)).map(str::to_owned).collect()
        } else {
            let after = if start == 0 { ": " } else { " " };
            names.filter(|it| begins_so(it)).map(|it| format!("{it}{after}")).collect()
        };
        let completion = Self { choices, chosen: 0, start };
        input.replace(start..input.before().len(), completion.choices.first()?);
        Some(completion)
    }

    /// Puts the next choice in place of the one that is in the line.
    pub(crate) fn next(&mut self, input: &mut Input) {
        self.chosen = (self.chosen + 1) % self.choices.len();
        input.replace(self.start..input.before().len(), &self.choices[self.chosen]);
    }

    /// Which choices there are; nothing if there is only one.
    pub(crate) fn choices(&self) -> &[String] {
        if self.choices.len() == 1 { &[] } else { &self.choices }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: [&str; 3] = ["main", "den", "Docks"];
    const NAMES: [&str; 3] = ["amy", "Bob", "bill"];

    /// What is in the line after each of so many Tabs.
    fn tabs<const N: usize>(text: &str) -> [String; N] {
        let mut input = Input::default();
        input.insert(text);
        let mut completion = None;
        std::array::from_fn(|_| {
            match &mut completion {
                None => {
                    let (rooms, names) = (ROOMS.into_iter(), NAMES.into_iter());
                    completion = Completion::start(&mut input, rooms, names);
                }
                Some(completion) => completion.next(&mut input),
            }
            input.text().to_owned()
        })
    }

    #[test]
    fn commands_rooms_and_names_are_completed_where_they_belong() {
        for (text, completed) in [
            ("/jo", "/join "),
            ("/R", "/rooms"),
            ("/join do", "/join Docks"),
            ("/join a", "/join a"),
            ("am", "amy: "),
            ("hi am", "hi amy "),
            ("/name a", "/name amy "),
            ("nobody", "nobody"),
            ("hi /jo", "hi /jo"),
        ] {
            assert_eq!(tabs(text), [completed]);
        }
    }

    #[test]
    fn tab_goes_through_the_choices_and_round() {
        assert_eq!(tabs("b"), ["Bob: ", "bill: ", "Bob: "]);
        assert_eq!(tabs("/join d"), ["/join den", "/join Docks", "/join den"]);
    }

    #[test]
    fn what_follows_the_cursor_stays() {
        let mut input = Input::default();
        input.insert("am, hello");
        input.home();
        input.right();
        input.right();
        Completion::start(&mut input, ROOMS.into_iter(), NAMES.into_iter()).expect("a name");
        assert_eq!(input.text(), "amy: , hello");
    }
}
