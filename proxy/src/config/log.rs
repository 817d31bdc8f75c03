//! How the log is written.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::{Finding, Overrides, file::LogTable, source::Source};

/// `[log]`, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// Text for people or one JSON object per line.
    pub(crate) format: LogFormat,
    /// Filter directives as `tracing` knows them, for example `info` or `portreeve=debug,info`.
    pub(crate) level: String,
    /// Whether the dialogues themselves are logged, credentials and bodies left out.
    pub(crate) wire: bool,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
            wire: false,
        }
    }
}

/// `[log]` under the command line.
pub(super) fn resolve(
    table: &LogTable,
    overrides: &Overrides,
    source: &Source,
    findings: &mut Vec<Finding>,
) -> Log {
    let level = table.level.clone().unwrap_or_else(|| "info".to_owned());
    if let Err(error) = EnvFilter::builder().parse(&level) {
        findings.push(source.wrong(
            &["log", "level"],
            format!("is \"{level}\": {error}; write it like \"info\" or \"portreeve=debug,info\""),
        ));
    }
    Log {
        format: table.format.unwrap_or_default(),
        level,
        wire: overrides.log_wire || table.wire.unwrap_or(false),
    }
}
