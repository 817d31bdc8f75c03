//! An access token, and how much life a caller needs it to have.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};

use crate::clock::Moment;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// IMAP, POP3 and SMTP.
    Mail,
}

/// How much life a token must still have when it is handed out.
///
/// No more than half of a token's whole life is ever asked for, so that a tenant whose tokens live
/// ten minutes is served too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinLife {
    /// Half of its life: a session lives as long as its token.
    Half,
    /// A fixed span.
    AtLeast(Duration),
}

impl MinLife {
    /// The span that a token with this whole life must have left.
    pub(crate) fn needed(self, whole: Duration) -> Duration {
        match self {
            Self::Half => whole / 2,
            Self::AtLeast(span) => span.min(whole / 2),
        }
    }
}

/// An access token; cheap to clone, and silent in logs.
#[derive(Clone)]
pub struct AccessToken(Arc<Inner>);

struct Inner {
    secret: SecretString,
    expires: Moment,
    life: Duration,
}

impl AccessToken {
    pub(crate) fn new(secret: SecretString, now: Moment, life: Duration) -> Self {
        Self(Arc::new(Inner {
            secret,
            expires: now.after(life),
            life,
        }))
    }

    /// The token itself.
    pub fn secret(&self) -> &SecretString {
        &self.0.secret
    }

    /// The token itself, as text.
    pub fn expose(&self) -> &str {
        self.0.secret.expose_secret()
    }

    /// When it ends.
    pub fn expires_at(&self) -> SystemTime {
        self.0.expires.wall_time()
    }

    /// Its whole life when it was issued.
    pub(crate) fn life(&self) -> Duration {
        self.0.life
    }

    pub(crate) fn left(&self, now: Moment) -> Duration {
        self.0.expires.left(now)
    }

    pub(crate) fn serves(&self, life: MinLife, now: Moment) -> bool {
        let left = self.left(now);
        !left.is_zero() && left >= life.needed(self.0.life)
    }

    /// Whether both are the very same token.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}
