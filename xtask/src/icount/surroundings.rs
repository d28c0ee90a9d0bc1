//! What decides the counts and is not in the repository. Counts that were made with another of
//! these say nothing about our own code.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::packages::is_installed;
use crate::programs::{answer, root};

/// A name and a version of each.
pub(crate) type Surroundings = BTreeMap<String, String>;

/// What there is here.
pub(crate) fn find_out() -> Result<Surroundings, String> {
    if !is_installed("valgrind") {
        return Err("valgrind is missing; `cargo xtask test packages` installs it".to_owned());
    }
    let rustc = answer(Command::new("rustc").arg("-vV").current_dir(root()))?;
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
    let libc = answer(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    let valgrind = answer(Command::new("valgrind").arg("--version"))?;
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let all = [
        ("rustc", rustc.lines().next().unwrap_or_default()),
        ("target", host.unwrap_or_default()),
        ("libc", libc.trim()),
        ("valgrind", valgrind.trim()),
        ("cpu", cpu(&processor)),
    ];
    Ok(all.map(|(name, version)| (name.to_owned(), version.to_owned())).into())
}

/// All that a processor decides. libc and some crates choose their `memcpy` or `memchr` when a
/// program starts, by what `cpuid` answers, and under valgrind that is not the real processor: on
/// every x86-64 with AVX2, of whatever maker and with whatever else, it answers as one and the same
/// Haswell, caches included, with no AVX-512. Without AVX2 it is an older one.
fn cpu(cpuinfo: &str) -> &'static str {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    let has_avx2 = flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "avx2"));
    if has_avx2 { "with AVX2" } else { "without AVX2" }
}

/// A line for each difference; none if all is the same.
pub(crate) fn differences(baseline: &Surroundings, here: &Surroundings) -> String {
    let mut lines = String::new();
    for name in baseline.keys().chain(here.keys().filter(|name| !baseline.contains_key(*name))) {
        let (then, now) = (baseline.get(name), here.get(name));
        if then != now {
            let shown = |it: Option<&String>| it.map_or("nothing", String::as_str).to_owned();
            let _ = writeln!(lines, "  {name}: {} then, {} now", shown(then), shown(now));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(all: &[(&str, &str)]) -> Surroundings {
        all.iter().map(|&(name, version)| (name.to_owned(), version.to_owned())).collect()
    }

    #[test]
    fn only_differences_are_told() {
        let then = surroundings(&[("libc", "glibc 2.36"), ("rustc", "rustc 1.95.0")]);
        assert_eq!(differences(&then, &then), "");
        let now = surroundings(&[("cpu", "with AVX2"), ("rustc", "rustc 1.96.0")]);
        let told = "  libc: glibc 2.36 then, nothing now\n  \
                    rustc: rustc 1.95.0 then, rustc 1.96.0 now\n  \
                    cpu: nothing then, with AVX2 now\n";
        assert_eq!(differences(&then, &now), told);
    }

    #[test]
    fn avx2_is_a_word_among_the_flags() {
        assert_eq!(cpu("model name\t: avx2\nflags\t\t: fpu avx avx2 bmi1\n"), "with AVX2");
        assert_eq!(cpu("model name\t: avx2\nflags\t\t: fpu avx avx2x\n"), "without AVX2");
        assert_eq!(cpu(""), "without AVX2");
    }
}
