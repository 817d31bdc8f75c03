//! The verdict on an XOAUTH2 or OAUTHBEARER response.

use super::{Protocol, Site, store::Mailbox};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::sync::Arc;

/// What happens to a good token without a right to the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRights {
    /// The login is refused.
    Refuse,
    /// The login succeeds, the first command fails: what Exchange Online does in IMAP.
    NotConnected,
}

/// What became of a login.
pub(super) enum Verdict {
    /// Logged in to this mailbox.
    Open(Arc<Mailbox>),
    /// Authenticated, but without a mailbox.
    NotConnected,
    /// Refused.
    Refused,
}

impl Site {
    /// Judges a response in base64 as it came over the wire.
    pub(super) fn judge(&self, protocol: Protocol, response: &[u8]) -> Verdict {
        self.verdict(protocol, response).unwrap_or(Verdict::Refused)
    }

    fn verdict(&self, protocol: Protocol, response: &[u8]) -> Option<Verdict> {
        let plain = STANDARD.decode(response).ok()?;
        let (user, token) = split(std::str::from_utf8(&plain).ok()?)?;
        let token = self.directory.token(token)?;
        let scope = match protocol {
            Protocol::Imap => token.imap,
            Protocol::Pop3 => token.pop3,
            Protocol::Smtp => token.smtp,
        };
        if !scope {
            return None;
        }
        let owns = token.upn.eq_ignore_ascii_case(user);
        let mailbox = if owns {
            Some(self.store.mailbox_or_new(user))
        } else {
            self.store.mailbox(user)
        };
        match mailbox.filter(|mailbox| owns || mailbox.is_granted(&token.upn)) {
            Some(mailbox) => Some(Verdict::Open(mailbox)),
            None if protocol == Protocol::Imap
                && self.settings().no_rights == NoRights::NotConnected =>
            {
                Some(Verdict::NotConnected)
            }
            None => None,
        }
    }
}

/// User and token of `user=…^Aauth=Bearer …^A^A` or of RFC 7628's form.
fn split(plain: &str) -> Option<(&str, &str)> {
    let mut parts = plain.strip_suffix("\x01\x01")?.split('\x01');
    let first = parts.next()?;
    let user = match first.strip_prefix("user=") {
        Some(user) => user,
        None => first.strip_prefix("n,a=")?.strip_suffix(',')?,
    };
    let token = parts.find_map(|part| part.strip_prefix("auth=Bearer "))?;
    Some((user, token))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn both_forms_of_a_bearer_response_are_understood() {
        assert_eq!(
            split("user=a@b\x01auth=Bearer tok\x01\x01"),
            Some(("a@b", "tok"))
        );
        assert_eq!(
            split("n,a=a@b,\x01host=h\x01port=1\x01auth=Bearer tok\x01\x01"),
            Some(("a@b", "tok"))
        );
        assert_eq!(split("user=a@b\x01auth=Bearer tok\x01"), None);
        assert_eq!(split("\0a@b\0secret"), None);
    }
}
