//! The dialogue with the exchange: we are the client of one session.
//!
//! It does not retry, and it does not carry bodies: the owner writes the encoded body itself.

mod login;

#[cfg(test)]
mod tests;

pub use super::Abilities;
use super::{Address, Mail, Reply, ReplyReader};
use crate::{
    Action, Dialogue, Refusal, Trace,
    dialogue::UpstreamTls,
    sasl::bearer::{Bearer, Mechanism},
    wire::{Side, Wire},
};

/// What a dialogue with the exchange is told at its start.
pub struct Options {
    /// Our own name in EHLO.
    pub helo: String,
    /// Who logs in, with which token.
    pub bearer: Bearer,
    /// How TLS begins.
    pub tls: UpstreamTls,
    /// Whether to keep the dialogue in words.
    pub trace: bool,
}

/// What the owner of the dialogue has to know.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Logged in; the owner may issue commands, one at a time.
    Ready(Abilities),
    /// Not logged in (no answer); [`Action::Close`] follows.
    Refused(Refusal),
    /// The answer to the command issued last.
    Reply(Reply),
    /// The session ended after the login; the last words of the server, one line (no answer).
    /// [`Action::Close`] follows.
    Lost(String),
}

/// The dialogue of one session with the exchange.
pub struct Exchange {
    wire: Wire,
    replies: ReplyReader,
    phase: Phase,
    helo: String,
    tls: UpstreamTls,
    /// Gone as soon as the login is over: a session at rest holds no token.
    bearer: Option<Bearer>,
    abilities: Abilities,
    /// The server offers SIZE, even if it names no limit.
    takes_size: bool,
}

/// Where the dialogue is. Before [`Ready`](Phase::Ready) each waits for a reply.
#[derive(Debug)]
enum Phase {
    Banner,
    Ehlo,
    StartTls,
    /// The owner takes up TLS; `true` once it was told to.
    Upgrade(bool),
    Mechanism(Mechanism),
    Response(Mechanism),
    /// The challenge of a failure was answered; its reply tells why.
    Failure,
    /// Between commands.
    Ready,
    /// A command waits for its reply.
    Command(Hoped),
    /// A reply that we give ourselves, because the server would not understand the command.
    Local(Reply),
    Quit,
    Told(Event),
    Closed,
}

/// The replies that a command can have besides 4yz and 5yz (RFC 5321 section 4.3.2).
///
/// Any other means that the replies are out of step: to believe it would tell a device that a
/// message was taken which the server has never seen.
#[derive(Debug, Clone, Copy)]
enum Hoped {
    /// 2yz: done.
    Done,
    /// 354: the message may come.
    GoAhead,
    /// 2yz, but the server has spoken before the message was over: only a refusal can be meant.
    Nothing,
}

impl Hoped {
    fn allows(self, reply: &Reply) -> bool {
        match self {
            _ if !reply.is_positive() => true,
            Self::Done => reply.code < 300,
            Self::GoAhead => reply.code == 354,
            Self::Nothing => false,
        }
    }
}

impl Exchange {
    /// A dialogue that waits for the server's banner.
    pub fn new(options: Options) -> Self {
        Self {
            wire: Wire::new(Side::Client, options.trace),
            replies: ReplyReader::new(),
            phase: Phase::Banner,
            helo: domain(&options.helo),
            tls: options.tls,
            bearer: Some(options.bearer),
            abilities: Abilities::default(),
            takes_size: false,
        }
    }

    /// The server closed the connection.
    pub fn closed(&mut self) {
        self.fail(Failure::Closed);
    }

    /// Issues MAIL with the parameters that the server offers. A transaction that needs SMTPUTF8
    /// where it is not offered is refused here with 5.6.7 (RFC 6531 section 3.5).
    pub fn mail(&mut self, mail: &Mail) {
        let ascii = mail.sender.as_ref().is_none_or(Address::is_ascii);
        if (mail.smtputf8 || !ascii) && !self.abilities.smtputf8 {
            let reply = Reply::new(550, "5.6.7 The mail server does not offer SMTPUTF8");
            return self.answer_ourselves(reply);
        }
        let offered = Mail {
            size: mail.size.filter(|_| self.takes_size),
            body: mail.body.filter(|_| self.abilities.eight_bit),
            ..mail.clone()
        };
        self.command(&offered.strict(), Hoped::Done);
    }

    /// Issues RCPT.
    pub fn rcpt(&mut self, recipient: &Address) {
        if !recipient.is_ascii() && !self.abilities.smtputf8 {
            let reply = Reply::new(553, "5.6.7 The mail server does not offer SMTPUTF8");
            return self.answer_ourselves(reply);
        }
        self.command(&format!("RCPT TO:<{recipient}>"), Hoped::Done);
    }

    /// Issues DATA; after a 354 the owner writes the encoded body.
    pub fn data(&mut self) {
        self.command("DATA", Hoped::GoAhead);
    }

    /// The owner has written the body and the final dot; the server's verdict is awaited.
    pub fn body_sent(&mut self) {
        if matches!(self.phase, Phase::Ready) {
            self.wire.trace.client(|| "(the message)".to_owned());
            self.phase = Phase::Command(if self.wire.input.is_empty() {
                Hoped::Done
            } else {
                Hoped::Nothing
            });
        }
    }

    /// Issues RSET.
    pub fn reset(&mut self) {
        self.command("RSET", Hoped::Done);
    }

    /// Issues QUIT. After the answer, or the end of the connection, comes [`Action::Close`].
    pub fn quit(&mut self) {
        self.command("QUIT", Hoped::Done);
        if matches!(self.phase, Phase::Command(_)) {
            self.phase = Phase::Quit;
        }
    }

    /// Addresses are the only foreign text in a command, and they hold no control characters.
    fn command(&mut self, line: &str, hoped: Hoped) {
        if matches!(self.phase, Phase::Ready) && !self.spoke_out_of_turn() {
            self.wire.say(format_args!("{line}"));
            self.phase = Phase::Command(hoped);
        }
    }

    /// Whether there is more than the reply to the last command; that ends the session.
    fn spoke_out_of_turn(&mut self) -> bool {
        if self.wire.input.is_empty() {
            return false;
        }
        if !self.advance() {
            let words = "the mail server said something out of turn";
            self.fail(Failure::Misbehaved(words.to_owned()));
        }
        true
    }

    fn answer_ourselves(&mut self, reply: Reply) {
        if matches!(self.phase, Phase::Ready) {
            self.phase = Phase::Local(reply);
        }
    }

    fn heard(&mut self, reply: &Reply) {
        let words = self.scrubbed(reply);
        self.wire.heard(format_args!("{words}"));
    }

    /// The server's words without our token, should it send that back.
    fn scrubbed(&self, reply: &Reply) -> String {
        let words = reply.words();
        match &self.bearer {
            Some(bearer) => bearer.scrub(&words),
            None => words,
        }
    }

    /// Takes the next reply, if it is here.
    fn advance(&mut self) -> bool {
        match self.replies.take(&mut self.wire.input) {
            Ok(None) => return false,
            Ok(Some(reply)) => {
                self.heard(&reply);
                self.take(reply);
            }
            Err(bad) => self.fail(Failure::Misbehaved(bad.to_string())),
        }
        true
    }

    fn take(&mut self, reply: Reply) {
        match std::mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Command(hoped) if hoped.allows(&reply) => {
                self.phase = Phase::Told(Event::Reply(reply));
            }
            Phase::Command(_) => {
                let words = format!("a reply to something else: {}", reply.words());
                self.fail(Failure::Misbehaved(words));
            }
            Phase::Quit => self.phase = Phase::Closed,
            // Nothing was asked: a server that closes a quiet session says so first.
            Phase::Ready => self.fail(Failure::Said(reply)),
            phase => self.log_in(&phase, &reply),
        }
    }

    /// Ends the dialogue: before the login as a refusal, after it as a loss.
    fn fail(&mut self, failure: Failure) {
        match self.phase {
            Phase::Closed | Phase::Told(Event::Refused(_) | Event::Lost(_)) => return,
            Phase::Quit => {
                self.phase = Phase::Closed;
                return;
            }
            _ => {}
        }
        let event = if self.bearer.is_some() {
            Event::Refused(self.refusal(failure))
        } else {
            Event::Lost(failure.words())
        };
        let _ = self.wire.take_output();
        self.wire.input.clear();
        self.bearer = None;
        self.phase = Phase::Told(event);
    }
}

/// Why a session ends.
enum Failure {
    /// The connection is closed.
    Closed,
    /// The server said something that the protocol does not allow.
    Misbehaved(String),
    /// The server's own words to something else, or to nothing.
    Said(Reply),
}

impl Failure {
    fn words(&self) -> String {
        match self {
            Self::Closed => "the mail server closed the connection".to_owned(),
            Self::Misbehaved(words) => words.clone(),
            Self::Said(reply) => reply.words(),
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
            match std::mem::replace(&mut self.phase, Phase::Closed) {
                Phase::Closed => return Action::Close,
                Phase::Told(event) => {
                    if matches!(event, Event::Ready(_) | Event::Reply(_)) {
                        self.phase = Phase::Ready;
                    }
                    return Action::Event(event);
                }
                Phase::Local(reply) => {
                    self.phase = Phase::Ready;
                    return Action::Event(Event::Reply(reply));
                }
                Phase::Upgrade(told) => {
                    self.phase = Phase::Upgrade(true);
                    return if told { Action::Wait } else { Action::StartTls };
                }
                phase => self.phase = phase,
            }
            if !self.advance() {
                return match self.phase {
                    Phase::Ready => Action::Wait,
                    _ => Action::Read,
                };
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

/// Our own name as EHLO takes it: Exchange refuses a bad one with 5.7.506.
fn domain(name: &str) -> String {
    let name: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-.[]:".contains(*c))
        .take(255)
        .collect();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}
