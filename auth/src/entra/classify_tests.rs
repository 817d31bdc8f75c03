//! Every code, suberror and OAuth error that is known, and what falls through.

use std::time::Duration;

use super::*;

fn refused(status: u16, error: &str, codes: &[u32]) -> Refused {
    Refused {
        status,
        error: error.to_owned(),
        codes: codes.to_vec(),
        ..Refused::default()
    }
}

/// The whole table, by whose move it is.
const EXPECTED: &[(ReasonKind, &[u32])] = &[
    (
        ReasonKind::TryLater,
        &[
            70016, 70018, 50134, 50196, 90055, 50033, 50087, 50088, 90006, 90012, 90024, 90033,
            90090, 70012, 80001, 80002, 80005, 80014, 40008, 40009, 40010, 40011, 40012, 40013,
            40014, 40015,
        ],
    ),
    (
        ReasonKind::NeedsSignIn,
        &[
            70019, 90119, 90120, 50199, 50173, 50132, 50133, 700_082, 70008, 70043, 50078, 50076,
            50074, 50079, 50072, 50158, 65004, 50126, 50055, 50058, 50085, 50089, 50125, 50135,
            50140, 50144, 16000,
        ],
    ),
    (
        ReasonKind::BlockedByPolicy,
        &[
            53003, 530_036, 53000, 53001, 50097, 53002, 53004, 53011, 530_032, 530_035, 530_084,
            50131, 500_212, 500_213,
        ],
    ),
    (
        ReasonKind::AdminMustFix,
        &[
            700_084, 135_011, 50105, 65001, 90094, 90095, 65002, 650_052, 650_056, 650_057,
            700_016, 7_000_112, 7_000_229, 7_000_215, 7_000_222, 7_000_218, 700_025, 700_027,
            700_024, 700_030, 50012, 50013, 50048, 70002, 70011, 700_022, 28002, 28003, 500_011,
            50001, 90002, 90038, 50059, 90019, 50194, 9_001_023, 50020, 90072, 50034, 50053, 50056,
            50057, 51004, 54005, 501_481, 900_144, 9_002_313, 900_561, 70001, 700_011, 50032,
            901_002,
        ],
    ),
];

#[test]
fn every_code_of_the_table() {
    let mut count = 0;
    for (kind, codes) in EXPECTED {
        for code in *codes {
            count += 1;
            let reason = classify(&refused(400, "invalid_grant", &[*code]));
            assert_eq!(reason.kind, *kind, "AADSTS{code}");
            assert_eq!(reason.code, Some(*code));
        }
    }
    assert_eq!(count, 119);
}

#[test]
fn a_busy_service_says_nothing_about_the_grant() {
    for status in [408, 429, 500, 502, 503, 504] {
        let reason = classify(&refused(status, "invalid_grant", &[50173]));
        assert_eq!(reason.kind, ReasonKind::TryLater, "{status}");
    }
    let throttled = Refused {
        retry_after: Some(Duration::from_secs(7)),
        ..refused(429, "temporarily_unavailable", &[90055])
    };
    let reason = classify(&throttled);
    assert_eq!(reason.retry_after, Some(Duration::from_secs(7)));
    assert!(reason.advice.contains("throttles"));
}

#[test]
fn the_first_known_code_decides() {
    let reason = classify(&refused(400, "invalid_grant", &[1, 53003, 50173]));
    assert_eq!(reason.kind, ReasonKind::BlockedByPolicy);
    assert_eq!(reason.code, Some(53003));
}

#[test]
fn an_unknown_code_falls_back_to_suberror_then_error_then_status() {
    let mut answer = refused(400, "invalid_grant", &[4711]);
    assert_eq!(classify(&answer).kind, ReasonKind::NeedsSignIn);
    assert_eq!(classify(&answer).code, Some(4711));
    answer.suberror = "protection_policy_required".into();
    assert_eq!(classify(&answer).kind, ReasonKind::BlockedByPolicy);
    let unheard = refused(400, "out_of_coffee", &[4711]);
    assert_eq!(classify(&unheard).kind, ReasonKind::AdminMustFix);
}

#[test]
fn oauth_errors() {
    use ReasonKind::{AdminMustFix, NeedsSignIn, TryLater};
    for (error, kind) in [
        ("invalid_grant", NeedsSignIn),
        ("interaction_required", NeedsSignIn),
        ("login_required", NeedsSignIn),
        ("access_denied", NeedsSignIn),
        ("authorization_declined", NeedsSignIn),
        ("expired_token", NeedsSignIn),
        ("bad_verification_code", NeedsSignIn),
        ("consent_required", AdminMustFix),
        ("invalid_client", AdminMustFix),
        ("unauthorized_client", AdminMustFix),
        ("invalid_scope", AdminMustFix),
        ("invalid_resource", AdminMustFix),
        ("invalid_request", AdminMustFix),
        ("unsupported_grant_type", AdminMustFix),
        ("temporarily_unavailable", TryLater),
        ("server_error", TryLater),
    ] {
        assert_eq!(classify(&refused(400, error, &[])).kind, kind, "{error}");
    }
}

#[test]
fn suberrors() {
    use ReasonKind::{AdminMustFix, BlockedByPolicy, NeedsSignIn};
    for (suberror, kind) in [
        ("basic_action", NeedsSignIn),
        ("additional_action", AdminMustFix),
        ("message_only", AdminMustFix),
        ("consent_required", AdminMustFix),
        ("user_password_expired", NeedsSignIn),
        ("bad_token", NeedsSignIn),
        ("token_expired", NeedsSignIn),
        ("protection_policy_required", BlockedByPolicy),
        ("client_mismatch", NeedsSignIn),
        ("device_authentication_failed", BlockedByPolicy),
    ] {
        let mut answer = refused(400, "interaction_required", &[]);
        answer.suberror = suberror.into();
        assert_eq!(classify(&answer).kind, kind, "{suberror}");
    }
}

#[test]
fn something_in_between_is_not_the_end_of_a_grant() {
    for status in [200, 302, 400, 403, 404, 407] {
        let reason = classify(&refused(status, "", &[]));
        assert_eq!(reason.kind, ReasonKind::TryLater, "{status}");
    }
}
