//! A server with a port for TLS beside its plain one.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::client::Client;
use super::program::Program;
use super::server::Server;
use super::wire::Wire;

/// The text before the address in the banner's line about TLS.
const CONNECT: &str = "openssl s_client -quiet -connect ";

/// A server, and how to reach it through TLS.
pub struct TlsServer {
    /// The server.
    pub server: Server,
    /// Where it listens for TLS.
    pub addr: SocketAddr,
    /// What clients trust.
    pub config: Arc<ClientConfig>,
}

impl TlsServer {
    /// Starts one of so many shards.
    pub fn start(shards: usize, args: &[&str]) -> Self {
        let files = pair();
        let [cert, key] = [&files[0], &files[1]].map(String::as_str);
        let flags = ["--tls-listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        let server = Server::start(shards, &[&flags, args].concat());
        let addr = address(&server);
        Self { server, addr, config: trusting(&cert_file()) }
    }

    /// Connects through TLS, and reads nothing.
    pub fn connect(&self) -> Client {
        self.secure(TcpStream::connect(self.addr).expect("it listens"))
    }

    /// Comes to terms on a connection that may have come a long way.
    pub fn secure(&self, stream: TcpStream) -> Client {
        self.secure_saying(stream, b"")
    }

    /// The same, and sends this together with the end of it.
    pub fn secure_saying(&self, stream: TcpStream, bytes: &[u8]) -> Client {
        let wire = Wire::secure(stream, &self.config, bytes);
        Client::over(wire.unwrap_or_else(|error| panic!("no handshake: {error}")))
    }
}

/// The certificate of such servers, and its key.
pub fn pair() -> [String; 2] {
    let path = |name| folder().join(name).to_str().expect("a path of ours is text").to_owned();
    ["cert.pem", "key.pem"].map(path)
}

/// The certificate of such servers.
pub fn cert_file() -> PathBuf {
    folder().join("cert.pem")
}

/// Where a server says that it listens for TLS.
pub fn address(server: &Server) -> SocketAddr {
    let address = |line: &str| line.split_once(CONNECT)?.1.trim().parse().ok();
    server.stderr.wait_for(address).expect("the banner says how to connect")
}

/// Where a pair is that all servers of a test program share.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| new_pair("shared"))
}

/// A folder with a pair that `hubbub gen-cert` has made, of this name.
pub fn new_pair(name: &str) -> PathBuf {
    let name = format!("gen-cert-{name}-{}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // One of a process with our number that is long gone.
    let _ = fs::remove_dir_all(&folder);
    let out = folder.to_str().expect("a path of ours is text");
    let ended = Program::hubbub(&["gen-cert", "--out", out], &[]);
    assert!(ended.status.success(), "{}", ended.stderr);
    folder
}

/// Clients that trust this certificate alone.
pub fn trusting(cert_file: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let cert = CertificateDer::from_pem_file(cert_file).expect("gen-cert has written it");
    roots.add(cert).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("versions that ring has");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}
