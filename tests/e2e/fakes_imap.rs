//! IMAP up to the end of the login: every form of it, and every way in which it can fail.

use crate::support::{FRIEND, MAILBOX, message};
use portreeve_tests::{
    fakes::{Call, Protocol, Reaction, Stage},
    harness::{World, plain_response},
};
use std::time::{Duration, Instant};

#[test]
fn every_way_to_log_in_leads_to_the_mailbox() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    world.exchange.deliver(MAILBOX, message("hello").as_bytes());
    let (login, password) = (&device.login, &device.password);
    let plain = device.plain();
    let (l, p) = (login.len(), password.len());
    let ways = [
        format!("a LOGIN {login} {password}\r\n"),
        format!("a LOGIN \"{login}\" \"{password}\"\r\n"),
        format!("a login {} {password}  \r\n", login.to_uppercase()),
        format!("a LOGIN {{{l}+}}\r\n{login} {{{p}+}}\r\n{password}\r\n"),
        format!("a LOGIN {login} {password}\n"),
        format!("a AUTHENTICATE PLAIN {plain}\r\n"),
    ];
    for way in ways {
        let mut imap = world.portreeve.connect_tls("imaps");
        imap.expect("* OK").send(&way).expect_until("a OK");
        imap.line("b SELECT INBOX")
            .expect_until("b OK")
            .holding("* 1 EXISTS");
        imap.line("c LOGOUT")
            .expect("* BYE")
            .expect("c OK")
            .expect_close();
    }
}

#[test]
fn prompts_come_for_literals_and_for_a_response() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let (login, password) = (&device.login, &device.password);
    let mut imap = world.portreeve.connect("imap");
    imap.expect("* OK")
        .line(&format!("a LOGIN {{{}}}", login.len()))
        .expect("+ ");
    imap.line(&format!("{login} {{{}}}", password.len()))
        .expect("+ ");
    imap.line(password).expect_until("a OK");

    let mut imap = world.portreeve.connect("imap");
    imap.expect("* OK")
        .line("a AUTHENTICATE PLAIN")
        .expect("+ ");
    imap.line("*").expect("a BAD");
    imap.line("b AUTHENTICATE PLAIN").expect("+ ");
    imap.line(&device.plain()).expect_until("b OK");
}

#[test]
fn starttls_drops_what_came_before_it() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let mut imap = world.portreeve.connect("imap");
    imap.expect("* OK")
        .line("1 CAPABILITY")
        .expect("* CAPABILITY")
        .holding("STARTTLS")
        .expect("1 OK");
    imap.send("2 STARTTLS\r\n3 NOOP\r\n")
        .expect("2 OK")
        .start_tls();
    imap.line("4 CAPABILITY")
        .expect("* CAPABILITY")
        .not_holding("STARTTLS")
        .expect("4 OK");
    imap.line(&format!("5 AUTHENTICATE PLAIN {}", device.plain()))
        .expect_until("5 OK");
}

#[test]
fn capabilities_promise_what_holds() {
    let world = World::with(|setup| setup.set("listener.imap", "plaintext-login = []"));
    let mut imap = world.portreeve.connect("imap");
    imap.expect("* OK")
        .line("1 CAPABILITY")
        .expect("* CAPABILITY");
    imap.holding("LOGINDISABLED").holding("STARTTLS");
    for absent in ["COMPRESS", "XOAUTH2", "AUTH=PLAIN"] {
        imap.not_holding(absent);
    }
    imap.expect("1 OK").line("2 LOGIN a b").expect("2 NO");
    assert_eq!(world.exchange.counts(Protocol::Imap).connections, 0);
    imap.line("3 STARTTLS").expect("3 OK").start_tls();
    imap.line("4 CAPABILITY").expect("* CAPABILITY");
    imap.holding("AUTH=PLAIN")
        .holding("SASL-IR")
        .holding("IDLE");
    for absent in ["COMPRESS", "XOAUTH2", "LOGINDISABLED", "STARTTLS"] {
        imap.not_holding(absent);
    }
}

#[test]
fn passwords_are_taken_octet_by_octet() {
    let mut world = World::start();
    world.sign_in(MAILBOX);
    world.device_with_password("One", MAILBOX, "one", "p\\w and more: ünï");
    world.device_with_password("Two", MAILBOX, "two", "a\"b long enough");
    world.device_with_password("Three", MAILBOX, "three", "{17}looks-like-it");
    let ways = [
        "a LOGIN \"one\" \"p\\\\w and more: ünï\"".to_owned(),
        format!(
            "a AUTHENTICATE PLAIN {}",
            plain_response("one", "p\\w and more: ünï")
        ),
        "a LOGIN \"two\" \"a\\\"b long enough\"".to_owned(),
        "a LOGIN three \"{17}looks-like-it\"".to_owned(),
    ];
    for way in ways {
        world
            .portreeve
            .connect_tls("imaps")
            .expect("* OK")
            .line(&way)
            .expect_until("a OK");
    }
    world.portreeve.keep_secret("p\\w and more");
}

#[test]
fn nonsense_before_the_login_is_refused_and_goes_nowhere() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let before = world.exchange.counts(Protocol::Imap).connections;
    let mut imap = world.portreeve.connect_tls("imaps");
    imap.expect("* OK")
        .line(&format!("1 LOGIN {} \"\"", device.login))
        .expect("1 NO");
    imap.send_bytes(b"2 LOGIN \"\xe4\xff\" \"\xfc\"\r\n")
        .expect("2 ");
    imap.line("3 AUTHENTICATE XOAUTH2 abcd").expect("3 NO");
    imap.line("4 AUTHENTICATE CRAM-MD5").expect("4 NO");
    imap.line("5 SELECT INBOX").expect("5 ");
    imap.line("6 AUTHENTICATE PLAIN !!!").expect("6 BAD");
    imap.line(&format!("7 AUTHENTICATE PLAIN {}", device.plain()))
        .expect_until("7 OK");
    let after = world.exchange.counts(Protocol::Imap).connections;
    assert_eq!(after - before, 1, "only the good login reached Exchange");
}

#[test]
fn wrong_passwords_wait_longer_each_time_and_cost_nothing_upstream() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let connections = world.exchange.counts(Protocol::Imap).connections;
    let refreshes = world.entra.count(Call::Refresh);
    let mut waits = Vec::new();
    for _ in 0..4 {
        let mut imap = world.portreeve.connect_tls("imaps");
        imap.expect("* OK");
        let began = Instant::now();
        imap.line(&format!("a LOGIN {} wrong-password", device.login));
        imap.expect("a NO [AUTHENTICATIONFAILED]");
        waits.push(began.elapsed());
    }
    assert!(
        waits[3] > waits[0] + Duration::from_millis(200),
        "{waits:?}"
    );
    assert_eq!(
        world.exchange.counts(Protocol::Imap).connections,
        connections
    );
    assert_eq!(world.entra.count(Call::Refresh), refreshes);
    world.portreeve.wait_for_log("login refused");
    world.imap(&device);
}

#[test]
fn an_authorization_identity_is_a_mailbox_the_device_is_bound_to() {
    let mut world = World::start();
    world.sign_in(MAILBOX);
    world.sign_in(FRIEND);
    let both = world.device("Both", MAILBOX, &["--mailbox", FRIEND]);
    let one = world.device("One", MAILBOX, &[]);
    world.exchange.deliver(FRIEND, message("hello").as_bytes());
    let response = |login: &str, password: &str| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        STANDARD.encode(format!("{FRIEND}\0{login}\0{password}"))
    };
    let mut imap = world.portreeve.connect_tls("imaps");
    imap.expect("* OK").line(&format!(
        "1 AUTHENTICATE PLAIN {}",
        response(&both.login, &both.password)
    ));
    imap.expect_until("1 OK")
        .line("2 SELECT INBOX")
        .expect_until("2 OK")
        .holding("* 1 EXISTS");

    let mut imap = world.portreeve.connect_tls("imaps");
    imap.expect("* OK").line(&format!(
        "1 AUTHENTICATE PLAIN {}",
        response(&one.login, &one.password)
    ));
    imap.expect("1 NO [AUTHENTICATIONFAILED]");
}

#[test]
fn a_refused_token_is_minted_once_more_and_then_works() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let refreshes = world.entra.count(Call::Refresh);
    world
        .exchange
        .next(Protocol::Imap, Stage::Login, Reaction::Refuse);
    world.imap(&device);
    world
        .exchange
        .next(Protocol::Imap, Stage::Login, Reaction::challenge());
    world.imap(&device);
    assert_eq!(world.entra.count(Call::Refresh), refreshes + 2);
}

#[test]
fn a_token_refused_twice_is_for_the_admin() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    for reaction in [Reaction::Refuse, Reaction::challenge()] {
        let refused = world.exchange.counts(Protocol::Imap).refused;
        let refreshes = world.entra.count(Call::Refresh);
        world
            .exchange
            .always(Protocol::Imap, Stage::Login, reaction);
        let mut imap = world.portreeve.connect_tls("imaps");
        imap.expect("* OK")
            .line(&format!("a AUTHENTICATE PLAIN {}", device.plain()));
        imap.expect("a NO [CONTACTADMIN]");
        let refused = world.exchange.counts(Protocol::Imap).refused - refused;
        assert_eq!(
            refused, 2,
            "tried with the cached token and with a fresh one"
        );
        assert_eq!(world.entra.count(Call::Refresh), refreshes + 1);
        // A retry is allowed, on the same connection.
        world.exchange.calm();
        world.portreeve.cli(&["mailbox", "test", MAILBOX]).ok();
        imap.line(&format!("b AUTHENTICATE PLAIN {}", device.plain()))
            .expect_until("b OK");
    }
}

#[test]
fn throttling_is_told_as_temporary_and_not_made_worse() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    world.exchange.always(
        Protocol::Imap,
        Stage::Login,
        Reaction::say_and_close(
            "BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds\r\n* BYE Connection closed. 14",
        ),
    );
    let login = || {
        let mut imap = world.portreeve.connect_tls("imaps");
        imap.expect("* OK")
            .line(&format!("a AUTHENTICATE PLAIN {}", device.plain()));
        imap.expect("a NO [UNAVAILABLE]");
    };
    login();
    let connections = world.exchange.counts(Protocol::Imap).connections;
    login();
    assert_eq!(
        world.exchange.counts(Protocol::Imap).connections,
        connections,
        "the second login waits for the back-off that Exchange asked for"
    );
}

#[test]
fn an_exchange_that_goes_away_during_the_login_is_temporary() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    for (stage, reaction) in [
        (
            Stage::Login,
            Reaction::say_and_close("* BYE Connection is closed. 13"),
        ),
        (Stage::Login, Reaction::Close),
        (Stage::Greeting, Reaction::Close),
        (Stage::Connection, Reaction::Close),
        (
            Stage::Greeting,
            Reaction::say_and_close("* BYE Server Unavailable. 15"),
        ),
    ] {
        world
            .exchange
            .always(Protocol::Imap, stage, reaction.clone());
        let mut imap = world.portreeve.connect_tls("imaps");
        imap.expect("* OK")
            .line(&format!("a AUTHENTICATE PLAIN {}", device.plain()));
        imap.expect("a NO [UNAVAILABLE]");
        world.exchange.calm();
        assert_eq!(world.state(MAILBOX), "works", "{stage:?} {reaction:?}");
    }
}

#[test]
fn an_exchange_that_hangs_is_given_up() {
    let mut world = World::with(|setup| setup.set("limits", "upstream-login-seconds = 1"));
    let device = world.sandboxed(MAILBOX);
    world
        .exchange
        .always(Protocol::Imap, Stage::Login, Reaction::Hang);
    let mut imap = world.portreeve.connect_tls("imaps");
    imap.expect("* OK")
        .line(&format!("a AUTHENTICATE PLAIN {}", device.plain()));
    imap.expect("a NO [UNAVAILABLE]");
}

#[test]
fn too_long_lines_and_literals_before_the_login_end_the_session() {
    let world = World::start();
    let mut imap = world.portreeve.connect_tls("imaps");
    imap.expect("* OK").line("a LOGIN {1000000}");
    let rest = imap.rest().unwrap();
    assert!(
        rest.starts_with("a BAD") || rest.starts_with("a NO") || rest.starts_with("* BYE"),
        "{rest}"
    );
    let mut imap = world.portreeve.connect_tls("imaps");
    imap.expect("* OK").send(&"x".repeat(20_000));
    let rest = imap.rest().unwrap();
    assert!(
        rest.starts_with("* BYE") || rest.starts_with("* BAD"),
        "{rest}"
    );
    assert_eq!(world.exchange.counts(Protocol::Imap).connections, 0);
}

#[test]
fn an_exchange_with_starttls_is_served_and_one_without_it_sees_no_token() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let port = world.exchange.addresses().imap.port();
    world.reconfigure(|setup| setup.server("imap", port, "starttls"));
    world.imap(&device).line("1 NOOP").expect("1 OK");
    world.exchange.offer_starttls(false);
    let mut imap = world.portreeve.connect_tls("imaps");
    imap.expect("* OK")
        .line(&format!("a AUTHENTICATE PLAIN {}", device.plain()))
        .expect("a NO");
    assert_eq!(world.exchange.counts(Protocol::Imap).tokens_in_the_clear, 0);
}
