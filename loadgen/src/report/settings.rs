//! The settings of a run as a file that can be run again.

use crate::scenario::Scenario;

/// A scenario file with all settings of `scenario`, flags included.
pub(crate) fn file(scenario: &Scenario) -> String {
    toml::to_string(scenario).expect("settings are plain values")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_file_is_the_same_scenario() {
        for name in fixture::NAMES {
            let mut scenario = fixture::named(name).scenario;
            scenario.description = "a \"word\", a \\ and\nanother line \u{7f}".to_owned();
            (scenario.rate, scenario.seed) = (137.5, u64::from(u32::MAX));
            let text = file(&scenario);
            assert_eq!(Scenario::parse(&text), Ok(scenario), "{text}");
        }
    }
}
