//! `hubbub gen-cert`: a certificate that vouches for itself, for development.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};

/// How long the certificate is good: long enough to develop with, too short to forget it somewhere.
const VALID_DAYS: u32 = 365;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CERT_FILE: &str = "cert.pem";
const KEY_FILE: &str = "key.pem";
/// Everybody may read a certificate.
const CERT_MODE: u32 = 0o644;
/// Nobody but us may read its key.
const KEY_MODE: u32 = 0o600;

/// What `hubbub gen-cert` is to make.
#[derive(Args, Clone, Debug)]
pub struct GenCert {
    /// Folder to put cert.pem and key.pem in. What is there already is not overwritten.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Host name or address that clients will connect to; may be given several times.
    #[arg(long = "name", value_name = "HOST")]
    #[arg(default_values = ["localhost", "127.0.0.1", "::1"])]
    names: Vec<String>,
}

impl GenCert {
    pub(super) fn run(&self) -> Result<String, String> {
        let (cert, key) = self
            .make()
            .map_err(|error| format!("no certificate for {}: {error}", self.names.join(", ")))?;
        let (cert_file, key_file) = (self.out.join(CERT_FILE), self.out.join(KEY_FILE));
        if let Some(file) = [&cert_file, &key_file].into_iter().find(|file| file.exists()) {
            return Err(format!(
                "{} is there already and is not overwritten: remove it, or choose another --out",
                file.display()
            ));
        }
        fs::create_dir_all(&self.out)
            .map_err(|error| format!("cannot make the folder {}: {error}", self.out.display()))?;
        for (file, text, mode) in [(&key_file, key, KEY_MODE), (&cert_file, cert, CERT_MODE)] {
            write_new(file, &text, mode)
                .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        }
        let (cert, key, names) = (cert_file.display(), key_file.display(), self.names.join(", "));
        Ok(format!(
            "Wrote {cert} and {key}: for {names}, good for {VALID_DAYS} days, and for development\n\
             only, as nobody vouches for it but itself.\n\
             \x20 serve    hubbub --tls-listen 127.0.0.1:42070 --tls-cert {cert} --tls-key {key}\n\
             \x20 connect  openssl s_client -quiet -connect 127.0.0.1:42070 -CAfile {cert}\n"
        ))
    }

    /// The certificate and its key, in PEM.
    fn make(&self) -> Result<(String, String), rcgen::Error> {
        let now = SystemTime::now();
        let mut params = CertificateParams::new(self.names.clone())?;
        let subject = self.names.first().map_or("hubbub", String::as_str);
        params.distinguished_name.push(DnType::CommonName, subject);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Clocks differ.
        params.not_before = (now - DAY).into();
        params.not_after = (now + DAY * VALID_DAYS).into();
        let key = KeyPair::generate()?;
        Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
    }
}

fn write_new(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
    file.write_all(text.as_bytes())
}
