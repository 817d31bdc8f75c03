//! SMTP when Exchange or the device is in trouble: what the device hears, and what is never sent.

use crate::support::{FRIEND, MAILBOX, eventually, message, open_data, send, stuffed};
use portreeve_tests::{
    fakes::{Call, Protocol, Reaction, Stage},
    harness::World,
};

#[test]
fn the_device_hears_what_exchange_says() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.smtp(&device);
    let next = |stage, text| {
        world
            .exchange
            .next(Protocol::Smtp, stage, Reaction::say(text));
    };

    next(
        Stage::Mail,
        "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
    );
    smtp.line("MAIL FROM:<other@contoso.com>")
        .expect("550 5.7.60");

    smtp.line(&format!("MAIL FROM:<{MAILBOX}>")).expect("250");
    next(Stage::Rcpt, "550 5.1.3 Invalid address");
    smtp.line("RCPT TO:<nobody@x.example>").expect("550 5.1.3");
    next(Stage::Rcpt, "450 4.7.3 Organization queue quota exceeded.");
    smtp.line("RCPT TO:<later@x.example>").expect("450 4.7.3");
    smtp.line("DATA").expect("5");
    smtp.line(&format!("RCPT TO:<{FRIEND}>")).expect("250");
    next(
        Stage::Dot,
        "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
    );
    smtp.line("DATA")
        .expect("354")
        .send(&stuffed(&message("quota")))
        .expect("554 5.2.0");

    open_data(&mut smtp);
    next(
        Stage::Dot,
        "432 4.3.2 Concurrent connections limit exceeded.",
    );
    smtp.send(&stuffed(&message("busy"))).expect("432 4.3.2");

    // Not the mailbox's own sender: Exchange notices at the end.
    smtp.line("MAIL FROM:<boss@contoso.com>").expect("250");
    smtp.line(&format!("RCPT TO:<{FRIEND}>"))
        .expect("250")
        .line("DATA")
        .expect("354");
    smtp.send(&stuffed(&message("boss"))).expect("554 5.2.252");
    assert!(world.exchange.submissions().is_empty());
    send(&mut smtp, &message("at-last"));
    assert_eq!(world.exchange.submissions().len(), 1);
    world.portreeve.wait_for_log("recipient refused");
}

#[test]
fn a_refused_token_is_minted_once_more_and_then_works() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    for reaction in [Reaction::Refuse, Reaction::challenge()] {
        let refreshes = world.entra.count(Call::Refresh);
        world.exchange.next(Protocol::Smtp, Stage::Login, reaction);
        let mut smtp = world.smtp(&device);
        send(&mut smtp, &message("again"));
        assert_eq!(world.entra.count(Call::Refresh), refreshes + 1);
        smtp.line("QUIT").expect("221").expect_close();
        world
            .exchange
            .wait_for_counts(Protocol::Smtp, |counts| counts.open == 0);
    }
}

#[test]
fn smtp_auth_switched_off_in_the_tenant_flags_the_mailbox_without_a_storm() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    world.exchange.always(
        Protocol::Smtp,
        Stage::Login,
        Reaction::say(
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the \
             Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.",
        ),
    );
    let before = world.exchange.counts(Protocol::Smtp);
    let mut smtp = world.smtp(&device);
    for _ in 0..5 {
        smtp.line(&format!("MAIL FROM:<{MAILBOX}>"))
            .expect("451 4.7.0");
    }
    let after = world.exchange.counts(Protocol::Smtp);
    assert!(after.refused - before.refused <= 2, "{before:?} {after:?}");
    world.portreeve.wait_for_log("5.7.139");
    assert_eq!(world.state(MAILBOX), "refused");
    let list = world.portreeve.cli(&["mailbox", "list"]).ok();
    assert!(
        list.out.contains("SMTP is refused: 535 5.7.139"),
        "{}",
        list.out
    );
    let tested = world.portreeve.cli(&["mailbox", "test", MAILBOX]).failed();
    assert!(tested.text().contains("5.7.139"), "{}", tested.text());
    world.exchange.calm();
    world.portreeve.cli(&["mailbox", "test", MAILBOX]).ok();
    assert_eq!(world.state(MAILBOX), "works");
}

#[test]
fn trouble_with_exchange_is_temporary_for_the_device() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    for (stage, reaction) in [
        (
            Stage::Login,
            Reaction::say("432 4.3.2 Concurrent connections limit exceeded."),
        ),
        (
            Stage::Greeting,
            Reaction::say_and_close("421 4.3.2 Service not available"),
        ),
        (Stage::Hello, Reaction::Close),
        (Stage::Connection, Reaction::Close),
        (
            Stage::StartTls,
            Reaction::say("454 4.7.0 TLS not available"),
        ),
    ] {
        world
            .exchange
            .always(Protocol::Smtp, stage, reaction.clone());
        let mut smtp = world.smtp(&device);
        smtp.line(&format!("MAIL FROM:<{MAILBOX}>"))
            .expect("451 4.");
        smtp.line("QUIT").expect("221");
        world.exchange.calm();
        world.portreeve.cli(&["mailbox", "test", MAILBOX]).ok();
    }
}

#[test]
fn a_yes_where_none_can_be_meant_is_not_passed_on() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.smtp(&device);
    for (stage, words) in [
        (Stage::Data, "250 2.1.5 Recipient OK"),
        (Stage::Dot, "354 Start mail input; end with <CRLF>.<CRLF>"),
    ] {
        world
            .exchange
            .next(Protocol::Smtp, stage, Reaction::say(words));
        open_data(&mut smtp);
        smtp.send(&stuffed(&message("out-of-step")))
            .expect("451 4.");
    }
    assert!(world.exchange.submissions().is_empty());
    // A refused message leaves nothing behind at the exchange.
    world.exchange.next(
        Protocol::Smtp,
        Stage::Data,
        Reaction::say("451 4.7.0 Temporary server error"),
    );
    open_data(&mut smtp);
    smtp.send(&stuffed(&message("not-now"))).expect("451 4.7.0");
    send(&mut smtp, &message("in-step"));
    assert_eq!(world.exchange.submissions().len(), 1);
}

#[test]
fn an_exchange_without_starttls_never_sees_a_token() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    world.exchange.offer_starttls(false);
    let mut smtp = world.smtp(&device);
    smtp.line(&format!("MAIL FROM:<{MAILBOX}>"))
        .expect("451 4.7.0");
    assert_eq!(world.exchange.counts(Protocol::Smtp).tokens_in_the_clear, 0);
}

#[test]
fn an_exchange_with_tls_from_the_first_byte_is_served() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let port = world.exchange.addresses().smtps.port();
    world.reconfigure(|setup| setup.server("smtp", port, "implicit"));
    send(&mut world.smtp(&device), &message("implicit"));
    assert_eq!(world.exchange.submissions().len(), 1);
}

#[test]
fn oauthbearer_is_used_where_it_is_all_there_is() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    world.exchange.smtp_mechanisms("OAUTHBEARER");
    send(&mut world.smtp(&device), &message("bearer"));
    world
        .exchange
        .next(Protocol::Smtp, Stage::Login, Reaction::challenge());
    world.exchange.cut_connections();
    send(&mut world.smtp(&device), &message("challenged"));
    assert_eq!(world.exchange.submissions().len(), 2);
}

#[test]
fn a_device_that_vanishes_inside_of_data_sends_nothing() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    for part in [200, 600_000] {
        let mut smtp = world.smtp(&device);
        open_data(&mut smtp);
        smtp.send(&"half a message\r\n".repeat(part / 16));
        drop(smtp);
        world
            .exchange
            .wait_for_counts(Protocol::Smtp, |counts| counts.open == 0);
    }
    assert!(world.exchange.submissions().is_empty());
    eventually("a line for each message that was given up", || {
        world.portreeve.log().matches("given up").count() >= 2
    });
}

#[test]
fn an_exchange_that_vanishes_inside_of_data_is_temporary() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    for (stage, reaction) in [
        (Stage::Body, Reaction::CloseAfter(100_000)),
        (Stage::Dot, Reaction::Close),
        (Stage::Data, Reaction::Close),
        (Stage::Rcpt, Reaction::Close),
    ] {
        world.exchange.next(Protocol::Smtp, stage, reaction);
        let mut smtp = world.smtp(&device);
        smtp.line(&format!("MAIL FROM:<{MAILBOX}>")).expect("250");
        smtp.line(&format!("RCPT TO:<{FRIEND}>")).expect("");
        if stage == Stage::Rcpt {
            smtp.holding("4");
            assert!(smtp.last().starts_with('4'), "{}", smtp.last());
            continue;
        }
        smtp.line("DATA").expect("");
        if smtp.last().starts_with("354") {
            let body = "a line of some length for a body\r\n".repeat(20_000);
            // The answer may come before all of it is sent; a good device reads it at the end.
            let _ = smtp.try_send(format!("Subject: x\r\n\r\n{body}.\r\n").as_bytes());
            smtp.expect("4");
        } else {
            assert!(smtp.last().starts_with('4'), "{}", smtp.last());
        }
    }
    assert!(world.exchange.submissions().is_empty());
}

#[test]
fn a_session_that_exchange_ended_between_messages_is_opened_again() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.smtp(&device);
    send(&mut smtp, &message("first"));
    world.exchange.cut_connections();
    world
        .exchange
        .wait_for_counts(Protocol::Smtp, |counts| counts.open == 0);
    send(&mut smtp, &message("second"));
    // The same with words: what was meant for an idle session is not meant for this message.
    let words = Reaction::say_and_close("421 4.4.1 Connection timed out");
    world.exchange.next(Protocol::Smtp, Stage::Mail, words);
    send(&mut smtp, &message("third"));
    assert_eq!(world.exchange.submissions().len(), 3);
}

#[test]
fn many_devices_send_at_once() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    std::thread::scope(|scope| {
        for number in 0..20 {
            let (world, device) = (&world, &device);
            scope.spawn(move || {
                let mail = message(&format!("at-once-{number}"));
                send(&mut world.smtp(device), &mail);
            });
        }
    });
    assert_eq!(world.exchange.submissions().len(), 20);
}
