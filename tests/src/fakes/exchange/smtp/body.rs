//! The body of DATA: dots unstuffed, the end found, bare line feeds noticed.

/// Where in a line the next octet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// After CRLF, or at the very beginning.
    Start,
    /// After a dot at the start of a line, not yet passed on.
    Dot,
    /// After a dot and CR.
    DotCr,
    /// Somewhere in a line.
    Inside,
    /// After CR, already passed on.
    Cr,
}

pub(super) struct Body {
    place: Place,
    bare_line_feed: bool,
}

impl Body {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Start,
            bare_line_feed: false,
        }
    }

    /// Whether a line feed without a carriage return was in it.
    pub(super) fn has_bare_line_feed(&self) -> bool {
        self.bare_line_feed
    }

    /// Gives the message's octets to `sink`. At the end of the message: how much of `input` it took.
    pub(super) fn feed(&mut self, input: &[u8], mut sink: impl FnMut(&[u8])) -> Option<usize> {
        let mut at = 0;
        while at < input.len() {
            let byte = input[at];
            self.place = match (self.place, byte) {
                (Place::Start, b'.') => Place::Dot,
                (Place::Dot, b'\r') => Place::DotCr,
                (Place::DotCr, b'\n') => return Some(at + 1),
                (Place::DotCr, _) => {
                    sink(b"\r");
                    self.pass(input, &mut at, &mut sink);
                    continue;
                }
                _ => {
                    self.pass(input, &mut at, &mut sink);
                    continue;
                }
            };
            at += 1;
        }
        None
    }

    /// Passes octets on up to the end of the line, or of the input.
    fn pass(&mut self, input: &[u8], at: &mut usize, sink: &mut impl FnMut(&[u8])) {
        let rest = &input[*at..];
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest.len(), |end| end + 1);
        let line = &rest[..length];
        let after_cr = match length {
            1 => self.place == Place::Cr || self.place == Place::DotCr,
            _ => line[length.saturating_sub(2)] == b'\r',
        };
        self.place = match line.last() {
            Some(b'\n') if after_cr => Place::Start,
            Some(b'\n') => {
                self.bare_line_feed = true;
                Place::Inside
            }
            Some(b'\r') => Place::Cr,
            _ => Place::Inside,
        };
        sink(line);
        *at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::Body;

    fn decode(input: &[u8], piece: usize) -> (Vec<u8>, usize, bool) {
        let mut body = Body::new();
        let mut message = Vec::new();
        let mut taken = 0;
        for chunk in input.chunks(piece) {
            match body.feed(chunk, |bytes| message.extend_from_slice(bytes)) {
                Some(used) => return (message, taken + used, body.has_bare_line_feed()),
                None => taken += chunk.len(),
            }
        }
        panic!("no end in {:?}", String::from_utf8_lossy(input));
    }

    #[test]
    fn any_pieces_give_the_same_message() {
        let cases: [(&[u8], &[u8], bool); 7] = [
            (b".\r\n", b"", false),
            (b"a\r\n.\r\n", b"a\r\n", false),
            (b"..a\r\n..\r\n.\r\n", b".a\r\n.\r\n", false),
            (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n", true),
            (b".\rx\r\n.\r\n", b"\rx\r\n", false),
            (b"a\r\r\n.\r\n", b"a\r\r\n", false),
            (b"\n.\r\n\r\n.\r\n", b"\n.\r\n\r\n", true),
        ];
        for (input, message, bare) in cases {
            let mut long = input.to_vec();
            long.extend_from_slice(b"QUIT\r\n");
            for piece in 1..=long.len() {
                let expected = (message.to_vec(), input.len(), bare);
                assert_eq!(decode(&long, piece), expected, "pieces of {piece}");
            }
        }
    }
}
