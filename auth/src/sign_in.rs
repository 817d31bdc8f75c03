//! Signing a mailbox in by device code (RFC 8628), from the first request to a proved grant.
//!
//! Each step is in the store before it is shown, so a restart goes on where it stopped. A grant has at
//! most one sign-in under way. How often the provider is asked is decided in
//! [`device_code`](crate::grants::device_code), and what is printed or drawn is the caller's business.

mod held;
mod run;

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dashmap::DashMap;
use portreeve_state::{
    Begun, GrantId, Mailbox, NewSignIn, SignIn as Row, SignInId, SignInStatus, Store, StoreError,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, wall_time};
use crate::clock::{Clock, millis};
use crate::discovery::Discovery;
use crate::grants::device_code::{expired, start};
use crate::grants::refresh::provider_of;
use crate::http::Http;
use crate::provider::ProvidersWatch;
use crate::reason::{Reason, ReasonKind};
use crate::token::AccessToken;

/// A pending code with less left is not shown again: nobody types it in time.
const WORTH_SHOWING: Duration = Duration::from_secs(20);

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
    http: Http,
    discovery: Discovery,
    providers: ProvidersWatch,
    broker: Broker,
    prove: Prove,
    clock: Clock,
    /// The newest sign-in of each grant; private to this file, guards never leave it.
    live: DashMap<GrantId, Arc<Live>>,
    /// One beginning per grant at a time.
    beginning: DashMap<GrantId, Arc<tokio::sync::Mutex<()>>>,
}

/// A sign-in in this process.
struct Live {
    id: SignInId,
    state: watch::Sender<SignInState>,
    over: CancellationToken,
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
        Self::with_clock(store, http, providers, broker, prove, Clock::system())
    }

    pub(crate) fn with_clock(
        store: Store,
        http: Http,
        providers: ProvidersWatch,
        broker: Broker,
        prove: Prove,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Inner {
            discovery: Discovery::new(http.clone(), clock.clone()),
            store,
            http,
            providers,
            broker,
            prove,
            clock,
            live: DashMap::new(),
            beginning: DashMap::new(),
        }))
    }

    /// Starts a sign-in for the mailbox's grant, or returns the one that is pending.
    pub async fn begin(&self, mailbox: &Mailbox) -> Result<SignIn, Reason> {
        let inner = &self.0;
        let one = inner.beginning(&mailbox.grant);
        let _one = one.lock().await;
        let last = inner.store.last_sign_in(&mailbox.grant).await;
        if let Some(row) = last.map_err(|e| unusable(&e))?
            && let Some(pending) = inner.pending(&row).await?
        {
            return Ok(pending);
        }
        let grant = inner.store.grant(&mailbox.grant).await;
        let grant = grant
            .map_err(|e| unusable(&e))?
            .ok_or_else(|| Reason::new(ReasonKind::AdminMustFix, "This mailbox was removed."))?;
        let provider = provider_of(&inner.providers.borrow().clone(), &grant)?;
        let code = start(&inner.http, &inner.discovery, &provider).await?;
        let now = inner.clock.now();
        let begun = inner
            .store
            .begin_sign_in(&NewSignIn {
                grant: mailbox.grant.clone(),
                mailbox: mailbox.id.clone(),
                link: code.link,
                user_code: code.user_code,
                device_code: code.secret,
                poll_seconds: millis(code.interval) / 1000,
                expires_at: now.after(code.life).wall,
            })
            .await
            .map_err(|e| unusable(&e))?;
        let (Begun::New(row) | Begun::Pending(row)) = begun;
        tracing::info!(grant = %row.grant, sign_in = %row.id, mailbox = mailbox.address, provider = provider.name, "sign-in begun");
        Ok(inner.take_up(&row))
    }

    /// The states of the newest sign-in of a grant, as far as this process knows it.
    pub fn watch(&self, id: &SignInId) -> Option<watch::Receiver<SignInState>> {
        self.0.by_id(id).map(|live| live.state.subscribe())
    }

    /// The sign-in that a mailbox waits for, if there is one.
    pub fn pending(&self, mailbox: &Mailbox) -> Option<(SignInId, SignInState)> {
        let live = self.0.live(&mailbox.grant)?;
        let state = live.state.borrow().clone();
        (!state.is_over()).then(|| (live.id.clone(), state))
    }

    /// An admin confirms the account shown. False: nothing was awaiting that.
    pub async fn confirm(&self, id: &SignInId) -> Result<bool, StoreError> {
        if !self.0.store.confirm_sign_in(id).await? {
            return Ok(false);
        }
        if let Some(row) = self.0.store.sign_in(id).await? {
            tracing::info!(sign_in = %id, grant = %row.grant, account = row.account, "another account than expected was confirmed");
            self.0.take_up(&row);
        }
        Ok(true)
    }

    /// An admin declines the account shown, or gives up. False: it had ended already.
    pub async fn decline(&self, id: &SignInId) -> Result<bool, StoreError> {
        let reason = Reason::new(
            ReasonKind::NeedsSignIn,
            "The sign-in was cancelled here. Start it again when you are ready.",
        );
        let ended = self.0.store.fail_sign_in(id, &reason.advice).await?;
        if ended && let Some(live) = self.0.by_id(id) {
            live.end(SignInState::Failed(reason));
        }
        Ok(ended)
    }

    /// After a restart: goes on with what is pending and the time that is left.
    pub async fn resume(&self) -> Result<(), StoreError> {
        for row in self.0.store.pending_sign_ins().await? {
            tracing::info!(sign_in = %row.id, grant = %row.grant, status = row.status.as_str(), "sign-in goes on");
            self.0.take_up(&row);
        }
        Ok(())
    }
}

impl SignInState {
    /// Whether nothing more will happen.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed(_))
    }
}

impl Inner {
    /// A sign-in that is still worth waiting for.
    async fn pending(self: &Arc<Self>, row: &Row) -> Result<Option<SignIn>, Reason> {
        let worth_it = match row.status {
            SignInStatus::Waiting => row.expires_at - self.clock.now().wall > millis(WORTH_SHOWING),
            SignInStatus::NeedsConfirmation | SignInStatus::Proving => true,
            SignInStatus::Done | SignInStatus::Failed => return Ok(None),
        };
        if worth_it {
            return Ok(Some(self.take_up(row)));
        }
        let ended = self.store.fail_sign_in(&row.id, &expired().advice).await;
        ended.map_err(|e| unusable(&e))?;
        if let Some(live) = self.by_id(&row.id) {
            live.end(SignInState::Failed(expired()));
        }
        Ok(None)
    }

    /// Sees to it that a row of the store is worked on, once.
    fn take_up(self: &Arc<Self>, row: &Row) -> SignIn {
        let fresh = Arc::new(Live {
            id: row.id.clone(),
            state: watch::Sender::new(state_of(row)),
            over: CancellationToken::new(),
        });
        let known = self.live(&row.grant).filter(|live| live.id == row.id);
        let confirmed = known.as_ref().is_some_and(|live| {
            row.status == SignInStatus::Proving
                && matches!(*live.state.borrow(), SignInState::NeedsConfirmation { .. })
        });
        let is_new = known.is_none();
        let live = known.unwrap_or(fresh);
        if is_new {
            self.live.insert(row.grant.clone(), Arc::clone(&live));
        }
        if is_new || confirmed {
            if confirmed {
                live.state.send_replace(SignInState::Proving);
            }
            tokio::spawn(run::run(Arc::clone(self), Arc::clone(&live), row.clone()));
        }
        SignIn {
            id: row.id.clone(),
            link: row.link.clone(),
            code: row.user_code.clone(),
            expires_at: wall_time(row.expires_at),
            state: live.state.subscribe(),
        }
    }

    fn live(&self, grant: &GrantId) -> Option<Arc<Live>> {
        self.live.get(grant).map(|live| Arc::clone(&live))
    }

    fn by_id(&self, id: &SignInId) -> Option<Arc<Live>> {
        self.live
            .iter()
            .find(|live| live.id == *id)
            .map(|live| Arc::clone(&live))
    }

    fn beginning(&self, grant: &GrantId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.beginning.entry(grant.clone()).or_default())
    }
}

impl Live {
    fn show(&self, state: SignInState) {
        self.state.send_if_modified(|now| {
            let open = !now.is_over();
            if open {
                *now = state;
            }
            open
        });
    }

    fn end(&self, state: SignInState) {
        self.show(state);
        self.over.cancel();
    }
}

fn state_of(row: &Row) -> SignInState {
    match row.status {
        SignInStatus::NeedsConfirmation => SignInState::NeedsConfirmation {
            account: row.account.clone().unwrap_or_default(),
            expected: String::new(),
        },
        SignInStatus::Proving => SignInState::Proving,
        SignInStatus::Waiting => SignInState::Waiting {
            link: row.link.clone(),
            code: row.user_code.clone(),
            expires_at: wall_time(row.expires_at),
        },
        SignInStatus::Done => SignInState::Done {
            account: row.account.clone().unwrap_or_default(),
            note: row.outcome.clone(),
        },
        SignInStatus::Failed => SignInState::Failed(Reason::new(
            ReasonKind::NeedsSignIn,
            row.outcome.clone().unwrap_or_default(),
        )),
    }
}

fn unusable(error: &StoreError) -> Reason {
    Reason::new(
        ReasonKind::TryLater,
        format!("The sign-in cannot be stored: {error}."),
    )
}
