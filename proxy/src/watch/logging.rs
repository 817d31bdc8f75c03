//! Turns the log on: text or JSON, on standard error, in UTC.

use std::io::IsTerminal;

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::ParseError,
    fmt::{self, time::SystemTime},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat};

/// Changes what is logged while the daemon runs.
pub(crate) struct Logging(Option<reload::Handle<EnvFilter, Registry>>);

/// `RUST_LOG` is set and makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("RUST_LOG is \"{value}\": {error}; write it like \"info\" or \"portreeve=debug,info\"")]
pub(crate) struct LogError {
    value: String,
    error: ParseError,
}

/// Turns the log on. `RUST_LOG` wins over the file's level.
///
/// A second call in one process (tests) changes nothing.
pub(crate) fn start(log: &Log) -> Result<Logging, LogError> {
    let (filter, handle) = reload::Layer::new(filter(log, environment().as_deref())?);
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_timer(SystemTime);
    let lines: Box<dyn Layer<_> + Send + Sync> = match log.format {
        LogFormat::Text => Box::new(lines.with_ansi(std::io::stderr().is_terminal())),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_span_list(false)),
    };
    let started = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    Ok(Logging(started.is_ok().then_some(handle)))
}

impl Logging {
    /// A reload brought another level. The format stays until the next start.
    pub(crate) fn set(&self, log: &Log) {
        let Some(handle) = &self.0 else { return };
        let Ok(filter) = filter(log, environment().as_deref()) else {
            return;
        };
        if let Err(error) = handle.reload(filter) {
            tracing::warn!(%error, "the log level could not be changed");
        }
    }
}

fn environment() -> Option<String> {
    std::env::var("RUST_LOG")
        .ok()
        .filter(|value| !value.trim().is_empty())
}

fn filter(log: &Log, environment: Option<&str>) -> Result<EnvFilter, LogError> {
    let value = environment.unwrap_or(&log.level);
    EnvFilter::builder().parse(value).map_err(|error| LogError {
        value: value.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_over_the_file_and_its_mistakes_are_told() {
        let log = Log::default();
        assert_eq!(filter(&log, None).unwrap().to_string(), "info");
        assert_eq!(
            filter(&log, Some("portreeve=debug")).unwrap().to_string(),
            "portreeve=debug"
        );
        let error = filter(&log, Some("portreeve=loud"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("RUST_LOG is \"portreeve=loud\": "),
            "{error}"
        );
    }
}
