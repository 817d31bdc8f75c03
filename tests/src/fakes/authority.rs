//! A certificate authority of the tests, and the server certificates it signs: the right one and three
//! wrong ones.
//!
//! Keys are P-256 and made once per authority: a handshake with the fakes costs what it costs with
//! Exchange Online, not more.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

/// Names that the right certificate is good for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Which certificate a fake shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// Signed by the test authority, for `localhost`, `127.0.0.1` and `::1`.
    Good,
    /// Signed by the test authority, but its time is over.
    Expired,
    /// Signed by the test authority, but for another host.
    WrongName,
    /// Signed by nobody.
    SelfSigned,
}

/// The test authority. Its certificate lies in a file as long as this value lives.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pem: String,
    path: PathBuf,
    _folder: TempDir,
}

impl Authority {
    /// Makes a new authority.
    pub fn new() -> Self {
        install_provider();
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params
            .distinguished_name
            .push(DnType::CommonName, "Portreeve test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("a CA certificate");
        let folder = tempfile::Builder::new()
            .prefix("test-ca-")
            .tempdir()
            .expect("a temp folder");
        let path = folder.path().join("test-ca.pem");
        fs::write(&path, certificate.pem()).expect("the CA file");
        Self {
            root: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
            path,
            _folder: folder,
        }
    }

    /// Where the authority's certificate lies, in PEM.
    pub fn pem_path(&self) -> &Path {
        &self.path
    }

    /// The authority's certificate in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A TLS server with this kind of certificate. Sessions resume by tickets.
    pub fn server(&self, kind: Certificate) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("a key");
        let certificate = self.certificate(kind, &key);
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("a server configuration");
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().expect("a ticketer");
        Arc::new(config)
    }

    /// A new server certificate of the right kind and its key, both in PEM.
    pub fn server_pem(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = self.certificate(Certificate::Good, &key);
        (certificate.pem(), key.serialize_pem())
    }

    fn certificate(&self, kind: Certificate, key: &KeyPair) -> rcgen::Certificate {
        let names: Vec<String> = match kind {
            Certificate::WrongName => vec!["somebody.else.example".into()],
            _ => NAMES.map(Into::into).to_vec(),
        };
        let mut params = CertificateParams::new(names).expect("good names");
        params
            .distinguished_name
            .push(DnType::CommonName, "fake Exchange");
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ServerAuth);
        if kind == Certificate::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        match kind {
            Certificate::SelfSigned => params.self_signed(key),
            _ => params.signed_by(key, &self.issuer),
        }
        .expect("a server certificate")
    }

    /// A TLS client that trusts this authority alone.
    pub fn client(&self) -> Arc<ClientConfig> {
        client_trusting([self.root.clone()])
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// A TLS client that trusts the certificates of one PEM text alone.
pub fn client_for_pem(pem: &str) -> Arc<ClientConfig> {
    install_provider();
    client_trusting(
        CertificateDer::pem_slice_iter(pem.as_bytes()).map(|c| c.expect("a certificate in PEM")),
    )
}

fn client_trusting(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).expect("a root certificate");
    }
    Arc::new(
        ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

fn install_provider() {
    // A second install answers with an error; that one is there is all that matters.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
