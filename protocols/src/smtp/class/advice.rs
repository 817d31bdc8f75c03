//! What an admin can do about each class of reply.

use super::{Class, Switch};

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
