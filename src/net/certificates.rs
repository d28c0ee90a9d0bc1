//! What the server shows to TLS clients to prove who it is, and how it may be changed while the
//! server runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::{self, Ticketer};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets, ServerConfig};
use rustls::version::{TLS12, TLS13};

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
        let [lines, http] = read(files, &tickets)?;
        Ok(Self { tickets, lines, http })
    }

    /// Uses what is in `files` now, from the next handshake on. If that is no good, what was in use
    /// stays so.
    ///
    /// # Errors
    /// As [`Certificates::load`].
    pub fn reload(&mut self, files: &CertificateFiles) -> Result<(), String> {
        [self.lines, self.http] = read(files, &self.tickets)?;
        Ok(())
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

fn read(
    files: &CertificateFiles,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<[Arc<ServerConfig>; 2], String> {
    let (cert, key) = (files.cert.display(), files.key.display());
    let chain = certificates(&files.cert)?;
    let private_key = private_key(&files.key)?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|e| format!("TLS cannot be set up: {e}"))?;
    let config = builder.with_no_client_auth().with_single_cert(chain, private_key);
    let mut config = config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => format!(
            "the key in --tls-key {key} is not that of the certificate in --tls-cert {cert}: name \
             two files that belong together, or make a pair with `hubbub gen-cert`"
        ),
        error => format!("--tls-cert {cert} with --tls-key {key} is no use: {error}"),
    })?;
    config.ticketer = Arc::clone(tickets);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok([ALPN_LINES, ALPN_HTTP].map(|protocol| {
        let mut config = config.clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    }))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = contents("--tls-cert", file)?;
    let chain: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(none_in("--tls-cert", file, "certificate")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("--tls-cert {}: {error}", file.display())),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = contents("--tls-key", file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        PemError::NoItemsFound => none_in("--tls-key", file, "private key"),
        error => format!("--tls-key {}: {error}", file.display()),
    })
}

fn contents(flag: &str, file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| {
        format!(
            "cannot read {flag} {}: {error}; `hubbub gen-cert` makes a pair for development",
            file.display()
        )
    })
}

fn none_in(flag: &str, file: &Path, what: &str) -> String {
    format!(
        "{flag} {} has no {what} in it: it must be PEM, as `hubbub gen-cert` writes it",
        file.display()
    )
}

#[cfg(test)]
mod tests {
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
