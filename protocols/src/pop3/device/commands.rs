//! What each command before the login does.

use zeroize::Zeroizing;

use super::{Device, State};
use crate::{
    Channel, Credentials, Ending,
    ending::stranger,
    sasl::conversation::{self, Conversation, Step},
};

/// The commands of the transaction state (RFC 1939) and UTF8, LANG (RFC 6856).
const AFTER_LOGIN: [&str; 10] = [
    "STAT", "LIST", "RETR", "DELE", "RSET", "TOP", "UIDL", "LAST", "UTF8", "LANG",
];

impl Device {
    pub(super) fn run_command(&mut self, line: &[u8]) {
        // A password may begin and end with blanks: only one blank separates it from its verb.
        let (verb, argument) = match line.iter().position(|&b| b == b' ') {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line.trim_ascii_end(), None),
        };
        let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
        if is("USER") {
            self.user(argument.unwrap_or_default().trim_ascii());
        } else if is("PASS") {
            self.pass(argument.unwrap_or_default());
        } else if is("AUTH") {
            self.auth(argument.unwrap_or_default().trim_ascii());
        } else if is("CAPA") {
            self.wire.heard(format_args!("CAPA"));
            self.list_capabilities();
        } else if is("STLS") {
            self.wire.heard(format_args!("STLS"));
            self.start_tls();
        } else if is("NOOP") {
            self.wire.heard(format_args!("NOOP"));
            self.wire.say(format_args!("+OK"));
        } else if is("QUIT") {
            self.wire.heard(format_args!("QUIT"));
            self.wire.say(format_args!("+OK Goodbye"));
            self.state = State::Closed;
        } else if is("APOP") {
            self.wire.heard(format_args!("APOP <credentials>"));
            self.bad("APOP is not available; use USER and PASS");
        } else if let Some(name) = AFTER_LOGIN.iter().find(|name| is(name)) {
            self.wire.heard(format_args!("{name}"));
            self.bad("Log in first");
        } else {
            self.not_understood(line);
        }
    }

    fn user(&mut self, name: &[u8]) {
        self.wire.heard(format_args!("USER <credentials>"));
        if name.is_empty() {
            self.bad("USER takes a user name");
        } else if self.may_log_in() {
            self.user = Some(Zeroizing::new(name.to_vec()));
            self.wire.say(format_args!("+OK Now the password"));
        }
    }

    fn pass(&mut self, password: &[u8]) {
        self.wire.heard(format_args!("PASS <credentials>"));
        match self.user.take() {
            _ if !self.may_log_in() => {}
            Some(user) => self.logged_in(Credentials::new(&user, password)),
            None => self.bad("USER comes first"),
        }
    }

    fn auth(&mut self, arguments: &[u8]) {
        if arguments.is_empty() {
            self.wire.heard(format_args!("AUTH"));
            self.wire.say(format_args!("+OK"));
            if self.channel.takes_login() {
                for mechanism in Conversation::MECHANISMS {
                    self.wire.say(format_args!("{mechanism}"));
                }
            }
            return self.wire.say(format_args!("."));
        }
        let (mechanism, initial) = conversation::split(arguments);
        let response = initial.map_or("", |_| " <credentials>");
        let name = conversation::known_name(mechanism);
        self.wire.heard(format_args!("AUTH {name}{response}"));
        if self.may_log_in() {
            self.sasl(Conversation::begin(mechanism, initial));
        }
    }

    pub(super) fn sasl(&mut self, step: Step) {
        self.state = State::Command;
        match step {
            Step::Ask(challenge, conversation) => {
                self.wire.say(format_args!("+ {challenge}"));
                self.state = State::Sasl(conversation);
            }
            Step::Done(credentials) => self.logged_in(credentials),
            Step::Cancelled => self.bad("Cancelled"),
            Step::Malformed => self.bad("That is not what the mechanism asks for"),
            Step::UnknownMechanism => self.bad("Use USER and PASS, AUTH PLAIN or AUTH LOGIN"),
        }
    }

    /// Only what we keep ourselves, and what any POP3 server behind us keeps.
    fn list_capabilities(&mut self) {
        self.wire.say(format_args!("+OK What can be done here"));
        if self.channel.takes_login() {
            self.wire.say(format_args!("USER"));
            let mechanisms = Conversation::MECHANISMS.join(" ");
            self.wire.say(format_args!("SASL {mechanisms}"));
        }
        for line in ["UIDL", "TOP", "RESP-CODES", "AUTH-RESP-CODE"] {
            self.wire.say(format_args!("{line}"));
        }
        if self.channel.offers_upgrade() {
            self.wire.say(format_args!("STLS"));
        }
        self.wire.say(format_args!("."));
    }

    fn start_tls(&mut self) {
        if self.channel.offers_upgrade() {
            self.wire.say(format_args!("+OK Begin TLS now"));
            self.state = State::Upgrade { announced: false };
        } else if self.channel == Channel::Encrypted {
            self.bad("TLS is up already");
        } else {
            self.bad("TLS is not available on this port");
        }
    }

    fn may_log_in(&mut self) -> bool {
        let may = self.channel.takes_login();
        if !may {
            self.bad(if self.channel.offers_upgrade() {
                "Use STLS first"
            } else {
                "No login is taken on this port without TLS"
            });
        }
        may
    }

    fn logged_in(&mut self, credentials: Credentials) {
        if credentials.login.is_empty() || credentials.password().is_empty() {
            return self.deny("AUTH", "The user name or the password is empty");
        }
        self.state = State::Login(Some(credentials));
    }

    fn not_understood(&mut self, line: &[u8]) {
        self.wire.heard(format_args!("<{} octets>", line.len()));
        match stranger(line) {
            Some(protocol) => self.end(
                Ending::WrongProtocol(protocol, "POP3"),
                "This is a POP3 server",
            ),
            None => self.bad("Not understood"),
        }
    }
}
