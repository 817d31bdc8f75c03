//! Answers as they really come, and the rhythm of questions.

use super::*;
use crate::clock::Clock;
use proptest::prelude::*;
use zeroize::Zeroizing;

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        retry_after: None,
        body: Zeroizing::new(body.as_bytes().to_vec()),
    }
}

fn refused(status: u16, error: &str, codes: &[u32]) -> TokenAnswer {
    TokenAnswer::Refused(Refused {
        status,
        error: error.into(),
        codes: codes.into(),
        ..Refused::default()
    })
}

fn poll(now: Moment) -> Poll {
    Poll::new(Duration::from_secs(5), now.after(Duration::from_mins(15)))
}

fn wait(next: Next) -> u64 {
    match next {
        Next::Wait(wait) => wait.as_secs(),
        other => panic!("{other:?}"),
    }
}

fn ended(next: Next) -> Reason {
    match next {
        Next::Ended(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn microsofts_answer_and_looser_ones() {
    let code = read_start(&answer(200, r#"{"user_code":"FXLMB3C4X","device_code":"dc","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5,"message":"To sign in"}"#)).unwrap();
    assert_eq!(code.user_code, "FXLMB3C4X");
    assert_eq!(code.link, "https://microsoft.com/devicelogin");
    assert_eq!(code.interval, Duration::from_secs(5));
    assert_eq!(code.life, Duration::from_mins(15));
    let code = read_start(&answer(200, r#"{"user_code":"A","device_code":"dc","verification_url":"https://example.com/d","expires_in":"600","interval":"7"}"#)).unwrap();
    assert_eq!((code.interval.as_secs(), code.life.as_secs()), (7, 600));
    let code = read_start(&answer(200, r#"{"user_code":"A","device_code":"dc","verification_uri":"https://e.com","verification_uri_complete":"https://e.com?c=A","interval":0}"#)).unwrap();
    assert_eq!((code.interval.as_secs(), code.life.as_secs()), (5, 900));
    assert_eq!(code.link, "https://e.com?c=A");
}

#[test]
fn what_is_no_code_is_refused() {
    let reason = |status, body: &str| read_start(&answer(status, body)).unwrap_err();
    let scope = reason(
        200,
        r#"{"error":"invalid_scope","error_description":"AADSTS70011: bad"}"#,
    );
    assert_eq!(scope.kind, ReasonKind::AdminMustFix);
    assert_eq!(scope.code, Some(70011));
    assert!(reason(503, "<html>").is_transient());
    assert!(reason(200, "{}").is_transient());
    let evil = r#"{"user_code":"A\u001b[2J","device_code":"d","verification_uri":"https://e.com"}"#;
    assert!(reason(200, evil).is_transient());
    let evil = r#"{"user_code":"A","device_code":"d","verification_uri":"javascript:alert(1)"}"#;
    assert!(reason(200, evil).is_transient());
}

#[test]
fn slow_down_adds_five_seconds_each_time() {
    let now = Clock::manual().now();
    let mut poll = poll(now);
    let waits: Vec<u64> = (0..4)
        .map(|_| wait(poll.answered(Ok(refused(400, "slow_down", &[])), now)))
        .collect();
    assert_eq!(waits, [10, 15, 20, 25]);
    let pending = refused(400, "authorization_pending", &[70016]);
    assert_eq!(wait(poll.answered(Ok(pending), now)), 25);
}

#[test]
fn failures_in_between_back_off_and_go_on() {
    let now = Clock::manual().now();
    let mut poll = poll(now);
    let lost = || Err(Reason::new(ReasonKind::TryLater, "lost"));
    assert_eq!(wait(poll.answered(lost(), now)), 10);
    assert_eq!(wait(poll.answered(Ok(refused(503, "", &[])), now)), 20);
    assert_eq!(
        wait(poll.answered(Ok(refused(429, "x", &[50196])), now)),
        40
    );
    assert_eq!(wait(poll.answered(Ok(refused(400, "", &[])), now)), 60);
    let pending = refused(400, "authorization_pending", &[70016]);
    assert_eq!(wait(poll.answered(Ok(pending), now)), 5);
    assert_eq!(wait(poll.answered(lost(), now)), 10);
    let throttled = Ok(TokenAnswer::Refused(Refused {
        status: 429,
        retry_after: Some(Duration::from_secs(90)),
        ..Refused::default()
    }));
    assert_eq!(wait(poll.answered(throttled, now)), 90);
}

#[test]
fn each_end_has_its_sentence() {
    let now = Clock::manual().now();
    for (error, codes, words) in [
        ("authorization_declined", &[][..], "declined"),
        ("access_denied", &[], "declined"),
        ("expired_token", &[70019], "expired"),
        ("bad_verification_code", &[], "does not know this code"),
        ("access_denied", &[53003], "Conditional Access"),
        ("invalid_grant", &[530_036], "device code flow"),
        ("invalid_client", &[7_000_218], "public client flows"),
        ("server_error", &[50134], "Start the sign-in again"),
    ] {
        let reason = ended(poll(now).answered(Ok(refused(400, error, codes)), now));
        assert!(reason.advice.contains(words), "{error}: {reason}");
    }
}

#[test]
fn a_code_ends_by_our_clock_too() {
    let now = Clock::manual().now();
    let later = now.after(Duration::from_mins(15));
    let pending = refused(400, "authorization_pending", &[70016]);
    assert!(
        ended(poll(now).answered(Ok(pending), later))
            .advice
            .contains("expired")
    );
}

proptest! {
    /// Never faster than the interval, whatever comes.
    #[test]
    fn the_service_is_never_hurried(answers in proptest::collection::vec(0u8..5, 1..60)) {
        let mut now = Clock::manual().now();
        let mut poll = poll(now);
        let mut least = Duration::from_secs(5);
        for kind in answers {
            let answer = match kind {
                0 => Ok(refused(400, "authorization_pending", &[70016])),
                1 => Ok(refused(400, "slow_down", &[])),
                2 => Ok(refused(503, "", &[])),
                3 => Ok(refused(429, "slow_down", &[50196])),
                _ => Err(Reason::new(ReasonKind::TryLater, "lost")),
            };
            if matches!(kind, 1 | 3) {
                least += SLOW_DOWN;
            }
            match poll.answered(answer, now) {
                Next::Wait(wait) => {
                    prop_assert!(wait >= least.min(INTERVALS.1));
                    now = now.after(wait);
                }
                Next::Ended(reason) => {
                    prop_assert_eq!(reason, expired());
                    break;
                }
                Next::Granted(_) => unreachable!(),
            }
        }
    }

    #[test]
    fn no_answer_panics(status in 100u16..600, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let answer = Answer { status, retry_after: None, body: Zeroizing::new(body) };
        let _ = read_start(&answer);
    }
}
