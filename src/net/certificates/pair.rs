//! A certificate and its key as other tools write them. What is common and harmless is taken as it
//! is: a byte order mark, CR LF, text around blocks, EC parameters before a key, both in one file.
//! What cannot be used is refused with what it is, and the command that mends it.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

use super::CertificateFiles;

const CERT: &str = "--tls-cert";
const KEY: &str = "--tls-key";
/// What Windows' editors put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The same before one in UTF-16, little and big endian.
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
/// How a private key that is a block of PEM is called: all but encrypted ones.
const KEY_LABELS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

/// A chain that begins with the certificate of the key, and the key.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// What the first certificate says of itself.
    pub(super) facts: CertificateFacts,
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// From when on it is good, in seconds since 1970.
    pub not_before: i64,
    /// Until when it is good, in seconds since 1970.
    pub not_after: i64,
    /// The host names and addresses it is good for.
    pub names: Vec<String>,
    /// Whether it vouches for itself.
    pub is_self_signed: bool,
    /// The first certificate of the chain that the next one does not vouch for, counted from 1.
    pub broken_link: Option<usize>,
    /// How many certificates there are.
    pub count: usize,
}

impl Pair {
    /// Reads them.
    pub(super) fn read(files: &CertificateFiles) -> Result<Self, String> {
        let (chain, key) = (chain(&files.cert)?, key(&files.key)?);
        let parsed = parsed(&chain, &files.cert)?;
        check(&parsed, &key, files)?;
        let facts = CertificateFacts::of(&parsed);
        Ok(Self { chain, key, facts })
    }
}

impl CertificateFacts {
    fn of(chain: &[X509Certificate<'_>]) -> Self {
        let first = &chain[0];
        let names = first.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|it| &it.value.general_names).filter_map(name).collect();
        let is_broken = |pair: &[X509Certificate<'_>]| pair[0].issuer() != pair[1].subject();
        Self {
            not_before: first.validity().not_before.timestamp(),
            not_after: first.validity().not_after.timestamp(),
            names,
            is_self_signed: first.issuer() == first.subject(),
            broken_link: chain.windows(2).position(is_broken).map(|place| place + 1),
            count: chain.len(),
        }
    }
}

fn parsed<'a>(
    chain: &'a [CertificateDer<'_>],
    file: &Path,
) -> Result<Vec<X509Certificate<'a>>, String> {
    let parse = |(der, number): (&'a CertificateDer<'_>, usize)| {
        let parsed = X509Certificate::from_der(der).map(|(_, certificate)| certificate);
        parsed.map_err(|error| {
            format!("{CERT} {}: block number {number} is no certificate: {error}", file.display())
        })
    };
    chain.iter().zip(1..).map(parse).collect()
}

/// Whether the first certificate is one of the key, and one that clients can take.
fn check(
    chain: &[X509Certificate<'_>],
    key: &PrivateKeyDer<'_>,
    files: &CertificateFiles,
) -> Result<(), String> {
    let signs = any_supported_type(key);
    let (cert, key) = (files.cert.display(), files.key.display());
    let signs = signs.map_err(|_| {
        format!(
            "{KEY} {key} is of a kind that is not supported: it must be RSA of 2048 to 8192 bits, \
             ECDSA on P-256 or P-384, or Ed25519; `openssl genpkey -algorithm EC -pkeyopt \
             ec_paramgen_curve:P-256 -out {key}` makes one, which needs a new certificate"
        )
    })?;
    let public = signs.public_key();
    let is_of_key = |it: &X509Certificate<'_>| {
        public.as_ref().is_none_or(|public| public.as_ref() == it.public_key().raw)
    };
    match chain.iter().position(is_of_key) {
        Some(0) => {}
        Some(place) => {
            return Err(format!(
                "{CERT} {cert} is in the wrong order: the certificate of the key comes first, then \
                 the one that vouches for it, and so on; here it is number {}: put its block \
                 before the others",
                place + 1
            ));
        }
        None => {
            return Err(format!(
                "the key in {KEY} {key} is not that of the certificate in {CERT} {cert}: name two \
                 files that belong together, or make a pair with `hubbub gen-cert`"
            ));
        }
    }
    if chain[0].version() != X509Version::V3 {
        return Err(format!(
            "{CERT} {cert} is an X.509 certificate of version 1, which has no host names in it and \
             is refused by clients: have it signed with extensions, as `openssl x509 -req … \
             -extfile FILE` does with a FILE that says subjectAltName=DNS:HOST"
        ));
    }
    Ok(())
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            ip.ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = contents(CERT, file, ("x509", "certificate"))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let shown = file.display();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Err(error) => Err(format!("{CERT} {shown} is damaged: {error:?}; copy it anew")),
        Ok(_) => {
            let labels = labels(&text);
            let has = |label: &str| labels.iter().any(|it| it == label);
            let is_key = |it: &String| it.ends_with("PRIVATE KEY");
            Err(match labels.first() {
                _ if labels.iter().any(is_key) => format!(
                    "{CERT} {shown} has a private key and no certificate in it: are {CERT} and \
                     {KEY} swapped?"
                ),
                _ if has("CERTIFICATE REQUEST") || has("NEW CERTIFICATE REQUEST") => format!(
                    "{CERT} {shown} is a request for a certificate and no certificate in it: name \
                     the file that your authority has sent back"
                ),
                _ if has("TRUSTED CERTIFICATE") => format!(
                    "{CERT} {shown} has no certificate in it but one in OpenSSL's own form: \
                     `openssl x509 -in {shown} -out {shown}.pem` writes the usual one"
                ),
                _ => none_in(CERT, file, "certificate"),
            })
        }
    }
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = contents(KEY, file, ("pkey", "private key"))?;
    let (labels, shown) = (labels(&text), file.display());
    let has = |label: &str| labels.iter().any(|it| it == label);
    if has("ENCRYPTED PRIVATE KEY") || contains(&text, b"Proc-Type: 4,ENCRYPTED") {
        return Err(format!(
            "{KEY} {shown} is encrypted, and the server cannot ask for its passphrase: `openssl \
             pkey -in {shown} -out {shown}.plain` does, and writes it without; then `chmod 600` \
             that"
        ));
    }
    if KEY_LABELS.iter().any(|label| has(label)) {
        return PrivateKeyDer::from_pem_slice(&text)
            .map_err(|error| format!("{KEY} {shown} is damaged: {error:?}; copy it anew"));
    }
    Err(if has("OPENSSH PRIVATE KEY") {
        format!(
            "{KEY} {shown} is a key of OpenSSH's own form, and has no private key in it that TLS \
             knows: `ssh-keygen -p -m PEM -f {shown}` rewrites it"
        )
    } else if has("PUBLIC KEY") || has("RSA PUBLIC KEY") {
        format!("{KEY} {shown} is a public key, and has no private key in it: name the other file")
    } else if has("CERTIFICATE") {
        format!(
            "{KEY} {shown} has a certificate and no private key in it: are {CERT} and {KEY} \
             swapped? `hubbub gen-cert` makes a pair for development"
        )
    } else {
        none_in(KEY, file, "private key")
    })
}

/// What is in a file, as text in PEM; `openssl` has a subcommand for things of this `kind`.
fn contents(flag: &str, file: &Path, kind: (&str, &str)) -> Result<Vec<u8>, String> {
    let shown = file.display();
    let bytes = fs::read(file).map_err(|error| {
        format!(
            "cannot read {flag} {shown}: {error}; `hubbub gen-cert` makes a pair for development"
        )
    })?;
    if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(format!(
            "{flag} {shown} is a text in UTF-16: `iconv -f UTF-16 -t UTF-8 {shown} > {shown}.pem` \
             writes it as PEM must be"
        ));
    }
    if is_pkcs12(&bytes) {
        return Err(format!(
            "{flag} {shown} is PKCS #12 (.pfx, .p12), and must be PEM: `openssl pkcs12 -in {shown} \
             -nodes -out {shown}.pem` writes certificate and key to one file, to be named for both"
        ));
    }
    // A sequence, as everything in DER is here, and no text.
    if bytes.starts_with(b"\x30") && std::str::from_utf8(&bytes).is_err() {
        let (subcommand, what) = kind;
        return Err(format!(
            "{flag} {shown} is DER and must be PEM: `openssl {subcommand} -inform DER -in {shown} \
             -out {shown}.pem` writes the {what} so"
        ));
    }
    Ok(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes).to_vec())
}

/// A sequence that begins with the version, 3, and another sequence.
fn is_pkcs12(bytes: &[u8]) -> bool {
    let header = match bytes {
        [0x30, 0x80, ..] => 2,
        [0x30, long @ 0x81..=0x84, ..] => 2 + usize::from(long & 0x7f),
        _ => return false,
    };
    bytes.get(header..).is_some_and(|rest| rest.starts_with(b"\x02\x01\x03\x30"))
}

/// The labels of all blocks.
fn labels(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let label = |line: &str| {
        Some(line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----")?.to_owned())
    };
    text.lines().filter_map(label).collect()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

fn none_in(flag: &str, file: &Path, what: &str) -> String {
    format!(
        "{flag} {} has no {what} in it: it must be PEM, as `hubbub gen-cert` writes it",
        file.display()
    )
}
