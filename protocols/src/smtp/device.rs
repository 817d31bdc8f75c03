//! The dialogue with a device: we are the submission server.
//!
//! It decides nothing about who may log in or what is accepted: each such moment is an [`Event`].
//! The body of a message is not read here, see [`body`](super::body).

pub use super::Abilities;
use super::{Address, Mail, Reply};
pub use crate::Ending;
use crate::{Action, Channel, Credentials, Denial, Dialogue, Trace, line::LineBuffer};

/// What a dialogue with a device is told at its start.
#[derive(Debug, Clone)]
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
    /// Octets in a command line.
    pub line_octets: usize,
    /// Octets in a line of a SASL exchange (RFC 4954 section 4).
    pub sasl_octets: usize,
    /// Octets before the login has succeeded.
    pub login_octets: usize,
    /// Recipients of one message.
    pub recipients: usize,
    /// Commands that are unknown, malformed or out of turn, since the last accepted message.
    pub bad_commands: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_octets: 2048,
            sasl_octets: 12_288,
            login_octets: 65_536,
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
    /// The dialogue is over (no answer); [`Action::Close`] follows.
    Ended(Ending),
}

/// The dialogue with one device.
pub struct Device {
    options: Options,
    input: LineBuffer,
    out: Vec<u8>,
    trace: Trace,
    helo: Option<String>,
}

impl Device {
    /// A dialogue that begins with our banner.
    pub fn new(options: Options) -> Self {
        let trace = if options.trace {
            Trace::on()
        } else {
            Trace::off()
        };
        let out = Reply::new(220, &format!("{} ESMTP", options.hostname)).to_bytes();
        Self {
            options,
            input: LineBuffer::new(),
            out,
            trace,
            helo: None,
        }
    }

    /// Answers [`Event::Login`]: the device is in.
    pub fn login_accepted(&mut self) {
        self.answer(Reply::new(235, "2.7.0 Authentication successful"));
    }

    /// Answers [`Event::Login`]: not in, and why.
    pub fn login_refused(&mut self, denial: &Denial) {
        self.answer(Reply::new(454, &format!("4.7.0 {}", denial.text)));
    }

    /// Answers [`Event::Mail`], [`Event::Rcpt`] or refuses [`Event::Data`]. A 421 ends the session.
    pub fn answer(&mut self, reply: Reply) {
        self.out.extend(reply.to_bytes());
    }

    /// Answers [`Event::Data`]: `354` goes out, then [`Event::Body`] comes.
    pub fn begin_body(&mut self) {
        self.answer(Reply::new(354, "End data with <CR><LF>.<CR><LF>"));
    }

    /// The octets of the body that came together with the DATA command.
    pub fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input).into_rest()
    }

    /// Ends the body: what was read behind it belongs to the dialogue again. A 421 ends the session.
    pub fn body_ended(&mut self, rest: &[u8], reply: Reply) {
        self.input.push(rest);
        self.answer(reply);
    }

    /// TLS is up after [`Action::StartTls`]; everything said before is forgotten.
    pub fn tls_started(&mut self) {
        self.input.clear();
        self.options.channel = Channel::Encrypted;
        self.helo = None;
    }

    /// Ends the session with `421 4.3.2` as soon as no transaction runs.
    pub fn shut_down(&mut self, text: &str) {
        self.answer(Reply::new(421, &format!("4.3.2 {text}")));
    }

    /// The device closed the connection.
    pub fn closed(&mut self) {
        self.input.clear();
    }

    /// What the device called itself in its last EHLO or HELO.
    pub fn helo(&self) -> Option<&str> {
        self.helo.as_deref()
    }
}

impl Dialogue for Device {
    type Event = Event;

    fn receive(&mut self, bytes: &[u8]) {
        self.input.push(bytes);
    }

    fn next(&mut self) -> Action<Event> {
        if self.out.is_empty() {
            Action::Read
        } else {
            Action::Write(std::mem::take(&mut self.out))
        }
    }

    fn into_leftover(self) -> Vec<u8> {
        self.input.into_rest()
    }

    fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }
}
