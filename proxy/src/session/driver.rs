//! Runs a dialogue over a socket: the few lines between protocol values and bytes on the wire.
//!
//! It knows nothing of mail. What an event means, and how long to wait, is its caller's business.

use std::io;

use portreeve_protocols::{Action, Dialogue};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::scratch;

/// What a dialogue wants of its owner.
#[derive(Debug)]
pub(crate) enum Step<E> {
    /// Something to decide or to know.
    Event(E),
    /// Take up TLS, then tell the dialogue.
    StartTls,
    /// The dialogue is over and everything is flushed; close the connection.
    Close,
    /// The peer closed the connection.
    PeerClosed,
}

/// Runs a dialogue until it has something for its owner.
///
/// Cancel-safe at its reads: bytes are handed to the dialogue in the same poll that reads them.
pub(crate) async fn step<D, S>(
    dialogue: &mut D,
    stream: &mut S,
    wire: Wire,
) -> io::Result<Step<D::Event>>
where
    D: Dialogue,
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        if let Some(step) = turn(dialogue, stream, wire).await? {
            return Ok(step);
        }
    }
}

/// One read or one write on the way to a [`step`]; `None` if there is more to do.
pub(crate) async fn turn<D, S>(
    dialogue: &mut D,
    stream: &mut S,
    wire: Wire,
) -> io::Result<Option<Step<D::Event>>>
where
    D: Dialogue,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let action = dialogue.next();
    wire.log(dialogue);
    Ok(Some(match action {
        Action::Read => {
            let open = scratch::read_with(stream, |bytes| {
                dialogue.receive(bytes);
                !bytes.is_empty()
            })
            .await?;
            if open {
                return Ok(None);
            }
            Step::PeerClosed
        }
        Action::Write(bytes) => {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            return Ok(None);
        }
        Action::StartTls => Step::StartTls,
        Action::Event(event) => Step::Event(event),
        Action::Wait => {
            // The owner answers every event before it asks again, so this is our own mistake.
            return Err(io::Error::other(
                "a dialogue waits for an answer nobody gave",
            ));
        }
        Action::Close => Step::Close,
    }))
}

/// Which half of a session's dialogue goes to the log under `--log-wire`, if any.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wire {
    /// Nothing is logged.
    Off,
    /// The dialogue with the device.
    Device,
    /// The dialogue with the exchange.
    Exchange,
}

impl Wire {
    /// Whether dialogues are to keep a trace.
    pub(crate) fn is_on(self) -> bool {
        !matches!(self, Self::Off)
    }

    fn log<D: Dialogue>(self, dialogue: &mut D) {
        let with = match self {
            Self::Off => return,
            Self::Device => "device",
            Self::Exchange => "exchange",
        };
        for line in dialogue.trace().take() {
            tracing::info!(target: "portreeve::wire", with, "{line}");
        }
    }
}
