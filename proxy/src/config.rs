//! The configuration: one optional TOML file, parsed and resolved into values that need no more
//! checking.
//!
//! What happens while the daemon runs (mailboxes, devices, tokens) is not here but in the store.
//! Nothing here opens a port or a store; [`check`] looks at what the file names.

pub(crate) mod check;
mod file;
mod finding;
pub(crate) mod limits;
mod listener;
mod log;
mod networks;
mod presets;
mod provider;
mod source;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use portreeve_auth::Providers;

use self::{file::File, presets::Preset, source::Source};
pub(crate) use self::{
    finding::{ConfigError, Finding, Severity},
    limits::Limits,
    listener::{Listener, ListenerTls},
    log::{Log, LogFormat},
    networks::Networks,
    provider::{Endpoint, MailServers, UpstreamTls},
};

/// Everything an operator decides.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file it came from.
    pub(crate) file: Option<PathBuf>,
    /// The name in banners, certificates and settings cards.
    pub(crate) hostname: String,
    pub(crate) state_dir: PathBuf,
    pub(crate) log: Log,
    pub(crate) tls: Tls,
    pub(crate) vault_key_file: Option<PathBuf>,
    pub(crate) limits: Arc<Limits>,
    /// The listeners that are switched on.
    pub(crate) listeners: Vec<Arc<Listener>>,
    /// The provider of a mailbox that names none; it exists in `providers`.
    pub(crate) default_provider: String,
    /// Who issues tokens, by name: those of the file, and every preset under its own name.
    pub(crate) providers: Providers,
    /// Where the mail is, for each of `providers`.
    mail_servers: BTreeMap<String, MailServers>,
    /// What each of `providers` was made from.
    presets: BTreeMap<String, Preset>,
    /// The files that client secrets came from, by provider.
    secret_files: BTreeMap<String, PathBuf>,
    /// Where everything stands in the file.
    source: Arc<Source>,
}

/// `[tls]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// A certificate of the operator's own instead of ours.
    pub(crate) own: Option<CertificateFiles>,
    /// Roots that are trusted upstream besides those of the platform.
    pub(crate) upstream_ca_file: Option<PathBuf>,
}

/// A certificate chain and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What the command line says over the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    pub(crate) state_dir: Option<PathBuf>,
    /// Default listeners take every address of the machine.
    pub(crate) lan: bool,
    pub(crate) log_wire: bool,
}

impl Config {
    /// Reads a file, or uses the defaults if there is none. All that is wrong is told at once.
    pub(crate) fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let (source, shapes) = read(file)?;
        resolve(file, source, &shapes, overrides)
    }

    /// The file that is used if the command line names none: in systemd's `ConfigurationDirectory`,
    /// else in `/etc/portreeve`, if it exists.
    pub(crate) fn default_file() -> Option<PathBuf> {
        if let Some(folder) = first_folder("CONFIGURATION_DIRECTORY") {
            return Some(folder.join("portreeve.toml")).filter(|file| file.exists());
        }
        Some(PathBuf::from("/etc/portreeve/portreeve.toml")).filter(|file| file.exists())
    }

    /// Where the mail of a provider is; that of the default one if a provider has gone from the
    /// file.
    pub(crate) fn mail_servers(&self, provider: &str) -> &MailServers {
        &self.mail_servers[if self.mail_servers.contains_key(provider) {
            provider
        } else {
            &self.default_provider
        }]
    }
}

fn read(file: Option<&Path>) -> Result<(Source, File), ConfigError> {
    let Some(file) = file else {
        return Ok((Source::default(), File::default()));
    };
    match std::fs::read_to_string(file) {
        Ok(text) => Source::parse(file, text),
        Err(error) => Err(ConfigError(vec![Finding {
            severity: Severity::Error,
            file: Some(file.to_owned()),
            line: None,
            text: format!("cannot be read: {error}"),
        }])),
    }
}

fn resolve(
    file: Option<&Path>,
    source: Source,
    shapes: &File,
    overrides: &Overrides,
) -> Result<Config, ConfigError> {
    let mut findings = Vec::new();
    let folder = file
        .and_then(Path::parent)
        .unwrap_or(Path::new(""))
        .to_owned();
    let beside = |path: &PathBuf| folder.join(path);

    let hostname = hostname(shapes.hostname.as_deref(), &source, &mut findings);
    let limits = shapes.limits.resolve(|key, text| {
        findings.push(source.wrong(&["limits", key], text));
    });
    let listeners = listener::resolve(shapes, &source, overrides, &mut findings);
    let log = log::resolve(&shapes.log, overrides, &source, &mut findings);
    let own = match (&shapes.tls.certificate, &shapes.tls.key) {
        (Some(certificate), Some(key)) => Some(CertificateFiles {
            certificate: beside(certificate),
            key: beside(key),
        }),
        (None, None) => None,
        (Some(_), None) => {
            findings.push(source.wrong(&["tls", "certificate"], "needs its \"key\" beside it"));
            None
        }
        (None, Some(_)) => {
            findings.push(source.wrong(&["tls", "key"], "needs its \"certificate\" beside it"));
            None
        }
    };
    let resolved = provider::resolve(shapes, &folder, &source, &mut findings);
    if !findings.is_empty() {
        return Err(ConfigError(findings));
    }
    Ok(Config {
        file: file.map(Path::to_owned),
        hostname,
        state_dir: overrides
            .state_dir
            .clone()
            .or(shapes.state_dir.as_ref().map(beside))
            .unwrap_or_else(default_state_dir),
        log,
        tls: Tls {
            own,
            upstream_ca_file: shapes.tls.upstream_ca_file.as_ref().map(beside),
        },
        vault_key_file: shapes.vault.key_file.as_ref().map(beside),
        limits: Arc::new(limits),
        listeners: listeners.into_iter().map(Arc::new).collect(),
        default_provider: resolved.default,
        providers: resolved.providers,
        mail_servers: resolved.mail_servers,
        presets: resolved.presets,
        secret_files: resolved.secret_files,
        source: Arc::new(source),
    })
}

/// A host name as banners and certificates take it.
fn hostname(set: Option<&str>, source: &Source, findings: &mut Vec<Finding>) -> String {
    let Some(name) = set else {
        let machine = gethostname::gethostname().to_string_lossy().to_lowercase();
        return if is_hostname(&machine) {
            machine
        } else {
            "localhost".to_owned()
        };
    };
    if !is_hostname(name) {
        findings.push(source.wrong(
            &["hostname"],
            format!("is \"{name}\", which is no host name; use letters, digits, hyphens and dots"),
        ));
    }
    name.to_lowercase()
}

fn is_hostname(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// `STATE_DIRECTORY` of systemd, else the folder that XDG has for state.
fn default_state_dir() -> PathBuf {
    let home = || {
        std::env::home_dir()
            .unwrap_or_default()
            .join(".local/state")
    };
    first_folder("STATE_DIRECTORY").unwrap_or_else(|| {
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        // The XDG specification: a relative path is to be ignored.
        state
            .filter(|path| path.is_absolute())
            .unwrap_or_else(home)
            .join("portreeve")
    })
}

/// systemd separates several folders by colons; the first one is meant for us.
fn first_folder(variable: &str) -> Option<PathBuf> {
    let folders = std::env::var_os(variable)?;
    std::env::split_paths(&folders)
        .next()
        .filter(|path| !path.as_os_str().is_empty())
}

#[cfg(test)]
mod tests;
