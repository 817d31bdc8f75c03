//! Trouble that a test orders: what a connection meets at which stage.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The three protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// SMTP submission.
    Smtp,
}

/// Where in a connection's life a reaction strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The TCP connection is there, nothing has been read or written.
    Connection,
    /// In place of the greeting.
    Greeting,
    /// In place of the answer to EHLO or CAPABILITY.
    Hello,
    /// In place of the answer to STARTTLS.
    StartTls,
    /// In place of the verdict on the token.
    Login,
    /// In place of the answer to MAIL.
    Mail,
    /// In place of the answer to RCPT.
    Rcpt,
    /// In place of the answer to DATA.
    Data,
    /// While a message body comes in.
    Body,
    /// In place of the answer to the final dot.
    Dot,
    /// In place of the answer to the first command after an IMAP or POP3 login.
    Command,
}

/// What happens there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// This text in place of the usual one; a tag is put before it where IMAP wants one, unless it
    /// begins with `*` or `+`.
    Say(String),
    /// The same, and then the connection ends.
    SayAndClose(String),
    /// The protocol's usual refusal of a token.
    Refuse,
    /// A challenge with this JSON first, then the usual refusal.
    Challenge(String),
    /// The usual, but late.
    Delay(Duration),
    /// Nothing, ever.
    Hang,
    /// The connection ends without a word.
    Close,
    /// The connection ends when so many octets more have been written, or at [`Stage::Body`] read.
    CloseAfter(usize),
}

impl Reaction {
    /// This text in place of the usual one.
    pub fn say(text: &str) -> Self {
        Self::Say(text.to_owned())
    }

    /// This text, and then the connection ends.
    pub fn say_and_close(text: &str) -> Self {
        Self::SayAndClose(text.to_owned())
    }

    /// The challenge that Gmail and others send before they refuse a token.
    pub fn challenge() -> Self {
        Self::Challenge(
            r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#.to_owned(),
        )
    }
}

/// What was ordered and has not struck yet.
#[derive(Default)]
pub(super) struct Script {
    /// False as long as nothing was ever ordered: a benchmark takes no lock.
    used: AtomicBool,
    orders: Mutex<HashMap<(Protocol, Stage), Orders>>,
}

#[derive(Default)]
struct Orders {
    once: VecDeque<Reaction>,
    always: Option<Reaction>,
}

impl Script {
    pub(super) fn next(&self, protocol: Protocol, stage: Stage, reaction: Reaction) {
        self.orders()
            .entry((protocol, stage))
            .or_default()
            .once
            .push_back(reaction);
        self.used.store(true, Ordering::Release);
    }

    pub(super) fn always(&self, protocol: Protocol, stage: Stage, reaction: Reaction) {
        self.orders().entry((protocol, stage)).or_default().always = Some(reaction);
        self.used.store(true, Ordering::Release);
    }

    pub(super) fn calm(&self) {
        self.orders().clear();
    }

    pub(super) fn take(&self, protocol: Protocol, stage: Stage) -> Option<Reaction> {
        if !self.used.load(Ordering::Acquire) {
            return None;
        }
        let mut orders = self.orders();
        let orders = orders.get_mut(&(protocol, stage))?;
        orders.once.pop_front().or_else(|| orders.always.clone())
    }

    fn orders(&self) -> MutexGuard<'_, HashMap<(Protocol, Stage), Orders>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
