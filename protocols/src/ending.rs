//! Why a dialogue with a device ended; for IMAP and POP3 that is always without a login.
//!
//! These are the words for the log; what the device itself is told, it has been told already.

/// A device's dialogue ended by itself: a limit was broken, or the peer speaks something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// A line did not end within the limit.
    #[error("the device sent a line longer than {0} octets")]
    LineTooLong(usize),
    /// A literal was announced that is larger than the limit.
    #[error("the device announced a literal larger than {0} octets")]
    LiteralTooLong(usize),
    /// Too many octets without a login.
    #[error("the device sent more than {0} octets without logging in")]
    TooManyOctets(usize),
    /// Too many commands that were not understood or not allowed.
    #[error("the device sent more than {0} bad commands")]
    TooManyBadCommands(u32),
    /// Too many logins were refused on one connection.
    #[error("{0} logins were refused on this connection")]
    TooManyRefusals(u32),
    /// The peer speaks another protocol.
    #[error("the peer speaks {0}, not {1}")]
    WrongProtocol(&'static str, &'static str),
    /// SMTP: a PROXY header where none is taken.
    #[error("a PROXY header came from an address that may not send one (proxy-protocol-from)")]
    ProxyHeader,
    /// SMTP: the regular end.
    #[error("the device said QUIT")]
    Quit,
    /// SMTP: the connection ended without QUIT.
    #[error("the device closed the connection without QUIT")]
    Lost,
    /// SMTP: we ended the session, with 421 as the last reply.
    #[error("the session was ended with 421")]
    Dismissed,
    /// SMTP: what follows STARTTLS in plain text may be an injection.
    #[error("the device sent more behind STARTTLS before TLS was up")]
    InputBehindStartTls,
    /// SMTP: what follows a refused DATA would be read as commands.
    #[error("the device sent a body although DATA was refused")]
    InputBehindData,
}

/// What the first bytes of a TLS connection look like: a handshake record.
pub(crate) fn is_tls_hello(input: &[u8]) -> bool {
    input.first() == Some(&0x16)
}

/// The protocol that a line not understood belongs to, where that is plain to see.
pub(crate) fn stranger(line: &[u8]) -> Option<&'static str> {
    let begins = |with: &[u8]| {
        line.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    if line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0") || line.ends_with(b" HTTP/2.0")
    {
        Some("HTTP")
    } else if begins(b"EHLO ") || begins(b"HELO ") {
        Some("SMTP")
    } else if begins(b"SSH-") {
        Some("SSH")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_told_by_their_first_line() {
        assert_eq!(stranger(b"GET / HTTP/1.1"), Some("HTTP"));
        assert_eq!(stranger(b"PRI * HTTP/2.0"), Some("HTTP"));
        assert_eq!(stranger(b"ehlo printer"), Some("SMTP"));
        assert_eq!(stranger(b"SSH-2.0-OpenSSH"), Some("SSH"));
        assert_eq!(stranger(b"A1 FETCH"), None);
        assert!(is_tls_hello(&[0x16, 3, 1]));
        assert!(!is_tls_hello(b"A1"));
    }
}
