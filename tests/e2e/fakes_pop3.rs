//! POP3 between old clients and Exchange Online.

use crate::support::{MAILBOX, message};
use portreeve_tests::{
    fakes::{Call, Fault, Protocol, Reaction, Stage},
    harness::World,
};
use std::time::{Duration, Instant};

#[test]
fn every_way_to_log_in_leads_to_the_mailbox() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mail = message("hello");
    world.exchange.deliver(MAILBOX, mail.as_bytes());
    let ways = [
        format!("USER {}\r\n+PASS {}", device.login, device.password),
        format!(
            "user {}\r\n+pass {}",
            device.login.to_uppercase(),
            device.password
        ),
        format!("AUTH PLAIN {}", device.plain()),
        format!("AUTH PLAIN\r\n+{}", device.plain()),
    ];
    for way in ways {
        let mut pop3 = world.portreeve.connect_tls("pop3s");
        pop3.expect("+OK").not_holding("<");
        for line in way.split("\r\n+") {
            pop3.line(line).expect("+");
        }
        pop3.line("STAT").expect(&format!("+OK 1 {}", mail.len()));
        pop3.line("RETR 1").expect("+OK");
        let text = pop3.expect_until("...and one with two").last().to_owned();
        assert_eq!(text.lines().count(), mail.lines().count());
        pop3.expect(".").line("QUIT").expect("+OK").expect_close();
    }
}

#[test]
fn capabilities_and_mechanisms_are_our_own() {
    let world = World::start();
    let mut pop3 = world.portreeve.connect("pop3");
    pop3.expect("+OK").line("CAPA").expect_until(".");
    for item in ["STLS", "USER", "SASL PLAIN", "UIDL", "TOP"] {
        pop3.holding(item);
    }
    pop3.not_holding("XOAUTH2").not_holding("APOP");
    pop3.line("AUTH")
        .expect("+OK")
        .expect_until(".")
        .holding("PLAIN")
        .not_holding("XOAUTH2");
    pop3.line("APOP a 0123456789abcdef0123456789abcdef")
        .expect("-ERR");
    pop3.line("AUTH CRAM-MD5").expect("-ERR");
    pop3.line("STAT").expect("-ERR");
    pop3.line("STLS").expect("+OK").start_tls();
    pop3.line("CAPA").expect_until(".").not_holding("STLS");
    pop3.line("QUIT").expect("+OK").expect_close();
    assert_eq!(world.exchange.counts(Protocol::Pop3).connections, 0);
}

#[test]
fn a_listener_without_tls_says_so_and_goes_on() {
    let mut world = World::with(|setup| setup.set("listener.pop3", "tls = \"off\""));
    let device = world.sandboxed(MAILBOX);
    let mut pop3 = world.portreeve.connect("pop3");
    pop3.expect("+OK")
        .line("CAPA")
        .expect_until(".")
        .not_holding("STLS");
    pop3.line("STLS").expect("-ERR");
    pop3.line("AUTH PLAIN").expect("+").line("*").expect("-ERR");
    pop3.line(&format!("USER {}", device.login)).expect("+OK");
    pop3.line(&format!("PASS {}", device.password))
        .expect("+OK");
    world.portreeve.wait_for_log("without TLS");
}

#[test]
fn plaintext_login_is_only_for_the_networks_that_are_named() {
    let mut world =
        World::with(|setup| setup.set("listener.pop3", "plaintext-login = [\"192.0.2.0/24\"]"));
    let device = world.sandboxed(MAILBOX);
    let mut pop3 = world.portreeve.connect("pop3");
    pop3.expect("+OK")
        .line(&format!("USER {}", device.login))
        .expect("-ERR");
    pop3.line(&format!("AUTH PLAIN {}", device.plain()))
        .expect("-ERR");
    pop3.line("STLS").expect("+OK").start_tls();
    pop3.line(&format!("AUTH PLAIN {}", device.plain()))
        .expect("+OK");
}

#[test]
fn passwords_are_taken_octet_by_octet() {
    let mut world = World::start();
    world.sign_in(MAILBOX);
    let device = world.device_with_password("Odd", MAILBOX, "odd", "  blanks: and:colons  ");
    let mut pop3 = world.portreeve.connect_tls("pop3s");
    pop3.expect("+OK").line("USER odd").expect("+OK");
    pop3.line("PASS blanks: and:colons").expect("-ERR [AUTH]");
    pop3.line("USER odd").expect("+OK");
    pop3.line(&format!("PASS {}", device.password))
        .expect("+OK");
    world.portreeve.keep_secret("blanks: and:colons");
}

#[test]
fn a_refused_token_is_minted_once_more_and_then_told() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let refreshes = world.entra.count(Call::Refresh);
    world
        .exchange
        .next(Protocol::Pop3, Stage::Login, Reaction::Refuse);
    world.pop3(&device);
    assert_eq!(world.entra.count(Call::Refresh), refreshes + 1);

    let refused = world.exchange.counts(Protocol::Pop3).refused;
    world
        .exchange
        .always(Protocol::Pop3, Stage::Login, Reaction::Refuse);
    let mut pop3 = world.portreeve.connect_tls("pop3s");
    pop3.expect("+OK")
        .line(&format!("AUTH PLAIN {}", device.plain()))
        .expect("-ERR [SYS/PERM]");
    assert_eq!(world.exchange.counts(Protocol::Pop3).refused, refused + 2);
    world
        .portreeve
        .wait_for_log("unknown user name or bad password");
}

#[test]
fn trouble_that_passes_is_told_as_such() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    for (stage, reaction) in [
        (
            Stage::Login,
            Reaction::say("-ERR [SYS/TEMP] Server Unavailable. 21"),
        ),
        (Stage::Login, Reaction::Close),
        (Stage::Greeting, Reaction::Close),
        (Stage::Connection, Reaction::Close),
    ] {
        world.exchange.always(Protocol::Pop3, stage, reaction);
        let mut pop3 = world.portreeve.connect_tls("pop3s");
        pop3.expect("+OK")
            .line(&format!("AUTH PLAIN {}", device.plain()))
            .expect("-ERR [SYS/TEMP]");
        world.exchange.calm();
        assert_eq!(world.state(MAILBOX), "works");
    }
}

#[test]
fn a_slow_sign_in_service_is_waited_for_within_the_limit_and_before_exchange_is_asked() {
    let mut world = World::with(|setup| setup.set("limits", "token-wait-seconds = 1"));
    let device = world.sandboxed(MAILBOX);
    world.restart();
    let connections = world.exchange.counts(Protocol::Pop3).connections;
    world.entra.next_calls(Call::Refresh, 50, &Fault::hang());
    let began = Instant::now();
    let mut pop3 = world.portreeve.connect_tls("pop3s");
    pop3.expect("+OK")
        .line(&format!("AUTH PLAIN {}", device.plain()))
        .expect("-ERR [SYS/TEMP]");
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(
        world.exchange.counts(Protocol::Pop3).connections,
        connections
    );
}

#[test]
fn deletions_reach_exchange() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    for subject in ["one", "two"] {
        world.exchange.deliver(MAILBOX, message(subject).as_bytes());
    }
    let mut pop3 = world.pop3(&device);
    pop3.line("DELE 1")
        .expect("+OK")
        .line("LIST")
        .expect_until(".");
    pop3.line("QUIT").expect("+OK").expect_close();
    let left = world.exchange.inbox(MAILBOX);
    assert_eq!(left.len(), 1);
    assert!(left[0].text().contains("Subject: two"));
}
