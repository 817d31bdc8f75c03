//! One message and what became of it, for the log.

use std::time::{Duration, Instant};

use portreeve_auth::Admitted;
use portreeve_protocols::smtp::{Reply, address::Address, class};

use crate::watch::MessageSummary;

/// How many recipients one log line names; the rest are counted.
const RECIPIENTS_LOGGED: usize = 50;

/// A transaction from its MAIL on.
pub(super) struct Transaction {
    admitted: Admitted,
    sender: Option<Address>,
    accepted: Vec<Address>,
    refused: u32,
    started: Instant,
    octets: u64,
    message_id: Option<String>,
}

/// How a transaction ended.
pub(super) enum Outcome<'a> {
    /// The exchange said so, at this command.
    Replied(&'a Reply, class::Stage),
    /// Nobody replied: the device gave it up, or a connection ended.
    GivenUp(&'a str),
}

impl Transaction {
    pub(super) fn new(admitted: Admitted, sender: Option<Address>) -> Self {
        Self {
            admitted,
            sender,
            accepted: Vec::new(),
            refused: 0,
            started: Instant::now(),
            octets: 0,
            message_id: None,
        }
    }

    /// A recipient and what the exchange said to it.
    pub(super) fn recipient(&mut self, recipient: Address, reply: &Reply) {
        if reply.is_positive() {
            self.accepted.push(recipient);
            return;
        }
        self.refused += 1;
        let class = class::classify(class::Stage::Rcpt, reply);
        tracing::warn!(
            recipient = %recipient,
            reply = reply.words(),
            advice = class.advice(),
            "recipient refused",
        );
    }

    pub(super) fn message_id(&mut self, id: Option<&str>) {
        self.message_id = id.map(str::to_owned);
    }

    pub(super) fn octets(&mut self, octets: u64) {
        self.octets = octets;
    }

    /// Writes the message's line.
    pub(super) fn ended(self, outcome: &Outcome<'_>) {
        let (result, reply, advice) = match outcome {
            Outcome::Replied(reply, stage) => {
                let result = match reply {
                    reply if reply.is_positive() => "accepted",
                    reply if reply.is_temporary() => "deferred",
                    _ => "refused",
                };
                let advice = class::classify(*stage, reply).advice();
                (result, reply.words(), advice)
            }
            Outcome::GivenUp(why) => ("given up", (*why).to_owned(), None),
        };
        MessageSummary {
            device: &self.admitted.device.name,
            mailbox: &self.admitted.mailbox.address,
            sender: self.sender.as_ref().map_or("<>", |sender| sender.as_str()),
            recipients: &self.recipients(),
            refused: self.refused,
            size: self.octets,
            message_id: self.message_id.as_deref(),
            result,
            reply: &reply,
            advice,
            duration: self.duration(),
        }
        .log();
    }

    fn recipients(&self) -> String {
        let named = self
            .accepted
            .iter()
            .take(RECIPIENTS_LOGGED)
            .map(Address::as_str);
        let named = named.collect::<Vec<_>>().join(",");
        match self.accepted.len().saturating_sub(RECIPIENTS_LOGGED) {
            0 => named,
            more => format!("{named},+{more} more"),
        }
    }

    fn duration(&self) -> Duration {
        self.started.elapsed()
    }
}
