//! Requests that bring tokens.

mod client;
pub(crate) mod device_code;
pub(crate) mod refresh;
