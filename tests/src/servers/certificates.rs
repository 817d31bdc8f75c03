//! Certificate files for servers that read them from disk.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A test authority and one server certificate for `localhost` and `127.0.0.1`, as PEM files.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes both anew.
    pub fn new() -> Self {
        // A second install answers with an error; that one is there is all that matters.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::Builder::new()
            .prefix("test-certificates-")
            .tempdir()
            .expect("a temp folder");
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.distinguished_name.push(
            DnType::CommonName,
            "Portreeve test authority for real servers",
        );
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca = authority.self_signed(&authority_key).expect("a CA");
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server = CertificateParams::new(names)
            .expect("good names")
            .signed_by(&key, &issuer)
            .expect("a server certificate");
        let made = Self { folder };
        write(&made.ca(), &ca.pem(), 0o644);
        write(&made.certificate(), &server.pem(), 0o644);
        write(&made.key(), &key.serialize_pem(), 0o600);
        write(
            &made.bundle(),
            &format!("{}{}", server.pem(), key.serialize_pem()),
            0o600,
        );
        made
    }

    /// The certificate of the authority.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The certificate of the servers.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// The private key of the servers.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }

    /// Certificate and key in one file, as some programs want them.
    pub fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle.pem")
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).expect("a certificate file");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}
