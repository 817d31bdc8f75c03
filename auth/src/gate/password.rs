//! Generated passwords: made to be typed on a printer's panel, checked fast.

use aws_lc_rs::hmac;
use aws_lc_rs::rand;
use portreeve_state::DerivedKey;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// 20 of 31 characters are 99 bits: a fast hash under a secret key is enough.
const LENGTH: usize = 20;

/// Lower case and digits, which no panel hides behind a shift key, without 0 o, 1 l i.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// The key that generated passwords are hashed under.
pub(crate) struct Generated(hmac::Key);

impl Generated {
    pub(crate) fn new(key: &DerivedKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret()))
    }

    /// A new password, and what is stored of it. `None`: the system gives no random bytes.
    pub(crate) fn generate(&self) -> Option<(SecretString, [u8; 32])> {
        let password = password()?;
        let tag = hmac::sign(&self.0, password.expose_secret().as_bytes());
        Some((password, tag.as_ref().try_into().ok()?))
    }

    /// In constant time; a missing tag costs the same and never fits.
    pub(crate) fn verify(&self, tag: Option<&[u8; 32]>, password: &[u8]) -> bool {
        let fits = hmac::verify(&self.0, password, tag.unwrap_or(&[0; 32])).is_ok();
        fits && tag.is_some()
    }
}

fn password() -> Option<SecretString> {
    /// Bytes from here on would make some characters likelier.
    const FAIR: u8 = 248;
    const _: () = assert!((FAIR as usize).is_multiple_of(ALPHABET.len()));
    let mut text = String::with_capacity(LENGTH);
    let mut bytes = Zeroizing::new([0; 2 * LENGTH]);
    while text.len() < LENGTH {
        rand::fill(bytes.as_mut()).ok()?;
        let fair = bytes.iter().filter(|byte| **byte < FAIR);
        for byte in fair.take(LENGTH - text.len()) {
            text.push(char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        }
    }
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Generated {
        Generated::new(&DerivedKey::new(Box::new([byte; 32])))
    }

    #[test]
    fn a_password_can_be_typed_on_a_panel() {
        let (one, _) = key(1).generate().unwrap();
        let (two, _) = key(1).generate().unwrap();
        assert_ne!(one.expose_secret(), two.expose_secret());
        assert_eq!(one.expose_secret().len(), 20);
        for c in one.expose_secret().chars() {
            assert!(c.is_ascii_lowercase() || c.is_ascii_digit());
            assert!(!"0o1li".contains(c));
        }
    }

    #[test]
    fn only_the_right_password_under_the_right_key_fits() {
        let (password, tag) = key(1).generate().unwrap();
        let password = password.expose_secret().as_bytes();
        assert!(key(1).verify(Some(&tag), password));
        assert!(!key(2).verify(Some(&tag), password));
        assert!(!key(1).verify(Some(&tag), &password[1..]));
        assert!(!key(1).verify(None, password));
        assert!(!key(1).verify(Some(&tag), b""));
    }
}
