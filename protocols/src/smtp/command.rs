//! The commands of a device, read with the tolerance that old devices need.
//!
//! Whether a command may come now is decided in [`device`](super::device).

use super::Address;

/// A transaction as it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The envelope sender; `None` is `<>`.
    pub sender: Option<Address>,
    /// The announced size in octets (RFC 1870).
    pub size: Option<u64>,
    /// The announced kind of body (RFC 6152).
    pub body: Option<BodyType>,
    /// Whether addresses or headers may hold UTF-8 (RFC 6531).
    pub smtputf8: bool,
}

/// The kind of body that `BODY=` announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyType {
    /// `7BIT`
    SevenBit,
    /// `8BITMIME`
    EightBitMime,
}
