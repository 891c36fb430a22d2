//! TLS with verification, by the system's CAs or by one's own alone.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::{AsyncRead, AsyncWrite};
use lapin::AsyncTcpStream;
use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::BrokerError;

#[derive(Clone)]
pub(super) struct Tls(Arc<RustlsConnector>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Trusts the CA in `ca_file` and no other, or without it the system's.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, BrokerError> {
        let config = match ca_file {
            Some(path) => RustlsConnectorConfig::default().with_parsable_certificates(certificates(path)?),
            None => RustlsConnectorConfig::new_with_native_certs().map_err(|error| {
                BrokerError::BadInput(format!(
                    "the system's CA certificates cannot be read ({error}); set `broker.ca_file`"
                ))
            })?,
        };
        let connector = config.connector_with_no_client_auth();
        connector
            .map(|connector| Self(Arc::new(connector)))
            .map_err(|error| BrokerError::BadInput(format!("TLS cannot be set up: {error}")))
    }

    pub(super) async fn wrap<S>(&self, stream: AsyncTcpStream<S>, host: &str) -> io::Result<AsyncTcpStream<S>>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // An IPv6 address stands in brackets in a URL, and without them in a certificate.
        stream.into_rustls(&self.0, host.trim_matches(['[', ']'])).await
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BrokerError> {
    let problem = |what: String| BrokerError::BadInput(format!("`broker.ca_file` {}: {what}", path.display()));
    let text = std::fs::read(path).map_err(|error| problem(format!("cannot be read: {error}")))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = read.map_err(|error| problem(format!("is not PEM: {error}")))?;
    if found.is_empty() { Err(problem("holds no certificate".to_owned())) } else { Ok(found) }
}
