use std::{net::SocketAddr, path::Path};

use portreeve_auth::ProviderKind;

use super::*;

/// Loads a text as if it were `/etc/portreeve/portreeve.toml`.
fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, &Overrides::default())
}

fn load_with(text: &str, overrides: &Overrides) -> Result<Config, ConfigError> {
    let file = Path::new("/etc/portreeve/portreeve.toml");
    let (source, shapes) = Source::parse(file, text.to_owned())?;
    resolve(Some(file), source, &shapes, overrides)
}

/// What is said about a wrong text.
fn said(text: &str) -> String {
    match load(text) {
        Ok(_) => panic!("nothing is wrong with {text:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn without_a_file_six_listeners_are_on_loopback() {
    let config = Config::load(None, &Overrides::default()).unwrap();
    let listeners: Vec<String> = config
        .listeners
        .iter()
        .map(|l| format!("{} {} {} {}", l.name, l.protocol, l.address, l.tls))
        .collect();
    assert_eq!(
        listeners,
        [
            "smtp smtp 127.0.0.1:1587 starttls",
            "smtps smtp 127.0.0.1:1465 implicit",
            "imap imap 127.0.0.1:1143 starttls",
            "imaps imap 127.0.0.1:1993 implicit",
            "pop3 pop3 127.0.0.1:1110 starttls",
            "pop3s pop3 127.0.0.1:1995 implicit",
        ]
    );
    assert_eq!(*config.limits, Limits::default());
    assert_eq!(config.default_provider, "exchange-online");
    assert_eq!(config.log, Log::default());
}

#[test]
fn lan_opens_the_default_addresses_only_and_no_plaintext_login() {
    let overrides = Overrides {
        lan: true,
        ..Overrides::default()
    };
    let config = load_with("[listener.imap]\naddress = \"127.0.0.1:2143\"", &overrides).unwrap();
    for listener in &config.listeners {
        let address = listener.address.ip();
        assert_eq!(
            address.is_unspecified(),
            listener.name != "imap",
            "{}",
            listener.name
        );
        assert!(
            !listener
                .plaintext_login
                .contains("192.168.1.7".parse().unwrap())
        );
    }
}

#[test]
fn mistakes_are_told_with_file_line_and_the_nearest_right_key() {
    let cases = [
        "hostnam = \"gw\"",
        "\n[listener.smtp]\nadress = \"127.0.0.1:1587\"",
        "[listner.smtp]\nenabled = false",
        "[limits]\nconnections = 5\nlogin-second = 5",
        "[provider.exchange-online]\nimap = { hosst = \"a\" }",
        "[provider.exchange-online]\nzzzzzz = 1",
        "[listener.smtp]\nprotocol = \"smpt\"",
        "[listener.smtp]\ntls = \"ssl\"",
        "[log]\nformat = \"jsn\"",
        "[provider.x]\npreset = \"exchange\"",
        "[limits]\nlogin-seconds = \"sixty\"",
        "[limits]\nlogin-seconds = -1",
        "[listener.smtp]\nenabled = 1",
        "[listener.smtp]\nnetworks = \"10.0.0.0/8\"",
        "[provider.exchange-online]\nsmtp = { port = 99999 }",
        "listener = 3",
        "hostname = gw",
        "[limits]\nconnections = 5\nconnections = 6",
        "[listener.smtp\n",
        "[limits]\nlogin-seconds = 0\nconnections = 0",
        "hostname = \"my gateway\"",
        "[listener.smtp]\naddress = \"127.0.0.1\"",
        "[listener.smtp]\naddress = \"::1\"",
        "[listener.smtp]\naddress = \"localhost:587\"",
        "[listener.smtp]\nnetworks = [\"10.0.0.0/8\", \"10.0.0.0/33\"]",
        "[listener.smtp]\nplaintext-login = [\"lan\"]",
        "[listener.submission]\nenabled = true",
        "[listener.smpt]\naddress = \"127.0.0.1:25\"",
        "[listener.smtp]\naddress = \"127.0.0.1:1143\"",
        "[log]\nlevel = \"portreeve=loud\"",
        "[tls]\ncertificate = \"cert.pem\"",
        "[tls]\nkey = \"key.pem\"",
        "default-provider = \"exchange-onlin\"",
        "[provider.contoso]\ntenant = \"contoso.com\"",
        "[provider.own]\npreset = \"oidc\"",
        "[provider.exchange-online]\ntoken-endpoint = \"http://login.example.com/token\"",
        "[provider.exchange-online]\ntoken-endpoint = \"http://127.0.0.1.example.com/token\"",
        "[provider.exchange-online]\ntenant = \"my tenant\"",
        "[provider.exchange-online]\nclient-secret-file = \"/nonexistent/secret\"",
        "[provider.exchange-online]\nimap = { port = 0 }",
    ];
    let transcript: Vec<String> = cases
        .iter()
        .map(|text| {
            format!(
                "{}\n  => {}",
                text.trim(),
                said(text).replace('\n', "\n  => ")
            )
        })
        .collect();
    insta::assert_snapshot!(transcript.join("\n\n"));
}

#[test]
fn a_missing_file_is_told() {
    let error = Config::load(
        Some(Path::new("/nonexistent/p.toml")),
        &Overrides::default(),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/nonexistent/p.toml: cannot be read: "),
        "{error}"
    );
}

#[test]
fn a_listener_of_ones_own_and_one_switched_off() {
    let config = load(
        "[listener.pop3]\nenabled = false\n\
         [listener.submission]\nprotocol = \"smtp\"\naddress = \"0.0.0.0:587\"\n\
         plaintext-login = [\"192.168.7.0/24\"]\nnetworks = [\"192.168.7.0/24\", \"10.0.0.9\"]\n\
         proxy-protocol-from = [\"10.0.0.9\"]\nauth-equals = false",
    )
    .unwrap();
    assert!(
        config
            .listeners
            .iter()
            .all(|listener| listener.name != "pop3")
    );
    let own = config
        .listeners
        .iter()
        .find(|listener| listener.name == "submission")
        .unwrap();
    assert_eq!(own.address, "0.0.0.0:587".parse::<SocketAddr>().unwrap());
    assert_eq!(own.tls, ListenerTls::StartTls);
    assert!(!own.auth_equals);
    let device = "192.168.7.20".parse().unwrap();
    assert!(own.lets_in(device) && !own.lets_in("192.168.8.1".parse().unwrap()));
    assert!(own.plain_channel(device).takes_login());
    assert!(!own.plain_channel("10.0.0.9".parse().unwrap()).takes_login());
}

#[test]
fn an_empty_list_of_networks_lets_everybody_in() {
    let config = load("[listener.smtp]\nnetworks = []\nplaintext-login = []").unwrap();
    let smtp = &config.listeners[0];
    assert!(smtp.lets_in("203.0.113.5".parse().unwrap()));
    assert!(
        !smtp
            .plain_channel("127.0.0.1".parse().unwrap())
            .takes_login()
    );
}

#[test]
fn every_preset_is_there_without_being_named() {
    let config = load("").unwrap();
    let presets: Vec<String> = config
        .providers
        .0
        .values()
        .map(|provider| {
            let mail = config.mail_servers(&provider.name);
            let kind = if provider.kind == ProviderKind::Entra { "entra" } else { "oidc" };
            let server = |endpoint: &Endpoint| format!("{endpoint} {:?}", endpoint.tls);
            format!(
                "{} ({kind}, tenant {})\n  device {}\n  token {}\n  issuer {}\n  scopes {}\n  imap {}\n  pop3 {}\n  smtp {}",
                provider.name,
                provider.tenant.as_deref().unwrap_or("-"),
                provider.device_authorization_endpoint.as_deref().unwrap_or("-"),
                provider.token_endpoint.as_deref().unwrap_or("-"),
                provider.issuer.as_deref().unwrap_or("-"),
                provider.scopes.join(" "),
                server(&mail.imap),
                server(&mail.pop3),
                server(&mail.smtp),
            )
        })
        .collect();
    insta::assert_snapshot!(presets.join("\n"));
}

#[test]
fn each_field_of_a_provider_can_be_overridden_alone() {
    let config = load(
        "default-provider = \"fake\"\n\
         [provider.fake]\npreset = \"exchange-online\"\ntenant = \"contoso.com\"\nclient-id = \"11111111-2222\"\n\
         device-authorization-endpoint = \"http://127.0.0.1:4000/{tenant}/devicecode\"\n\
         token-endpoint = \"http://127.0.0.1:4000/{tenant}/token\"\nscopes = [\"mail\"]\n\
         imap = { host = \"127.0.0.1\", port = 4001 }\nsmtp = { tls = \"implicit\", port = 4002 }",
    )
    .unwrap();
    let provider = config.providers.get("fake").unwrap();
    assert_eq!(provider.tenant.as_deref(), Some("contoso.com"));
    assert_eq!(provider.scopes, ["mail"]);
    let mail = config.mail_servers("fake");
    assert_eq!(
        mail.imap,
        Endpoint {
            host: "127.0.0.1".into(),
            port: 4001,
            tls: UpstreamTls::Implicit
        }
    );
    assert_eq!(mail.pop3.to_string(), "outlook.office365.com:995");
    assert_eq!(
        mail.smtp,
        Endpoint {
            host: "smtp.office365.com".into(),
            port: 4002,
            tls: UpstreamTls::Implicit
        }
    );
    assert_eq!(config.mail_servers("gone"), config.mail_servers("fake"));
}

#[test]
fn an_oidc_provider_needs_its_hosts_and_its_issuer() {
    let config = load(
        "[provider.own]\npreset = \"oidc\"\nissuer = \"https://id.example.com\"\nscopes = [\"mail\"]\n\
         imap = { host = \"imap.example.com\" }\npop3 = { host = \"pop.example.com\" }\n\
         smtp = { host = \"smtp.example.com\", port = 587, tls = \"starttls\" }",
    )
    .unwrap();
    let mail = config.mail_servers("own");
    assert_eq!(mail.imap.to_string(), "imap.example.com:993");
    assert_eq!(mail.smtp.to_string(), "smtp.example.com:587");
}

#[test]
fn paths_are_beside_the_file_and_the_command_line_wins() {
    let text = "state-dir = \"state\"\n[vault]\nkey-file = \"/run/key\"\n[log]\nwire = false";
    let config = load(text).unwrap();
    assert_eq!(config.state_dir, Path::new("/etc/portreeve/state"));
    assert_eq!(
        config.vault_key_file.as_deref(),
        Some(Path::new("/run/key"))
    );
    let overrides = Overrides {
        state_dir: Some("/tmp/other".into()),
        log_wire: true,
        ..Overrides::default()
    };
    let config = load_with(text, &overrides).unwrap();
    assert_eq!(config.state_dir, Path::new("/tmp/other"));
    assert!(config.log.wire);
}

#[test]
fn a_client_secret_is_read_without_its_line_end_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cr3t-value\n").unwrap();
    let text = format!(
        "[provider.exchange-online]\nclient-secret-file = \"{}\"",
        secret.display()
    );
    let config = load(&text).unwrap();
    let provider = config.providers.get("exchange-online").unwrap();
    let value = provider
        .client_secret
        .as_ref()
        .map(secrecy::ExposeSecret::expose_secret);
    assert_eq!(value, Some("s3cr3t-value"));
    assert!(!format!("{config:?}").contains("s3cr3t"));
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "[\\[\\]a-z=\"{}.\\n 0-9-]{0,120}") {
        let _ = load(&text);
    }
}
