//! SMTP between old devices and Exchange Online: logins, transactions, replies.

use crate::support::{FRIEND, MAILBOX, eventually, message, open_data, send, stuffed};
use base64::{Engine, engine::general_purpose::STANDARD};
use portreeve_tests::{
    fakes::{Call, Protocol, Reaction, Stage},
    harness::{Client, World, plain_response},
};
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
fn what_ehlo_offers() {
    let world = World::with(|setup| setup.set("limits", "message-octets = 1000000"));
    let mut smtp = world.portreeve.connect("smtp");
    smtp.expect("220").line("EHLO scanner").expect("250");
    for offered in [
        "SIZE 1000000",
        "PIPELINING",
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
        "SMTPUTF8",
        "STARTTLS",
        "AUTH=",
    ] {
        smtp.holding(offered);
    }
    for absent in ["CHUNKING", "BINARYMIME", "DSN", "XOAUTH2", "CRAM"] {
        smtp.not_holding(absent);
    }
    let lines = smtp.last().matches("250-AUTH ").count() + smtp.last().matches("250 AUTH ").count();
    assert_eq!(lines, 1, "{}", smtp.last());
    smtp.line("BDAT 5 LAST").expect("5");
    smtp.line("VRFY someone").expect("252");
    smtp.line("NOOP")
        .expect("250")
        .line("HELP")
        .expect("2")
        .line("NONSENSE")
        .expect("500");
}

#[test]
fn every_way_to_log_in() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let login = STANDARD.encode(&device.login);
    let password = STANDARD.encode(&device.password);
    let plain = device.plain();
    let (user, secret) = ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6");
    let ways: [&[(&str, &str)]; 7] = [
        (&[(&format!("AUTH PLAIN {plain}"), "235")]),
        (&[("AUTH PLAIN", "334 "), (&plain, "235")]),
        (&[("auth plain  ", "334 "), (&plain, "235")]),
        (&[("AUTH LOGIN", user), (&login, secret), (&password, "235")]),
        (&[(&format!("AUTH LOGIN {login}"), secret), (&password, "235")]),
        (&[
            ("auth login", user),
            ("*", "501"),
            ("AUTH LOGIN", user),
            (&login, secret),
            (&password, "235"),
        ]),
        (&[
            ("AUTH PLAIN", "334 "),
            ("*", "501"),
            (&format!("AUTH PLAIN {plain}"), "235"),
        ]),
    ];
    for hello in [
        "EHLO scanner",
        "HELO scanner",
        "EHLO [192.0.2.1]",
        "EHLO under_score",
    ] {
        for way in ways {
            let mut smtp = world.portreeve.connect("smtp");
            smtp.expect("220").line(hello).expect("250");
            for (said, answer) in way {
                smtp.line(said).expect(answer);
                if answer.starts_with("334 V") || answer.starts_with("334 U") {
                    assert_eq!(smtp.last().trim_end(), *answer);
                }
            }
            smtp.line("EHLO again").expect("250");
            smtp.line(&format!("MAIL FROM:<{MAILBOX}>")).expect("250");
        }
    }
}

#[test]
fn a_login_that_is_wrong_is_told_so_and_costs_nothing_upstream() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let connections = world.exchange.counts(Protocol::Smtp).connections;
    let mut smtp = world.portreeve.connect("smtp");
    smtp.expect("220")
        .line(&format!("AUTH PLAIN {}", device.plain()))
        .expect("503");
    smtp.line("EHLO scanner").expect("250");
    smtp.line("MAIL FROM:<a@b>").expect("530 5.7.0");
    smtp.line("AUTH CRAM-MD5").expect("504");
    smtp.line("AUTH XOAUTH2 abcd").expect("504");
    smtp.line("AUTH PLAIN !!!").expect("501");
    let wrong = plain_response(&device.login, "wrong");
    smtp.line(&format!("AUTH PLAIN {wrong}"))
        .expect("535 5.7.8");
    // Latin-1, as old devices send it.
    let latin = STANDARD.encode(b"\0scanner\0pa\xdf-w\xf6rd");
    smtp.line(&format!("AUTH PLAIN {latin}"))
        .expect("535 5.7.8");
    smtp.line(&format!("AUTH PLAIN {}", device.plain()))
        .expect("235");
    smtp.line(&format!("AUTH PLAIN {}", device.plain()))
        .expect("503");
    assert_eq!(
        world.exchange.counts(Protocol::Smtp).connections,
        connections
    );
}

#[test]
fn a_device_that_cannot_log_in_is_known_by_its_network() {
    let mut world = World::start();
    world.sign_in(MAILBOX);
    world.exchange.mailbox(FRIEND);
    let more = [
        "--no-password",
        "--networks",
        "127.0.0.1/32",
        "--protocols",
        "smtp",
    ];
    world.device("Franking machine", MAILBOX, &more);
    let mut smtp = world.portreeve.connect("smtp");
    smtp.expect("220").line("HELO franking").expect("250");
    send(&mut smtp, &message("franked"));
    assert_eq!(world.exchange.wait_for_submissions(1)[0].mailbox, MAILBOX);
}

#[test]
fn nothing_said_before_tls_counts_after_it() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.portreeve.connect("smtp");
    smtp.expect("220").line("EHLO scanner").expect("250");
    smtp.send("STARTTLS\r\nMAIL FROM:<evil@example.com>\r\n");
    let mut line = String::new();
    if smtp.expect("").last().starts_with("220") {
        smtp.start_tls();
        smtp.line("NOOP").expect("250");
        line.push_str(smtp.last());
        smtp.line(&format!("AUTH PLAIN {}", device.plain()))
            .expect("503");
        smtp.line("EHLO scanner").expect("250");
        smtp.line(&format!("AUTH PLAIN {}", device.plain()))
            .expect("235");
        smtp.line(&format!("RCPT TO:<{FRIEND}>")).expect("503");
    } else {
        smtp.holding("554");
    }
    assert!(!line.contains("Sender"));
}

#[test]
fn plaintext_login_is_only_for_the_networks_that_are_named() {
    let mut world = World::with(|setup| setup.set("listener.smtp", "plaintext-login = []"));
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.portreeve.connect("smtp");
    smtp.expect("220")
        .line("EHLO scanner")
        .expect("250")
        .not_holding("AUTH");
    smtp.line(&format!("AUTH PLAIN {}", device.plain()))
        .expect("5");
    smtp.line("STARTTLS").expect("220").start_tls();
    smtp.line("EHLO scanner").expect("250").holding("AUTH");
    smtp.line(&format!("AUTH PLAIN {}", device.plain()))
        .expect("235");
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
    let tested = world.portreeve.cli(&["mailbox", "test", MAILBOX]).failed();
    assert!(tested.text().contains("5.7.139"), "{}", tested.text());
}

#[test]
fn a_mailbox_that_is_not_signed_in_is_no_reason_to_throw_mail_away() {
    let mut world =
        World::with(|setup| setup.set("listener.smtp", "needs-admin-is-permanent = true"));
    world
        .portreeve
        .cli(&["mailbox", "add", MAILBOX, "--no-wait"]);
    let device = world.device("Scanner", MAILBOX, &[]);
    for (listener, code) in [("smtps", "454 4.7.0"), ("smtp", "535")] {
        let mut smtp = match listener {
            "smtps" => world.portreeve.connect_tls(listener),
            _ => world.portreeve.connect(listener),
        };
        smtp.expect("220").line("EHLO scanner").expect("250");
        smtp.line(&format!("AUTH PLAIN {}", device.plain()))
            .expect(code);
        smtp.holding("session").line("NOOP").expect("250");
    }
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

#[test]
fn a_proxy_header_is_believed_from_named_balancers_only() {
    let mut world = World::with(|setup| {
        setup.set("listener.smtps", "proxy-protocol-from = [\"127.0.0.1/32\"]")
    });
    let device = world.sandboxed(MAILBOX);
    let address = world.portreeve.smtps();
    let mut smtp = Client::connect(address).trusting(&world.portreeve.trust());
    smtp.send("PROXY TCP4 192.0.2.77 192.0.2.1 40000 465\r\n")
        .start_tls();
    smtp.expect("220").line("EHLO scanner").expect("250");
    smtp.line(&format!("AUTH PLAIN {}", device.plain()))
        .expect("235");
    smtp.line("QUIT").expect("221").expect_close();
    world.portreeve.wait_for_log("192.0.2.77");

    let mut smtp = world.portreeve.connect("smtp");
    smtp.expect("220")
        .send("PROXY TCP4 192.0.2.78 192.0.2.1 40000 465\r\n")
        .expect("500");
    world.portreeve.wait_for_log("proxy-protocol-from");
}

#[test]
fn the_wrong_kind_of_tls_is_told_in_words() {
    let world = World::start();
    // Plain text where TLS is expected.
    let mut plain = Client::connect(world.portreeve.smtps());
    plain.send("EHLO scanner\r\n");
    let _ = plain.rest();
    world.portreeve.wait_for_log("plain text");
    // A ClientHello of TLS 1.0, with no newer version in it.
    let mut old = Client::connect(world.portreeve.smtps());
    let hello = [
        &[0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1][..],
        &[7; 32],
        &[0, 0, 2, 0, 0x2f, 1, 0],
    ]
    .concat();
    old.send_bytes(&hello);
    assert_eq!(old.octets(1), [0x15], "an alert");
    world.portreeve.wait_for_log("TLS 1.0");
}
