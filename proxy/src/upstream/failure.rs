//! Why there is no session with the exchange.

use std::fmt;

use portreeve_auth::{Reason, ReasonKind};
use portreeve_protocols::{DenialKind, Refusal, RefusalKind};

/// Why there is no session with the exchange. `Display` is for the log and the admin.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// There is no token.
    NoToken(Reason),
    /// The server does not answer.
    Unreachable { server: String, words: String },
    /// TLS could not be established: certificate, version or name.
    Tls { server: String, words: String },
    /// The server answered and did not let us in.
    Refused { server: String, refusal: Refusal },
}

impl Failure {
    /// Which of the four answers a device gets (design, "what a device sees").
    pub(crate) fn denial(&self) -> DenialKind {
        match self {
            Self::NoToken(reason) => match reason.kind {
                ReasonKind::TryLater => DenialKind::TryLater,
                ReasonKind::NeedsSignIn
                | ReasonKind::BlockedByPolicy
                | ReasonKind::AdminMustFix => DenialKind::NeedsAdmin,
            },
            Self::Unreachable { .. } | Self::Tls { .. } => DenialKind::TryLater,
            Self::Refused { refusal, .. } => match refusal.kind {
                RefusalKind::TokenRefused
                | RefusalKind::AccessDenied
                | RefusalKind::NoTls
                | RefusalKind::NoMechanism => DenialKind::NeedsAdmin,
                RefusalKind::Throttled(_) | RefusalKind::Unavailable | RefusalKind::Misbehaved => {
                    DenialKind::TryLater
                }
            },
        }
    }

    /// One sentence for the person at the device: what is wrong and who acts. Codes, server words
    /// and advice for the admin are in the log under the same session id.
    pub(crate) fn for_device(&self) -> &'static str {
        match self {
            Self::NoToken(reason) => match reason.kind {
                ReasonKind::NeedsSignIn => "The mailbox must be signed in by its administrator",
                ReasonKind::BlockedByPolicy => {
                    "A policy blocks the mailbox; its administrator must act"
                }
                ReasonKind::AdminMustFix => {
                    "The mailbox cannot be used until its administrator acts"
                }
                ReasonKind::TryLater => {
                    "The sign-in service is not available at the moment; try again later"
                }
            },
            Self::Unreachable { .. } => {
                "The mail server cannot be reached at the moment; try again later"
            }
            Self::Tls { .. } => {
                "The mail server's certificate or TLS could not be verified; tell the administrator"
            }
            Self::Refused { refusal, .. } => match refusal.kind {
                RefusalKind::TokenRefused => {
                    "The mail server did not accept the sign-in; tell the administrator"
                }
                RefusalKind::AccessDenied => {
                    "The mail server does not allow this use of the mailbox; tell the administrator"
                }
                RefusalKind::NoTls | RefusalKind::NoMechanism => {
                    "The mail server does not offer what is needed; tell the administrator"
                }
                RefusalKind::Throttled(_) => {
                    "The mail server limits this mailbox at the moment; try again later"
                }
                RefusalKind::Unavailable | RefusalKind::Misbehaved => {
                    "The mail server is not available at the moment; try again later"
                }
            },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken(reason) => write!(f, "no token: {}", reason.advice),
            Self::Unreachable { server, words } => write!(f, "{server} cannot be reached: {words}"),
            Self::Tls { server, words } => {
                write!(f, "no verified TLS connection to {server}: {words}")
            }
            Self::Refused { server, refusal } => {
                let what = match refusal.kind {
                    RefusalKind::TokenRefused => "did not accept the token",
                    RefusalKind::AccessDenied => "does not allow this use of the mailbox",
                    RefusalKind::Throttled(_) => "throttles this mailbox",
                    RefusalKind::Unavailable => "is not available",
                    RefusalKind::NoTls => "does not offer STARTTLS, so nothing was sent",
                    RefusalKind::NoMechanism => "offers neither XOAUTH2 nor OAUTHBEARER",
                    RefusalKind::Misbehaved => "said something that the protocol does not allow",
                };
                write!(f, "{server} {what}: {}", refusal.words)
            }
        }
    }
}
