//! What a `portreeve` under test is started with.

use super::Portreeve;
use crate::fakes::{Entra, Exchange};
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

/// The listeners that exist without being configured; each gets a free port of loopback.
const LISTENERS: [&str; 6] = ["smtp", "smtps", "imap", "imaps", "pop3", "pop3s"];

/// A configuration in the making: sections of TOML, arguments, environment.
pub struct Setup {
    sections: BTreeMap<String, Vec<String>>,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) folder: Arc<TempDir>,
    pub(super) secrets: Vec<String>,
}

impl Setup {
    /// All listeners on free ports of loopback, state in a new temp folder, no provider yet.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("portreeve-")
            .tempdir()
            .expect("a temp folder");
        let mut setup = Self {
            sections: BTreeMap::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: Arc::new(folder),
            secrets: Vec::new(),
        }
        .set("", "hostname = \"localhost\"");
        for name in LISTENERS {
            setup = setup.set(&format!("listener.{name}"), "address = \"127.0.0.1:0\"");
        }
        setup
    }

    /// The provider's endpoints and servers are the fakes.
    #[must_use]
    pub fn fakes(self, entra: &Entra, exchange: &Exchange) -> Self {
        let at = exchange.addresses();
        let section = "provider.exchange-online";
        self.upstream_ca(entra.authority().pem_path())
            .set(section, &format!("tenant = \"{}\"", entra.tenant()))
            .set(
                section,
                "client-id = \"9c5d1b62-7d0e-4c5c-8f0a-3f1f2a6f4b01\"",
            )
            .set(
                section,
                &format!(
                    "device-authorization-endpoint = \"{}\"",
                    entra.device_endpoint()
                ),
            )
            .set(
                section,
                &format!("token-endpoint = \"{}\"", entra.token_endpoint()),
            )
            .set(section, &server("imap", at.imaps.port(), "implicit"))
            .set(section, &server("pop3", at.pop3s.port(), "implicit"))
            .set(section, &server("smtp", at.smtp.port(), "starttls"))
    }

    /// Where one protocol's server of the provider is: `implicit` or `starttls`.
    #[must_use]
    pub fn server(self, protocol: &str, port: u16, tls: &str) -> Self {
        self.set("provider.exchange-online", &server(protocol, port, tls))
    }

    /// Trusts this CA beside the platform's roots.
    #[must_use]
    pub fn upstream_ca(self, path: &Path) -> Self {
        self.set("tls", &format!("upstream-ca-file = \"{}\"", path.display()))
    }

    /// Puts a line `key = value` into a section; one with the same key is replaced. The section ""
    /// is the top of the file.
    #[must_use]
    pub fn set(mut self, section: &str, line: &str) -> Self {
        let key = |line: &str| line.split('=').next().map(|key| key.trim().to_owned());
        let lines = self.sections.entry(section.to_owned()).or_default();
        lines.retain(|held| key(held) != key(line));
        lines.push(line.to_owned());
        self
    }

    /// Takes a whole section away.
    #[must_use]
    pub fn without(mut self, section: &str) -> Self {
        self.sections.remove(section);
        self
    }

    /// One more argument to `portreeve run`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// One more variable in the daemon's environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A text that must never stand in the daemon's log.
    #[must_use]
    pub fn secret(mut self, text: &str) -> Self {
        self.secrets.push(text.to_owned());
        self
    }

    /// The folder that configuration and state are in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the configuration file; gives its path.
    pub fn write(&self) -> PathBuf {
        let path = self.folder().join("portreeve.toml");
        std::fs::write(&path, self.toml()).expect("the configuration file");
        path
    }

    /// The configuration as it stands in the file.
    pub fn toml(&self) -> String {
        let mut toml = String::new();
        for (section, lines) in &self.sections {
            if !section.is_empty() {
                let _ = writeln!(toml, "\n[{section}]");
            }
            for line in lines {
                let _ = writeln!(toml, "{line}");
            }
        }
        toml
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub fn start(self) -> Portreeve {
        Portreeve::start(self)
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

fn server(protocol: &str, port: u16, tls: &str) -> String {
    format!("{protocol} = {{ host = \"localhost\", port = {port}, tls = \"{tls}\" }}")
}
