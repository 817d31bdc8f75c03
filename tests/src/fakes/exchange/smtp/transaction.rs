//! MAIL, RCPT, DATA and the final dot.

use super::{
    super::{
        Reaction, Stage,
        store::{Mailbox, sha256},
        wire::{End, Wire, end},
    },
    BAD_COMMAND, HOST, SIZE_LIMIT, Submission, TOO_MANY,
    body::Body,
};
use aws_lc_rs::digest::{Context, SHA256};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Recipients per message, the service's default.
const RECIPIENT_LIMIT: usize = 500;

/// What MAIL and RCPT have said so far.
#[derive(Default)]
pub(super) struct Transaction {
    from: Option<String>,
    to: Vec<String>,
}

impl Transaction {
    pub(super) async fn command(
        &mut self,
        wire: &mut Wire,
        mailbox: &Arc<Mailbox>,
        verb: &str,
        rest: &str,
    ) -> Result<(), End> {
        match verb {
            "MAIL" => self.mail(wire, rest).await,
            "RCPT" => self.rcpt(wire, rest).await,
            "DATA" if self.to.is_empty() => {
                wire.say("503 5.5.2 Need rcpt command");
                Ok(())
            }
            "DATA" => self.data(wire, mailbox).await,
            "BDAT" => Self::bdat(wire, rest).await,
            _ => {
                wire.say(BAD_COMMAND);
                Ok(())
            }
        }
    }

    async fn mail(&mut self, wire: &mut Wire, rest: &str) -> Result<(), End> {
        if wire.meet(Stage::Mail, "").await? {
            return Ok(());
        }
        let settings = wire.site.settings().clone();
        let Some((from, parameters)) = path(rest, "FROM:") else {
            wire.say("501 5.1.7 Invalid address");
            return Ok(());
        };
        let known = parameters.iter().all(|parameter| {
            let name = parameter.split('=').next().unwrap_or_default();
            ["SIZE", "BODY", "RET", "ENVID", "AUTH"].contains(&name)
                || name == "SMTPUTF8" && settings.smtp_utf8
        });
        let size = parameters
            .iter()
            .find_map(|parameter| parameter.strip_prefix("SIZE=")?.parse::<u64>().ok());
        if self.from.is_some() {
            wire.say("503 5.5.2 Sender already specified");
        } else if !known {
            wire.say("501 5.5.4 Invalid arguments");
        } else if size.is_some_and(|size| size > SIZE_LIMIT) {
            wire.say("552 5.3.4 Message size exceeds fixed maximum message size");
        } else if !from.is_ascii() && !parameters.iter().any(|name| name == "SMTPUTF8") {
            wire.say("550 5.6.7 Address requires SMTPUTF8");
        } else {
            self.from = Some(from);
            wire.say("250 2.1.0 Sender OK");
        }
        Ok(())
    }

    async fn rcpt(&mut self, wire: &mut Wire, rest: &str) -> Result<(), End> {
        if wire.meet(Stage::Rcpt, "").await? {
            return Ok(());
        }
        match path(rest, "TO:") {
            _ if self.from.is_none() => wire.say("503 5.5.2 Need mail command"),
            Some((to, _)) if to.contains('@') && self.to.len() < RECIPIENT_LIMIT => {
                self.to.push(to);
                wire.say("250 2.1.5 Recipient OK");
            }
            Some((to, _)) if to.contains('@') => wire.say("452 4.5.3 Too many recipients"),
            _ => wire.say("501 5.1.3 Invalid address"),
        }
        Ok(())
    }

    async fn data(&mut self, wire: &mut Wire, mailbox: &Arc<Mailbox>) -> Result<(), End> {
        if wire.meet(Stage::Data, "").await? {
            return Ok(());
        }
        wire.say("354 Start mail input; end with <CRLF>.<CRLF>");
        let taken = std::mem::take(self);
        let incoming = Incoming::read(wire).await?;
        if wire.meet(Stage::Dot, "").await? {
            return Ok(());
        }
        let from = taken.from.unwrap_or_default();
        if incoming.bare_line_feed {
            wire.say(
                "550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds, \
                 which cannot be sent via DATA",
            );
            return Ok(());
        }
        if incoming.size > SIZE_LIMIT {
            wire.say("552 5.3.4 Message size exceeds fixed maximum message size");
            return Ok(());
        }
        if !mailbox.may_send_as(&from) {
            wire.say(&format!(
                "554 5.2.252 SendAsDenied; {} not allowed to send as {from}; STOREDRV.Submission.\
                 Exception:SendAsDeniedException.MapiExceptionSendAsDenied [Hostname={HOST}]",
                mailbox.address
            ));
            return Ok(());
        }
        if wire.is_over_limit(mailbox, Stage::Dot) {
            wire.say(TOO_MANY);
            return Ok(());
        }
        let id = incoming.message_id();
        let site = wire.site.clone();
        if let Some(bytes) = &incoming.bytes {
            for to in &taken.to {
                if let Some(recipient) = site.store.mailbox(to) {
                    recipient.deliver(bytes);
                }
            }
            mailbox.put("Sent", bytes, BTreeSet::from(["\\Seen".to_owned()]));
        }
        site.submissions.add(Submission {
            mailbox: mailbox.address.clone(),
            from,
            to: taken.to,
            size: incoming.size,
            sha256: incoming.sha256,
            bytes: incoming.bytes,
        });
        wire.say(&format!("250 2.0.0 OK {id} [Hostname={HOST}]"));
        Ok(())
    }

    /// Exchange offers BDAT and then fails: it has answered so to a header in one chunk.
    async fn bdat(wire: &mut Wire, rest: &str) -> Result<(), End> {
        let size = rest.split(' ').next().and_then(|size| size.parse().ok());
        let Some(mut left) = size else {
            wire.say("501 5.5.4 Invalid arguments");
            return Ok(());
        };
        while left > 0 {
            let count = wire.some().await?.len().min(left);
            wire.consume(count);
            left -= count;
        }
        wire.say("552 5.3.4 Header size exceeds fixed maximum size");
        Ok(())
    }
}

/// A message body that has come in.
struct Incoming {
    size: u64,
    sha256: [u8; 32],
    bytes: Option<Arc<[u8]>>,
    bare_line_feed: bool,
}

impl Incoming {
    async fn read(wire: &mut Wire) -> Result<Self, End> {
        let (hash_only, pause) = {
            let settings = wire.site.settings();
            (settings.hash_only, settings.read_pause)
        };
        let mut limit = usize::MAX;
        match wire.site.script.take(wire.protocol, Stage::Body) {
            Some(Reaction::CloseAfter(octets)) => limit = octets,
            Some(reaction) => {
                // There is no reply to replace here; a text is said early, as a server in trouble does.
                wire.flush().await?;
                wire.react(reaction, "").await?;
            }
            None => {}
        }
        let mut body = Body::new();
        let mut bytes = Vec::new();
        let mut hash = Context::new(&SHA256);
        let mut size = 0u64;
        wire.flush().await?;
        wire.expect_much();
        loop {
            let input = wire.some().await?;
            let length = input.len();
            let over = body.feed(input, |piece| {
                size += piece.len() as u64;
                if hash_only {
                    hash.update(piece);
                } else {
                    bytes.extend_from_slice(piece);
                }
            });
            wire.consume(over.unwrap_or(length));
            if over.is_some() {
                break;
            }
            limit = limit.checked_sub(length).ok_or_else(end)?;
            if pause > Duration::ZERO {
                tokio::time::sleep(pause).await;
            }
        }
        let sha256 = if hash_only {
            let mut sum = [0; 32];
            sum.copy_from_slice(hash.finish().as_ref());
            sum
        } else {
            sha256(&bytes)
        };
        Ok(Self {
            size,
            sha256,
            bytes: (!hash_only).then(|| bytes.into()),
            bare_line_feed: body.has_bare_line_feed(),
        })
    }

    fn message_id(&self) -> String {
        let bytes = self.bytes.as_deref().unwrap_or_default();
        let head = &bytes[..bytes.len().min(16 * 1024)];
        String::from_utf8_lossy(head)
            .split("\r\n")
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("message-id"))
            .map_or_else(
                || format!("<{}@{HOST}>", crate::fakes::guid()),
                |(_, id)| id.trim().to_owned(),
            )
    }
}

/// Address and parameters of `FROM:<a@b> SIZE=1`, strictly: angle brackets, no blanks before them.
fn path(rest: &str, keyword: &str) -> Option<(String, Vec<String>)> {
    let head = rest.get(..keyword.len())?;
    let tail = head
        .eq_ignore_ascii_case(keyword)
        .then(|| &rest[keyword.len()..])?;
    let (address, parameters) = tail.strip_prefix('<')?.split_once('>')?;
    if address.contains(['<', ' ', ',']) {
        return None;
    }
    let parameters = parameters
        .split_ascii_whitespace()
        .map(str::to_ascii_uppercase)
        .collect();
    Some((address.to_owned(), parameters))
}
