//! Lists of networks in CIDR form.

use std::net::IpAddr;

use ipnet::IpNet;

/// Some networks; an empty list contains nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads one entry: a network (`192.168.0.0/16`) or a single address (`192.168.1.7`).
    pub(crate) fn parse_one(text: &str) -> Option<IpNet> {
        let text = text.trim();
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .ok()
    }

    /// Whether the list is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address lies in one of the networks. An IPv4 address that a dual-stack socket
    /// shows as `::ffff:a.b.c.d` counts as the IPv4 address it is.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The networks, in the order of the file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &IpNet> {
        self.0.iter()
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_counts_as_ipv4() {
        let networks: Networks = Networks::parse_one("192.168.0.0/16").into_iter().collect();
        assert!(networks.contains("::ffff:192.168.3.4".parse().unwrap()));
        assert!(!networks.contains("::ffff:10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_single_address_is_a_network_of_one() {
        let networks: Networks = Networks::parse_one("10.1.2.3").into_iter().collect();
        assert!(networks.contains("10.1.2.3".parse().unwrap()));
        assert!(!networks.contains("10.1.2.4".parse().unwrap()));
        assert_eq!(Networks::parse_one("10.1.2.0/33"), None);
    }
}
