use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::transcript::{Actor, observe, play};

impl Actor for Exchange {
    const PEER: char = 'S';

    fn describe(event: Event) -> String {
        match event {
            Event::Opened(Opened { capabilities }) => {
                format!("Opened {}", capabilities.join(" ")).trim().into()
            }
            Event::Refused(Refusal { kind, words }) => match kind {
                RefusalKind::Throttled(Some(wait)) => {
                    format!("Throttled {}: {words}", wait.as_millis())
                }
                kind => format!("{kind:?}: {words}"),
            },
        }
    }

    fn answer(&mut self, command: &str) {
        match command {
            "tls" => self.tls_started(),
            "closed" => self.closed(),
            _ => panic!("no such answer: {command}"),
        }
    }
}

fn exchange(token: &str, tls: UpstreamTls) -> Exchange {
    Exchange::new(Options {
        bearer: Bearer::new("u@x", token.into(), "h", 993).unwrap(),
        tls,
        trace: true,
    })
}

/// `user=u@x^Aauth=Bearer s3cret^A^A`
const RESPONSE: &str = "dXNlcj11QHgBYXV0aD1CZWFyZXIgczNjcmV0AQE=";

fn implicit(transcript: &str) {
    played(UpstreamTls::Implicit, transcript);
}

fn played(tls: UpstreamTls, transcript: &str) -> Vec<String> {
    let trace = play(
        || exchange("s3cret", tls),
        &transcript.replace("RESPONSE", RESPONSE),
    );
    for line in &trace {
        assert!(
            !line.contains("s3cret") && !line.contains(RESPONSE),
            "{line}"
        );
    }
    trace
}

/// Greeting, capabilities and the token, as Exchange Online has them.
fn after_token(transcript: &str) {
    implicit(&format!(
        "S: * OK The Microsoft Exchange IMAP4 service is ready. [QQBC]
         C: P1 CAPABILITY
         S: * CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID LITERAL+
         S: P1 OK CAPABILITY completed.
         C: P2 AUTHENTICATE XOAUTH2 RESPONSE
         {transcript}"
    ));
}

#[test]
fn exchange_online_lets_us_in_and_the_rest_belongs_to_the_pipe() {
    after_token(
        "S: P2 OK AUTHENTICATE completed.
         S: * BYE Session invalidated
         E: Opened
         L: * BYE Session invalidated«0d0a»",
    );
}

#[test]
fn capabilities_in_greeting_and_ok_save_a_question() {
    let trace = played(
        UpstreamTls::Implicit,
        "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER] Dovecot ready.
         C: P1 AUTHENTICATE XOAUTH2 RESPONSE
         S: P1 OK [CAPABILITY IMAP4rev1 MOVE] Logged in
         E: Opened IMAP4rev1 MOVE",
    );
    assert_eq!(trace[1], "C: P1 AUTHENTICATE XOAUTH2 <credentials>");
    // Gmail says it without being asked.
    after_token(
        "S: * CAPABILITY IMAP4rev1 UNSELECT COMPRESS=DEFLATE
         S: P2 OK u@x authenticated (Success)
         E: Opened IMAP4rev1 UNSELECT COMPRESS=DEFLATE",
    );
}

#[test]
fn two_steps_where_there_is_no_initial_response() {
    for continuation in ["+ ", "+"] {
        implicit(&format!(
            "S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] hi
             C: P1 AUTHENTICATE XOAUTH2
             S: {continuation}
             C: RESPONSE
             S: P1 OK done
             E: Opened"
        ));
    }
}

#[test]
fn a_long_token_goes_in_a_line_of_its_own() {
    let token = "t".repeat(7000);
    let response = Bearer::new("u@x", token.as_str().into(), "h", 993)
        .unwrap()
        .response(Mechanism::Xoauth2);
    play(
        || exchange(&token, UpstreamTls::Implicit),
        &format!(
            "S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] hi
             C: P1 AUTHENTICATE XOAUTH2
             S: +
             C: {}
             S: P1 OK done
             E: Opened",
            *response
        ),
    );
}

#[test]
fn oauthbearer_where_that_is_all_there_is() {
    implicit(
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=OAUTHBEARER SASL-IR] hi
         C: P1 AUTHENTICATE OAUTHBEARER bixhPXVAeCwBaG9zdD1oAXBvcnQ9OTkzAWF1dGg9QmVhcmVyIHMzY3JldAEB
         S: + eyJzdGF0dXMiOiI0MDEifQ==
         C: AQ==
         S: P1 NO [AUTHENTICATIONFAILED] no
         E: TokenRefused: [AUTHENTICATIONFAILED] no",
    );
    implicit(
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi
         E: NoMechanism: the server offers neither XOAUTH2 nor OAUTHBEARER",
    );
}

#[test]
fn starttls_comes_before_everything_secret() {
    played(
        UpstreamTls::StartTls,
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN STARTTLS] hi
         C: P1 STARTTLS
         S: P1 OK go
         E: StartTls
         A: tls
         C: P2 CAPABILITY
         S: * CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2
         S: P2 OK done
         C: P3 AUTHENTICATE XOAUTH2 RESPONSE
         S: P3 OK done
         E: Opened",
    );
    played(
        UpstreamTls::StartTls,
        "S: * OK hi
         C: P1 CAPABILITY
         S: * CAPABILITY IMAP4rev1 AUTH=XOAUTH2
         S: P1 OK done
         E: NoTls: the server does not offer STARTTLS",
    );
    played(
        UpstreamTls::StartTls,
        "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] hi
         C: P1 STARTTLS
         S: P1 NO not today
         E: NoTls: not today",
    );
}

#[test]
fn what_is_injected_before_tls_is_dropped() {
    let mut exchange = exchange("s3cret", UpstreamTls::StartTls);
    exchange.receive(b"* OK [CAPABILITY STARTTLS AUTH=XOAUTH2 SASL-IR] hi\r\n");
    assert!(matches!(exchange.next(), Action::Write(_)));
    exchange.receive(b"P1 OK go\r\n* CAPABILITY AUTH=XOAUTH2\r\nP2 OK injected\r\n");
    assert_eq!(exchange.next(), Action::StartTls);
    assert_eq!(exchange.next(), Action::Wait);
    exchange.tls_started();
    assert_eq!(
        exchange.next(),
        Action::Write(b"P2 CAPABILITY\r\n".to_vec())
    );
    assert_eq!(exchange.next(), Action::Read);
}

#[test]
fn case_4_a_json_challenge_is_answered_with_an_empty_line() {
    after_token(
        "S: + eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0=
         C:
         S: P2 NO AUTHENTICATE failed.
         E: TokenRefused: AUTHENTICATE failed.",
    );
    after_token(
        "S: + eyJ9
         C:
         S: + eyJ9
         E: Misbehaved: the server does not stop asking",
    );
}

#[test]
fn cases_5_to_7_in_the_servers_own_words() {
    for (said, expected) in [
        (
            "P2 NO AUTHENTICATE failed.",
            "TokenRefused: AUTHENTICATE failed.",
        ),
        (
            "P2 BAD User is authenticated but not connected.",
            "AccessDenied: User is authenticated but not connected.",
        ),
        (
            "P2 BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds",
            "Throttled 299961: Request is throttled. Suggested Backoff Time: 299961 milliseconds",
        ),
        (
            "P2 NO Request is throttled. Suggested Backoff Time: 5 milliseconds",
            "Throttled 5: Request is throttled. Suggested Backoff Time: 5 milliseconds",
        ),
        (
            "P2 NO [ALERT] Too many simultaneous connections. (Failure)",
            "Throttled(None): [ALERT] Too many simultaneous connections. (Failure)",
        ),
        (
            "P2 NO Server Unavailable. 15",
            "Unavailable: Server Unavailable. 15",
        ),
        ("P2 NO [UNAVAILABLE] x", "Unavailable: [UNAVAILABLE] x"),
        (
            "P2 BAD Command Argument Error. 11",
            "Misbehaved: Command Argument Error. 11",
        ),
        (
            "* BYE Connection closed. 14",
            "AccessDenied: Connection closed. 14",
        ),
        (
            "* BYE Connection is closed. 13",
            "Unavailable: Connection is closed. 13",
        ),
        (
            "* BYE Session invalidated - AccessTokenExpired",
            "TokenRefused: Session invalidated - AccessTokenExpired",
        ),
        (
            "P2 NO s3cret is wrong",
            "TokenRefused: <credentials> is wrong",
        ),
    ] {
        after_token(&format!("S: {said}\nE: {expected}"));
    }
    after_token(
        "S: * BAD Request is throttled. Suggested Backoff Time: 7 milliseconds
         S: * BYE Connection closed. 14
         E: Throttled 7: Request is throttled. Suggested Backoff Time: 7 milliseconds",
    );
    after_token("A: closed\nE: Unavailable: the server closed the connection");
    after_token("S: * NO [INUSE] busy\nA: closed\nE: Unavailable: [INUSE] busy");
}

#[test]
fn greetings_that_are_none() {
    for (greeting, expected) in [
        ("* PREAUTH welcome", "Misbehaved: welcome"),
        (
            "* BYE Server Unavailable. 15",
            "Unavailable: Server Unavailable. 15",
        ),
        ("* NO what", "Misbehaved: what"),
        (
            "220 smtp.example.com ESMTP",
            "Misbehaved: 220 smtp.example.com ESMTP",
        ),
        ("+ hi", "Misbehaved: a continuation nobody waits for"),
    ] {
        implicit(&format!("S: {greeting}\nE: {expected}"));
    }
    implicit("A: closed\nE: Unavailable: the server closed the connection");
}

#[test]
fn a_server_that_does_not_stop_has_misbehaved() {
    let endless = "* 1 EXISTS\r\n".repeat(LINES_LIMIT + 1);
    let run = |input: String| {
        observe(
            exchange("s3cret", UpstreamTls::Implicit),
            input.as_bytes(),
            &[],
            "closed",
            |_| {},
        )
        .pop()
        .unwrap_or_default()
    };
    assert_eq!(
        run(format!("* OK hi\r\n{endless}")),
        "E: Misbehaved: the server does not stop talking"
    );
    assert_eq!(
        run(format!("* OK {}\r\n", "x".repeat(LINE_LIMIT))),
        "E: Misbehaved: the server's line is too long"
    );
}

#[test]
fn the_wait_is_a_duration() {
    let mut exchange = exchange("s3cret", UpstreamTls::Implicit);
    exchange.receive(b"* BYE Request is throttled. Suggested Backoff Time: 1000 milliseconds\r\n");
    let Action::Event(Event::Refused(refusal)) = exchange.next() else {
        panic!("a refusal");
    };
    assert_eq!(
        refusal.kind,
        RefusalKind::Throttled(Some(Duration::from_secs(1)))
    );
    assert_eq!(exchange.next(), Action::Wait);
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_and_memory_stays_bounded(
        lines in proptest::collection::vec(prop_oneof![
            5 => proptest::sample::select(vec![
                "* OK hi\r\n", "* OK [CAPABILITY AUTH=XOAUTH2 SASL-IR STARTTLS] hi\r\n",
                "* CAPABILITY AUTH=XOAUTH2\r\n", "P1 OK x\r\n", "P2 OK [CAPABILITY A B] x\r\n",
                "P1 NO x\r\n", "+ \r\n", "+\n", "* BYE x\r\n", "* BAD x\r\n", "\r\n",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..20),
        ], 0..20),
        cuts in proptest::collection::vec(1usize..30, 0..40),
    ) {
        let input = lines.concat();
        let make = || exchange("s3cret", UpstreamTls::Implicit);
        let whole = observe(make(), &input, &[], "closed", |_| {});
        let pieces = observe(make(), &input, &cuts, "closed", |_| {});
        prop_assert_eq!(whole, pieces);
    }
}
