//! IMAP after the login: a pipe that changes nothing, adds nothing and ends when either side ends.

use crate::support::{MAILBOX, eventually, message};
use portreeve_tests::{fakes::Protocol, harness::World};
use std::time::Duration;

#[test]
fn after_the_login_bytes_pass_both_ways_unchanged() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut imap = world.imap(&device);
    imap.line("1 COMPRESS DEFLATE")
        .expect("1 BAD Command received in Invalid state.");
    imap.line("2 NONSENSE").expect("2 BAD Command Error. 12");
    let mail = message("appended");
    imap.line(&format!("3 APPEND INBOX (\\Seen) {{{}}}", mail.len()))
        .expect("+ ");
    imap.line(&mail).expect("3 OK [APPENDUID");
    // Everything in one packet.
    imap.send("4 SELECT INBOX\r\n5 UID FETCH 1:* (FLAGS BODY.PEEK[])\r\n6 NOOP\r\n");
    imap.expect_until("4 OK")
        .expect("* 1 FETCH")
        .holding(&format!("{{{}}}", mail.len()));
    assert_eq!(imap.octets(mail.len()), mail.as_bytes());
    imap.expect_until("5 OK").expect("6 OK");
    assert_eq!(
        world.exchange.inbox(MAILBOX)[0].bytes.as_ref(),
        mail.as_bytes()
    );
}

#[test]
fn a_large_message_passes_while_the_client_reads_slowly() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let body = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(200_000);
    let mail = format!("Subject: large\r\n\r\n{body}");
    world.exchange.deliver(MAILBOX, mail.as_bytes());
    let before = world.portreeve.resident_memory();
    let mut imap = world.imap(&device);
    imap.line("1 SELECT INBOX").expect_until("1 OK");
    imap.line("2 FETCH 1 BODY.PEEK[]").expect("* 1 FETCH");
    let got = imap.octets(mail.len());
    assert!(got == mail.as_bytes(), "the bytes differ");
    imap.expect(")").expect("2 OK");
    let grown = world.portreeve.resident_memory().saturating_sub(before);
    assert!(
        grown < 8 << 20,
        "{grown} octets more for 12 MB through the pipe"
    );
}

#[test]
fn idle_hears_of_new_mail_and_of_the_end_in_exchanges_words() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut imap = world.imap(&device);
    imap.line("1 SELECT INBOX")
        .expect_until("1 OK")
        .line("2 IDLE")
        .expect("+ ");
    imap.expect_silence(Duration::from_millis(200));
    world.exchange.deliver(MAILBOX, message("new").as_bytes());
    imap.expect("* 1 EXISTS")
        .line("DONE")
        .expect("2 OK")
        .line("3 IDLE")
        .expect("+ ");
    world.exchange.expire_sessions(MAILBOX);
    imap.expect("* BYE Session invalidated - AccessTokenExpired")
        .expect_close();
}

#[test]
fn a_client_that_stops_sending_still_hears_the_rest() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut imap = world.imap(&device);
    imap.line("1 SELECT INBOX").expect_until("1 OK");
    imap.line("2 LOGOUT").half_close();
    imap.expect("* BYE").expect("2 OK").expect_close();
    world
        .exchange
        .wait_for_counts(Protocol::Imap, |counts| counts.open == 0);
}

#[test]
fn a_session_that_exchange_cuts_ends_for_the_client_too_and_the_other_way_round() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut imap = world.imap(&device);
    world.exchange.cut_connections();
    assert_eq!(imap.rest().unwrap(), "");
    drop(imap);
    let imap = world.imap(&device);
    drop(imap);
    world
        .exchange
        .wait_for_counts(Protocol::Imap, |counts| counts.open == 0);
    eventually("a line for each session", || {
        world.portreeve.log().matches("session ended").count() >= 2
    });
}

#[test]
fn nothing_is_ever_put_into_a_session_that_is_idle() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut imap = world.imap(&device);
    imap.line("1 NOOP").expect("1 OK");
    imap.expect_silence(Duration::from_millis(500));
    imap.line("2 NOOP").expect("2 OK");
}

#[test]
fn pipelined_commands_after_the_login_are_not_lost() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut imap = world.portreeve.connect_tls("imaps");
    imap.expect("* OK").send(&format!(
        "a AUTHENTICATE PLAIN {}\r\nb SELECT INBOX\r\nc NOOP\r\n",
        device.plain()
    ));
    imap.expect_until("a OK")
        .expect_until("b OK")
        .expect("c OK");
}
