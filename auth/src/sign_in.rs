//! Signing a mailbox in by device code (RFC 8628), from the first request to a proved grant.

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use portreeve_state::{Mailbox, SignInId, Store, StoreError};
use tokio::sync::watch;

use crate::{AccessToken, Broker, Http, ProvidersWatch, Reason, ReasonKind};

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An XOAUTH2 login that shows that the token opens the mailbox.
pub type Prove = Arc<
    dyn Fn(Arc<Mailbox>, AccessToken) -> BoxFuture<'static, Result<(), Unproved>> + Send + Sync,
>;

/// Why access is not proved; the words are the exchange's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unproved {
    /// The exchange refused the token or the mailbox.
    Refused(String),
    /// The exchange did not say.
    Unreachable(String),
}

/// A sign-in under way.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Its id.
    pub id: SignInId,
    /// Where the person goes.
    pub link: String,
    /// What the person types there.
    pub code: String,
    /// When the code ends.
    pub expires_at: SystemTime,
    /// How far it is, now and later.
    pub state: watch::Receiver<SignInState>,
}

/// How far a sign-in is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInState {
    /// The person has not signed in yet.
    Waiting {
        /// Where the person goes.
        link: String,
        /// What the person types there.
        code: String,
        /// When the code ends.
        expires_at: SystemTime,
    },
    /// Somebody else than expected signed in: an admin confirms or declines.
    NeedsConfirmation {
        /// Who signed in.
        account: String,
        /// Who was expected.
        expected: String,
    },
    /// The tokens are here; access is being proved.
    Proving,
    /// It worked.
    Done {
        /// Who signed in.
        account: String,
        /// What else the person should know.
        note: Option<String>,
    },
    /// It did not; the reason's advice says what to do.
    Failed(Reason),
}

/// All sign-ins; cheap to clone.
#[derive(Clone)]
pub struct SignIns(Arc<Inner>);

struct Inner {
    store: Store,
    _http: Http,
    _providers: ProvidersWatch,
    _broker: Broker,
    _prove: Prove,
}

impl SignIns {
    /// Nothing goes on before [`begin`](Self::begin) or [`resume`](Self::resume).
    pub fn new(
        store: Store,
        http: Http,
        providers: ProvidersWatch,
        broker: Broker,
        prove: Prove,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            _http: http,
            _providers: providers,
            _broker: broker,
            _prove: prove,
        }))
    }

    /// Starts a sign-in for the mailbox's grant, or returns the one that is pending.
    pub async fn begin(&self, mailbox: &Mailbox) -> Result<SignIn, Reason> {
        let _ = mailbox;
        Err(Reason::new(
            ReasonKind::AdminMustFix,
            "The mailbox has no provider.",
        ))
    }

    /// The states of a sign-in that is, or was, under way in this process.
    pub fn watch(&self, id: &SignInId) -> Option<watch::Receiver<SignInState>> {
        let _ = id;
        None
    }

    /// An admin confirms the account shown. False: nothing was awaiting that.
    pub async fn confirm(&self, id: &SignInId) -> Result<bool, StoreError> {
        self.0.store.confirm_sign_in(id).await
    }

    /// An admin declines the account shown, or gives up. False: it had ended already.
    pub async fn decline(&self, id: &SignInId) -> Result<bool, StoreError> {
        self.0.store.fail_sign_in(id, "Declined by an admin.").await
    }

    /// After a restart: goes on with what is pending and the time that is left.
    pub async fn resume(&self) -> Result<(), StoreError> {
        self.0.store.pending_sign_ins().await.map(drop)
    }
}
