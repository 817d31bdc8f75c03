//! Requests that bring tokens.

pub(crate) mod device_code;
pub(crate) mod refresh;
