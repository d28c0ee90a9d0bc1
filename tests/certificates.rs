//! Certificates and keys as OpenSSL and editors write them: used where that is right, else refused
//! with what they are and the command that mends it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::{Ended, Program};

/// A certificate authority, `ca.pem`; a certificate it has signed, `cert.pem`, with its key,
/// `key.pem`; and some of other kinds.
const MAKE: &str = r#"
set -e
ext() { printf 'subjectAltName=DNS:chat.example,IP:192.0.2.1'; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 30
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=chat.example
sign() { openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial "$@"; }
ext > ext
sign -extfile ext -days 30 -out cert.pem
sign -extfile ext -days 5 -out soon.pem
sign -days 30 -out v1.pem
faketime '-60 days' openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -extfile ext \
    -days 30 -out expired.pem
faketime '+60 days' openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -extfile ext \
    -days 30 -out early.pem
cat cert.pem ca.pem > chain.pem
cat ca.pem cert.pem > reversed.pem
cat cert.pem key.pem > both.pem
printf '\357\273\277' | cat - cert.pem > bom.pem
printf '\357\273\277' | cat - key.pem > bom.key
sed 's/$/\r/' cert.pem > crlf.pem
sed 's/$/\r/' key.pem > crlf.key
iconv -f UTF-8 -t UTF-16 cert.pem > utf16.pem
openssl x509 -in cert.pem -text > text.pem
openssl x509 -in cert.pem -trustout > trusted.pem
openssl x509 -in cert.pem -outform DER > cert.der
openssl rsa -in key.pem -outform DER > key.der
openssl rsa -in key.pem -traditional > pkcs1.pem
openssl rsa -in key.pem -pubout > public.pem
openssl rsa -in key.pem -aes128 -passout pass:secret > encrypted.pem
openssl rsa -in key.pem -aes128 -traditional -passout pass:secret > encrypted1.pem
openssl pkcs12 -export -in cert.pem -inkey key.pem -passout pass:secret -out both.p12
openssl ecparam -name prime256v1 -genkey -out ec.key
openssl req -x509 -key ec.key -out ec.pem -subj /CN=ec -addext subjectAltName=DNS:ec -days 30
openssl ecparam -name secp521r1 -genkey -out p521.key
openssl req -x509 -key p521.key -out p521.pem -subj /CN=ec -addext subjectAltName=DNS:ec -days 30
openssl genpkey -algorithm ed25519 -out ed.key
openssl req -x509 -key ed.key -out ed.pem -subj /CN=ed -addext subjectAltName=DNS:ed -days 30
head -c 600 cert.pem > cut.pem
chmod 600 *.key key.pem both.pem pkcs1.pem
"#;

/// A folder with all of that.
fn made(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("openssl-{name}"));
    // Of an earlier run, if there was one.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder of our own");
    let mut command = Command::new("bash");
    let ended = Program::start(command.args(["-c", MAKE]).current_dir(&folder)).ended();
    assert!(ended.status.success(), "{}", ended.stderr);
    folder
}

/// What a subcommand or flag says of these two files.
fn run(folder: &Path, words: &[&str], [cert, key]: [&str; 2]) -> Ended {
    let [cert, key] = [cert, key].map(|it| folder.join(it).to_str().expect("a path").to_owned());
    let settings = format!(
        "port = 0\nhttp = \"off\"\ntls-listen = \"127.0.0.1:0\"\ntls-cert = {cert:?}\n\
         tls-key = {key:?}\n"
    );
    let file = folder.join("hubbub.toml");
    fs::write(&file, settings).expect("a folder of our own");
    let config = ["--config", file.to_str().expect("a path")];
    Program::hubbub(&[words, &config].concat(), &[])
}

#[test]
fn what_openssl_and_editors_write_is_used_where_that_is_right() {
    let folder = made("good");
    for pair in [
        ["cert.pem", "key.pem"],
        ["chain.pem", "key.pem"],
        ["bom.pem", "bom.key"],
        ["crlf.pem", "crlf.key"],
        ["text.pem", "pkcs1.pem"],
        ["both.pem", "both.pem"],
        ["ec.pem", "ec.key"],
        ["ed.pem", "ed.key"],
    ] {
        let ended = run(&folder, &["--check-config"], pair);
        assert_eq!(ended.status.code(), Some(0), "{pair:?}: {}", ended.stderr);
        assert!(ended.stderr.is_empty(), "{pair:?}: {}", ended.stderr);
    }
    let expired = run(&folder, &["--check-config"], ["expired.pem", "key.pem"]);
    assert_eq!(expired.status.code(), Some(0), "who comes without TLS is served");
    assert!(expired.stderr.contains("expired") && expired.stderr.contains("days ago"));
    let early = run(&folder, &["--check-config"], ["early.pem", "key.pem"]);
    assert_eq!(early.status.code(), Some(0));
    assert!(early.stderr.contains("is good only in"), "{}", early.stderr);
}

#[test]
fn what_cannot_be_used_is_refused_with_the_command_that_mends_it() {
    let folder = made("bad");
    for (pair, words) in [
        (["cert.pem", "encrypted.pem"], &["encrypted", "openssl pkey -in"][..]),
        (["cert.pem", "encrypted1.pem"], &["encrypted", "openssl pkey -in"]),
        (["reversed.pem", "key.pem"], &["wrong order", "number 2"]),
        (["v1.pem", "key.pem"], &["version 1", "-extfile"]),
        (["key.pem", "cert.pem"], &["--tls-cert", "swapped?"]),
        (["cert.pem", "cert.pem"], &["--tls-key", "swapped?"]),
        (["ca.pem", "key.pem"], &["is not that of", "ca.pem", "key.pem"]),
        (["request.pem", "key.pem"], &["a request for a certificate"]),
        (["trusted.pem", "key.pem"], &["OpenSSL's own form", "openssl x509 -in"]),
        (["cert.der", "key.pem"], &["is DER", "openssl x509 -inform DER"]),
        (["cert.pem", "key.der"], &["is DER", "openssl pkey -inform DER"]),
        (["both.p12", "both.p12"], &["PKCS #12", "openssl pkcs12 -in"]),
        (["utf16.pem", "key.pem"], &["UTF-16", "iconv -f UTF-16"]),
        (["cert.pem", "public.pem"], &["a public key"]),
        (["p521.pem", "p521.key"], &["not supported", "P-256"]),
        (["cut.pem", "key.pem"], &["--tls-cert", "damaged"]),
        (["absent.pem", "key.pem"], &["cannot read", "absent.pem", "gen-cert"]),
    ] {
        let ended = run(&folder, &["--check-config"], pair);
        assert_eq!(ended.status.code(), Some(2), "{pair:?}: {}{}", ended.stdout, ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "{pair:?}: {word:?} is not in {}", ended.stderr);
        }
        let started = run(&folder, &[], pair);
        assert_eq!(started.status.code(), Some(1), "{pair:?}: {}", started.stderr);
        assert!(started.stderr.contains(words[0]), "{pair:?}: {}", started.stderr);
    }
}

#[test]
fn doctor_looks_at_certificates() {
    let folder = made("doctor");
    let lines = |pair: [&str; 2]| {
        let ended = run(&folder, &["doctor"], pair);
        let is_of_it = |line: &&str| line.contains("  certificate") || line.contains("  key file");
        ended.stdout.lines().filter(is_of_it).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let good = lines(["chain.pem", "key.pem"]);
    assert!(good.len() == 4 && good.iter().all(|line| line.starts_with("ok ")), "{good:#?}");
    assert!(good.iter().any(|line| line.contains("chat.example, 192.0.2.1")), "{good:#?}");
    fs::copy(folder.join("key.pem"), folder.join("open.key")).expect("it is there");
    let mut mode = Command::new("chmod");
    mode.arg("644").arg(folder.join("open.key"));
    assert!(mode.status().is_ok_and(|it| it.success()));
    for (pair, what, word) in [
        (["soon.pem", "key.pem"], "certificate dates", "renew it"),
        (["expired.pem", "key.pem"], "certificate dates", "expired"),
        (["early.pem", "key.pem"], "certificate dates", "look at the clock"),
        (["ca.pem", "ca.key"], "certificate names", "subjectAltName"),
        (["cert.pem", "encrypted.pem"], "certificate", "openssl pkey"),
        (["cert.pem", "open.key"], "key file", "chmod 600"),
    ] {
        let lines = lines(pair);
        let is_told = |line: &String| {
            line.starts_with("change") && line.contains(what) && line.contains(word)
        };
        assert!(lines.iter().any(is_told), "{pair:?}: {what}: {lines:#?}");
    }
}
