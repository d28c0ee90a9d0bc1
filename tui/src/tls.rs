//! Whom to trust, and what it means when that fails.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, InvalidMessage, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to speak TLS with a server.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    host: ServerName<'static>,
    /// Where those are whom we trust, if not in the system.
    ca: Option<PathBuf>,
}

impl Tls {
    /// With a server of this name, whom either those vouch for whose certificates are in the file,
    /// or those that the system trusts.
    pub(crate) fn new(host: &str, ca: Option<&Path>) -> Result<Self, String> {
        let roots = ca.map_or_else(roots_of_system, roots_of_file)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("cannot speak TLS: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("`{host}` is no name that a certificate can be for"))?;
        Ok(Self { config: Arc::new(config), host, ca: ca.map(Path::to_owned) })
    }

    /// Comes to terms with the server.
    pub(crate) async fn secure(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(self.host.clone(), stream).await.map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &io::Error) -> String {
        use CertificateError as Bad;
        let host = self.host.to_str();
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            // A bad signature is one by somebody else of the same name.
            Some(rustls::Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature)) => {
                match &self.ca {
                    Some(ca) => format!(
                        "the certificates in {} do not vouch for the server's: the file has to be \
                         of its authority, or its own certificate",
                        ca.display()
                    ),
                    None => "nobody whom this system trusts vouches for the server's certificate; \
                             if it is your own, give it (or its authority's) with --tls-ca FILE"
                        .to_owned(),
                }
            }
            Some(rustls::Error::InvalidCertificate(
                Bad::NotValidForName | Bad::NotValidForNameContext { .. },
            )) => format!(
                "the server's certificate is not for {host}: connect by a name that it is for"
            ),
            Some(rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. })) => {
                "the server's certificate has expired: whoever runs it has to renew it".to_owned()
            }
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                "the server does not speak TLS on this port: try another one, or without --tls"
                    .to_owned()
            }
            _ => format!("TLS failed: {error}"),
        }
    }
}

fn roots_of_file(file: &Path) -> Result<RootCertStore, String> {
    let shown = file.display();
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file)
        .map_err(|error| format!("cannot read --tls-ca {shown}: {error}"))?;
    for certificate in certificates {
        let certificate =
            certificate.map_err(|error| format!("--tls-ca {shown} is no good PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("a certificate in --tls-ca {shown} is no good: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!("there is no certificate in --tls-ca {shown}: it has to be PEM"));
    }
    Ok(roots)
}

fn roots_of_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Those that cannot be read vouch for nobody, and the others are good.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("this system has no certificates that tell whom to trust: install them (in \
                    Debian, ca-certificates), or give --tls-ca FILE"
            .to_owned());
    }
    Ok(roots)
}
