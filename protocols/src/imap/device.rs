//! IMAP with a device: we are the server, from the greeting to the end of the login.
//!
//! It does not know which logins are right, and it reads nothing after the login: what the client
//! has sent ahead is left over for the pipe.

mod commands;

use zeroize::Zeroizing;

use super::{
    capability::{self, BeforeLogin},
    command::{Announced, Command, Verb, announced_literal},
    exchange::Opened,
};
use crate::{
    Action, Channel, Credentials, Denial, DenialKind, Dialogue, Ending, Trace,
    ending::is_tls_hello,
    line::TooLong,
    sasl::conversation::Conversation,
    wire::{Side, Wire, one_line},
};

/// How the dialogue presents itself and what it puts up with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name in the greeting.
    pub hostname: String,
    /// How well the connection is protected at the beginning.
    pub channel: Channel,
    /// Whether a trace is kept.
    pub trace: bool,
    /// What is too much.
    pub limits: Limits,
    /// What the exchange can do after the login; what concerns the login itself is left out.
    pub capabilities: Vec<String>,
}

/// What a device may send before it is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One line, without its line end.
    pub line_octets: usize,
    /// One literal.
    pub literal_octets: usize,
    /// Everything together.
    pub login_octets: usize,
    /// Commands not understood or not allowed before the login.
    pub bad_commands: u32,
    /// Refused logins, after which the connection is closed.
    pub refusals: u32,
}

impl Default for Limits {
    /// Lines of 8192 octets (RFC 7162 section 4 asks for that much), literals of 4096, 64 kB in all,
    /// 10 bad commands, 5 refused logins.
    fn default() -> Self {
        Self {
            line_octets: 8192,
            literal_octets: 4096,
            login_octets: 64 * 1024,
            bad_commands: 10,
            refusals: 5,
        }
    }
}

/// What the owner has to decide or to know.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants to log in; answered by `accept` or `refuse`.
    Login(Credentials),
    /// The OK is written: the stream now belongs to the pipe. No answer.
    Open,
    /// The dialogue ended by itself; `Close` follows. No answer.
    Ended(Ending),
}

/// The dialogue.
#[derive(Debug)]
pub struct Device {
    wire: Wire,
    hostname: String,
    channel: Channel,
    limits: Limits,
    capabilities: Vec<String>,
    state: State,
    /// The lines and literals of the command that is arriving.
    command: Zeroizing<Vec<u8>>,
    /// Octets of a literal that are still to come before the command goes on.
    literal: Option<usize>,
    taken: usize,
    bad: u32,
    refused: u32,
}

#[derive(Debug)]
enum State {
    Greeting,
    Command,
    Sasl {
        tag: String,
        conversation: Conversation,
    },
    /// An event is about to be handed out, then `next` waits.
    Login {
        tag: String,
        credentials: Option<Credentials>,
    },
    Upgrade {
        announced: bool,
    },
    Open {
        announced: bool,
    },
    Ended(Ending),
    Closed,
}

impl Device {
    /// A dialogue that begins with our greeting.
    pub fn new(options: Options) -> Self {
        Self {
            wire: Wire::new(Side::Server, options.trace),
            hostname: options.hostname,
            channel: options.channel,
            limits: options.limits,
            capabilities: options.capabilities,
            state: State::Greeting,
            command: Zeroizing::default(),
            literal: None,
            taken: 0,
            bad: 0,
            refused: 0,
        }
    }

    /// The login is right and the exchange is open.
    pub fn accept(&mut self, open: &Opened) {
        let State::Login { tag, .. } = &self.state else {
            return;
        };
        match capability::after_login(&open.capabilities) {
            Some(list) => self
                .wire
                .say(format_args!("{tag} OK [CAPABILITY{list}] Logged in")),
            None => self.wire.say(format_args!("{tag} OK Logged in")),
        }
        self.state = State::Open { announced: false };
    }

    /// The login is refused; the device may try again a few times.
    pub fn refuse(&mut self, denial: &Denial) {
        let State::Login { tag, .. } = &mut self.state else {
            return;
        };
        let tag = std::mem::take(tag);
        let code = match denial.kind {
            DenialKind::WrongLogin => "AUTHENTICATIONFAILED",
            DenialKind::NeedsAdmin => "CONTACTADMIN",
            DenialKind::TryLater => "UNAVAILABLE",
            DenialKind::TooManyFailures => "LIMIT",
        };
        self.deny(&tag, code, &one_line(&denial.text));
    }

    /// TLS is up. Whatever came in plain text is dropped (RFC 3501 section 6.2.1).
    pub fn tls_started(&mut self) {
        self.wire.input.clear();
        self.channel = Channel::Encrypted;
        if matches!(self.state, State::Upgrade { .. }) {
            self.state = State::Command;
        }
    }

    /// Last words, for a shutdown or a login that takes too long; `Close` follows.
    pub fn bye(&mut self, text: &str) {
        if !matches!(self.state, State::Closed) {
            self.wire.say(format_args!("* BYE {}", one_line(text)));
            self.state = State::Closed;
        }
    }

    /// The device has closed the connection.
    pub fn closed(&mut self) {
        let _ = self.wire.take_output();
        self.state = State::Closed;
    }

    /// Reads as much of a command as there is; `false` if bytes are missing.
    fn read_command(&mut self) -> bool {
        if let Some(octets) = self.literal {
            let Some(literal) = self.wire.input.take_exact(octets).map(Zeroizing::new) else {
                return false;
            };
            self.literal = None;
            self.command.extend_from_slice(&literal);
        }
        if self.command.is_empty() && is_tls_hello(self.wire.input.peek()) {
            self.end_silently(Ending::WrongProtocol("TLS", "IMAP in plain text"));
            return true;
        }
        let Some(line) = self.read_line() else {
            return !matches!(self.state, State::Command);
        };
        let line = line.trim_ascii_end();
        self.command.extend_from_slice(line);
        self.command.extend_from_slice(b"\r\n");
        match announced_literal(line) {
            Some(announced) => self.await_literal(announced),
            None => self.run_command(),
        }
        true
    }

    /// Takes one line and counts it; ends the dialogue where a limit is broken.
    fn read_line(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let before = self.wire.input.len();
        match self.wire.input.take_line(self.limits.line_octets) {
            Ok(None) => return None,
            Ok(Some(line)) => {
                let line = Zeroizing::new(line);
                if self.count(before - self.wire.input.len()) {
                    return Some(line);
                }
            }
            Err(TooLong) => self.end(
                Ending::LineTooLong(self.limits.line_octets),
                "The line is too long",
            ),
        }
        None
    }

    fn count(&mut self, octets: usize) -> bool {
        self.taken = self.taken.saturating_add(octets);
        let within = self.taken <= self.limits.login_octets;
        if !within {
            self.end(
                Ending::TooManyOctets(self.limits.login_octets),
                "Too much was sent without a login",
            );
        }
        within
    }

    fn await_literal(&mut self, announced: Announced) {
        if announced.octets > self.limits.literal_octets {
            return self.end(
                Ending::LiteralTooLong(self.limits.literal_octets),
                "The literal is too long",
            );
        }
        if announced.waits {
            let wanted = match Command::split(&self.command).map(|command| command.verb) {
                Ok(Verb::Login) => self.channel.takes_login(),
                Ok(Verb::Id) => true,
                _ => false,
            };
            if !wanted {
                // The client waits: no octets of this command will follow our answer.
                return self.run_command();
            }
            self.wire
                .say(format_args!("+ Ready for {} octets", announced.octets));
        }
        if self.count(announced.octets) {
            self.literal = Some(announced.octets);
        }
    }

    fn deny(&mut self, tag: &str, code: &str, text: &str) {
        self.wire.say(format_args!("{tag} NO [{code}] {text}"));
        self.state = State::Command;
        self.refused += 1;
        if self.refused >= self.limits.refusals {
            self.end(
                Ending::TooManyRefusals(self.limits.refusals),
                "Too many logins were refused",
            );
        }
    }

    fn count_bad(&mut self) {
        self.bad += 1;
        if self.bad > self.limits.bad_commands {
            self.end(
                Ending::TooManyBadCommands(self.limits.bad_commands),
                "Too many bad commands",
            );
        }
    }

    fn end(&mut self, ending: Ending, words: &str) {
        self.wire.say(format_args!("* BYE {words}"));
        self.end_silently(ending);
    }

    fn end_silently(&mut self, ending: Ending) {
        self.wire.input.clear();
        self.command = Zeroizing::default();
        self.state = State::Ended(ending);
    }
}

impl Dialogue for Device {
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
                State::Greeting => {
                    self.wire.say(format_args!(
                        "* OK [CAPABILITY {}] {} ready",
                        BeforeLogin {
                            exchange: &self.capabilities,
                            channel: self.channel,
                        },
                        self.hostname
                    ));
                    self.state = State::Command;
                }
                State::Command => {
                    if !self.read_command() {
                        return Action::Read;
                    }
                }
                State::Sasl { .. } => {
                    let Some(line) = self.read_line() else {
                        if matches!(self.state, State::Sasl { .. }) {
                            return Action::Read;
                        }
                        continue;
                    };
                    self.wire.heard(format_args!("<credentials>"));
                    if let State::Sasl { tag, conversation } =
                        std::mem::replace(&mut self.state, State::Command)
                    {
                        self.sasl(tag, conversation.respond(&line));
                    }
                }
                State::Login { credentials, .. } => {
                    return match credentials.take() {
                        Some(credentials) => Action::Event(Event::Login(credentials)),
                        None => Action::Wait,
                    };
                }
                State::Upgrade { announced } => {
                    if std::mem::replace(announced, true) {
                        return Action::Wait;
                    }
                    self.wire.input.clear();
                    return Action::StartTls;
                }
                State::Open { announced } => {
                    if std::mem::replace(announced, true) {
                        return Action::Wait;
                    }
                    return Action::Event(Event::Open);
                }
                State::Ended(ending) => {
                    let ending = *ending;
                    self.state = State::Closed;
                    return Action::Event(Event::Ended(ending));
                }
                State::Closed => return Action::Close,
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
