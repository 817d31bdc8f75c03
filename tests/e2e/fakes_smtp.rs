//! SMTP messages between old devices and Exchange Online.

use crate::support::{FRIEND, MAILBOX, eventually, message, open_data, send, stuffed};
use portreeve_tests::{fakes::Protocol, harness::World};
use std::time::Duration;

#[test]
fn a_message_arrives_byte_for_byte_through_every_door() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    world.exchange.mailbox(FRIEND);
    let mut doors = [
        world.portreeve.connect("smtp"),
        world.portreeve.connect("smtp"),
        world.portreeve.connect_tls("smtps"),
        // A ClientHello on a port that waits for plain text is served all the same.
        world.portreeve.connect_tls("smtp"),
    ];
    for (number, smtp) in doors.iter_mut().enumerate() {
        smtp.expect("220 localhost")
            .line("EHLO scanner")
            .expect("250");
        if number == 1 {
            smtp.holding("STARTTLS")
                .line("STARTTLS")
                .expect("220")
                .start_tls();
            smtp.line("EHLO scanner")
                .expect("250")
                .not_holding("STARTTLS");
        }
        smtp.line(&format!("AUTH PLAIN {}", device.plain()))
            .expect("235");
        send(smtp, &message(&format!("door-{number}")));
        smtp.line("QUIT").expect("221").expect_close();
    }
    for (number, submission) in world.exchange.wait_for_submissions(4).iter().enumerate() {
        let sent = message(&format!("door-{number}"));
        assert_eq!(submission.text(), sent);
        assert_eq!(
            (submission.mailbox.as_str(), submission.from.as_str()),
            (MAILBOX, MAILBOX)
        );
        assert_eq!(submission.to, [FRIEND]);
        world
            .portreeve
            .wait_for_log(&format!("<door-{number}@scanner.contoso.lan>"));
    }
    assert_eq!(world.exchange.inbox(FRIEND).len(), 4);
}

#[test]
fn commands_in_one_packet_are_answered_in_order() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.portreeve.connect("smtp");
    smtp.send(&format!(
        "EHLO scanner\r\nAUTH PLAIN {}\r\nMAIL FROM:<{MAILBOX}>\r\nRCPT TO:<{FRIEND}>\r\nDATA\r\n",
        device.plain()
    ));
    smtp.expect("220")
        .expect("250")
        .expect("235")
        .expect("250")
        .expect("250")
        .expect("354");
    let mail = message("pipelined");
    smtp.send(&format!("{}QUIT\r\n", stuffed(&mail)))
        .expect("250")
        .expect("221")
        .expect_close();
    assert_eq!(world.exchange.wait_for_submissions(1)[0].text(), mail);
}

#[test]
fn sloppy_addresses_are_put_right() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.smtp(&device);
    for (from, to) in [
        (
            format!("MAIL FROM: <{MAILBOX}>"),
            format!("RCPT TO: <{FRIEND}>"),
        ),
        (format!("MAIL FROM:{MAILBOX}"), format!("RCPT TO:{FRIEND}")),
        (
            format!("mail from:<{MAILBOX}> AUTH=<> SIZE=300"),
            format!("rcpt to:<{FRIEND}>"),
        ),
        (
            format!("MAIL FROM:<{MAILBOX}> BODY=8BITMIME"),
            format!("RCPT TO:<{FRIEND}> NOTIFY=NEVER"),
        ),
    ] {
        smtp.line(&from).expect("250");
        smtp.line(&to).expect("250").line("DATA").expect("354");
        smtp.send(&stuffed(&message("sloppy"))).expect("250");
    }
    for submission in world.exchange.wait_for_submissions(4) {
        assert_eq!(
            (submission.from.as_str(), submission.to),
            (MAILBOX, vec![FRIEND.to_owned()])
        );
    }
}

#[test]
fn line_ends_are_repaired_and_never_smuggle_a_message() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.smtp(&device);
    open_data(&mut smtp);
    let head = "Date: Sun, 22 Nov 2026 10:00:00 +0000\nMessage-ID: <bare@x>\nSubject: bare\n\n";
    smtp.send(head);
    for trick in ["one\n.\ntwo", "\n.\r\nthree", "\r.\rfour", "\r\n.\nfive"] {
        smtp.send(trick);
    }
    smtp.send(&format!("\nMAIL FROM:<{MAILBOX}>\nend\r\n.\r\n"))
        .expect("");
    let accepted = smtp.last().starts_with("250");
    let refused = smtp.last().starts_with("55");
    assert!(accepted || refused, "{}", smtp.last());
    smtp.line("NOOP").expect("250");
    let submissions = world.exchange.submissions();
    assert_eq!(submissions.len(), usize::from(accepted));
    for submission in &submissions {
        let text = submission.text();
        assert!(text.contains("five") && text.contains("end"), "{text}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{text:?}");
    }
}

#[test]
fn a_message_without_date_and_id_gets_both_and_nothing_else() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.smtp(&device);
    send(&mut smtp, "Subject: bare\r\n\r\nbody\r\n");
    let text = world.exchange.wait_for_submissions(1)[0].text();
    assert!(text.ends_with("Subject: bare\r\n\r\nbody\r\n"), "{text}");
    let added: Vec<_> = text
        .lines()
        .take_while(|line| !line.starts_with("Subject"))
        .collect();
    assert_eq!(added.len(), 2, "{text}");
    assert!(added.iter().any(|line| line.starts_with("Date: ")));
    assert!(added.iter().any(|line| line.starts_with("Message-ID: <")));
}

#[test]
fn one_login_carries_many_messages_over_one_session() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let before = world.exchange.counts(Protocol::Smtp);
    let mut smtp = world.smtp(&device);
    for number in 0..3 {
        send(&mut smtp, &message(&format!("n-{number}")));
    }
    smtp.line("RSET").expect("250");
    smtp.line(&format!("MAIL FROM:<{MAILBOX}>")).expect("250");
    smtp.line("RSET").expect("250");
    send(&mut smtp, &message("n-3"));
    world.exchange.wait_for_submissions(4);
    let after = world.exchange.counts(Protocol::Smtp);
    assert_eq!(after.logins - before.logins, 1);
    smtp.line("QUIT").expect("221").expect_close();
    world
        .exchange
        .wait_for_counts(Protocol::Smtp, |counts| counts.open == 0);
}

#[test]
fn smtputf8_goes_through_where_exchange_takes_it() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.smtp(&device);
    smtp.line(&format!("MAIL FROM:<{MAILBOX}> SMTPUTF8"))
        .expect("250");
    smtp.line("RCPT TO:<jörg@müller.example>")
        .expect("250")
        .line("DATA")
        .expect("354");
    smtp.send(&stuffed(&message("utf8"))).expect("250");
    assert_eq!(world.exchange.submissions()[0].to, ["jörg@müller.example"]);
    smtp.line("QUIT").expect("221");
    world
        .exchange
        .wait_for_counts(Protocol::Smtp, |counts| counts.open == 0);

    world.exchange.offer_smtputf8(false);
    let mut smtp = world.smtp(&device);
    smtp.line(&format!("MAIL FROM:<{MAILBOX}> SMTPUTF8"))
        .expect("5")
        .holding("5.6.7");
}

#[test]
fn a_message_of_150_megabytes_streams_through_with_flat_memory() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    world.exchange.hash_only(true);
    world.exchange.read_slowly(Duration::from_micros(200));
    let mut smtp = world.smtp(&device);
    // One small message first, so that what is allocated once is allocated.
    send(&mut smtp, &message("small"));
    let before = world.portreeve.resident_memory();
    smtp.line(&format!("MAIL FROM:<{MAILBOX}> SIZE=150000000"))
        .expect("250");
    smtp.line(&format!("RCPT TO:<{FRIEND}>"))
        .expect("250")
        .line("DATA")
        .expect("354");
    let head =
        "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <large@x>\r\nSubject: large\r\n\r\n";
    let line = "..starts with a dot, which is doubled on the way and halved again at the end\r\n";
    let block = line.repeat(1000);
    let unstuffed = line[1..].repeat(1000);
    let blocks = 149_000_000 / block.len();
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    hash.update(head.as_bytes());
    smtp.try_send(head.as_bytes()).unwrap();
    let mut most = 0;
    for number in 0..blocks {
        smtp.try_send(block.as_bytes()).unwrap();
        hash.update(unstuffed.as_bytes());
        if number % 64 == 0 {
            most = most.max(world.portreeve.resident_memory());
        }
    }
    smtp.line(".").expect("250");
    let received = world.exchange.wait_for_submissions(2)[1].clone();
    assert_eq!(
        received.size,
        (head.len() + blocks * unstuffed.len()) as u64
    );
    assert_eq!(received.sha256, hash.finish().as_ref());
    let grown = most.saturating_sub(before);
    assert!(
        grown < 8 << 20,
        "{grown} octets more while 149 MB went through"
    );
}

#[test]
fn a_message_over_the_limit_is_refused_at_mail_or_while_it_comes() {
    let mut world = World::with(|setup| setup.set("limits", "message-octets = 100000"));
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.smtp(&device);
    smtp.line(&format!("MAIL FROM:<{MAILBOX}> SIZE=100001"))
        .expect("552 5.3.4");
    open_data(&mut smtp);
    let _ = smtp.try_send(format!("{}.\r\n", "too much\r\n".repeat(20_000)).as_bytes());
    smtp.expect("552 5.3.4");
    assert!(world.exchange.submissions().is_empty());
    eventually("the limit stands in the log", || {
        world.portreeve.log().contains("refused")
    });
}
