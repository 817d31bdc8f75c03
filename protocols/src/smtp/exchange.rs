//! The dialogue with the exchange: we are the client of one session.
//!
//! It does not retry, and it does not read bodies: the owner writes the encoded body itself.

pub use super::Abilities;
use super::{Address, Mail, Reply, ReplyReader};
use crate::{
    Action, Dialogue, Refusal, Trace, dialogue::UpstreamTls, line::LineBuffer, sasl::bearer::Bearer,
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
    options: Options,
    input: LineBuffer,
    replies: ReplyReader,
    out: Vec<u8>,
    trace: Trace,
}

impl Exchange {
    /// A dialogue that waits for the server's banner.
    pub fn new(options: Options) -> Self {
        let trace = if options.trace {
            Trace::on()
        } else {
            Trace::off()
        };
        Self {
            options,
            input: LineBuffer::new(),
            replies: ReplyReader::new(),
            out: Vec::new(),
            trace,
        }
    }

    /// TLS is up after [`Action::StartTls`].
    pub fn tls_started(&mut self) {
        self.input.clear();
        self.options.tls = UpstreamTls::Implicit;
    }

    /// The server closed the connection.
    pub fn closed(&mut self) {
        self.input.clear();
    }

    /// Issues MAIL with the parameters that the server offers.
    pub fn mail(&mut self, mail: &Mail) {
        let sender = mail.sender.as_ref().map_or("", Address::as_str);
        self.command(&format!("MAIL FROM:<{sender}>"));
    }

    /// Issues RCPT.
    pub fn rcpt(&mut self, recipient: &Address) {
        self.command(&format!("RCPT TO:<{recipient}>"));
    }

    /// Issues DATA; after a 354 the owner writes the encoded body.
    pub fn data(&mut self) {
        self.command("DATA");
    }

    /// The owner has written the body and the final dot; the server's verdict is awaited.
    pub fn body_sent(&mut self) {}

    /// Issues RSET.
    pub fn reset(&mut self) {
        self.command("RSET");
    }

    /// Issues QUIT; after the answer, or the end of the connection, the dialogue closes.
    pub fn quit(&mut self) {
        self.command("QUIT");
    }

    fn command(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }
}

impl Dialogue for Exchange {
    type Event = Event;

    fn receive(&mut self, bytes: &[u8]) {
        self.input.push(bytes);
    }

    fn next(&mut self) -> Action<Event> {
        if !self.out.is_empty() {
            return Action::Write(std::mem::take(&mut self.out));
        }
        match self.replies.take(&mut self.input) {
            Ok(Some(reply)) => Action::Event(Event::Reply(reply)),
            Ok(None) => Action::Read,
            Err(bad) => Action::Event(Event::Lost(bad.to_string())),
        }
    }

    fn into_leftover(self) -> Vec<u8> {
        self.input.into_rest()
    }

    fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }
}
