//! Replies: a code and one or more lines (RFC 5321 section 4.2).
//!
//! What a reply means is not decided here, see [`class`](super::class).

use std::fmt::Write as _;

use crate::line::{LineBuffer, TooLong};

/// A reply of an SMTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Three digits, the first of them 2 to 5.
    pub code: u16,
    /// The text of each line without the code; never empty. An enhanced code stays in the text.
    pub lines: Vec<String>,
}

/// A line of text towards a device: 512 octets (RFC 5321 section 4.5.3.1.5) less code and line end.
const TEXT_OCTETS: usize = 506;
/// Enough for every cause a server names; a log line stays readable.
const WORDS_CHARS: usize = 500;

impl Reply {
    /// A reply of one line.
    pub fn new(code: u16, text: &str) -> Self {
        Self {
            code,
            lines: vec![text.to_owned()],
        }
    }

    /// The enhanced status code (RFC 3463) at the start of the text.
    pub fn enhanced(&self) -> Option<(u8, u16, u16)> {
        split_enhanced(self.lines.first()?).map(|(code, _)| code)
    }

    /// Whether the command was done, or may go on (354).
    pub fn is_positive(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// Whether the same command may succeed later.
    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// Whether the same command will never succeed.
    pub fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }

    /// The whole reply on one line, for logs: the enhanced code is said once, and control
    /// characters are gone.
    pub fn words(&self) -> String {
        let mut words = self.code.to_string();
        for (i, line) in self.lines.iter().enumerate() {
            let line = match split_enhanced(line) {
                Some((_, rest)) if i > 0 => rest,
                _ => line,
            };
            if !line.trim().is_empty() {
                let _ = write!(words, " {}", line.trim());
            }
        }
        words
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .take(WORDS_CHARS)
            .collect()
    }

    /// The reply as it goes to a device. Nothing in the text can end a line early: everything but
    /// printable ASCII becomes `?`, and an overlong line is cut.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for line in self.wire_lines() {
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out
    }

    /// The lines of [`to_bytes`](Self::to_bytes) without their ends.
    pub(super) fn wire_lines(&self) -> impl Iterator<Item = String> {
        // A reply without lines would leave the device waiting.
        let last = self.lines.len().saturating_sub(1);
        (0..=last).map(move |i| {
            let text = self.lines.get(i).map_or("", String::as_str);
            let mut line = self.code.to_string();
            line.push(if i == last { ' ' } else { '-' });
            let text = text.chars().take(TEXT_OCTETS);
            line.extend(text.map(|c| match c {
                ' '..='~' => c,
                _ => '?',
            }));
            line
        })
    }
}

/// The enhanced code at the start of a line, and the text behind it.
fn split_enhanced(line: &str) -> Option<((u8, u16, u16), &str)> {
    let line = line.trim_start();
    let (code, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut parts = code.split('.').map(|part| {
        (part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u16>().ok())
            .flatten()
    });
    let (class, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
    let class = u8::try_from(class)
        .ok()
        .filter(|class| [2, 4, 5].contains(class))?;
    parts
        .next()
        .is_none()
        .then_some(((class, subject, detail), rest))
}

/// A server's reply breaks the protocol or a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// A line that does not begin with a code.
    #[error("the server said something that is no SMTP reply")]
    NotAReply,
    /// A reply whose lines have different codes.
    #[error("the server sent a reply with different codes on its lines")]
    MixedCodes,
    /// See [`LINE_OCTETS`].
    #[error("the server sent a reply line without end")]
    LineTooLong,
    /// See [`REPLY_LINES`].
    #[error("the server sent a reply without end")]
    TooManyLines,
}

/// The longest reply line taken: four times what RFC 5321 allows, because servers add host names
/// and links.
pub const LINE_OCTETS: usize = 2048;
/// The most lines in one reply; the longest EHLO replies have about twenty.
pub const REPLY_LINES: usize = 128;

/// Takes replies out of a buffer, however many lines they have.
#[derive(Debug, Default)]
pub struct ReplyReader {
    partial: Option<Reply>,
}

impl ReplyReader {
    /// A reader between two replies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next whole reply, or `None` if more bytes are needed.
    ///
    /// Lenient where servers differ: a line may be the bare code, and no enhanced code is needed.
    /// After an error the stream cannot be read any further.
    pub fn take(&mut self, input: &mut LineBuffer) -> Result<Option<Reply>, BadReply> {
        while let Some(line) = input
            .take_line(LINE_OCTETS)
            .map_err(|TooLong| BadReply::LineTooLong)?
        {
            let (code, last, text) = split_line(&line).ok_or(BadReply::NotAReply)?;
            let reply = self.partial.get_or_insert_with(|| Reply {
                code,
                lines: Vec::new(),
            });
            if reply.code != code {
                return Err(BadReply::MixedCodes);
            }
            if reply.lines.len() == REPLY_LINES {
                return Err(BadReply::TooManyLines);
            }
            reply.lines.push(text);
            if last {
                return Ok(self.partial.take());
            }
        }
        Ok(None)
    }
}

fn split_line(line: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = line.split_at_checked(3)?;
    if !(b'2'..=b'5').contains(&code[0]) || !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = code.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0'));
    let (last, text) = match rest.split_first() {
        None => (true, rest),
        Some((b' ' | b'\t', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return None,
    };
    Some((code, last, String::from_utf8_lossy(text).into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(input: &[u8]) -> Result<Vec<Reply>, BadReply> {
        let mut buffer = LineBuffer::new();
        let mut reader = ReplyReader::new();
        let mut replies = Vec::new();
        buffer.push(input);
        while let Some(reply) = reader.take(&mut buffer)? {
            replies.push(reply);
        }
        Ok(replies)
    }

    #[test]
    fn replies_of_one_line_and_of_many() {
        let replies = read(
            b"250-one\r\n250-2.1.0 two\n250 three\r\n354\r\n220 \r\n550\t5.1.1 no\r\n250-\r\n250\r\n25",
        )
        .unwrap();
        let lines: Vec<_> = replies.iter().map(|r| (r.code, r.lines.clone())).collect();
        assert_eq!(
            lines,
            [
                (250, vec!["one".into(), "2.1.0 two".into(), "three".into()]),
                (354, vec![String::new()]),
                (220, vec![String::new()]),
                (550, vec!["5.1.1 no".into()]),
                (250, vec![String::new(), String::new()]),
            ]
        );
    }

    #[test]
    fn what_is_no_reply() {
        let long = format!("250 {}\r\n", "x".repeat(LINE_OCTETS));
        let endless = "250-x\r\n".repeat(REPLY_LINES + 1);
        for (input, why) in [
            ("hello\r\n", BadReply::NotAReply),
            ("\r\n", BadReply::NotAReply),
            ("25\r\n", BadReply::NotAReply),
            ("150 x\r\n", BadReply::NotAReply),
            ("650 x\r\n", BadReply::NotAReply),
            ("2500 x\r\n", BadReply::NotAReply),
            ("250-a\r\n251 b\r\n", BadReply::MixedCodes),
            (&long, BadReply::LineTooLong),
            (&endless, BadReply::TooManyLines),
        ] {
            assert_eq!(read(input.as_bytes()), Err(why), "{input}");
        }
    }

    #[test]
    fn enhanced_codes() {
        let of = |text: &str| Reply::new(550, text).enhanced();
        assert_eq!(of("5.7.139 no"), Some((5, 7, 139)));
        assert_eq!(of("2.0.0"), Some((2, 0, 0)));
        for text in [
            "",
            "no",
            "3.1.1 x",
            "5.1",
            "5.1.1.1 x",
            "5.1111.1 x",
            "5.+1.1 x",
            "5..1 x",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn words_are_one_short_line() {
        let reply = Reply {
            code: 535,
            lines: vec![
                "5.7.8 Not\u{7}accepted.".into(),
                "5.7.8  See x".into(),
                String::new(),
            ],
        };
        assert_eq!(reply.words(), "535 5.7.8 Not?accepted. See x");
        assert_eq!(
            Reply::new(250, &"x".repeat(9999)).words().len(),
            WORDS_CHARS
        );
        assert!(reply.is_permanent() && !reply.is_temporary() && !reply.is_positive());
    }

    #[test]
    fn nothing_in_a_text_ends_a_line_towards_the_device() {
        let reply = Reply {
            code: 550,
            lines: vec!["a\r\n250 b".into(), "\u{e4}\0".into(), "x".repeat(9999)],
        };
        let bytes = reply.to_bytes();
        assert!(bytes.starts_with(b"550-a??250 b\r\n550-??\r\n550 xx"));
        assert!(bytes.split(|&b| b == b'\n').all(|line| line.len() < 512));
        let empty = Reply {
            code: 250,
            lines: Vec::new(),
        };
        assert_eq!(empty.to_bytes(), b"250 \r\n");
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_and_nothing_panics(
            input in proptest::collection::vec(
                prop_oneof!["250-", "250 ok", "\r\n", "\n", "251 x", "[ -~]{0,9}"], 0..30),
            at in any::<prop::sample::Index>(),
        ) {
            let input = input.concat().into_bytes();
            let mut buffer = LineBuffer::new();
            let mut reader = ReplyReader::new();
            let mut found = Ok(Vec::new());
            let (one, other) = input.split_at(at.index(input.len() + 1));
            for piece in [one, other] {
                buffer.push(piece);
                while let Ok(replies) = &mut found {
                    match reader.take(&mut buffer) {
                        Ok(Some(reply)) => replies.push(reply),
                        Ok(None) => break,
                        Err(bad) => found = Err(bad),
                    }
                }
            }
            prop_assert_eq!(found, read(&input));
        }

        #[test]
        fn what_we_write_can_be_read(code in 200u16..600, lines in proptest::collection::vec("[ -~]{0,99}", 1..9)) {
            let reply = Reply { code, lines };
            prop_assert_eq!(read(&reply.to_bytes()), Ok(vec![reply]));
        }
    }
}
