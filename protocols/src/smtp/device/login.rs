//! AUTH (RFC 4954), in the forms that devices use.

use super::{Device, Ending, Event, Phase, Question};
use crate::{
    Credentials, Denial, DenialKind,
    sasl::conversation::{Conversation, Step},
};

impl Device {
    /// Answers [`Event::Login`]: the device is in.
    pub fn login_accepted(&mut self) {
        if matches!(self.phase, Phase::Waiting(Question::Login)) {
            self.logged_in = true;
            self.say(235, "2.7.0 Authentication successful");
            self.resume();
        }
    }

    /// Answers [`Event::Login`]: not in, and why.
    pub fn login_refused(&mut self, denial: &Denial) {
        if !matches!(self.phase, Phase::Waiting(Question::Login)) {
            return;
        }
        let text = &denial.text;
        match denial.kind {
            DenialKind::WrongLogin => self.deny(535, &format!("5.7.8 {text}")),
            DenialKind::NeedsAdmin if self.options.needs_admin_is_permanent => {
                self.deny(535, &format!("5.7.8 {text}"));
            }
            DenialKind::NeedsAdmin | DenialKind::TryLater => {
                self.deny(454, &format!("4.7.0 {text}"));
            }
            DenialKind::TooManyFailures => {
                self.dismiss(Ending::Dismissed, &format!("4.7.0 {text}"));
            }
        }
    }

    pub(super) fn auth(&mut self, args: &[u8]) {
        let end = args
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(args.len());
        let (mechanism, initial) = (&args[..end], args[end..].trim_ascii());
        let name = [
            "PLAIN",
            "LOGIN",
            "CRAM-MD5",
            "DIGEST-MD5",
            "NTLM",
            "XOAUTH2",
        ]
        .into_iter()
        .find(|name| mechanism.eq_ignore_ascii_case(name.as_bytes()))
        .unwrap_or("(a mechanism not known here)");
        let response = if initial.is_empty() {
            ""
        } else {
            " <credentials>"
        };
        self.wire.heard(format_args!("AUTH {name}{response}"));
        if self.helo.is_none() {
            self.bad(503, "5.5.1 EHLO comes first");
        } else if self.logged_in {
            self.bad(503, "5.5.1 You are logged in already");
        } else if self.transaction.is_some() {
            self.bad(503, "5.5.1 No login inside a transaction");
        } else if !self.options.channel.takes_login() {
            self.bad(538, "5.7.11 No login is taken without TLS");
        } else if mechanism.is_empty() {
            self.bad(501, "5.5.4 AUTH takes a mechanism: LOGIN or PLAIN");
        } else {
            let initial = (!initial.is_empty()).then_some(initial);
            self.sasl(Conversation::begin(mechanism, initial));
        }
    }

    pub(super) fn sasl_response(&mut self, conversation: Conversation, line: &[u8]) {
        let cancelled = line.trim_ascii() == b"*";
        let shown = if cancelled { "*" } else { "<credentials>" };
        self.wire.heard(format_args!("{shown}"));
        self.sasl(conversation.respond(line));
    }

    fn sasl(&mut self, step: Step) {
        match step {
            // The blank stands there even if the challenge is empty: devices look for it.
            Step::Ask(challenge, conversation) => {
                self.say(334, challenge);
                self.phase = Phase::Sasl(conversation);
            }
            Step::Done(credentials) => self.logs_in(credentials),
            Step::Cancelled => self.bad(501, "5.7.0 The login was cancelled"),
            Step::Malformed => self.bad(501, "5.5.2 That is not what the mechanism asks for"),
            Step::UnknownMechanism => self.bad(504, "5.5.4 Use AUTH LOGIN or AUTH PLAIN"),
        }
    }

    fn logs_in(&mut self, credentials: Credentials) {
        if credentials.login.is_empty() || credentials.password().is_empty() {
            self.deny(535, "5.7.8 The user name or the password is empty");
        } else {
            self.ask(Question::Login, Event::Login(credentials));
        }
    }

    fn deny(&mut self, code: u16, text: &str) {
        self.refused += 1;
        self.say(code, text);
        let limit = self.options.limits.refusals;
        if self.refused >= limit {
            self.phase = Phase::Ended(Ending::TooManyRefusals(limit));
        } else {
            self.resume();
        }
    }
}
