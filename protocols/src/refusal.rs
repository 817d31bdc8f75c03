//! What the exchange told us when it did not let us in.

use std::time::Duration;

/// The exchange side of a dialogue ended without an authenticated session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it means.
    pub kind: RefusalKind,
    /// The server's own words, one line, for the log; never sent to a device by itself.
    pub words: String,
}

/// Why the exchange did not let us in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The token was not accepted: mint a fresh one and try once more.
    TokenRefused,
    /// The token is good, but this user may not use the mailbox or the protocol is switched off.
    AccessDenied,
    /// Too much at once; the server may say how long to wait.
    Throttled(Option<Duration>),
    /// The server is not able to serve now, or closed the connection.
    Unavailable,
    /// The server does not offer TLS, and nothing goes out without it.
    NoTls,
    /// The server offers neither XOAUTH2 nor OAUTHBEARER.
    NoMechanism,
    /// The server said something that the protocol does not allow.
    Misbehaved,
}
