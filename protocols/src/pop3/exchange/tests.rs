use proptest::prelude::*;

use super::*;
use crate::transcript::{Actor, observe, play};

impl Actor for Exchange {
    const PEER: char = 'S';

    fn describe(event: Event) -> String {
        match event {
            Event::Opened(Opened) => "Opened".into(),
            Event::Refused(Refusal { kind, words }) => format!("{kind:?}: {words}"),
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

fn exchange(tls: UpstreamTls) -> Exchange {
    Exchange::new(Options {
        bearer: Bearer::new("u@x", "s3cret".into(), "h", 995).unwrap(),
        tls,
        trace: true,
    })
}

/// `user=u@x^Aauth=Bearer s3cret^A^A`
const RESPONSE: &str = "dXNlcj11QHgBYXV0aD1CZWFyZXIgczNjcmV0AQE=";

fn played(tls: UpstreamTls, transcript: &str) -> Vec<String> {
    let trace = play(|| exchange(tls), &transcript.replace("RESPONSE", RESPONSE));
    for line in &trace {
        assert!(
            !line.contains("s3cret") && !line.contains(RESPONSE),
            "{line}"
        );
    }
    trace
}

fn implicit(transcript: &str) -> Vec<String> {
    played(UpstreamTls::Implicit, transcript)
}

/// Banner, capabilities and the token, as Exchange Online has them.
fn after_token(transcript: &str) {
    implicit(&format!(
        "S: +OK The Microsoft Exchange POP3 service is ready. [QQBC]
         C: CAPA
         S: +OK
         S: TOP
         S: UIDL
         S: SASL PLAIN XOAUTH2
         S: USER
         S: .
         C: AUTH XOAUTH2
         S: +
         C: RESPONSE
         {transcript}"
    ));
}

#[test]
fn exchange_online_lets_us_in_and_the_rest_belongs_to_the_pipe() {
    after_token(
        "S: +OK User successfully authenticated.
         S: +OK early
         E: Opened
         L: +OK early«0d0a»",
    );
}

#[test]
fn the_continuation_comes_with_and_without_a_blank_and_capa_may_fail() {
    let trace = implicit(
        "S: +OK hi
         C: CAPA
         S: -ERR what
         C: AUTH XOAUTH2
         S: +\u{20}
         C: RESPONSE
         S: +OK
         E: Opened",
    );
    assert_eq!(trace[4..6], ["S: + <0 octets>", "C: <credentials>"]);
}

#[test]
fn oauthbearer_where_that_is_all_there_is() {
    implicit(
        "S: +OK hi
         C: CAPA
         S: +OK
         S: SASL OAUTHBEARER
         S: .
         C: AUTH OAUTHBEARER
         S: +
         C: bixhPXVAeCwBaG9zdD1oAXBvcnQ9OTk1AWF1dGg9QmVhcmVyIHMzY3JldAEB
         S: + eyJ9
         C: AQ==
         S: -ERR [AUTH] no
         E: TokenRefused: [AUTH] no",
    );
    implicit(
        "S: +OK hi
         C: CAPA
         S: +OK
         S: SASL PLAIN
         S: .
         E: NoMechanism: the server offers neither XOAUTH2 nor OAUTHBEARER",
    );
}

#[test]
fn stls_comes_before_everything_secret() {
    played(
        UpstreamTls::StartTls,
        "S: +OK hi
         C: CAPA
         S: +OK
         S: STLS
         S: .
         C: STLS
         S: +OK go
         E: StartTls
         A: tls
         C: CAPA
         S: +OK
         S: SASL XOAUTH2
         S: .
         C: AUTH XOAUTH2
         S: +
         C: RESPONSE
         S: +OK
         E: Opened",
    );
    played(
        UpstreamTls::StartTls,
        "S: +OK hi
         C: CAPA
         S: +OK
         S: SASL XOAUTH2
         S: .
         E: NoTls: the server does not offer STLS",
    );
    played(
        UpstreamTls::StartTls,
        "S: +OK hi
         C: CAPA
         S: -ERR what
         C: STLS
         S: -ERR what
         E: NoTls: what",
    );
}

#[test]
fn what_is_injected_before_tls_is_dropped() {
    let mut exchange = exchange(UpstreamTls::StartTls);
    exchange.receive(b"+OK hi\r\n");
    assert!(matches!(exchange.next(), Action::Write(_)));
    exchange.receive(b"+OK\r\nSTLS\r\n.\r\n");
    assert!(matches!(exchange.next(), Action::Write(_)));
    exchange.receive(b"+OK go\r\n+OK\r\nSASL XOAUTH2\r\n.\r\n+\r\n");
    assert_eq!(exchange.next(), Action::StartTls);
    assert_eq!(exchange.next(), Action::Wait);
    exchange.tls_started();
    assert_eq!(exchange.next(), Action::Write(b"CAPA\r\n".to_vec()));
    assert_eq!(exchange.next(), Action::Read);
}

#[test]
fn cases_41_and_42_in_the_servers_own_words() {
    for (said, expected) in [
        (
            "-ERR Authentication failure: unknown user name or bad password.",
            "TokenRefused: Authentication failure: unknown user name or bad password.",
        ),
        ("-ERR unknown", "TokenRefused: unknown"),
        ("-ERR [SYS/TEMP] later", "Unavailable: [SYS/TEMP] later"),
        ("-ERR [IN-USE] x", "Unavailable: [IN-USE] x"),
        ("-ERR [LOGIN-DELAY] x", "Throttled(None): [LOGIN-DELAY] x"),
        ("-ERR [SYS/PERM] off", "AccessDenied: [SYS/PERM] off"),
        (
            "-ERR Protocol error. Connection is closed. 10",
            "Misbehaved: Protocol error. Connection is closed. 10",
        ),
        ("-ERR no s3cret", "TokenRefused: no <credentials>"),
        ("huh", "Misbehaved: huh"),
    ] {
        after_token(&format!("S: {said}\nE: {expected}"));
    }
    after_token("S: + eyJ9\nC:\nS: -ERR no\nE: TokenRefused: no");
    after_token("S: + eyJ9\nC:\nS: + eyJ9\nE: Misbehaved: the server does not stop asking");
    after_token("A: closed\nE: Unavailable: the server closed the connection");
    for (capabilities, kind) in [("SASL XOAUTH2", "TokenRefused"), ("UIDL", "NoMechanism")] {
        implicit(&format!(
            "S: +OK hi
             C: CAPA
             S: +OK
             S: {capabilities}
             S: .
             C: AUTH XOAUTH2
             S: -ERR unknown
             E: {kind}: unknown"
        ));
    }
}

#[test]
fn banners_that_are_none() {
    for (banner, expected) in [
        ("-ERR [SYS/TEMP] full", "Unavailable: [SYS/TEMP] full"),
        ("-ERR go away", "Unavailable: go away"),
        ("* OK imap", "Misbehaved: * OK imap"),
        ("+ x", "Misbehaved: a continuation nobody waits for"),
    ] {
        implicit(&format!("S: {banner}\nE: {expected}"));
    }
}

#[test]
fn a_server_that_does_not_stop_has_misbehaved() {
    let run = |input: String| {
        observe(
            exchange(UpstreamTls::Implicit),
            input.as_bytes(),
            &[],
            "closed",
            |_| {},
        )
        .pop()
        .unwrap_or_default()
    };
    assert_eq!(
        run(format!("+OK\r\n+OK\r\n{}", "X\r\n".repeat(LINES_LIMIT))),
        "E: Misbehaved: the server does not stop talking"
    );
    assert_eq!(
        run(format!("+OK {}\r\n", "x".repeat(LINE_LIMIT))),
        "E: Misbehaved: the server's line is too long"
    );
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same(
        lines in proptest::collection::vec(prop_oneof![
            5 => proptest::sample::select(vec![
                "+OK hi\r\n", "SASL XOAUTH2\r\n", ".\r\n", "+\r\n", "+ \n", "-ERR x\r\n", "\r\n",
                "SASL OAUTHBEARER\n", "STLS\r\n",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..20),
        ], 0..20),
        cuts in proptest::collection::vec(1usize..30, 0..40),
    ) {
        let input = lines.concat();
        let make = || exchange(UpstreamTls::Implicit);
        let whole = observe(make(), &input, &[], "closed", |_| {});
        let pieces = observe(make(), &input, &cuts, "closed", |_| {});
        prop_assert_eq!(whole, pieces);
    }
}
