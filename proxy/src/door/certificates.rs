//! The certificates that devices see: the operator's own, or ours of RSA and P-256 side by side.
//!
//! They are made at the first start, renewed at a start or reload when less than 30 days are left
//! or a name has changed, and exchanged under running connections without touching them.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use rustls::{
    CipherSuite, ServerConfig, SignatureScheme,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

#[cfg(test)]
use super::keys::Facts;
use super::{
    issue::{AUTHORITY, Authority, Kind},
    keys::{self, CertificateError, Pair},
};
use crate::config::{Config, ListenerTls};

/// The certificates in use.
pub(crate) struct Certificates {
    acceptor: TlsAcceptor,
    chooser: Arc<Chooser>,
}

impl Certificates {
    /// Reads or makes the certificates that the configuration asks for.
    pub(crate) fn open(config: &Config) -> Result<Self, CertificateError> {
        let chooser = Arc::new(Chooser(RwLock::new(Arc::new(gather(
            config,
            SystemTime::now(),
        )?))));
        let mut server = ServerConfig::builder_with_provider(keys::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| keys::wrong(&folder(config), error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&chooser) as Arc<dyn ResolvesServerCert>);
        // Scanners connect anew for every page: a ticket makes that cheap, and costs no memory here.
        server.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()
            .map_err(|error| keys::wrong(&folder(config), error.to_string()))?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            chooser,
        })
    }

    /// Takes up changed files and names; on an error the old certificates stay.
    pub(crate) fn reload(&self, config: &Config) -> Result<(), CertificateError> {
        let fresh = Arc::new(gather(config, SystemTime::now())?);
        let changed = fresh.rsa_or_own.facts != self.chooser.now().rsa_or_own.facts;
        if changed {
            tracing::info!("devices see a new certificate from now on");
        }
        *self
            .chooser
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// What each certificate in use says about itself.
    #[cfg(test)]
    pub(super) fn facts(&self) -> Vec<Facts> {
        let chosen = self.chooser.now();
        std::iter::once(&chosen.rsa_or_own)
            .chain(&chosen.p256)
            .map(|pair| pair.facts.clone())
            .collect()
    }

    /// The root that devices may import. Works without a running daemon, and makes the root if
    /// there is none yet.
    pub(crate) fn ca_pem(config: &Config) -> Result<String, CertificateError> {
        let folder = folder(config);
        create_folder(&folder)?;
        Authority::open(&folder, &config.hostname, SystemTime::now())?;
        let file = folder.join(AUTHORITY);
        fs::read_to_string(&file)
            .map_err(|error| keys::wrong(&file, format!("cannot be read: {error}")))
    }

    /// For handshakes; cheap.
    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

/// The pairs in use.
#[derive(Debug)]
struct Chosen {
    rsa_or_own: Pair,
    p256: Option<Pair>,
}

/// Chooses by what the client can verify. The lock is held for the copy of one pointer.
#[derive(Debug)]
struct Chooser(RwLock<Arc<Chosen>>);

impl Chooser {
    fn now(&self) -> Arc<Chosen> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Chooser {
    /// The same with and without SNI, which old devices do not send.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.now();
        let pair = match &chosen.p256 {
            Some(p256) if takes_p256(&hello) => p256,
            _ => &chosen.rsa_or_own,
        };
        Some(Arc::clone(&pair.key))
    }
}

/// TLS 1.3 suites leave the kind of key open; those of 1.2 name it.
fn takes_p256(hello: &ClientHello<'_>) -> bool {
    let suite = |suite: &CipherSuite| {
        suite
            .as_str()
            .is_some_and(|name| name.starts_with("TLS13_") || name.contains("_ECDHE_ECDSA_"))
    };
    hello
        .signature_schemes()
        .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
        && hello.cipher_suites().iter().any(suite)
}

fn gather(config: &Config, now: SystemTime) -> Result<Chosen, CertificateError> {
    if let Some(own) = &config.tls.own {
        let pair = keys::load(&own.certificate, &own.key)?;
        if pair.facts.not_after < now {
            tracing::warn!(file = %own.certificate.display(), "the certificate has expired; devices that verify it will refuse to connect");
        }
        return Ok(Chosen {
            rsa_or_own: pair,
            p256: None,
        });
    }
    let folder = folder(config);
    create_folder(&folder)?;
    let authority = Authority::open(&folder, &config.hostname, now)?;
    let names = names(config);
    let good = |kind| good_pair(&authority, &folder, kind, &names, now);
    Ok(Chosen {
        rsa_or_own: good(Kind::Rsa)?,
        p256: Some(good(Kind::P256)?),
    })
}

/// The pair in the folder if it is good, else a new one.
fn good_pair(
    authority: &Authority,
    folder: &Path,
    kind: Kind,
    names: &[String],
    now: SystemTime,
) -> Result<Pair, CertificateError> {
    let (certificate, key) = kind.files();
    let (certificate, key) = (folder.join(certificate), folder.join(key));
    if let Ok(pair) = keys::load(&certificate, &key)
        && authority.is_good(&pair.facts, names, now)
    {
        return Ok(pair);
    }
    authority.issue(folder, kind, names, now)?;
    keys::load(&certificate, &key)
}

/// The names and addresses by which devices may reach us.
fn names(config: &Config) -> Vec<String> {
    let mut names = vec![config.hostname.clone(), "localhost".to_owned()];
    let mut addresses = vec![
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    for listener in config
        .listeners
        .iter()
        .filter(|listener| listener.tls != ListenerTls::Off)
    {
        let address = listener.address.ip();
        if address.is_unspecified() {
            addresses.extend(own_addresses());
        } else {
            addresses.push(address);
        }
    }
    names.extend(addresses.iter().map(IpAddr::to_string));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// The machine's addresses, as far as its routes tell: the one that it would use towards each of
/// the private ranges and towards the world. Nothing is sent.
pub(crate) fn own_addresses() -> Vec<IpAddr> {
    const TOWARDS: [&str; 5] = [
        "192.0.2.1:9",
        "10.255.255.254:9",
        "172.31.255.254:9",
        "192.168.255.254:9",
        "[2001:db8::1]:9",
    ];
    let towards = |target: &str| {
        let target: SocketAddr = target.parse().ok()?;
        let any: IpAddr = if target.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(target).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let mut addresses: Vec<IpAddr> = TOWARDS.into_iter().filter_map(towards).collect();
    addresses.retain(|address| !address.is_loopback() && !address.is_unspecified());
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn folder(config: &Config) -> std::path::PathBuf {
    config.state_dir.join("tls")
}

fn create_folder(folder: &Path) -> Result<(), CertificateError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| keys::wrong(folder, format!("cannot be created: {error}")))
}

#[cfg(test)]
mod tests;
