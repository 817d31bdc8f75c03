//! Ask for a token, get a token or a reason.
//!
//! One slot per grant holds a pure state machine; everything that takes time (requests, saves) runs in
//! a task of its own, so that a caller who gives up takes nothing down with it. How a sign-in is begun
//! is not known here, nor what a device is told.

mod flight;
mod machine;
mod refusal;
mod save;
mod slot;

#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dashmap::DashMap;
use portreeve_state::{GrantId, Mailbox, Store, StoreError};
use secrecy::SecretString;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::discovery::Discovery;
use crate::http::Http;
use crate::provider::ProvidersWatch;
use crate::reason::{Reason, ReasonKind};
use crate::token::{AccessToken, Audience, MinLife};
use machine::Ask;
use slot::Slot;

/// How long one caller waits for a token, requests and saves of others included.
const PATIENCE: Duration = Duration::from_secs(45);

/// How often a caller looks again after a flight that did not bring what it needs.
const ROUNDS: usize = 4;

/// How often renewals, idle grants and unsaved tokens are looked at.
const TICK: Duration = Duration::from_secs(10);

/// How many renewals that nobody waits for start at once.
const RENEWALS_PER_TICK: usize = 16;

/// How long a stop waits for requests whose answer must be saved.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Hands out access tokens; cheap to clone.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    store: Store,
    http: Http,
    discovery: Discovery,
    providers: ProvidersWatch,
    clock: Clock,
    /// Private to this file; guards never leave [`Inner::slot`] and [`Inner::slots`].
    slots: DashMap<GrantId, Arc<Slot>>,
    tasks: TaskTracker,
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
    /// Reads what is known of all grants.
    pub async fn open(
        store: Store,
        http: Http,
        providers: ProvidersWatch,
    ) -> Result<Self, StoreError> {
        Self::with_clock(store, http, providers, Clock::system()).await
    }

    pub(crate) async fn with_clock(
        store: Store,
        http: Http,
        providers: ProvidersWatch,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let slots = DashMap::new();
        for grant in store.grants().await? {
            let slot = Slot::new(grant.id.clone());
            slot.machine().remember(&grant, clock.now());
            slots.insert(grant.id, Arc::new(slot));
        }
        Ok(Self(Arc::new(Inner {
            discovery: Discovery::new(http.clone(), clock.clone()),
            store,
            http,
            providers,
            clock,
            slots,
            tasks: TaskTracker::new(),
        })))
    }

    /// A token with at least this much life: from memory where possible, else from the one request
    /// that is made for all who wait.
    ///
    /// A caller that would take less life when the service is down asks again for less: what is in
    /// memory is then handed out.
    pub async fn token(
        &self,
        mailbox: &Mailbox,
        audience: Audience,
        life: MinLife,
    ) -> Result<AccessToken, Reason> {
        let Audience::Mail = audience;
        let slot = self.0.slot(&mailbox.grant);
        let asked = slot.machine().ask(life, self.0.clock.now());
        match asked {
            Ask::Token(token) => return Ok(token),
            Ask::Refused(reason) => return Err(reason),
            Ask::Wait => {}
            Ask::Start(flight) => self.0.start(&slot, flight),
        }
        timeout(PATIENCE, self.0.wait(&slot, life))
            .await
            .unwrap_or_else(|_| Err(slow()))
    }

    /// The exchange refused this token: the next [`token`](Self::token) asks for a fresh one,
    /// unless another one took its place already, or too many were refused of late.
    pub fn rejected(&self, mailbox: &Mailbox, audience: Audience, token: &AccessToken) {
        let Audience::Mail = audience;
        let slot = self.0.slot(&mailbox.grant);
        let dropped = slot.machine().reject(token, self.0.clock.now());
        tracing::info!(grant = %mailbox.grant, mailbox = mailbox.address, dropped, "access token refused by the exchange");
    }

    /// Renews ahead of time, keeps idle grants alive, retries what could not be saved; until told
    /// to stop. Then waits for what is under way, so that no token is lost on the way to the disk.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut providers = self.0.providers.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => self.0.tick(),
                Ok(()) = providers.changed() => self.0.reconfigured(),
            }
        }
        self.0.save_what_is_left();
        self.0.tasks.close();
        if timeout(STOP_PATIENCE, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("stopping while a token request is under way");
        }
    }

    /// How the mailbox's sign-in is doing.
    pub fn health(&self, mailbox: &Mailbox) -> Health {
        let found = self
            .0
            .slots
            .get(&mailbox.grant)
            .map(|slot| Arc::clone(&slot));
        found.map_or(Health::NotSignedIn, |slot| slot.health(self.0.clock.now()))
    }

    /// A grant was removed from the store.
    pub fn forget(&self, grant: &GrantId) {
        self.0.slots.remove(grant);
    }

    /// Somebody signed in; the store has the refresh token already.
    pub(crate) fn signed_in(
        &self,
        grant: &GrantId,
        generation: i64,
        refresh_token: SecretString,
        access: Option<AccessToken>,
    ) {
        let slot = self.0.slot(grant);
        slot.machine()
            .signed_in(generation, refresh_token, access, self.0.clock.now());
        slot.announce();
    }
}

impl Inner {
    fn slot(&self, id: &GrantId) -> Arc<Slot> {
        if let Some(slot) = self.slots.get(id) {
            return Arc::clone(&slot);
        }
        let slot = self
            .slots
            .entry(id.clone())
            .or_insert_with(|| Arc::new(Slot::new(id.clone())));
        Arc::clone(&slot)
    }

    fn all_slots(&self) -> Vec<Arc<Slot>> {
        self.slots.iter().map(|slot| Arc::clone(&slot)).collect()
    }

    /// Waits for flights of others, or starts one.
    async fn wait(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        life: MinLife,
    ) -> Result<AccessToken, Reason> {
        for _ in 0..ROUNDS {
            let mut news = slot.news();
            let asked = slot.machine().ask(life, self.clock.now());
            match asked {
                Ask::Token(token) => return Ok(token),
                Ask::Refused(reason) => return Err(reason),
                Ask::Start(flight) => self.start(slot, flight),
                Ask::Wait => {}
            }
            // The sender lives in the slot that we hold.
            let _ = news.changed().await;
        }
        Err(slow())
    }

    fn start(self: &Arc<Self>, slot: &Arc<Slot>, flight: machine::Flight) {
        self.tasks
            .spawn(flight::refresh(Arc::clone(self), Arc::clone(slot), flight));
    }

    fn tick(self: &Arc<Self>) {
        let mut renewals = 0;
        for slot in self.all_slots() {
            self.start_save(&slot);
            if renewals == RENEWALS_PER_TICK {
                continue;
            }
            let due = slot.machine().due(self.clock.now());
            if let Some(flight) = due {
                renewals += 1;
                self.start(&slot, flight);
            }
        }
    }

    fn reconfigured(&self) {
        for slot in self.all_slots() {
            slot.machine().reconfigured(self.clock.now());
        }
    }

    fn save_what_is_left(self: &Arc<Self>) {
        for slot in self.all_slots() {
            self.start_save(&slot);
        }
    }

    fn start_save(self: &Arc<Self>, slot: &Arc<Slot>) {
        let due = slot.machine().save_is_due();
        if let Some((flight, save)) = due {
            self.tasks.spawn(flight::save_again(
                Arc::clone(self),
                Arc::clone(slot),
                flight,
                save,
            ));
        }
    }
}

fn slow() -> Reason {
    Reason::new(
        ReasonKind::TryLater,
        "The sign-in service takes too long; retrying.",
    )
}

pub(crate) fn wall_time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
