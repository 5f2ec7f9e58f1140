//! Is a server trusted by its own authority, and by that alone?

use std::sync::Arc;

use panelboard_vault::{Config, ErrorKind, Time, Vault};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use super::{
    rig::{SECRET, token, within},
    scripted::head,
};

#[tokio::test]
async fn a_server_with_an_authority_of_its_own_is_trusted_if_that_is_named_and_not_otherwise() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| {
            config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key)
        })
        .expect("a server's configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                let mut request = [0; 4_096];
                while tls.read(&mut request).await.is_ok_and(|n| n > 0) {
                    if tls.write_all(head(200, SECRET, &[]).as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("another");
    let rows = [
        (format!("https://localhost:{port}"), Some(own.cert.pem()), true),
        (format!("https://localhost:{port}"), Some(other.cert.pem()), false),
        (format!("https://localhost:{port}"), None, false),
        (format!("https://127.0.0.1:{port}"), Some(own.cert.pem()), false),
    ];
    for (address, authority, good) in rows {
        let builder = Config::builder(address, token()).time(Time::manual().0).max_attempts(1);
        let builder = match authority {
            Some(pem) => builder.ca_pem(pem),
            None => builder,
        };
        let vault = Vault::open(builder.build().expect("settings in range")).expect("a client");
        let read = within(vault.kv2("secret").read("app")).await;
        match (good, read) {
            (true, Ok(Some(_))) => {}
            (false, Err(error)) => {
                assert!(matches!(error.kind, ErrorKind::Connect), "{error}");
                assert!(!error.maybe_done, "nothing was sent");
            }
            (_, other) => panic!("{:?}", other.map(|found| found.is_some())),
        }
    }
    server.abort();
}
