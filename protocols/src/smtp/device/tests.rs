//! Transcripts: `C:` is the device, `A:` the owner's answer, see [`crate::transcript`].

mod fuzz;
mod login;
mod transaction;

use super::*;
use crate::{
    Denial, DenialKind,
    transcript::{Actor, play},
};

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
            Event::Mail(mail) => mail.strict(),
            Event::Rcpt(recipient) => format!("RCPT TO:<{recipient}>"),
            Event::Data => "Data".into(),
            Event::Body => "Body".into(),
            Event::Reset => "Reset".into(),
            Event::Ended(ending) => format!("Ended: {ending}"),
        }
    }

    fn answer(&mut self, command: &str) {
        let refuse = |kind| Denial::new(kind, "as the log says [s1]");
        let reply = |text: &str| {
            let (code, text) = text.split_once(' ').expect("a code and a text");
            Reply::new(code.parse().expect("a code"), text)
        };
        match command.split_once(' ').unwrap_or((command, "")) {
            ("accept", _) => self.login_accepted(),
            ("wrong", _) => self.login_refused(&refuse(DenialKind::WrongLogin)),
            ("admin", _) => self.login_refused(&refuse(DenialKind::NeedsAdmin)),
            ("later", _) => self.login_refused(&refuse(DenialKind::TryLater)),
            ("many", _) => self.login_refused(&refuse(DenialKind::TooManyFailures)),
            ("tls", _) => self.tls_started(),
            ("reply", text) => self.answer(reply(text)),
            ("body", _) => self.begin_body(),
            // The owner has read the body; what came behind it is given back.
            ("sent", text) => {
                let rest = self.take_input();
                self.body_ended(&rest, reply(text));
            }
            ("shut-down", text) => self.shut_down(text),
            ("closed", _) => self.closed(),
            _ => panic!("no such answer: {command}"),
        }
    }
}

const STARTTLS_FIRST: Channel = Channel::Plain {
    upgrade: true,
    login: false,
};
const PLAIN_LOGIN: Channel = Channel::Plain {
    upgrade: true,
    login: true,
};
const NOTHING: Channel = Channel::Plain {
    upgrade: false,
    login: false,
};

fn options(channel: Channel) -> Options {
    Options {
        hostname: "gw.lan".into(),
        channel,
        trace: true,
        limits: Limits::default(),
        abilities: Abilities {
            size: Some(1000),
            eight_bit: true,
            smtputf8: true,
        },
        identified: false,
        auth_equals: false,
        needs_admin_is_permanent: false,
    }
}

/// Plays a transcript from behind the banner; credentials in it are `s3cret`.
fn played(options: &Options, transcript: &str) -> Vec<String> {
    let trace = play(
        || Device::new(options.clone()),
        &format!("S: 220 gw.lan ESMTP\n{transcript}"),
    );
    for line in &trace {
        // "s3cret" and the same in base64, wherever it begins
        for secret in ["s3cret", "czNjcmV0", "MzY3JldA", "zM2NyZX"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    trace
}

fn encrypted(transcript: &str) -> Vec<String> {
    played(&options(Channel::Encrypted), transcript)
}

/// A device that is known by its address has said HELO.
fn identified(transcript: &str) -> Vec<String> {
    let options = Options {
        identified: true,
        ..options(NOTHING)
    };
    played(
        &options,
        &format!("C: HELO printer\nS: 250 gw.lan\n{transcript}"),
    )
}

#[test]
fn ehlo_shows_what_is_kept_and_nothing_else() {
    encrypted(
        "
        C: EHLO printer
        S: 250-gw.lan
        S: 250-PIPELINING
        S: 250-SIZE 1000
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-AUTH LOGIN PLAIN
        S: 250 ENHANCEDSTATUSCODES
        ",
    );
    let mut bare = options(STARTTLS_FIRST);
    bare.abilities = Abilities::default();
    played(
        &bare,
        "
        C: ehlo
        S: 250-gw.lan
        S: 250-PIPELINING
        S: 250-STARTTLS
        S: 250 ENHANCEDSTATUSCODES
        ",
    );
    bare.channel = PLAIN_LOGIN;
    bare.auth_equals = true;
    played(
        &bare,
        "
        C: EHLO [192.0.2.7]
        S: 250-gw.lan
        S: 250-PIPELINING
        S: 250-AUTH LOGIN PLAIN
        S: 250-AUTH=LOGIN PLAIN
        S: 250-STARTTLS
        S: 250 ENHANCEDSTATUSCODES
        ",
    );
}

#[test]
fn any_name_is_good_enough_for_a_greeting() {
    for name in ["", "a_b", "192.0.2.7", "my printer", "«c3a4»", "«ff»", "-"] {
        encrypted(&format!("C: HELO {name}\nS: 250 gw.lan"));
    }
    let mut device = Device::new(options(Channel::Encrypted));
    assert_eq!(device.helo(), None);
    device.receive(format!("HELO  {}\r\n", "x".repeat(1000)).as_bytes());
    let _ = device.next();
    assert_eq!(device.helo(), Some("x".repeat(255).as_str()));
}

#[test]
fn commands_that_need_no_login() {
    encrypted(
        "
        C: NOOP
        C: noop x
        C: HELP me
        C: VRFY root
        C: RSET
        S: 250 2.0.0 OK
        S: 250 2.0.0 OK
        S: 214 2.0.0 See the settings card of this device
        S: 252 2.5.2 Send the message and see
        S: 250 2.0.0 OK
        C: EXPN list
        C: BDAT 10 LAST
        C: ETRN x
        C: XCLIENT NAME=x
        C:
        S: 502 5.5.1 This command is not offered
        S: 502 5.5.1 This command is not offered
        S: 502 5.5.1 This command is not offered
        S: 500 5.5.1 Command not known
        S: 500 5.5.1 Command not known
        C: QUIT
        S: 221 2.0.0 Goodbye
        E: Ended: the device said QUIT
        E: Close
        ",
    );
}

#[test]
fn starttls_begins_again_from_nothing() {
    played(
        &options(STARTTLS_FIRST),
        "
        C: EHLO printer
        S: 250-gw.lan
        S: 250-PIPELINING
        S: 250-SIZE 1000
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-STARTTLS
        S: 250 ENHANCEDSTATUSCODES
        C: AUTH PLAIN AHVAeABzM2NyZXQ=
        S: 538 5.7.11 No login is taken without TLS
        C: MAIL FROM:<a@b>
        S: 530 5.7.0 Must issue a STARTTLS command first
        C: STARTTLS now
        S: 501 5.5.4 STARTTLS takes no parameters
        C: starttls
        S: 220 2.0.0 Begin TLS now
        E: StartTls
        A: tls
        C: AUTH LOGIN
        S: 503 5.5.1 EHLO comes first
        C: EHLO printer
        S: 250-gw.lan
        S: 250-PIPELINING
        S: 250-SIZE 1000
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-AUTH LOGIN PLAIN
        S: 250 ENHANCEDSTATUSCODES
        C: STARTTLS
        S: 503 5.5.1 TLS is up already
        ",
    );
    played(
        &options(NOTHING),
        "
        C: STARTTLS
        S: 502 5.5.1 TLS is not available on this port
        ",
    );
}

#[test]
fn a_command_behind_starttls_is_dropped_and_the_session_ends() {
    for rest in ["MAIL FROM:<a@b>\r\n", "R"] {
        let mut device = Device::new(options(STARTTLS_FIRST));
        device.receive(format!("STARTTLS\r\n{rest}").as_bytes());
        let Action::Write(bytes) = device.next() else {
            panic!("banner and reply")
        };
        assert!(bytes.ends_with(b"554 5.5.1 Nothing may follow STARTTLS before TLS is up\r\n"));
        assert_eq!(
            device.next(),
            Action::Event(Event::Ended(Ending::InputBehindStartTls))
        );
        assert_eq!(device.next(), Action::Close);
        assert_eq!(device.into_leftover(), b"");
    }
}

#[test]
fn plain_text_that_arrives_while_tls_begins_is_dropped() {
    let mut device = Device::new(options(STARTTLS_FIRST));
    device.receive(b"STARTTLS\r\n");
    let _ = device.next();
    assert_eq!(device.next(), Action::StartTls);
    assert_eq!(device.next(), Action::Wait);
    device.receive(b"MAIL FROM:<a@b>\r\n");
    assert_eq!(device.next(), Action::Wait);
    device.tls_started();
    assert_eq!(device.next(), Action::Read);
    assert_eq!(device.into_leftover(), b"");
}

#[test]
fn too_many_bad_commands_end_the_session() {
    let mut script = String::new();
    for _ in 0..10 {
        script += "C: HELO\nS: 250 gw.lan\nC: WHAT s3cret\nS: 500 5.5.1 Command not known\n";
    }
    script += "C: WHAT\nS: 421 4.7.0 Too many bad commands\n\
               E: Ended: the device sent more than 10 bad commands\nE: Close";
    let trace = encrypted(&script);
    assert!(trace.contains(&"C: (11 octets not understood)".to_owned()));
}

#[test]
fn a_line_beyond_the_limit_is_dropped_and_the_session_goes_on() {
    let fits = format!("NOOP {}", "x".repeat(2043));
    let long = format!("NOOP {}", "x".repeat(2044));
    let longer = "x".repeat(100_000);
    encrypted(&format!(
        "
        C: {fits}
        S: 250 2.0.0 OK
        C: {long}
        S: 500 5.5.2 The line is too long
        C: NOOP
        S: 250 2.0.0 OK
        "
    ));
    // What is dropped counts, too: nobody sends lines without end before the login.
    encrypted(&format!(
        "
        C: {longer}
        S: 500 5.5.2 The line is too long
        S: 421 4.7.0 Too much was sent without a login
        E: Ended: the device sent more than 65536 octets without logging in
        E: Close
        "
    ));
}

#[test]
fn octets_before_the_login_are_counted() {
    let noop = format!("NOOP {}", "x".repeat(2000));
    let script = format!("C: {noop}\nS: 250 2.0.0 OK\n").repeat(32);
    let end = "C: HELO\nS: 250 gw.lan\n";
    encrypted(&format!("{script}{end}"));
    encrypted(&format!(
        "{script}C: {noop}\nS: 250 2.0.0 OK\nS: 421 4.7.0 Too much was sent without a login\n\
         E: Ended: the device sent more than 65536 octets without logging in\nE: Close"
    ));
    identified(&format!("{script}{script}{end}"));
}

#[test]
fn another_protocol_is_told_apart_at_once() {
    for (sent, answered, ended) in [
        ("C: GET / HTTP/1.1", true, "HTTP"),
        ("C: SSH-2.0-OpenSSH_9", true, "SSH"),
        ("C: A1 LOGIN u s3cret", true, "IMAP"),
        ("C: USER u", true, "POP3"),
        ("c: «16030100f0»", false, "TLS"),
        ("c: «80»", false, "a binary protocol"),
        ("c: «0300»", false, "a binary protocol"),
    ] {
        let told = if answered {
            "S: 421 4.7.0 This port speaks SMTP\n"
        } else {
            ""
        };
        encrypted(&format!(
            "{sent}\n{told}E: Ended: the peer speaks {ended}, not SMTP\nE: Close"
        ));
    }
    // Later on it is just a bad command.
    encrypted("C: HELO x\nS: 250 gw.lan\nC: GET / HTTP/1.1\nS: 500 5.5.1 Command not known");
}

#[test]
fn a_proxy_header_that_nobody_wants_is_named_in_the_log() {
    let ended = "E: Ended: a PROXY header came from an address that may not send one \
                 (proxy-protocol-from)\nE: Close";
    encrypted(&format!(
        "C: PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\nC: EHLO x\n\
         S: 500 5.5.1 No PROXY header is taken from this address\n{ended}"
    ));
    encrypted(&format!(
        "c: «0d0a0d0a000d0a515549540a2111000c»\n\
         S: 500 5.5.1 Command not known\nS: 500 5.5.1 Command not known\n{ended}"
    ));
}

#[test]
fn shut_down_says_why() {
    encrypted(
        "
        C: HELO x
        S: 250 gw.lan
        A: shut-down Restarting
        S: 421 4.3.2 Restarting
        E: Ended: the session was ended with 421
        E: Close
        ",
    );
    // A login that is being checked is answered first.
    encrypted(
        "
        C: HELO x
        C: AUTH PLAIN AHVAeABzM2NyZXQ=
        S: 250 gw.lan
        E: Login u@x: s3cret
        A: shut-down Restarting
        A: accept
        S: 235 2.7.0 Authentication successful
        S: 421 4.3.2 Restarting
        E: Ended: the session was ended with 421
        E: Close
        ",
    );
}

#[test]
fn a_device_that_goes_without_quit() {
    encrypted(
        "
        C: HELO x
        S: 250 gw.lan
        A: closed
        E: Ended: the device closed the connection without QUIT
        E: Close
        ",
    );
}
