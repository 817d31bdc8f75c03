//! PLAIN and LOGIN step by step, as a server asks for them in any protocol.
//!
//! It knows base64 and prompts, not how a protocol writes a continuation or a failure.

use zeroize::Zeroizing;

use super::server::{self, PASSWORD_PROMPT, USERNAME_PROMPT};
use crate::Credentials;

/// A login by SASL that waits for the device's next response.
pub struct Conversation {
    awaiting: Awaiting,
}

enum Awaiting {
    Plain,
    Username,
    Password { username: Zeroizing<Vec<u8>> },
}

/// What comes after a command or a response.
#[derive(Debug)]
pub enum Step {
    /// Send this challenge (base64, perhaps empty), then hand the response to the conversation.
    Ask(&'static str, Conversation),
    /// The device has said who it is.
    Done(Credentials),
    /// The device broke off with `*`.
    Cancelled,
    /// The response is not what the mechanism asks for.
    Malformed,
    /// The mechanism is not one of ours.
    UnknownMechanism,
}

impl Conversation {
    /// The mechanisms taken, in the order they are offered.
    pub const MECHANISMS: [&'static str; 2] = ["PLAIN", "LOGIN"];

    /// Begins with what the device's command says; mechanism names match without case.
    pub fn begin(mechanism: &[u8], initial: Option<&[u8]>) -> Step {
        let (challenge, awaiting) = if mechanism.eq_ignore_ascii_case(b"PLAIN") {
            ("", Awaiting::Plain)
        } else if mechanism.eq_ignore_ascii_case(b"LOGIN") {
            (USERNAME_PROMPT, Awaiting::Username)
        } else {
            return Step::UnknownMechanism;
        };
        let conversation = Self { awaiting };
        match initial {
            Some(response) => conversation.respond(response),
            None => Step::Ask(challenge, conversation),
        }
    }

    /// Goes on with one response, still in base64.
    pub fn respond(self, response: &[u8]) -> Step {
        if response.trim_ascii() == b"*" {
            return Step::Cancelled;
        }
        let Ok(response) = server::decode(response) else {
            return Step::Malformed;
        };
        match self.awaiting {
            Awaiting::Plain => server::plain(&response).map_or(Step::Malformed, Step::Done),
            Awaiting::Username if response.is_empty() => Step::Malformed,
            Awaiting::Username => Step::Ask(
                PASSWORD_PROMPT,
                Self {
                    awaiting: Awaiting::Password { username: response },
                },
            ),
            Awaiting::Password { username } => Step::Done(Credentials::new(&username, &response)),
        }
    }
}

/// The mechanism and the initial response out of an AUTH or AUTHENTICATE command's arguments.
pub fn split(arguments: &[u8]) -> (&[u8], Option<&[u8]>) {
    let arguments = arguments.trim_ascii();
    match arguments.iter().position(|&b| b == b' ') {
        Some(at) => (&arguments[..at], Some(arguments[at..].trim_ascii())),
        None => (arguments, None),
    }
}

/// A mechanism's name for the trace, where it is a name that clients know: anything else may be a
/// password in the wrong place.
pub fn known_name(mechanism: &[u8]) -> &'static str {
    [
        "PLAIN",
        "LOGIN",
        "XOAUTH2",
        "OAUTHBEARER",
        "CRAM-MD5",
        "DIGEST-MD5",
        "NTLM",
        "GSSAPI",
        "EXTERNAL",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "APOP",
        "MSN",
    ]
    .into_iter()
    .find(|name| name.as_bytes().eq_ignore_ascii_case(mechanism))
    .unwrap_or("<unknown>")
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.awaiting {
            Awaiting::Plain => "Conversation(PLAIN)",
            Awaiting::Username => "Conversation(LOGIN, user name)",
            Awaiting::Password { .. } => "Conversation(LOGIN, password)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_in_one_step_and_in_two() {
        let expected = Credentials::new(b"u", b"p");
        assert!(matches!(
            Conversation::begin(b"plain", Some(b"AHUAcA==")),
            Step::Done(c) if c == expected
        ));
        let Step::Ask("", waiting) = Conversation::begin(b"PLAIN", None) else {
            panic!("an empty challenge");
        };
        assert!(matches!(waiting.respond(b"AHUAcA"), Step::Done(c) if c == expected));
    }

    #[test]
    fn login_asks_for_what_is_missing() {
        let Step::Ask(USERNAME_PROMPT, waiting) = Conversation::begin(b"LOGIN", None) else {
            panic!("the user name is asked for");
        };
        let Step::Ask(PASSWORD_PROMPT, waiting) = waiting.respond(b"dQ==") else {
            panic!("the password is asked for");
        };
        assert!(matches!(waiting.respond(b"cA=="), Step::Done(c) if c.password() == b"p"));
        assert!(matches!(
            Conversation::begin(b"LOGIN", Some(b"dQ==")),
            Step::Ask(PASSWORD_PROMPT, _)
        ));
    }

    #[test]
    fn cancelled_malformed_unknown() {
        let Step::Ask(_, waiting) = Conversation::begin(b"PLAIN", None) else {
            panic!("a challenge");
        };
        assert!(matches!(waiting.respond(b"*"), Step::Cancelled));
        assert!(matches!(
            Conversation::begin(b"PLAIN", Some(b"AHU")),
            Step::Malformed
        ));
        assert!(matches!(
            Conversation::begin(b"XOAUTH2", None),
            Step::UnknownMechanism
        ));
        assert_eq!(split(b"PLAIN"), (&b"PLAIN"[..], None));
        assert_eq!(split(b" plain  = "), (&b"plain"[..], Some(&b"="[..])));
        assert_eq!(known_name(b"xoauth2"), "XOAUTH2");
        assert_eq!(known_name(b"s3cret"), "<unknown>");
    }
}
