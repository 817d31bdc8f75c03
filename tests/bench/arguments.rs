//! What the benchmark is told on its command line.

use anyhow::{Context as _, bail};
use std::{path::PathBuf, time::Duration};

use crate::limits;

/// How many sessions the issue asks one process to hold.
pub(crate) const SESSIONS: usize = 10_000;
const LOGINS: usize = 6_000;

/// The command line.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// Idle sessions to hold, as far as the limit on open files allows.
    pub(crate) sessions: usize,
    /// Logins to count.
    pub(crate) logins: usize,
    /// Where the report goes.
    pub(crate) write: Option<PathBuf>,
    /// How long to soak instead of comparing.
    pub(crate) soak: Option<Duration>,
}

impl Arguments {
    pub(crate) fn parse() -> anyhow::Result<Self> {
        let mut parsed = Self {
            sessions: SESSIONS,
            logins: LOGINS,
            write: None,
            soak: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .with_context(|| format!("{word} needs a value"))
            };
            match word.as_str() {
                "--sessions" => parsed.sessions = value()?.parse()?,
                "--logins" => parsed.logins = value()?.parse()?,
                "--write" => parsed.write = Some(value()?.into()),
                "--soak" => parsed.soak = Some(Duration::from_secs(value()?.parse()?)),
                _ => bail!(
                    "usage: bench [--sessions N] [--logins N] [--write FILE] | --soak SECONDS"
                ),
            }
        }
        let possible = limits::sessions_possible()?;
        if parsed.sessions > possible {
            eprintln!(
                "the limit on open files allows {possible} sessions, not {}",
                parsed.sessions
            );
            parsed.sessions = possible;
        }
        Ok(parsed)
    }
}
