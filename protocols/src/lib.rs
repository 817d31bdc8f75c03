//! What is said: the mail protocols as values.
//!
//! Bytes go in, bytes and events come out; whoever drives a dialogue owns the socket, the clock and
//! the decision. Nothing here does I/O, reads a clock, asks for randomness or knows where a token
//! comes from.
//!
//! # Layout
//! * [`dialogue`]: the shape that all six conversations share.
//! * [`imap`], [`pop3`], [`smtp`]: for each protocol a `device` side (we are the server) and an
//!   `exchange` side (we are the client).
//! * [`sasl`]: what the mechanisms say, whatever protocol carries it.
//! * [`denial`] and [`refusal`]: what we tell a device, and what the exchange told us; [`ending`]:
//!   why a device's dialogue ended by itself.
//! * [`proxyhdr`]: the PROXY header of load balancers.
//! * [`message`]: headers of a message (pure).

pub mod credentials;
pub mod denial;
pub mod dialogue;
pub mod ending;
pub mod imap;
pub mod line;
pub mod message;
pub mod pop3;
pub mod proxyhdr;
pub mod refusal;
pub mod sasl;
pub mod smtp;
pub mod trace;
#[cfg(test)]
mod transcript;
mod verdict;
mod wire;

pub use credentials::Credentials;
pub use denial::{Denial, DenialKind};
pub use dialogue::{Action, Channel, Dialogue, UpstreamTls};
pub use ending::Ending;
pub use refusal::{Refusal, RefusalKind};
pub use trace::Trace;
