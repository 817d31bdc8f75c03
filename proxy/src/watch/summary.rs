//! One line per session and one per message.
//!
//! Session id, listener, protocol and peer are not repeated here: they stand in the session's span,
//! which every line of a session carries.

use std::time::Duration;

use portreeve_auth::{Admitted, Protocol};
use tokio::time::Instant;

use crate::door::Connection;

/// What is told of a session when it has ended.
pub(crate) struct SessionSummary {
    protocol: Protocol,
    since: Instant,
    device: Option<String>,
    mailbox: Option<String>,
    messages: u32,
    octets_up: u64,
    octets_down: u64,
}

impl SessionSummary {
    /// The summary of a session that begins now.
    pub(crate) fn new(connection: &Connection) -> Self {
        Self {
            protocol: connection.listener.protocol,
            since: connection.since,
            device: None,
            mailbox: None,
            messages: 0,
            octets_up: 0,
            octets_down: 0,
        }
    }

    /// The device has logged in.
    pub(crate) fn login(&mut self, admitted: &Admitted) {
        self.device = Some(admitted.device.name.clone());
        self.mailbox = Some(admitted.mailbox.address.clone());
    }

    /// How many messages the exchange accepted.
    pub(crate) fn messages(&mut self, messages: u32) {
        self.messages = messages;
    }

    /// Octets from the device to the exchange, and back.
    pub(crate) fn octets(&mut self, up: u64, down: u64) {
        self.octets_up = up;
        self.octets_down = down;
    }

    /// Writes the line.
    pub(crate) fn log(self, result: &str) {
        tracing::info!(
            target: "portreeve::session",
            device = self.device,
            mailbox = self.mailbox,
            messages = (self.protocol == Protocol::Smtp).then_some(self.messages),
            octets_up = self.octets_up,
            octets_down = self.octets_down,
            duration_ms = milliseconds(self.since.elapsed()),
            result,
            "session ended",
        );
    }
}

/// What is told of a message when the exchange has answered, or nobody will.
pub(crate) struct MessageSummary<'a> {
    pub(crate) device: &'a str,
    pub(crate) mailbox: &'a str,
    /// The envelope sender, `<>` if there is none.
    pub(crate) sender: &'a str,
    /// The recipients that the exchange accepted.
    pub(crate) recipients: &'a str,
    /// How many recipients the exchange refused.
    pub(crate) refused: u32,
    /// Octets of content.
    pub(crate) size: u64,
    pub(crate) message_id: Option<&'a str>,
    /// `accepted`, `deferred`, `refused` or `given up`.
    pub(crate) result: &'a str,
    /// The exchange's last reply, or why there is none.
    pub(crate) reply: &'a str,
    /// What the admin can do about it.
    pub(crate) advice: Option<&'a str>,
    pub(crate) duration: Duration,
}

impl MessageSummary<'_> {
    /// Writes the line.
    pub(crate) fn log(&self) {
        tracing::info!(
            target: "portreeve::message",
            device = self.device,
            mailbox = self.mailbox,
            sender = self.sender,
            recipients = self.recipients,
            recipients_refused = self.refused,
            size = self.size,
            message_id = self.message_id,
            result = self.result,
            reply = self.reply,
            advice = self.advice,
            duration_ms = milliseconds(self.duration),
            "message",
        );
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
