//! What somebody may have in a scenario file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen::scenario::Scenario;

fuzz_target!(|text: &str| {
    match Scenario::parse(text) {
        Ok(scenario) => {
            let spelled = toml::to_string(&scenario).expect("settings are plain values");
            assert_eq!(Scenario::parse(&spelled), Ok(scenario), "{spelled}");
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            let lines = text.matches('\n').count() + 1;
            for problem in problems {
                assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem}");
                let what = &problem.what;
                assert!(what.split_whitespace().count() > 1, "no sentence: {what:?}");
                assert!(!what.contains(char::is_control), "for the terminal's eyes: {what:?}");
            }
        }
    }
});
