use proptest::prelude::*;

use super::*;
use crate::transcript::{Actor, observe, play};

impl Actor for Device {
    const PEER: char = 'C';

    fn describe(event: Event) -> String {
        match event {
            Event::Login(credentials) => {
                let password = String::from_utf8_lossy(credentials.password()).into_owned();
                match credentials.authorization {
                    Some(other) => format!("Login {} as {other}: {password}", credentials.login),
                    None => format!("Login {}: {password}", credentials.login),
                }
            }
            Event::Open => "Open".into(),
            Event::Ended(ending) => format!("Ended: {ending}"),
        }
    }

    fn answer(&mut self, command: &str) {
        let refuse = |kind| Denial::new(kind, "as the log says [s1]");
        match command.split_once(' ').unwrap_or((command, "")) {
            ("accept", atoms) => self.accept(&Opened {
                capabilities: atoms.split_ascii_whitespace().map(str::to_owned).collect(),
            }),
            ("wrong", _) => self.refuse(&refuse(DenialKind::WrongLogin)),
            ("admin", _) => self.refuse(&refuse(DenialKind::NeedsAdmin)),
            ("later", _) => self.refuse(&refuse(DenialKind::TryLater)),
            ("many", _) => self.refuse(&refuse(DenialKind::TooManyFailures)),
            ("tls", _) => self.tls_started(),
            ("bye", text) => self.bye(text),
            ("closed", _) => self.closed(),
            _ => panic!("no such answer: {command}"),
        }
    }
}

const STARTTLS_FIRST: Channel = Channel::Plain {
    upgrade: true,
    login: false,
};

fn device(channel: Channel) -> Device {
    device_with(channel, Limits::default())
}

fn device_with(channel: Channel, limits: Limits) -> Device {
    Device::new(Options {
        hostname: "gw.lan".into(),
        channel,
        trace: true,
        limits,
        capabilities: vec!["LITERAL+".into(), "IDLE".into()],
    })
}

/// A transcript after the greeting of an encrypted connection; credentials in it are `s3cret`.
fn encrypted(transcript: &str) -> Vec<String> {
    let greeting = "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE SASL-IR AUTH=PLAIN AUTH=LOGIN] \
                    gw.lan ready\n";
    let trace = play(
        || device(Channel::Encrypted),
        &format!("{greeting}{transcript}"),
    );
    for line in &trace {
        // "s3cret" and the same in base64, wherever it begins
        for secret in ["s3cret", "czNjcmV0", "MzY3JldA", "zM2NyZX"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    trace
}

#[test]
fn login_with_atoms_and_the_exchanges_own_capabilities() {
    let trace = encrypted(
        "
        C: A1 LOGIN u@x s3cret
        E: Login u@x: s3cret
        A: accept IMAP4rev1 AUTH=XOAUTH2 SASL-IR LOGINDISABLED UIDPLUS COMPRESS=DEFLATE
        S: A1 OK [CAPABILITY IMAP4rev1 UIDPLUS COMPRESS=DEFLATE] Logged in
        E: Open
        L:
        ",
    );
    assert_eq!(
        trace,
        [
            "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE SASL-IR AUTH=PLAIN AUTH=LOGIN] gw.lan ready",
            "C: A1 LOGIN <credentials>",
            "S: A1 OK [CAPABILITY IMAP4rev1 UIDPLUS COMPRESS=DEFLATE] Logged in",
        ]
    );
}

#[test]
fn case_1_a_client_that_speaks_before_the_greeting_is_answered_in_order() {
    encrypted(
        "
        C: A1 CAPABILITY
        C: A2 LOGIN u s3cret
        S: * CAPABILITY IMAP4rev1 LITERAL+ IDLE SASL-IR AUTH=PLAIN AUTH=LOGIN
        S: A1 OK Done
        E: Login u: s3cret
        A: accept
        S: A2 OK Logged in
        E: Open
        ",
    );
}

#[test]
fn cases_4_to_7_denials_are_tagged_and_allow_another_try() {
    encrypted(
        "
        C: A1 LOGIN u s3cret
        E: Login u: s3cret
        A: wrong
        S: A1 NO [AUTHENTICATIONFAILED] as the log says [s1]
        C: A2 LOGIN u s3cret
        E: Login u: s3cret
        A: admin
        S: A2 NO [CONTACTADMIN] as the log says [s1]
        C: A3 LOGIN u s3cret
        E: Login u: s3cret
        A: many
        S: A3 NO [LIMIT] as the log says [s1]
        C: A4 LOGIN u s3cret
        E: Login u: s3cret
        A: later
        S: A4 NO [UNAVAILABLE] as the log says [s1]
        A: bye The exchange went away
        S: * BYE The exchange went away
        E: Close
        ",
    );
}

#[test]
fn cases_8_and_9_backslashes_in_quotes() {
    encrypted(
        r#"
        C: A1 LOGIN "u@x" "p\\w"
        E: Login u@x: p\w
        A: wrong
        S: A1 NO [AUTHENTICATIONFAILED] as the log says [s1]
        C: A2 LOGIN "u@x" "a\"b"
        E: Login u@x: a"b
        A: wrong
        S: A2 NO [AUTHENTICATIONFAILED] as the log says [s1]
        C: A3 LOGIN "dom\user" "p\w"
        E: Login dom\user: p\w
        A: accept
        S: A3 OK Logged in
        E: Open
        "#,
    );
}

#[test]
fn case_11_synchronising_literals() {
    encrypted(
        "
        C: A1 LOGIN {13}
        S: + Ready for 13 octets
        c: u@example.com
        C:  {2}
        S: + Ready for 2 octets
        c: p
        c: w
        C:
        E: Login u@example.com: pw
        A: accept
        S: A1 OK Logged in
        E: Open
        L:
        ",
    );
}

#[test]
fn case_12_literal_plus_in_one_packet_and_what_follows_is_left_for_the_pipe() {
    encrypted(
        "
        C: A1 LOGIN {13+}
        C: u@example.com {6+}
        C: s3cret
        C: A2 SELECT INBOX
        C: A3 APPEND x {3+}
        E: Login u@example.com: s3cret
        A: accept
        S: A1 OK Logged in
        E: Open
        L: A2 SELECT INBOX«0d0a»A3 APPEND x {3+}«0d0a»
        ",
    );
}

#[test]
fn case_15_plain_in_two_steps_in_one_and_cancelled() {
    encrypted(
        "
        C: A1 AUTHENTICATE PLAIN
        S: +«20»
        C: *
        S: A1 BAD Cancelled
        C: A2 authenticate plain
        S: +«20»
        C: AHUAczNjcmV0
        E: Login u: s3cret
        A: wrong
        S: A2 NO [AUTHENTICATIONFAILED] as the log says [s1]
        C: A3 AUTHENTICATE PLAIN AHUAczNjcmV0
        E: Login u: s3cret
        A: accept
        S: A3 OK Logged in
        E: Open
        ",
    );
}

#[test]
fn case_17_an_authorisation_identity_is_handed_on() {
    encrypted(
        "
        C: A1 AUTHENTICATE PLAIN c2hhcmVkQHgAdQBzM2NyZXQ=
        E: Login u as shared@x: s3cret
        ",
    );
}

#[test]
fn case_18_authenticate_login() {
    encrypted(
        "
        C: A1 AUTHENTICATE LOGIN
        S: + VXNlcm5hbWU6
        C: dQ==
        S: + UGFzc3dvcmQ6
        C: czNjcmV0
        E: Login u: s3cret
        A: wrong
        S: A1 NO [AUTHENTICATIONFAILED] as the log says [s1]
        C: A2 AUTHENTICATE LOGIN dQ==
        S: + UGFzc3dvcmQ6
        C: czNjcmV0
        E: Login u: s3cret
        ",
    );
}

#[test]
fn case_19_modern_mechanisms_are_refused_here_and_their_token_is_not_traced() {
    let trace = encrypted(
        "
        C: A1 AUTHENTICATE XOAUTH2 czNjcmV0
        S: A1 NO Use LOGIN, AUTHENTICATE PLAIN or AUTHENTICATE LOGIN
        C: czNjcmV0
        S: czNjcmV0 BAD Not understood
        C: A2 AUTHENTICATE CRAM-MD5
        S: A2 NO Use LOGIN, AUTHENTICATE PLAIN or AUTHENTICATE LOGIN
        C: A3 AUTHENTICATE PLAIN !!!
        S: A3 BAD That is not what the mechanism asks for
        C: A4 AUTHENTICATE
        S: A4 NO Use LOGIN, AUTHENTICATE PLAIN or AUTHENTICATE LOGIN
        ",
    );
    assert_eq!(trace[1], "C: A1 AUTHENTICATE XOAUTH2 <credentials>");
}

#[test]
fn case_20_no_login_and_no_literal_before_tls() {
    play(
        || device(STARTTLS_FIRST),
        "
        S: * OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE STARTTLS LOGINDISABLED] gw.lan ready
        C: A1 CAPABILITY
        S: * CAPABILITY IMAP4rev1 LITERAL+ IDLE STARTTLS LOGINDISABLED
        S: A1 OK Done
        C: A2 LOGIN u p
        S: A2 NO [PRIVACYREQUIRED] Use STARTTLS first
        C: A3 LOGIN {1}
        S: A3 NO [PRIVACYREQUIRED] Use STARTTLS first
        C: A4 AUTHENTICATE PLAIN
        S: A4 NO [PRIVACYREQUIRED] Use STARTTLS first
        C: A5 STARTTLS
        S: A5 OK Begin TLS now
        E: StartTls
        A: tls
        C: A6 CAPABILITY
        S: * CAPABILITY IMAP4rev1 LITERAL+ IDLE SASL-IR AUTH=PLAIN AUTH=LOGIN
        S: A6 OK Done
        C: A7 STARTTLS
        S: A7 BAD TLS is up already
        C: A8 LOGIN u p
        E: Login u: p
        ",
    );
    play(
        || {
            device(Channel::Plain {
                upgrade: false,
                login: false,
            })
        },
        "
        S: * OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE LOGINDISABLED] gw.lan ready
        C: A1 STARTTLS
        S: A1 BAD TLS is not available on this port
        C: A2 LOGIN u p
        S: A2 NO [PRIVACYREQUIRED] No login is taken on this port without TLS
        ",
    );
}

#[test]
fn starttls_drops_what_came_in_plain_text() {
    let mut device = device(STARTTLS_FIRST);
    let _ = device.next();
    device.receive(b"A1 STARTTLS\r\nA2 LOGIN u p\r\nA3 LOG");
    assert!(matches!(device.next(), Action::Write(_)));
    assert_eq!(device.next(), Action::StartTls);
    device.receive(b"A4 NOOP\r\n");
    assert_eq!(device.next(), Action::Wait);
    device.tls_started();
    assert_eq!(device.next(), Action::Read);
    assert!(device.into_leftover().is_empty());
}

#[test]
fn cases_21_and_24_bare_line_feeds_and_trailing_blanks() {
    encrypted(
        "
        c: A1 NOOP«0a»
        S: A1 OK Done
        C: A2 CAPABILITY«2020»
        S: * CAPABILITY IMAP4rev1 LITERAL+ IDLE SASL-IR AUTH=PLAIN AUTH=LOGIN
        S: A2 OK Done
        c: A3 LOGIN u s3cret «0a»
        E: Login u: s3cret
        ",
    );
    encrypted("C: A1 LOGIN u «22»s3cret«22»«2009»\nE: Login u: s3cret");
}

#[test]
fn case_25_an_empty_password_is_refused_here() {
    encrypted(
        r#"
        C: A1 LOGIN "u@x" ""
        S: A1 NO [AUTHENTICATIONFAILED] The user name or the password is empty
        C: A2 AUTHENTICATE PLAIN AHUA
        S: A2 NO [AUTHENTICATIONFAILED] The user name or the password is empty
        C: A3 LOGIN "" s3cret
        S: A3 NO [AUTHENTICATIONFAILED] The user name or the password is empty
        "#,
    );
}

#[test]
fn case_26_bytes_that_are_not_utf_8() {
    let mut device = device(Channel::Encrypted);
    let _ = device.next();
    device.receive(b"A1 LOGIN \"u\xe4\" \"p\xff\xe4\"\r\n");
    assert_eq!(
        device.next(),
        Action::Event(Event::Login(Credentials::new(b"u\xe4", b"p\xff\xe4")))
    );
}

#[test]
fn case_30_refusals_have_an_end() {
    let mut script = String::new();
    for n in 1..=5 {
        let login = "C: An LOGIN u s3cret
            E: Login u: s3cret
            A: wrong
            S: An NO [AUTHENTICATIONFAILED] as the log says [s1]\n";
        script.push_str(&login.replace("An", &format!("A{n}")));
    }
    script += "S: * BYE Too many logins were refused\n\
               E: Ended: 5 logins were refused on this connection\n\
               E: Close";
    encrypted(&script);
}

#[test]
fn the_other_commands_before_a_login() {
    let trace = encrypted(
        r#"
        C: A1 ID NIL
        S: * ID ("name" "Portreeve")
        S: A1 OK Done
        C: A2 ID ("name" {5}
        S: + Ready for 5 octets
        C: a b c "version" "1")
        S: * ID ("name" "Portreeve")
        S: A2 OK Done
        C: A3 SELECT INBOX
        S: A3 BAD Log in first
        C: A4 APPEND x {100}
        S: A4 BAD Log in first
        C: A5 s3cret
        S: A5 BAD Not understood
        C: s3cret
        S: s3cret BAD Not understood
        C:
        S: * BAD Not understood
        C: A6 LOGIN s3cret
        S: A6 BAD LOGIN takes a user name and a password
        C: A7 LOGOUT
        S: * BYE Logging out
        S: A7 OK Done
        E: Close
        "#,
    );
    assert!(trace.contains(&"C: A3 SELECT".to_owned()), "{trace:?}");
    assert!(trace.contains(&"C: <9 octets>".to_owned()), "{trace:?}");
    assert!(trace.contains(&"S: <tag> BAD Not understood".to_owned()));
}

#[test]
fn a_peer_of_another_protocol_is_told_quickly() {
    encrypted(
        "
        C: GET / HTTP/1.1
        C: Host: gw.lan
        S: * BYE This is an IMAP server
        E: Ended: the peer speaks HTTP, not IMAP
        E: Close
        ",
    );
    encrypted(
        "
        c: «160301020001»
        E: Ended: the peer speaks TLS, not IMAP in plain text
        E: Close
        ",
    );
}

#[test]
fn last_words_and_a_peer_that_goes_away() {
    encrypted("A: bye Shutting down\nS: * BYE Shutting down\nE: Close");
    encrypted(
        "
        C: A1 LOGIN u s3cret
        E: Login u: s3cret
        A: closed
        E: Close
        ",
    );
}

#[test]
fn every_limit_ends_the_dialogue() {
    let limits = Limits {
        line_octets: 20,
        literal_octets: 10,
        login_octets: 60,
        bad_commands: 2,
        refusals: 1,
    };
    let limited = |script: &str| {
        let greeting = "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE SASL-IR AUTH=PLAIN AUTH=LOGIN] \
                        gw.lan ready\n";
        play(
            || device_with(Channel::Encrypted, limits),
            &format!("{greeting}{script}"),
        );
    };
    limited("C: A1 LOGIN 01234567890\nS: A1 BAD LOGIN takes a user name and a password");
    limited(
        "C: A1 LOGIN 012345678901
         S: * BYE The line is too long
         E: Ended: the device sent a line longer than 20 octets
         E: Close",
    );
    limited("c: A1 LOGIN {10}«0a»\nS: + Ready for 10 octets");
    for literal in ["{11}", "{11+}", "{99999}"] {
        limited(&format!(
            "C: A1 LOGIN {literal}
             S: * BYE The literal is too long
             E: Ended: the device announced a literal larger than 10 octets
             E: Close"
        ));
    }
    limited(
        "C: A1 NOOP
         C: A2 NOOP
         C: A3 NOOP
         C: A4 NOOP
         C: A5 NOOP
         C: A6 NOOP
         C: A7 NOOP
         S: A1 OK Done
         S: A2 OK Done
         S: A3 OK Done
         S: A4 OK Done
         S: A5 OK Done
         S: A6 OK Done
         S: * BYE Too much was sent without a login
         E: Ended: the device sent more than 60 octets without logging in
         E: Close",
    );
    limited(
        "C: A1 X
         C: A2 SELECT x
         C: A3 X
         S: A1 BAD Not understood
         S: A2 BAD Log in first
         S: A3 BAD Not understood
         S: * BYE Too many bad commands
         E: Ended: the device sent more than 2 bad commands
         E: Close",
    );
    limited(
        "C: A1 LOGIN u p
         E: Login u: p
         A: later
         S: A1 NO [UNAVAILABLE] as the log says [s1]
         S: * BYE Too many logins were refused
         E: Ended: 1 logins were refused on this connection
         E: Close",
    );
}

/// Bytes that are likely to lead somewhere, with some that are not.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => proptest::sample::select(vec![
            "A1 LOGIN u p\r\n", "A1 LOGIN {3}\r\n", "abc {2+}\r\npw\r\n", "{1+}\r\nu \"p\"\n",
            "a AUTHENTICATE PLAIN\r\n", "AHUAcA==\r\n", "*\r\n", "b AUTHENTICATE LOGIN dQ==\r\n",
            "c CAPABILITY\r\n", "d ID (\"a\" {2}\r\n", "e LOGIN \"u\" \"", "\"", "\\", "{", "}",
            "f STARTTLS\r\n", "g SELECT x {5+}\r\n", "\r\n", "\n", " ", "h LOGOUT\r\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_and_memory_stays_bounded(
        input in input(),
        cuts in proptest::collection::vec(1usize..30, 1..40),
        answer in proptest::sample::select(vec!["wrong", "accept A B"]),
        plain in any::<bool>(),
    ) {
        let limits = Limits {
            line_octets: 40,
            literal_octets: 16,
            login_octets: 300,
            ..Limits::default()
        };
        let channel = if plain { STARTTLS_FIRST } else { Channel::Encrypted };
        // How much came in plain text before TLS, and is dropped, does depend on the reads.
        let answer = if plain { "closed" } else { answer };
        let make = || device_with(channel, limits);
        let whole = observe(make(), &input, &[], answer, |_| {});
        let cuts: Vec<usize> = cuts.into_iter().cycle().take(2000).collect();
        let pieces = observe(make(), &input, &cuts, answer, |device| {
            // A line without its end and one read; what is counted, with a repaired line end each.
            assert!(device.wire.input.len() <= 40 + 2 + 30);
            assert!(device.command.len() <= 2 * 300);
        });
        prop_assert_eq!(whole, pieces);
    }
}
