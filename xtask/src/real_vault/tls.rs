//! By which certificate does the real server prove itself? One of an authority of ours.

use std::{error::Error, fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Writes an authority, a certificate for `localhost` with its key, and another authority, which
/// has nothing to do with it.
///
/// # Errors
/// The folder can't be written to.
pub(super) fn write(folder: &Path) -> Result<(), String> {
    made(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn made(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (own, ca) = authority("the authority")?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, &own)?;
    let (_, other) = authority("another authority")?;
    for (name, text) in [
        ("ca.pem", ca),
        ("server.pem", server.pem()),
        ("server.key", key.serialize_pem()),
        ("other.pem", other),
    ] {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

fn authority(name: &str) -> Result<(Issuer<'static, KeyPair>, String), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}
