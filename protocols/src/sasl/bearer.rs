//! XOAUTH2 and OAUTHBEARER (RFC 7628): a token on its way to the exchange.

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// A mechanism that carries a bearer token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Microsoft's and Google's own; what Exchange Online speaks.
    Xoauth2,
    /// RFC 7628, for providers that offer only that.
    Oauthbearer,
}

/// Who logs in to the exchange, and with which token.
#[derive(Clone)]
pub struct Bearer {
    /// The mailbox, as it stands in `user=`.
    user: String,
    token: SecretString,
    host: String,
    port: u16,
}

/// A user name with a control character cannot stand in a bearer response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the mailbox name holds a control character")]
pub struct BadUser;

impl Bearer {
    /// `host` and `port` are those of the exchange; only OAUTHBEARER names them.
    pub fn new(user: &str, token: SecretString, host: &str, port: u16) -> Result<Self, BadUser> {
        if user.chars().any(char::is_control) {
            return Err(BadUser);
        }
        Ok(Self {
            user: user.to_owned(),
            token,
            host: host.to_owned(),
            port,
        })
    }

    /// The response in base64, on one line, without a line end.
    pub fn response(&self, mechanism: Mechanism) -> Zeroizing<String> {
        let token = self.token.expose_secret();
        let plain = Zeroizing::new(match mechanism {
            Mechanism::Xoauth2 => format!("user={}\x01auth=Bearer {token}\x01\x01", self.user),
            Mechanism::Oauthbearer => format!(
                "n,a={},\x01host={}\x01port={}\x01auth=Bearer {token}\x01\x01",
                self.user.replace('=', "=3D").replace(',', "=2C"),
                self.host,
                self.port,
            ),
        });
        Zeroizing::new(STANDARD.encode(plain.as_bytes()))
    }

    /// The server's words without our token in them, should it send it back.
    pub fn scrub(&self, words: &str) -> String {
        if self.token.expose_secret().is_empty() {
            return words.to_owned();
        }
        let mut clean = words.replace(self.token.expose_secret(), "<credentials>");
        for mechanism in [Mechanism::Xoauth2, Mechanism::Oauthbearer] {
            clean = clean.replace(self.response(mechanism).as_str(), "<credentials>");
        }
        clean
    }
}

impl Mechanism {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xoauth2 => "XOAUTH2",
            Self::Oauthbearer => "OAUTHBEARER",
        }
    }

    /// The mechanism to use out of those a server offers; XOAUTH2 where there is a choice.
    pub fn choose<'a>(offered: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        offered
            .into_iter()
            .filter_map(|name| {
                [Self::Xoauth2, Self::Oauthbearer]
                    .into_iter()
                    .find(|m| m.name().eq_ignore_ascii_case(name))
            })
            .min_by_key(|m| *m as u8)
    }

    /// What to answer to the JSON challenge of a failure, so that the server ends the exchange:
    /// an empty line, or a single `\x01` (RFC 7628 section 3.2.3), in base64.
    pub fn challenge_answer(self) -> &'static str {
        match self {
            Self::Xoauth2 => "",
            Self::Oauthbearer => "AQ==",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xoauth2_matches_the_vendors_test_vector() {
        let bearer = Bearer::new(
            "test@contoso.onmicrosoft.com",
            "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA".into(),
            "outlook.office365.com",
            993,
        )
        .unwrap();
        assert_eq!(
            *bearer.response(Mechanism::Xoauth2),
            "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==",
        );
    }

    #[test]
    fn a_token_that_comes_back_is_not_repeated() {
        let bearer = Bearer::new("a@b", "s3cr3t".into(), "h", 1).unwrap();
        let response = bearer.response(Mechanism::Xoauth2);
        assert_eq!(
            bearer.scrub(&format!("BAD s3cr3t {}", *response)),
            "BAD <credentials> <credentials>"
        );
    }

    #[test]
    fn a_user_with_a_separator_in_it_is_refused() {
        assert!(Bearer::new("a@b\x01auth=x", "t".into(), "h", 1).is_err());
    }

    #[test]
    fn xoauth2_is_preferred_and_oauthbearer_used_where_it_is_all_there_is() {
        assert_eq!(
            Mechanism::choose(["PLAIN", "OAUTHBEARER", "xoauth2"]),
            Some(Mechanism::Xoauth2)
        );
        assert_eq!(
            Mechanism::choose(["OAUTHBEARER"]),
            Some(Mechanism::Oauthbearer)
        );
        assert_eq!(Mechanism::choose(["LOGIN", "PLAIN"]), None);
    }
}
