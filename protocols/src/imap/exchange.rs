//! IMAP with the exchange: we are the client, from its greeting to the authenticated state.
//!
//! It knows one way to log in, a bearer token, and does not know where the token comes from. It
//! reads nothing after the tagged OK: that belongs to the pipe.

mod response;

use response::{Line, Status};

use crate::{
    Action, Dialogue, Refusal, RefusalKind, Trace, UpstreamTls,
    line::TooLong,
    sasl::bearer::{Bearer, Mechanism},
    verdict,
    wire::{Side, Wire},
};

/// A line of a server, 16 kB: capability lists have some hundred octets.
pub const LINE_LIMIT: usize = 16 * 1024;
/// Lines of a server from its greeting to the end of the login.
pub const LINES_LIMIT: usize = 200;
/// A command with its initial response; Exchange takes 10,240 octets, a longer token goes in a
/// line of its own.
pub const INITIAL_RESPONSE_LIMIT: usize = 8192;

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

/// An authenticated session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// What the server said it can do after the login; empty if it did not say.
    pub capabilities: Vec<String>,
}

/// The dialogue.
pub struct Exchange {
    wire: Wire,
    bearer: Bearer,
    state: State,
    /// TLS is up, so that the token may go out.
    private: bool,
    capabilities: Vec<String>,
    tag: u32,
    lines: usize,
    /// What the server last complained about without a tag.
    complaint: String,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Capability,
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
    /// A dialogue that begins with the server's greeting.
    pub fn new(options: Options) -> Self {
        Self {
            wire: Wire::new(Side::Client, options.trace),
            bearer: options.bearer,
            state: State::Greeting,
            private: options.tls == UpstreamTls::Implicit,
            capabilities: Vec::new(),
            tag: 0,
            lines: 0,
            complaint: String::new(),
        }
    }

    /// TLS is up. What was said in plain text is forgotten.
    pub fn tls_started(&mut self) {
        if matches!(self.state, State::Upgrade { .. }) {
            self.wire.input.clear();
            self.capabilities.clear();
            self.private = true;
            self.ask_capability();
        }
    }

    /// The server has closed the connection.
    pub fn closed(&mut self) {
        if !matches!(self.state, State::Done(_)) {
            let words = std::mem::take(&mut self.complaint);
            let kind = verdict::of_words(&words).unwrap_or(RefusalKind::Unavailable);
            let words = if words.is_empty() {
                "the server closed the connection"
            } else {
                &words
            };
            self.refused(kind, words);
        }
    }

    fn understand(&mut self, line: &[u8]) {
        self.lines += 1;
        if self.lines > LINES_LIMIT {
            return self.refused(RefusalKind::Misbehaved, "the server does not stop talking");
        }
        let line = String::from_utf8_lossy(line);
        let line = Line::read(&line, self.tag);
        self.write_down(&line);
        match line {
            Line::Capability(atoms) => self.set_capabilities(atoms),
            Line::Status(status, text) => self.untagged(status, text),
            Line::Tagged(status, text) => self.tagged(status, text),
            Line::Continue(_) => self.challenged(),
            Line::Other(words) if self.state == State::Greeting => {
                self.refused(RefusalKind::Misbehaved, words);
            }
            Line::Other(_) => {}
        }
    }

    fn untagged(&mut self, status: Status, text: &str) {
        match (status, &self.state) {
            (Status::Ok, State::Greeting) => {
                self.take_code(text);
                if self.capabilities.is_empty() {
                    self.ask_capability();
                } else {
                    self.go_on();
                }
            }
            (Status::Bye, _) => self.bye(text),
            // PREAUTH: nobody has asked who we are, so it is not the mailbox that we want.
            (_, State::Greeting) => self.refused(RefusalKind::Misbehaved, text),
            (Status::No | Status::Bad, _) => text.clone_into(&mut self.complaint),
            (Status::Ok | Status::Preauth, _) => self.take_code(text),
        }
    }

    /// The server ends the connection; an earlier complaint may say why more clearly.
    fn bye(&mut self, text: &str) {
        let complaint = std::mem::take(&mut self.complaint);
        let said = verdict::of_words(&complaint);
        let kind = said
            .or_else(|| verdict::of_words(text))
            .unwrap_or(RefusalKind::Unavailable);
        let words = if said.is_some() { &complaint } else { text };
        self.refused(kind, words);
    }

    fn tagged(&mut self, status: Status, text: &str) {
        match (&self.state, status) {
            (State::Capability, Status::Ok) => {
                self.take_code(text);
                self.go_on();
            }
            (State::StartTls, Status::Ok) => {
                // Whatever came with it in plain text may be anybody's (RFC 3501 section 6.2.1).
                self.wire.input.clear();
                self.state = State::Upgrade { announced: false };
            }
            (State::StartTls, _) => self.refused(RefusalKind::NoTls, text),
            (
                State::Authenticate {
                    step: SaslStep::Announced,
                    ..
                },
                Status::Ok,
            ) => self.refused(RefusalKind::Misbehaved, "OK before we said who we are"),
            (State::Authenticate { .. }, Status::Ok) => {
                self.take_code(text);
                let capabilities = std::mem::take(&mut self.capabilities);
                self.state = State::Done(Some(Event::Opened(Opened { capabilities })));
            }
            (State::Authenticate { .. }, Status::No) => {
                self.fail(RefusalKind::TokenRefused, text);
            }
            _ => self.fail(RefusalKind::Misbehaved, text),
        }
    }

    /// A tagged failure: its own words decide, then an earlier complaint, then the status.
    fn fail(&mut self, otherwise: RefusalKind, text: &str) {
        let complaint = std::mem::take(&mut self.complaint);
        match (verdict::of_words(text), verdict::of_words(&complaint)) {
            (Some(kind), _) => self.refused(kind, text),
            (None, Some(kind)) => self.refused(kind, &complaint),
            (None, None) => self.refused(otherwise, text),
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

    /// What to do with a known list of capabilities.
    fn go_on(&mut self) {
        if self.private {
            return self.authenticate();
        }
        if !self.can("STARTTLS") {
            return self.refused(RefusalKind::NoTls, "the server does not offer STARTTLS");
        }
        self.tag += 1;
        self.wire.say(format_args!("P{} STARTTLS", self.tag));
        self.state = State::StartTls;
    }

    fn ask_capability(&mut self) {
        self.tag += 1;
        self.wire.say(format_args!("P{} CAPABILITY", self.tag));
        self.state = State::Capability;
    }

    fn authenticate(&mut self) {
        let offered = self
            .capabilities
            .iter()
            .filter_map(|atom| response::strip_prefix_ignoring_case(atom, "AUTH="));
        let Some(mechanism) = Mechanism::choose(offered) else {
            return self.refused(
                RefusalKind::NoMechanism,
                "the server offers neither XOAUTH2 nor OAUTHBEARER",
            );
        };
        let inline = self.can("SASL-IR");
        // From here on a list of capabilities is one of the authenticated state.
        self.capabilities.clear();
        self.tag += 1;
        let (tag, name) = (self.tag, mechanism.name());
        let response = self.bearer.response(mechanism);
        let length = "P AUTHENTICATE  ".len() + 3 + name.len() + response.len();
        let step = if inline && length <= INITIAL_RESPONSE_LIMIT {
            self.wire.say_shown_as(
                format_args!("P{tag} AUTHENTICATE {name} {}", *response),
                format_args!("P{tag} AUTHENTICATE {name} <credentials>"),
            );
            SaslStep::Responded
        } else {
            self.wire.say(format_args!("P{tag} AUTHENTICATE {name}"));
            SaslStep::Announced
        };
        self.state = State::Authenticate { mechanism, step };
    }

    fn can(&self, capability: &str) -> bool {
        self.capabilities
            .iter()
            .any(|atom| atom.eq_ignore_ascii_case(capability))
    }

    /// `[CAPABILITY ...]` at the beginning of a status text.
    fn take_code(&mut self, text: &str) {
        if let Some(atoms) = response::capability_code(text) {
            self.set_capabilities(atoms);
        }
    }

    fn set_capabilities(&mut self, atoms: &str) {
        self.capabilities = atoms.split_ascii_whitespace().map(str::to_owned).collect();
    }

    fn refused(&mut self, kind: RefusalKind, words: &str) {
        let refusal = verdict::refusal(kind, words, &self.bearer);
        self.state = State::Done(Some(Event::Refused(refusal)));
    }

    fn write_down(&mut self, line: &Line<'_>) {
        let bearer = &self.bearer;
        match line {
            Line::Continue(challenge) => self
                .wire
                .trace
                .server(|| format!("+ <{} octets>", challenge.len())),
            line => self.wire.trace.server(|| bearer.scrub(&line.to_string())),
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
