//! The header section at the start of a message.
//!
//! Only what delivery and its log need is read; the body is never looked at.

use mail_parser::{HeaderName, MessageParser};

/// How many octets at the start of a message are looked at.
pub const HEAD_OCTETS: usize = 65_536;

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
}

impl Head {
    /// Reads the header section from the first octets of a message.
    pub fn parse(start: &[u8]) -> Self {
        let start = &start[..start.len().min(HEAD_OCTETS)];
        let Some(message) = MessageParser::new().with_message_ids().parse_headers(start) else {
            return Self::default();
        };
        let has = |name: HeaderName<'_>| message.headers().iter().any(|h| h.name == name);
        Self {
            message_id: message.message_id().map(str::to_owned),
            has_date: has(HeaderName::Date),
            has_message_id: has(HeaderName::MessageId),
            has_from: has(HeaderName::From),
        }
    }

    /// The header lines to put in front of the message; `date` (RFC 5322) and `id` (with its `@`,
    /// without angle brackets) are used where the message has none.
    pub fn missing(&self, date: &str, id: &str) -> String {
        let mut lines = String::new();
        if !self.has_date {
            lines += &format!("Date: {date}\r\n");
        }
        if !self.has_message_id {
            lines += &format!("Message-ID: <{id}>\r\n");
        }
        lines
    }
}
