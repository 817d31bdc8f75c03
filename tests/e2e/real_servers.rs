//! Portreeve between a device and servers that nobody here wrote: oidc-provider, Dovecot, Postfix.
//!
//! They accept bearer tokens alone, so whatever works here works by OAuth.

use crate::{
    real_message::{assert_arrived, difficult, lf},
    real_setup::{MAILBOX, Real, sign_in},
};
use portreeve_tests::{
    harness::Client,
    servers::{Mechanism, upstream},
};

#[test]
fn real_device_login_then_mail_by_all_three_protocols() {
    let real = Real::start();
    assert_eq!(real.servers.oidc.counts().device, 1);
    send(&mut real.smtp(), &difficult());
    assert_arrived(&real.arrived(), &difficult());
    assert_reads(&real, 1);
    // One sign-in served all three, and its first token still does.
    assert_eq!(real.servers.oidc.counts().refresh, 0);
}

#[test]
fn real_mail_with_the_other_kind_of_tls_upstream() {
    let real = Real::with(Mechanism::Xoauth2, |servers, setup| {
        setup
            .set(
                "provider.real",
                &upstream("imap", servers.dovecot.ports.imap, "starttls"),
            )
            .set(
                "provider.real",
                &upstream("pop3", servers.dovecot.ports.pop3s, "implicit"),
            )
            .set(
                "provider.real",
                &upstream("smtp", servers.postfix.submissions, "implicit"),
            )
    });
    send(&mut real.smtp(), &difficult());
    assert_arrived(&real.arrived(), &difficult());
    assert_reads(&real, 1);
}

#[test]
fn real_server_that_offers_oauthbearer_alone() {
    let real = Real::with(Mechanism::Oauthbearer, |_, setup| setup);
    send(&mut real.smtp(), &difficult());
    assert_arrived(&real.arrived(), &difficult());
    assert_reads(&real, 1);
}

#[test]
fn real_expired_tokens_are_renewed_unseen_with_rotation() {
    let real = Real::start();
    for expected in 1..=3 {
        real.servers.oidc.expire_access_tokens();
        // The cached token is refused, a new one is taken, and the device hears nothing of it.
        real.imap().line("b LOGOUT").expect("* BYE").expect("b OK");
        let counts = real.servers.oidc.counts();
        assert_eq!((counts.refresh, counts.refresh_failed), (expected, 0));
        // The new token serves the others.
        real.pop3().line("QUIT").expect("+OK");
        real.smtp().line("QUIT").expect("221");
        assert_eq!(real.servers.oidc.counts().refresh, expected);
    }
}

#[test]
fn real_sign_in_survives_a_crash_of_the_daemon() {
    let mut real = Real::start();
    real.servers.oidc.expire_access_tokens();
    real.imap();
    real.portreeve.kill();
    real.portreeve.start_again();
    real.servers.oidc.expire_access_tokens();
    real.imap();
    // A refresh token used twice would have ended the sign-in: the newest one was stored.
    assert_eq!(real.servers.oidc.counts().refresh_failed, 0);
}

#[test]
fn real_revoked_sign_in_is_told_and_mended() {
    let real = Real::start();
    real.imap();
    real.servers.oidc.revoke();
    let login = real.imap_login();
    let mut imap = real.portreeve.connect_tls("imaps");
    imap.expect("* OK")
        .line(&login)
        .expect("a NO [CONTACTADMIN]");
    let mut pop3 = real.portreeve.connect_tls("pop3s");
    pop3.expect("+OK")
        .line(&format!("USER {}", real.device.login))
        .expect("+OK");
    pop3.line(&format!("PASS {}", real.device.password))
        .expect("-ERR [SYS/PERM]");
    let mut smtp = real.portreeve.connect_tls("smtps");
    smtp.expect("220").line("EHLO ticket-system").expect("250");
    smtp.line(&format!("AUTH PLAIN {}", real.device.plain()))
        .expect("454 4.7.0");
    // A dead sign-in is not asked again for every login of a device.
    assert_eq!(real.servers.oidc.counts().refresh_failed, 1);

    sign_in(
        &real.portreeve,
        &real.servers,
        &["mailbox", "sign-in", MAILBOX, "--json"],
    );
    real.imap().line("b LOGOUT").expect("* BYE");
    send(&mut real.smtp(), &difficult());
    assert_arrived(&real.arrived(), &difficult());
}

#[test]
fn real_servers_hear_nothing_of_a_wrong_password() {
    let real = Real::start();
    let before = (
        real.servers.oidc.counts(),
        real.servers.dovecot.log(),
        real.servers.postfix.log(),
    );
    let mut imap = real.portreeve.connect_tls("imaps");
    imap.expect("* OK")
        .line(&format!("a LOGIN \"{}\" wrong", real.device.login))
        .expect("a NO [AUTHENTICATIONFAILED]");
    let after = (
        real.servers.oidc.counts(),
        real.servers.dovecot.log(),
        real.servers.postfix.log(),
    );
    assert_eq!(before, after);
}

#[test]
fn real_news_arrive_while_a_device_is_idle() {
    let real = Real::start();
    let mut imap = real.imap();
    imap.line("b SELECT INBOX").expect_until("b OK");
    imap.line("c IDLE").expect("+ ");
    real.put(&lf(&difficult()));
    imap.expect_until("* 1 EXISTS");
    imap.line("DONE").expect_until("c OK");
    imap.line("d LOGOUT").expect_until("d OK").expect_close();
}

#[test]
fn real_message_of_twenty_megabytes() {
    let real = Real::start();
    let mut message = difficult();
    let body = message.clone();
    while message.len() < 20_000_000 {
        message.extend_from_slice(&body);
    }
    send(&mut real.smtp(), &message);
    assert_arrived(&real.arrived(), &message);
}

#[test]
fn real_server_says_no_to_a_recipient() {
    let real = Real::start();
    let mut smtp = real.smtp();
    smtp.line(&format!("MAIL FROM:<{MAILBOX}>")).expect("250");
    smtp.line("RCPT TO:<not an address>").expect("5");
    smtp.line(&format!("RCPT TO:<{MAILBOX}>")).expect("250");
    smtp.line("RSET").expect("250");
    smtp.line("QUIT").expect("221");
}

#[test]
fn real_mailbox_test_tries_each_protocol() {
    let real = Real::start();
    let said = real.portreeve.cli(&["mailbox", "test", MAILBOX]).ok();
    for protocol in ["IMAP", "POP3", "SMTP"] {
        assert!(
            said.text().to_uppercase().contains(protocol),
            "{}",
            said.text()
        );
    }
}

/// Sends a message in one transaction.
fn send(smtp: &mut Client, message: &[u8]) {
    smtp.line(&format!("MAIL FROM:<{MAILBOX}>")).expect("250");
    smtp.line(&format!("RCPT TO:<{MAILBOX}>")).expect("250");
    smtp.line("DATA").expect("354");
    let mut stuffed = Vec::with_capacity(message.len() + message.len() / 20);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    stuffed.extend_from_slice(b".\r\n");
    smtp.send_bytes(&stuffed).expect("250");
    smtp.line("QUIT").expect("221").expect_close();
}

/// Reads message `number` by IMAP and by POP3 and compares it with [`difficult`].
fn assert_reads(real: &Real, number: usize) {
    let mut imap = real.imap();
    imap.line("b EXAMINE INBOX").expect_until("b OK");
    imap.line(&format!("c FETCH {number} BODY.PEEK[]"))
        .expect(&format!("* {number} FETCH"));
    let size = imap
        .last()
        .rsplit('{')
        .next()
        .and_then(|rest| rest.split('}').next());
    let size: usize = size.and_then(|size| size.parse().ok()).expect("a literal");
    let by_imap = imap.octets(size);
    assert_arrived(&lf(&by_imap), &difficult());
    imap.expect(")").expect("c OK");

    let mut pop3 = real.pop3();
    pop3.line(&format!("RETR {number}")).expect("+OK");
    let mut by_pop3 = Vec::new();
    loop {
        let line = pop3.expect("").last().trim_end_matches('\n').to_owned();
        if line == "." {
            break;
        }
        by_pop3.extend_from_slice(line.strip_prefix('.').unwrap_or(&line).as_bytes());
        by_pop3.extend_from_slice(b"\r\n");
    }
    assert!(by_pop3 == by_imap, "POP3 and IMAP give different bytes");
}
