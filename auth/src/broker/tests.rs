//! The broker against a scripted token endpoint.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::*;
use crate::provider::{Provider, ProviderKind};
use crate::testing::{House, Reply, providers, tls};

async fn ask(broker: &Broker, house: &House, life: MinLife) -> Result<String, Reason> {
    let token = broker.token(&house.mailbox, Audience::Mail, life).await;
    token.map(|token| token.expose().to_owned())
}

fn requests(house: &House) -> usize {
    house.provider.seen("/token").len()
}

/// Until the tasks that run beside the callers are through.
async fn settled(broker: &Broker) {
    while !broker.0.tasks.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn fifty_logins_at_once_make_one_request() {
    let house = House::signed_in().await;
    let broker = house.broker().await;
    let gate = Arc::new(Notify::new());
    let reply = Reply::tokens("AT1", Some("RT2"), 3600).held(&gate);
    house.provider.token(reply);
    let mailbox = Arc::new(house.mailbox.clone());
    let login = || {
        let (broker, mailbox) = (broker.clone(), Arc::clone(&mailbox));
        tokio::spawn(async move { broker.token(&mailbox, Audience::Mail, MinLife::Half).await })
    };
    // The first one starts the request, and hangs up.
    let first = login();
    while requests(&house) == 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (0..50).map(|_| login()).collect();
    first.abort();
    tokio::task::yield_now().await;
    gate.notify_one();
    for other in others {
        assert_eq!(other.await.unwrap().unwrap().expose(), "AT1");
    }
    assert_eq!(requests(&house), 1);
    assert_eq!(house.stored().await, "RT2");
    let form = &house.provider.seen("/token")[0];
    for part in [
        "grant_type=refresh_token",
        "refresh_token=RT1",
        "client_id=app",
        "scope=https%3A%2F%2Foutlook.office.com%2FSMTP.Send+offline_access+openid+profile",
    ] {
        assert!(form.contains(part), "{form}");
    }
}

#[tokio::test]
async fn a_token_is_used_as_long_as_it_lives_long_enough() {
    let house = House::signed_in().await;
    let broker = house.broker().await;
    let ten = MinLife::AtLeast(Duration::from_mins(10));
    house.provider.token(Reply::tokens("AT1", None, 3600));
    house.provider.token(Reply::tokens("AT2", None, 3600));
    assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT1");
    house.clock.advance(Duration::from_mins(31));
    assert_eq!(ask(&broker, &house, ten).await.unwrap(), "AT1");
    assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT2");
    assert_eq!(ask(&broker, &house, ten).await.unwrap(), "AT2");
    assert_eq!(requests(&house), 2);
    // Without a new refresh token the old one stays.
    assert_eq!(house.stored().await, "RT1");
}

#[tokio::test]
async fn a_busy_service_is_left_alone_as_long_as_it_says() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
    for (reply, least, most) in [
        (
            Reply::error("temporarily_unavailable", 90055).retry_after("90"),
            90,
            90,
        ),
        (
            Reply::new(503, "<html>busy</html>").retry_after(date),
            90,
            100,
        ),
        (Reply::new(429, "{}"), 2, 3),
        (Reply::new(500, ""), 2, 3),
    ] {
        let house = House::signed_in().await;
        let broker = house.broker().await;
        house.provider.token(reply);
        house.provider.token(Reply::tokens("AT1", None, 3600));
        for _ in 0..20 {
            let reason = ask(&broker, &house, MinLife::Half).await.unwrap_err();
            assert_eq!(reason.kind, ReasonKind::TryLater);
        }
        let wait = ask(&broker, &house, MinLife::Half).await.unwrap_err();
        let wait = wait.retry_after.unwrap();
        assert!((least..=most).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(requests(&house), 1);
        assert!(matches!(
            broker.health(&house.mailbox),
            Health::Trouble { .. }
        ));
        house.clock.advance(wait);
        assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT1");
        assert!(matches!(
            broker.health(&house.mailbox),
            Health::Works { .. }
        ));
        assert_eq!(house.stored().await, "RT1");
    }
}

#[tokio::test]
async fn an_ended_grant_is_told_once_and_its_token_kept() {
    let house = House::signed_in().await;
    let broker = house.broker().await;
    house.provider.token(Reply::error("invalid_grant", 50173));
    for _ in 0..20 {
        let reason = ask(&broker, &house, MinLife::Half).await.unwrap_err();
        assert_eq!(reason.kind, ReasonKind::NeedsSignIn);
        assert_eq!(reason.code, Some(50173));
        assert_eq!(reason.trace.as_deref(), Some("trace t1, correlation c1"));
    }
    assert_eq!(requests(&house), 1);
    assert_eq!(house.stored().await, "RT1");
    settled(&broker).await;
    // The next start knows it too, and still tries.
    let again = house.broker().await;
    let Health::NeedsSignIn { reason, .. } = again.health(&house.mailbox) else {
        panic!("{:?}", again.health(&house.mailbox));
    };
    assert_eq!(reason.code, Some(50173));
    house.provider.token(Reply::tokens("AT1", None, 3600));
    assert_eq!(ask(&again, &house, MinLife::Half).await.unwrap(), "AT1");
    settled(&again).await;
    let grant = house.store.grant(&house.mailbox.grant).await.unwrap();
    assert_eq!(grant.unwrap().trouble, None);
}

#[tokio::test]
async fn what_is_no_answer_costs_nothing() {
    for reply in [
        Reply::new(200, "<html>Please sign on to the network</html>"),
        Reply::new(200, r#"{"access_token":"AT9","refresh_token":"RT"#),
        Reply::new(200, r#"{"error":"server_error","access_token":"AT9"}"#),
        Reply::new(302, ""),
        Reply::new(403, "<html>blocked by the web filter</html>"),
        Reply::new(200, "x".repeat(2 * 1024 * 1024)),
    ] {
        let house = House::signed_in().await;
        let broker = house.broker().await;
        house.provider.token(reply);
        let reason = ask(&broker, &house, MinLife::Half).await.unwrap_err();
        assert_eq!(reason.kind, ReasonKind::TryLater, "{reason}");
        assert!(!format!("{reason:?}").contains("AT9"));
        assert_eq!(house.stored().await, "RT1");
    }
}

#[tokio::test]
async fn a_connection_cut_in_the_answer_costs_nothing() {
    let house = House::signed_in().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let provider = crate::testing::entra(&base);
    house.providers.send_replace(Arc::new(providers(provider)));
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = socket.read(&mut request).await;
        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"access_token\":\"AT";
        socket.write_all(half).await.unwrap();
    });
    let broker = house.broker().await;
    let reason = ask(&broker, &house, MinLife::Half).await.unwrap_err();
    assert_eq!(reason.kind, ReasonKind::TryLater, "{reason}");
    assert!(reason.advice.contains("127.0.0.1"), "{reason}");
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up() {
    let house = House::signed_in().await;
    let never = Arc::new(Notify::new());
    house.provider.token(Reply::new(200, "").held(&never));
    let hasty = Http::with_timeout(tls(), Duration::from_millis(50)).unwrap();
    let broker = Broker::with_clock(
        house.store.clone(),
        hasty,
        house.watch(),
        house.clock.clone(),
    );
    let broker = broker.await.unwrap();
    let reason = ask(&broker, &house, MinLife::Half).await.unwrap_err();
    assert_eq!(reason.kind, ReasonKind::TryLater);
    assert!(reason.advice.contains("no answer in time"), "{reason}");
}

#[tokio::test]
async fn a_disk_that_fails_costs_neither_token() {
    let house = House::signed_in().await;
    let broker = house.broker().await;
    house.break_grants(true).await;
    house
        .provider
        .token(Reply::tokens("AT1", Some("RT2"), 3600));
    assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT1");
    settled(&broker).await;
    assert_eq!(house.stored().await, "RT1");
    assert!(matches!(
        broker.health(&house.mailbox),
        Health::Unsaved { .. }
    ));
    // The pair in memory goes on working.
    house.clock.advance(Duration::from_mins(31));
    house
        .provider
        .token(Reply::tokens("AT2", Some("RT3"), 3600));
    assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT2");
    assert!(house.provider.seen("/token")[1].contains("refresh_token=RT2"));
    settled(&broker).await;
    broker.0.tick();
    settled(&broker).await;
    assert!(matches!(
        broker.health(&house.mailbox),
        Health::Unsaved { .. }
    ));
    house.break_grants(false).await;
    broker.0.tick();
    settled(&broker).await;
    assert_eq!(house.stored().await, "RT3");
    assert!(matches!(
        broker.health(&house.mailbox),
        Health::Works { .. }
    ));
    assert_eq!(requests(&house), 2);
}

#[tokio::test]
async fn a_life_of_zero_makes_no_loop() {
    let house = House::signed_in().await;
    let broker = house.broker().await;
    house.provider.token(Reply::tokens("AT1", None, 0));
    for _ in 0..10 {
        assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT1");
        broker.0.tick();
    }
    settled(&broker).await;
    assert_eq!(requests(&house), 1);
}

#[tokio::test]
async fn a_doubtful_refusal_tries_the_previous_refresh_token_once() {
    let house = House::signed_in().await;
    let broker = house.broker().await;
    house
        .provider
        .token(Reply::tokens("AT1", Some("RT2"), 3600));
    assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT1");
    house.clock.advance(Duration::from_mins(31));
    let refused = || Reply::new(400, r#"{"error":"invalid_grant"}"#);
    house.provider.token(refused());
    house.provider.token(Reply::tokens("AT2", None, 3600));
    assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT2");
    settled(&broker).await;
    assert_eq!(house.stored().await, "RT1");
    house.clock.advance(Duration::from_mins(31));
    house.provider.token(refused());
    house.provider.token(refused());
    let reason = ask(&broker, &house, MinLife::Half).await.unwrap_err();
    assert_eq!(reason.kind, ReasonKind::NeedsSignIn);
    assert_eq!(requests(&house), 5);
}

#[tokio::test]
async fn a_token_that_the_exchange_refuses_is_minted_again_but_not_for_ever() {
    let house = House::signed_in().await;
    let broker = house.broker().await;
    for n in 0..20 {
        house
            .provider
            .token(Reply::tokens(&format!("AT{n}"), None, 3600));
    }
    for _ in 0..20 {
        let token = broker
            .token(&house.mailbox, Audience::Mail, MinLife::Half)
            .await
            .unwrap();
        broker.rejected(&house.mailbox, Audience::Mail, &token);
        // Whoever comes late with an older token changes nothing.
        broker.rejected(&house.mailbox, Audience::Mail, &token);
    }
    assert_eq!(requests(&house), 4);
}

#[tokio::test]
async fn renewal_and_keep_alive_need_no_login() {
    let house = House::signed_in().await;
    let broker = house.broker().await;
    house.provider.token(Reply::tokens("AT1", None, 3600));
    house.provider.token(Reply::tokens("AT2", None, 3600));
    house
        .provider
        .token(Reply::tokens("AT3", Some("RT3"), 3600));
    for _ in 0..2 {
        assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT1");
    }
    house.clock.advance(Duration::from_mins(29));
    broker.0.tick();
    settled(&broker).await;
    assert_eq!(requests(&house), 2);
    assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT2");
    house.clock.advance(Duration::from_hours(8 * 24));
    broker.0.tick();
    settled(&broker).await;
    assert_eq!(requests(&house), 3);
    assert_eq!(house.stored().await, "RT3");
}

#[tokio::test]
async fn a_mailbox_that_nobody_signed_in_asks_nobody() {
    let house = House::new().await;
    let broker = house.broker().await;
    let reason = ask(&broker, &house, MinLife::Half).await.unwrap_err();
    assert_eq!(reason.kind, ReasonKind::NeedsSignIn);
    assert_eq!(broker.health(&house.mailbox), Health::NotSignedIn);
    broker.0.tick();
    settled(&broker).await;
    assert_eq!(requests(&house), 0);
}

#[tokio::test]
async fn wrong_settings_name_themselves_and_a_reload_mends_them() {
    let house = House::signed_in().await;
    let broker = house.broker().await;
    let right = house.providers.borrow().clone();
    house.providers.send_replace(Arc::default());
    let reason = ask(&broker, &house, MinLife::Half).await.unwrap_err();
    assert_eq!(reason.kind, ReasonKind::AdminMustFix);
    assert!(reason.advice.contains("fake"), "{reason}");
    house.providers.send_replace(right);
    broker.0.reconfigured();
    house.provider.token(Reply::tokens("AT1", None, 3600));
    assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT1");
}

#[tokio::test]
async fn other_providers_are_found_by_their_issuer_once() {
    let house = House::signed_in().await;
    let base = house.provider.base.clone();
    let oidc = Provider {
        name: "fake".into(),
        kind: ProviderKind::Oidc,
        client_id: Some("app".into()),
        client_secret: Some("s e&cret".to_owned().into()),
        issuer: Some(base.clone()),
        ..Provider::default()
    };
    house.providers.send_replace(Arc::new(providers(oidc)));
    let document = format!(r#"{{"issuer":"{base}","token_endpoint":"{base}/token"}}"#);
    house.provider.other(Reply::new(200, document));
    house.provider.token(Reply::tokens("AT1", Some("RT2"), 600));
    house.provider.token(Reply::tokens("AT2", Some("RT3"), 600));
    let broker = house.broker().await;
    assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT1");
    house.clock.advance(Duration::from_mins(6));
    assert_eq!(ask(&broker, &house, MinLife::Half).await.unwrap(), "AT2");
    let form = &house.provider.seen("/token")[0];
    assert!(form.contains("client_secret=s+e%26cret"), "{form}");
    assert!(!form.contains("scope"), "{form}");
    let found = house.provider.seen("/.well-known/openid-configuration");
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn a_stop_waits_for_the_answer_that_must_be_saved() {
    let house = House::signed_in().await;
    let broker = house.broker().await;
    let gate = Arc::new(Notify::new());
    let reply = Reply::tokens("AT1", Some("RT2"), 3600).held(&gate);
    house.provider.token(reply);
    let caller = tokio::spawn({
        let (broker, mailbox) = (broker.clone(), house.mailbox.clone());
        async move { broker.token(&mailbox, Audience::Mail, MinLife::Half).await }
    });
    while requests(&house) == 0 {
        tokio::task::yield_now().await;
    }
    caller.abort();
    let stop = CancellationToken::new();
    stop.cancel();
    gate.notify_one();
    broker.run(stop).await;
    assert_eq!(house.stored().await, "RT2");
}

#[tokio::test]
async fn a_removed_mailbox_leaves_nothing_behind() {
    let house = House::signed_in().await;
    let broker = house.broker().await;
    house.store.remove_mailbox(&house.mailbox.id).await.unwrap();
    let reason = ask(&broker, &house, MinLife::Half).await.unwrap_err();
    assert_eq!(reason.kind, ReasonKind::AdminMustFix);
    assert!(broker.0.slots.is_empty());
}
