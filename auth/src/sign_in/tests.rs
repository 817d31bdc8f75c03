//! Sign-ins against a scripted provider.

use std::sync::Mutex;

use tokio::sync::Notify;

use super::*;
use crate::testing::{ADDRESS, House, Reply, id_token};
use crate::{Audience, MinLife};

/// A proof that answers as told and remembers what it was given.
fn proof(answer: Result<(), Unproved>) -> (Prove, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&seen);
    let prove: Prove = Arc::new(move |mailbox, token| {
        let line = format!("{} {}", mailbox.address, token.expose());
        log.lock().unwrap().push(line);
        let answer = answer.clone();
        Box::pin(async move { answer })
    });
    (prove, seen)
}

fn code() -> Reply {
    Reply::new(
        200,
        r#"{"user_code":"FXLMB3C4X","device_code":"dc1","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5}"#,
    )
}

fn pending() -> Reply {
    Reply::error("authorization_pending", 70016)
}

fn granted(account: &str, oid: &str) -> Reply {
    let id_token = id_token(account, oid);
    Reply::new(
        200,
        format!(
            r#"{{"access_token":"AT1","refresh_token":"RT1","expires_in":3600,"id_token":"{id_token}"}}"#
        ),
    )
}

async fn until(sign_in: &SignIn, wanted: fn(&SignInState) -> bool) -> SignInState {
    let mut state = sign_in.state.clone();
    let state = state.wait_for(wanted).await.unwrap();
    state.clone()
}

async fn end(sign_in: &SignIn) -> SignInState {
    until(sign_in, SignInState::is_over).await
}

/// Until the provider was asked, and holds its answer back.
async fn waits(house: &House) {
    while house.provider.seen("/token").is_empty() {
        tokio::task::yield_now().await;
    }
}

async fn asks(sign_in: &SignIn) -> SignInState {
    until(sign_in, |state| {
        matches!(state, SignInState::NeedsConfirmation { .. })
    })
    .await
}

fn failure(state: SignInState) -> Reason {
    match state {
        SignInState::Failed(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn done(note: Option<&str>) -> SignInState {
    SignInState::Done {
        account: ADDRESS.into(),
        note: note.map(Into::into),
    }
}

#[tokio::test]
async fn the_expected_account_signs_in_and_the_first_token_is_at_hand() {
    let house = House::new().await;
    let (prove, proved) = proof(Ok(()));
    let (sign_ins, broker) = house.sign_ins(prove).await;
    house.provider.device(code());
    house.provider.token(pending());
    house
        .provider
        .token(Reply::new(400, r#"{"error":"slow_down"}"#));
    house.provider.token(Reply::new(503, "<html>busy</html>"));
    house.provider.token(granted("Scans@Contoso.com", "o1"));
    let started = house.clock.now();
    let sign_in = sign_ins.begin(&house.mailbox).await.unwrap();
    assert_eq!(sign_in.code, "FXLMB3C4X");
    assert_eq!(sign_in.link, "https://microsoft.com/devicelogin");
    let SignInState::Done {
        account,
        note: None,
    } = end(&sign_in).await
    else {
        panic!();
    };
    assert_eq!(account, "Scans@Contoso.com");
    // 5, then 5 again, then slow_down: 10, then a failure: 20.
    assert_eq!(started.elapsed(house.clock.now()).as_secs(), 40);
    assert_eq!(*proved.lock().unwrap(), ["scans@contoso.com AT1"]);
    let form = &house.provider.seen("/devicecode")[0];
    assert!(form.contains(
        "scope=https%3A%2F%2Foutlook.office.com%2FSMTP.Send+offline_access+openid+profile"
    ));
    let form = &house.provider.seen("/token")[0];
    assert!(form.contains("device_code=dc1"), "{form}");
    assert!(form.contains("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"));
    let token = broker
        .token(&house.mailbox, Audience::Mail, MinLife::Half)
        .await;
    assert_eq!(token.unwrap().expose(), "AT1");
    assert_eq!(house.provider.seen("/token").len(), 4);
    assert_eq!(house.stored().await, "RT1");
    let grant = house
        .store
        .grant(&house.mailbox.grant)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(grant.pin.unwrap().subject, "o1");
}

#[tokio::test]
async fn ten_who_wait_see_one_code() {
    let house = House::new().await;
    let (sign_ins, _) = house.sign_ins(proof(Ok(())).0).await;
    let never = Arc::new(Notify::new());
    house.provider.device(code());
    house.provider.token(pending().held(&never));
    let mut ids = vec![];
    let all: Vec<_> = (0..10)
        .map(|_| {
            let (sign_ins, mailbox) = (sign_ins.clone(), house.mailbox.clone());
            tokio::spawn(async move { sign_ins.begin(&mailbox).await })
        })
        .collect();
    for one in all {
        ids.push(one.await.unwrap().unwrap().id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(house.provider.seen("/devicecode").len(), 1);
    let (id, state) = sign_ins.pending(&house.mailbox).unwrap();
    assert_eq!(id, ids[0]);
    assert!(matches!(state, SignInState::Waiting { .. }));
}

#[tokio::test]
async fn each_end_says_what_to_do_and_a_new_code_can_be_had() {
    for (reply, words) in [
        (
            Reply::new(400, r#"{"error":"authorization_declined"}"#),
            "declined",
        ),
        (Reply::error("expired_token", 70019), "expired"),
        (
            Reply::new(400, r#"{"error":"bad_verification_code"}"#),
            "does not know",
        ),
        (Reply::error("access_denied", 53003), "Conditional Access"),
        (
            Reply::error("invalid_grant", 530_036),
            "blocks device code flow",
        ),
        (
            Reply::error("invalid_client", 7_000_218),
            "public client flows",
        ),
    ] {
        let house = House::new().await;
        let (sign_ins, _) = house.sign_ins(proof(Ok(())).0).await;
        house.provider.device(code());
        house.provider.token(pending());
        house.provider.token(reply);
        let sign_in = sign_ins.begin(&house.mailbox).await.unwrap();
        let reason = failure(end(&sign_in).await);
        assert!(reason.advice.contains(words), "{reason}");
        let row = house.store.sign_in(&sign_in.id).await.unwrap().unwrap();
        assert_eq!(row.status, SignInStatus::Failed);
        assert!(row.outcome.unwrap().contains(words));
        house.provider.device(code());
        house.provider.token(granted(ADDRESS, "o1"));
        let again = sign_ins.begin(&house.mailbox).await.unwrap();
        assert_ne!(again.id, sign_in.id);
        assert_eq!(end(&again).await, done(None));
    }
}

#[tokio::test]
async fn a_code_that_nobody_uses_ends_by_itself() {
    let house = House::new().await;
    let (sign_ins, _) = house.sign_ins(proof(Ok(())).0).await;
    house.provider.device(code());
    for _ in 0..200 {
        house.provider.token(pending());
    }
    let sign_in = sign_ins.begin(&house.mailbox).await.unwrap();
    let reason = failure(end(&sign_in).await);
    assert!(reason.advice.contains("expired"), "{reason}");
    assert_eq!(house.provider.seen("/token").len(), 180);
}

#[tokio::test]
async fn what_the_provider_refuses_at_once_is_shown() {
    let house = House::new().await;
    let (sign_ins, _) = house.sign_ins(proof(Ok(())).0).await;
    house.provider.device(Reply::error("invalid_scope", 70011));
    let reason = sign_ins.begin(&house.mailbox).await.unwrap_err();
    assert_eq!(reason.code, Some(70011));
    assert!(sign_ins.pending(&house.mailbox).is_none());
}

#[tokio::test]
async fn another_account_waits_for_an_admin() {
    let house = House::new().await;
    let (prove, proved) = proof(Ok(()));
    let (sign_ins, _) = house.sign_ins(prove).await;
    house.provider.device(code());
    house.provider.token(granted("boss@contoso.com", "o2"));
    let sign_in = sign_ins.begin(&house.mailbox).await.unwrap();
    assert_eq!(
        asks(&sign_in).await,
        SignInState::NeedsConfirmation {
            account: "boss@contoso.com".into(),
            expected: ADDRESS.into(),
        }
    );
    assert!(
        proved.lock().unwrap().is_empty(),
        "no token before the admin says so"
    );
    // Whoever asks meanwhile sees the same sign-in.
    let same = sign_ins.begin(&house.mailbox).await.unwrap();
    assert_eq!(same.id, sign_in.id);
    assert!(sign_ins.confirm(&sign_in.id).await.unwrap());
    assert!(!sign_ins.confirm(&sign_in.id).await.unwrap());
    let SignInState::Done { account, .. } = end(&sign_in).await else {
        panic!();
    };
    assert_eq!(account, "boss@contoso.com");
    assert_eq!(house.stored().await, "RT1");
}

#[tokio::test]
async fn a_declined_account_leaves_nothing() {
    let house = House::new().await;
    let (sign_ins, _) = house.sign_ins(proof(Ok(())).0).await;
    house.provider.device(code());
    house.provider.token(granted("boss@contoso.com", "o2"));
    let sign_in = sign_ins.begin(&house.mailbox).await.unwrap();
    asks(&sign_in).await;
    assert!(sign_ins.decline(&sign_in.id).await.unwrap());
    failure(end(&sign_in).await);
    assert!(!sign_ins.confirm(&sign_in.id).await.unwrap());
    assert_eq!(house.stored().await, "");
    assert!(
        house
            .store
            .held_tokens(&sign_in.id)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_confirmed_account_without_access_is_not_pinned() {
    let house = House::new().await;
    let refused = Err(Unproved::Refused("AUTHENTICATE failed".into()));
    let (sign_ins, _) = house.sign_ins(proof(refused).0).await;
    house.provider.device(code());
    house.provider.token(granted("boss@contoso.com", "o2"));
    let sign_in = sign_ins.begin(&house.mailbox).await.unwrap();
    asks(&sign_in).await;
    sign_ins.confirm(&sign_in.id).await.unwrap();
    let reason = failure(end(&sign_in).await);
    assert!(
        reason.advice.contains("has no access to this mailbox"),
        "{reason}"
    );
    let grant = house
        .store
        .grant(&house.mailbox.grant)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(grant.pin, None);
}

#[tokio::test]
async fn a_sign_in_is_kept_when_the_mailbox_does_not_open_yet() {
    for unproved in [
        Unproved::Refused("IMAP is disabled".into()),
        Unproved::Unreachable("no route".into()),
    ] {
        let house = House::new().await;
        let (sign_ins, _) = house.sign_ins(proof(Err(unproved)).0).await;
        house.provider.device(code());
        house.provider.token(granted(ADDRESS, "o1"));
        let sign_in = sign_ins.begin(&house.mailbox).await.unwrap();
        let SignInState::Done {
            note: Some(note), ..
        } = end(&sign_in).await
        else {
            panic!();
        };
        assert!(note.starts_with("The sign-in is kept"), "{note}");
        assert_eq!(house.stored().await, "RT1");
    }
}

#[tokio::test]
async fn later_sign_ins_must_be_the_same_identity() {
    let house = House::signed_in().await;
    let (sign_ins, broker) = house.sign_ins(proof(Ok(())).0).await;
    house.provider.device(code());
    house.provider.token(granted(ADDRESS, "somebody-else"));
    let wrong = sign_ins.begin(&house.mailbox).await.unwrap();
    let reason = failure(end(&wrong).await);
    assert!(reason.advice.starts_with("Wrong account"), "{reason}");
    house.provider.device(code());
    let renamed = granted("renamed@contoso.com", "oid-scans");
    house.provider.token(renamed);
    let right = sign_ins.begin(&house.mailbox).await.unwrap();
    assert!(matches!(end(&right).await, SignInState::Done { .. }));
    let health = broker.health(&house.mailbox);
    assert!(matches!(
        health,
        crate::Health::Works {
            expires_at: Some(_)
        }
    ));
}

#[tokio::test]
async fn an_answer_that_names_nobody_or_keeps_nothing_is_refused() {
    for (body, words) in [
        (
            r#"{"access_token":"AT1","refresh_token":"RT1"}"#.to_owned(),
            "openid profile",
        ),
        (
            format!(
                r#"{{"access_token":"AT1","id_token":"{}"}}"#,
                id_token(ADDRESS, "o")
            ),
            "offline_access",
        ),
        (
            r#"{"access_token":"AT1","refresh_token":"RT1","id_token":"a.b.c"}"#.to_owned(),
            "id_token is not usable",
        ),
    ] {
        let house = House::new().await;
        let (sign_ins, _) = house.sign_ins(proof(Ok(())).0).await;
        house.provider.device(code());
        house.provider.token(Reply::new(200, body));
        let sign_in = sign_ins.begin(&house.mailbox).await.unwrap();
        let reason = failure(end(&sign_in).await);
        assert!(reason.advice.contains(words), "{reason}");
        assert_eq!(house.stored().await, "");
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_the_time_that_is_left() {
    let house = House::new().await;
    let (before, _) = house.sign_ins(proof(Ok(())).0).await;
    let never = Arc::new(Notify::new());
    house.provider.device(code());
    house.provider.token(pending().held(&never));
    let sign_in = before.begin(&house.mailbox).await.unwrap();
    waits(&house).await;
    house.clock.advance(Duration::from_mins(10));
    let (after, broker) = house.sign_ins(proof(Ok(())).0).await;
    let asked_again = Arc::new(Notify::new());
    house
        .provider
        .token(granted(ADDRESS, "o1").held(&asked_again));
    after.resume().await.unwrap();
    let again = after.begin(&house.mailbox).await.unwrap();
    assert_eq!(again.id, sign_in.id);
    assert_eq!(again.expires_at, sign_in.expires_at);
    asked_again.notify_one();
    assert_eq!(end(&again).await, done(None));
    let token = broker
        .token(&house.mailbox, Audience::Mail, MinLife::Half)
        .await;
    assert_eq!(token.unwrap().expose(), "AT1");
}

#[tokio::test]
async fn a_restart_after_the_code_has_ended_ends_it_cleanly() {
    let house = House::new().await;
    let (before, _) = house.sign_ins(proof(Ok(())).0).await;
    let never = Arc::new(Notify::new());
    house.provider.device(code());
    house.provider.token(pending().held(&never));
    let sign_in = before.begin(&house.mailbox).await.unwrap();
    waits(&house).await;
    house.clock.advance(Duration::from_mins(20));
    let (after, _) = house.sign_ins(proof(Ok(())).0).await;
    house.provider.token(pending());
    after.resume().await.unwrap();
    let mut state = after.watch(&sign_in.id).unwrap();
    let state = state.wait_for(SignInState::is_over).await.unwrap().clone();
    assert!(failure(state).advice.contains("expired"));
    house.provider.device(code());
    house.provider.token(granted(ADDRESS, "o1"));
    let again = after.begin(&house.mailbox).await.unwrap();
    assert_eq!(end(&again).await, done(None));
}

#[tokio::test]
async fn a_confirmation_days_later_works_with_a_fresh_token() {
    let house = House::new().await;
    let (before, _) = house.sign_ins(proof(Ok(())).0).await;
    house.provider.device(code());
    house.provider.token(granted("boss@contoso.com", "o2"));
    let sign_in = before.begin(&house.mailbox).await.unwrap();
    asks(&sign_in).await;
    house.clock.advance(Duration::from_hours(50));
    let (prove, proved) = proof(Ok(()));
    let (after, broker) = house.sign_ins(prove).await;
    after.resume().await.unwrap();
    let (id, _) = after.pending(&house.mailbox).unwrap();
    assert_eq!(id, sign_in.id);
    house
        .provider
        .token(Reply::tokens("AT2", Some("RT2"), 3600));
    assert!(after.confirm(&id).await.unwrap());
    let mut state = after.watch(&id).unwrap();
    let state = state.wait_for(SignInState::is_over).await.unwrap().clone();
    assert!(
        matches!(state, SignInState::Done { note: None, .. }),
        "{state:?}"
    );
    assert_eq!(*proved.lock().unwrap(), ["scans@contoso.com AT2"]);
    assert_eq!(house.stored().await, "RT2");
    let token = broker
        .token(&house.mailbox, Audience::Mail, MinLife::Half)
        .await;
    assert_eq!(token.unwrap().expose(), "AT2");
}

/// Everything that is logged, at the finest level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_line_holds_a_token_or_a_code() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let house = House::new().await;
    let (sign_ins, broker) = house.sign_ins(proof(Ok(())).0).await;
    house.provider.device(code());
    house.provider.token(pending());
    house.provider.token(granted(ADDRESS, "o1"));
    let sign_in = sign_ins.begin(&house.mailbox).await.unwrap();
    assert_eq!(end(&sign_in).await, done(None));
    house.clock.advance(Duration::from_mins(31));
    house
        .provider
        .token(Reply::tokens("AT2", Some("RT2"), 3600));
    let token = broker
        .token(&house.mailbox, Audience::Mail, MinLife::Half)
        .await;
    broker.rejected(&house.mailbox, Audience::Mail, &token.unwrap());
    house.provider.token(Reply::error("invalid_grant", 50173));
    let refused = broker
        .token(&house.mailbox, Audience::Mail, MinLife::Half)
        .await;
    refused.unwrap_err();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<&str> = text
        .lines()
        .filter(|l| l.contains("portreeve_auth"))
        .collect();
    for words in [
        "somebody signed in",
        "access token renewed",
        "50173",
        "correlation c1",
    ] {
        assert!(
            ours.iter().any(|line| line.contains(words)),
            "{words}: {ours:#?}"
        );
    }
    for secret in ["AT1", "AT2", "RT1", "RT2", "dc1", "FXLMB3C4X", "eyJ"] {
        assert!(!text.contains(secret), "{secret}");
    }
}
