//! Row ids: random text made by us before the insert.
//!
//! Before, because a sealed value is bound to the id of its row. Text, because both databases
//! and the command line like it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand;

/// 80 bits: no two rows of one store will ever meet.
const RANDOM_BYTES: usize = 10;
/// Base 32 without the look-alikes i, l, o and u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// A new random id.
            pub fn random() -> Self {
                Self(random_text().into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(
    /// Names one grant.
    GrantId
);
id!(
    /// Names one mailbox.
    MailboxId
);
id!(
    /// Names one device.
    DeviceId
);
id!(
    /// Names one sign-in.
    SignInId
);

fn random_text() -> String {
    let mut bytes = [0; RANDOM_BYTES];
    fill_random(&mut bytes);
    let mut bits = 0_u32;
    let mut held = 0;
    let mut text = String::with_capacity(RANDOM_BYTES * 8 / 5);
    for byte in bytes {
        bits = bits << 8 | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(ALPHABET[(bits >> held & 31) as usize]));
        }
    }
    text
}

/// Random bytes of the system; a system without any must not go on.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    assert!(
        rand::fill(bytes).is_ok(),
        "the operating system gives no random bytes"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sixteen_plain_letters_and_differ() {
        let (a, b) = (GrantId::random(), GrantId::random());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 16);
        assert!(a.as_str().bytes().all(|c| ALPHABET.contains(&c)));
    }
}
