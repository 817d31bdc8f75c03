//! The way of a message: from the device's DATA to the exchange's last reply.
//!
//! The exchange hears DATA only when the whole message, or its first part, is here: a device that
//! stalls earlier costs nobody anything. A device that vanishes inside its message, or breaks a
//! limit, never has its final dot sent.

use portreeve_protocols::{
    message::head::Head,
    smtp::{Reply, body::Stuffer, class::Stage},
};
use tokio::time::timeout;

use super::{
    Session,
    envelope::{for_device, session_is_over},
    intake::Intake,
    link::Link,
    transaction::Outcome,
};
use crate::session::scratch;

/// How much of a message is gathered before the exchange hears DATA (design, section 3).
const GATHERED_OCTETS: usize = 256 * 1024;

impl Session<'_> {
    /// Carries the message; `Err` ends the session, and says how for its summary line.
    pub(super) async fn upload(&mut self) -> Result<(), String> {
        let mut intake = Intake::new(self.limits.message_octets);
        intake.feed(&self.device.take_input());
        while !intake.is_complete()
            && intake.is_acceptable()
            && intake.content().len() < GATHERED_OCTETS
        {
            self.read_into(&mut intake).await?;
        }
        let reply = match self.link.take() {
            Some(link) if intake.is_acceptable() => self.send(link, &mut intake).await?,
            link => {
                // Nothing was said upstream yet: the session there stays good for the next message.
                self.link = link;
                None
            }
        };
        let reply = match reply {
            Some(reply) => reply,
            None => self.unsendable(&intake),
        };
        self.swallow(&mut intake).await?;
        self.finish(intake, reply);
        Ok(())
    }

    /// Sends the message over the link; `None` means that the intake was broken on the way.
    async fn send(&mut self, mut link: Link, intake: &mut Intake) -> Result<Option<Reply>, String> {
        match link.data().await {
            Ok(reply) if reply.code == 354 => {}
            Ok(reply) => {
                self.link = Some(link);
                return Ok(Some(reply));
            }
            Err(lost) => return Ok(Some(self.lost(&lost))),
        }
        let mut stuffer = Stuffer::new();
        let mut out = Vec::new();
        let mut head = Head::parse(intake.content());
        stuffer.encode(self.complete(&mut head).as_bytes(), &mut out);
        if let Some(transaction) = &mut self.transaction {
            transaction.message_id(head.message_id.as_deref());
        }
        loop {
            stuffer.encode(intake.content(), &mut out);
            intake.taken();
            if !intake.is_acceptable() {
                // The link is dropped here, and with it the message: its dot is never sent.
                return Ok(None);
            }
            if let Some(early) = link.early_words().await {
                return Ok(Some(early.unwrap_or_else(|lost| self.lost(&lost))));
            }
            if intake.is_complete() {
                break;
            }
            if let Err(lost) = link.write(&out).await {
                return Ok(Some(
                    link.parting_words()
                        .await
                        .unwrap_or_else(|| self.lost(&lost)),
                ));
            }
            out.clear();
            self.read_into(intake).await?;
        }
        stuffer.finish(&mut out);
        let sent = match link.write(&out).await {
            Ok(()) => link.body_sent().await,
            Err(lost) => Err(lost),
        };
        match sent {
            Ok(reply) => {
                self.link = Some(link);
                Ok(Some(reply))
            }
            Err(lost) => Ok(Some(self.lost(&lost))),
        }
    }

    /// Reads what is left of a message that nobody takes any more, so that the device hears why.
    async fn swallow(&mut self, intake: &mut Intake) -> Result<(), String> {
        while !intake.is_complete() {
            intake.taken();
            if intake.octets() > self.limits.message_octets.saturating_mul(2) {
                return Err("the message does not end".to_owned());
            }
            self.read_into(intake).await?;
        }
        Ok(())
    }

    fn finish(&mut self, intake: Intake, reply: Reply) {
        if let Some(mut transaction) = self.transaction.take() {
            transaction.octets(intake.octets());
            transaction.ended(&Outcome::Replied(&reply, Stage::EndOfData));
            self.messages += u32::from(reply.is_positive());
            self.octets += intake.octets();
        }
        if session_is_over(&reply) {
            self.link = None;
        } else if let Some(link) = &mut self.link
            && !reply.is_positive()
        {
            link.leave_unfinished();
        }
        self.device
            .body_ended(&intake.into_rest(), for_device(reply));
    }

    /// What the device hears when its own message is the trouble.
    fn unsendable(&self, intake: &Intake) -> Reply {
        if let Some(why) = intake.bad() {
            return self.refusal(550, &format!("5.6.11 {why}"));
        }
        if intake.is_too_big() {
            let most = self.limits.message_octets / 1_000_000;
            return self.refusal(552, &format!("5.3.4 The message is larger than {most} MB"));
        }
        self.refusal(
            451,
            "4.4.2 The mail server closed the connection; try again",
        )
    }

    /// The header lines that the exchange wants and the device forgot.
    fn complete(&self, head: &mut Head) -> String {
        let domain = self
            .identity
            .as_ref()
            .and_then(|admitted| admitted.mailbox.address.rsplit_once('@'))
            .map_or(self.config.hostname.as_str(), |(_, domain)| domain);
        let date = jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).unwrap_or_default();
        let id = format!("{}.{}@{domain}", self.connection.session, self.messages + 1);
        let lines = head.missing(&date, &id);
        if !head.has_message_id {
            head.message_id = Some(id);
        }
        lines
    }

    async fn read_into(&mut self, intake: &mut Intake) -> Result<(), String> {
        let read = scratch::read_with(&mut self.connection.stream, |bytes| {
            intake.feed(bytes);
            !bytes.is_empty()
        });
        match timeout(self.limits.smtp_data_seconds, read).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the device vanished inside its message".to_owned()),
            Ok(Err(error)) => Err(format!(
                "connection lost inside a message: {}",
                error.kind()
            )),
            Err(_) if intake.saw_odd_end() => {
                Err("the device stalled inside its message: it ended \
                 it with line ends other than CRLF, which end no message (RFC 5321 section 4.1.1.4)"
                    .to_owned())
            }
            Err(_) => Err("the device stalled inside its message".to_owned()),
        }
    }
}
