//! A login, and what the gate says to it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use portreeve_state::{Device, Mailbox};

/// What a device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// IMAP4.
    Imap,
    /// POP3.
    Pop3,
    /// SMTP submission.
    Smtp,
}

/// A login as the device sent it.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The user name; its case does not matter.
    pub user: &'a str,
    /// The SASL authorisation identity: the address of a mailbox that the device is bound to.
    pub authorization: Option<&'a str>,
    /// The password, byte for byte.
    pub password: &'a [u8],
}

/// A device that may go on, and as which mailbox.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The device.
    pub device: Arc<Device>,
    /// The mailbox, with its canonical address.
    pub mailbox: Arc<Mailbox>,
}

/// A login that was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turned {
    /// Why; for the log. Devices are told less.
    pub cause: TurnedCause,
    /// How long to wait before the device gets its answer.
    pub delay: Duration,
}

/// Why a login was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedCause {
    /// No device has this user name.
    UnknownLogin,
    /// The device exists, the password is wrong.
    WrongPassword,
    /// The device is disabled.
    Disabled,
    /// The device may not log in from there.
    NetworkNotAllowed,
    /// The device may not speak this protocol.
    ProtocolNotAllowed,
    /// The device is not bound to the mailbox that it asks for, or to none at all.
    NotBound,
    /// Too many failures from this address; the password was not looked at.
    TooManyFailures,
    /// Too many slow password checks at once; the password was not looked at.
    Busy,
}

impl TurnedCause {
    /// Whether it may have been somebody trying passwords.
    pub(crate) fn is_guess(self) -> bool {
        matches!(self, Self::UnknownLogin | Self::WrongPassword)
    }
}

impl fmt::Display for TurnedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownLogin => "unknown user name",
            Self::WrongPassword => "wrong password",
            Self::Disabled => "the device is disabled",
            Self::NetworkNotAllowed => "not from this network",
            Self::ProtocolNotAllowed => "not with this protocol",
            Self::NotBound => "not bound to this mailbox",
            Self::TooManyFailures => "too many failures from this address",
            Self::Busy => "too many password checks at once",
        })
    }
}

impl Protocol {
    const ALL: [Self; 3] = [Self::Imap, Self::Pop3, Self::Smtp];

    /// Its name, in lower case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// It is none of `imap`, `pop3` and `smtp`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a protocol; there are imap, pop3 and smtp")]
pub struct UnknownProtocol(String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.word().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| UnknownProtocol(text.to_owned()))
    }
}
