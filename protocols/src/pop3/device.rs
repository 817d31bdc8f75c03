//! POP3 with a device: we are the server, from the banner to the end of the login.
//!
//! It does not know which logins are right, and it reads nothing after the login: what the client
//! has sent ahead is left over for the pipe.

mod commands;

use zeroize::Zeroizing;

use super::exchange::Opened;
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
    /// The name in the banner.
    pub hostname: String,
    /// How well the connection is protected at the beginning.
    pub channel: Channel,
    /// Whether a trace is kept.
    pub trace: bool,
    /// What is too much.
    pub limits: Limits,
}

/// What a device may send before it is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One line, without its line end.
    pub line_octets: usize,
    /// Everything together.
    pub login_octets: usize,
    /// Commands not understood or not allowed before the login.
    pub bad_commands: u32,
    /// Refused logins, after which the connection is closed.
    pub refusals: u32,
}

impl Default for Limits {
    /// Lines of 8192 octets (RFC 2449 asks for 255, a SASL response may be longer), 64 kB in all, 10
    /// bad commands, 5 refused logins.
    fn default() -> Self {
        Self {
            line_octets: 8192,
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
    /// The `+OK` is written: the stream now belongs to the pipe. No answer.
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
    state: State,
    user: Option<Zeroizing<Vec<u8>>>,
    taken: usize,
    bad: u32,
    refused: u32,
}

#[derive(Debug)]
enum State {
    Banner,
    Command,
    Sasl(Conversation),
    /// The event is handed out once, then `next` waits.
    Login(Option<Credentials>),
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
    /// A dialogue that begins with our banner.
    pub fn new(options: Options) -> Self {
        Self {
            wire: Wire::new(Side::Server, options.trace),
            hostname: options.hostname,
            channel: options.channel,
            limits: options.limits,
            state: State::Banner,
            user: None,
            taken: 0,
            bad: 0,
            refused: 0,
        }
    }

    /// The login is right and the exchange is open.
    pub fn accept(&mut self, _open: &Opened) {
        if matches!(self.state, State::Login(_)) {
            self.wire.say(format_args!("+OK Logged in"));
            self.state = State::Open { announced: false };
        }
    }

    /// The login is refused; the device may try again a few times.
    pub fn refuse(&mut self, denial: &Denial) {
        if matches!(self.state, State::Login(_)) {
            let code = match denial.kind {
                DenialKind::WrongLogin => "AUTH",
                DenialKind::NeedsAdmin => "SYS/PERM",
                DenialKind::TryLater | DenialKind::TooManyFailures => "SYS/TEMP",
            };
            self.deny(code, &one_line(&denial.text));
        }
    }

    /// TLS is up. Whatever came in plain text is dropped (RFC 2595 section 4).
    pub fn tls_started(&mut self) {
        self.wire.input.clear();
        self.user = None;
        self.channel = Channel::Encrypted;
        if matches!(self.state, State::Upgrade { .. }) {
            self.state = State::Command;
        }
    }

    /// Last words, for a shutdown or a login that takes too long; `Close` follows.
    pub fn bye(&mut self, text: &str) {
        if !matches!(self.state, State::Closed) {
            self.wire.say(format_args!("-ERR {}", one_line(text)));
            self.state = State::Closed;
        }
    }

    /// The device has closed the connection.
    pub fn closed(&mut self) {
        let _ = self.wire.take_output();
        self.state = State::Closed;
    }

    /// Takes one line and counts it; ends the dialogue where a limit is broken.
    fn read_line(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let before = self.wire.input.len();
        match self.wire.input.take_line(self.limits.line_octets) {
            Ok(None) => return None,
            Ok(Some(line)) => {
                let line = Zeroizing::new(line);
                self.taken += before - self.wire.input.len();
                if self.taken <= self.limits.login_octets {
                    return Some(line);
                }
                self.end(
                    Ending::TooManyOctets(self.limits.login_octets),
                    "Too much was sent without a login",
                );
            }
            Err(TooLong) => self.end(
                Ending::LineTooLong(self.limits.line_octets),
                "The line is too long",
            ),
        }
        None
    }

    fn deny(&mut self, code: &str, text: &str) {
        self.state = State::Command;
        self.refused += 1;
        self.wire.say(format_args!("-ERR [{code}] {text}"));
        if self.refused >= self.limits.refusals {
            self.end_silently(Ending::TooManyRefusals(self.limits.refusals));
        }
    }

    fn bad(&mut self, text: &str) {
        self.bad += 1;
        if self.bad > self.limits.bad_commands {
            return self.end(
                Ending::TooManyBadCommands(self.limits.bad_commands),
                "Too many bad commands",
            );
        }
        self.wire.say(format_args!("-ERR {text}"));
    }

    fn end(&mut self, ending: Ending, words: &str) {
        self.wire.say(format_args!("-ERR {words}"));
        self.end_silently(ending);
    }

    fn end_silently(&mut self, ending: Ending) {
        self.wire.input.clear();
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
                State::Banner => {
                    self.wire.say(format_args!("+OK {} ready", self.hostname));
                    self.state = State::Command;
                }
                State::Command if is_tls_hello(self.wire.input.peek()) => {
                    self.end_silently(Ending::WrongProtocol("TLS", "POP3 in plain text"));
                }
                State::Command | State::Sasl(_) => {
                    let Some(line) = self.read_line() else {
                        if matches!(self.state, State::Ended(_)) {
                            continue;
                        }
                        return Action::Read;
                    };
                    match std::mem::replace(&mut self.state, State::Command) {
                        State::Sasl(conversation) => {
                            self.wire.heard(format_args!("<credentials>"));
                            self.sasl(conversation.respond(&line));
                        }
                        _ => self.run_command(&line),
                    }
                }
                State::Login(credentials) => {
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
