//! Our own certificate authority and the server certificates that it signs.
//!
//! The authority is RSA-2048 for ten years: a printer that can import a root at all can import this
//! one, and it signs both server certificates, so there is one file to import. The server
//! certificates live 825 days, the most that Apple's systems accept even from a private authority.

use std::{
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize, SanType,
};

use super::keys::{self, CertificateError, Facts};

const DAY: Duration = Duration::from_hours(24);
/// The authority's life.
const AUTHORITY_LIFE: Duration = Duration::from_hours(3_652 * 24);
/// A server certificate's life.
const SERVER_LIFE: Duration = Duration::from_hours(825 * 24);
/// A certificate with less left is replaced at the next start or reload.
const RENEW_AHEAD: Duration = Duration::from_hours(30 * 24);

/// Where the authority's certificate is, in the folder of certificates.
pub(super) const AUTHORITY: &str = "ca.pem";
const AUTHORITY_KEY: &str = "ca.key";

/// The two kinds of server keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// For old devices.
    Rsa,
    /// For everybody else: its signatures cost a tenth.
    P256,
}

impl Kind {
    /// The file of the certificate chain and that of the key.
    pub(super) fn files(self) -> (&'static str, &'static str) {
        match self {
            Self::Rsa => ("server-rsa.pem", "server-rsa.key"),
            Self::P256 => ("server-p256.pem", "server-p256.key"),
        }
    }

    fn generate(self) -> Result<KeyPair, rcgen::Error> {
        match self {
            Self::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            Self::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        }
    }
}

/// Our certificate authority.
pub(super) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// The hash of its key, as it goes into what it signs.
    key_identifier: Vec<u8>,
}

impl Authority {
    /// Reads the authority of a folder, or makes it.
    pub(super) fn open(
        folder: &Path,
        hostname: &str,
        now: SystemTime,
    ) -> Result<Self, CertificateError> {
        let certificate = folder.join(AUTHORITY);
        let key = folder.join(AUTHORITY_KEY);
        // A key that has signed nothing is what a crash within the first start leaves behind.
        let signed = [Kind::Rsa, Kind::P256].map(|kind| folder.join(kind.files().0).exists());
        if !certificate.exists() && (!key.exists() || signed == [false; 2]) {
            let (pem, key_pem) =
                create(hostname, now).map_err(|error| failed(&certificate, &error))?;
            // The key first: a crash between the two must not leave a root without its key.
            keys::write(&key, &key_pem, true)?;
            keys::write(&certificate, &pem, false)?;
        }
        let der = keys::chain(&certificate)?.remove(0);
        if keys::facts(&certificate, &der)?.not_after < now + RENEW_AHEAD {
            // Devices have this root installed: replacing it unasked would break them all at once.
            tracing::warn!(file = %certificate.display(), "the local certificate authority expires soon; delete its folder to make a new one");
        }
        let pem = read(&certificate)?;
        let key_pair = KeyPair::from_pem(&read(&key)?).map_err(|error| failed(&key, &error))?;
        let key_identifier = CertificateParams::default().key_identifier(&key_pair);
        let issuer = Issuer::from_ca_cert_der(&der, key_pair)
            .map_err(|error| failed(&certificate, &error))?;
        Ok(Self {
            pem,
            issuer,
            key_identifier,
        })
    }

    /// Signs a new server certificate for these names and writes it.
    pub(super) fn issue(
        &self,
        folder: &Path,
        kind: Kind,
        names: &[String],
        now: SystemTime,
    ) -> Result<(), CertificateError> {
        let (certificate, key) = kind.files();
        let certificate = folder.join(certificate);
        let (pem, key_pem) = self
            .sign(kind, names, now)
            .map_err(|error| failed(&certificate, &error))?;
        // A crash between the two leaves a pair that does not match, which is then made anew.
        keys::write(&folder.join(key), &key_pem, true)?;
        keys::write(&certificate, &pem, false)
    }

    /// Whether a server certificate is ours, for all these names, and good for a while.
    pub(super) fn is_good(&self, facts: &Facts, names: &[String], now: SystemTime) -> bool {
        facts.not_before <= now
            && now + RENEW_AHEAD < facts.not_after
            && facts.authority.as_deref() == Some(&self.key_identifier)
            && names.iter().all(|name| facts.names.contains(name))
    }

    fn sign(
        &self,
        kind: Kind,
        names: &[String],
        now: SystemTime,
    ) -> Result<(String, String), rcgen::Error> {
        let key = kind.generate()?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|name| alternative(name))
            .collect::<Result<_, _>>()?;
        params.distinguished_name =
            distinguished(names.first().map_or("localhost", String::as_str));
        params.key_usages = match kind {
            Kind::Rsa => vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::KeyEncipherment,
            ],
            Kind::P256 => vec![KeyUsagePurpose::DigitalSignature],
        };
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, now, SERVER_LIFE);
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem() + &self.pem, key.serialize_pem()))
    }
}

fn create(hostname: &str, now: SystemTime) -> Result<(String, String), rcgen::Error> {
    let key = Kind::Rsa.generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(&format!("Portreeve on {hostname}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, now, AUTHORITY_LIFE);
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn validity(params: &mut CertificateParams, now: SystemTime, life: Duration) {
    // A day back: devices' clocks are late, and printers have no time server.
    params.not_before = (now - DAY).into();
    params.not_after = (now - DAY + life).into();
}

/// Common names end at 64 characters (RFC 5280, appendix A.1).
fn distinguished(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(
        DnType::CommonName,
        name.chars().take(64).collect::<String>(),
    );
    distinguished
}

fn alternative(name: &str) -> Result<SanType, rcgen::Error> {
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ok(SanType::DnsName(name.try_into()?)),
    }
}

fn read(file: &Path) -> Result<String, CertificateError> {
    std::fs::read_to_string(file)
        .map_err(|error| keys::wrong(file, format!("cannot be read: {error}")))
}

fn failed(file: &Path, error: &rcgen::Error) -> CertificateError {
    keys::wrong(file, format!("cannot be made or used: {error}"))
}
