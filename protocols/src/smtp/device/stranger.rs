//! Peers that do not speak SMTP: told apart early, so that the log can say what came.

use super::{Device, Phase};
use crate::{
    Ending,
    ending::{is_tls_hello, stranger},
};

impl Device {
    /// Looks at the first octet of the first line: no command begins with a control character or
    /// beyond ASCII, and such input may never have a line end. Nothing is said to it.
    pub(super) fn is_stranger(&mut self) -> bool {
        if self.acquainted || !matches!(self.phase, Phase::Command) {
            return false;
        }
        let input = self.wire.input.peek();
        let ending = match input.first() {
            Some(_) if is_tls_hello(input) => Ending::WrongProtocol("TLS", "SMTP"),
            // A PROXY header of version 2 is two empty lines, then NUL.
            Some(0) if self.bad == 2 => Ending::ProxyHeader,
            Some(0..=8 | 14..=31 | 127..) => Ending::WrongProtocol("a binary protocol", "SMTP"),
            _ => return false,
        };
        self.wire.heard(format_args!("({ending})"));
        self.wire.input.clear();
        self.phase = Phase::Ended(ending);
        true
    }

    /// Answers a line whose verb is not known; the line itself is repeated nowhere, as it may be a
    /// password.
    pub(super) fn unknown(&mut self, line: &[u8]) {
        let what = stranger(line).or_else(|| mailbox_protocol(line));
        self.wire
            .heard(format_args!("({} octets not understood)", line.len()));
        match what {
            _ if !self.acquainted && line.starts_with(b"PROXY ") => {
                self.say(500, "5.5.1 No PROXY header is taken from this address");
                self.phase = Phase::Ended(Ending::ProxyHeader);
            }
            Some(what) if !self.acquainted => {
                self.dismiss(
                    Ending::WrongProtocol(what, "SMTP"),
                    "4.7.0 This port speaks SMTP",
                );
            }
            _ => self.bad(500, "5.5.1 Command not known"),
        }
    }
}

/// A mail program that was given the wrong port.
fn mailbox_protocol(line: &[u8]) -> Option<&'static str> {
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .map(<[u8]>::to_ascii_uppercase);
    let (first, second) = (words.next()?, words.next().unwrap_or_default());
    match (first.as_slice(), second.as_slice()) {
        (b"USER" | b"APOP" | b"CAPA" | b"STLS", _) => Some("POP3"),
        (_, b"CAPABILITY" | b"LOGIN" | b"AUTHENTICATE" | b"STARTTLS" | b"ID") => Some("IMAP"),
        _ => None,
    }
}
