//! SMTP up to the end of the login: what is offered, who is let in, what is dropped.

use crate::support::{FRIEND, MAILBOX, message, send};
use base64::{Engine, engine::general_purpose::STANDARD};
use portreeve_tests::{
    fakes::Protocol,
    harness::{Client, World, plain_response},
};

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

    // Version 2: signature, PROXY, TCP over IPv4, twelve octets of addresses.
    let header = [
        &b"\r\n\r\n\0\r\nQUIT\n"[..],
        &[
            0x21, 0x11, 0, 12, 192, 0, 2, 79, 192, 0, 2, 1, 0x9c, 0x40, 1, 0xd1,
        ],
    ]
    .concat();
    let mut smtp = Client::connect(address).trusting(&world.portreeve.trust());
    smtp.send_bytes(&header).start_tls();
    smtp.expect("220").line("QUIT").expect("221").expect_close();
    world.portreeve.wait_for_log("192.0.2.79");
    // From a balancer nothing else is taken.
    let mut bare = Client::connect(address);
    bare.send("EHLO scanner\r\n");
    assert_eq!(bare.rest().unwrap(), "");

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
