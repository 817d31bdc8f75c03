//! What is kept, sealed, between the provider's answer and the end of a sign-in.

use std::time::Duration;

use portreeve_state::Pin;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::clock::{Moment, millis};
use crate::token::AccessToken;

/// Tokens and the identity they belong to.
pub(crate) struct Held {
    pub(crate) refresh_token: SecretString,
    pub(crate) access_token: SecretString,
    /// When the access token ends, by the wall clock.
    pub(crate) ends: i64,
    pub(crate) pin: Pin,
    pub(crate) account: String,
    /// Nobody had to confirm the account.
    pub(crate) as_expected: bool,
}

#[derive(Serialize)]
struct Text<'a> {
    refresh_token: &'a str,
    access_token: &'a str,
    ends: i64,
    issuer: &'a str,
    subject: &'a str,
    account: &'a str,
    as_expected: bool,
}

impl Held {
    /// As one text, for the vault.
    pub(crate) fn pack(&self) -> Option<SecretString> {
        let text = serde_json::to_string(&Text {
            refresh_token: self.refresh_token.expose_secret(),
            access_token: self.access_token.expose_secret(),
            ends: self.ends,
            issuer: &self.pin.issuer,
            subject: &self.pin.subject,
            account: &self.account,
            as_expected: self.as_expected,
        });
        text.ok().map(Into::into)
    }

    pub(crate) fn unpack(text: &SecretString) -> Option<Self> {
        // Owned first: JSON escapes cannot be borrowed.
        let text: Owned = serde_json::from_str(text.expose_secret()).ok()?;
        Some(Self {
            refresh_token: text.refresh_token.into(),
            access_token: text.access_token.into(),
            ends: text.ends,
            pin: Pin {
                issuer: text.issuer,
                subject: text.subject,
            },
            account: text.account,
            as_expected: text.as_expected,
        })
    }

    /// The access token, if it still lives for `least`.
    pub(crate) fn access(&self, now: Moment, least: Duration) -> Option<AccessToken> {
        let left = self.ends - now.wall;
        let left = Duration::from_millis(u64::try_from(left).ok()?);
        (left >= least).then(|| AccessToken::new(self.access_token.clone(), now, left))
    }

    pub(crate) fn renew(&mut self, granted: crate::oauth::Granted, now: Moment) {
        self.access_token = granted.access_token;
        self.ends = now.wall + millis(granted.life);
        if let Some(token) = granted.refresh_token {
            self.refresh_token = token;
        }
    }
}

#[derive(Deserialize)]
struct Owned {
    refresh_token: String,
    access_token: String,
    ends: i64,
    issuer: String,
    subject: String,
    account: String,
    as_expected: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let held = Held {
            refresh_token: "r\"\\".to_owned().into(),
            access_token: "a".to_owned().into(),
            ends: 7,
            pin: Pin {
                issuer: "t".into(),
                subject: "o".into(),
            },
            account: "scans@contoso.com".into(),
            as_expected: true,
        };
        let again = Held::unpack(&held.pack().unwrap()).unwrap();
        assert_eq!(again.refresh_token.expose_secret(), "r\"\\");
        assert_eq!((again.ends, again.pin), (7, held.pin));
        assert!(again.as_expected);
        assert!(Held::unpack(&"{}".to_owned().into()).is_none());
    }
}
