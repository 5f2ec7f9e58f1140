//! Whom does a client trust? The machine's authorities or those that it was given, by rustls over
//! ring, whatever provider the rest of the program has.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
    version,
};

/// The certificates of a PEM text; none if one of them can't be read, or there is none.
pub(crate) fn authorities(pem: &str) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.ok()?).ok()?;
    }
    (!roots.is_empty()).then_some(roots)
}

/// Reads the machine's authorities, if they are needed.
pub(super) fn config(ca_pem: Option<&str>, is_used: bool) -> Option<ClientConfig> {
    let roots = match ca_pem {
        Some(pem) => authorities(pem)?,
        None => {
            let mut roots = RootCertStore::empty();
            if is_used {
                // One that can't be read is one authority less, not a reason not to start.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            roots
        }
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_protocol_versions(&[&version::TLS13, &version::TLS12]).ok()?;
    Some(config.with_root_certificates(roots).with_no_client_auth())
}
