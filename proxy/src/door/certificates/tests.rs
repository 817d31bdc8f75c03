use std::{os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConnection, SupportedProtocolVersion,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use super::*;
use crate::config::Overrides;

/// A configuration with this host name and its state in this folder.
fn config(folder: &Path, more: &str) -> Config {
    let file = folder.join("portreeve.toml");
    fs::write(&file, format!("state-dir = \"state\"\n{more}")).unwrap();
    Config::load(Some(&file), &Overrides::default()).unwrap()
}

/// A client that trusts our authority and takes only signatures whose name holds `only`.
fn client(ca: &str, only: &str, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = keys::provider();
    let known = provider.signature_verification_algorithms;
    let mapping: Vec<_> = known
        .mapping
        .iter()
        .copied()
        .filter(|(scheme, _)| format!("{scheme:?}").contains(only))
        .collect();
    let suites = |suite: &rustls::SupportedCipherSuite| {
        let name = format!("{:?}", suite.suite());
        name.starts_with("TLS13") || name.contains(only)
    };
    let provider = CryptoProvider {
        signature_verification_algorithms: WebPkiSupportedAlgorithms {
            all: known.all,
            mapping: Vec::leak(mapping),
        },
        cipher_suites: provider
            .cipher_suites
            .iter()
            .copied()
            .filter(suites)
            .collect(),
        ..(*provider).clone()
    };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// Shakes hands in memory and says how the server proved itself.
fn shake(
    certificates: &Certificates,
    client: Arc<ClientConfig>,
    name: &str,
) -> Result<Vec<u8>, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client, name)?;
    let mut server = ServerConnection::new(Arc::clone(certificates.acceptor().config()))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(client.peer_certificates().unwrap()[0].to_vec())
}

#[test]
fn old_and_new_clients_verify_us_by_every_name() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "hostname = \"gw.contoso.lan\"");
    let certificates = Certificates::open(&config).unwrap();
    let ca = Certificates::ca_pem(&config).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let rsa = client(&ca, "RSA", version);
        let ecdsa = client(&ca, "ECDSA", version);
        for name in ["gw.contoso.lan", "localhost", "127.0.0.1", "::1"] {
            let by_rsa = shake(&certificates, Arc::clone(&rsa), name).unwrap();
            let by_ecdsa = shake(&certificates, Arc::clone(&ecdsa), name).unwrap();
            assert_ne!(by_rsa, by_ecdsa, "{name}");
        }
        assert!(shake(&certificates, rsa, "other.contoso.lan").is_err());
    }
}

#[test]
fn keys_are_ours_alone_and_everything_stays_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "hostname = \"gw.contoso.lan\"");
    let first = Certificates::open(&config).unwrap().facts();
    let tls = config.state_dir.join("tls");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&tls), 0o700);
    for key in ["ca.key", "server-rsa.key", "server-p256.key"] {
        assert_eq!(mode(&tls.join(key)), 0o600, "{key}");
    }
    let chain = fs::read(tls.join("server-rsa.pem")).unwrap();
    assert_eq!(Certificates::open(&config).unwrap().facts(), first);
    assert_eq!(fs::read(tls.join("server-rsa.pem")).unwrap(), chain);
}

#[test]
fn a_new_name_or_a_near_end_brings_new_certificates_from_the_same_authority() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let day = Duration::from_hours(24);
    let before = config(folder.path(), "hostname = \"old.contoso.lan\"");
    let old = gather(&before, now).unwrap().rsa_or_own.facts;
    let ca = Certificates::ca_pem(&before).unwrap();

    let after = config(folder.path(), "hostname = \"new.contoso.lan\"");
    let new = gather(&after, now).unwrap().rsa_or_own.facts;
    assert!(!old.names.contains(&"new.contoso.lan".to_owned()));
    assert!(new.names.contains(&"new.contoso.lan".to_owned()));

    let still_good = gather(&after, now + 793 * day).unwrap().rsa_or_own.facts;
    assert_eq!(still_good, new);
    let renewed = gather(&after, now + 796 * day).unwrap().rsa_or_own.facts;
    assert!(renewed.not_after > new.not_after);
    assert_eq!(Certificates::ca_pem(&after).unwrap(), ca);
}

#[test]
fn certificates_of_another_authority_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "hostname = \"gw.contoso.lan\"");
    let old = Certificates::ca_pem(&config).unwrap();
    let chosen = gather(&config, SystemTime::now()).unwrap();
    let tls = config.state_dir.join("tls");
    fs::remove_file(tls.join("ca.pem")).unwrap();
    fs::remove_file(tls.join("ca.key")).unwrap();
    let renewed = gather(&config, SystemTime::now()).unwrap();
    assert_ne!(
        renewed.rsa_or_own.facts.authority,
        chosen.rsa_or_own.facts.authority
    );
    let ca = Certificates::ca_pem(&config).unwrap();
    assert_ne!(ca, old);
    let certificates = Certificates::open(&config).unwrap();
    shake(
        &certificates,
        client(&ca, "RSA", &rustls::version::TLS13),
        "localhost",
    )
    .unwrap();
}

#[test]
fn a_lost_authority_key_is_told_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let ca = Certificates::ca_pem(&config).unwrap();
    let tls = config.state_dir.join("tls");
    fs::remove_file(tls.join("ca.key")).unwrap();
    let error = Certificates::open(&config).unwrap_err().to_string();
    assert!(error.contains("ca.key: cannot be read"), "{error}");
    assert_eq!(fs::read_to_string(tls.join("ca.pem")).unwrap(), ca);
}

#[test]
fn an_own_certificate_is_served_to_everybody_and_its_mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let maker = config(folder.path(), "hostname = \"own.contoso.com\"");
    gather(&maker, SystemTime::now()).unwrap();
    let ca = Certificates::ca_pem(&maker).unwrap();
    let tls = maker.state_dir.join("tls");
    let own = |certificate: &str, key: &str| {
        let more = format!(
            "hostname = \"own.contoso.com\"\n[tls]\ncertificate = \"{}\"\nkey = \"{}\"",
            tls.join(certificate).display(),
            tls.join(key).display()
        );
        Certificates::open(&config(folder.path(), &more))
    };
    let certificates = own("server-p256.pem", "server-p256.key").unwrap();
    shake(
        &certificates,
        client(&ca, "ECDSA", &rustls::version::TLS12),
        "own.contoso.com",
    )
    .unwrap();
    for (certificate, key, reason) in [
        (
            "server-p256.pem",
            "server-rsa.key",
            "is not the key of the first certificate in",
        ),
        ("missing.pem", "server-rsa.key", "cannot be read"),
        ("server-rsa.pem", "missing.key", "cannot be read"),
        (
            "server-rsa.key",
            "server-rsa.key",
            "holds no certificate in PEM form",
        ),
        (
            "server-rsa.pem",
            "server-rsa.pem",
            "holds no private key in PEM form",
        ),
    ] {
        let error = own(certificate, key).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn names_are_those_of_the_listeners_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(
        folder.path(),
        "hostname = \"gw\"\n[listener.smtps]\naddress = \"192.168.7.1:465\"\n[listener.imap]\ntls = \"off\"\naddress = \"192.168.7.2:143\"",
    );
    assert_eq!(
        names(&config),
        ["gw", "localhost", "127.0.0.1", "::1", "192.168.7.1"]
    );
}
