//! One request and what it brings home: the edge around the machine.
//!
//! The order is the rule: the answer into memory, the refresh token to the disk, and only then the
//! access token to those who wait.

use std::sync::Arc;
use std::time::Duration;

use portreeve_state::{Saved, StoreError, Trouble};
use tokio::time::Instant;

use crate::broker::Inner;
use crate::broker::machine::{Brought, Flight};
use crate::broker::save::{AfterSave, Save};
use crate::broker::slot::{Landing, Slot};
use crate::grants::refresh::{NotRefreshed, provider_of, refresh as ask};
use crate::reason::{Reason, ReasonKind};

/// How long callers wait for a save; the token is good whether it is saved or not.
const SAVE_PATIENCE: Duration = Duration::from_secs(5);

/// Saves in a row when the store has another generation than we thought.
const SAVE_ROUNDS: usize = 3;

/// Makes one request and stores what it brings.
pub(super) async fn refresh(broker: Arc<Inner>, slot: Arc<Slot>, flight: Flight) {
    let _landing = Landing {
        slot: &slot,
        flight,
    };
    let started = Instant::now();
    let outcome = request(&broker, &slot, flight).await;
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let now = broker.clock.now();
    let save = match outcome {
        Ok(None) => None,
        Ok(Some(brought)) => {
            tracing::info!(grant = %slot.id, duration_ms, expires_in = brought.life.as_secs(), rotated = brought.refresh.is_some(), "access token renewed");
            slot.machine().brought(brought, flight, now)
        }
        Err(reason) => {
            let save = slot.machine().failed(reason.clone(), flight, now);
            report(&slot, &reason, save.is_some(), duration_ms);
            save
        }
    };
    if let Some(save) = save {
        store(&broker, &slot, save, flight).await;
    }
}

/// Tries again to save what could not be saved.
pub(super) async fn save_again(broker: Arc<Inner>, slot: Arc<Slot>, flight: Flight, save: Save) {
    let _landing = Landing {
        slot: &slot,
        flight,
    };
    store(&broker, &slot, save, flight).await;
    if slot.machine().unsaved_words().is_none() {
        tracing::info!(grant = %slot.id, "refresh token saved after all");
    }
}

/// `Ok(None)`: there is nothing to ask with.
async fn request(broker: &Inner, slot: &Slot, flight: Flight) -> Result<Option<Brought>, Reason> {
    let grant = broker
        .store
        .grant(&slot.id)
        .await
        .map_err(|e| unreadable(&e))?;
    let Some(grant) = grant else {
        broker.slots.remove(&slot.id);
        return Err(Reason::new(
            ReasonKind::AdminMustFix,
            "This mailbox was removed.",
        ));
    };
    if slot.machine().tokens().is_none() {
        let tokens = broker.store.refresh_tokens(&slot.id).await;
        let tokens = tokens.map_err(|e| unreadable(&e))?;
        slot.machine().loaded(tokens, flight);
    }
    let (current, previous) = match slot.machine().tokens() {
        Some(tokens) => (tokens.current.clone(), tokens.previous.clone()),
        None => (None, None),
    };
    let Some(current) = current else {
        return Ok(None);
    };
    let provider = provider_of(&broker.providers.borrow().clone(), &grant)?;
    let refused = match ask(&broker.http, &broker.discovery, &provider, &current).await {
        Ok(granted) => return Ok(Some(brought(granted, false))),
        Err(refused) => refused,
    };
    let NotRefreshed {
        reason,
        token_in_doubt: true,
    } = refused
    else {
        return Err(refused.reason);
    };
    let Some(previous) = previous else {
        return Err(reason);
    };
    tracing::info!(grant = %slot.id, "refresh token refused, trying the previous one");
    match ask(&broker.http, &broker.discovery, &provider, &previous).await {
        Ok(granted) => Ok(Some(brought(granted, true))),
        Err(_) => Err(reason),
    }
}

fn brought(granted: crate::oauth::Granted, with_previous: bool) -> Brought {
    Brought {
        access: granted.access_token,
        life: granted.life,
        refresh: granted.refresh_token,
        with_previous,
    }
}

/// Stores, and lets the token go to its callers if that takes too long.
async fn store(broker: &Inner, slot: &Slot, save: Save, flight: Flight) {
    let mut work = std::pin::pin!(settle(broker, slot, save, flight));
    tokio::select! {
        () = &mut work => return,
        () = tokio::time::sleep(SAVE_PATIENCE) => {
            slot.machine().publish(flight);
            slot.announce();
        }
    }
    work.await;
}

async fn settle(broker: &Inner, slot: &Slot, mut save: Save, flight: Flight) {
    for _ in 0..SAVE_ROUNDS {
        let outcome = write(broker, slot, &save).await;
        if let Err(error) = &outcome {
            report_unsaved(slot, error);
        }
        if slot.machine().saved(&save, &outcome, flight) == AfterSave::Nothing {
            return;
        }
        let Ok(stored) = broker.store.refresh_tokens(&slot.id).await else {
            return;
        };
        let Some(again) = slot.machine().reloaded(stored, flight) else {
            return;
        };
        save = again;
    }
}

async fn write(broker: &Inner, slot: &Slot, save: &Save) -> Result<Saved, StoreError> {
    match save {
        Save::Replace { generation, token } => {
            broker
                .store
                .replace_refresh_token(&slot.id, *generation, token)
                .await
        }
        Save::Confirm { generation } => {
            broker
                .store
                .confirm_refresh_token(&slot.id, *generation)
                .await
        }
        Save::Swap { generation } => {
            broker
                .store
                .swap_refresh_tokens(&slot.id, *generation)
                .await
        }
        Save::Trouble { generation } => {
            let trouble = slot
                .machine()
                .refusal()
                .trouble()
                .map(|(reason, at)| Trouble {
                    class: reason.kind.word().to_owned(),
                    code: reason.code,
                    advice: reason.advice.clone(),
                    trace: reason.trace.clone(),
                    at,
                });
            broker
                .store
                .set_trouble(&slot.id, *generation, trouble.as_ref())
                .await
        }
    }
}

/// Saving is tried every few seconds, and told once.
fn report_unsaved(slot: &Slot, error: &StoreError) {
    let known = slot.machine().unsaved_words().is_some();
    if known {
        tracing::debug!(grant = %slot.id, %error, "the refresh token still cannot be saved");
    } else {
        tracing::warn!(grant = %slot.id, %error, "what the sign-in service sent could not be saved; trying again");
    }
}

/// An incident that lasts is told once; the rest is for those who look closer.
fn report(slot: &Slot, reason: &Reason, news: bool, duration_ms: u64) {
    let (class, code, trace) = (reason.kind.word(), reason.code, reason.trace.as_deref());
    if news {
        tracing::warn!(grant = %slot.id, class, code, trace, duration_ms, "no token: {reason}");
    } else if reason.is_transient() {
        tracing::info!(grant = %slot.id, class, code, trace, duration_ms, "no token yet: {reason}");
    } else {
        tracing::debug!(grant = %slot.id, class, code, trace, duration_ms, "still no token: {reason}");
    }
}

fn unreadable(error: &StoreError) -> Reason {
    Reason::new(
        ReasonKind::TryLater,
        format!("The stored sign-in cannot be read: {error}."),
    )
}
