//! Transcripts: `S:` is the exchange, `C:` is us, see [`crate::transcript`].

mod fuzz;

use super::*;
use crate::{
    RefusalKind,
    smtp::command,
    transcript::{Actor, play},
};

impl Actor for Exchange {
    const PEER: char = 'S';

    fn describe(event: Event) -> String {
        match event {
            Event::Ready(abilities) => format!(
                "Ready {} {} {}",
                abilities.size.map_or("-".into(), |size| size.to_string()),
                if abilities.eight_bit { "8bit" } else { "-" },
                if abilities.smtputf8 { "utf8" } else { "-" },
            ),
            Event::Refused(refusal) => format!("Refused {:?}: {}", refusal.kind, refusal.words),
            Event::Reply(reply) => format!("Reply {}", reply.words()),
            Event::Lost(words) => format!("Lost: {words}"),
        }
    }

    fn answer(&mut self, command: &str) {
        match command.split_once(' ').unwrap_or((command, "")) {
            ("tls", _) => self.tls_started(),
            ("closed", _) => self.closed(),
            ("mail", args) => self.mail(&command::mail(args.as_bytes()).expect("a mail")),
            ("rcpt", args) => self.rcpt(&Address::parse(args).expect("an address")),
            ("data", _) => self.data(),
            ("sent", _) => self.body_sent(),
            ("reset", _) => self.reset(),
            ("quit", _) => self.quit(),
            _ => panic!("no such answer: {command}"),
        }
    }
}

const TOKEN: &str = "t0ken";
/// `user=u@x`, `auth=Bearer t0ken` in base64.
const RESPONSE: &str = "dXNlcj11QHgBYXV0aD1CZWFyZXIgdDBrZW4BAQ==";
const BANNER: &str =
    "S: 220 SY5P282CA0097.outlook.office365.com Microsoft ESMTP MAIL Service ready\n";

fn exchange(tls: UpstreamTls) -> Exchange {
    Exchange::new(Options {
        helo: "gw.lan".into(),
        bearer: Bearer::new("u@x", TOKEN.into(), "smtp.office365.com", 587).unwrap(),
        tls,
        trace: true,
    })
}

fn played(tls: UpstreamTls, transcript: &str) -> Vec<String> {
    let trace = play(|| exchange(tls), transcript);
    for line in &trace {
        assert!(!line.contains(TOKEN) && !line.contains(RESPONSE), "{line}");
    }
    trace
}

/// From the answer to EHLO on, over TLS.
fn after_ehlo(transcript: &str) -> Vec<String> {
    played(
        UpstreamTls::Implicit,
        &format!("{BANNER}C: EHLO gw.lan\n{transcript}"),
    )
}

/// From the reply to the token on.
fn after_token(transcript: &str) -> Vec<String> {
    after_ehlo(&format!(
        "S: 250-x\nS: 250 AUTH LOGIN XOAUTH2\nC: AUTH XOAUTH2\nS: 334\u{20}\nC: {RESPONSE}\n{transcript}"
    ))
}

/// From the first command on.
fn ready(transcript: &str) -> Vec<String> {
    after_ehlo(&format!(
        "S: 250-x\nS: 250-SIZE 0\nS: 250-8BITMIME\nS: 250 AUTH LOGIN XOAUTH2\n\
         C: AUTH XOAUTH2\nS: 334\u{20}\nC: {RESPONSE}\nS: 235 2.7.0 Authentication successful\n\
         E: Ready - 8bit -\n{transcript}"
    ))
}

#[test]
fn a_session_as_exchange_online_holds_it() {
    let trace = played(
        UpstreamTls::StartTls,
        &format!(
            "
            {BANNER}
            C: EHLO gw.lan
            S: 250-SY5P282CA0097.outlook.office365.com Hello [203.0.113.7]
            S: 250-SIZE 157286400
            S: 250-PIPELINING
            S: 250-DSN
            S: 250-ENHANCEDSTATUSCODES
            S: 250-STARTTLS
            S: 250-8BITMIME
            S: 250-BINARYMIME
            S: 250-CHUNKING
            S: 250 SMTPUTF8
            C: STARTTLS
            S: 220 2.0.0 SMTP server ready
            E: StartTls
            A: tls
            C: EHLO gw.lan
            S: 250-SY5P282CA0097.outlook.office365.com Hello [203.0.113.7]
            S: 250-SIZE 157286400
            S: 250-PIPELINING
            S: 250-AUTH LOGIN XOAUTH2
            S: 250-8BITMIME
            S: 250 SMTPUTF8
            C: AUTH XOAUTH2
            S: 334
            C: {RESPONSE}
            S: 235 2.7.0 Authentication successful
            E: Ready 157286400 8bit utf8
            A: mail FROM:<a@contoso.com> SIZE=10 BODY=8BITMIME SMTPUTF8
            C: MAIL FROM:<a@contoso.com> SIZE=10 BODY=8BITMIME SMTPUTF8
            S: 250 2.1.0 Sender OK
            E: Reply 250 2.1.0 Sender OK
            A: rcpt b@example.com
            C: RCPT TO:<b@example.com>
            S: 250 2.1.5 Recipient OK
            E: Reply 250 2.1.5 Recipient OK
            A: data
            C: DATA
            S: 354 Start mail input; end with <CRLF>.<CRLF>
            E: Reply 354 Start mail input; end with <CRLF>.<CRLF>
            A: sent
            S: 250 2.0.0 OK <1@x> [Hostname=x.prod.outlook.com]
            E: Reply 250 2.0.0 OK <1@x> [Hostname=x.prod.outlook.com]
            A: reset
            C: RSET
            S: 250 2.0.0 Resetting
            E: Reply 250 2.0.0 Resetting
            A: quit
            C: QUIT
            S: 221 2.0.0 Service closing transmission channel
            E: Close
            "
        ),
    );
    assert!(trace.contains(&"C: <credentials>".to_owned()));
    assert!(trace.contains(&"C: (the message)".to_owned()));
}

#[test]
fn nothing_goes_out_where_tls_is_not_offered() {
    played(
        UpstreamTls::StartTls,
        &format!(
            "
            {BANNER}
            C: EHLO gw.lan
            S: 250-x
            S: 250 AUTH LOGIN XOAUTH2
            E: Refused NoTls: the server does not offer STARTTLS
            E: Close
            "
        ),
    );
    let asked = format!("{BANNER}C: EHLO gw.lan\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\n");
    for (reply, kind) in [
        ("454 4.7.0 Not now", "Unavailable"),
        ("502 5.5.1 No", "NoTls"),
    ] {
        played(
            UpstreamTls::StartTls,
            &format!("{asked}S: {reply}\nE: Refused {kind}: {reply}\nE: Close"),
        );
    }
}

#[test]
fn replies_behind_starttls_are_an_attack() {
    let mut exchange = exchange(UpstreamTls::StartTls);
    exchange.receive(b"220 x\r\n");
    let _ = exchange.next();
    exchange.receive(b"250-x\r\n250 STARTTLS\r\n");
    let _ = exchange.next();
    exchange.receive(b"220 go\r\n250 AUTH XOAUTH2\r\n");
    let Action::Event(Event::Refused(refusal)) = exchange.next() else {
        panic!("refused")
    };
    assert_eq!(refusal.kind, RefusalKind::Misbehaved);
    assert_eq!(exchange.next(), Action::Close);
}

#[test]
fn the_mechanism_is_chosen_from_either_line() {
    for offers in ["AUTH=LOGIN XOAUTH2", "auth login xoauth2 OAUTHBEARER"] {
        after_ehlo(&format!("S: 250-x\nS: 250 {offers}\nC: AUTH XOAUTH2"));
    }
    let bearer =
        "bixhPXVAeCwBaG9zdD1zbXRwLm9mZmljZTM2NS5jb20BcG9ydD01ODcBYXV0aD1CZWFyZXIgdDBrZW4BAQ==";
    after_ehlo(&format!(
        "
        S: 250-x
        S: 250-AUTH PLAIN LOGIN
        S: 250 AUTH=OAUTHBEARER
        C: AUTH OAUTHBEARER
        S: 334 +
        C: {bearer}
        S: 334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=
        C: AQ==
        S: 535 5.7.8 Authentication failed
        E: Refused TokenRefused: 535 5.7.8 Authentication failed
        E: Close
        "
    ));
    after_ehlo(
        "S: 250-x\nS: 250 AUTH PLAIN LOGIN\nE: Refused NoMechanism: the server offers AUTH PLAIN LOGIN\nE: Close",
    );
    after_ehlo("S: 250 x\nE: Refused NoMechanism: the server does not offer AUTH\nE: Close");
    // The first line is a name, not an offer.
    after_ehlo(
        "S: 250 AUTH XOAUTH2\nE: Refused NoMechanism: the server does not offer AUTH\nE: Close",
    );
}

#[test]
fn a_refused_token_tells_why() {
    for (reply, kind) in [
        ("535 5.7.3 Authentication unsuccessful [x]", "TokenRefused"),
        ("501 5.5.124 Invalid XOAUTH2 auth data", "TokenRefused"),
        (
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
            "AccessDenied",
        ),
        (
            "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria",
            "AccessDenied",
        ),
        (
            "432 4.3.2 Concurrent connections limit exceeded.",
            "Throttled(None)",
        ),
        ("454 4.7.0 Too many login attempts", "Throttled(None)"),
        ("454 4.7.0 Temporary authentication failure", "Unavailable"),
        ("421 4.3.2 Service not available", "Unavailable"),
        ("504 5.7.4 Unrecognized authentication type", "NoMechanism"),
        (
            "550 5.7.30 Basic authentication is not supported",
            "AccessDenied",
        ),
        ("250 OK", "Misbehaved"),
    ] {
        after_token(&format!("S: {reply}\nE: Refused {kind}: {reply}\nE: Close"));
    }
    after_token(
        "
        S: 334 eyJzdGF0dXMiOiI0MDAifQ==
        C:\u{20}
        S: 535 5.7.3 Authentication unsuccessful
        E: Refused TokenRefused: 535 5.7.3 Authentication unsuccessful
        E: Close
        ",
    );
}

#[test]
fn a_token_that_comes_back_is_not_repeated() {
    after_token(&format!(
        "S: 535 5.7.3 bad t0ken {RESPONSE}\n\
         E: Refused TokenRefused: 535 5.7.3 bad <credentials> <credentials>\nE: Close"
    ));
}

#[test]
fn a_server_that_does_not_want_to_talk() {
    for (said, refused) in [
        ("S: 421 4.3.2 Busy", "Unavailable: 421 4.3.2 Busy"),
        ("S: 554 No", "Unavailable: 554 No"),
        (
            "S: 421 4.7.66 TLS 1.0 and 1.1 are not supported.",
            "Unavailable: 421 4.7.66 TLS 1.0 and 1.1 are not supported.",
        ),
        (
            "S: * OK IMAP ready",
            "Misbehaved: the server said something that is no SMTP reply",
        ),
        (
            "A: closed",
            "Unavailable: the mail server closed the connection",
        ),
    ] {
        played(
            UpstreamTls::StartTls,
            &format!("{said}\nE: Refused {refused}\nE: Close"),
        );
    }
}

#[test]
fn only_what_the_server_offers_is_asked_of_it() {
    ready(
        "
        A: mail FROM:<a@b> SIZE=10 BODY=8BITMIME
        C: MAIL FROM:<a@b> SIZE=10 BODY=8BITMIME
        S: 250 2.1.0 OK
        E: Reply 250 2.1.0 OK
        A: rcpt \u{e4}@b
        E: Reply 553 5.6.7 The mail server does not offer SMTPUTF8
        A: reset
        C: RSET
        S: 250 2.0.0 OK
        E: Reply 250 2.0.0 OK
        A: mail FROM:<a@b> SMTPUTF8
        E: Reply 550 5.6.7 The mail server does not offer SMTPUTF8
        A: mail FROM:<>
        C: MAIL FROM:<>
        ",
    );
    after_token(
        "
        S: 235 2.7.0 OK
        E: Ready - - -
        A: mail FROM:<a@b> SIZE=10 BODY=8BITMIME
        C: MAIL FROM:<a@b>
        ",
    );
}

#[test]
fn a_session_that_ends_is_lost_with_its_last_words() {
    ready("A: closed\nE: Lost: the mail server closed the connection\nE: Close");
    ready(
        "
        A: mail FROM:<a@b>
        C: MAIL FROM:<a@b>
        S: 421 4.4.1 Connection timed out
        E: Reply 421 4.4.1 Connection timed out
        A: closed
        E: Lost: the mail server closed the connection
        E: Close
        ",
    );
    ready(
        "
        A: data
        C: DATA
        S: what?
        E: Lost: the server said something that is no SMTP reply
        E: Close
        ",
    );
    ready("A: quit\nC: QUIT\nA: closed\nE: Close");
}

#[test]
fn words_nobody_asked_for_end_the_session() {
    let mut exchange = exchange(UpstreamTls::Implicit);
    for said in [
        "220 x\r\n",
        "250-x\r\n250 AUTH XOAUTH2\r\n",
        "334 \r\n",
        "235 ok\r\n",
    ] {
        exchange.receive(said.as_bytes());
        let _ = exchange.next();
    }
    assert_eq!(exchange.next(), Action::Wait);
    exchange.receive(b"421 4.4.1 Idle for too long\r\n");
    assert_eq!(
        exchange.next(),
        Action::Event(Event::Lost("421 4.4.1 Idle for too long".into()))
    );
    assert_eq!(exchange.next(), Action::Close);
}

/// Else a device would hear that its message was taken, and the server has never seen it.
#[test]
fn a_reply_to_something_else_is_never_passed_on() {
    for (command, line, reply) in [
        ("data", "DATA", "250 2.1.5 Recipient OK"),
        ("data", "DATA", "334 "),
        ("mail FROM:<a@b>", "MAIL FROM:<a@b>", "354 go"),
        ("rcpt a@b", "RCPT TO:<a@b>", "354 go"),
        ("reset", "RSET", "354 go"),
    ] {
        ready(&format!(
            "A: {command}\nC: {line}\nS: {reply}\nE: Lost: a reply to something else: {}\nE: Close",
            reply.trim(),
        ));
    }
    ready(
        "
        A: sent
        S: 354 go
        E: Lost: a reply to something else: 354 go
        E: Close
        ",
    );
}

#[test]
fn a_server_that_is_a_reply_ahead_is_not_believed() {
    let ahead = |said: &[u8], command: fn(&mut Exchange)| {
        let mut exchange = exchange(UpstreamTls::Implicit);
        for said in ["220 x\r\n", "250-x\r\n250 AUTH XOAUTH2\r\n", "334 \r\n"] {
            exchange.receive(said.as_bytes());
            let _ = exchange.next();
        }
        exchange.receive(said);
        let ready = Action::Event(Event::Ready(Abilities::default()));
        assert_eq!(exchange.next(), ready);
        command(&mut exchange);
        exchange.next()
    };
    let lost = |words: &str| Action::Event(Event::Lost(words.into()));
    assert_eq!(
        ahead(b"235 ok\r\n250 more\r\n", Exchange::data),
        lost("250 more")
    );
    assert_eq!(
        ahead(b"235 ok\r\n25", Exchange::data),
        lost("the mail server said something out of turn")
    );
    assert_eq!(
        ahead(b"235 ok\r\n250 2.0.0 taken\r\n", Exchange::body_sent),
        lost("a reply to something else: 250 2.0.0 taken")
    );
    // A refusal may come before the body is over.
    assert_eq!(
        ahead(b"235 ok\r\n552 5.3.4 big\r\n", Exchange::body_sent),
        Action::Event(Event::Reply(Reply::new(552, "5.3.4 big")))
    );
}

#[test]
fn the_name_in_ehlo_is_made_fit() {
    for (name, expected) in [
        ("gw.lan", "gw.lan"),
        ("my_gw\r\nQUIT", "mygwQUIT"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("\u{e4}", "localhost"),
        ("", "localhost"),
    ] {
        assert_eq!(domain(name), expected);
    }
}

#[test]
fn a_session_at_rest_holds_no_token() {
    let mut exchange = exchange(UpstreamTls::Implicit);
    for said in [
        "220 x\r\n",
        "250-x\r\n250 AUTH XOAUTH2\r\n",
        "334 \r\n",
        "235 ok\r\n",
    ] {
        assert!(exchange.bearer.is_some());
        exchange.receive(said.as_bytes());
        let _ = exchange.next();
    }
    assert!(exchange.bearer.is_none());
}
