//! What each command before the login does.

use super::{Device, State};
use crate::{
    Channel, Credentials, Ending,
    ending::stranger,
    imap::{
        arguments,
        capability::BeforeLogin,
        command::{Command, NotUnderstood, Verb},
    },
    sasl::conversation::{self, Conversation, Step},
};

impl Device {
    pub(super) fn run_command(&mut self) {
        let bytes = std::mem::take(&mut self.command);
        let command = match Command::split(&bytes) {
            Ok(command) => command,
            Err(NotUnderstood { tag }) => return self.not_understood(tag, &bytes),
        };
        let (tag, verb) = (command.tag, command.verb);
        let (mechanism, initial) = conversation::split(command.arguments);
        let shown = verb.name();
        match verb {
            Verb::Login => self.wire.heard(format_args!("{tag} {shown} <credentials>")),
            Verb::Authenticate => {
                let response = initial.map_or("", |_| " <credentials>");
                let name = conversation::known_name(mechanism);
                self.wire
                    .heard(format_args!("{tag} {shown} {name}{response}"));
            }
            _ => self.wire.heard(format_args!("{tag} {shown}")),
        }
        match verb {
            Verb::Capability => {
                let list = BeforeLogin {
                    exchange: &self.capabilities,
                    channel: self.channel,
                };
                self.wire.say(format_args!("* CAPABILITY {list}"));
                self.wire.say(format_args!("{tag} OK Done"));
            }
            Verb::Id => {
                self.wire.say(format_args!("* ID (\"name\" \"Portreeve\")"));
                self.wire.say(format_args!("{tag} OK Done"));
            }
            Verb::Noop => self.wire.say(format_args!("{tag} OK Done")),
            Verb::Logout => {
                self.wire.say(format_args!("* BYE Logging out"));
                self.wire.say(format_args!("{tag} OK Done"));
                self.state = State::Closed;
            }
            Verb::StartTls => self.start_tls(tag),
            Verb::Login | Verb::Authenticate if !self.channel.takes_login() => {
                let advice = if self.channel.offers_upgrade() {
                    "Use STARTTLS first"
                } else {
                    "No login is taken on this port without TLS"
                };
                self.wire
                    .say(format_args!("{tag} NO [PRIVACYREQUIRED] {advice}"));
                self.count_bad();
            }
            Verb::Login => match arguments::login(&bytes, command.arguments) {
                Some(credentials) => self.logged_in(tag.to_owned(), credentials),
                None => self.bad(tag, "LOGIN takes a user name and a password"),
            },
            Verb::Authenticate => {
                self.sasl(tag.to_owned(), Conversation::begin(mechanism, initial));
            }
            Verb::AfterLogin(_) => self.bad(tag, "Log in first"),
        }
    }

    fn start_tls(&mut self, tag: &str) {
        if self.channel.offers_upgrade() {
            self.wire.say(format_args!("{tag} OK Begin TLS now"));
            self.state = State::Upgrade { announced: false };
        } else if self.channel == Channel::Encrypted {
            self.bad(tag, "TLS is up already");
        } else {
            self.bad(tag, "TLS is not available on this port");
        }
    }

    pub(super) fn sasl(&mut self, tag: String, step: Step) {
        self.state = State::Command;
        match step {
            Step::Ask(challenge, conversation) => {
                self.wire.say(format_args!("+ {challenge}"));
                self.state = State::Sasl { tag, conversation };
            }
            Step::Done(credentials) => self.logged_in(tag, credentials),
            Step::Cancelled => self.bad(&tag, "Cancelled"),
            Step::Malformed => self.bad(&tag, "That is not what the mechanism asks for"),
            Step::UnknownMechanism => {
                self.wire.say(format_args!(
                    "{tag} NO Use LOGIN, AUTHENTICATE PLAIN or AUTHENTICATE LOGIN"
                ));
                self.count_bad();
            }
        }
    }

    fn logged_in(&mut self, tag: String, credentials: Credentials) {
        if credentials.login.is_empty() || credentials.password().is_empty() {
            return self.deny(
                &tag,
                "AUTHENTICATIONFAILED",
                "The user name or the password is empty",
            );
        }
        self.state = State::Login {
            tag,
            credentials: Some(credentials),
        };
    }

    /// The trace does not repeat the tag: it may be a password typed in the wrong place.
    fn not_understood(&mut self, tag: Option<&str>, bytes: &[u8]) {
        let line = bytes.trim_ascii_end();
        self.wire.heard(format_args!("<{} octets>", line.len()));
        if let Some(protocol) = stranger(line) {
            return self.end(
                Ending::WrongProtocol(protocol, "IMAP"),
                "This is an IMAP server",
            );
        }
        self.wire.say_shown_as(
            format_args!("{} BAD Not understood", tag.unwrap_or("*")),
            format_args!("<tag> BAD Not understood"),
        );
        self.count_bad();
    }

    fn bad(&mut self, tag: &str, text: &str) {
        self.wire.say(format_args!("{tag} BAD {text}"));
        self.count_bad();
    }
}
