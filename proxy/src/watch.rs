//! What ops can see: log lines.
//!
//! [`log::start`] sets up tracing once; [`SessionSummary`] and [`MessageSummary`] are the one line
//! that each session and each message gets. Field names are documented in `docs/LOGGING.md`.

pub(crate) mod log;
mod summary;

pub(crate) use self::{
    log::Logging,
    summary::{MessageSummary, SessionSummary},
};
