//! Known faults of our dependencies, by the RustSec database: the one check whose outcome changes
//! without a commit, so it belongs to the night.

use crate::programs::succeed;
use crate::tools::DENY;

/// Gets the database, or what is new in it.
const FETCH: &str = "deny --locked --workspace fetch db";
/// Looks up every dependency.
const CHECK: &str = "deny --locked --workspace check --disable-fetch advisories";

/// Whether there is an advisory about any of them. Where tool or database cannot be had, as without
/// a network, it says that nothing was checked; the night's other parts are worth having.
pub(super) fn check() -> Result<String, String> {
    let run = |words: &str| {
        let mut cargo = DENY.cargo()?;
        succeed(cargo.args(words.split_whitespace()))
    };
    if let Err(why) = run(FETCH) {
        println!("{why}");
        return Ok("**skipped**: the advisory database cannot be had".to_owned());
    }
    run(CHECK)?;
    Ok("no advisory about any dependency".to_owned())
}
