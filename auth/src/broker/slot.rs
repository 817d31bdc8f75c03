//! The place of one grant: its machine, and the news about it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portreeve_state::GrantId;
use tokio::sync::watch;

use crate::broker::machine::{Flight, Machine};
use crate::broker::{Health, wall_time};
use crate::clock::Moment;
use crate::reason::ReasonKind;

/// One grant.
pub(crate) struct Slot {
    pub(crate) id: GrantId,
    machine: Mutex<Machine>,
    news: watch::Sender<()>,
}

impl Slot {
    pub(crate) fn new(id: GrantId) -> Self {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let spread = u32::try_from(hasher.finish() % 1000).unwrap_or(0);
        Self {
            id,
            machine: Mutex::new(Machine::new(spread)),
            news: watch::Sender::new(()),
        }
    }

    /// Held for one decision; never across an await.
    pub(crate) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribe before looking at the machine, or the news may be missed.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    pub(crate) fn announce(&self) {
        self.news.send_replace(());
    }

    pub(crate) fn health(&self, now: Moment) -> Health {
        let machine = self.machine();
        if !machine.is_signed_in() {
            return Health::NotSignedIn;
        }
        if let Some(words) = machine.unsaved_words() {
            return Health::Unsaved {
                words: words.to_owned(),
            };
        }
        let access = machine.access(now);
        match machine.refusal().trouble() {
            Some((reason, _)) if reason.is_transient() && access.is_some() => {}
            Some((reason, since)) => {
                let (since, reason) = (wall_time(since), reason.clone());
                return if reason.kind == ReasonKind::NeedsSignIn {
                    Health::NeedsSignIn { since, reason }
                } else {
                    Health::Trouble { since, reason }
                };
            }
            None => {}
        }
        Health::Works {
            expires_at: access.map(crate::token::AccessToken::expires_at),
        }
    }
}

/// Lands a flight however its task ends.
pub(crate) struct Landing<'a> {
    pub(crate) slot: &'a Slot,
    pub(crate) flight: Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.slot.machine().land(self.flight);
        self.slot.announce();
    }
}
