//! Setting up tracing, once.

use tracing_subscriber::{
    EnvFilter, fmt, fmt::time::SystemTime, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat};

/// Changes what is logged while the daemon runs.
pub(crate) struct LogLevel(Option<reload::Handle<EnvFilter, tracing_subscriber::Registry>>);

/// Starts logging to standard error; `RUST_LOG` wins over the configured level.
///
/// A second call in one process (tests) changes nothing.
pub(crate) fn init(log: &Log) -> LogLevel {
    let (filter, handle) = reload::Layer::new(filter(log));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_timer(SystemTime);
    let started = match log.format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
        LogFormat::Json => registry
            .with(
                lines
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false),
            )
            .try_init(),
    };
    LogLevel(started.is_ok().then_some(handle))
}

impl LogLevel {
    /// A reload brought another level.
    pub(crate) fn set(&self, log: &Log) {
        if let Some(handle) = &self.0
            && let Err(error) = handle.reload(filter(log))
        {
            tracing::warn!(%error, "the log level could not be changed");
        }
    }
}

fn filter(log: &Log) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&log.level))
}
