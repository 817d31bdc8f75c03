//! The message on its way in: decoded, counted, and looked at just enough for the log.

use portreeve_protocols::smtp::body::{Body, Chunk, LineEnds};

/// Decodes what the device sends after DATA.
///
/// Content gathers until it is taken; the caller takes it after every read, so what is held is
/// one read, or the part that waits for the exchange to be ready.
pub(super) struct Intake {
    body: Body,
    content: Vec<u8>,
    octets: u64,
    most: u64,
    state: State,
}

/// How far the message has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// More is expected.
    Open,
    /// The end of the data was seen; these bytes came after it.
    Ended(Vec<u8>),
    /// Line ends that the listener refuses; everything up to the end of data is dropped.
    Bad(String),
}

impl Intake {
    /// An intake that takes a message of at most `most` octets.
    pub(super) fn new(most: u64) -> Self {
        Self {
            body: Body::new(LineEnds::Repair),
            content: Vec::new(),
            octets: 0,
            most,
            state: State::Open,
        }
    }

    /// Takes bytes from the device.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while self.state == State::Open {
            let fed = self.body.feed(bytes);
            bytes = &bytes[fed.consumed..];
            match fed.chunk {
                Chunk::Bytes(content) => {
                    self.octets += content.len() as u64;
                    if !self.is_too_big() {
                        self.content.extend_from_slice(content);
                    }
                }
                Chunk::More => break,
                Chunk::End => self.state = State::Ended(bytes.to_vec()),
                Chunk::Bad(why) => self.state = State::Bad(why.to_string()),
            }
        }
    }

    /// How far the message has come.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Whether more is expected and wanted.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open && !self.is_too_big()
    }

    /// Whether nothing speaks against sending what is here.
    pub(super) fn is_acceptable(&self) -> bool {
        !matches!(self.state, State::Bad(_)) && !self.is_too_big()
    }

    /// Octets of content so far, those beyond the limit included.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether the message is larger than allowed.
    pub(super) fn is_too_big(&self) -> bool {
        self.octets > self.most
    }

    /// Content that was decoded and not taken yet.
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// The content was taken; its memory is kept for the next read.
    pub(super) fn taken(&mut self) {
        self.content.clear();
    }

    /// The bytes that came after the end of the data.
    pub(super) fn into_rest(self) -> Vec<u8> {
        match self.state {
            State::Ended(rest) => rest,
            State::Open | State::Bad(_) => Vec::new(),
        }
    }
}
