//! What we say that the server can do, before the login and with its OK.
//!
//! A client may keep either list for the whole session, so neither promises what the pipe behind it
//! does not keep.

use std::fmt;

use crate::{Channel, sasl::conversation::Conversation};

/// What is true before the login: what the exchange offers afterwards, and how to log in with us.
pub(super) struct BeforeLogin<'a> {
    pub(super) exchange: &'a [String],
    pub(super) channel: Channel,
}

impl fmt::Display for BeforeLogin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IMAP4rev1")?;
        for atom in self.exchange {
            if outlives_login(atom) && !atom.eq_ignore_ascii_case("IMAP4rev1") {
                write!(f, " {atom}")?;
            }
        }
        if self.channel.offers_upgrade() {
            f.write_str(" STARTTLS")?;
        }
        if !self.channel.takes_login() {
            return f.write_str(" LOGINDISABLED");
        }
        f.write_str(" SASL-IR")?;
        for mechanism in Conversation::MECHANISMS {
            write!(f, " AUTH={mechanism}")?;
        }
        Ok(())
    }
}

/// What the exchange says it can do now, without what concerns a login. `None` if nothing is left
/// to say: the client then asks the exchange itself.
pub(super) fn after_login(atoms: &[String]) -> Option<String> {
    let mut list = String::new();
    for atom in atoms.iter().filter(|atom| outlives_login(atom)) {
        list.push(' ');
        list.push_str(atom);
    }
    (!list.is_empty()).then_some(list)
}

/// Whether a capability is a plain atom and about more than how to log in. COMPRESS stays: it works
/// through the pipe.
fn outlives_login(atom: &str) -> bool {
    let is_auth = atom
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("AUTH="));
    let about_login = ["LOGINDISABLED", "STARTTLS", "SASL-IR"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(atom));
    let plain = atom
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'[' | b']'));
    plain && !atom.is_empty() && !is_auth && !about_login
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atoms(list: &str) -> Vec<String> {
        list.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn after_login_keeps_what_works_through_the_pipe() {
        let list = atoms(
            "IMAP4rev1 AUTH=XOAUTH2 logindisabled STARTTLS SASL-IR COMPRESS=DEFLATE MOVE a]b ID",
        );
        assert_eq!(
            after_login(&list).as_deref(),
            Some(" IMAP4rev1 COMPRESS=DEFLATE MOVE ID")
        );
        assert_eq!(after_login(&atoms("AUTH=PLAIN")), None);
        assert_eq!(after_login(&[]), None);
    }

    #[test]
    fn before_login_says_how_to_log_in_here() {
        let exchange = atoms("imap4rev1 AUTH=XOAUTH2 STARTTLS LITERAL+ IDLE");
        let on = |channel| {
            BeforeLogin {
                exchange: &exchange,
                channel,
            }
            .to_string()
        };
        assert_eq!(
            on(Channel::Encrypted),
            "IMAP4rev1 LITERAL+ IDLE SASL-IR AUTH=PLAIN AUTH=LOGIN"
        );
        assert_eq!(
            on(Channel::Plain {
                upgrade: true,
                login: false
            }),
            "IMAP4rev1 LITERAL+ IDLE STARTTLS LOGINDISABLED"
        );
    }
}
