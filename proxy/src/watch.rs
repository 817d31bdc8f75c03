//! What ops can see: log lines.
//!
//! [`start`] sets up tracing once; [`SessionSummary`] and [`MessageSummary`] are the one line
//! that each session and each message gets. Field names are documented in `docs/LOGGING.md`.

mod logging;
mod summary;

pub(crate) use self::{
    logging::{Logging, start},
    summary::{MessageSummary, SessionSummary},
};
