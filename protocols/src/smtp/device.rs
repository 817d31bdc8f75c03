//! The dialogue with a device: we are the submission server.
//!
//! It decides nothing about who may log in or what is accepted: each such moment is an [`Event`].
//! The body of a message is not read here, see [`body`](super::body).

mod envelope;
mod greeting;
mod lines;
mod login;
mod stranger;

#[cfg(test)]
mod tests;

pub use super::Abilities;
use super::{Address, Mail, Reply, command::Command};
pub use crate::Ending;
use crate::{
    Action, Channel, Credentials, Dialogue, Trace,
    sasl::conversation::Conversation,
    wire::{Side, Wire},
};

/// What a dialogue with a device is told at its start.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own that a person set"
)]
pub struct Options {
    /// Our own name in banner and EHLO.
    pub hostname: String,
    /// How well the connection is protected.
    pub channel: Channel,
    /// Whether to keep the dialogue in words.
    pub trace: bool,
    /// See [`Limits`].
    pub limits: Limits,
    /// What EHLO shows.
    pub abilities: Abilities,
    /// Whether the device is known by its address and needs no AUTH.
    pub identified: bool,
    /// Whether EHLO also shows `AUTH=LOGIN PLAIN`, which old devices look for.
    pub auth_equals: bool,
    /// Whether [`DenialKind::NeedsAdmin`](crate::DenialKind::NeedsAdmin) is told as `535` instead of
    /// `454`, after which a device keeps its mail.
    pub needs_admin_is_permanent: bool,
}

/// What a device may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets in a command line, without its line end.
    pub line_octets: usize,
    /// Octets in a line of a SASL exchange (RFC 4954 section 4).
    pub sasl_octets: usize,
    /// Octets of commands before the login has succeeded.
    pub login_octets: usize,
    /// Refused logins, after which the connection is closed.
    pub refusals: u32,
    /// Recipients of one message; RFC 5321 section 4.5.3.1.8 asks for at least 100.
    pub recipients: usize,
    /// Commands that are unknown, malformed or out of turn, since the last accepted message.
    pub bad_commands: u32,
}

impl Default for Limits {
    /// Lines of 2048 octets (12,288 in a SASL exchange), 64 kB before the login, 5 refused logins,
    /// 1000 recipients, 10 bad commands.
    fn default() -> Self {
        Self {
            line_octets: 2048,
            sasl_octets: 12_288,
            login_octets: 64 * 1024,
            refusals: 5,
            recipients: 1000,
            bad_commands: 10,
        }
    }
}

/// What the owner of the dialogue decides or has to know.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A login; answer with [`Device::login_accepted`] or [`Device::login_refused`].
    Login(Credentials),
    /// A transaction begins; answer with [`Device::answer`].
    Mail(Mail),
    /// One more recipient; answer with [`Device::answer`].
    Rcpt(Address),
    /// The device wants to send the body; answer with [`Device::begin_body`], or refuse with
    /// [`Device::answer`], which ends the transaction.
    Data,
    /// From now on the owner reads the body: first [`Device::take_input`], then the connection, and
    /// at last [`Device::body_ended`].
    Body,
    /// The device gave up the transaction that an accepted MAIL had begun (no answer).
    Reset,
    /// The dialogue is over, and with it a transaction that was not finished (no answer);
    /// [`Action::Close`] follows.
    Ended(Ending),
}

/// The dialogue with one device.
pub struct Device {
    options: Options,
    wire: Wire,
    phase: Phase,
    /// Told as soon as everything said before is written.
    event: Option<Event>,
    helo: Option<String>,
    logged_in: bool,
    transaction: Option<Transaction>,
    /// Whether a line has been understood: from then on the peer speaks SMTP.
    acquainted: bool,
    /// Lines that were read, whatever they said.
    lines: u64,
    /// Replies that wait to be written, for pipelining.
    unwritten: usize,
    taken: usize,
    refused: u32,
    bad: u32,
    /// The words for the end that comes after the next answer.
    stopping: Option<String>,
}

/// Where the dialogue is.
enum Phase {
    Command,
    Sasl(Conversation),
    /// Inside a line that was too long.
    Skip,
    /// An event waits for its answer.
    Waiting(Question),
    StartTls,
    Ended(Ending),
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Login,
    Mail { smtputf8: bool },
    Rcpt,
    Data,
    Body,
    Tls,
}

/// An accepted MAIL and what followed.
struct Transaction {
    smtputf8: bool,
    recipients: usize,
}

/// Pipelined commands are answered together, up to so many: what we hold stays small even if a
/// device sends EHLO a thousand times in one packet.
const REPLIES_TOGETHER: usize = 32;

impl Device {
    /// A dialogue that begins with our banner.
    pub fn new(options: Options) -> Self {
        let mut device = Self {
            wire: Wire::new(Side::Server, options.trace),
            options,
            phase: Phase::Command,
            event: None,
            helo: None,
            logged_in: false,
            transaction: None,
            acquainted: false,
            lines: 0,
            unwritten: 0,
            taken: 0,
            refused: 0,
            bad: 0,
            stopping: None,
        };
        device.say(220, &format!("{} ESMTP", device.options.hostname));
        device
    }

    /// Ends the session with `421 4.3.2` at once, or behind the answer that an event waits for. What
    /// the device has begun and not finished is given up.
    pub fn shut_down(&mut self, text: &str) {
        match self.phase {
            Phase::Waiting(Question::Tls) | Phase::Ended(_) | Phase::Closed => {}
            Phase::Waiting(_) => self.stopping = Some(text.to_owned()),
            _ => self.dismiss(Ending::Dismissed, &format!("4.3.2 {text}")),
        }
    }

    /// The device closed the connection.
    pub fn closed(&mut self) {
        if !matches!(self.phase, Phase::Ended(_) | Phase::Closed) {
            self.phase = Phase::Ended(Ending::Lost);
        }
        let _ = self.wire.take_output();
        self.wire.input.clear();
    }

    /// What the device called itself in its last EHLO or HELO.
    pub fn helo(&self) -> Option<&str> {
        self.helo.as_deref()
    }

    /// How many lines were read: a device that says NOOP from time to time is not silent.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    fn is_admitted(&self) -> bool {
        self.logged_in || self.options.identified
    }

    fn command(&mut self, line: &[u8]) {
        let command = Command::parse(line);
        self.acquainted |= command != Command::Unknown;
        match command {
            Command::Ehlo(name) => self.greet("EHLO", name),
            Command::Helo(name) => self.greet("HELO", name),
            Command::StartTls(args) => self.start_tls(args),
            Command::Auth(args) => self.auth(args),
            Command::Mail(args) => self.mail(args),
            Command::Rcpt(args) => self.rcpt(args),
            Command::Data(args) => self.data(args),
            Command::Rset => {
                self.wire.heard(format_args!("RSET"));
                self.give_up();
                self.say(250, "2.0.0 OK");
            }
            Command::Noop => {
                self.wire.heard(format_args!("NOOP"));
                self.say(250, "2.0.0 OK");
            }
            Command::Help => {
                self.wire.heard(format_args!("HELP"));
                self.say(214, "2.0.0 See the settings card of this device");
            }
            Command::Vrfy => {
                self.wire.heard(format_args!("VRFY"));
                self.say(252, "2.5.2 Send the message and see");
            }
            Command::Quit => {
                self.wire.heard(format_args!("QUIT"));
                self.give_up();
                self.say(221, "2.0.0 Goodbye");
                self.phase = Phase::Ended(Ending::Quit);
            }
            Command::NotOurs(name) => {
                self.wire.heard(format_args!("{name}"));
                self.bad(502, "5.5.1 This command is not offered");
            }
            Command::Unknown => self.unknown(line),
        }
    }

    /// Ends a transaction that the device does not finish.
    fn give_up(&mut self) {
        if self.transaction.take().is_some() {
            self.event = Some(Event::Reset);
        }
    }

    fn ask(&mut self, question: Question, event: Event) {
        self.event = Some(event);
        self.phase = Phase::Waiting(question);
    }

    fn say(&mut self, code: u16, text: &str) {
        self.reply(&Reply::new(code, text));
    }

    fn reply(&mut self, reply: &Reply) {
        for line in reply.wire_lines() {
            self.wire.say(format_args!("{line}"));
        }
        self.unwritten += 1;
    }

    /// Answers a command that is unknown, malformed or out of turn; too many end the session.
    fn bad(&mut self, code: u16, text: &str) {
        self.bad += 1;
        let limit = self.options.limits.bad_commands;
        if self.bad > limit {
            self.dismiss(
                Ending::TooManyBadCommands(limit),
                "4.7.0 Too many bad commands",
            );
        } else {
            self.say(code, text);
        }
    }

    /// Ends the session with 421.
    fn dismiss(&mut self, ending: Ending, text: &str) {
        self.say(421, text);
        self.phase = Phase::Ended(ending);
    }

    /// Goes on behind an answer.
    fn resume(&mut self) {
        self.phase = Phase::Command;
        if let Some(text) = self.stopping.take() {
            self.dismiss(Ending::Dismissed, &format!("4.3.2 {text}"));
        }
    }
}

impl Dialogue for Device {
    type Event = Event;

    fn receive(&mut self, bytes: &[u8]) {
        self.wire.input.push(bytes);
    }

    fn next(&mut self) -> Action<Event> {
        loop {
            let reads = matches!(self.phase, Phase::Command | Phase::Sasl(_) | Phase::Skip)
                && self.event.is_none();
            if reads && self.unwritten < REPLIES_TOGETHER && self.advance() {
                continue;
            }
            if let Some(bytes) = self.wire.take_output() {
                self.unwritten = 0;
                return Action::Write(bytes);
            }
            if let Some(event) = self.event.take() {
                return Action::Event(event);
            }
            return match self.phase {
                Phase::Command | Phase::Sasl(_) | Phase::Skip => Action::Read,
                Phase::Waiting(_) => Action::Wait,
                Phase::StartTls => {
                    self.phase = Phase::Waiting(Question::Tls);
                    Action::StartTls
                }
                Phase::Ended(ending) => {
                    self.phase = Phase::Closed;
                    Action::Event(Event::Ended(ending))
                }
                Phase::Closed => Action::Close,
            };
        }
    }

    fn into_leftover(self) -> Vec<u8> {
        self.wire.input.into_rest()
    }

    fn trace(&mut self) -> &mut Trace {
        &mut self.wire.trace
    }
}
