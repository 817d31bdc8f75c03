//! Addresses of the envelope.
//!
//! Whether an address exists, or may be used, is not decided here.

use std::fmt;

/// The mailbox part of an envelope path, without angle brackets and source route.
///
/// It never holds CR, LF, NUL or another control character, nor an angle bracket or blank outside
/// quotes: it can stand in a command as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address(String);

/// An address that cannot stand in an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Nothing where an address is needed.
    #[error("the address is empty")]
    Empty,
    /// Beyond a limit of RFC 5321 section 4.5.3.1.
    #[error("the address is too long")]
    TooLong,
    /// More than one `@` outside quotes.
    #[error("the address has more than one @")]
    TwoAts,
    /// A character that may not stand there, or a quote that does not end.
    #[error("the address has a character that may not stand there")]
    BadCharacter,
}

/// RFC 5321 section 4.5.3.1.1.
pub const LOCAL_OCTETS: usize = 64;
/// RFC 5321 section 4.5.3.1.2.
pub const DOMAIN_OCTETS: usize = 255;
/// RFC 5321 section 4.5.3.1.3, less the two angle brackets.
pub const MAILBOX_OCTETS: usize = 254;

impl Address {
    /// Reads the inside of an envelope path; a source route (`@a,@b:`) and blanks around it are
    /// dropped. An address without a domain is taken, as devices send `<scanner>`.
    pub fn parse(path: &str) -> Result<Self, BadAddress> {
        let mailbox = without_route(path.trim_matches([' ', '\t']));
        if mailbox.is_empty() {
            return Err(BadAddress::Empty);
        }
        let (local, domain) = split(mailbox)?;
        if mailbox.len() > MAILBOX_OCTETS
            || local.len() > LOCAL_OCTETS
            || domain.is_some_and(|domain| domain.len() > DOMAIN_OCTETS)
        {
            return Err(BadAddress::TooLong);
        }
        if !domain.is_none_or(is_domain) {
            return Err(BadAddress::BadCharacter);
        }
        Ok(Self(mailbox.to_owned()))
    }

    /// The address as it stands in the envelope.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part behind the `@`.
    pub fn domain(&self) -> Option<&str> {
        split(&self.0).ok()?.1
    }

    /// Whether it needs SMTPUTF8 (RFC 6531).
    pub fn is_ascii(&self) -> bool {
        self.0.is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Drops a source route (RFC 5321 appendix C): `@one,@two:user@host` means `user@host`.
fn without_route(path: &str) -> &str {
    match path.split_once(':') {
        Some((_, mailbox)) if path.starts_with('@') => mailbox,
        _ => path,
    }
}

/// Splits at the `@` outside quotes, checking the local part on the way.
fn split(mailbox: &str) -> Result<(&str, Option<&str>), BadAddress> {
    let mut quoted = false;
    let mut escaped = false;
    let mut at = None;
    for (i, c) in mailbox.char_indices() {
        if c.is_control() {
            return Err(BadAddress::BadCharacter);
        }
        if escaped {
            escaped = false;
        } else if quoted {
            quoted = c != '"';
            escaped = c == '\\';
        } else {
            match c {
                '@' if at.is_some() => return Err(BadAddress::TwoAts),
                '@' => at = Some(i),
                '"' if at.is_none() => quoted = true,
                // A domain literal such as `[IPv6:::1]` is checked with the domain.
                '[' | ']' | ':' if at.is_some() => {}
                '"' | '<' | '>' | '(' | ')' | '[' | ']' | '\\' | ',' | ';' | ':' => {
                    return Err(BadAddress::BadCharacter);
                }
                c if c.is_whitespace() => return Err(BadAddress::BadCharacter),
                _ => {}
            }
        }
    }
    if quoted || escaped || at == Some(0) {
        return Err(BadAddress::BadCharacter);
    }
    Ok(match at {
        Some(at) => (&mailbox[..at], Some(&mailbox[at + 1..])),
        None => (mailbox, None),
    })
}

/// A host name, with the underscores of devices, or an address literal in square brackets.
fn is_domain(domain: &str) -> bool {
    if let Some(literal) = domain.strip_prefix('[') {
        return literal.strip_suffix(']').is_some_and(|literal| {
            !literal.is_empty()
                && literal
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b".:-".contains(&b))
        });
    }
    !domain.is_empty()
        && domain
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c) || !c.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_rfc_5321() {
        let of = |local: usize, domain: usize| {
            Address::parse(&format!("{}@{}", "l".repeat(local), "d".repeat(domain))).map(drop)
        };
        assert_eq!(of(64, 189), Ok(()));
        assert_eq!(of(64, 190), Err(BadAddress::TooLong));
        assert_eq!(of(65, 1), Err(BadAddress::TooLong));
        assert_eq!(of(1, 252), Ok(()));
    }

    #[test]
    fn what_cannot_stand_in_an_envelope() {
        for bad in [
            "a\r\nRCPT TO:<b@c>",
            "a\n@b",
            "a\0@b",
            "a@b\r",
            "\"a\r\n\"@b",
            "a\u{85}@b",
            "a b@c",
            "a@b c",
            "a<@b",
            "a>@b",
            "a@b>",
            "\"a@b",
            "\"a\\",
            "a\\@b",
            "a@[1.2.3.4",
            "a@[]",
            "a@[x<]",
            "a@b,c@d",
            "a;b@c",
            "a@b:25",
            "(x)a@b",
            "a@\"b\"",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn parts_of_an_address() {
        let address = Address::parse(" @r1,@r2:\"a@b\"@c.d ").unwrap();
        assert_eq!(address.as_str(), "\"a@b\"@c.d");
        assert_eq!(address.domain(), Some("c.d"));
        assert_eq!(address.to_string(), address.as_str());
        assert_eq!(Address::parse("root").unwrap().domain(), None);
        assert_eq!(
            Address::parse("FAX=+49/30@gw.lan").unwrap().domain(),
            Some("gw.lan")
        );
        assert!(!Address::parse("\u{e4}@b").unwrap().is_ascii());
        assert_eq!(Address::parse(" "), Err(BadAddress::Empty));
        assert_eq!(Address::parse("@r:"), Err(BadAddress::Empty));
    }
}
