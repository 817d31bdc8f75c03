//! The vault: seals values so that the database file alone gives nothing away.
//!
//! XChaCha20-Poly1305 with a random nonce. A sealed value is a version byte, the id of the key,
//! the nonce and the ciphertext; table, column and row are authenticated with it, so that a value
//! copied to another place does not open. Rotation of the master key is not done here.

mod key;

use aws_lc_rs::hkdf;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use zeroize::Zeroizing;

use crate::StoreError;
use crate::id::fill_random;

pub use key::{KeyId, KeySource};
pub(crate) use key::{MasterKey, load_or_make};

/// A key derived from the master key; 32 bytes, wiped when dropped.
pub type DerivedKey = SecretBox<[u8; 32]>;

const VERSION: u8 = 1;
const NONCE: usize = 24;
const HEADER: usize = 1 + KeyId::LENGTH + NONCE;
const CIPHER_LABEL: &str = "portreeve vault cipher 1";

/// Where a sealed value lives.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) row: &'a str,
}

/// Seals and opens values, and derives further keys.
pub(crate) struct Vault {
    master: MasterKey,
    cipher: XChaCha20Poly1305,
}

impl Vault {
    pub(crate) fn new(master: MasterKey) -> Self {
        let key = master.derive(CIPHER_LABEL);
        let cipher = XChaCha20Poly1305::new(&Key::from(*key.expose_secret()));
        Self { master, cipher }
    }

    pub(crate) fn key_id(&self) -> KeyId {
        self.master.id()
    }

    pub(crate) fn derive_key(&self, label: &str) -> DerivedKey {
        self.master.derive(label)
    }

    pub(crate) fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE];
        fill_random(&mut nonce);
        let aad = place.bytes();
        let payload = Payload {
            msg: plain,
            aad: &aad,
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| place.unsealable())?;
        Ok([&[VERSION][..], self.key_id().as_bytes(), &nonce, &sealed].concat())
    }

    pub(crate) fn open(
        &self,
        place: Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let (header, ciphertext) = sealed
            .split_at_checked(HEADER)
            .ok_or_else(|| place.unsealable())?;
        let (key_id, nonce) = header[1..].split_at(KeyId::LENGTH);
        if header[0] != VERSION || key_id != self.key_id().as_bytes() {
            return Err(place.unsealable());
        }
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| place.unsealable())?;
        let payload = Payload {
            msg: ciphertext,
            aad: &place.bytes(),
        };
        self.cipher
            .decrypt(&XNonce::from(nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| place.unsealable())
    }

    pub(crate) fn seal_text(
        &self,
        place: Place<'_>,
        text: &SecretString,
    ) -> Result<Vec<u8>, StoreError> {
        self.seal(place, text.expose_secret().as_bytes())
    }

    pub(crate) fn open_text(
        &self,
        place: Place<'_>,
        sealed: &[u8],
    ) -> Result<SecretString, StoreError> {
        let plain = self.open(place, sealed)?;
        let text = str::from_utf8(&plain).map_err(|_| place.unsealable())?;
        Ok(SecretString::from(text))
    }

    /// Like [`Vault::open_text`] for a column that may be NULL.
    pub(crate) fn open_optional(
        &self,
        place: Place<'_>,
        sealed: Option<Vec<u8>>,
    ) -> Result<Option<SecretString>, StoreError> {
        sealed
            .map(|sealed| self.open_text(place, &sealed))
            .transpose()
    }
}

impl Place<'_> {
    /// Unambiguous: names of tables and columns hold no NUL.
    fn bytes(&self) -> Vec<u8> {
        [self.table, "\0", self.column, "\0", self.row]
            .concat()
            .into_bytes()
    }

    fn unsealable(&self) -> StoreError {
        StoreError::Unsealable {
            table: self.table,
            column: self.column,
        }
    }
}

/// HKDF-SHA-256 (RFC 5869) without salt: the master key is uniformly random.
fn expand(master: &[u8; 32], label: &str, out: &mut [u8; 32]) {
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(master);
    let label = [label.as_bytes()];
    let filled = key
        .expand(&label, hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(out));
    assert!(filled.is_ok(), "HKDF gives 32 bytes");
}

#[cfg(test)]
mod tests;
