//! What is remembered of failures, so that a printer that retries every second causes no storm.

use std::time::Duration;

use portreeve_state::Trouble;

use crate::clock::Moment;
use crate::reason::{Reason, ReasonKind};

/// After a refusal for good the same request is not made again for this long (as Microsoft's own
/// libraries do it).
const REFUSAL_MEMORY: Duration = Duration::from_mins(2);

/// The first wait after a passing failure; it doubles.
const BACK_OFF: Duration = Duration::from_secs(2);

/// The longest wait after a passing failure that names none.
const BACK_OFF_LIMIT: Duration = Duration::from_mins(1);

/// The shortest wait, whatever the service says.
const BACK_OFF_FLOOR: Duration = Duration::from_secs(1);

/// "Too many requests": a loop was detected, or the tenant is throttled.
const THROTTLED: [u32; 2] = [50196, 90055];

/// The shortest wait after one of [`THROTTLED`].
const THROTTLED_FLOOR: Duration = Duration::from_mins(1);

/// How many refused access tokens are replaced at once ..
const REJECTIONS: u32 = 3;

/// .. and how long it takes until one more is.
const REJECTION_REFILL: Duration = Duration::from_mins(2);

/// The last failure, until something works again.
#[derive(Default)]
pub(crate) struct Refusal {
    last: Option<Failure>,
    /// Passing failures in a row.
    passing: u32,
}

struct Failure {
    reason: Reason,
    until: Moment,
    /// Since when things are wrong, by the wall clock.
    since: i64,
}

impl Refusal {
    /// Why there is no request now.
    pub(crate) fn stands(&self, now: Moment) -> Option<Reason> {
        let failure = self.last.as_ref()?;
        let left = failure.until.left(now);
        (!left.is_zero()).then(|| Reason {
            retry_after: Some(left),
            ..failure.reason.clone()
        })
    }

    /// Whether requests that nobody waits for are left alone: what a person must mend is not tried
    /// again by itself.
    pub(crate) fn holds_background(&self, now: Moment) -> bool {
        self.last
            .as_ref()
            .is_some_and(|f| !f.reason.is_transient() || !f.until.left(now).is_zero())
    }

    /// What is wrong, and since when.
    pub(crate) fn trouble(&self) -> Option<(&Reason, i64)> {
        self.last.as_ref().map(|f| (&f.reason, f.since))
    }

    /// A request failed. True: it is a new incident that lasts.
    pub(crate) fn note(&mut self, reason: Reason, now: Moment, spread: u32) -> bool {
        let before = self.last.take();
        let lasted = before.as_ref().is_some_and(|f| !f.reason.is_transient());
        if reason.is_transient() && lasted {
            // A busy service does not undo what it said before.
            self.last = before.map(|f| Failure {
                until: now.after(self.back_off(&reason, spread)),
                ..f
            });
            return false;
        }
        let same = before
            .as_ref()
            .is_some_and(|f| f.reason.kind == reason.kind && f.reason.code == reason.code);
        let wait = if reason.is_transient() {
            self.back_off(&reason, spread)
        } else {
            self.passing = 0;
            REFUSAL_MEMORY
        };
        let news = !same && !reason.is_transient();
        self.last = Some(Failure {
            until: now.after(wait),
            since: before.filter(|_| same).map_or(now.wall, |f| f.since),
            reason,
        });
        news
    }

    /// What an earlier run of the program found out; it does not keep the first request back.
    pub(crate) fn recall(&mut self, trouble: &Trouble, now: Moment) {
        self.last = Some(Failure {
            reason: Reason {
                kind: ReasonKind::from_word(&trouble.class).unwrap_or(ReasonKind::TryLater),
                code: trouble.code,
                advice: trouble.advice.clone(),
                retry_after: None,
                trace: trouble.trace.clone(),
            },
            until: now,
            since: trouble.at,
        });
    }

    /// The settings changed: what an admin had to mend may be mended.
    pub(crate) fn retry_now(&mut self, now: Moment) {
        if let Some(failure) = &mut self.last
            && failure.reason.kind == ReasonKind::AdminMustFix
        {
            failure.until = now;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn back_off(&mut self, reason: &Reason, spread: u32) -> Duration {
        self.passing = self.passing.saturating_add(1);
        let doubled = BACK_OFF * (1 << (self.passing - 1).min(10));
        let own = doubled.min(BACK_OFF_LIMIT) * (1000 + spread / 4) / 1000;
        let floor = if reason.code.is_some_and(|code| THROTTLED.contains(&code)) {
            THROTTLED_FLOOR
        } else {
            BACK_OFF_FLOOR
        };
        reason.retry_after.unwrap_or(own).max(floor)
    }
}

/// How many tokens the exchange may refuse before we stop replacing them at once: a mailbox that
/// is switched off at the exchange refuses every one.
#[derive(Default)]
pub(crate) struct Rejections {
    used: u32,
    at: Option<Moment>,
}

impl Rejections {
    pub(crate) fn allow(&mut self, now: Moment) -> bool {
        if let Some(at) = self.at {
            let refilled = at.elapsed(now).as_secs() / REJECTION_REFILL.as_secs();
            if refilled > 0 {
                self.used = self
                    .used
                    .saturating_sub(u32::try_from(refilled).unwrap_or(u32::MAX));
                self.at = Some(now);
            }
        } else {
            self.at = Some(now);
        }
        let allowed = self.used < REJECTIONS;
        self.used += u32::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn passing(retry_after: Option<u64>) -> Reason {
        Reason {
            retry_after: retry_after.map(Duration::from_secs),
            ..Reason::new(ReasonKind::TryLater, "busy")
        }
    }

    fn waits(refusal: &Refusal, now: Moment) -> u64 {
        refusal
            .stands(now)
            .and_then(|r| r.retry_after)
            .map_or(0, |left| left.as_secs())
    }

    #[test]
    fn passing_failures_wait_longer_and_longer() {
        let (mut refusal, now) = (Refusal::default(), Clock::manual().now());
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                assert!(!refusal.note(passing(None), now, 0));
                waits(&refusal, now)
            })
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn the_service_says_how_long() {
        let (mut refusal, now) = (Refusal::default(), Clock::manual().now());
        refusal.note(passing(Some(600)), now, 0);
        assert_eq!(waits(&refusal, now), 600);
        refusal.note(passing(Some(0)), now, 0);
        assert_eq!(waits(&refusal, now), 1);
        let looped = Reason {
            code: Some(50196),
            ..passing(Some(1))
        };
        refusal.note(looped, now, 0);
        assert_eq!(waits(&refusal, now), 60);
    }

    #[test]
    fn a_lasting_refusal_is_news_once_and_remembered() {
        let (mut refusal, now) = (Refusal::default(), Clock::manual().now());
        let gone = Reason::new(ReasonKind::NeedsSignIn, "gone");
        assert!(refusal.note(gone.clone(), now, 0));
        assert_eq!(waits(&refusal, now), 120);
        let later = now.after(REFUSAL_MEMORY);
        assert_eq!(refusal.stands(later), None);
        assert!(refusal.holds_background(later));
        assert!(!refusal.note(gone.clone(), later, 0));
        assert_eq!(refusal.trouble().unwrap().1, now.wall);
        // A network failure in between neither hides nor repeats it.
        assert!(!refusal.note(passing(None), later, 0));
        assert_eq!(refusal.trouble().unwrap().0.kind, ReasonKind::NeedsSignIn);
        assert!(!refusal.note(gone, later, 0));
    }

    #[test]
    fn refused_tokens_are_not_replaced_for_ever() {
        let (mut rejections, now) = (Rejections::default(), Clock::manual().now());
        let allowed = (0..10).filter(|_| rejections.allow(now)).count();
        assert_eq!(allowed, 3);
        let later = now.after(REJECTION_REFILL);
        assert!(rejections.allow(later));
        assert!(!rejections.allow(later));
    }
}
