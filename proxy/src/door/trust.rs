//! Whom we trust when we connect to mail servers and sign-in services: the system's roots, as every
//! other program does, and those of one file more.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::{ClientSessionMemoryCache, Resumption},
};
use rustls_platform_verifier::Verifier;

use super::keys::{self, CertificateError};

/// Servers whose TLS sessions are remembered. A resumed handshake costs a fraction of a full one,
/// and mail servers hide behind many addresses of one name.
const REMEMBERED: usize = 4_096;

/// The system's roots cannot be used, or the file of further ones.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// The file of further roots.
    #[error("{0}")]
    File(#[from] CertificateError),
    /// TLS itself, or the system's roots.
    #[error("the system's trusted certificates cannot be used (package ca-certificates): {0}")]
    System(#[from] rustls::Error),
}

/// TLS 1.2 and up with verified certificates, for mail and HTTP alike.
pub(crate) fn client_config(extra_ca: Option<&Path>) -> Result<ClientConfig, TrustError> {
    let mut extra = Vec::new();
    if let Some(file) = extra_ca {
        extra = keys::chain(file)?;
        for root in &extra {
            let added = RootCertStore::empty().add(root.clone());
            added.map_err(|error| keys::wrong(file, format!("holds no usable root: {error}")))?;
        }
    }
    let provider = keys::provider();
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(REMEMBERED)));
    Ok(config)
}
