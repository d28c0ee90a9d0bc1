//! Whole games on a server of several shards, decided by the input.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|decisions: &[u8]| hubbub::sim::play_script(decisions));
