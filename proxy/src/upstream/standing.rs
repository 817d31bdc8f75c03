//! What an exchange said last about a mailbox, remembered for a short while.
//!
//! A printer that retries every second must not become a storm of logins: a refusal that a retry
//! cannot cure is answered from memory until it is old enough to be worth another try. For the admin
//! it stands longer: until a login has worked again, or for a day.

use std::time::{Duration, Instant};

use dashmap::DashMap;
use portreeve_auth::Protocol;
use portreeve_protocols::{Refusal, RefusalKind};

/// How long a refusal that a person must cure is remembered. Short, because the person waits.
const CURABLE: Duration = Duration::from_mins(1);
/// How long to stay away when the exchange throttles without saying how long.
const THROTTLED: Duration = Duration::from_mins(1);
/// How long an admin is shown a refusal that no login has followed.
const SHOWN: Duration = Duration::from_hours(24);
/// The longest wait that is believed.
const THROTTLED_AT_MOST: Duration = Duration::from_mins(10);

/// Refusals by mailbox and protocol.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    refused: DashMap<(String, Protocol), Refused>,
}

#[derive(Debug)]
struct Refused {
    refusal: Refusal,
    at: Instant,
    until: Instant,
}

impl Standing {
    /// The refusal that still holds.
    pub(crate) fn refusal(
        &self,
        mailbox: &str,
        protocol: Protocol,
        now: Instant,
    ) -> Option<Refusal> {
        let entry = self.refused.get(&(mailbox.to_owned(), protocol))?;
        (now < entry.until).then(|| entry.refusal.clone())
    }

    /// Remembers a refusal, if it is of a kind that a retry does not cure.
    pub(crate) fn refused(
        &self,
        mailbox: &str,
        protocol: Protocol,
        refusal: &Refusal,
        now: Instant,
    ) {
        let wait = match refusal.kind {
            RefusalKind::TokenRefused | RefusalKind::AccessDenied => CURABLE,
            RefusalKind::Throttled(wait) => wait.unwrap_or(THROTTLED).min(THROTTLED_AT_MOST),
            RefusalKind::Unavailable
            | RefusalKind::NoTls
            | RefusalKind::NoMechanism
            | RefusalKind::Misbehaved => return,
        };
        let refused = Refused {
            refusal: refusal.clone(),
            at: now,
            until: now + wait,
        };
        self.refused.insert((mailbox.to_owned(), protocol), refused);
    }

    /// What the exchange refuses, as far as is known, and for how long it has been known.
    pub(crate) fn trouble(
        &self,
        mailbox: &str,
        now: Instant,
    ) -> Vec<(Protocol, Refusal, Duration)> {
        if self.refused.is_empty() {
            return Vec::new();
        }
        [Protocol::Smtp, Protocol::Imap, Protocol::Pop3]
            .into_iter()
            .filter_map(|protocol| {
                let entry = self.refused.get(&(mailbox.to_owned(), protocol))?;
                let age = now.saturating_duration_since(entry.at);
                let shown = match entry.refusal.kind {
                    RefusalKind::Throttled(_) => now < entry.until,
                    _ => age < SHOWN,
                };
                shown.then(|| (protocol, entry.refusal.clone(), age))
            })
            .collect()
    }

    /// The mailbox is well again, or somebody wants it tried at once.
    pub(crate) fn clear(&self, mailbox: &str, protocol: Protocol) {
        if !self.refused.is_empty() {
            self.refused.remove(&(mailbox.to_owned(), protocol));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: RefusalKind) -> Refusal {
        Refusal {
            kind,
            words: "words".to_owned(),
        }
    }

    #[test]
    fn a_refusal_holds_for_its_time_and_for_its_protocol_only() {
        let standing = Standing::default();
        let now = Instant::now();
        let disabled = refusal(RefusalKind::AccessDenied);
        standing.refused("a@b", Protocol::Smtp, &disabled, now);
        assert_eq!(standing.refusal("a@b", Protocol::Smtp, now), Some(disabled));
        assert_eq!(standing.refusal("a@b", Protocol::Imap, now), None);
        assert_eq!(standing.refusal("a@b", Protocol::Smtp, now + CURABLE), None);
    }

    #[test]
    fn the_exchange_says_how_long_to_stay_away_within_reason() {
        let standing = Standing::default();
        let now = Instant::now();
        let day = Duration::from_hours(24);
        standing.refused(
            "a@b",
            Protocol::Imap,
            &refusal(RefusalKind::Throttled(Some(day))),
            now,
        );
        assert!(
            standing
                .refusal("a@b", Protocol::Imap, now + Duration::from_secs(599))
                .is_some()
        );
        assert!(
            standing
                .refusal("a@b", Protocol::Imap, now + THROTTLED_AT_MOST)
                .is_none()
        );
    }

    #[test]
    fn an_admin_sees_a_refusal_until_a_login_works_or_a_day_is_over() {
        let standing = Standing::default();
        let now = Instant::now();
        let hour = Duration::from_hours(1);
        let disabled = refusal(RefusalKind::AccessDenied);
        standing.refused("a@b", Protocol::Smtp, &disabled, now);
        standing.refused(
            "a@b",
            Protocol::Imap,
            &refusal(RefusalKind::Throttled(None)),
            now,
        );
        assert_eq!(
            standing.trouble("a@b", now + hour),
            [(Protocol::Smtp, disabled, hour)]
        );
        assert!(standing.trouble("c@d", now).is_empty());
        assert!(standing.trouble("a@b", now + SHOWN).is_empty());
        standing.clear("a@b", Protocol::Smtp);
        assert!(standing.trouble("a@b", now + hour).is_empty());
    }

    #[test]
    fn what_a_retry_may_cure_is_not_remembered() {
        let standing = Standing::default();
        let now = Instant::now();
        standing.refused(
            "a@b",
            Protocol::Imap,
            &refusal(RefusalKind::Unavailable),
            now,
        );
        assert_eq!(standing.refusal("a@b", Protocol::Imap, now), None);
    }
}
