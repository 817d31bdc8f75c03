//! Ask for a token, get a token or a reason.

use std::sync::Arc;
use std::time::SystemTime;

use portreeve_state::{Mailbox, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{AccessToken, Audience, Http, MinLife, ProvidersWatch, Reason, ReasonKind};

/// Hands out access tokens; cheap to clone.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    _store: Store,
    _http: Http,
    _providers: ProvidersWatch,
}

/// How a mailbox's sign-in is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Nobody has signed in yet.
    NotSignedIn,
    /// All is well; `None`: no token was asked for since the start.
    Works {
        /// When the access token at hand ends.
        expires_at: Option<SystemTime>,
    },
    /// The owner of the mailbox must sign in again.
    NeedsSignIn {
        /// Since when.
        since: SystemTime,
        /// Why.
        reason: Reason,
    },
    /// Something else is wrong: a policy, a setting, or the service.
    Trouble {
        /// Since when.
        since: SystemTime,
        /// What.
        reason: Reason,
    },
    /// Tokens work, but the newest refresh token could not be saved; saving is retried.
    Unsaved {
        /// What the store said.
        words: String,
    },
}

impl Broker {
    /// Reads all grants.
    pub async fn open(
        store: Store,
        http: Http,
        providers: ProvidersWatch,
    ) -> Result<Self, StoreError> {
        store.grants().await?;
        Ok(Self(Arc::new(Inner {
            _store: store,
            _http: http,
            _providers: providers,
        })))
    }

    /// A token with at least this much life, from memory where possible.
    pub async fn token(
        &self,
        mailbox: &Mailbox,
        audience: Audience,
        life: MinLife,
    ) -> Result<AccessToken, Reason> {
        let _ = (mailbox, audience, life);
        Err(Reason::new(
            ReasonKind::NeedsSignIn,
            "Nobody has signed this mailbox in yet.",
        ))
    }

    /// The exchange refused this token: the next [`token`](Self::token) asks for a fresh one,
    /// unless another one took its place already.
    pub fn rejected(&self, mailbox: &Mailbox, audience: Audience, token: &AccessToken) {
        let _ = (mailbox, audience, token);
    }

    /// Renews ahead of time, keeps idle grants alive, retries what could not be saved; until told
    /// to stop.
    pub async fn run(&self, stop: CancellationToken) {
        stop.cancelled().await;
    }

    /// How the mailbox's sign-in is doing.
    pub fn health(&self, mailbox: &Mailbox) -> Health {
        let _ = mailbox;
        Health::NotSignedIn
    }
}
