use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::door::Certificates;

/// What `check` says about a text, one line each, the folder's name left out.
fn said(folder: &Path, text: &str) -> Vec<String> {
    let file = folder.join("portreeve.toml");
    // Ports of the default listeners may be in use on the machine that runs the tests.
    let mut whole = format!("state-dir = \"state\"\n{text}");
    for name in ["smtp", "smtps", "imap", "imaps", "pop3", "pop3s"] {
        let section = format!("[listener.{name}]\n");
        if whole.contains(&section) {
            continue;
        }
        whole = whole + "\n" + &section + "address = \"127.0.0.1:0\"";
    }
    fs::write(&file, whole).unwrap();
    let folder = format!("{}/", folder.display());
    check(Some(&file), &Overrides::default())
        .iter()
        .map(|finding| format!("{}: {finding}", finding.severity).replace(&folder, ""))
        .collect()
}

const CLIENT: &str =
    "[provider.exchange-online]\nclient-id = \"11111111-2222-3333-4444-555555555555\"\n";

#[test]
fn nothing_is_said_about_a_good_file() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(said(folder.path(), CLIENT), Vec::<String>::new());
}

#[test]
fn a_missing_client_id_is_a_note_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let said = said(folder.path(), "");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0]
            .starts_with("note: [provider.exchange-online] has no \"client-id\": register an app"),
        "{said:?}"
    );
}

#[test]
fn a_wrong_file_is_all_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let said = said(folder.path(), "hostnam = \"x\"");
    assert_eq!(
        said,
        ["error: portreeve.toml:2: unknown key \"hostnam\"; did you mean \"hostname\"?"]
    );
}

#[test]
fn what_the_file_names_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = occupied.local_addr().unwrap().port();
    let secret = folder.path().join("secret");
    fs::write(&secret, "value").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "0123456789abcdef".repeat(4) + "\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let cases = [
        format!("{CLIENT}[tls]\ncertificate = \"no.pem\"\nkey = \"no.key\""),
        format!("{CLIENT}[tls]\nupstream-ca-file = \"no.pem\""),
        format!("{CLIENT}[vault]\nkey-file = \"no.key\""),
        format!("{CLIENT}[vault]\nkey-file = \"secret\""),
        format!("{CLIENT}[vault]\nkey-file = \"key\""),
        format!("{CLIENT}client-secret-file = \"secret\""),
        format!("{CLIENT}tenant = \"contoso\""),
        format!("{CLIENT}tenant = \"contoso.onmicrosoft.com\""),
        format!("{CLIENT}[listener.smtp]\naddress = \"127.0.0.1:PORT\""),
        format!(
            "hostname = \"gw.contoso.lan\"\n{CLIENT}[listener.smtp]\naddress = \"192.0.2.77:1587\""
        ),
        format!(
            "{CLIENT}[listener.smtp]\naddress = \"127.0.0.1:0\"\nplaintext-login = [\"0.0.0.0/0\", \"10.0.0.0/8\"]"
        ),
        format!(
            "{CLIENT}[listener.smtp]\naddress = \"127.0.0.1:0\"\nproxy-protocol-from = [\"0.0.0.0/0\"]"
        ),
        format!(
            "hostname = \"gw.contoso.lan\"\n{CLIENT}[listener.smtp]\naddress = \"0.0.0.0:0\"\ntls = \"off\""
        ),
        format!("hostname = \"gw\"\n{CLIENT}[listener.smtp]\naddress = \"0.0.0.0:0\""),
        format!("{CLIENT}[provider.gmail]\nclient-id = \"x\""),
    ];
    let transcript: Vec<String> = cases
        .iter()
        .map(|text| {
            let said = said(folder.path(), &text.replace("PORT", &port.to_string()));
            let said = said.join("\n  => ").replace(&port.to_string(), "PORT");
            let text = text.replace(CLIENT, "[provider.exchange-online]\n");
            format!("{text}\n  => {said}")
        })
        .collect();
    insta::assert_snapshot!(transcript.join("\n\n"));
}

#[test]
fn an_own_certificate_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let maker = folder.path().join("maker.toml");
    fs::write(
        &maker,
        "hostname = \"gw.contoso.lan\"\nstate-dir = \"made\"",
    )
    .unwrap();
    Certificates::open(&Config::load(Some(&maker), &Overrides::default()).unwrap()).unwrap();
    let tls = "[tls]\ncertificate = \"made/tls/server-rsa.pem\"\nkey = \"made/tls/server-rsa.key\"";
    assert_eq!(
        said(
            folder.path(),
            &format!("hostname = \"gw.contoso.lan\"\n{CLIENT}{tls}")
        ),
        Vec::<String>::new()
    );
    let other = said(
        folder.path(),
        &format!("hostname = \"other.contoso.lan\"\n{CLIENT}{tls}"),
    );
    assert_eq!(other.len(), 1, "{other:?}");
    assert!(
        other[0].contains("is not for the hostname other.contoso.lan but for gw.contoso.lan"),
        "{other:?}"
    );
    let key = folder.path().join("made/tls/server-rsa.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let open = said(
        folder.path(),
        &format!("hostname = \"gw.contoso.lan\"\n{CLIENT}{tls}"),
    );
    assert!(
        open[0].contains("others can reach (mode 0640); chmod it to 0600"),
        "{open:?}"
    );
}

#[test]
fn a_star_covers_one_label() {
    assert!(covers("*.contoso.com", "mail.contoso.com"));
    assert!(!covers("*.contoso.com", "a.mail.contoso.com"));
    assert!(!covers("*.contoso.com", "contoso.com"));
    assert!(covers("GW.contoso.com", "gw.contoso.com"));
}

#[test]
fn the_example_in_deploy_passes() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/portreeve.toml");
    let text = fs::read_to_string(example).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portreeve.toml");
    fs::write(&file, &text).unwrap();
    let overrides = Overrides {
        state_dir: Some(folder.path().join("state")),
        ..Overrides::default()
    };
    let findings = check(Some(&file), &overrides);
    let wrong: Vec<String> = findings
        .iter()
        // Another program may hold a port on the machine that runs the tests.
        .filter(|finding| finding.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// Each key of the example is one that exists, whether it is commented out or not, and each limit
/// stands there with its default.
#[test]
fn the_example_in_deploy_knows_every_limit_and_no_wrong_key() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/portreeve.toml");
    let text = fs::read_to_string(example).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for secret in ["gateway.pem", "gateway.key", "client-secret"] {
        fs::write(folder.path().join(secret), "x").unwrap();
    }
    let uncommented: String = text
        .lines()
        // "# words" is a comment; "#key = value" is a setting that is switched off.
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let file = folder.path().join("portreeve.toml");
    fs::write(&file, uncommented).unwrap();
    let config = Config::load(Some(&file), &Overrides::default()).unwrap();
    assert_eq!(*config.limits, super::super::Limits::default());
    for row in super::super::limits::rows() {
        let line = format!("{} = {}", row.key, row.default);
        assert!(text.contains(&line), "{line}");
    }
}
