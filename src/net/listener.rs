//! Sockets that listen: of TCP, or of the Unix domain, where they are a file.

use std::fmt;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use crate::socket::Stream;

/// Connections the kernel keeps for us until we accept them; it may have a lower limit of its own.
pub const BACKLOG: i32 = 4096;
/// How often a peer that is silent is asked whether it is still there.
const PROBES: u32 = 3;
/// Bytes that the kernel takes for a client ahead of what the network can carry: enough to keep it
/// busy, and little enough that it is soon known who does not read. Half of it has to go before it
/// takes more, so this is also what decides how slow is too slow.
const UNSENT_BYTES_MAX: u32 = 32 << 10;
/// Where whoever comes over a Unix socket is said to come from: this machine, and no port. So the
/// settings that are for 127.0.0.1 are for them, too.
const UNIX_PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// What the address of a Unix socket begins with.
const UNIX: &str = "unix:";

/// Where connections come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// Over TCP, at this IP address and port.
    Tcp(SocketAddr),
    /// Over a Unix socket, at this path.
    Unix(PathBuf),
}

/// How sockets listen.
#[derive(Clone, Copy, Debug)]
pub struct ListenOptions {
    /// After about how long without an answer a peer of TCP is taken for gone.
    pub vanish_wait: Duration,
    /// Who may connect to a Unix socket: the permissions of its file.
    pub unix_mode: u32,
}

/// A socket that listens. If it has made a file for that, it takes it away at its end.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: ListenAddress,
    file: Option<SocketFile>,
}

/// The file of a Unix socket of ours, which is taken away with this value.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Its device and inode.
    identity: (u64, u64),
}

impl ListenAddress {
    /// The IP address and port, if it has one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// What `text` stands for if it begins as the address of a Unix socket does, such as
    /// `unix:/run/hubbub/http.sock`: its path.
    ///
    /// # Errors
    /// A sentence for the user when that is no whole path.
    #[must_use]
    pub fn unix_path(text: &str) -> Option<Result<PathBuf, String>> {
        let path = text.strip_prefix(UNIX)?;
        Some(if path.starts_with('/') {
            Ok(path.into())
        } else {
            Err(format!("{UNIX} needs a whole path, as in {UNIX}/run/hubbub/http.sock"))
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl Listener {
    /// Opens a socket at `address`. A file there that a server has left behind is replaced.
    ///
    /// # Errors
    /// Those of the operating system, above all that the address is in use or not ours.
    pub fn open(address: &ListenAddress, options: ListenOptions) -> io::Result<Self> {
        let (socket, file) = match address {
            ListenAddress::Tcp(address) => {
                let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
                socket.set_reuse_address(true)?;
                socket.bind(&(*address).into())?;
                (socket, None)
            }
            ListenAddress::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                let file = bind_file(&socket, path)?;
                // Nobody can connect before it listens, so nobody has who may not.
                fs::set_permissions(path, Permissions::from_mode(options.unix_mode))?;
                (socket, Some(file))
            }
        };
        // What connections inherit has to be there before the first of them.
        let listener = Self::new(socket, file, options)?;
        listener.socket.listen(BACKLOG)?;
        Ok(listener)
    }

    /// As [`Listener::open`], for a socket that somebody else has opened.
    ///
    /// # Errors
    /// Those of the operating system, and that it is a connection.
    pub fn adopt(listener: OwnedFd, options: ListenOptions) -> io::Result<Self> {
        let socket = Socket::from(listener);
        if !socket.is_listener()? {
            return Err(io::Error::other("it is no socket that listens: set Accept=no"));
        }
        Self::new(socket, None, options)
    }

    fn new(
        socket: Socket,
        file: Option<SocketFile>,
        ListenOptions { vanish_wait, .. }: ListenOptions,
    ) -> io::Result<Self> {
        let address = address_of(&socket.local_addr()?);
        if matches!(address, ListenAddress::Tcp(_)) {
            // All of these are inherited by every connection: no system call for each.
            socket.set_tcp_nodelay(true)?;
            // Probes are for connections on which nothing waits, the other is for those on which
            // something does: neither finds both. For a slow consumer the other is suspended, see
            // `user_timeout`.
            socket.set_tcp_keepalive(&keepalive(vanish_wait))?;
            socket.set_tcp_user_timeout(Some(vanish_wait / 2))?;
            socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
        }
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address, file })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Its file, if it has one, to be taken away by whoever knows when its time has come.
    pub fn take_file(&mut self) -> Option<SocketFile> {
        self.file.take()
    }

    /// Accepts a connection if there is one, and says where it comes from.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if there is none; those of accept(2).
    pub fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (stream, from) = acceptfrom_with(&self.socket, flags)?;
        let from = match self.address {
            ListenAddress::Tcp(_) => from.and_then(|it| it.try_into().ok()),
            ListenAddress::Unix(_) => Some(UNIX_PEER),
        };
        Ok((stream.into(), from.ok_or(ErrorKind::ConnectionAborted)?))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Half of the time in silence, and half of it asking.
fn keepalive(vanish_wait: Duration) -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(vanish_wait / 2)
        .with_interval((vanish_wait / 2 / PROBES).max(Duration::from_secs(1)))
        .with_retries(PROBES)
}

/// Where a socket with this address listens.
fn address_of(address: &SockAddr) -> ListenAddress {
    if let Some(address) = address.as_socket() {
        return ListenAddress::Tcp(address);
    }
    // A service manager may have one without a file, which is written with an `@`.
    let name = |name: &[u8]| format!("@{}", String::from_utf8_lossy(name)).into();
    let path = address.as_pathname().map(Path::to_owned);
    ListenAddress::Unix(
        path.unwrap_or_else(|| address.as_abstract_namespace().map(name).unwrap_or_default()),
    )
}

/// Makes the file at `path` where `socket` is reached, in place of one that nobody listens to.
fn bind_file(socket: &Socket, path: &Path) -> io::Result<SocketFile> {
    let address = SockAddr::unix(path)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(path, &address)?;
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    Ok(SocketFile { path: path.to_owned(), identity: identity(&fs::symlink_metadata(path)?) })
}

/// Takes away what is at `path` if it is a socket, and nobody listens to it.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Whose backlog is full would have us wait.
    socket.set_nonblocking(true)?;
    match socket.connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The next server may have put its own there already.
        let is_ours =
            fs::symlink_metadata(&self.path).is_ok_and(|it| identity(&it) == self.identity);
        if is_ours {
            // If it cannot be taken away, the next server finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}
