//! A device password on its way between a person and the gate.
//!
//! The one secret that is serialised: a generated password is shown once to the person who asked for
//! it, over the 0600 socket or in the same process. It is never logged and has no `Display`.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest password that is taken, in bytes; the gate's limit, said in better words before it.
pub(crate) const MAX_PASSWORD: usize = 256;

/// A password that is wiped when dropped and hidden from `Debug`.
#[derive(Debug, Clone)]
pub(crate) struct Password(SecretString);

impl Password {
    /// The password itself, to be shown or handed to the gate.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<SecretString> for Password {
    fn from(text: SecretString) -> Self {
        Self(text)
    }
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_from_debug_and_whole_on_the_wire() {
        let password = Password::from("hunter2".to_owned());
        assert!(!format!("{password:?}").contains("hunter2"));
        let json = serde_json::to_string(&password).unwrap();
        assert_eq!(json, "\"hunter2\"");
        let back: Password = serde_json::from_str(&json).unwrap();
        assert_eq!(back.expose(), "hunter2");
    }
}
