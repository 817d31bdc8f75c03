//! What the words of an IMAP or POP3 server mean when it does not let us in.
//!
//! The texts are those seen from Exchange Online and Gmail; the response codes are those of RFC 5530
//! (IMAP) and RFC 2449 and 3206 (POP3). SMTP has numbers and needs none of this.

use std::time::Duration;

use crate::{Refusal, RefusalKind, sasl::bearer::Bearer};

/// More than this of a server's words is not worth a log line.
const WORDS_LIMIT: usize = 400;

/// What the words say by themselves, if they say something.
pub(crate) fn of_words(words: &str) -> Option<RefusalKind> {
    let words = words.to_ascii_lowercase();
    let says = |any: &[&str]| any.iter().any(|text| words.contains(text));
    if says(&["throttled", "backoff time"]) {
        return Some(RefusalKind::Throttled(backoff(&words)));
    }
    if says(&["too many simultaneous", "[limit]", "[login-delay]"]) {
        return Some(RefusalKind::Throttled(None));
    }
    // Exchange ends a session whose user may not use the mailbox with "Connection closed. 14".
    if says(&[
        "authenticated but not connected",
        "connection closed. 14",
        "[authorizationfailed]",
        "[noperm]",
        "[contactadmin]",
        "[sys/perm]",
    ]) {
        return Some(RefusalKind::AccessDenied);
    }
    if says(&["accesstokenexpired", "[authenticationfailed]", "[auth]"]) {
        return Some(RefusalKind::TokenRefused);
    }
    if says(&["[privacyrequired]"]) {
        return Some(RefusalKind::NoTls);
    }
    if says(&[
        "unavailable",
        "invalid state",
        "[inuse]",
        "[in-use]",
        "[serverbug]",
        "[sys/temp]",
    ]) {
        return Some(RefusalKind::Unavailable);
    }
    None
}

/// A refusal with the server's words made safe for a log: one line, printable, no token.
pub(crate) fn refusal(kind: RefusalKind, words: &str, bearer: &Bearer) -> Refusal {
    let words = bearer
        .scrub(words)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(WORDS_LIMIT)
        .collect();
    Refusal { kind, words }
}

/// `Suggested Backoff Time: 299961 milliseconds`
fn backoff(lower_case: &str) -> Option<Duration> {
    let (_, after) = lower_case.split_once("backoff time")?;
    let digits = after.trim_start_matches([':', ' ']);
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchange_and_gmail_in_their_own_words() {
        use RefusalKind::{AccessDenied, Throttled, TokenRefused, Unavailable};
        for (words, kind) in [
            ("AUTHENTICATE failed.", None),
            (
                "Request is throttled. Suggested Backoff Time: 299961 milliseconds",
                Some(Throttled(Some(Duration::from_millis(299_961)))),
            ),
            ("Request is throttled.", Some(Throttled(None))),
            (
                "Suggested Backoff Time: 99999999999999999999999",
                Some(Throttled(None)),
            ),
            (
                "[ALERT] Too many simultaneous connections. (Failure)",
                Some(Throttled(None)),
            ),
            (
                "User is authenticated but not connected.",
                Some(AccessDenied),
            ),
            ("Connection closed. 14", Some(AccessDenied)),
            ("Connection is closed. 13", None),
            (
                "Session invalidated - AccessTokenExpired",
                Some(TokenRefused),
            ),
            ("Server Unavailable. 15", Some(Unavailable)),
            ("Command received in Invalid state.", Some(Unavailable)),
            ("[SYS/TEMP] later", Some(Unavailable)),
            ("[SYS/PERM] POP3 is disabled", Some(AccessDenied)),
            ("[AUTH] no", Some(TokenRefused)),
        ] {
            assert_eq!(of_words(words), kind, "{words}");
        }
    }

    #[test]
    fn words_become_one_short_line() {
        let bearer = Bearer::new("u", "t0ken".into(), "h", 1).unwrap();
        let long = format!("a\x07t0ken {}", "x".repeat(1000));
        let words = refusal(RefusalKind::Misbehaved, &long, &bearer).words;
        assert!(words.starts_with("a?<credentials> xx"));
        assert_eq!(words.chars().count(), WORDS_LIMIT);
    }
}
