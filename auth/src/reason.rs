//! Why there is no token.
//!
//! Words for devices are chosen elsewhere; the advice here is for the admin and never holds a secret.

use std::fmt;
use std::time::Duration;

/// Why a token cannot be had, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Who has to act.
    pub kind: ReasonKind,
    /// Microsoft's AADSTS number, where there was one.
    pub code: Option<u32>,
    /// One sentence or two: what to do.
    pub advice: String,
    /// How long the service asked to wait.
    pub retry_after: Option<Duration>,
    /// Trace and correlation ids for Microsoft's support.
    pub trace: Option<String>,
}

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReasonKind {
    /// The owner of the mailbox must sign in (again).
    NeedsSignIn,
    /// A policy of the tenant refuses the sign-in.
    BlockedByPolicy,
    /// Someone must change tenant, app registration or Portreeve's configuration.
    AdminMustFix,
    /// Nobody: it is tried again.
    TryLater,
}

impl Reason {
    /// A reason that no server gave.
    pub fn new(kind: ReasonKind, advice: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            advice: advice.into(),
            retry_after: None,
            trace: None,
        }
    }

    /// Whether waiting alone can help.
    pub fn is_transient(&self) -> bool {
        self.kind == ReasonKind::TryLater
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.advice)?;
        if let Some(code) = self.code {
            write!(f, " (AADSTS{code})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Reason {}

impl ReasonKind {
    /// The kind as one stable word, for logs, the database and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::NeedsSignIn => "needs-sign-in",
            Self::BlockedByPolicy => "blocked-by-policy",
            Self::AdminMustFix => "admin-must-fix",
            Self::TryLater => "try-later",
        }
    }

    /// The kind of a [`word`](Self::word).
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::NeedsSignIn,
            Self::BlockedByPolicy,
            Self::AdminMustFix,
            Self::TryLater,
        ]
        .into_iter()
        .find(|kind| kind.word() == word)
    }
}

impl fmt::Display for ReasonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeedsSignIn => "sign in needed",
            Self::BlockedByPolicy => "blocked by a policy",
            Self::AdminMustFix => "an admin must act",
            Self::TryLater => "trying again",
        })
    }
}
