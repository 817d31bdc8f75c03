//! The message on its way in: decoded, counted, and held just until it can go on.

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
    bad: Option<&'static str>,
    rest: Option<Vec<u8>>,
}

impl Intake {
    /// An intake that takes a message of at most `most` octets.
    pub(super) fn new(most: u64) -> Self {
        Self {
            body: Body::new(LineEnds::Repair),
            content: Vec::new(),
            octets: 0,
            most,
            bad: None,
            rest: None,
        }
    }

    /// Takes bytes from the device.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while self.rest.is_none() {
            let fed = self.body.feed(bytes);
            bytes = &bytes[fed.consumed..];
            match fed.chunk {
                Chunk::Bytes(content) => {
                    self.octets += content.len() as u64;
                    if self.is_acceptable() {
                        self.content.extend_from_slice(content);
                    }
                }
                Chunk::More => break,
                Chunk::End => self.rest = Some(bytes.to_vec()),
                Chunk::Bad(why) => self.bad = Some(why),
            }
        }
    }

    /// Whether the end of the data was seen.
    pub(super) fn is_complete(&self) -> bool {
        self.rest.is_some()
    }

    /// Whether nothing speaks against sending what is here.
    pub(super) fn is_acceptable(&self) -> bool {
        self.bad.is_none() && !self.is_too_big()
    }

    /// Whether the message is larger than allowed.
    pub(super) fn is_too_big(&self) -> bool {
        self.octets > self.most
    }

    /// Why the message is refused for its line ends.
    pub(super) fn bad(&self) -> Option<&'static str> {
        self.bad
    }

    /// Octets of content so far, those beyond the limit included.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether a lone dot came with line ends that end no message: what a stalled device believes
    /// it has sent.
    pub(super) fn saw_odd_end(&self) -> bool {
        self.body.saw_odd_end()
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
        self.rest.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_the_end_belongs_to_the_next_command() {
        let mut intake = Intake::new(100);
        intake.feed(b"Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n");
        assert!(intake.is_complete());
        assert_eq!(intake.content(), b"Subject: x\r\n\r\n.dot\r\n");
        assert_eq!(intake.into_rest(), b"QUIT\r\n");
    }

    #[test]
    fn a_message_of_exactly_the_limit_passes_and_one_more_octet_is_counted_but_not_kept() {
        let mut intake = Intake::new(6);
        intake.feed(b"1234\r\n.\r\n");
        assert!(intake.is_complete() && intake.is_acceptable());

        let mut intake = Intake::new(6);
        for _ in 0..1000 {
            intake.feed(b"12345678901234567890\r\n");
        }
        assert!(intake.is_too_big());
        assert_eq!(intake.octets(), 22_000);
        assert!(intake.content().len() <= 22);
        intake.feed(b".\r\n");
        assert!(intake.is_complete());
    }
}
