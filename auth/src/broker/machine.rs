//! What one grant does next: a pure state machine.
//!
//! It holds the newest refresh token and the access token, and decides who gets the token, who waits
//! and when a request is made. It neither asks the time nor sends or stores anything. Its rules:
//!
//! 1. A token is handed out only with the life that was asked for.
//! 2. At most one flight (request or save) is under way.
//! 3. A refresh token that arrived is never given up for an older one.

use std::time::Duration;

use portreeve_state::{Grant, RefreshTokens, Saved, StoreError};
use secrecy::SecretString;

use crate::broker::refusal::{Refusal, Rejections};
use crate::broker::save::{AfterSave, Save, Unsaved, same};
use crate::clock::{Moment, millis};
use crate::reason::{Reason, ReasonKind};
use crate::token::{AccessToken, MinLife};

/// A refresh token unused for 90 days dies at Entra; a week leaves room for a long outage.
const KEEP_ALIVE: Duration = Duration::from_hours(7 * 24);

/// Grants do not all come in the same minute.
const KEEP_ALIVE_SPREAD: Duration = Duration::from_hours(12);

/// Renewal starts this long before a token is too short, times 0.5 to 1.5.
const AHEAD: Duration = Duration::from_mins(5);

/// One grant.
pub(crate) struct Machine {
    tokens: Option<Tokens>,
    access: Option<AccessToken>,
    /// Arrived, and handed out when its refresh token is safe (or cannot be made safe).
    arriving: Option<AccessToken>,
    flight: Option<u64>,
    flights: u64,
    /// Counts sign-ins: what an earlier one still brings is not taken.
    epoch: u64,
    refusal: Refusal,
    rejections: Rejections,
    unsaved: Option<Unsaved>,
    /// The longest life asked for since the access token was minted.
    needed: Option<Duration>,
    /// When the refresh token was last used, by the wall clock.
    renewed: Option<i64>,
    /// This grant's place in all spreads, 0 to 999.
    spread: u32,
}

/// What the store has of a grant, as far as known.
pub(crate) struct Tokens {
    pub(crate) generation: i64,
    pub(crate) current: Option<SecretString>,
    pub(crate) previous: Option<SecretString>,
}

/// The answer to somebody who asks for a token.
pub(crate) enum Ask {
    Token(AccessToken),
    /// Until the flight lands.
    Wait,
    Start(Flight),
    Refused(Reason),
}

/// Leave to make one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) number: u64,
    pub(crate) epoch: u64,
}

/// What a refresh brought.
pub(crate) struct Brought {
    pub(crate) access: SecretString,
    pub(crate) life: Duration,
    pub(crate) refresh: Option<SecretString>,
    /// It was the previous refresh token that worked.
    pub(crate) with_previous: bool,
}

impl Machine {
    pub(crate) fn new(spread: u32) -> Self {
        Self {
            tokens: None,
            access: None,
            arriving: None,
            flight: None,
            flights: 0,
            epoch: 0,
            refusal: Refusal::default(),
            rejections: Rejections::default(),
            unsaved: None,
            needed: None,
            renewed: None,
            spread: spread % 1000,
        }
    }

    /// Somebody wants a token.
    pub(crate) fn ask(&mut self, life: MinLife, now: Moment) -> Ask {
        if let Some(token) = &self.access {
            let needed = life.needed(token.life());
            self.needed = self.needed.max(Some(needed));
            if token.serves(life, now) {
                return Ask::Token(token.clone());
            }
        }
        if self.flight.is_some() {
            return Ask::Wait;
        }
        if let Some(reason) = self.refusal.stands(now) {
            return Ask::Refused(reason);
        }
        if self.tokens.as_ref().is_some_and(|t| t.current.is_none()) {
            return Ask::Refused(not_signed_in());
        }
        Ask::Start(self.take_off())
    }

    /// Whether a request is due although nobody waits for it: ahead of time while the token is in
    /// use, and now and then while it is not.
    pub(crate) fn due(&mut self, now: Moment) -> Option<Flight> {
        let idle = self.tokens.as_ref().is_some_and(|t| t.current.is_none());
        if self.flight.is_some() || idle || self.refusal.holds_background(now) {
            return None;
        }
        (self.ahead_is_due(now) || self.keep_alive_is_due(now)).then(|| self.take_off())
    }

    /// Whether something waits to be saved; the caller has leave to save it.
    pub(crate) fn save_is_due(&mut self) -> Option<(Flight, Save)> {
        if self.flight.is_some() || self.unsaved.is_none() {
            return None;
        }
        let save = self.replacement()?;
        Some((self.take_off(), save))
    }

    /// What the store has; needed before the first request.
    pub(crate) fn loaded(&mut self, tokens: RefreshTokens, flight: Flight) {
        if flight.epoch == self.epoch && self.tokens.is_none() {
            self.tokens = Some(Tokens {
                generation: tokens.generation,
                current: tokens.current,
                previous: tokens.previous,
            });
        }
    }

    pub(crate) fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_ref()
    }

    /// What is known without the secrets, at start.
    pub(crate) fn remember(&mut self, grant: &Grant, now: Moment) {
        self.renewed = grant.renewed_at;
        if !grant.signed_in {
            self.tokens = Some(Tokens {
                generation: grant.generation,
                current: None,
                previous: None,
            });
        }
        if let Some(trouble) = &grant.trouble {
            self.refusal.recall(trouble, now);
        }
    }

    /// A refresh worked. Says what to store before the token is handed out.
    pub(crate) fn brought(
        &mut self,
        brought: Brought,
        flight: Flight,
        now: Moment,
    ) -> Option<Save> {
        if flight.epoch != self.epoch {
            return None;
        }
        let tokens = self.tokens.as_mut()?;
        self.refusal.clear();
        self.renewed = Some(now.wall);
        self.arriving = Some(AccessToken::new(brought.access, now, brought.life));
        let rotated = brought
            .refresh
            .filter(|new| tokens.current.as_ref().is_none_or(|old| !same(old, new)));
        if brought.with_previous {
            std::mem::swap(&mut tokens.current, &mut tokens.previous);
        }
        let generation = tokens.generation;
        if let Some(new) = rotated {
            tokens.previous = tokens.current.replace(new.clone());
            if let Some(unsaved) = &mut self.unsaved {
                unsaved.push(new.clone());
            }
            return Some(Save::Replace {
                generation,
                token: new,
            });
        }
        if self.unsaved.is_some() {
            return self.replacement();
        }
        if brought.with_previous {
            return Some(Save::Swap { generation });
        }
        tokens.previous = None;
        Some(Save::Confirm { generation })
    }

    /// A refresh failed. `Some`: the trouble is new and worth storing.
    pub(crate) fn failed(&mut self, reason: Reason, flight: Flight, now: Moment) -> Option<Save> {
        if flight.epoch != self.epoch {
            return None;
        }
        let news = self.refusal.note(reason, now, self.spread);
        let generation = self.tokens.as_ref()?.generation;
        news.then_some(Save::Trouble { generation })
    }

    /// What became of a save.
    pub(crate) fn saved(
        &mut self,
        save: &Save,
        outcome: &Result<Saved, StoreError>,
        flight: Flight,
    ) -> AfterSave {
        if flight.epoch != self.epoch {
            return AfterSave::Nothing;
        }
        match (save, outcome) {
            (_, Ok(Saved::Outdated)) => return AfterSave::Reload,
            (Save::Replace { token, .. }, Err(error)) => {
                let unsaved = self.unsaved.get_or_insert_default();
                unsaved.words = error.to_string();
                unsaved.push(token.clone());
            }
            (Save::Replace { .. }, Ok(Saved::Yes { generation })) => {
                self.unsaved = None;
                self.set_generation(*generation);
            }
            (Save::Swap { .. }, Ok(Saved::Yes { generation })) => self.set_generation(*generation),
            (Save::Confirm { .. } | Save::Trouble { .. }, Ok(Saved::Yes { .. }))
            | (Save::Confirm { .. } | Save::Swap { .. } | Save::Trouble { .. }, Err(_)) => {}
        }
        AfterSave::Nothing
    }

    /// The store has another generation than we thought. Ours is newer only if what it holds is
    /// one of those that we could not be sure of; then it is saved again.
    pub(crate) fn reloaded(&mut self, stored: RefreshTokens, flight: Flight) -> Option<Save> {
        if flight.epoch != self.epoch {
            return None;
        }
        let ours = self.tokens.as_ref().and_then(|t| t.current.as_ref());
        let has_ours = stored
            .current
            .as_ref()
            .is_some_and(|stored| ours.is_some_and(|ours| same(ours, stored)));
        let has_older = stored.current.as_ref().is_some_and(|stored| {
            self.unsaved
                .as_ref()
                .is_some_and(|unsaved| unsaved.knows(stored))
        });
        if has_older && !has_ours {
            self.set_generation(stored.generation);
            return self.replacement();
        }
        self.unsaved = None;
        self.tokens = Some(Tokens {
            generation: stored.generation,
            current: stored.current,
            previous: stored.previous,
        });
        None
    }

    /// The token may be used now: its refresh token is safe, or saving it takes too long.
    pub(crate) fn publish(&mut self, flight: Flight) {
        if flight.epoch == self.epoch
            && let Some(token) = self.arriving.take()
        {
            self.access = Some(token);
            self.needed = None;
        }
    }

    /// The flight is over, however it went.
    pub(crate) fn land(&mut self, flight: Flight) {
        self.publish(flight);
        if self.flight == Some(flight.number) {
            self.flight = None;
        }
    }

    /// The exchange refused this token. True: the next one who asks gets a fresh one.
    pub(crate) fn reject(&mut self, token: &AccessToken, now: Moment) -> bool {
        let is_ours = self.access.as_ref().is_some_and(|ours| ours.is(token));
        let dropped = is_ours && self.rejections.allow(now);
        if dropped {
            self.access = None;
        }
        dropped
    }

    /// Somebody signed in: everything from before is over.
    pub(crate) fn signed_in(
        &mut self,
        generation: i64,
        refresh_token: SecretString,
        access: Option<AccessToken>,
        now: Moment,
    ) {
        self.epoch += 1;
        self.flight = None;
        self.arriving = None;
        self.unsaved = None;
        self.needed = None;
        self.refusal.clear();
        self.rejections = Rejections::default();
        self.renewed = Some(now.wall);
        self.access = access;
        self.tokens = Some(Tokens {
            generation,
            current: Some(refresh_token),
            previous: None,
        });
    }

    /// Providers were configured anew.
    pub(crate) fn reconfigured(&mut self, now: Moment) {
        self.refusal.retry_now(now);
    }

    /// The token at hand, what is wrong, and what is not saved; for people.
    pub(crate) fn access(&self, now: Moment) -> Option<&AccessToken> {
        self.access
            .as_ref()
            .filter(|token| !token.left(now).is_zero())
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.tokens.as_ref().is_none_or(|t| t.current.is_some())
    }

    pub(crate) fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    pub(crate) fn unsaved_words(&self) -> Option<&str> {
        self.unsaved.as_ref().map(|unsaved| unsaved.words.as_str())
    }

    fn take_off(&mut self) -> Flight {
        self.flights += 1;
        self.flight = Some(self.flights);
        Flight {
            number: self.flights,
            epoch: self.epoch,
        }
    }

    fn ahead_is_due(&self, now: Moment) -> bool {
        let (Some(token), Some(needed)) = (&self.access, self.needed) else {
            return false;
        };
        let ahead = AHEAD.min(token.life() / 12) * (500 + self.spread) / 1000;
        token.left(now) <= needed + ahead
    }

    fn keep_alive_is_due(&self, now: Moment) -> bool {
        let due = KEEP_ALIVE + KEEP_ALIVE_SPREAD * self.spread / 1000;
        self.renewed
            .is_some_and(|renewed| now.wall.saturating_sub(renewed) >= millis(due))
    }

    fn replacement(&self) -> Option<Save> {
        let tokens = self.tokens.as_ref()?;
        Some(Save::Replace {
            generation: tokens.generation,
            token: tokens.current.clone()?,
        })
    }

    fn set_generation(&mut self, generation: i64) {
        if let Some(tokens) = &mut self.tokens {
            tokens.generation = generation;
        }
    }
}

pub(crate) fn not_signed_in() -> Reason {
    Reason::new(
        ReasonKind::NeedsSignIn,
        "Nobody has signed this mailbox in yet. Run `portreeve mailbox sign-in` for it.",
    )
}
