//! MAIL, RCPT, DATA and the way into the body and out of it.

use super::{Device, Ending, Event, Phase, Question, Transaction};
use crate::smtp::{
    Address, Reply,
    command::{self, BadArguments},
};

impl Device {
    /// Answers [`Event::Mail`] and [`Event::Rcpt`], or refuses [`Event::Data`], which ends the
    /// transaction. A 421 ends the session.
    #[expect(clippy::needless_pass_by_value, reason = "an answer is given away")]
    pub fn answer(&mut self, reply: Reply) {
        let Phase::Waiting(question) = self.phase else {
            return;
        };
        match question {
            Question::Mail { smtputf8 } if reply.is_positive() => {
                self.transaction = Some(Transaction {
                    smtputf8,
                    recipients: 0,
                });
            }
            Question::Rcpt if reply.is_positive() => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients += 1;
                }
            }
            Question::Data => self.transaction = None,
            Question::Mail { .. } | Question::Rcpt => {}
            Question::Login | Question::Body | Question::Tls => return,
        }
        self.pass_on(&reply);
        if question == Question::Data {
            self.expect_no_body();
        }
    }

    /// Answers [`Event::Data`]: `354` goes out, then [`Event::Body`] comes.
    pub fn begin_body(&mut self) {
        if matches!(self.phase, Phase::Waiting(Question::Data)) {
            self.say(354, "Send the message, then a dot on a line by itself");
            self.ask(Question::Body, Event::Body);
        }
    }

    /// The octets of the body that came together with the DATA command.
    pub fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.wire.input).into_rest()
    }

    /// Ends the body: `rest` was read behind it and belongs to the dialogue again. A 421 ends the
    /// session.
    #[expect(clippy::needless_pass_by_value, reason = "an answer is given away")]
    pub fn body_ended(&mut self, rest: &[u8], reply: Reply) {
        if !matches!(self.phase, Phase::Waiting(Question::Body)) {
            return;
        }
        self.wire.heard(format_args!("(the message)"));
        self.wire.input.push(rest);
        self.transaction = None;
        if reply.is_positive() {
            self.bad = 0;
        }
        self.pass_on(&reply);
    }

    pub(super) fn mail(&mut self, args: &[u8]) {
        let mail = match command::mail(args) {
            Ok(mail) => mail,
            Err(why) => {
                self.wire.heard(format_args!("MAIL (not understood)"));
                return self.unfit(why, "5.1.7");
            }
        };
        self.wire.heard(format_args!("{}", mail.strict()));
        let ascii = mail.sender.as_ref().is_none_or(Address::is_ascii);
        let abilities = self.options.abilities;
        if self.helo.is_none() {
            self.bad(503, "5.5.1 EHLO comes first");
        } else if !self.is_admitted() {
            self.bad(530, self.login_first());
        } else if self.transaction.is_some() {
            self.bad(503, "5.5.1 The transaction has a sender already");
        } else if mail.smtputf8 && !abilities.smtputf8 {
            self.bad(550, "5.6.7 SMTPUTF8 is not offered");
        } else if !ascii && !mail.smtputf8 {
            self.bad(553, "5.6.7 This address needs SMTPUTF8");
        } else if let (Some(size), Some(limit)) = (mail.size, abilities.size)
            && limit > 0
            && size > limit
        {
            self.say(
                552,
                &format!("5.3.4 The message is larger than {limit} octets"),
            );
        } else {
            let smtputf8 = mail.smtputf8;
            self.ask(Question::Mail { smtputf8 }, Event::Mail(mail));
        }
    }

    pub(super) fn rcpt(&mut self, args: &[u8]) {
        let recipient = match command::rcpt(args) {
            Ok(recipient) => recipient,
            Err(why) => {
                self.wire.heard(format_args!("RCPT (not understood)"));
                return self.unfit(why, "5.1.3");
            }
        };
        self.wire.heard(format_args!("RCPT TO:<{recipient}>"));
        match &self.transaction {
            None if !self.is_admitted() => self.bad(530, self.login_first()),
            None => self.bad(503, "5.5.1 MAIL comes first"),
            Some(transaction) if transaction.recipients >= self.options.limits.recipients => {
                self.say(452, "4.5.3 Too many recipients");
            }
            Some(transaction) if !transaction.smtputf8 && !recipient.is_ascii() => {
                self.bad(553, "5.6.7 This address needs SMTPUTF8");
            }
            Some(_) => self.ask(Question::Rcpt, Event::Rcpt(recipient)),
        }
    }

    pub(super) fn data(&mut self, args: &[u8]) {
        self.wire.heard(format_args!("DATA"));
        match &self.transaction {
            None if !self.is_admitted() => self.bad(530, self.login_first()),
            None => self.bad(503, "5.5.1 MAIL comes first"),
            Some(transaction) if transaction.recipients == 0 => {
                self.bad(503, "5.5.1 RCPT comes first");
            }
            Some(_) if !args.is_empty() => self.bad(501, "5.5.4 DATA takes no parameters"),
            Some(_) => return self.ask(Question::Data, Event::Data),
        }
        self.expect_no_body();
    }

    /// DATA was refused. RFC 2920 section 3.1 has nothing follow it in the same packet; if something
    /// does, it is a body, and no line of a body must ever be read as a command.
    fn expect_no_body(&mut self) {
        if !self.wire.input.is_empty() && matches!(self.phase, Phase::Command) {
            self.wire.input.clear();
            self.phase = Phase::Ended(Ending::InputBehindData);
        }
    }

    fn pass_on(&mut self, reply: &Reply) {
        self.reply(reply);
        if reply.code == 421 {
            self.phase = Phase::Ended(Ending::Dismissed);
        } else {
            self.resume();
        }
    }

    /// Before the login the arguments do not matter, so that a device without a password is told
    /// about that first.
    fn unfit(&mut self, why: BadArguments, of_address: &str) {
        if !self.is_admitted() {
            return self.bad(530, self.login_first());
        }
        match why {
            BadArguments::Address(_) => self.bad(501, &format!("{of_address} {why}")),
            BadArguments::UnknownParameter => self.bad(555, &format!("5.5.4 {why}")),
            BadArguments::Syntax | BadArguments::Value => self.bad(501, &format!("5.5.4 {why}")),
        }
    }

    fn login_first(&self) -> &'static str {
        let channel = self.options.channel;
        if channel.offers_upgrade() && !channel.takes_login() {
            "5.7.0 Must issue a STARTTLS command first"
        } else {
            "5.7.0 Authentication required"
        }
    }
}
