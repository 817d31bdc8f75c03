//! POP3 (RFC 1939, 2449, 5034) up to the end of the login.
//!
//! After the login both connections are a byte pipe, and nothing here reads it.

pub mod device;
pub mod exchange;
