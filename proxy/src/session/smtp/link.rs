//! The session with the exchange that carries a device's transactions.
//!
//! It is opened at the first MAIL, reused with RSET for the next one, and let go when it has been
//! quiet for a while. One command at a time; a lost connection is a value, not a surprise.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use portreeve_protocols::smtp::{
    Reply,
    address::Address,
    command::Mail,
    exchange::{Event, Exchange},
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{error::Elapsed, timeout},
};
use tokio_rustls::client::TlsStream;
use tracing::Instrument;

use crate::{
    config::Limits,
    session::driver::{self, Step, Wire},
    upstream::Opened,
};

/// How long last words may take, ours or theirs.
const PARTING: Duration = Duration::from_secs(2);

/// An authenticated SMTP session with the exchange.
pub(super) struct Link {
    stream: TlsStream<TcpStream>,
    dialogue: Exchange,
    wire: Wire,
    /// A transaction may still be open there.
    unfinished: bool,
    reply_within: Duration,
    final_reply_within: Duration,
}

/// The exchange's connection is gone; its last words, if there were any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost(pub(super) String);

impl Link {
    pub(super) fn new(opened: Opened<Exchange>, limits: &Limits, wire: Wire) -> Self {
        Self {
            stream: opened.stream,
            dialogue: opened.dialogue,
            wire,
            unfinished: false,
            reply_within: limits.upstream_command_seconds,
            final_reply_within: limits.upstream_data_seconds,
        }
    }

    pub(super) async fn mail(&mut self, mail: &Mail) -> Result<Reply, Lost> {
        if std::mem::take(&mut self.unfinished) && !self.reset().await?.is_positive() {
            return Err(Lost(
                "the exchange does not forget a transaction".to_owned(),
            ));
        }
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

    /// The last transaction came to nothing: the next one begins with RSET, and nobody waits for
    /// that now.
    pub(super) fn leave_unfinished(&mut self) {
        self.unfinished = true;
    }

    /// Writes a piece of the stuffed body.
    pub(super) async fn write(&mut self, stuffed: &[u8]) -> Result<(), Lost> {
        let written = timeout(self.reply_within, self.stream.write_all(stuffed)).await;
        sending(written)
    }

    /// What the exchange said before the message was complete, if it said anything: it may refuse
    /// the message early, but a yes can only be meant for something else.
    pub(super) async fn early_words(&mut self) -> Option<Result<Reply, Lost>> {
        self.dialogue.body_sent();
        let said = poll_fn(|cx| match pin!(self.next_reply()).poll(cx) {
            Poll::Ready(said) => Poll::Ready(Some(said)),
            Poll::Pending => Poll::Ready(None),
        });
        said.await.map(|said| match said {
            Ok(reply) if reply.is_positive() => Err(Lost(format!(
                "the exchange answered before the message was complete: {}",
                reply.words()
            ))),
            said => said,
        })
    }

    /// The body and its final dot are written: waits for what the exchange says to it.
    pub(super) async fn body_sent(&mut self) -> Result<Reply, Lost> {
        sending(timeout(self.reply_within, self.stream.flush()).await)?;
        self.dialogue.body_sent();
        self.reply(self.final_reply_within).await
    }

    /// After a failed write: what the exchange said before it closed, if it said anything.
    pub(super) async fn parting_words(mut self) -> Option<Reply> {
        self.dialogue.body_sent();
        let reply = self.reply(PARTING).await.ok()?;
        (!reply.is_positive()).then_some(reply)
    }

    /// Says good-bye in the background; nobody waits for the answer.
    pub(super) fn quit(mut self) {
        let parting = async move {
            self.dialogue.quit();
            let _ = self.reply(PARTING).await;
            let _ = timeout(PARTING, self.stream.shutdown()).await;
        };
        tokio::spawn(parting.in_current_span());
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

fn sending(done: Result<std::io::Result<()>, Elapsed>) -> Result<(), Lost> {
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Lost(format!("the connection broke while sending: {error}"))),
        Err(_) => Err(Lost("the exchange stopped taking the message".to_owned())),
    }
}
