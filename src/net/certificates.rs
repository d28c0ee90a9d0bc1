//! What the server shows to TLS clients to prove who it is, and how it may be changed while the
//! server runs.

mod pair;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::ring::{self, Ticketer};
use rustls::server::{NoServerSessionStorage, ProducesTickets, ServerConfig};
use rustls::version::{TLS12, TLS13};
use tracing::warn;

pub use pair::CertificateFacts;
use pair::Pair;

/// Where a certificate and its key are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those of whoever vouches for it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The certificate in use, with all else that a handshake needs.
///
/// Sessions are resumed by tickets, which clients keep: the server remembers nothing of them but
/// the keys they are sealed with, new ones every six hours. These outlast a change of certificate.
#[derive(Debug)]
pub struct Certificates {
    tickets: Arc<dyn ProducesTickets>,
    lines: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    facts: CertificateFacts,
}

/// What a client may name that asks by ALPN (RFC 7301) for a protocol on the port for lines: one
/// that names others only, as browsers do, is refused by an alert. Most name none.
const ALPN_LINES: &[u8] = b"hubbub";
/// The same on the port for browsers.
const ALPN_HTTP: &[u8] = b"http/1.1";

impl Certificates {
    /// Those in `files`.
    ///
    /// # Errors
    /// A sentence for the operator when they are missing, unreadable or do not fit each other.
    pub fn load(files: &CertificateFiles) -> Result<Self, String> {
        let tickets = Ticketer::new().map_err(|e| format!("no randomness for TLS tickets: {e}"))?;
        let ([lines, http], facts) = read(files, &tickets)?;
        warn_of_time(files, &facts);
        Ok(Self { tickets, lines, http, facts })
    }

    /// Uses what is in `files` now, from the next handshake on. If that is no good, what was in use
    /// stays so.
    ///
    /// # Errors
    /// As [`Certificates::load`].
    pub fn reload(&mut self, files: &CertificateFiles) -> Result<(), String> {
        ([self.lines, self.http], self.facts) = read(files, &self.tickets)?;
        warn_of_time(files, &self.facts);
        Ok(())
    }

    /// What the certificate in use says of itself.
    #[must_use]
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// What the certificate in `files` says of itself, if it can be used.
    ///
    /// # Errors
    /// As [`Certificates::load`].
    pub fn inspect(files: &CertificateFiles) -> Result<CertificateFacts, String> {
        Self::load(files).map(|certificates| certificates.facts)
    }

    /// For a handshake that begins now on the port for lines.
    #[must_use]
    pub fn for_lines(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.lines)
    }

    /// For one on the port for browsers.
    #[must_use]
    pub fn for_http(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.http)
    }
}

impl CertificateFacts {
    /// Why clients will refuse it at this time, in seconds since 1970, if they will.
    #[must_use]
    pub fn untimely(&self, now: i64) -> Option<String> {
        const DAY: i64 = 24 * 60 * 60;
        if now > self.not_after {
            let days = (now - self.not_after) / DAY;
            Some(format!("expired {days} days ago, so clients refuse it: renew it"))
        } else if now < self.not_before {
            let days = (self.not_before - now) / DAY;
            Some(format!("is good only in {days} days, so clients refuse it: look at the clock"))
        } else {
            None
        }
    }
}

/// The time, in seconds since 1970.
#[must_use]
pub fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A server whose certificate has expired still serves whoever comes without TLS.
fn warn_of_time(files: &CertificateFiles, facts: &CertificateFacts) {
    if let Some(why) = facts.untimely(unix_seconds()) {
        warn!("the certificate in --tls-cert {} {why}", files.cert.display());
    }
}

fn read(
    files: &CertificateFiles,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<([Arc<ServerConfig>; 2], CertificateFacts), String> {
    let (cert, key) = (files.cert.display(), files.key.display());
    let pair = Pair::read(files)?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|e| format!("TLS cannot be set up: {e}"))?;
    let config = builder.with_no_client_auth().with_single_cert(pair.chain, pair.key);
    let mut config = config
        .map_err(|error| format!("--tls-cert {cert} with --tls-key {key} is no use: {error}"))?;
    config.ticketer = Arc::clone(tickets);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    let configs = [ALPN_LINES, ALPN_HTTP].map(|protocol| {
        let mut config = config.clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    });
    Ok((configs, pair.facts))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::KeyPair;

    use super::*;

    /// A folder of our own, with what a test puts there.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn files(&self) -> CertificateFiles {
            CertificateFiles { cert: self.0.join("cert.pem"), key: self.0.join("key.pem") }
        }

        fn write(&self, cert: &str, key: &str) {
            fs::write(self.files().cert, cert).unwrap();
            fs::write(self.files().key, key).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn what_is_no_use_is_refused_with_the_file_and_what_to_do() {
        let folder = Folder::new("hubbub-certificates-refused");
        let ((cert, key), other) = (pair(), KeyPair::generate().unwrap().serialize_pem());
        let refused = || Certificates::load(&folder.files()).unwrap_err();
        let [cert_file, key_file] = ["cert.pem", "key.pem"].map(|it| folder.0.join(it));
        let [cert_file, key_file] = [&cert_file, &key_file].map(|it| it.display().to_string());
        let check = |words: &[&str]| {
            let error = refused();
            for word in words {
                assert!(error.contains(word), "{word:?} is not in {error:?}");
            }
        };
        check(&["--tls-cert", &cert_file, "No such file", "gen-cert"]);
        folder.write("", &key);
        check(&["--tls-cert", &cert_file, "no certificate in it", "gen-cert"]);
        folder.write(&key, &cert);
        check(&["--tls-cert", &cert_file, "no certificate in it"]);
        folder.write(&cert, &cert);
        check(&["--tls-key", &key_file, "no private key in it", "gen-cert"]);
        folder.write(&cert, &other);
        check(&["--tls-key", &key_file, "is not that of", &cert_file, "gen-cert"]);
        folder.write(&cert.replace("M", "!"), &key);
        check(&["--tls-cert", &cert_file]);
        folder.write(&cert, &key);
        fs::remove_file(folder.files().key).unwrap();
        check(&["--tls-key", &key_file, "No such file", "gen-cert"]);
    }

    #[test]
    fn a_reload_takes_what_is_good_and_keeps_what_was_good() {
        let folder = Folder::new("hubbub-certificates-reload");
        let ((cert, key), (new_cert, new_key)) = (pair(), pair());
        folder.write(&cert, &key);
        let mut certificates = Certificates::load(&folder.files()).unwrap();
        let first = certificates.for_lines();
        for (cert, key) in [(&new_cert, &key), (&String::new(), &new_key), (&cert, &new_cert)] {
            folder.write(cert, key);
            certificates.reload(&folder.files()).unwrap_err();
            assert!(Arc::ptr_eq(&certificates.for_lines(), &first), "half a pair is in use");
        }
        folder.write(&new_cert, &new_key);
        certificates.reload(&folder.files()).unwrap();
        assert!(!Arc::ptr_eq(&certificates.for_lines(), &first));
        assert!(Arc::ptr_eq(&certificates.for_lines().ticketer, &first.ticketer), "no resumption");
    }
}
