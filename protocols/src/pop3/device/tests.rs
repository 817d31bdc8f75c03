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
            ("accept", _) => self.accept(&Opened),
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

const STLS_FIRST: Channel = Channel::Plain {
    upgrade: true,
    login: false,
};

fn device_with(channel: Channel, limits: Limits) -> Device {
    Device::new(Options {
        hostname: "gw.lan".into(),
        channel,
        trace: true,
        limits,
    })
}

fn played(channel: Channel, transcript: &str) -> Vec<String> {
    let trace = play(
        || device_with(channel, Limits::default()),
        &format!("S: +OK gw.lan ready\n{transcript}"),
    );
    for line in &trace {
        for secret in ["s3cret", "czNjcmV0", "MzY3JldA", "zM2NyZX"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    trace
}

fn encrypted(transcript: &str) -> Vec<String> {
    played(Channel::Encrypted, transcript)
}

#[test]
fn user_and_pass_and_what_follows_is_left_for_the_pipe() {
    let trace = encrypted(
        "C: USER u@x
         C: PASS s3cret
         C: STAT
         S: +OK Now the password
         E: Login u@x: s3cret
         A: accept
         S: +OK Logged in
         E: Open
         L: STAT«0d0a»",
    );
    assert_eq!(
        trace,
        [
            "S: +OK gw.lan ready",
            "C: USER <credentials>",
            "S: +OK Now the password",
            "C: PASS <credentials>",
            "S: +OK Logged in",
        ]
    );
}

#[test]
fn denials_and_another_try() {
    encrypted(
        "C: USER u
         S: +OK Now the password
         C: PASS s3cret
         E: Login u: s3cret
         A: wrong
         S: -ERR [AUTH] as the log says [s1]
         C: PASS s3cret
         S: -ERR USER comes first
         C: user u
         S: +OK Now the password
         C: pass s3cret
         E: Login u: s3cret
         A: admin
         S: -ERR [SYS/PERM] as the log says [s1]
         C: AUTH PLAIN AHUAczNjcmV0
         E: Login u: s3cret
         A: later
         S: -ERR [SYS/TEMP] as the log says [s1]
         C: AUTH PLAIN AHUAczNjcmV0
         E: Login u: s3cret
         A: many
         S: -ERR [SYS/TEMP] as the log says [s1]
         A: bye See you
         S: -ERR See you
         E: Close",
    );
}

#[test]
fn case_33_capa_says_what_is_true_here() {
    encrypted(
        "C: CAPA
         S: +OK What can be done here
         S: USER
         S: SASL PLAIN LOGIN
         S: UIDL
         S: TOP
         S: RESP-CODES
         S: AUTH-RESP-CODE
         S: .",
    );
    played(
        STLS_FIRST,
        "C: CAPA
         S: +OK What can be done here
         S: UIDL
         S: TOP
         S: RESP-CODES
         S: AUTH-RESP-CODE
         S: STLS
         S: .
         C: USER u
         S: -ERR Use STLS first
         C: PASS s3cret
         S: -ERR Use STLS first
         C: AUTH
         S: +OK
         S: .
         C: AUTH PLAIN
         S: -ERR Use STLS first
         C: STLS
         S: +OK Begin TLS now
         E: StartTls
         A: tls
         C: AUTH
         S: +OK
         S: PLAIN
         S: LOGIN
         S: .
         C: STLS
         S: -ERR TLS is up already
         C: USER u
         S: +OK Now the password",
    );
}

#[test]
fn case_34_stls_that_is_not_offered_leaves_the_session_usable() {
    played(
        Channel::Plain {
            upgrade: false,
            login: true,
        },
        "C: STLS
         S: -ERR TLS is not available on this port
         C: USER u
         S: +OK Now the password
         C: PASS s3cret
         E: Login u: s3cret",
    );
    played(
        Channel::Plain {
            upgrade: false,
            login: false,
        },
        "C: USER u\nS: -ERR No login is taken on this port without TLS",
    );
}

#[test]
fn stls_drops_what_came_in_plain_text() {
    let mut device = device_with(STLS_FIRST, Limits::default());
    let _ = device.next();
    device.receive(b"STLS\r\nUSER u\r\nPASS p\r\n");
    assert!(matches!(device.next(), Action::Write(_)));
    assert_eq!(device.next(), Action::StartTls);
    device.receive(b"QUIT\r\n");
    assert_eq!(device.next(), Action::Wait);
    device.tls_started();
    assert_eq!(device.next(), Action::Read);
    assert!(device.into_leftover().is_empty());
}

#[test]
fn cases_35_to_37_and_39_auth_in_every_form() {
    encrypted(
        "C: AUTH
         S: +OK
         S: PLAIN
         S: LOGIN
         S: .
         C: AUTH PLAIN
         S: +«20»
         C: *
         S: -ERR Cancelled
         C: AUTH PLAIN
         S: +«20»
         C: AHUAczNjcmV0
         E: Login u: s3cret
         A: wrong
         S: -ERR [AUTH] as the log says [s1]
         C: AUTH LOGIN
         S: + VXNlcm5hbWU6
         C: dQ==
         S: + UGFzc3dvcmQ6
         C: czNjcmV0
         E: Login u: s3cret
         A: wrong
         S: -ERR [AUTH] as the log says [s1]
         C: AUTH XOAUTH2 czNjcmV0
         S: -ERR Use USER and PASS, AUTH PLAIN or AUTH LOGIN
         C: APOP u s3cret
         S: -ERR APOP is not available; use USER and PASS
         C: AUTH PLAIN =
         S: -ERR That is not what the mechanism asks for
         C: auth plain c2hhcmVkQHgAdQBzM2NyZXQ=
         E: Login u as shared@x: s3cret
         A: accept
         S: +OK Logged in
         E: Open",
    );
}

#[test]
fn case_40_a_password_is_taken_byte_for_byte() {
    for password in [" s3cret ", "a:b: c", "  ", "päss", "p\"w\\"] {
        encrypted(&format!(
            "C:  USER  u \nS: -ERR Not understood\n\
             C: USER  u \nS: +OK Now the password\nC: PASS {password}\nE: Login u: {password}"
        ));
    }
    let mut device = device_with(Channel::Encrypted, Limits::default());
    let _ = device.next();
    device.receive(b"USER u\r\n");
    let _ = device.next();
    device.receive(b"PASS \xe4\xff\r\n");
    assert_eq!(
        device.next(),
        Action::Event(Event::Login(Credentials::new(b"u", b"\xe4\xff")))
    );
}

#[test]
fn an_empty_password_is_refused_here() {
    encrypted(
        "C: USER u
         S: +OK Now the password
         C: PASS
         S: -ERR [AUTH] The user name or the password is empty
         C: USER
         S: -ERR USER takes a user name
         C: PASS s3cret
         S: -ERR USER comes first",
    );
}

#[test]
fn the_other_commands_before_a_login() {
    let trace = encrypted(
        "C: NOOP
         S: +OK
         C: STAT
         S: -ERR Log in first
         C: s3cret
         S: -ERR Not understood
         C:
         S: -ERR Not understood
         c: CAPA«0a»
         S: +OK What can be done here
         S: USER
         S: SASL PLAIN LOGIN
         S: UIDL
         S: TOP
         S: RESP-CODES
         S: AUTH-RESP-CODE
         S: .
         C: QUIT
         S: +OK Goodbye
         E: Close",
    );
    assert!(trace.contains(&"C: <6 octets>".to_owned()), "{trace:?}");
}

#[test]
fn a_peer_of_another_protocol_is_told_quickly() {
    encrypted(
        "C: GET / HTTP/1.1
         C: Host: x
         S: -ERR This is a POP3 server
         E: Ended: the peer speaks HTTP, not POP3
         E: Close",
    );
    encrypted(
        "c: «160301020001»
         E: Ended: the peer speaks TLS, not POP3 in plain text
         E: Close",
    );
    encrypted("A: closed\nE: Close");
}

#[test]
fn every_limit_ends_the_dialogue() {
    let limits = Limits {
        line_octets: 20,
        login_octets: 30,
        bad_commands: 2,
        refusals: 1,
    };
    let limited = |script: &str| {
        play(
            || device_with(Channel::Encrypted, limits),
            &format!("S: +OK gw.lan ready\n{script}"),
        );
    };
    limited("C: USER 012345678901234\nS: +OK Now the password");
    limited(
        "C: USER 0123456789012345
         S: -ERR The line is too long
         E: Ended: the device sent a line longer than 20 octets
         E: Close",
    );
    limited(
        "C: NOOP
         C: NOOP
         C: NOOP
         C: NOOP
         C: NOOP
         C: NOOP
         S: +OK
         S: +OK
         S: +OK
         S: +OK
         S: +OK
         S: -ERR Too much was sent without a login
         E: Ended: the device sent more than 30 octets without logging in
         E: Close",
    );
    limited(
        "C: X
         C: STAT
         C: X
         S: -ERR Not understood
         S: -ERR Log in first
         S: -ERR Too many bad commands
         E: Ended: the device sent more than 2 bad commands
         E: Close",
    );
    limited(
        "C: USER u
         C: PASS p
         S: +OK Now the password
         E: Login u: p
         A: later
         S: -ERR [SYS/TEMP] as the log says [s1]
         E: Ended: 1 logins were refused on this connection
         E: Close",
    );
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_and_memory_stays_bounded(
        lines in proptest::collection::vec(prop_oneof![
            6 => proptest::sample::select(vec![
                "USER u\r\n", "PASS p \r\n", "AUTH\r\n", "AUTH PLAIN\r\n", "AHUAcA==\r\n", "*\n",
                "AUTH LOGIN dQ==\r\n", "CAPA\r\n", "STLS\r\n", "QUIT\r\n", "\r\n", "STAT\n", " ",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..20),
        ], 0..30),
        cuts in proptest::collection::vec(1usize..30, 1..40),
        answer in proptest::sample::select(vec!["wrong", "accept"]),
    ) {
        let input = lines.concat();
        let limits = Limits { line_octets: 20, login_octets: 200, ..Limits::default() };
        let make = || device_with(Channel::Encrypted, limits);
        let whole = observe(make(), &input, &[], answer, |_| {});
        let cuts: Vec<usize> = cuts.into_iter().cycle().take(2000).collect();
        let pieces = observe(make(), &input, &cuts, answer, |device| {
            // one line without its end, and one read
            assert!(device.wire.input.len() <= 20 + 2 + 30);
        });
        prop_assert_eq!(whole, pieces);
    }
}
