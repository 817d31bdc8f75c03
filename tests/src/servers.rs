//! Servers that nobody here wrote: an identity provider from npm, Dovecot and Postfix from Debian.
//!
//! They run on free loopback ports in temporary folders, accept nothing but OAuth, and stop when
//! the value that started them is dropped, also when the test process is killed. Installing them is
//! the business of `./test`; one that is missing fails the test with its name.

mod browser;
mod certificates;
mod dovecot;
mod oidc;
mod ports;
mod postfix;
mod tether;
mod users;

pub use browser::Browser;
pub use certificates::Certificates;
pub use dovecot::{Dovecot, Mechanism};
pub use oidc::{Counts, Oidc, OidcOptions};
pub use ports::Ports;
pub use postfix::Postfix;
pub use tether::Tether;

use crate::harness::Setup;
use std::path::{Path, PathBuf};

/// The folder with the configurations and the npm project.
pub fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers")
}

/// Fills `@word@` in a configuration.
///
/// # Panics
///
/// When a word of the template has no value: a server would start half configured.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = template.to_owned();
    for (word, value) in values {
        text = text.replace(&format!("@{word}@"), value);
    }
    let left = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find(|line| line.split('@').skip(1).step_by(2).any(is_word));
    assert!(left.is_none(), "no value for a word in: {left:?}");
    text
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// Everything that a real mailbox needs, at one address of the domain `contoso.com`.
pub struct Servers {
    /// Who signs people in.
    pub oidc: Oidc,
    /// IMAP and POP3.
    pub dovecot: Dovecot,
    /// SMTP submission.
    pub postfix: Postfix,
    /// The certificates of both mail servers.
    pub certificates: Certificates,
}

impl Servers {
    /// Starts all of them with one account.
    pub fn start(options: OidcOptions, mechanism: Mechanism) -> Self {
        let certificates = Certificates::new();
        let oidc = Oidc::start(options);
        let dovecot = Dovecot::start(&oidc, &certificates, mechanism);
        let postfix = Postfix::start(&dovecot, &certificates, "contoso.com");
        Self {
            oidc,
            dovecot,
            postfix,
            certificates,
        }
    }

    /// A configuration that makes Portreeve use these servers.
    pub fn setup(&self) -> Setup {
        let section = "provider.real";
        let lines = [
            "preset = \"oidc\"".to_owned(),
            format!("issuer = \"{}\"", self.oidc.issuer()),
            format!("client-id = \"{}\"", Oidc::CLIENT),
            "scopes = [\"openid\", \"offline_access\", \"email\", \"profile\"]".to_owned(),
            upstream("imap", self.dovecot.ports.imaps, "implicit"),
            upstream("pop3", self.dovecot.ports.pop3, "starttls"),
            upstream("smtp", self.postfix.submission, "starttls"),
        ];
        let setup = Setup::new()
            .upstream_ca(&self.certificates.ca())
            .set("", "default-provider = \"real\"");
        lines
            .iter()
            .fold(setup, |setup, line| setup.set(section, line))
    }
}

/// The line of a provider's configuration that says where it serves a protocol.
pub fn upstream(protocol: &str, port: u16, tls: &str) -> String {
    format!("{protocol} = {{ host = \"localhost\", port = {port}, tls = \"{tls}\" }}")
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn fills_words() {
        assert_eq!(
            fill("a = @folder@/x\nb=@p@\n", &[("folder", "/t"), ("p", "1")]),
            "a = /t/x\nb=1\n"
        );
    }

    #[test]
    #[should_panic(expected = "no value")]
    fn says_which_word_has_no_value() {
        fill("a = @folder@", &[]);
    }
}
