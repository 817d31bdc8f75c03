//! The proof after a sign-in: a real login with the new token, by whatever protocol the mailbox has.
//!
//! One protocol is enough: tenants switch SMTP or POP3 off, and `mailbox test` tells which.

use std::sync::Arc;

use portreeve_auth::{AccessToken, Mailbox, Protocol, Prove, Unproved};
use portreeve_protocols::RefusalKind;

use crate::upstream::{Failure, Upstream};

/// IMAP first: it shows that the mailbox itself opens.
const ORDER: [Protocol; 3] = [Protocol::Imap, Protocol::Smtp, Protocol::Pop3];

/// A proof by XOAUTH2 login at the mailbox's own servers.
pub(super) fn by_login(upstream: Arc<Upstream>) -> Prove {
    Arc::new(move |mailbox, token| {
        let upstream = Arc::clone(&upstream);
        Box::pin(async move { prove(&upstream, &mailbox, &token).await })
    })
}

async fn prove(
    upstream: &Upstream,
    mailbox: &Mailbox,
    token: &AccessToken,
) -> Result<(), Unproved> {
    let mut failures = Vec::new();
    for protocol in ORDER {
        match upstream.prove(mailbox, token, protocol).await {
            Ok(()) => return Ok(()),
            Err(failure) => failures.push(failure),
        }
    }
    Err(judge(&failures))
}

/// A server that was reached and said no knows more than one that was not reached.
fn judge(failures: &[Failure]) -> Unproved {
    let refused: Vec<String> = failures
        .iter()
        .filter(|f| is_refusal(f))
        .map(ToString::to_string)
        .collect();
    if refused.is_empty() {
        let words: Vec<String> = failures.iter().map(ToString::to_string).collect();
        return Unproved::Unreachable(words.join("; "));
    }
    Unproved::Refused(refused.join("; "))
}

fn is_refusal(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Refused { refusal, .. }
            if matches!(refusal.kind, RefusalKind::TokenRefused | RefusalKind::AccessDenied)
    )
}

#[cfg(test)]
mod tests {
    use portreeve_protocols::Refusal;

    use super::*;

    #[test]
    fn a_refusal_counts_more_than_a_server_that_is_away() {
        let away = || Failure::Unreachable {
            server: "a:1".into(),
            words: "no route".into(),
        };
        let refused = Failure::Refused {
            server: "b:2".into(),
            refusal: Refusal {
                kind: RefusalKind::TokenRefused,
                words: "NO".into(),
            },
        };
        assert!(
            matches!(judge(&[away(), refused, away()]), Unproved::Refused(words) if words.contains("b:2") && !words.contains("a:1"))
        );
        assert!(
            matches!(judge(&[away(), away()]), Unproved::Unreachable(words) if words.matches("a:1").count() == 2)
        );
    }
}
