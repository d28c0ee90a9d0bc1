//! Colours and weights.

use ratatui::style::{Color, Modifier, Style};

/// Of the 256 that terminals share, those that can be read on black and on white.
const NAME_COLOURS: [u8; 12] = [32, 36, 64, 70, 97, 99, 130, 133, 161, 166, 172, 168];

/// How things look; without colours if the user wants none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    /// Whether there are colours.
    pub(crate) coloured: bool,
}

impl Theme {
    /// As <https://no-color.org> has it: no colours if `NO_COLOR` is set to anything.
    pub(crate) fn from_env() -> Self {
        Self { coloured: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    /// Of somebody's name: always the same for the same name, on every machine.
    pub(crate) fn name(self, name: &str) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        let colour = NAME_COLOURS[hash(name) as usize % NAME_COLOURS.len()];
        if self.coloured { style.fg(Color::Indexed(colour)) } else { style }
    }

    /// Of what matters less.
    pub(crate) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Of what is not good.
    pub(crate) fn alarm(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.coloured { style.fg(Color::Red) } else { style }
    }

    /// Of titles, and of what is ours.
    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Of the line between messages and input.
    pub(crate) fn bar(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

/// FNV-1a of the folded name.
fn hash(name: &str) -> u32 {
    let fold = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    name.to_lowercase().bytes().fold(0x811c_9dc5, fold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_colour_and_names_differ() {
        let theme = Theme { coloured: true };
        assert_eq!(hash("bob"), 0x86c6_a0d4, "on every machine");
        assert_eq!(theme.name("bob"), theme.name("BOB"));
        let mut colours: Vec<_> =
            (0..100).map(|number| format!("{:?}", theme.name(&format!("guest{number}")))).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), NAME_COLOURS.len());
    }

    #[test]
    fn without_colours_there_are_none() {
        let theme = Theme { coloured: false };
        let styles = [theme.name("bob"), theme.quiet(), theme.alarm(), theme.strong(), theme.bar()];
        assert!(styles.iter().all(|style| style.fg.is_none() && style.bg.is_none()));
    }
}
