//! What a reply of the exchange means, and what an admin can do about it.
//!
//! Texts and codes are Exchange Online's where it has its own; what is done about a class is
//! decided by whoever asks.

use super::Reply;

/// What the reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The banner, EHLO or STARTTLS.
    Hello,
    /// AUTH.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The end of the body.
    Body,
}

/// Where SMTP AUTH is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// For the whole tenant.
    Tenant,
    /// For this mailbox.
    Mailbox,
}

/// What a reply means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Done.
    Accepted,
    /// Something that passes by itself.
    Temporary,
    /// Something that does not.
    Permanent,
    /// The token was not accepted.
    TokenRefused,
    /// The token is good, a policy or a missing right stands against it.
    AccessDenied,
    /// The admin's switch for SMTP AUTH is off; it governs OAuth too.
    SmtpAuthDisabled(Switch),
    /// The session is not logged in (any more).
    NotAuthenticated,
    /// More sessions than the mailbox may have at once.
    Concurrency,
    /// Too much in too short a time.
    Throttled,
    /// The mailbox may not send as this sender.
    SendAsDenied,
    /// The message is too large.
    Size,
    /// The mailbox has sent its share for the day.
    SubmissionQuota,
    /// The mailbox is full.
    MailboxFull,
    /// More recipients than a message or a day may have.
    TooManyRecipients,
    /// The sender, the tenant or the address is blocked.
    Blocked,
    /// The message or its envelope is malformed.
    Malformed,
    /// The connection is not protected as the server wants it.
    OldTls,
    /// A connector or a region is wrong: this is no client submission.
    WrongRoute,
}

/// Finds out what a reply means.
pub fn classify(stage: Stage, reply: &Reply) -> Class {
    let _ = stage;
    if reply.is_positive() {
        Class::Accepted
    } else if reply.is_temporary() {
        Class::Temporary
    } else {
        Class::Permanent
    }
}

impl Class {
    /// One sentence for the admin.
    pub fn advice(&self) -> Option<&'static str> {
        None
    }
}
