//! Providers of the file over the presets: who issues tokens, and where the mail is.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use portreeve_auth::{Protocol, Provider, ProviderKind, Providers};
pub(crate) use portreeve_protocols::UpstreamTls;
use secrecy::SecretString;

use super::{
    Finding,
    file::{EndpointTable, File, ProviderTable},
    presets::{Facts, Preset},
    source::{Source, suggestion},
};

/// Where a provider's mail is, and what its servers can do after the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailServers {
    pub(crate) imap: Endpoint,
    pub(crate) pop3: Endpoint,
    pub(crate) smtp: Endpoint,
    /// Whether its SMTP server takes SMTPUTF8.
    pub(crate) smtp_utf8: bool,
    /// What its IMAP server can do, beyond the protocol itself.
    pub(crate) imap_capabilities: &'static [&'static str],
}

impl MailServers {
    /// The server for a protocol.
    pub(crate) fn endpoint(&self, protocol: Protocol) -> &Endpoint {
        match protocol {
            Protocol::Imap => &self.imap,
            Protocol::Pop3 => &self.pop3,
            Protocol::Smtp => &self.smtp,
        }
    }
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: UpstreamTls,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// All providers, resolved.
pub(super) struct Resolved {
    pub(super) default: String,
    pub(super) providers: Providers,
    pub(super) mail_servers: BTreeMap<String, MailServers>,
    pub(super) presets: BTreeMap<String, Preset>,
    pub(super) secret_files: BTreeMap<String, PathBuf>,
}

/// The provider when the file names none.
const DEFAULT: &str = "exchange-online";

pub(super) fn resolve(
    file: &File,
    folder: &Path,
    source: &Source,
    findings: &mut Vec<Finding>,
) -> Resolved {
    let untouched = ProviderTable::default();
    let mut providers = BTreeMap::new();
    let mut mail_servers = BTreeMap::new();
    let mut presets = BTreeMap::new();
    let mut secret_files = BTreeMap::new();
    let ready = Preset::READY.into_iter().map(|preset| preset.facts().name);
    let mut names: Vec<&str> = ready
        .chain(file.provider.keys().map(String::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in &names {
        let table = file.provider.get(*name).unwrap_or(&untouched);
        let Some(preset) = table.preset.or_else(|| Preset::named(name)) else {
            findings.push(source.wrong(
                &["provider", name],
                "needs \"preset\", for example preset = \"exchange-online\" or preset = \"oidc\"",
            ));
            continue;
        };
        presets.insert((*name).to_owned(), preset);
        if let Some(file) = &table.client_secret_file {
            secret_files.insert((*name).to_owned(), folder.join(file));
        }
        let one = One {
            name,
            table,
            folder,
            source,
        };
        providers.insert((*name).to_owned(), one.provider(preset.facts(), findings));
        if let Some(servers) = one.mail_servers(&preset.facts(), findings) {
            mail_servers.insert((*name).to_owned(), servers);
        }
    }
    let default = file
        .default_provider
        .clone()
        .unwrap_or_else(|| DEFAULT.to_owned());
    if !providers.contains_key(&default) {
        findings.push(source.wrong(
            &["default-provider"],
            format!(
                "is \"{default}\", which does not exist; {}",
                suggestion(&default, &names)
            ),
        ));
    }
    Resolved {
        default,
        providers: Providers(providers),
        mail_servers,
        presets,
        secret_files,
    }
}

/// One provider of the file.
struct One<'a> {
    name: &'a str,
    table: &'a ProviderTable,
    folder: &'a Path,
    source: &'a Source,
}

impl One<'_> {
    fn provider(&self, facts: Facts, findings: &mut Vec<Finding>) -> Provider {
        let table = self.table;
        let kind = if facts.entra {
            ProviderKind::Entra
        } else {
            ProviderKind::Oidc
        };
        let mut url = |key: &str, set: &Option<String>| {
            if let Some(url) = set {
                self.check_url(key, url, findings);
            }
            set.clone()
        };
        let device = url(
            "device-authorization-endpoint",
            &table.device_authorization_endpoint,
        );
        let token = url("token-endpoint", &table.token_endpoint);
        let issuer = url("issuer", &table.issuer).or(facts.issuer.map(str::to_owned));
        let device = device.or(facts.device_authorization_endpoint);
        let token = token.or(facts.token_endpoint);
        if issuer.is_none() && (device.is_none() || token.is_none()) {
            findings.push(self.wrong(
                &[],
                "needs \"issuer\", or both \"device-authorization-endpoint\" and \"token-endpoint\"",
            ));
        }
        Provider {
            name: self.name.to_owned(),
            kind,
            tenant: self
                .text("tenant", table.tenant.as_ref(), findings)
                .or(facts.tenant.map(str::to_owned)),
            client_id: self.text("client-id", table.client_id.as_ref(), findings),
            client_secret: table
                .client_secret_file
                .as_ref()
                .and_then(|file| self.secret(file, findings)),
            scopes: table.scopes.clone().unwrap_or(facts.scopes),
            device_authorization_endpoint: device,
            token_endpoint: token,
            issuer,
        }
    }

    fn mail_servers(&self, facts: &Facts, findings: &mut Vec<Finding>) -> Option<MailServers> {
        let imap = self.endpoint("imap", &self.table.imap, facts.imap.as_ref(), 993, findings);
        let pop3 = self.endpoint("pop3", &self.table.pop3, facts.pop3.as_ref(), 995, findings);
        let smtp = self.endpoint("smtp", &self.table.smtp, facts.smtp.as_ref(), 465, findings);
        Some(MailServers {
            imap: imap?,
            pop3: pop3?,
            smtp: smtp?,
            smtp_utf8: facts.smtp_utf8,
            imap_capabilities: facts.imap_capabilities,
        })
    }

    /// Host, port and TLS one by one over the preset; a new host starts from the usual port.
    fn endpoint(
        &self,
        key: &str,
        table: &EndpointTable,
        preset: Option<&Endpoint>,
        usual: u16,
        findings: &mut Vec<Finding>,
    ) -> Option<Endpoint> {
        let host = table
            .host
            .clone()
            .or(preset.map(|preset| preset.host.clone()));
        let Some(host) = host.filter(|host| !host.is_empty()) else {
            findings.push(self.wrong(
                &[key],
                format!("has no host, for example {key} = {{ host = \"{key}.example.com\" }}"),
            ));
            return None;
        };
        if table.port == Some(0) {
            findings.push(self.wrong(&[key, "port"], "must lie between 1 and 65535, not 0"));
        }
        let tls = table
            .tls
            .map(UpstreamTls::from)
            .or(preset.map(|preset| preset.tls))
            .unwrap_or(UpstreamTls::Implicit);
        let port = table
            .port
            .or(preset.map(|preset| preset.port))
            .unwrap_or(usual);
        Some(Endpoint { host, port, tls })
    }

    /// Tenants and client ids go into addresses and forms as they are.
    fn text(&self, key: &str, set: Option<&String>, findings: &mut Vec<Finding>) -> Option<String> {
        let text = set?.clone();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._@:".contains(&byte);
        if text.is_empty() || !text.bytes().all(fits) {
            findings.push(self.wrong(
                &[key],
                format!("is \"{text}\": that is neither an id nor a domain"),
            ));
        }
        Some(text)
    }

    fn check_url(&self, key: &str, url: &str, findings: &mut Vec<Finding>) {
        let loopback = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
        let plain = loopback.iter().any(|start| {
            url.strip_prefix(start)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        });
        if !url.starts_with("https://") && !plain {
            findings.push(self.wrong(
                &[key],
                format!("is \"{url}\": it must start with https:// (http:// only on loopback)"),
            ));
        }
    }

    fn secret(&self, file: &PathBuf, findings: &mut Vec<Finding>) -> Option<SecretString> {
        let file = self.folder.join(file);
        match std::fs::read_to_string(&file) {
            Ok(text) if !text.trim().is_empty() => Some(text.trim().to_owned().into()),
            Ok(_) => {
                findings.push(self.wrong(
                    &["client-secret-file"],
                    format!("names {}, which is empty", file.display()),
                ));
                None
            }
            Err(error) => {
                findings.push(self.wrong(
                    &["client-secret-file"],
                    format!("names {}, which cannot be read: {error}", file.display()),
                ));
                None
            }
        }
    }

    fn wrong(&self, keys: &[&str], text: impl AsRef<str>) -> Finding {
        let mut path = vec!["provider", self.name];
        path.extend(keys);
        self.source.wrong(&path, text)
    }
}
