//! What a reply of the exchange means, and what an admin can do about it.
//!
//! Codes and texts are Exchange Online's, with Gmail's where they differ. What is done about a
//! class is decided by whoever asks.

mod advice;

#[cfg(test)]
mod tests;

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
    EndOfData,
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
    /// More recipients than a message may have.
    TooManyRecipients,
    /// The sender, the tenant or our address is blocked.
    Blocked,
    /// The message or its envelope is malformed.
    Malformed,
    /// TLS below 1.2 somewhere on the way.
    OldTls,
    /// A connector or a region is wrong: this is no client submission.
    WrongRoute,
}

/// Finds out what a reply means.
pub fn classify(stage: Stage, reply: &Reply) -> Class {
    if reply.is_positive() {
        return Class::Accepted;
    }
    let words = reply.words().to_ascii_lowercase();
    by_words(&words)
        .or_else(|| by_enhanced(reply.enhanced()?))
        .or_else(|| by_code(stage, reply.code))
        .unwrap_or(if reply.is_temporary() {
            Class::Temporary
        } else {
            Class::Permanent
        })
}

/// Texts that say more than their codes, most telling first.
fn by_words(words: &str) -> Option<Class> {
    let says = |any: &[&str]| any.iter().any(|text| words.contains(text));
    if says(&["smtpclientauthentication is disabled for the tenant"]) {
        Some(Class::SmtpAuthDisabled(Switch::Tenant))
    } else if says(&["smtpclientauthentication is disabled for the mailbox"]) {
        Some(Class::SmtpAuthDisabled(Switch::Mailbox))
    } else if says(&["concurrent connections limit", "sender thread limit"]) {
        Some(Class::Concurrency)
    } else if says(&["sendasdenied"]) {
        Some(Class::SendAsDenied)
    } else if says(&["submissionquotaexceeded", "submission quota exceeded"]) {
        Some(Class::SubmissionQuota)
    } else if says(&["maxsubmissionexceeded", "messagesubmissionexceeded"]) {
        Some(Class::Size)
    } else if says(&["quotaexceededexception", "mailbox full"]) {
        Some(Class::MailboxFull)
    } else if says(&["too many recipients", "reciplimit"]) {
        Some(Class::TooManyRecipients)
    } else if says(&["throttl", "too many login attempts", "server busy"]) {
        Some(Class::Throttled)
    } else {
        None
    }
}

fn by_enhanced(code: (u8, u16, u16)) -> Option<Class> {
    Some(match code {
        (5, 7, 3 | 8) | (5, 5, 124) => Class::TokenRefused,
        (5, 7, 30 | 139) => Class::AccessDenied,
        (5, 7, 57) => Class::NotAuthenticated,
        (5, 7, 60) | (5, 2, 252) => Class::SendAsDenied,
        (5, 1, 8) | (5, 7, 501..=503 | 511 | 705 | 708) => Class::Blocked,
        (5, 7, 506 | 512) | (5, 6, _) | (5, 1, 3 | 7) => Class::Malformed,
        (5, 2, 2) => Class::MailboxFull,
        (5, 3, 4) | (5, 2, 3) => Class::Size,
        (_, 5, 3) => Class::TooManyRecipients,
        (4 | 5, 7, 66 | 67) => Class::OldTls,
        (4, 4, 62) | (5, 7, 64) => Class::WrongRoute,
        // 4.7.28 is Gmail's.
        (4, 7, 28 | 500..=699) => Class::Throttled,
        _ => return None,
    })
}

fn by_code(stage: Stage, code: u16) -> Option<Class> {
    match (stage, code) {
        (_, 432) => Some(Class::Concurrency),
        (Stage::Auth, 535) => Some(Class::TokenRefused),
        (Stage::Auth, 530 | 534 | 538 | 550 | 554) => Some(Class::AccessDenied),
        (Stage::Mail | Stage::Rcpt | Stage::Data | Stage::EndOfData, 530) => {
            Some(Class::NotAuthenticated)
        }
        (Stage::Mail | Stage::Data | Stage::EndOfData, 552) => Some(Class::Size),
        (Stage::Mail | Stage::Rcpt, 501 | 553 | 555) => Some(Class::Malformed),
        _ => None,
    }
}
