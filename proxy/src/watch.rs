//! What ops can see: log lines.
//!
//! [`init`] sets up tracing once; [`SessionSummary`] and [`MessageSummary`] are the one line that
//! each session and each message gets. Field names are documented in `docs/LOGGING.md`.

mod init;
mod summary;

pub(crate) use self::{
    init::{LogLevel, init},
    summary::{MessageSummary, SessionSummary},
};
