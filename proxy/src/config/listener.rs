//! Where devices connect, and what each door lets in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use portreeve_auth::Protocol;
use portreeve_protocols::Channel;
use serde::Deserialize;

use super::{
    Networks, Overrides,
    file::{File, ListenerTable},
    finding::Finding,
    source::{Source, suggestion},
};

/// A door for devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Its name in the file, `smtp` for example.
    pub(crate) name: String,
    /// What is spoken there.
    pub(crate) protocol: Protocol,
    /// Where it listens; port 0 lets the system choose.
    pub(crate) address: SocketAddr,
    /// When TLS starts.
    pub(crate) tls: ListenerTls,
    /// Who may log in without TLS.
    pub(crate) plaintext_login: Networks,
    /// Who may connect; `None` for everybody.
    pub(crate) networks: Option<Networks>,
    /// Balancers that put a PROXY header before each connection.
    pub(crate) proxy_protocol_from: Networks,
    /// SMTP: whether EHLO also shows `AUTH=LOGIN PLAIN`, the form that old devices look for.
    pub(crate) auth_equals: bool,
    /// SMTP: whether a mailbox that needs an admin is told as `535` instead of `454`, after which a
    /// device keeps its mail.
    pub(crate) needs_admin_is_permanent: bool,
}

/// When TLS starts on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ListenerTls {
    /// When the device asks for it.
    StartTls,
    /// At once.
    Implicit,
    /// Never.
    Off,
}

impl Listener {
    /// What a device at this address may do before TLS.
    pub(crate) fn plain_channel(&self, peer: IpAddr) -> Channel {
        Channel::Plain {
            upgrade: self.tls == ListenerTls::StartTls,
            login: self.plaintext_login.contains(peer),
        }
    }

    /// Whether this address may connect at all.
    pub(crate) fn lets_in(&self, peer: IpAddr) -> bool {
        self.networks
            .as_ref()
            .is_none_or(|networks| networks.contains(peer))
    }
}

impl std::fmt::Display for ListenerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::StartTls => "starttls",
            Self::Implicit => "implicit",
            Self::Off => "off",
        })
    }
}

/// The listeners that exist without any file: name, protocol, port on loopback, TLS.
const DEFAULTS: [(&str, Protocol, u16, ListenerTls); 6] = [
    ("smtp", Protocol::Smtp, 1587, ListenerTls::StartTls),
    ("smtps", Protocol::Smtp, 1465, ListenerTls::Implicit),
    ("imap", Protocol::Imap, 1143, ListenerTls::StartTls),
    ("imaps", Protocol::Imap, 1993, ListenerTls::Implicit),
    ("pop3", Protocol::Pop3, 1110, ListenerTls::StartTls),
    ("pop3s", Protocol::Pop3, 1995, ListenerTls::Implicit),
];

/// The listeners of a file over the default ones, those that are switched off left out.
pub(super) fn resolve(
    file: &File,
    source: &Source,
    overrides: &Overrides,
    findings: &mut Vec<Finding>,
) -> Vec<Listener> {
    let untouched = ListenerTable::default();
    let mut listeners = Vec::new();
    for (name, protocol, port, tls) in DEFAULTS {
        let table = file.listener.get(name).unwrap_or(&untouched);
        let default = BuiltIn {
            protocol,
            port,
            tls,
        };
        listeners.extend(one(name, table, Some(default), source, overrides, findings));
    }
    let added = |name: &str| DEFAULTS.iter().all(|default| default.0 != name);
    for (name, table) in file.listener.iter().filter(|(name, _)| added(name)) {
        listeners.extend(one(name, table, None, source, overrides, findings));
    }
    for (index, listener) in listeners.iter().enumerate() {
        let twin = listeners[..index]
            .iter()
            .find(|other| other.address == listener.address && listener.address.port() != 0);
        if let Some(twin) = twin {
            // Blamed is the one that the file moved there.
            let named = source.has(&["listener", &listener.name]);
            let (blamed, other) = if named {
                (listener, twin)
            } else {
                (twin, listener)
            };
            findings.push(source.wrong(
                &["listener", &blamed.name, "address"],
                format!(
                    "is {}, which [listener.{}] already has",
                    blamed.address, other.name
                ),
            ));
        }
    }
    listeners
}

struct BuiltIn {
    protocol: Protocol,
    port: u16,
    tls: ListenerTls,
}

fn one(
    name: &str,
    table: &ListenerTable,
    default: Option<BuiltIn>,
    source: &Source,
    overrides: &Overrides,
    findings: &mut Vec<Finding>,
) -> Option<Listener> {
    if table.enabled == Some(false) {
        return None;
    }
    let protocol = table
        .protocol
        .map(Protocol::from)
        .or(default.as_ref().map(|default| default.protocol));
    let address = match (&table.address, &default) {
        (Some(text), _) => address(name, text, source, findings),
        (None, Some(default)) => Some(default_address(default.port, overrides)),
        (None, None) => None,
    };
    if default.is_none() {
        let names: Vec<&str> = DEFAULTS.iter().map(|default| default.0).collect();
        let hint = suggestion(name, &names);
        let mut lacks = |key: &str, example: &str| {
            let hint = if hint.starts_with("did") {
                format!("; {hint}")
            } else {
                String::new()
            };
            findings.push(source.wrong(
                &["listener", name],
                format!("is not one of the listeners that exist anyway, and needs \"{key}\", for example {key} = \"{example}\"{hint}"),
            ));
        };
        if table.protocol.is_none() {
            lacks("protocol", "smtp");
        }
        if table.address.is_none() {
            lacks("address", "0.0.0.0:587");
        }
    }
    let mut list = |key: &str, entries: &Option<Vec<String>>| -> Option<Networks> {
        let entries = entries.as_ref()?;
        let networks = entries.iter().filter_map(|entry| {
            let network = Networks::parse_one(entry);
            if network.is_none() {
                findings.push(source.wrong(
                    &["listener", name, key],
                    format!("holds \"{entry}\", which is no network; write it like \"192.168.0.0/16\" or \"192.168.1.7\""),
                ));
            }
            network
        });
        Some(networks.collect())
    };
    let plaintext_login = list("plaintext-login", &table.plaintext_login).unwrap_or_else(loopback);
    let networks = list("networks", &table.networks).filter(|networks| !networks.is_empty());
    let proxy_protocol_from =
        list("proxy-protocol-from", &table.proxy_protocol_from).unwrap_or_default();
    Some(Listener {
        name: name.to_owned(),
        protocol: protocol?,
        address: address?,
        tls: table
            .tls
            .or(default.map(|default| default.tls))
            .unwrap_or(ListenerTls::StartTls),
        plaintext_login,
        networks,
        proxy_protocol_from,
        auth_equals: table.auth_equals.unwrap_or(true),
        needs_admin_is_permanent: table.needs_admin_is_permanent.unwrap_or(false),
    })
}

fn address(
    name: &str,
    text: &str,
    source: &Source,
    findings: &mut Vec<Finding>,
) -> Option<SocketAddr> {
    let parsed = text.parse().ok();
    if parsed.is_none() {
        let hint = match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => format!("has no port; write it like \"{ip}:587\""),
            Ok(IpAddr::V6(ip)) => format!("has no port; write it like \"[{ip}]:587\""),
            Err(_) => {
                "is no address with a port; write it like \"127.0.0.1:1587\" or \"[::]:1587\""
                    .to_owned()
            }
        };
        findings.push(source.wrong(
            &["listener", name, "address"],
            format!("is \"{text}\": that {hint}"),
        ));
    }
    parsed
}

/// Loopback, or with `--lan` every address of the machine: one dual-stack socket takes IPv4 too.
fn default_address(port: u16, overrides: &Overrides) -> SocketAddr {
    let ip = match (overrides.lan, overrides.lan && ipv6_exists()) {
        (false, _) => Ipv4Addr::LOCALHOST.into(),
        (true, true) => Ipv6Addr::UNSPECIFIED.into(),
        (true, false) => Ipv4Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, port)
}

fn ipv6_exists() -> bool {
    std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok()
}

fn loopback() -> Networks {
    ["127.0.0.0/8", "::1/128"]
        .into_iter()
        .filter_map(Networks::parse_one)
        .collect()
}
