//! Bounded framing of lines.

use zeroize::Zeroize;

/// Bytes from a peer, taken out line by line.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    start: usize,
    /// Invariant: no LF in `bytes[start..scanned]`.
    scanned: usize,
}

/// A line did not end within the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl LineBuffer {
    /// An empty buffer that holds no memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends what the peer sent.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start == self.bytes.len() {
            self.clear();
        } else if self.start > 4096 {
            self.bytes.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the next line without its line end: CRLF, or a bare LF, which old devices send.
    ///
    /// `Ok(None)` means that more bytes are needed. The limit counts octets before the line end; a
    /// line beyond it is an error however it was cut into pieces.
    pub fn take_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, TooLong> {
        let Some(at) = self.bytes[self.scanned..].iter().position(|&b| b == b'\n') else {
            self.scanned = self.bytes.len();
            // One more octet may be the CR of a line end whose LF has not come yet.
            return if self.len() > limit + 1 {
                Err(TooLong)
            } else {
                Ok(None)
            };
        };
        let end = self.scanned + at;
        let line = &self.bytes[self.start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > limit {
            return Err(TooLong);
        }
        let line = line.to_vec();
        self.start = end + 1;
        self.scanned = self.start;
        Ok(Some(line))
    }

    /// Takes exactly `n` octets, or nothing if they are not there yet.
    pub fn take_exact(&mut self, n: usize) -> Option<Vec<u8>> {
        let taken = self.bytes.get(self.start..self.start + n)?.to_vec();
        self.start += n;
        self.scanned = self.start;
        Some(taken)
    }

    /// Everything not taken yet, without taking it.
    pub fn peek(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// How many octets are not taken yet.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether everything has been taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops everything, for example what came in plain text before TLS.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
        self.scanned = 0;
    }

    /// Takes everything not taken yet. What was taken before (passwords) is wiped.
    pub fn into_rest(mut self) -> Vec<u8> {
        let rest = self.peek().to_vec();
        self.bytes.zeroize();
        rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_crlf_and_bare_lf_alike() {
        let mut buffer = LineBuffer::new();
        buffer.push(b"one\r\ntwo\nthr");
        assert_eq!(buffer.take_line(10), Ok(Some(b"one".to_vec())));
        assert_eq!(buffer.take_line(10), Ok(Some(b"two".to_vec())));
        assert_eq!(buffer.take_line(10), Ok(None));
        assert_eq!(buffer.into_rest(), b"thr");
    }

    #[test]
    fn a_line_of_exactly_the_limit_passes_and_one_more_octet_does_not() {
        let mut buffer = LineBuffer::new();
        buffer.push(b"12345\r\n123456\r\n");
        assert_eq!(buffer.take_line(5), Ok(Some(b"12345".to_vec())));
        assert_eq!(buffer.take_line(5), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(
            input in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..20),
            limit in 0usize..30,
        ) {
            let collect = |chunks: Vec<&[u8]>| {
                let mut buffer = LineBuffer::new();
                let mut lines = Vec::new();
                for chunk in chunks {
                    buffer.push(chunk);
                    loop {
                        match buffer.take_line(limit) {
                            Ok(Some(line)) => lines.push(Ok(line)),
                            Ok(None) => break,
                            Err(TooLong) => { lines.push(Err(TooLong)); return lines; }
                        }
                    }
                }
                lines
            };
            let whole = collect(vec![&input]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(input.len())).collect();
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|w| &input[w[0]..w[1]]).collect();
            prop_assert_eq!(whole, collect(pieces));
        }
    }
}
