//! TLS to providers: rustls with ring, and the machine's certificate authorities.

use std::{fmt, io, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName, version},
};

/// The client's side of TLS. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Trusts whom the machine trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured), and
    /// Mozilla's list where the machine has none. Reads files: a few milliseconds.
    pub(crate) fn of_the_machine() -> Self {
        let mut roots = RootCertStore::empty();
        // A certificate that can't be read is one authority less, not a reason not to start.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Self::trusting(roots)
    }

    fn trusting(roots: RootCertStore) -> Self {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .expect("ring knows suites of both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self(TlsConnector::from(Arc::new(config)))
    }

    pub(crate) async fn handshake(
        &self,
        host: &str,
        tcp: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "no name for a certificate")
        })?;
        self.0.connect(name, tcp).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{RootCertStore, ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
    };

    use super::Tls;

    /// Whether a client that trusts the server's own certificate, or the machine's authorities,
    /// gets through to a server that calls itself `localhost`.
    async fn handshake(trusts_it: bool, name: &str) -> bool {
        let own =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key)
            })
            .expect("a server's configuration");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a connection");
            TlsAcceptor::from(Arc::new(config)).accept(tcp).await.is_ok()
        });
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).expect("a good certificate");
        let tls = if trusts_it { Tls::trusting(roots) } else { Tls::of_the_machine() };
        let tcp = TcpStream::connect(address).await.expect("a connection");
        let client = tls.handshake(name, tcp).await.is_ok();
        client && server.await.expect("no panic")
    }

    #[tokio::test]
    async fn a_certificate_counts_if_it_is_trusted_and_names_the_host() {
        assert!(handshake(true, "localhost").await);
        assert!(!handshake(true, "elsewhere.example").await, "another name");
        assert!(!handshake(false, "localhost").await, "nobody vouches for it");
    }
}
