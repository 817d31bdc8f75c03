//! Certificates and keys in files: reading, checking that they belong together, writing with care.

use std::{
    fs, io,
    io::Write,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::{extensions::GeneralName, prelude::*};

/// A certificate or its key cannot be used; the file and the reason.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub(crate) struct CertificateError {
    pub(crate) file: PathBuf,
    pub(super) reason: String,
}

/// A chain with its key, and what is worth knowing of its first certificate.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    pub(crate) facts: Facts,
}

/// What a certificate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    /// The names and addresses that it is for.
    pub(crate) names: Vec<String>,
    /// The hash of its issuer's key, as the issuer put it there.
    pub(super) authority: Option<Vec<u8>>,
}

/// Reads a certificate chain and its key, both PEM, and checks that they belong together.
pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Pair, CertificateError> {
    let chain = chain(certificate)?;
    let facts = facts(certificate, &chain[0])?;
    let pem = read(key)?;
    let key_der = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| wrong(key, format!("holds no private key in PEM form: {error}")))?;
    let signing_key = provider()
        .key_provider
        .load_private_key(key_der)
        .map_err(|error| wrong(key, format!("holds a key that cannot be used: {error}")))?;
    let pair = CertifiedKey::new(chain, signing_key);
    pair.keys_match().map_err(|_| {
        wrong(
            key,
            format!(
                "is not the key of the first certificate in {}",
                certificate.display()
            ),
        )
    })?;
    Ok(Pair {
        key: Arc::new(pair),
        facts,
    })
}

/// Reads the certificates of a PEM file; there is at least one.
pub(crate) fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let pem = read(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(wrong(file, "holds no certificate in PEM form".to_owned())),
        Err(error) => Err(wrong(file, format!("is not PEM: {error}"))),
    }
}

/// What a certificate says about itself.
pub(crate) fn facts(file: &Path, der: &CertificateDer<'_>) -> Result<Facts, CertificateError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| {
        wrong(
            file,
            format!("holds something that is no certificate: {error}"),
        )
    })?;
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let names = alternatives
        .map(|extension| &extension.value.general_names)
        .into_iter()
        .flatten();
    let authority =
        certificate
            .iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    id.key_identifier.as_ref().map(|id| id.0.to_vec())
                }
                _ => None,
            });
    Ok(Facts {
        not_before: certificate.validity().not_before.to_datetime().into(),
        not_after: certificate.validity().not_after.to_datetime().into(),
        names: names.filter_map(name).collect(),
        authority,
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets)
                .ok()
                .map(|octets| IpAddr::from(octets).to_string()),
            16 => <[u8; 16]>::try_from(*octets)
                .ok()
                .map(|octets| IpAddr::from(octets).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Writes a file that is complete or absent, and if it is secret readable by us alone.
pub(super) fn write(file: &Path, content: &str, secret: bool) -> Result<(), CertificateError> {
    use std::os::unix::fs::OpenOptionsExt;
    let draft = file.with_extension("draft");
    let write = || {
        let mode = if secret { 0o600 } else { 0o644 };
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut open = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&draft)?;
        open.write_all(content.as_bytes())?;
        open.sync_all()?;
        fs::rename(&draft, file)
    };
    write().map_err(|error| wrong(file, format!("cannot be written: {error}")))
}

/// The one crypto provider.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

pub(super) fn wrong(file: &Path, reason: String) -> CertificateError {
    CertificateError {
        file: file.to_owned(),
        reason,
    }
}

fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(file).map_err(|error| wrong(file, format!("cannot be read: {error}")))
}
