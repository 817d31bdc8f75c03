//! The configured limits as the gate and each dialogue want them.

use portreeve_auth::GateLimits;
use portreeve_protocols::{imap, pop3, smtp};

use crate::config::Limits;

impl Limits {
    pub(crate) fn gate(&self) -> GateLimits {
        GateLimits {
            failure_delay: self.failure_delay_seconds,
            failure_memory: self.failure_memory_seconds,
            failures_per_peer: count(self.failures_per_peer),
            peer_memory: self.failure_peer_memory_seconds,
            hash_queue: self.password_queue,
            ..GateLimits::default()
        }
    }

    pub(super) fn imap_device(&self) -> imap::device::Limits {
        imap::device::Limits {
            line_octets: self.line_octets,
            literal_octets: self.literal_octets,
            login_octets: octets(self.login_octets),
            bad_commands: count(self.bad_commands),
            refusals: count(self.login_attempts),
        }
    }

    pub(super) fn pop3_device(&self) -> pop3::device::Limits {
        pop3::device::Limits {
            line_octets: self.line_octets,
            login_octets: octets(self.login_octets),
            bad_commands: count(self.bad_commands),
            refusals: count(self.login_attempts),
        }
    }

    pub(super) fn smtp_device(&self) -> smtp::device::Limits {
        smtp::device::Limits {
            line_octets: self.smtp_line_octets,
            sasl_octets: self.sasl_octets,
            login_octets: octets(self.login_octets),
            refusals: count(self.login_attempts),
            recipients: self.recipients_per_message,
            bad_commands: count(self.bad_commands),
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn octets(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
