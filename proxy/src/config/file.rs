//! The shapes of the TOML file, as written: nothing is resolved and no default is filled in.

use std::{collections::BTreeMap, path::PathBuf};

use portreeve_auth::Protocol;
use serde::Deserialize;

use super::{ListenerTls, UpstreamTls, limits::LimitsTable, log::LogFormat, presets::Preset};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) hostname: Option<String>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) default_provider: Option<String>,
    pub(super) log: LogTable,
    pub(super) tls: TlsTable,
    pub(super) vault: VaultTable,
    pub(super) limits: LimitsTable,
    pub(super) listener: BTreeMap<String, ListenerTable>,
    pub(super) provider: BTreeMap<String, ProviderTable>,
}

/// `[log]`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct LogTable {
    pub(super) format: Option<LogFormat>,
    pub(super) level: Option<String>,
    pub(super) wire: Option<bool>,
}

/// `[tls]`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct TlsTable {
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) upstream_ca_file: Option<PathBuf>,
}

/// `[vault]`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct VaultTable {
    pub(super) key_file: Option<PathBuf>,
}

/// `[listener.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct ListenerTable {
    pub(super) enabled: Option<bool>,
    pub(super) protocol: Option<ProtocolWord>,
    pub(super) address: Option<String>,
    pub(super) tls: Option<ListenerTls>,
    pub(super) plaintext_login: Option<Vec<String>>,
    pub(super) networks: Option<Vec<String>>,
    pub(super) proxy_protocol_from: Option<Vec<String>>,
    pub(super) auth_equals: Option<bool>,
    pub(super) needs_admin_is_permanent: Option<bool>,
}

/// `protocol` of a listener.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ProtocolWord {
    Smtp,
    Imap,
    Pop3,
}

impl From<ProtocolWord> for Protocol {
    fn from(word: ProtocolWord) -> Self {
        match word {
            ProtocolWord::Smtp => Self::Smtp,
            ProtocolWord::Imap => Self::Imap,
            ProtocolWord::Pop3 => Self::Pop3,
        }
    }
}

/// `[provider.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct ProviderTable {
    pub(super) preset: Option<Preset>,
    pub(super) tenant: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret_file: Option<PathBuf>,
    pub(super) device_authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) imap: EndpointTable,
    pub(super) pop3: EndpointTable,
    pub(super) smtp: EndpointTable,
}

/// `imap`, `pop3` or `smtp` of a provider.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct EndpointTable {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) tls: Option<TlsWord>,
}

/// `tls` of a mail server: there is no way without.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TlsWord {
    Implicit,
    StartTls,
}

impl From<TlsWord> for UpstreamTls {
    fn from(word: TlsWord) -> Self {
        match word {
            TlsWord::Implicit => Self::Implicit,
            TlsWord::StartTls => Self::StartTls,
        }
    }
}
