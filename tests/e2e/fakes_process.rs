//! The daemon as a process: limits, certificates, reload, stop.

use crate::support::{FRIEND, MAILBOX, eventually, message, open_data, send, stuffed};
use portreeve_tests::{
    fakes::{Authority, Certificate, Protocol, Reaction, Stage},
    harness::{Client, World},
};
use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

#[test]
fn silent_and_slow_clients_are_closed_after_the_limit() {
    let world = World::with(|setup| setup.set("limits", "login-seconds = 1"));
    for listener in ["smtp", "smtps", "imap", "imaps", "pop3", "pop3s"] {
        let mut silent = Client::connect(world.portreeve.address(listener));
        let mut half = Client::connect(world.portreeve.address(listener));
        half.send_bytes(&[0x16, 3, 1, 2, 0, 1, 0, 1]);
        let began = Instant::now();
        silent.rest().expect("an end");
        half.rest().expect("an end");
        assert!(began.elapsed() < Duration::from_secs(10), "{listener}");
    }
    for protocol in [Protocol::Imap, Protocol::Pop3, Protocol::Smtp] {
        assert_eq!(world.exchange.counts(protocol).connections, 0);
    }
}

#[test]
fn connections_have_a_limit_in_all_and_per_address() {
    let world = World::with(|setup| setup.set("limits", "connections-per-peer = 3"));
    let address = world.portreeve.imap();
    let mut held: Vec<_> = (0..3).map(|_| Client::connect(address)).collect();
    for client in &mut held {
        client.expect("* OK");
    }
    let mut fourth = Client::connect(address);
    let rest = fourth.rest().unwrap();
    assert!(rest.is_empty() || rest.starts_with("* BYE"), "{rest}");
    held.pop();
    eventually("a place is free again", || {
        let mut client = Client::connect(address);
        client.line("a NOOP").rest_starts_with("* OK")
    });
}

#[test]
fn failures_in_one_connection_have_a_limit() {
    let mut world = World::with(|setup| setup.set("limits", "login-attempts = 2"));
    let device = world.sandboxed(MAILBOX);
    let mut imap = world.portreeve.connect_tls("imaps");
    imap.expect("* OK");
    for tag in ["a", "b"] {
        imap.line(&format!("{tag} LOGIN {} wrong-password", device.login))
            .expect(&format!("{tag} NO"));
    }
    imap.line(&format!("c LOGIN {} wrong-password", device.login));
    let rest = imap.rest().unwrap();
    assert!(rest.contains("BYE") || rest.is_empty(), "{rest}");
    world.imap(&device);
}

#[test]
fn an_exchange_that_cannot_prove_who_it_is_gets_no_token() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    for kind in [
        Certificate::Expired,
        Certificate::WrongName,
        Certificate::SelfSigned,
    ] {
        world.exchange.certificate(kind);
        let refused = world.exchange.counts(Protocol::Imap).refused;
        let logins = world.exchange.counts(Protocol::Imap).logins;
        let mut imap = world.portreeve.connect_tls("imaps");
        imap.expect("* OK")
            .line(&format!("a AUTHENTICATE PLAIN {}", device.plain()));
        imap.expect("a NO [UNAVAILABLE]");
        let mut smtp = world.smtp(&device);
        smtp.line(&format!("MAIL FROM:<{MAILBOX}>"))
            .expect("451 4.7.0");
        assert_eq!(world.exchange.counts(Protocol::Imap).refused, refused);
        assert_eq!(world.exchange.counts(Protocol::Imap).logins, logins);
        world.exchange.certificate(Certificate::Good);
        eventually("it works again", || {
            world
                .portreeve
                .cli(&["mailbox", "test", MAILBOX])
                .status
                .success()
        });
    }
    world.portreeve.wait_for_log("certificate");
}

#[test]
fn an_exchange_that_is_not_there_is_temporary() {
    let nowhere: SocketAddr = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    for host in [
        format!("host = \"localhost\", port = {}", nowhere.port()),
        "host = \"nowhere.invalid\", port = 993".into(),
    ] {
        world.portreeve.configure(|setup| {
            setup.set(
                "provider.exchange-online",
                &format!("imap = {{ {host}, tls = \"implicit\" }}"),
            )
        });
        world.portreeve.reload().ok();
        let mut imap = world.portreeve.connect_tls("imaps");
        imap.expect("* OK")
            .line(&format!("a AUTHENTICATE PLAIN {}", device.plain()));
        imap.expect("a NO [UNAVAILABLE]");
    }
}

#[test]
fn a_reload_cuts_nobody_and_a_wrong_file_changes_nothing() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut imap = world.imap(&device);
    let mut smtp = world.smtp(&device);
    world.portreeve.configure(|setup| {
        setup
            .set(
                "listener.extra",
                "protocol = \"imap\"\naddress = \"127.0.0.1:0\"\ntls = \"implicit\"",
            )
            .set("limits", "message-octets = 70000")
    });
    world.portreeve.reload().ok();
    world.portreeve.connect_tls("extra").expect("* OK");
    imap.line("1 NOOP").expect("1 OK");
    send(&mut smtp, &message("after-reload"));
    let mut new = world.portreeve.connect("smtp");
    new.expect("220")
        .line("EHLO scanner")
        .expect("250")
        .holding("SIZE 70000");

    world
        .portreeve
        .configure(|setup| setup.set("limits", "conections = 1"));
    let said = world.portreeve.reload().failed();
    assert!(said.text().contains("connections"), "{}", said.text());
    imap.line("2 NOOP").expect("2 OK");
    world.portreeve.connect_tls("extra").expect("* OK");

    // And by a signal, with a listener less.
    world.portreeve.configure(|setup| {
        setup
            .without("listener.extra")
            .set("limits", "conections = 1")
            .without("limits")
    });
    let extra = world.portreeve.address("extra");
    world.portreeve.signal("HUP");
    eventually("the listener is gone", || {
        std::net::TcpStream::connect(extra).is_err()
    });
    imap.line("3 NOOP").expect("3 OK");
}

#[test]
fn a_certificate_of_ones_own_is_used_and_changed_without_a_restart() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    let write = || {
        let (certificate_pem, key_pem) = authority.server_pem();
        fs::write(&certificate, certificate_pem).unwrap();
        fs::write(&key, key_pem).unwrap();
    };
    write();
    let mut world = World::with(|setup| {
        setup
            .set(
                "tls",
                &format!("certificate = \"{}\"", certificate.display()),
            )
            .set("tls", &format!("key = \"{}\"", key.display()))
    });
    let shown = |world: &World| {
        let mut client = Client::connect_tls(world.portreeve.imaps(), &authority.client());
        client.expect("* OK");
        client.server_certificate()
    };
    let first = shown(&world);
    write();
    world.portreeve.reload().ok();
    assert_ne!(shown(&world), first);
}

#[test]
fn a_stop_lets_a_message_end_and_says_good_bye() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut busy = world.smtp(&device);
    open_data(&mut busy);
    busy.send("Subject: slow\r\n\r\n");
    let mut idle = world.smtp(&device);
    let mut imap = world.imap(&device);
    let mut fresh = world.portreeve.connect("imap");
    fresh.expect("* OK");
    world.portreeve.signal("TERM");
    idle.expect("421");
    fresh.expect("* BYE");
    imap.rest().expect("an end, and no words of ours");
    let smtp = world.portreeve.smtp();
    eventually("no new connections", || {
        std::net::TcpStream::connect(smtp).is_err()
    });
    busy.send(&stuffed("the rest\r\n")).expect("250");
    let status = world.portreeve.wait_for_end();
    assert!(status.success(), "{status}");
    assert_eq!(world.exchange.submissions().len(), 1);
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let mut world = World::with(|setup| setup.set("limits", "drain-seconds = 1"));
    let device = world.sandboxed(MAILBOX);
    let mut busy = world.smtp(&device);
    open_data(&mut busy);
    let began = Instant::now();
    world.portreeve.stop();
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(world.exchange.submissions().is_empty());
}

#[test]
fn a_second_daemon_on_the_same_folder_refuses() {
    let world = World::start();
    let said = world.portreeve.cli(&["run"]).failed();
    assert!(!said.text().is_empty());
    world.portreeve.cli(&["status"]).ok();
}

#[test]
fn the_dialogue_in_the_log_holds_no_secret() {
    let mut world = World::with(|setup| setup.argument("--log-wire"));
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.portreeve.connect("smtp");
    smtp.expect("220").line("EHLO scanner").expect("250");
    // A password in the wrong place, as people type it.
    smtp.line(&device.password).expect("5");
    smtp.line(&format!("AUTH PLAIN {}", device.plain()))
        .expect("235");
    send(&mut smtp, &message("wire"));
    world
        .imap(&device)
        .line("1 SELECT INBOX")
        .expect_until("1 OK");
    world.pop3(&device).line("STAT").expect("+OK");
    let mut imap = world.portreeve.connect("imap");
    imap.expect("* OK")
        .line(&format!("a LOGIN {} \"{}", device.login, device.password))
        .expect("a ");
    world
        .exchange
        .next(Protocol::Imap, Stage::Login, Reaction::Refuse);
    world.imap(&device);
    world.portreeve.wait_for_log("portreeve::wire");
    assert!(
        world.portreeve.log().contains("C: EHLO"),
        "the dialogue is there"
    );
    world.portreeve.stop();
}

#[test]
fn json_logs_are_one_object_per_line() {
    let mut world = World::with(|setup| setup.set("log", "format = \"json\""));
    let device = world.sandboxed(MAILBOX);
    let mut smtp = world.smtp(&device);
    send(&mut smtp, &message("json"));
    smtp.line("QUIT").expect("221").expect_close();
    world.portreeve.wait_for_log("session ended");
    let log = world.portreeve.log();
    let objects: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let sent = objects
        .iter()
        .find(|object| object["target"] == "portreeve::message")
        .unwrap();
    let fields = &sent["fields"];
    let fields = if fields.is_null() { sent } else { fields };
    assert_eq!(fields["mailbox"], MAILBOX);
    assert_eq!(fields["result"], "accepted");
    assert!(fields["recipients"].to_string().contains(FRIEND));
}

#[test]
fn two_hundred_idle_sessions_and_then_one_more_are_served() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut held: Vec<_> = (0..200).map(|_| world.imap(&device)).collect();
    world.imap(&device).line("a NOOP").expect("a OK");
    for client in &mut held {
        client.line("a NOOP").expect("a OK");
    }
    world
        .exchange
        .wait_for_counts(Protocol::Imap, |counts| counts.open >= 200);
}

#[test]
fn random_bytes_do_no_harm() {
    let mut world = World::with(|setup| setup.set("limits", "login-seconds = 2"));
    let device = world.sandboxed(MAILBOX);
    // Always the same numbers: what fails once fails again (xorshift).
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let beginnings = [
        "",
        "EHLO x\r\n",
        "a AUTHENTICATE PLAIN ",
        "a LOGIN {",
        "AUTH PLAIN ",
        "USER ",
        "PROXY TCP4 ",
        "\x16\x03\x01",
    ];
    for round in 0..40 {
        for listener in ["smtp", "smtps", "imap", "imaps", "pop3", "pop3s"] {
            let mut client = if round % 2 == 0 {
                Client::connect(world.portreeve.address(listener))
            } else {
                world.portreeve.connect_tls(listener)
            };
            let length = random() % 3000;
            let mut bytes = beginnings[round % beginnings.len()].as_bytes().to_vec();
            bytes.extend((0..length).map(|_| {
                // Line ends more often than by chance.
                match random() {
                    number if number % 20 == 0 => b'\n',
                    number if number % 23 == 0 => b'\r',
                    number => number.to_le_bytes()[3],
                }
            }));
            let _ = client.try_send(&bytes);
        }
    }
    let connections = world.exchange.counts(Protocol::Imap).connections;
    world.imap(&device).line("1 NOOP").expect("1 OK");
    world.pop3(&device).line("NOOP").expect("+OK");
    send(&mut world.smtp(&device), &message("after-the-storm"));
    let reached = world.exchange.counts(Protocol::Imap).connections - connections;
    assert_eq!(reached, 1, "only the good login reached Exchange");
}

#[test]
fn tls_with_exchange_is_resumed() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    for _ in 0..5 {
        world.imap(&device).line("1 LOGOUT").expect("* BYE");
        let mut smtp = world.smtp(&device);
        send(&mut smtp, &message("resumed"));
        smtp.line("QUIT").expect("221");
    }
    for protocol in [Protocol::Imap, Protocol::Smtp] {
        let counts = world.exchange.counts(protocol);
        assert!(counts.resumed >= 4, "{protocol:?} {counts:?}");
    }
}
