//! The commands of a device, read with the tolerance that old devices need.
//!
//! Whether a command may come now, and what is answered, is decided in [`device`](super::device).

mod path;

#[cfg(test)]
mod tests;

use std::fmt::Write;

use super::{Address, address::BadAddress};

/// A transaction as it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The envelope sender; `None` is `<>`.
    pub sender: Option<Address>,
    /// The announced size in octets (RFC 1870).
    pub size: Option<u64>,
    /// The announced kind of body (RFC 6152).
    pub body: Option<BodyType>,
    /// Whether addresses or headers may hold UTF-8 (RFC 6531).
    pub smtputf8: bool,
}

impl Mail {
    /// The command in the strict form of RFC 5321.
    pub(super) fn strict(&self) -> String {
        let sender = self.sender.as_ref().map_or("", Address::as_str);
        let mut line = format!("MAIL FROM:<{sender}>");
        if let Some(size) = self.size {
            // Writing to a string does not fail.
            let _ = write!(line, " SIZE={size}");
        }
        if let Some(body) = self.body {
            let _ = write!(line, " BODY={}", body.name());
        }
        if self.smtputf8 {
            line += " SMTPUTF8";
        }
        line
    }
}

/// The kind of body that `BODY=` announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyType {
    /// `7BIT`
    SevenBit,
    /// `8BITMIME`
    EightBitMime,
}

impl BodyType {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
        }
    }
}

/// A command line, cut into verb and arguments.
///
/// It has no `Debug`: an argument may be a password.
#[derive(PartialEq, Eq)]
pub(super) enum Command<'a> {
    Ehlo(&'a [u8]),
    Helo(&'a [u8]),
    StartTls(&'a [u8]),
    Auth(&'a [u8]),
    /// `MAIL` with all that follows, see [`mail`].
    Mail(&'a [u8]),
    /// `RCPT` with all that follows, see [`rcpt`].
    Rcpt(&'a [u8]),
    Data(&'a [u8]),
    Rset,
    Noop,
    Help,
    Vrfy,
    Quit,
    /// A command that RFCs define and we do not carry out.
    NotOurs(&'static str),
    Unknown,
}

const NOT_OURS: [&str; 9] = [
    "BDAT", "EXPN", "ETRN", "TURN", "ATRN", "SEND", "SOML", "SAML", "BURL",
];

impl<'a> Command<'a> {
    /// Reads a line without its line end. Verbs match without case, blanks around are ignored.
    pub(super) fn parse(line: &'a [u8]) -> Self {
        let line = line.trim_ascii();
        let end = line
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(line.len());
        let (verb, args) = (&line[..end], line[end..].trim_ascii_start());
        let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
        match verb.to_ascii_uppercase().as_slice() {
            b"EHLO" => Self::Ehlo(args),
            b"HELO" => Self::Helo(args),
            b"STARTTLS" => Self::StartTls(args),
            b"AUTH" => Self::Auth(args),
            b"MAIL" => Self::Mail(args),
            b"RCPT" => Self::Rcpt(args),
            b"DATA" => Self::Data(args),
            b"RSET" => Self::Rset,
            b"NOOP" => Self::Noop,
            b"HELP" => Self::Help,
            b"VRFY" => Self::Vrfy,
            b"QUIT" => Self::Quit,
            _ => NOT_OURS
                .into_iter()
                .find(|name| is(name))
                .map_or(Self::Unknown, Self::NotOurs),
        }
    }
}

/// What is wrong with the arguments of MAIL or RCPT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadArguments {
    /// No `FROM:` or `TO:`, or an angle bracket without its partner.
    #[error("the command is not complete")]
    Syntax,
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// A parameter that we know, with a value that makes no sense.
    #[error("the value of a parameter makes no sense")]
    Value,
    /// RFC 5321 section 4.1.1.11 has a code of its own for it.
    #[error("a parameter is not known here")]
    UnknownParameter,
}

/// Reads what follows `MAIL`.
pub(super) fn mail(args: &[u8]) -> Result<Mail, BadArguments> {
    let (path, parameters) = path::split(args, "FROM")?;
    let mut mail = Mail {
        sender: match Address::parse(path) {
            Err(BadAddress::Empty) => None,
            sender => Some(sender?),
        },
        size: None,
        body: None,
        smtputf8: false,
    };
    for (name, value) in parameters_of(parameters) {
        match name.as_str() {
            "SIZE" => mail.size = Some(size(value)?),
            "BODY" => mail.body = Some(body(value)?),
            "SMTPUTF8" => mail.smtputf8 = true,
            // AUTH= is not for submission; the DSN parameters are sent by devices that do not wait
            // for DSN to be offered, and mean nothing but a wish.
            "AUTH" | "RET" | "ENVID" => {}
            _ => return Err(BadArguments::UnknownParameter),
        }
    }
    Ok(mail)
}

/// Reads what follows `RCPT`.
pub(super) fn rcpt(args: &[u8]) -> Result<Address, BadArguments> {
    let (path, parameters) = path::split(args, "TO")?;
    let recipient = Address::parse(path)?;
    for (name, _) in parameters_of(parameters) {
        if !matches!(name.as_str(), "NOTIFY" | "ORCPT") {
            return Err(BadArguments::UnknownParameter);
        }
    }
    Ok(recipient)
}

fn parameters_of(text: &str) -> impl Iterator<Item = (String, &str)> {
    text.split_ascii_whitespace().map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        (name.to_ascii_uppercase(), value)
    })
}

/// RFC 1870 section 3: up to 20 digits; what does not fit is certainly too large.
fn size(value: &str) -> Result<u64, BadArguments> {
    if value.is_empty() || value.len() > 20 || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadArguments::Value);
    }
    Ok(value.parse().unwrap_or(u64::MAX))
}

fn body(value: &str) -> Result<BodyType, BadArguments> {
    [BodyType::SevenBit, BodyType::EightBitMime]
        .into_iter()
        .find(|body| body.name().eq_ignore_ascii_case(value))
        .ok_or(BadArguments::Value)
}
