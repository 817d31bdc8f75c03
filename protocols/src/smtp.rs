//! SMTP submission (RFC 5321, 6409): the device's side, the exchange's side, and what passes between.
//!
//! # Layout
//! * [`device`]: we are the server; login, envelope, and the moment the body begins.
//! * [`body`]: the body itself, decoded from the device and encoded towards the exchange.
//! * [`exchange`]: we are the client; one authenticated session that carries many messages.
//! * [`command`], [`address`], [`reply`]: the values both sides speak in.
//! * [`class`]: what a reply of the exchange means to an admin.
//!
//! BDAT, BINARYMIME and DSN are not spoken: Exchange Online answers BDAT with an error at times.

pub mod address;
pub mod body;
pub mod class;
pub mod command;
pub mod device;
pub mod exchange;
pub mod reply;

pub use address::Address;
pub use command::{BodyType, Mail};
pub use reply::{Reply, ReplyReader};

/// What a server says it can do, as far as it matters here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abilities {
    /// The largest message in octets (RFC 1870), where the server names one.
    pub size: Option<u64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
}
