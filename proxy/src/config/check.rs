//! `portreeve check`: looks at everything that the configuration names, before the daemon has to.
//!
//! It changes nothing and reaches no network; whether a provider knows the client is seen at the
//! first sign-in.

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use portreeve_auth::{Provider, ProviderKind};
use zeroize::Zeroizing;

use super::{
    Config, Finding, Listener, ListenerTls, Networks, Overrides, Severity, presets::Preset,
};
use crate::door::{self, keys};

/// A certificate with less left is worth a warning.
const EXPIRES_SOON: Duration = Duration::from_hours(30 * 24);

/// Checks a file and what it names. Without a finding of [`Severity::Error`] the daemon starts.
pub(crate) fn check(file: Option<&Path>, overrides: &Overrides) -> Vec<Finding> {
    let config = match Config::load(file, overrides) {
        Ok(config) => config,
        Err(error) => return error.0,
    };
    let mut check = Check {
        config: &config,
        findings: Vec::new(),
    };
    check.certificate();
    check.upstream_ca();
    check.folder();
    check.vault_key();
    for listener in &config.listeners {
        check.listener(listener);
    }
    check.hostname();
    for (name, provider) in &config.providers.0 {
        if config.source.has(&["provider", name]) || *name == config.default_provider {
            check.provider(name, provider);
        }
    }
    check.findings
}

struct Check<'a> {
    config: &'a Config,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn say(&mut self, severity: Severity, path: &[&str], text: impl AsRef<str>) {
        self.findings
            .push(self.config.source.finding(severity, path, text));
    }

    fn certificate(&mut self) {
        let Some(own) = &self.config.tls.own else {
            return;
        };
        let key = ["tls", "key"];
        self.only_ours(&own.key, &key, Severity::Warning);
        let facts = match keys::load(&own.certificate, &own.key) {
            Ok(pair) => pair.facts,
            Err(error) => {
                let blamed = if error.file == own.key {
                    "key"
                } else {
                    "certificate"
                };
                return self.say(Severity::Error, &["tls", blamed], format!("names {error}"));
            }
        };
        let path = ["tls", "certificate"];
        let now = SystemTime::now();
        if facts.not_after < now {
            self.say(
                Severity::Error,
                &path,
                format!("has expired on {}", day(facts.not_after)),
            );
        } else if facts.not_after < now + EXPIRES_SOON {
            self.say(
                Severity::Warning,
                &path,
                format!("expires on {}", day(facts.not_after)),
            );
        }
        if facts.not_before > now {
            self.say(
                Severity::Error,
                &path,
                format!("is valid only from {}", day(facts.not_before)),
            );
        }
        let hostname = &self.config.hostname;
        if !facts.names.iter().any(|name| covers(name, hostname)) {
            let names = facts.names.join(", ");
            self.say(
                Severity::Warning,
                &path,
                format!("is not for the hostname {hostname} but for {names}; devices that verify it will refuse"),
            );
        }
    }

    fn upstream_ca(&mut self) {
        let Some(file) = &self.config.tls.upstream_ca_file else {
            return;
        };
        if let Err(error) = door::client_config(Some(file)) {
            self.say(
                Severity::Error,
                &["tls", "upstream-ca-file"],
                format!("names {error}"),
            );
        }
    }

    fn folder(&mut self) {
        let folder = &self.config.state_dir;
        // A folder that does not exist yet is made at the start, so the nearest one above counts.
        let existing = folder
            .ancestors()
            .find(|folder| folder.exists() && *folder != Path::new(""));
        let existing = existing.unwrap_or(Path::new("."));
        if let Err(error) = try_to_write(existing) {
            self.say(
                Severity::Error,
                &["state-dir"],
                format!(
                    "is {}, where nothing can be written: {error}",
                    folder.display()
                ),
            );
        } else if existing == folder {
            self.only_ours(folder, &["state-dir"], Severity::Warning);
        }
    }

    fn vault_key(&mut self) {
        let Some(file) = &self.config.vault_key_file else {
            return;
        };
        let path = ["vault", "key-file"];
        let shown = file.display();
        match fs::read_to_string(file).map(Zeroizing::new) {
            Err(error) => self.say(
                Severity::Error,
                &path,
                format!("names {shown}, which cannot be read: {error}; make a key with: openssl rand -hex 32"),
            ),
            Ok(key) if !is_key(&key) => self.say(
                Severity::Error,
                &path,
                format!("names {shown}, which must hold 64 hexadecimal digits, as `openssl rand -hex 32` prints them"),
            ),
            Ok(_) => {}
        }
        self.only_ours(file, &path, Severity::Error);
    }

    fn listener(&mut self, listener: &Listener) {
        let name = listener.name.as_str();
        if let Err(error) = door::try_bind(listener) {
            let severity = if error.kind() == io::ErrorKind::AddrInUse {
                // Perhaps by the very daemon whose new file is being checked.
                Severity::Warning
            } else {
                Severity::Error
            };
            self.say(severity, &["listener", name, "address"], error.reason());
        }
        let plaintext = ["listener", name, "plaintext-login"];
        if listener.tls != ListenerTls::Implicit {
            for network in listener
                .plaintext_login
                .iter()
                .filter(|network| !is_private(network))
            {
                self.say(
                    Severity::Warning,
                    &plaintext,
                    format!("holds {network}: passwords would cross public networks in clear text"),
                );
            }
        }
        let beyond_loopback = !listener.address.ip().is_loopback();
        let only_loopback = listener
            .plaintext_login
            .iter()
            .all(|network| network.addr().is_loopback());
        if listener.tls == ListenerTls::Off && beyond_loopback && only_loopback {
            self.say(
                Severity::Warning,
                &["listener", name, "tls"],
                "is off, and plaintext-login names nobody but this machine: no other device can log in",
            );
        }
        for network in listener
            .proxy_protocol_from
            .iter()
            .filter(|network| network.prefix_len() == 0)
        {
            self.say(
                Severity::Error,
                &["listener", name, "proxy-protocol-from"],
                format!("holds {network}: anybody could claim any address; name the balancers"),
            );
        }
    }

    fn hostname(&mut self) {
        let on_the_network = self
            .config
            .listeners
            .iter()
            .any(|listener| !listener.address.ip().is_loopback());
        if on_the_network && !self.config.hostname.contains('.') {
            self.say(
                Severity::Note,
                &["hostname"],
                format!("is {}; devices reach this machine best by a full name like mail-gw.contoso.lan", self.config.hostname),
            );
        }
    }

    fn provider(&mut self, name: &str, provider: &Provider) {
        if provider.client_id.is_none() {
            self.say(
                Severity::Note,
                &["provider", name],
                "has no \"client-id\": register an app with public client flows and the mail permissions, \
                 and put its application id here or pass it as --client-id to `portreeve mailbox add`",
            );
        }
        if provider.kind == ProviderKind::Entra
            && let Some(tenant) = &provider.tenant
            && !is_tenant(tenant)
        {
            self.say(
                Severity::Error,
                &["provider", name, "tenant"],
                format!("is \"{tenant}\": it must be the tenant's id, one of its domains, or organizations, common or consumers"),
            );
        }
        if let Some(secret) = self.config.secret_files.get(name) {
            self.only_ours(
                secret,
                &["provider", name, "client-secret-file"],
                Severity::Warning,
            );
        }
        let preset = self.config.presets.get(name).copied();
        if let Some(caveat) = preset.and_then(|preset: Preset| preset.facts().caveat) {
            self.say(
                Severity::Note,
                &["provider", name],
                format!("is limited: {caveat}"),
            );
        }
    }

    /// Secrets are for us alone; what refuses them otherwise makes the difference.
    fn only_ours(&mut self, file: &Path, path: &[&str], severity: Severity) {
        let Ok(metadata) = fs::metadata(file) else {
            return;
        };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let right = if metadata.is_dir() { "0700" } else { "0600" };
            // The store does not open in a folder where others could plant files.
            let writable = metadata.is_dir() && mode & 0o022 != 0;
            let severity = if writable { Severity::Error } else { severity };
            self.say(
                severity,
                path,
                format!(
                    "names {}, which others can reach (mode {mode:04o}); chmod it to {right}",
                    file.display()
                ),
            );
        }
    }
}

fn try_to_write(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".portreeve-check-{}", door::SessionId::new()));
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)?;
    fs::remove_file(&probe)
}

/// Whether a name of a certificate covers a host name; a star stands for one label.
fn covers(name: &str, hostname: &str) -> bool {
    if let Some(domain) = name.strip_prefix("*.") {
        return hostname
            .split_once('.')
            .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain));
    }
    name.eq_ignore_ascii_case(hostname)
}

fn is_private(network: &IpNet) -> bool {
    const PRIVATE: [&str; 8] = [
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    ];
    let private = PRIVATE.into_iter().filter_map(Networks::parse_one);
    private.into_iter().any(|private| private.contains(network))
}

fn is_tenant(tenant: &str) -> bool {
    let lengths = tenant.split('-').map(str::len);
    let guid = lengths.eq([8, 4, 4, 4, 12])
        && tenant
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    let domain =
        tenant.contains('.') && super::is_hostname(tenant) && tenant.parse::<IpAddr>().is_err();
    guid || domain || ["organizations", "common", "consumers"].contains(&tenant)
}

fn is_key(text: &str) -> bool {
    let digits = text.trim_end();
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn day(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(
        |_| "an unknown day".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

#[cfg(test)]
mod tests;
