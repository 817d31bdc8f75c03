//! The envelope: MAIL, RCPT and DATA on their way to the exchange, and its replies on their way back.

use portreeve_auth::Admitted;
use portreeve_protocols::smtp::{Reply, address::Address, class::Stage, command::Mail};

use super::{
    Session,
    link::{Link, Lost},
    transaction::{Outcome, Transaction},
};
use crate::{session::login, upstream::Failure};

impl Session<'_> {
    pub(super) async fn mail(&mut self, mail: Mail) {
        let Some(admitted) = self.identity.clone() else {
            return self.device.answer(self.refusal(530, "5.7.0 Log in first"));
        };
        if !self.is_still_allowed(&admitted) {
            let text = "5.7.0 This device may no longer send; ask the administrator";
            return self.device.answer(self.refusal(530, text));
        }
        let mut upstream_mail = mail.clone();
        if upstream_mail.sender.is_none() {
            // Scanners send the null sender by mistake; the exchange refuses it from a mailbox.
            upstream_mail.sender = Address::parse(&admitted.mailbox.address).ok();
        }
        let reply = match self.mail_upstream(&admitted, &upstream_mail).await {
            Ok(reply) => reply,
            Err(failure) => {
                login::log(&failure, &admitted);
                self.refusal(451, &format!("4.7.0 {}", failure.for_device()))
            }
        };
        let transaction = Transaction::new(admitted, upstream_mail.sender);
        if reply.is_positive() {
            self.transaction = Some(transaction);
        } else {
            transaction.ended(&Outcome::Replied(&reply, Stage::Mail));
        }
        self.device.answer(for_device(reply));
    }

    /// A device that was disabled or removed after its login sends nothing more.
    fn is_still_allowed(&self, admitted: &Admitted) -> bool {
        let now = self.context.gate.device(&admitted.device.login);
        now.is_some_and(|device| device.enabled && device.id == admitted.device.id)
    }

    /// Sends MAIL on the link. A link that was opened earlier may have died unseen: then once more
    /// on a fresh one.
    async fn mail_upstream(&mut self, admitted: &Admitted, mail: &Mail) -> Result<Reply, Failure> {
        if let Some(mut link) = self.link.take() {
            match link.mail(mail).await {
                Ok(reply) if !session_is_over(&reply) => {
                    self.link = Some(link);
                    return Ok(reply);
                }
                Ok(_) | Err(Lost(_)) => {}
            }
        }
        let opened = self
            .context
            .upstream
            .open(&admitted.mailbox, self.exchange_wire())
            .await?;
        let mut link = Link::new(opened, &self.limits, self.exchange_wire());
        match link.mail(mail).await {
            Ok(reply) => {
                self.link = Some(link);
                Ok(reply)
            }
            Err(Lost(words)) => Err(Failure::Unreachable {
                server: self
                    .config
                    .mail_servers(&admitted.mailbox.provider)
                    .smtp
                    .to_string(),
                words,
            }),
        }
    }

    pub(super) async fn rcpt(&mut self, recipient: Address) {
        let reply = match &mut self.link {
            Some(link) => match link.rcpt(&recipient).await {
                Ok(reply) => reply,
                Err(lost) => self.lost(&lost),
            },
            None => self.lost(&Lost(
                "the exchange's connection was lost earlier".to_owned(),
            )),
        };
        if let Some(transaction) = &mut self.transaction {
            transaction.recipient(recipient, &reply);
        }
        self.device.answer(for_device(reply));
    }

    pub(super) fn data(&mut self) {
        if self.link.is_some() {
            return self.device.begin_body();
        }
        let reply = self.lost(&Lost(
            "the exchange's connection was lost earlier".to_owned(),
        ));
        self.device.answer(reply);
    }

    /// The connection to the exchange broke inside a transaction.
    pub(super) fn lost(&mut self, lost: &Lost) -> Reply {
        self.link = None;
        tracing::warn!(words = %lost.0, "the exchange's connection was lost inside a transaction");
        self.refusal(
            451,
            "4.4.2 The mail server closed the connection; try again",
        )
    }

    /// RSET, EHLO or QUIT inside a transaction: the exchange forgets it too.
    pub(super) async fn give_up(&mut self, why: &str) {
        let Some(transaction) = self.transaction.take() else {
            return;
        };
        transaction.ended(&Outcome::GivenUp(why));
        if let Some(mut link) = self.link.take()
            && let Ok(reply) = link.reset().await
            && reply.is_positive()
        {
            self.link = Some(link);
        }
    }
}

/// A reply that ends the session with the exchange, whatever command it answers.
pub(super) fn session_is_over(reply: &Reply) -> bool {
    matches!(reply.code, 421 | 530)
}

/// The exchange's reply as the device hears it. 421 would end the device's own session, which is
/// ours to end; the rest of the reply stays as it is.
pub(super) fn for_device(reply: Reply) -> Reply {
    match reply.code {
        421 => Reply { code: 451, ..reply },
        _ => reply,
    }
}
