//! Dot-stuffing (RFC 5321 section 4.5.2).

use memchr::memchr_iter;

/// Encodes content for DATA, piece by piece.
#[derive(Debug)]
pub struct Stuffer {
    /// The last octet that went in; a line end at the start, where a dot needs stuffing too.
    last: u8,
}

impl Default for Stuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Stuffer {
    /// An encoder at the start of a body.
    pub fn new() -> Self {
        Self { last: b'\n' }
    }

    /// Appends content with CRLF line ends to `out`. A dot behind a CR or LF of any kind is stuffed,
    /// so that even content with other line ends cannot end the body.
    pub fn encode(&mut self, content: &[u8], out: &mut Vec<u8>) {
        let Some(&last) = content.last() else {
            return;
        };
        let mut done = 0;
        for at in memchr_iter(b'.', content) {
            let before = at.checked_sub(1).map_or(self.last, |i| content[i]);
            if matches!(before, b'\r' | b'\n') {
                out.extend_from_slice(&content[done..at]);
                out.push(b'.');
                done = at;
            }
        }
        out.extend_from_slice(&content[done..]);
        self.last = last;
    }

    /// Appends the end of the body: a CRLF if the last line has none, then the dot alone.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.last {
            b'\n' => {}
            b'\r' => out.push(b'\n'),
            _ => out.extend_from_slice(b"\r\n"),
        }
        out.extend_from_slice(b".\r\n");
    }
}
