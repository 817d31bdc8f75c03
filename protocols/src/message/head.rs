//! The header section at the start of a message.
//!
//! Only what delivery and its log need is read; the body is never looked at.

use std::fmt::Write;

use mail_parser::{HeaderName, HeaderValue, MessageParser};
use memchr::memmem;

/// How many octets at the start of a message are looked at.
pub const HEAD_OCTETS: usize = 65_536;
/// A Message-ID goes into log lines; RFC 5322 section 2.1.1 has no longer lines.
const MESSAGE_ID_CHARS: usize = 998;

/// What the header section of a message says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// Whether there is a Date field.
    pub has_date: bool,
    /// Whether there is a Message-ID field.
    pub has_message_id: bool,
    /// Whether there is a From field.
    pub has_from: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    /// The header section was read to its end.
    #[default]
    Whole,
    /// It is longer than [`HEAD_OCTETS`]: what was not found may still come.
    Cut,
    /// The message begins with text, as if its header section and the blank line were forgotten.
    Forgotten,
}

impl Head {
    /// Reads the header section. `start` is the whole message or at least its first
    /// [`HEAD_OCTETS`], with CRLF line ends.
    pub fn parse(start: &[u8]) -> Self {
        let start = &start[..start.len().min(HEAD_OCTETS)];
        let (section, is_whole) = section(start);
        let mut head = Self::default();
        // The parser gives out nothing unless a blank line follows.
        let section = [section, b"\r\n\r\n"].concat();
        let parsed = MessageParser::new()
            .header_id(HeaderName::MessageId)
            .default_header_ignore()
            .parse_headers(&section);
        let fields = parsed.as_ref().map_or(&[][..], |message| message.headers());
        for field in fields {
            match &field.name {
                HeaderName::Date => head.has_date = true,
                HeaderName::From => head.has_from = true,
                HeaderName::MessageId => {
                    head.has_message_id = true;
                    head.message_id = id(&field.value);
                }
                _ => {}
            }
        }
        if !is_whole {
            head.kind = Kind::Cut;
        } else if !start.is_empty() && !start.starts_with(b"\r\n") && !begins_with_field(start) {
            head.kind = Kind::Forgotten;
        }
        head
    }

    /// What to put in front of the message; `date` (RFC 5322) and `id` (with its `@`, without angle
    /// brackets) are used where the message has none. A message without a header section gets the
    /// blank line too.
    pub fn missing(&self, date: &str, id: &str) -> String {
        let mut lines = String::new();
        if self.kind == Kind::Cut {
            return lines;
        }
        // Writing to a string does not fail.
        if !self.has_date {
            let _ = write!(lines, "Date: {date}\r\n");
        }
        if !self.has_message_id {
            let _ = write!(lines, "Message-ID: <{id}>\r\n");
        }
        let is_known = self.has_date || self.has_message_id || self.has_from;
        if self.kind == Kind::Forgotten && !is_known {
            lines.push_str("\r\n");
        }
        lines
    }
}

/// The header section without its blank line, and whether all of it is there.
fn section(start: &[u8]) -> (&[u8], bool) {
    if start.starts_with(b"\r\n") {
        return (&[], true);
    }
    match memmem::find(start, b"\r\n\r\n") {
        Some(end) => (&start[..end], true),
        None => (start, start.len() < HEAD_OCTETS),
    }
}

/// A field name is printable ASCII up to a colon (RFC 5322 section 2.2); blanks before the colon are
/// the obsolete form.
fn begins_with_field(start: &[u8]) -> bool {
    let line = start.split(|&b| b == b'\r').next().unwrap_or_default();
    match line.iter().position(|&b| b == b':') {
        Some(colon) => {
            let name = line[..colon].trim_ascii_end();
            !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
        }
        None => false,
    }
}

fn id(value: &HeaderValue<'_>) -> Option<String> {
    let id: String = value
        .as_text()?
        .chars()
        .filter(|c| !c.is_control())
        .take(MESSAGE_ID_CHARS)
        .collect();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn missing(message: &str) -> String {
        Head::parse(message.as_bytes()).missing("D", "i@d")
    }

    #[test]
    fn what_a_message_has_is_found() {
        let head = Head::parse(
            b"received: x\r\nFROM: a@b\r\ndate : Mon, 1 Jan 2024\r\nMessage-Id:\r\n <1@x>\r\n\r\nbody",
        );
        assert_eq!(head.message_id.as_deref(), Some("1@x"));
        assert!(head.has_date && head.has_message_id && head.has_from);
        assert_eq!(head.missing("D", "i@d"), "");
    }

    #[test]
    fn what_it_lacks_is_added() {
        assert_eq!(
            missing("From: a@b\r\nSubject: x\r\n\r\nDate: in the body\r\n"),
            "Date: D\r\nMessage-ID: <i@d>\r\n"
        );
        assert_eq!(
            missing("Subject: x\r\nDate: y\r\n\r\n"),
            "Message-ID: <i@d>\r\n"
        );
        assert_eq!(missing("\r\nbody\r\n"), "Date: D\r\nMessage-ID: <i@d>\r\n");
        assert_eq!(missing(""), "Date: D\r\nMessage-ID: <i@d>\r\n");
        // Headers only, without the blank line.
        assert_eq!(missing("Date: x\r\n"), "Message-ID: <i@d>\r\n");
    }

    #[test]
    fn a_message_that_begins_with_its_text_gets_the_blank_line_too() {
        for text in [
            "Hello\r\n",
            "The scan is attached: see below\r\n",
            "Hello\r\n\r\nDate: x\r\n",
        ] {
            assert_eq!(
                missing(text),
                "Date: D\r\nMessage-ID: <i@d>\r\n\r\n",
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_is_added_to_a_header_section_too_long_to_be_read() {
        let long = format!("Subject: x\r\n{}", "X-Pad: 0123456789\r\n".repeat(4000));
        assert!(long.len() > HEAD_OCTETS);
        assert_eq!(missing(&format!("{long}Date: D\r\n\r\n")), "");
        let found = format!("Message-ID: <1@x>\r\n{long}");
        let head = Head::parse(found.as_bytes());
        assert_eq!(head.message_id.as_deref(), Some("1@x"));
    }

    #[test]
    fn an_id_without_brackets_and_an_empty_one() {
        let of = |text: &str| Head::parse(text.as_bytes());
        assert_eq!(
            of("Message-ID: 1@x\r\n\r\n").message_id.as_deref(),
            Some("1@x")
        );
        let empty = of("Message-ID:\r\nDate: x\r\n\r\n");
        assert_eq!(empty.message_id, None);
        assert!(empty.has_message_id && empty.has_date);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Head::parse(&bytes).missing("D", "i@d");
        }
    }
}
