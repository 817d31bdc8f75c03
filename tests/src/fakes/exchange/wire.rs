//! One connection of the fake: lines in, text out, TLS in between.

use super::{Protocol, Reaction, Site, Stage};
use rustls::HandshakeKind;
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// No line of a mail protocol is this long; who sends one is cut off.
const LINE_LIMIT: usize = 64 * 1024;

/// Room made for each read while lines come in.
const READ_SIZE: usize = 4096;

pub(super) struct Wire {
    pub(super) site: Arc<Site>,
    pub(super) protocol: Protocol,
    stream: Stream,
    input: Vec<u8>,
    /// How much of `input` has been used.
    used: usize,
    output: Vec<u8>,
    /// How many octets may still be written before the connection ends.
    budget: Option<usize>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Gone,
}

/// Why a session ends early.
pub(super) type End = io::Error;

pub(super) fn end() -> End {
    io::ErrorKind::ConnectionAborted.into()
}

impl Wire {
    pub(super) fn new(site: Arc<Site>, protocol: Protocol, stream: TcpStream) -> Self {
        Self {
            site,
            protocol,
            stream: Stream::Plain(stream),
            input: Vec::new(),
            used: 0,
            output: Vec::new(),
            budget: None,
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Puts text into the output, which goes out with the next read or [`Wire::flush`].
    pub(super) fn say(&mut self, text: &str) {
        self.output.extend_from_slice(text.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// Puts bytes into the output as they are.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    pub(super) async fn flush(&mut self) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let length = match self.budget {
            Some(budget) => budget.min(self.output.len()),
            None => self.output.len(),
        };
        let bytes = &self.output[..length];
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await?,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
            }
            Stream::Gone => return Err(end()),
        }
        let cut = length < self.output.len();
        self.output.clear();
        if let Some(budget) = &mut self.budget {
            *budget -= length;
        }
        if cut { Err(end()) } else { Ok(()) }
    }

    /// Ends the connection when so many octets more have been written.
    pub(super) fn close_after(&mut self, octets: usize) {
        self.budget = Some(octets);
    }

    /// The next line without its end, into `line`. Nothing is lost if the call is dropped.
    pub(super) async fn line(&mut self, line: &mut Vec<u8>) -> Result<(), End> {
        self.flush().await?;
        loop {
            let rest = &self.input[self.used..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let text = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
                line.clear();
                line.extend_from_slice(text);
                self.used += end + 1;
                return Ok(());
            }
            if rest.len() > LINE_LIMIT {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.read().await?;
        }
    }

    /// Exactly so many octets, added to `to`.
    pub(super) async fn octets(&mut self, count: usize, to: &mut Vec<u8>) -> Result<(), End> {
        self.flush().await?;
        let end = to.len() + count;
        while to.len() < end {
            if self.used == self.input.len() {
                self.read().await?;
            }
            let take = (end - to.len()).min(self.input.len() - self.used);
            to.extend_from_slice(&self.input[self.used..self.used + take]);
            self.used += take;
        }
        Ok(())
    }

    /// What has been read and not used; waits if there is nothing.
    pub(super) async fn some(&mut self) -> Result<&[u8], End> {
        self.flush().await?;
        if self.used == self.input.len() {
            self.read().await?;
        }
        Ok(&self.input[self.used..])
    }

    /// Marks octets of [`Wire::some`] as used.
    pub(super) fn consume(&mut self, count: usize) {
        self.used += count;
    }

    async fn read(&mut self) -> Result<(), End> {
        if self.used == self.input.len() {
            self.input.clear();
        } else {
            self.input.drain(..self.used);
        }
        self.used = 0;
        self.input.reserve(READ_SIZE);
        let count = match &mut self.stream {
            Stream::Plain(stream) => stream.read_buf(&mut self.input).await?,
            Stream::Tls(stream) => stream.read_buf(&mut self.input).await?,
            Stream::Gone => 0,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Makes room for fast reads of a message body.
    pub(super) fn expect_much(&mut self) {
        self.input.reserve(64 * 1024);
    }

    /// Shakes hands; plain text that came before is dropped.
    pub(super) async fn start_tls(&mut self) -> Result<(), End> {
        self.flush().await?;
        self.input.clear();
        self.used = 0;
        let Stream::Plain(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(end());
        };
        let stream = self.site.acceptor().accept(stream).await?;
        if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
            self.site.counts.tls_resumed(self.protocol);
        }
        self.stream = Stream::Tls(Box::new(stream));
        Ok(())
    }

    /// Says what is left to say and closes politely.
    pub(super) async fn close(mut self) {
        let _ = self.flush().await;
        let _ = match &mut self.stream {
            Stream::Plain(stream) => stream.shutdown().await,
            Stream::Tls(stream) => stream.shutdown().await,
            Stream::Gone => Ok(()),
        };
    }

    /// Meets what a test ordered for this stage. `true`: the usual answer is not wanted any more.
    /// `tag` is put before a text that needs one.
    pub(super) async fn meet(&mut self, stage: Stage, tag: &str) -> Result<bool, End> {
        let Some(reaction) = self.site.script.take(self.protocol, stage) else {
            return Ok(false);
        };
        self.react(reaction, tag).await
    }

    /// As [`Wire::meet`], for a reaction already taken. Refusals are the caller's.
    pub(super) async fn react(&mut self, reaction: Reaction, tag: &str) -> Result<bool, End> {
        match reaction {
            Reaction::Say(text) => self.say_tagged(tag, &text),
            Reaction::SayAndClose(text) => {
                self.say_tagged(tag, &text);
                self.flush().await?;
                return Err(end());
            }
            Reaction::Delay(delay) => {
                tokio::time::sleep(delay).await;
                return Ok(false);
            }
            Reaction::Hang => std::future::pending().await,
            Reaction::CloseAfter(octets) => {
                self.close_after(octets);
                return Ok(false);
            }
            Reaction::Close | Reaction::Refuse | Reaction::Challenge(_) => return Err(end()),
        }
        Ok(true)
    }

    fn say_tagged(&mut self, tag: &str, text: &str) {
        if !tag.is_empty() && !text.starts_with(['*', '+']) {
            self.output.extend_from_slice(tag.as_bytes());
            self.output.push(b' ');
        }
        self.say(text);
    }
}
