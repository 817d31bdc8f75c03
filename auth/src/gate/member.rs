//! A device as the gate needs it: networks and protocols read, mailboxes at hand.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use portreeve_state::{Device, Mailbox, Password};

use crate::gate::{Admitted, Login, Protocol, TurnedCause};

/// A device and the mailboxes that it may use; the first is its default.
pub(crate) struct Member {
    pub(crate) device: Arc<Device>,
    pub(crate) mailboxes: Vec<Arc<Mailbox>>,
    networks: Vec<IpNet>,
    protocols: Vec<Protocol>,
}

impl Member {
    /// What cannot be read shuts the device out rather than in: an unreadable network or protocol
    /// leaves a list that nothing matches.
    pub(crate) fn new(device: Arc<Device>, mailboxes: Vec<Arc<Mailbox>>) -> Self {
        Self {
            networks: device.networks.iter().filter_map(|n| network(n)).collect(),
            protocols: device
                .protocols
                .iter()
                .filter_map(|p| p.parse().ok())
                .collect(),
            device,
            mailboxes,
        }
    }

    pub(crate) fn with_mailboxes(&self, mailboxes: Vec<Arc<Mailbox>>) -> Self {
        Self::new(Arc::clone(&self.device), mailboxes)
    }

    /// After the password: may this device do this, from there, as that mailbox?
    pub(crate) fn admit(
        &self,
        login: &Login<'_>,
        peer: IpAddr,
        protocol: Protocol,
    ) -> Result<Admitted, TurnedCause> {
        if !self.device.enabled {
            return Err(TurnedCause::Disabled);
        }
        if !self.device.networks.is_empty() && !self.comes_from(peer) {
            return Err(TurnedCause::NetworkNotAllowed);
        }
        if !self.device.protocols.is_empty() && !self.protocols.contains(&protocol) {
            return Err(TurnedCause::ProtocolNotAllowed);
        }
        Ok(Admitted {
            device: Arc::clone(&self.device),
            mailbox: self.mailbox(login).ok_or(TurnedCause::NotBound)?,
        })
    }

    /// Whether the network alone says that it is this device.
    pub(crate) fn is_known_by(&self, peer: IpAddr) -> bool {
        matches!(self.device.password, Password::None) && self.comes_from(peer)
    }

    fn comes_from(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&peer))
    }

    fn mailbox(&self, login: &Login<'_>) -> Option<Arc<Mailbox>> {
        let wanted = login
            .authorization
            .map(str::to_lowercase)
            .filter(|wanted| !wanted.is_empty());
        let found = match &wanted {
            None => self.mailboxes.first(),
            Some(wanted) => self
                .mailboxes
                .iter()
                .find(|mailbox| mailbox.address.to_lowercase() == *wanted)
                // Asking to be oneself is asking for nothing.
                .or_else(|| {
                    (*wanted == login.user.to_lowercase())
                        .then(|| self.mailboxes.first())
                        .flatten()
                }),
        };
        found.cloned()
    }
}

/// A network in CIDR form or a single address; mapped IPv4 is IPv4.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical().into());
    }
    let network: IpNet = text.parse().ok()?;
    match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => {
            let IpAddr::V4(v4) = IpAddr::V6(v6.addr()).to_canonical() else {
                return Some(network);
            };
            IpNet::new(v4.into(), v6.prefix_len() - 96).ok()
        }
        _ => Some(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_in_every_form() {
        let contains = |net: &str, ip: &str| {
            network(net)
                .unwrap()
                .contains(&ip.parse::<IpAddr>().unwrap().to_canonical())
        };
        assert!(contains("192.0.2.0/24", "192.0.2.9"));
        assert!(contains("192.0.2.9", "::ffff:192.0.2.9"));
        assert!(contains("::ffff:192.0.2.0/120", "192.0.2.9"));
        assert!(contains(" 2001:db8::/32 ", "2001:db8::1"));
        assert!(!contains("192.0.2.0/24", "192.0.3.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(network("somewhere").is_none());
        assert!(network("192.0.2.0/33").is_none());
    }
}
