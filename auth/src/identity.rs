//! Whether the one who signed in is the one who should.
//!
//! Anybody who receives a device code can finish it with any account, so the first sign-in is held
//! against the expected account and every later one against what was pinned then.

use portreeve_state::Pin;

use crate::id_token::Claims;

/// What follows from who signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the expected account, or the pinned identity.
    Right,
    /// The first sign-in shows another name: an admin decides.
    Ask,
    /// The grant belongs to somebody else.
    Wrong,
}

/// `expected` is the mailbox's address or the delegate named for it.
pub(crate) fn judge(claims: &Claims, expected: &str, pinned: Option<&Pin>) -> Verdict {
    if let Some(pin) = pinned {
        return if *pin == pin_of(claims) {
            Verdict::Right
        } else {
            Verdict::Wrong
        };
    }
    let fits = claims
        .account
        .as_deref()
        .is_some_and(|account| account.to_lowercase() == expected.to_lowercase());
    if fits { Verdict::Right } else { Verdict::Ask }
}

pub(crate) fn pin_of(claims: &Claims) -> Pin {
    Pin {
        issuer: claims.issuer.clone(),
        subject: claims.subject.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(account: Option<&str>, subject: &str) -> Claims {
        Claims {
            issuer: "tenant".into(),
            subject: subject.into(),
            account: account.map(Into::into),
        }
    }

    #[test]
    fn the_first_sign_in_goes_by_name() {
        let judge = |account| judge(&claims(account, "o"), "scans@contoso.com", None);
        assert_eq!(judge(Some("Scans@Contoso.com")), Verdict::Right);
        assert_eq!(judge(Some("boss@contoso.com")), Verdict::Ask);
        assert_eq!(judge(None), Verdict::Ask);
    }

    #[test]
    fn later_ones_go_by_identity_whatever_the_name() {
        let pin = pin_of(&claims(None, "o"));
        let judge = |account, subject| {
            judge(
                &claims(Some(account), subject),
                "scans@contoso.com",
                Some(&pin),
            )
        };
        assert_eq!(judge("renamed@contoso.com", "o"), Verdict::Right);
        assert_eq!(judge("scans@contoso.com", "other"), Verdict::Wrong);
    }
}
