//! What is said of a certificate and its key.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Check, Verdict};
use crate::net::{CertificateFacts, CertificateFiles, Certificates, unix_seconds};

/// Days before its end from which on a certificate should be renewed; the alert has the same.
const RENEW_DAYS: i64 = 14;
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// Bits of a file's mode that let all users read or write it.
const OTHERS: u32 = 0o006;

/// Judges what is in `files`.
pub(super) fn all(files: &CertificateFiles) -> Vec<Check> {
    let mut checks = match Certificates::inspect(files) {
        Ok(facts) => vec![dates(&facts), names(&facts), chain(&facts)],
        Err(why) => vec![Check {
            what: "certificate",
            seen: files.cert.display().to_string(),
            wanted: "one that can be used, with its key".to_owned(),
            verdict: Verdict::Change(why),
        }],
    };
    checks.extend(mode(files));
    checks
}

fn dates(facts: &CertificateFacts) -> Check {
    let now = unix_seconds();
    let days = (facts.not_after - now) / DAY_SECONDS;
    let verdict = match facts.untimely(now) {
        Some(why) => Verdict::Change(why),
        None if days < RENEW_DAYS => Verdict::Change("renew it, then SIGHUP".to_owned()),
        None => Verdict::Ok,
    };
    Check {
        what: "certificate dates",
        seen: format!("{days} days left"),
        wanted: format!("{RENEW_DAYS} or more"),
        verdict,
    }
}

fn names(facts: &CertificateFacts) -> Check {
    let how = "have it made with subjectAltName, which is all that clients look at";
    let is_there = !facts.names.is_empty();
    Check {
        what: "certificate names",
        seen: if is_there { facts.names.join(", ") } else { "none".to_owned() },
        wanted: "those that clients connect to".to_owned(),
        verdict: if is_there { Verdict::Ok } else { Verdict::Change(how.to_owned()) },
    }
}

fn chain(facts: &CertificateFacts) -> Check {
    let seen = match facts.count {
        1 if facts.is_self_signed => "it vouches for itself, for development".to_owned(),
        1 => "1 certificate".to_owned(),
        count => format!("{count} certificates"),
    };
    let verdict = match facts.broken_link {
        None => Verdict::Ok,
        Some(place) => Verdict::Change(format!(
            "behind number {place} put the certificate of whoever has signed that"
        )),
    };
    let wanted = "each signed by the next".to_owned();
    Check { what: "certificate chain", seen, wanted, verdict }
}

/// Whoever can read the key can be taken for this server.
fn mode(files: &CertificateFiles) -> Option<Check> {
    let mode = fs::metadata(&files.key).ok()?.permissions().mode() & 0o7777;
    let how = format!("chmod 600 {}", files.key.display());
    Some(Check {
        what: "key file",
        seen: format!("mode {mode:o}"),
        wanted: "not for all users".to_owned(),
        verdict: if mode & OTHERS == 0 { Verdict::Ok } else { Verdict::Change(how) },
    })
}
