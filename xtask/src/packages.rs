//! The programs that tests and benches drive, and their installation where that is possible.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::programs::succeed;

/// A program that is started, and where it comes from.
#[derive(Clone, Copy)]
pub(crate) struct Needed {
    /// The program's name.
    pub(crate) program: &'static str,
    /// The Debian package that has it.
    package: &'static str,
    /// What is done with it.
    purpose: &'static str,
    /// Arguments with which it succeeds only if the package is all there; none if the program is
    /// all of it.
    probe: &'static [&'static str],
}

impl Needed {
    fn is_there(&self) -> bool {
        let probe = || Command::new(self.program).args(self.probe).stderr(Stdio::null()).status();
        is_installed(self.program)
            && (self.probe.is_empty() || probe().is_ok_and(|status| status.success()))
    }
}

/// Every program that the tests need, beyond the toolchain and a shell.
pub(crate) const TESTS: &[Needed] = &[
    needed("strace", "strace", "makes accept fail on purpose"),
    needed("faketime", "faketime", "moves the clock"),
    needed("ip", "iproute2", "makes networks of our own"),
    needed("nft", "nftables", "makes their packets vanish"),
    needed("nc", "netcat-openbsd", "a real client"),
    needed("telnet", "telnet", "a real client that negotiates"),
    needed("openssl", "openssl", "a real client that speaks TLS"),
    needed("curl", "curl", "another one"),
    needed("unshare", "util-linux", "gives a server a disk of its own"),
    needed("mount", "mount", "makes it a small one"),
    needed("fail2ban-regex", "fail2ban", "reads the log as fail2ban would"),
    needed("man", "man-db", "reads the manual"),
    needed("systemd-analyze", "systemd", "looks at the units"),
    needed("tmux", "tmux", "a terminal that can be typed into and read"),
    needed("chromium", "chromium", "a browser"),
    NODE,
    needed("npm", "npm", "brings what drives the browser"),
    needed("valgrind", "valgrind", "counts instructions"),
    needed("nginx", "nginx-light", "is put in front of the server"),
    Needed {
        probe: &["-c", "test -e /usr/lib/nginx/modules/ngx_stream_module.so"],
        ..needed("sh", "libnginx-mod-stream", "has nginx pass on lines")
    },
    needed("haproxy", "haproxy", "is put in front of the server, too"),
    needed("caddy", "caddy", "and another one"),
    needed("prometheus", "prometheus", "reads the metrics"),
    needed("promtool", "prometheus", "checks them, and the alerts"),
    needed("c++", "g++", "builds the fuzzer"),
    VENV,
];

/// The same for `bench-peers`.
pub(crate) const PEERS: &[Needed] = &[
    needed("redis-server", "redis-server", "is measured"),
    needed("nats-server", "nats-server", "is measured"),
    needed("inspircd", "inspircd", "is measured"),
    needed("ngircd", "ngircd", "is measured"),
    VENV,
    // Of this package nothing is a program.
    Needed {
        probe: &["-c", "import ctypes; ctypes.CDLL('libuv.so.1')"],
        ..needed("python3", "libuv1", "waits for uWebSockets' connections")
    },
];

/// Reads what a program built for coverage has counted. Newer than Debian's usual one, because the
/// compiler's counts are of the newest kind.
pub(crate) const LLVM_COV: &str = "llvm-cov-19";
/// Of the same package: puts counts of several runs together.
pub(crate) const LLVM_PROFDATA: &str = "llvm-profdata-19";

/// The same for `coverage`, whose tests need the others too.
pub(crate) const COVERAGE: &[Needed] =
    &[needed(LLVM_COV, "llvm-19", "shows which lines the tests run")];

/// Debian has Python in one package and what its virtual environments need in another.
const VENV: Needed = Needed {
    probe: &["-c", "import ensurepip, venv"],
    ..needed("python3", "python3-venv", "runs what comes in Python packages")
};

/// What drives the browser wants one that is not older.
const NODE: Needed = Needed {
    probe: &["-e", "process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)"],
    ..needed("node", "nodejs", "runs the tests in the browser; it has to be version 20 or newer")
};

/// A program that comes alone.
const fn needed(program: &'static str, package: &'static str, purpose: &'static str) -> Needed {
    Needed { program, package, purpose, probe: &[] }
}

/// How root's commands can be run here.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Root {
    /// We are root.
    Already,
    /// `sudo` works without asking for a password.
    Sudo,
    /// Not at all.
    No,
}

/// Installs the packages of the programs that are missing, or says which ones to install.
pub(crate) fn install_missing(needed: &[Needed]) -> Result<(), String> {
    let missing: Vec<&Needed> = needed.iter().filter(|it| !it.is_there()).collect();
    if missing.is_empty() {
        println!(
            "All there: {}",
            needed.iter().map(|it| it.program).collect::<Vec<_>>().join(", ")
        );
        return Ok(());
    }
    for it in &missing {
        println!("Missing: {} ({}), in the package {}", it.program, it.purpose, it.package);
    }
    let packages: Vec<&str> = missing.iter().map(|it| it.package).collect();
    let root = root();
    if root == Root::No || !is_installed("apt-get") {
        return Err(format!("as root, please run: {}", apt_install(&packages)));
    }
    // A fresh container has no package lists at all and an old machine's are stale: both show in a
    // first attempt that fails, and only then is the download worth its time.
    if apt(root, &["install", "-y"], &packages).is_err() {
        apt(root, &["update"], &[]).map_err(|why| format!("apt-get update: {why}"))?;
        apt(root, &["install", "-y"], &packages)
            .map_err(|why| format!("apt-get install: {why}"))?;
    }
    match missing.iter().find(|it| !it.is_there()) {
        Some(it) => {
            Err(format!("{} is installed, yet {} is not all there", it.package, it.program))
        }
        None => Ok(()),
    }
}

/// The command line that installs everything.
pub(crate) fn install_line(needed: &[Needed]) -> String {
    apt_install(&needed.iter().map(|it| it.package).collect::<Vec<_>>())
}

/// Whether a program can be found on the search path.
pub(crate) fn is_installed(program: &str) -> bool {
    is_installed_in(program, &env::var_os("PATH").unwrap_or_default())
}

/// Whether one of these directories has an executable file of this name.
fn is_installed_in(program: &str, search_path: &OsStr) -> bool {
    env::split_paths(search_path).any(|dir| {
        fs::metadata(dir.join(program))
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// Finds out how to become root. The owner of our own entry under `/proc` is who we are.
fn root() -> Root {
    if fs::metadata("/proc/self").is_ok_and(|us| us.uid() == 0) {
        return Root::Already;
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
    if sudo.is_ok_and(|status| status.success()) { Root::Sudo } else { Root::No }
}

/// Runs `apt-get` as root, without questions.
fn apt(root: Root, action: &[&str], packages: &[&str]) -> Result<(), String> {
    let mut words = match root {
        Root::Sudo => vec!["sudo", "-n"],
        Root::Already | Root::No => vec![],
    };
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    succeed(Command::new(words[0]).args(&words[1..]).args(action).args(packages))
}

/// The command line that installs these packages.
fn apt_install(packages: &[&str]) -> String {
    format!("apt-get install -y {}", packages.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_an_executable_file_on_the_path() {
        let dir = env::temp_dir().join(format!("xtask-path-{}", std::process::id()));
        fs::create_dir_all(dir.join("folder")).expect("a folder in the temporary directory");
        for (name, mode) in [("runs", 0o755), ("rests", 0o644)] {
            fs::write(dir.join(name), "").expect("a file in it");
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode))
                .expect("its mode");
        }
        let path = env::join_paths([env::temp_dir().as_path(), &dir]).expect("a search path");
        let found = ["runs", "rests", "folder", "absent"].map(|it| is_installed_in(it, &path));
        fs::remove_dir_all(&dir).expect("the folder to go");
        assert_eq!(found, [true, false, false, false]);
    }

    #[test]
    fn the_install_line_names_every_package() {
        for it in TESTS {
            assert!(install_line(TESTS).contains(it.package), "{}", it.package);
        }
    }
}
