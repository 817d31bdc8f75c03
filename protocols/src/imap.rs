//! IMAP (RFC 3501, 9051) up to the end of the login.
//!
//! After the login both connections are a byte pipe, and nothing here reads it.

mod arguments;
mod capability;
mod command;
pub mod device;
pub mod exchange;
