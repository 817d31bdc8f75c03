//! Limits and time-outs: each is met, and what the other side hears then.

use crate::support::{FRIEND, MAILBOX, message, open_data, send};
use portreeve_tests::{
    fakes::{Protocol, Reaction, Stage},
    harness::{Client, World},
};
use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

#[test]
fn a_device_that_falls_silent_is_told_and_closed() {
    let mut world = World::with(|setup| {
        setup
            .set("limits", "smtp-command-seconds = 1")
            .set("limits", "smtp-data-seconds = 2")
    });
    let device = world.sandboxed(MAILBOX);
    let mut idle = world.smtp(&device);
    let mut inside = world.smtp(&device);
    open_data(&mut inside);
    inside.send("Subject: half\r\n\r\nhalf");
    idle.expect("421").expect_close();
    let rest = inside.rest().unwrap();
    assert!(rest.is_empty() || rest.starts_with("421"), "{rest:?}");
    world
        .exchange
        .wait_for_counts(Protocol::Smtp, |counts| counts.open == 0);
    assert!(world.exchange.submissions().is_empty());
}

#[test]
fn a_device_that_says_noop_now_and_then_is_not_silent() {
    let mut world = World::with(|setup| setup.set("limits", "smtp-command-seconds = 2"));
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.smtp(&device);
    for _ in 0..4 {
        smtp.expect_silence(Duration::from_secs(1));
        smtp.line("NOOP").expect("250");
    }
    smtp.expect("421").expect_close();
}

#[test]
fn an_exchange_that_falls_silent_is_given_up() {
    let mut world = World::with(|setup| {
        setup
            .set("limits", "upstream-command-seconds = 1")
            .set("limits", "upstream-data-seconds = 1")
            .set("limits", "upstream-login-seconds = 1")
            .set("limits", "upstream-connect-seconds = 1")
    });
    let device = world.sandboxed(MAILBOX);
    for stage in [
        Stage::Connection,
        Stage::Greeting,
        Stage::Hello,
        Stage::StartTls,
        Stage::Login,
        Stage::Mail,
    ] {
        world.exchange.next(Protocol::Smtp, stage, Reaction::Hang);
        let mut smtp = world.smtp(&device);
        let began = Instant::now();
        smtp.line(&format!("MAIL FROM:<{MAILBOX}>"))
            .expect("451 4.");
        assert!(began.elapsed() < Duration::from_secs(10), "{stage:?}");
        world.exchange.calm();
        world.portreeve.cli(&["mailbox", "test", MAILBOX]).ok();
    }
    world
        .exchange
        .next(Protocol::Smtp, Stage::Rcpt, Reaction::Hang);
    let mut smtp = world.smtp(&device);
    smtp.line(&format!("MAIL FROM:<{MAILBOX}>")).expect("250");
    smtp.line(&format!("RCPT TO:<{FRIEND}>")).expect("4");

    world
        .exchange
        .next(Protocol::Smtp, Stage::Dot, Reaction::Hang);
    let mut smtp = world.smtp(&device);
    open_data(&mut smtp);
    smtp.send("Subject: x\r\n\r\n.\r\n").expect("451 4.");
    send(&mut world.smtp(&device), &message("and-then-it-works"));
}

#[test]
fn nonsense_and_recipients_have_limits() {
    let mut world = World::with(|setup| {
        setup
            .set("limits", "bad-commands = 3")
            .set("limits", "recipients-per-message = 2")
    });
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.smtp(&device);
    smtp.line(&format!("MAIL FROM:<{MAILBOX}>")).expect("250");
    for _ in 0..2 {
        smtp.line(&format!("RCPT TO:<{FRIEND}>")).expect("250");
    }
    smtp.line(&format!("RCPT TO:<{FRIEND}>"))
        .expect("452 4.5.3");
    smtp.line("RSET").expect("250");
    for _ in 0..3 {
        smtp.line("NONSENSE").expect("50");
    }
    smtp.line("NONSENSE");
    let rest = smtp.rest().unwrap();
    assert!(rest.contains("421"), "{rest}");
    for (listener, greeting) in [("imap", "* OK"), ("pop3", "+OK")] {
        let mut client = world.portreeve.connect(listener);
        client.expect(greeting);
        for number in 0..10 {
            let _ = client.try_send(format!("a{number} NONSENSE\r\n").as_bytes());
        }
        client.rest().expect("an end");
    }
}

#[test]
fn what_a_stranger_may_send_has_a_limit() {
    let world = World::with(|setup| setup.set("limits", "login-octets = 2048"));
    for (listener, line) in [
        ("imap", "a NOOP\r\n"),
        ("pop3", "CAPA\r\n"),
        ("smtp", "NOOP\r\n"),
    ] {
        let mut client = world.portreeve.connect(listener);
        let _ = client.try_send(line.repeat(1000).as_bytes());
        let rest = client.rest().expect("an end");
        assert!(rest.len() < 200_000, "{listener}: {} octets", rest.len());
    }
    for protocol in [Protocol::Imap, Protocol::Pop3, Protocol::Smtp] {
        assert_eq!(world.exchange.counts(protocol).connections, 0);
    }
}

#[test]
fn a_listener_lets_in_its_networks_only() {
    let world = World::with(|setup| setup.set("listener.imap", "networks = [\"192.0.2.0/24\"]"));
    let mut client = Client::connect(world.portreeve.imap());
    let rest = client.rest().expect("an end");
    assert!(!rest.contains("* OK"), "{rest}");
    world.portreeve.connect("smtp").expect("220");
}

#[test]
fn connections_in_all_have_a_limit_that_heals() {
    let world = World::with(|setup| setup.set("limits", "connections = 5"));
    let held: Vec<_> = (0..5)
        .map(|_| {
            let mut client = world.portreeve.connect("imap");
            client.expect("* OK");
            client
        })
        .collect();
    let over = TcpStream::connect(world.portreeve.smtp());
    drop(held);
    drop(over);
    crate::support::eventually("there is room again", || {
        let mut client = world.portreeve.connect("smtp");
        client.line("NOOP");
        client.rest_starts_with("220")
    });
}

#[test]
fn long_tokens_fit_where_exchange_takes_them() {
    let mut world = World::start();
    world.entra.token_length(2900);
    let device = world.sandboxed(MAILBOX);
    world.pop3(&device);
    world.entra.token_length(7000);
    world.entra.kill_access_tokens(MAILBOX);
    world.imap(&device).line("a NOOP").expect("a OK");
    send(&mut world.smtp(&device), &message("long-token"));
}
