//! Why a use case did not do what it was asked, in words for the person who asked.
//!
//! Not for devices: what a device is told is decided in the sessions.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One sentence: what happened, whose fault it is, what to do. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{message}")]
pub(crate) struct Failure {
    /// Whose fault it is.
    pub(crate) fault: Fault,
    /// The sentence.
    pub(crate) message: String,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// What was asked for cannot be: an unknown mailbox, a user name that is taken.
    Request,
    /// The configuration must change first.
    Configuration,
    /// The sign-in service or the exchange said no.
    Provider,
    /// The state folder or this program.
    Portreeve,
    /// The daemon or the state folder cannot be reached.
    Unreachable,
    /// Another process has the state folder.
    Occupied,
}

impl Failure {
    /// What was asked for cannot be.
    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self::new(Fault::Request, message)
    }

    /// The configuration must change first.
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Fault::Configuration, message)
    }

    /// The sign-in service or the exchange said no.
    pub(crate) fn provider(message: impl Into<String>) -> Self {
        Self::new(Fault::Provider, message)
    }

    /// The state folder or this program failed.
    pub(crate) fn portreeve(message: impl Into<String>) -> Self {
        Self::new(Fault::Portreeve, message)
    }

    /// The daemon or the state folder cannot be reached.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Fault::Unreachable, message)
    }

    /// Another process has the state folder.
    pub(crate) fn occupied(message: impl Into<String>) -> Self {
        Self::new(Fault::Occupied, message)
    }

    fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
        }
    }
}
