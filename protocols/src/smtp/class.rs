//! What a reply of the exchange means, and what an admin can do about it.
//!
//! Codes and texts are Exchange Online's, with Gmail's where they differ. What is done about a
//! class is decided by whoever asks.

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

impl Class {
    /// One sentence for the admin.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::Accepted | Self::Temporary | Self::Permanent => return None,
            Self::TokenRefused => {
                "The token was not accepted: check that the app registration has the permission \
                 SMTP.Send and that the account signed in may use this mailbox, then sign in again."
            }
            Self::AccessDenied => {
                "A policy stands against this login: check Conditional Access, security defaults \
                 and the mailbox's authentication policy."
            }
            Self::SmtpAuthDisabled(Switch::Tenant) => {
                "SMTP AUTH is off for the organisation: switch it on for this mailbox with \
                 `Set-CASMailbox MAILBOX -SmtpClientAuthenticationDisabled $false`, or for all with \
                 `Set-TransportConfig -SmtpClientAuthenticationDisabled $false`."
            }
            Self::SmtpAuthDisabled(Switch::Mailbox) => {
                "SMTP AUTH is off for this mailbox: \
                 `Set-CASMailbox MAILBOX -SmtpClientAuthenticationDisabled $false` switches it on."
            }
            Self::NotAuthenticated => {
                "The server no longer knew the session's login; the next message logs in again."
            }
            Self::Concurrency => {
                "More than three sessions send as this mailbox at once: use more mailboxes, or end \
                 what else logs in to it."
            }
            Self::Throttled => {
                "The server asks for a pause: a mailbox may send 30 messages a minute."
            }
            Self::SendAsDenied => {
                "The sender is not the mailbox: set the mailbox's address as sender on the device, \
                 or grant the mailbox Send As for the other address."
            }
            Self::Size => {
                "The message is larger than the mailbox may send: scan with less resolution, or \
                 raise `Set-Mailbox MAILBOX -MaxSendSize`."
            }
            Self::SubmissionQuota => {
                "The mailbox has reached its recipients for 24 hours (10,000): use more mailboxes, \
                 or wait."
            }
            Self::MailboxFull => {
                "The mailbox is full: empty it, its Sent Items above all, or raise its quota."
            }
            Self::TooManyRecipients => {
                "The message has too many recipients: send it in parts, or raise \
                 `Set-Mailbox MAILBOX -RecipientLimits` (at most 1000)."
            }
            Self::Blocked => {
                "The sender or the tenant is blocked for what it sent: see the restricted entities \
                 at security.microsoft.com."
            }
            Self::Malformed => {
                "The message or an address in it is malformed: look at the addresses that the \
                 device has stored."
            }
            Self::OldTls => {
                "The server wants TLS 1.2 or newer: something between here and there, such as a \
                 TLS inspection, speaks an older version."
            }
            Self::WrongRoute => {
                "The server takes this for mail from outside: client submission goes to \
                 smtp.office365.com, port 587."
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Class::*, Stage::*, *};

    #[test]
    fn replies_as_they_were_seen() {
        for (stage, code, text, class) in SEEN {
            let reply = Reply::new(*code, text);
            let found = classify(*stage, &reply);
            assert_eq!(found, *class, "{code} {text}");
            let says_it_all = matches!(found, Accepted | Temporary | Permanent);
            assert_eq!(found.advice().is_none(), says_it_all, "{found:?}");
        }
    }

    const SEEN: &[(Stage, u16, &str, Class)] = &[
        (Mail, 250, "2.1.0 Sender OK", Accepted),
        (
            Data,
            354,
            "Start mail input; end with <CRLF>.<CRLF>",
            Accepted,
        ),
        (
            Auth,
            535,
            "5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]",
            TokenRefused,
        ),
        (
            Auth,
            535,
            "5.7.8 Username and Password not accepted.",
            TokenRefused,
        ),
        (Auth, 535, "authentication failed", TokenRefused),
        (Auth, 501, "5.5.124 Invalid XOAUTH2 auth data", TokenRefused),
        (
            Auth,
            535,
            "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the \
                 Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.",
            SmtpAuthDisabled(Switch::Tenant),
        ),
        (
            Auth,
            535,
            "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the \
                 Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information.",
            SmtpAuthDisabled(Switch::Mailbox),
        ),
        (
            Auth,
            535,
            "5.7.139 Authentication unsuccessful, the request did not meet the criteria to be \
                 authenticated successfully. Contact your administrator.",
            AccessDenied,
        ),
        (
            Auth,
            550,
            "5.7.30 Basic authentication is not supported for Client Submission",
            AccessDenied,
        ),
        (
            Auth,
            454,
            "4.7.0 Too many login attempts, please try again later.",
            Throttled,
        ),
        (
            Auth,
            454,
            "4.7.0 Temporary authentication failure",
            Temporary,
        ),
        (
            EndOfData,
            432,
            "4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending",
            Concurrency,
        ),
        (
            EndOfData,
            432,
            "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
            Concurrency,
        ),
        (Auth, 432, "busy", Concurrency),
        (
            Mail,
            530,
            "5.7.57 Client not authenticated to send mail",
            NotAuthenticated,
        ),
        (
            Mail,
            550,
            "5.7.60 SMTP; Client does not have permissions to send as this sender",
            SendAsDenied,
        ),
        (
            EndOfData,
            554,
            "5.2.252 SendAsDenied; a@x not allowed to send as b@x; STOREDRV.Submission",
            SendAsDenied,
        ),
        (
            EndOfData,
            554,
            "5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
            SendAsDenied,
        ),
        (
            EndOfData,
            554,
            "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
            SubmissionQuota,
        ),
        (
            EndOfData,
            554,
            "5.2.2 Submission quota exceeded",
            SubmissionQuota,
        ),
        (
            EndOfData,
            554,
            "5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException",
            MailboxFull,
        ),
        (
            Mail,
            552,
            "5.3.4 Message size exceeds fixed maximum message size",
            Size,
        ),
        (
            EndOfData,
            554,
            "5.2.0 STOREDRV.Submission.Exception:MessageSubmissionExceededException.MapiExceptionMaxSubmissionExceeded",
            Size,
        ),
        (Rcpt, 452, "4.5.3 Too many recipients", TooManyRecipients),
        (
            Rcpt,
            550,
            "5.5.3 RESOLVER.ADR.RecipLimit",
            TooManyRecipients,
        ),
        (
            Mail,
            550,
            "5.1.8 Access denied, bad outbound sender",
            Blocked,
        ),
        (
            EndOfData,
            550,
            "5.7.705 Access denied, tenant has exceeded threshold",
            Blocked,
        ),
        (
            EndOfData,
            550,
            "5.6.11 Invalid characters: bare LF",
            Malformed,
        ),
        (Mail, 501, "5.1.7 Invalid address", Malformed),
        (
            Hello,
            421,
            "4.7.66 TLS 1.0 and 1.1 are not supported.",
            OldTls,
        ),
        (
            Rcpt,
            451,
            "4.7.500 Server busy. Please try again later",
            Throttled,
        ),
        (
            Rcpt,
            451,
            "4.7.500 Access denied, please try again later",
            Throttled,
        ),
        (
            Rcpt,
            451,
            "4.4.62 Mail sent to the wrong Office 365 region.",
            WrongRoute,
        ),
        (Mail, 421, "4.3.2 Service not available", Temporary),
        (Rcpt, 550, "5.1.1 User unknown", Permanent),
        (
            Auth,
            504,
            "5.7.4 Unrecognized authentication type",
            Permanent,
        ),
    ];
}
