//! What a person types, parsed once: addresses, user names, networks and protocols.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Failure;

/// RFC 5321, section 4.5.3.1.3, without the brackets.
const MAX_ADDRESS: usize = 254;

/// Fits every device's field and every protocol's line.
const MAX_LOGIN: usize = 128;

/// What people call a device.
const MAX_NAME: usize = 200;

/// The protocols a device can be limited to.
const PROTOCOLS: [&str; 3] = ["smtp", "imap", "pop3"];

/// A mailbox's e-mail address.
pub(super) fn mailbox(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let plausible = text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    let fits = text.len() <= MAX_ADDRESS
        && !text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || "<>,;\"()".contains(c));
    if plausible && fits {
        return Ok(text.to_owned());
    }
    Err(Failure::request(format!(
        "`{}` is not an e-mail address; write it like scans@contoso.com.",
        shown(text)
    )))
}

/// The user name of a device.
pub(super) fn login(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_LOGIN || text.chars().any(char::is_control) {
        return Err(Failure::request(format!(
            "`{}` cannot be a user name: it must have 1 to {MAX_LOGIN} letters and no control \
             characters.",
            shown(text)
        )));
    }
    Ok(text.to_owned())
}

/// What people call a device.
pub(super) fn name(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_NAME || text.chars().any(char::is_control) {
        return Err(Failure::request(format!(
            "`{}` cannot be a device's name: it must have 1 to {MAX_NAME} letters and no control \
             characters.",
            shown(text)
        )));
    }
    Ok(text.to_owned())
}

/// Networks that a device may come from.
pub(super) fn networks(texts: &[String]) -> Result<Vec<IpNet>, Failure> {
    let network = |text: &String| {
        let text = text.trim();
        let network = match text.parse::<IpNet>() {
            Ok(network) => network.trunc(),
            Err(_) => text.parse::<IpAddr>().map(IpNet::from).map_err(|_| {
                Failure::request(format!(
                    "`{}` is not a network; write it like 10.1.7.0/24 or 10.1.7.20.",
                    shown(text)
                ))
            })?,
        };
        Ok(network)
    };
    texts.iter().map(network).collect()
}

/// Whether these networks can stand for a device's password.
pub(super) fn identifying(networks: &[IpNet], gateways: &[IpAddr]) -> Result<(), Failure> {
    if networks.is_empty() {
        return Err(Failure::request(
            "A device without a password needs --networks: it is recognised by its address alone.",
        ));
    }
    for network in networks {
        if network.prefix_len() < widest(network) {
            return Err(Failure::request(format!(
                "{network} is nearly everybody: without a password that would open the mailbox to \
                 the whole network. Name the device's own address."
            )));
        }
        if let Some(gateway) = gateways.iter().find(|gateway| network.contains(*gateway)) {
            return Err(Failure::request(format!(
                "{network} holds {gateway}, this machine's default gateway, and many devices can \
                 come from there under that one address. Name the device's own address."
            )));
        }
    }
    Ok(())
}

/// The widest network that can stand for a password: 10.0.0.0/8, or one site's range of IPv6.
fn widest(network: &IpNet) -> u8 {
    match network {
        IpNet::V4(_) => 8,
        IpNet::V6(_) => 32,
    }
}

/// Protocols that a device may use, in a fixed order; all three are the same as none.
pub(super) fn protocols(texts: &[String]) -> Result<Vec<String>, Failure> {
    let texts: Vec<String> = texts
        .iter()
        .map(|text| text.trim().to_lowercase())
        .collect();
    if let Some(unknown) = texts
        .iter()
        .find(|text| !PROTOCOLS.contains(&text.as_str()))
    {
        return Err(Failure::request(format!(
            "`{}` is not a protocol; it is smtp, imap or pop3.",
            shown(unknown)
        )));
    }
    let named = |protocol: &String| texts.contains(protocol);
    let chosen: Vec<String> = PROTOCOLS
        .map(str::to_owned)
        .into_iter()
        .filter(named)
        .collect();
    Ok(if chosen.len() == PROTOCOLS.len() {
        Vec::new()
    } else {
        chosen
    })
}

/// The protocols of a device, all of them if it has no limit.
pub(super) fn allowed(protocols: &[String]) -> Vec<String> {
    if protocols.is_empty() {
        return PROTOCOLS.map(str::to_owned).to_vec();
    }
    protocols.to_vec()
}

/// What was typed, short and without control characters.
fn shown(text: &str) -> String {
    text.chars()
        .take(80)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn addresses() {
        assert_eq!(mailbox(" Scans@contoso.com ").unwrap(), "Scans@contoso.com");
        for wrong in [
            "",
            "scans",
            "@contoso.com",
            "scans@",
            "a@b@c",
            "a b@c",
            "<a@b>",
            "a@b\r\nX",
        ] {
            assert!(mailbox(wrong).is_err(), "{wrong:?}");
        }
        assert!(mailbox(&format!("{}@b.c", "a".repeat(MAX_ADDRESS))).is_err());
    }

    #[test]
    fn networks_as_people_write_them() {
        let networks = networks(&strings(&["10.1.7.20", "10.1.7.9/24", "2001:db8::/32"])).unwrap();
        let shown: Vec<String> = networks.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.1.7.20/32", "10.1.7.0/24", "2001:db8::/32"]);
        assert!(super::networks(&strings(&["10.1.7.0/33"])).is_err());
    }

    #[test]
    fn a_network_for_a_password_is_never_everybody_and_never_a_gateway() {
        let gateways = ["10.1.7.1".parse().unwrap()];
        let check = |text: &str| identifying(&networks(&strings(&[text])).unwrap(), &gateways);
        assert!(check("10.1.7.20").is_ok());
        assert!(check("10.1.8.0/24").is_ok());
        for wrong in [
            "0.0.0.0/0",
            "128.0.0.0/1",
            "::/0",
            "2000::/3",
            "10.1.7.1",
            "10.1.7.0/24",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert!(identifying(&[], &gateways).is_err());
    }

    #[test]
    fn protocols_in_any_order_and_case() {
        assert_eq!(
            protocols(&strings(&["IMAP", "smtp"])).unwrap(),
            ["smtp", "imap"]
        );
        assert!(
            protocols(&strings(&["pop3", "imap", "smtp"]))
                .unwrap()
                .is_empty()
        );
        assert!(protocols(&strings(&["pop"])).is_err());
        assert_eq!(allowed(&[]), ["smtp", "imap", "pop3"]);
    }
}
