//! What the command line asks for.

use std::time::Duration;

/// How long each part takes; nothing for those that are left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// Looking for new inputs, for each fuzz target.
    pub(crate) fuzz: Duration,
    /// Games to play.
    pub(crate) seeds: u64,
    /// Load on a server.
    pub(crate) soak: Duration,
    /// Where the page goes, if not to the results.
    pub(crate) out: Option<String>,
}

impl Options {
    /// From the words after `nightly`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let mut options = Self { fuzz: minutes(30), seeds: 200_000, soak: minutes(60), out: None };
        let mut words = words.iter();
        while let Some(&flag) = words.next() {
            let value = words.next().copied();
            let number = |max: f64| {
                let number = value.and_then(|it| it.parse().ok());
                let number = number.filter(|it| (0.0..=max).contains(it));
                number.ok_or_else(|| format!("`{flag}` wants a number from 0 to {max}."))
            };
            match flag {
                "--fuzz-minutes" => options.fuzz = Duration::from_secs_f64(number(600.0)? * 60.0),
                "--seeds" => options.seeds = number(1e9)? as u64,
                "--soak-minutes" => options.soak = Duration::from_secs_f64(number(600.0)? * 60.0),
                "--out" => options.out = Some(value.ok_or("`--out` wants a folder.")?.to_owned()),
                _ => return Err(format!("`cargo xtask nightly` does not know `{flag}`.")),
            }
        }
        Ok(options)
    }

    /// The command line with all that decides what is run.
    pub(crate) fn line(&self) -> String {
        let minutes = |duration: Duration| duration.as_secs_f64() / 60.0;
        format!(
            "cargo xtask nightly --fuzz-minutes {} --seeds {} --soak-minutes {}",
            minutes(self.fuzz),
            self.seeds,
            minutes(self.soak)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_can_be_as_short_as_one_likes() {
        let words = ["--fuzz-minutes", "0.5", "--seeds", "10", "--soak-minutes", "0", "--out", "x"];
        let options = Options::parse(&words).expect("options");
        assert_eq!((options.fuzz, options.seeds), (Duration::from_secs(30), 10));
        assert_eq!((options.soak, options.out.as_deref()), (Duration::ZERO, Some("x")));
        let line = "cargo xtask nightly --fuzz-minutes 0.5 --seeds 10 --soak-minutes 0";
        assert_eq!(options.line(), line);
    }

    #[test]
    fn mistakes_are_named() {
        for (words, culprit) in [
            (&["--seed", "5"][..], "--seed"),
            (&["--seeds", "many"], "--seeds"),
            (&["--soak-minutes"], "--soak-minutes"),
            (&["--fuzz-minutes", "-1"], "--fuzz-minutes"),
            (&["--out"], "--out"),
        ] {
            let message = Options::parse(words).expect_err("a mistake was accepted");
            assert!(message.contains(culprit), "{message}");
        }
    }
}
