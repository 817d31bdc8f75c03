//! What an admin can do: each use case is one function here.
//!
//! Command line, socket and pages only parse a request, call the function and show the answer. The
//! functions know no terminal, no protocol and no device session.
//!
//! # Layout
//! * [`mailbox`], [`sign_in`], [`device`], [`ca`], [`status`], [`reload`]: the use cases.
//! * [`call`]: all of them in one table.
//! * [`socket`] and [`wire`]: the daemon's 0600 socket and what is said on it.
//! * [`card`]: the settings card.

mod address;
pub(crate) mod asker;
pub(crate) mod ca;
pub(crate) mod call;
pub(crate) mod card;
mod csv;
pub(crate) mod device;
mod failure;
mod gateway;
pub(crate) mod mailbox;
mod open;
pub(crate) mod password;
mod proof;
pub(crate) mod reload;
pub(crate) mod sign_in;
mod slug;
pub(crate) mod socket;
pub(crate) mod status;
pub(crate) mod wire;

use std::{net::SocketAddr, sync::Arc, time::Instant};

use portreeve_auth::{Broker, Gate, GateError, Grant, Mailbox, SignIns, Store, StoreError};
use portreeve_state::AuditEntry;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    asker::{Asker, Progress},
    failure::{Failure, Fault},
    open::{Alone, open},
    password::Password,
};
use crate::{config::Config, upstream::Upstream};

/// What the use cases work on.
pub(crate) struct Control {
    /// What is remembered.
    pub(crate) store: Store,
    /// Devices and their bindings; changes go through it.
    pub(crate) gate: Arc<Gate>,
    /// Tokens.
    pub(crate) broker: Broker,
    /// Sign-ins under way.
    pub(crate) sign_ins: SignIns,
    /// The way to the exchange, for tests of a mailbox.
    pub(crate) upstream: Arc<Upstream>,
    /// What the operator decided; follows reloads.
    pub(crate) config: watch::Receiver<Arc<Config>>,
    /// The daemon, where this is one.
    pub(crate) running: Option<Running>,
    /// Ends what was begun for this process alone.
    pub(crate) stop: CancellationToken,
}

/// What only a running daemon knows.
pub(crate) struct Running {
    /// When it started.
    pub(crate) started: Instant,
    /// What it listens on; a reload may change it.
    pub(crate) listeners: watch::Receiver<Vec<Bound>>,
    /// Counts the connections of devices at this moment.
    pub(crate) sessions: Box<dyn Fn() -> usize + Send + Sync>,
    /// Where a reload is asked for.
    pub(crate) reload: reload::ReloadSender,
}

/// A listener and its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bound {
    /// Its name in the configuration.
    pub(crate) name: String,
    /// `smtp`, `imap` or `pop3`.
    pub(crate) protocol: String,
    /// `starttls`, `implicit` or `off`.
    pub(crate) tls: String,
    /// The address it is bound to.
    pub(crate) address: SocketAddr,
}

impl Running {
    fn listeners(&self) -> Vec<Bound> {
        self.listeners.borrow().clone()
    }

    fn sessions(&self) -> usize {
        (self.sessions)()
    }
}

impl Control {
    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    /// The bound listeners, or those that would be bound if the daemon ran.
    fn listeners(&self) -> Vec<Bound> {
        match &self.running {
            Some(running) => running.listeners(),
            None => self
                .config()
                .listeners
                .iter()
                .map(|listener| Bound {
                    name: listener.name.clone(),
                    protocol: listener.protocol.to_string(),
                    tls: listener.tls.to_string(),
                    address: listener.address,
                })
                .collect(),
        }
    }

    async fn grant_of(&self, mailbox: &Mailbox) -> Result<Grant, Failure> {
        self.store.grant(&mailbox.grant).await?.ok_or_else(|| {
            Failure::request(format!("{} was removed in the meantime.", mailbox.address))
        })
    }

    /// Writes down who changed what; `detail` never holds a secret.
    async fn audit(
        &self,
        asker: &Asker,
        action: &str,
        subject: &str,
        detail: &impl Serialize,
    ) -> Result<(), Failure> {
        let detail = serde_json::to_string(detail).map_err(|error| {
            Failure::portreeve(format!("The audit line cannot be written: {error}."))
        })?;
        tracing::info!(who = asker.who(), action, subject, "changed by an admin");
        let entry = AuditEntry {
            actor: asker.who(),
            action,
            subject,
            detail: &detail,
        };
        Ok(self.store.audit(entry).await?)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Exists(_) | StoreError::NotFound(_) => Self::request(capital(&error)),
            _ => Self::portreeve(format!("The store failed: {error}.")),
        }
    }
}

impl From<GateError> for Failure {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Store(error) => error.into(),
            error => Self::request(capital(&error)),
        }
    }
}

/// Words of a lower room as a sentence.
fn capital(words: &impl ToString) -> String {
    let words = words.to_string();
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let mut sentence = first.unwrap_or_default() + letters.as_str();
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

/// Letters that may differ between what was typed and what was meant.
const NEAR: usize = 3;

/// The known name that was most likely meant.
fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    known
        .map(|name| {
            (
                strsim::damerau_levenshtein(&typed, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= NEAR && *distance < name.chars().count())
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests;
