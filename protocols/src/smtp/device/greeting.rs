//! EHLO, HELO and STARTTLS: who speaks, and over what.

use super::{Device, Ending, Phase, Question};
use crate::{Channel, smtp::Reply};

/// A name is kept for the log; RFC 5321 section 4.5.3.1.2 allows no longer one.
const HELO_CHARS: usize = 255;

impl Device {
    /// TLS is up after [`Action::StartTls`](crate::Action::StartTls); what was said before is
    /// forgotten (RFC 3207 section 4.2).
    pub fn tls_started(&mut self) {
        if matches!(self.phase, Phase::Waiting(Question::Tls)) {
            self.wire.input.clear();
            self.options.channel = Channel::Encrypted;
            self.helo = None;
            self.resume();
        }
    }

    /// EHLO or HELO with any argument, or none: it decides nothing. A login is kept.
    pub(super) fn greet(&mut self, verb: &str, name: &[u8]) {
        let name: String = String::from_utf8_lossy(name)
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .take(HELO_CHARS)
            .collect();
        self.wire.heard(format_args!("{verb} {name}"));
        self.helo = Some(name);
        self.give_up();
        let lines = match verb {
            "EHLO" => self.offers(),
            _ => vec![self.options.hostname.clone()],
        };
        self.reply(&Reply { code: 250, lines });
    }

    fn offers(&self) -> Vec<String> {
        let mut lines = vec![self.options.hostname.clone(), "PIPELINING".into()];
        let abilities = self.options.abilities;
        if let Some(size) = abilities.size {
            lines.push(format!("SIZE {size}"));
        }
        if abilities.eight_bit {
            lines.push("8BITMIME".into());
        }
        if abilities.smtputf8 {
            lines.push("SMTPUTF8".into());
        }
        if self.options.channel.takes_login() {
            lines.push("AUTH LOGIN PLAIN".into());
            if self.options.auth_equals {
                lines.push("AUTH=LOGIN PLAIN".into());
            }
        }
        if self.options.channel.offers_upgrade() {
            lines.push("STARTTLS".into());
        }
        lines.push("ENHANCEDSTATUSCODES".into());
        lines
    }

    pub(super) fn start_tls(&mut self, args: &[u8]) {
        self.wire.heard(format_args!("STARTTLS"));
        if self.options.channel == Channel::Encrypted {
            self.bad(503, "5.5.1 TLS is up already");
        } else if !self.options.channel.offers_upgrade() {
            self.bad(502, "5.5.1 TLS is not available on this port");
        } else if self.logged_in {
            self.bad(503, "5.5.1 Too late for TLS: the login is over");
        } else if !args.is_empty() {
            self.bad(501, "5.5.4 STARTTLS takes no parameters");
        } else if !self.wire.input.is_empty() {
            // Whoever sits in between may have put it there, to be read as if it came over TLS.
            self.wire.input.clear();
            self.say(554, "5.5.1 Nothing may follow STARTTLS before TLS is up");
            self.phase = Phase::Ended(Ending::InputBehindStartTls);
        } else {
            self.give_up();
            self.say(220, "2.0.0 Begin TLS now");
            self.phase = Phase::StartTls;
        }
    }
}
