//! The settings card: what a person types into a device's mail settings.
//!
//! Only what is said; how it is printed is the command line's and the page's business.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Bound, Password};

/// A settings card.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Card {
    /// The user name; `None` for a device that is recognised by its network.
    pub(crate) user: Option<String>,
    /// The password, only where it was just made or given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Password>,
    /// Where each protocol is served.
    pub(crate) servers: Vec<Server>,
    /// What else the person should know.
    pub(crate) remarks: Vec<String>,
}

/// One way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Server {
    /// `SMTP`, `IMAP` or `POP3`.
    pub(crate) protocol: String,
    /// The host to type.
    pub(crate) host: String,
    /// The same host as an address, for devices without DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
    /// The port to type.
    pub(crate) port: u16,
    /// The encryption as printers call it.
    pub(crate) encryption: String,
}

/// What a card is made from.
pub(crate) struct Site<'a> {
    /// The name that devices know this machine by.
    pub(crate) hostname: &'a str,
    /// The listeners.
    pub(crate) listeners: &'a [Bound],
    /// The machine's own addresses, where a listener takes them all.
    pub(crate) own_addresses: Vec<IpAddr>,
    /// Whether these are bound now, or would be if the daemon ran.
    pub(crate) running: bool,
    /// Whether the certificates come from Portreeve's own authority.
    pub(crate) own_authority: bool,
}

const LOOPBACK_ONLY: &str = "These settings work only for programs on this same machine, because \
    Portreeve listens on loopback only. For devices on the network start it with `portreeve run \
    --lan`, or give the listeners an `address` in the configuration, and show this card again with \
    `portreeve device show`.";
const CERTIFICATE: &str = "If the device checks certificates, import the one from `portreeve ca \
    export` into it.";

impl Site<'_> {
    /// The card for a device that may use these protocols (`smtp`, `imap`, `pop3`).
    pub(crate) fn card(
        &self,
        user: Option<String>,
        password: Option<Password>,
        protocols: &[String],
    ) -> Card {
        let mut offers: Vec<&Bound> = self
            .listeners
            .iter()
            .filter(|bound| protocols.contains(&bound.protocol))
            .collect();
        // SMTP first: most devices send only. For each protocol the encrypted ways first.
        offers.sort_by_key(|bound| {
            (
                rank(&bound.protocol),
                bound.tls == "off",
                bound.address.port(),
            )
        });
        let reachable = offers.iter().any(|bound| !bound.address.ip().is_loopback());
        let mut remarks = Vec::new();
        if offers.is_empty() {
            remarks.push(format!(
                "No listener serves {}; add one to the configuration.",
                protocols.join(", ")
            ));
        } else if !reachable {
            remarks.push(LOOPBACK_ONLY.to_owned());
        }
        if reachable {
            offers.retain(|bound| !bound.address.ip().is_loopback());
            if means_this_machine(self.hostname) {
                remarks.push(format!(
                    "`{}` means the device itself when a device uses it: set `hostname` in the \
                     configuration to the name that devices know this machine by.",
                    self.hostname
                ));
            }
        }
        if user.is_none() {
            remarks.push(
                "No user name and no password: switch authentication off on the device.".to_owned(),
            );
        }
        if self.own_authority && offers.iter().any(|bound| bound.tls != "off") {
            remarks.push(CERTIFICATE.to_owned());
        }
        if !self.running {
            remarks.push("The daemon is not running; start it with `portreeve run`.".to_owned());
        }
        Card {
            user,
            password,
            servers: offers.into_iter().map(|bound| self.server(bound)).collect(),
            remarks,
        }
    }

    fn server(&self, bound: &Bound) -> Server {
        let ip = bound.address.ip();
        let outside = if ip.is_unspecified() {
            self.own_address()
        } else {
            Some(ip)
        };
        let (host, address) = match outside {
            _ if ip.is_loopback() => (ip.to_string(), None),
            Some(outside) if means_this_machine(self.hostname) => (outside.to_string(), None),
            outside => (self.hostname.to_owned(), outside),
        };
        Server {
            protocol: bound.protocol.to_uppercase(),
            host,
            address,
            port: bound.address.port(),
            encryption: match bound.tls.as_str() {
                "implicit" => "SSL/TLS",
                "starttls" => "STARTTLS",
                _ => "none",
            }
            .to_owned(),
        }
    }

    /// The address to type where there is no name: old panels know no IPv6.
    fn own_address(&self) -> Option<IpAddr> {
        let mut addresses = self.own_addresses.iter().copied();
        addresses
            .find(IpAddr::is_ipv4)
            .or_else(|| self.own_addresses.first().copied())
    }
}

fn rank(protocol: &str) -> usize {
    ["smtp", "imap", "pop3"]
        .iter()
        .position(|p| *p == protocol)
        .unwrap_or(3)
}

/// Names that every machine uses for itself.
fn means_this_machine(host: &str) -> bool {
    let host = host.to_lowercase();
    host == "localhost"
        || host.starts_with("localhost.")
        || host.ends_with(".localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(protocol: &str, tls: &str, address: &str) -> Bound {
        Bound {
            name: format!("{protocol}-{tls}"),
            protocol: protocol.into(),
            tls: tls.into(),
            address: address.parse().unwrap(),
        }
    }

    fn site<'a>(hostname: &'a str, listeners: &'a [Bound]) -> Site<'a> {
        Site {
            hostname,
            listeners,
            own_addresses: vec!["2001:db8::7".parse().unwrap(), "10.9.9.9".parse().unwrap()],
            running: true,
            own_authority: true,
        }
    }

    fn all() -> Vec<String> {
        ["smtp", "imap", "pop3"].map(String::from).to_vec()
    }

    fn lines(card: &Card) -> Vec<String> {
        card.servers
            .iter()
            .map(|s| format!("{} {}:{} {}", s.protocol, s.host, s.port, s.encryption))
            .collect()
    }

    #[test]
    fn on_the_network_the_card_shows_the_name_and_never_loopback() {
        let listeners = [
            bound("imap", "starttls", "0.0.0.0:1143"),
            bound("smtp", "implicit", "0.0.0.0:1465"),
            bound("smtp", "starttls", "10.1.2.3:1587"),
            bound("smtp", "off", "127.0.0.1:25"),
        ];
        let card = site("gw.contoso.lan", &listeners).card(Some("scan2".into()), None, &all());
        assert_eq!(
            lines(&card),
            [
                "SMTP gw.contoso.lan:1465 SSL/TLS",
                "SMTP gw.contoso.lan:1587 STARTTLS",
                "IMAP gw.contoso.lan:1143 STARTTLS",
            ]
        );
        assert_eq!(card.servers[1].address, Some("10.1.2.3".parse().unwrap()));
        assert_eq!(card.remarks, [CERTIFICATE]);
    }

    #[test]
    fn on_loopback_the_card_says_for_whom_it_is() {
        let listeners = [
            bound("smtp", "starttls", "127.0.0.1:1587"),
            bound("pop3", "implicit", "[::1]:1995"),
        ];
        let card = site("gw.contoso.lan", &listeners).card(Some("scan2".into()), None, &all());
        assert_eq!(
            lines(&card),
            ["SMTP 127.0.0.1:1587 STARTTLS", "POP3 ::1:1995 SSL/TLS"]
        );
        assert_eq!(card.remarks, [LOOPBACK_ONLY, CERTIFICATE]);
    }

    #[test]
    fn a_host_name_that_means_the_device_itself_is_not_shown_silently() {
        let listeners = [
            bound("smtp", "starttls", "10.1.2.3:1587"),
            bound("imap", "starttls", "0.0.0.0:1143"),
        ];
        for name in ["localhost", "localhost.localdomain", "127.0.1.1", "::1"] {
            let card = site(name, &listeners).card(Some("x".into()), None, &all());
            assert_eq!(card.servers[0].host, "10.1.2.3");
            // Bound to all addresses: the one that a panel without IPv6 can take.
            assert_eq!(card.servers[1].host, "10.9.9.9");
            assert!(card.remarks[0].contains("set `hostname`"), "{name}");
        }
    }

    #[test]
    fn only_the_protocols_that_the_device_may_use() {
        let listeners = [
            bound("smtp", "starttls", "0.0.0.0:1587"),
            bound("imap", "starttls", "0.0.0.0:1143"),
        ];
        let smtp = ["smtp".to_owned()];
        let card = site("gw", &listeners).card(None, None, &smtp);
        assert_eq!(lines(&card), ["SMTP gw:1587 STARTTLS"]);
        assert!(card.remarks[0].contains("switch authentication off"));
        let pop3 = ["pop3".to_owned()];
        let card = site("gw", &listeners).card(None, None, &pop3);
        assert_eq!(
            card.remarks[0],
            "No listener serves pop3; add one to the configuration."
        );
    }
}
