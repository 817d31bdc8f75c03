//! The session with the exchange that carries a device's transactions.
//!
//! It is opened at the first MAIL, reused with RSET for the next one, and let go when it has been
//! quiet for a while. One command at a time; a lost connection is a value, not a surprise.

use std::time::Duration;

use portreeve_protocols::{
    Dialogue,
    smtp::{
        Reply,
        address::Address,
        command::Mail,
        exchange::{Abilities, Event, Exchange},
    },
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;

use crate::{
    config::Limits,
    session::driver::{self, Step, Wire},
    upstream::Opened,
};

/// An authenticated SMTP session with the exchange.
pub(super) struct Link {
    stream: TlsStream<TcpStream>,
    dialogue: Exchange,
    abilities: Abilities,
    wire: Wire,
    reply_within: Duration,
    final_reply_within: Duration,
    octets: u64,
}

/// The exchange's connection is gone; its last words, if there were any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost(pub(super) String);

impl Link {
    pub(super) fn new(opened: Opened<Exchange>, limits: &Limits, wire: Wire) -> Self {
        Self {
            stream: opened.stream,
            dialogue: opened.dialogue,
            abilities: opened.said,
            wire,
            reply_within: limits.upstream_command_seconds,
            final_reply_within: limits.upstream_data_seconds,
            octets: 0,
        }
    }

    /// What the server offers.
    pub(super) fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// Octets of message bodies sent so far.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    pub(super) async fn mail(&mut self, mail: &Mail) -> Result<Reply, Lost> {
        self.dialogue.mail(mail);
        self.reply(self.reply_within).await
    }

    pub(super) async fn rcpt(&mut self, recipient: &Address) -> Result<Reply, Lost> {
        self.dialogue.rcpt(recipient);
        self.reply(self.reply_within).await
    }

    pub(super) async fn data(&mut self) -> Result<Reply, Lost> {
        self.dialogue.data();
        self.reply(self.reply_within).await
    }

    pub(super) async fn reset(&mut self) -> Result<Reply, Lost> {
        self.dialogue.reset();
        self.reply(self.reply_within).await
    }

    /// Writes a piece of the stuffed body.
    pub(super) async fn write(&mut self, stuffed: &[u8]) -> Result<(), Lost> {
        self.octets += stuffed.len() as u64;
        match timeout(self.reply_within, self.stream.write_all(stuffed)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Lost(format!("the connection broke while sending: {error}"))),
            Err(_) => Err(Lost("the exchange stopped taking the message".to_owned())),
        }
    }

    /// The body and its final dot are written: waits for what the exchange says to it.
    pub(super) async fn body_sent(&mut self) -> Result<Reply, Lost> {
        let flushed = timeout(self.reply_within, self.stream.flush()).await;
        match flushed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Lost(format!("the connection broke while sending: {error}"))),
            Err(_) => return Err(Lost("the exchange stopped taking the message".to_owned())),
        }
        self.dialogue.body_sent();
        self.reply(self.final_reply_within).await
    }

    /// Says good-bye; nobody waits long for the answer.
    pub(super) async fn quit(mut self) {
        self.dialogue.quit();
        let _ = self.reply(Duration::from_secs(2)).await;
        let _ = timeout(Duration::from_secs(1), self.stream.shutdown()).await;
    }

    async fn reply(&mut self, within: Duration) -> Result<Reply, Lost> {
        match timeout(within, self.next_reply()).await {
            Ok(reply) => reply,
            Err(_) => Err(Lost(format!("no reply within {} s", within.as_secs()))),
        }
    }

    async fn next_reply(&mut self) -> Result<Reply, Lost> {
        loop {
            match driver::step(&mut self.dialogue, &mut self.stream, self.wire).await {
                Ok(Step::Event(Event::Reply(reply))) => return Ok(reply),
                Ok(Step::Event(Event::Lost(words))) => return Err(Lost(words)),
                Ok(Step::Event(Event::Refused(refusal))) => return Err(Lost(refusal.words)),
                Ok(Step::Event(Event::Ready(_)) | Step::StartTls | Step::Close) => {
                    return Err(Lost("the exchange said something out of turn".to_owned()));
                }
                Ok(Step::PeerClosed) => self.dialogue.closed(),
                Err(error) => return Err(Lost(error.to_string())),
            }
        }
    }
}
