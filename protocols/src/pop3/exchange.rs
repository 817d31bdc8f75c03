//! POP3 with the exchange: we are the client, from its banner to the authenticated state.
//!
//! It knows one way to log in, a bearer token in two steps: Exchange ends a connection that sends the
//! token with the command. It reads nothing after the `+OK`: that belongs to the pipe.

use crate::{
    Action, Dialogue, Refusal, RefusalKind, Trace, UpstreamTls,
    line::TooLong,
    sasl::bearer::{Bearer, Mechanism},
    verdict,
    wire::{Side, Wire},
};

/// A line of a server, 16 kB; RFC 2449 allows 512 octets.
pub const LINE_LIMIT: usize = 16 * 1024;
/// Lines of a server from its banner to the end of the login.
pub const LINES_LIMIT: usize = 200;

/// What the dialogue logs in with.
#[derive(Clone)]
pub struct Options {
    /// Mailbox and token.
    pub bearer: Bearer,
    /// How TLS comes about.
    pub tls: UpstreamTls,
    /// Whether a trace is kept.
    pub trace: bool,
}

/// How the dialogue ended; neither is answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// We are authenticated: the stream now belongs to the pipe.
    Opened(Opened),
    /// We are not.
    Refused(Refusal),
}

/// An authenticated session; POP3 has nothing to say about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opened;

/// The dialogue.
pub struct Exchange {
    wire: Wire,
    bearer: Bearer,
    state: State,
    /// TLS is up, so that the token may go out.
    private: bool,
    abilities: Abilities,
    lines: usize,
}

/// What the server's list says; a server without a list is taken to speak XOAUTH2.
#[derive(Debug, Default)]
struct Abilities {
    listed: bool,
    stls: bool,
    sasl: bool,
    mechanism: Option<Mechanism>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Banner,
    /// CAPA is sent; `open` while its list is coming in.
    Capa {
        open: bool,
    },
    StartTls,
    Upgrade {
        announced: bool,
    },
    Authenticate {
        mechanism: Mechanism,
        step: SaslStep,
    },
    Done(Option<Event>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SaslStep {
    /// The server has to ask for the response first.
    Announced,
    /// A further challenge is the reason of a failure.
    Responded,
    /// We have answered that challenge.
    Answered,
}

impl Exchange {
    /// A dialogue that begins with the server's banner.
    pub fn new(options: Options) -> Self {
        Self {
            wire: Wire::new(Side::Client, options.trace),
            bearer: options.bearer,
            state: State::Banner,
            private: options.tls == UpstreamTls::Implicit,
            abilities: Abilities::default(),
            lines: 0,
        }
    }

    /// TLS is up. What was said in plain text is forgotten.
    pub fn tls_started(&mut self) {
        if matches!(self.state, State::Upgrade { .. }) {
            self.wire.input.clear();
            self.private = true;
            self.ask_capabilities();
        }
    }

    /// The server has closed the connection.
    pub fn closed(&mut self) {
        if !matches!(self.state, State::Done(_)) {
            self.refused(RefusalKind::Unavailable, "the server closed the connection");
        }
    }

    fn understand(&mut self, line: &[u8]) {
        self.lines += 1;
        if self.lines > LINES_LIMIT {
            return self.refused(RefusalKind::Misbehaved, "the server does not stop talking");
        }
        let line = String::from_utf8_lossy(line);
        self.write_down(&line);
        if self.state == (State::Capa { open: true }) {
            return self.list(&line);
        }
        match Reply::read(&line) {
            Reply::Ok => self.agreed(),
            Reply::Err(words) => self.failed(words),
            Reply::Continue => self.challenged(),
            Reply::Other => self.refused(RefusalKind::Misbehaved, &line),
        }
    }

    fn agreed(&mut self) {
        match &mut self.state {
            State::Banner => self.ask_capabilities(),
            State::Capa { open } => {
                *open = true;
                self.abilities.listed = true;
            }
            State::StartTls => {
                // Whatever came with it in plain text may be anybody's (RFC 2595 section 4).
                self.wire.input.clear();
                self.state = State::Upgrade { announced: false };
            }
            State::Authenticate {
                step: SaslStep::Announced,
                ..
            } => self.refused(RefusalKind::Misbehaved, "+OK before we said who we are"),
            State::Authenticate { .. } => {
                self.state = State::Done(Some(Event::Opened(Opened)));
            }
            State::Upgrade { .. } | State::Done(_) => {}
        }
    }

    fn failed(&mut self, words: &str) {
        let said = verdict::of_words(words);
        match self.state {
            State::Capa { .. } if said.is_none() => self.go_on(),
            State::StartTls => self.refused(RefusalKind::NoTls, words),
            State::Authenticate {
                step: SaslStep::Announced,
                ..
            } => {
                let offered = self.abilities.mechanism.is_some();
                let otherwise = if offered {
                    RefusalKind::TokenRefused
                } else {
                    RefusalKind::NoMechanism
                };
                self.refused(said.unwrap_or(otherwise), words);
            }
            // "Protocol error. Connection is closed. 10": not the token but its form or length.
            State::Authenticate { .. } if words.starts_with("Protocol error") => {
                self.refused(RefusalKind::Misbehaved, words);
            }
            State::Authenticate { .. } => {
                self.refused(said.unwrap_or(RefusalKind::TokenRefused), words);
            }
            _ => self.refused(said.unwrap_or(RefusalKind::Unavailable), words),
        }
    }

    fn challenged(&mut self) {
        let State::Authenticate { mechanism, step } = &mut self.state else {
            return self.refused(RefusalKind::Misbehaved, "a continuation nobody waits for");
        };
        let mechanism = *mechanism;
        match step {
            SaslStep::Announced => {
                *step = SaslStep::Responded;
                let response = self.bearer.response(mechanism);
                self.wire
                    .say_shown_as(format_args!("{}", *response), format_args!("<credentials>"));
            }
            SaslStep::Responded => {
                *step = SaslStep::Answered;
                let answer = mechanism.challenge_answer();
                self.wire.say(format_args!("{answer}"));
            }
            SaslStep::Answered => {
                self.refused(RefusalKind::Misbehaved, "the server does not stop asking");
            }
        }
    }

    /// A line of the capability list.
    fn list(&mut self, line: &str) {
        let line = line.trim_end();
        if line == "." {
            return self.go_on();
        }
        let mut words = line.split_ascii_whitespace();
        let Some(name) = words.next() else {
            return;
        };
        if name.eq_ignore_ascii_case("STLS") {
            self.abilities.stls = true;
        } else if name.eq_ignore_ascii_case("SASL") {
            self.abilities.sasl = true;
            self.abilities.mechanism = Mechanism::choose(words);
        }
    }

    fn go_on(&mut self) {
        if self.private {
            return self.authenticate();
        }
        if self.abilities.listed && !self.abilities.stls {
            return self.refused(RefusalKind::NoTls, "the server does not offer STLS");
        }
        self.wire.say(format_args!("STLS"));
        self.state = State::StartTls;
    }

    fn ask_capabilities(&mut self) {
        self.abilities = Abilities::default();
        self.wire.say(format_args!("CAPA"));
        self.state = State::Capa { open: false };
    }

    fn authenticate(&mut self) {
        let mechanism = match self.abilities.mechanism {
            Some(mechanism) => mechanism,
            None if self.abilities.sasl => {
                return self.refused(
                    RefusalKind::NoMechanism,
                    "the server offers neither XOAUTH2 nor OAUTHBEARER",
                );
            }
            None => Mechanism::Xoauth2,
        };
        self.wire.say(format_args!("AUTH {}", mechanism.name()));
        self.state = State::Authenticate {
            mechanism,
            step: SaslStep::Announced,
        };
    }

    fn refused(&mut self, kind: RefusalKind, words: &str) {
        let refusal = verdict::refusal(kind, words, &self.bearer);
        self.state = State::Done(Some(Event::Refused(refusal)));
    }

    fn write_down(&mut self, line: &str) {
        let bearer = &self.bearer;
        self.wire
            .trace
            .server(|| match (Reply::read(line), line.len()) {
                (Reply::Continue, length) => format!("+ <{} octets>", length.saturating_sub(2)),
                _ => bearer.scrub(line),
            });
    }
}

enum Reply<'a> {
    Ok,
    Err(&'a str),
    Continue,
    Other,
}

impl<'a> Reply<'a> {
    fn read(line: &'a str) -> Self {
        let (word, text) = line.split_once(' ').unwrap_or((line, ""));
        if word.eq_ignore_ascii_case("+OK") {
            Self::Ok
        } else if word.eq_ignore_ascii_case("-ERR") {
            Self::Err(text.trim())
        } else if word == "+" {
            Self::Continue
        } else {
            Self::Other
        }
    }
}

impl Dialogue for Exchange {
    type Event = Event;

    fn receive(&mut self, bytes: &[u8]) {
        self.wire.input.push(bytes);
    }

    fn next(&mut self) -> Action<Event> {
        loop {
            if let Some(bytes) = self.wire.take_output() {
                return Action::Write(bytes);
            }
            match &mut self.state {
                State::Upgrade { announced } => {
                    if std::mem::replace(announced, true) {
                        return Action::Wait;
                    }
                    return Action::StartTls;
                }
                State::Done(event) => {
                    return match event.take() {
                        Some(event) => Action::Event(event),
                        None => Action::Wait,
                    };
                }
                _ => match self.wire.input.take_line(LINE_LIMIT) {
                    Ok(Some(line)) => self.understand(&line),
                    Ok(None) => return Action::Read,
                    Err(TooLong) => {
                        self.refused(RefusalKind::Misbehaved, "the server's line is too long");
                    }
                },
            }
        }
    }

    fn into_leftover(self) -> Vec<u8> {
        self.wire.input.into_rest()
    }

    fn trace(&mut self) -> &mut Trace {
        &mut self.wire.trace
    }
}

#[cfg(test)]
mod tests;
