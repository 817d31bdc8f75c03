//! The figures as a table, with ratios and targets.

use crate::{
    arguments::SESSIONS,
    limits,
    measure::{BURST, Burst, Idle, Logins},
};
use std::{fmt::Write as _, process::ExitCode, time::Duration};

/// A login with a cached token.
const PROCESSOR_TIME: Duration = Duration::from_micros(500);
/// An idle session with a plain device.
const OCTETS: u64 = 20_000;
/// A burst of connects.
const GREETED: Duration = Duration::from_secs(1);

/// What was measured of one proxy.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) idle: Idle,
    pub(crate) burst: Burst,
    pub(crate) logins: Logins,
}

/// All proxies, Portreeve first.
#[derive(Debug)]
pub(crate) struct Report {
    figures: Vec<Figures>,
}

impl Report {
    pub(crate) fn new(figures: Vec<Figures>) -> Self {
        Self { figures }
    }

    /// Success if Portreeve keeps every target.
    pub(crate) fn verdict(&self) -> ExitCode {
        if self.targets().iter().all(|(_, kept)| *kept) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Table, ratios and targets.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{:<26} {:>10} {:>12} {:>10} {:>14} {:>12} {:>12}\n",
            "", "logins/s", "CPU/login", "sessions", "memory each", "greet median", "greet last"
        );
        for one in &self.figures {
            let _ = writeln!(
                text,
                "{:<26} {:>10.0} {:>9} µs {:>10} {:>11} kB {:>9} ms {:>9} ms",
                one.name,
                one.logins.per_second,
                one.logins.processor_time.as_micros(),
                one.idle.sessions,
                kilo(one.idle.octets_each),
                one.burst.median.as_millis(),
                one.burst.last.as_millis(),
            );
        }
        text.push('\n');
        for line in self.ratios() {
            let _ = writeln!(text, "{line}");
        }
        text.push('\n');
        for (target, kept) in self.targets() {
            let _ = writeln!(text, "{}: {target}", if kept { "kept" } else { "MISSED" });
        }
        text
    }

    /// The text with what it was measured on, as a page.
    pub(crate) fn markdown(&self) -> String {
        format!(
            "# Benchmarks\n\n\
             Written by `cargo run --release -p portreeve-tests --bin bench -- --write \
             docs/BENCHMARKS.md`, which\n`./test --all` runs. Portreeve and HAProxy stand before the \
             same fake Exchange, in one run on one\nmachine; clients and upstream share its cores, so \
             read the ratios.\n\n\
             HAProxy passes bytes: TCP in, verified TLS out, and its clients bring a token of their \
             own.\nPortreeve takes a device's password, finds the cached token and logs in by XOAUTH2. \
             Devices come\nwithout TLS. A login is: connect, greeting, login, `LOGOUT`, end. Memory is \
             the growth of the fresh\nprocess under idle logged-in IMAP sessions. The burst is {BURST} \
             connects at one moment, up to the\ngreeting; HAProxy's comes from the upstream, after a \
             TLS handshake with it.\n\n\
             Machine: {}. Limit on open files: {}.\n\n\
             ```text\n{}```\n",
            machine(),
            limits::open_files().map_or_else(|_| "unknown".to_owned(), |n| n.to_string()),
            self.text(),
        )
    }

    fn ratios(&self) -> Vec<String> {
        let Some((ours, others)) = self.figures.split_first() else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for other in others {
            let ratio = |ours: f64, theirs: f64| format!("{:.2}", ours / theirs);
            lines.push(format!(
                "Portreeve / {}: logins per second × {}, CPU per login × {}, memory per session × {}",
                other.name,
                ratio(ours.logins.per_second, other.logins.per_second),
                ratio(
                    ours.logins.processor_time.as_secs_f64(),
                    other.logins.processor_time.as_secs_f64()
                ),
                ratio(octets(ours), octets(other)),
            ));
        }
        lines
    }

    fn targets(&self) -> Vec<(String, bool)> {
        let Some(ours) = self.figures.first() else {
            return Vec::new();
        };
        let spent = ours.logins.processor_time;
        let each = ours.idle.octets_each;
        vec![
            (
                format!(
                    "a login with a cached token takes {} µs of CPU, at most {} µs",
                    spent.as_micros(),
                    PROCESSOR_TIME.as_micros()
                ),
                spent <= PROCESSOR_TIME,
            ),
            (
                format!(
                    "an idle session takes {} kB, at most {} kB",
                    kilo(each),
                    kilo(OCTETS)
                ),
                each <= OCTETS,
            ),
            (
                format!(
                    "{BURST} connects are greeted within {} ms, at most {} ms",
                    ours.burst.last.as_millis(),
                    GREETED.as_millis()
                ),
                ours.burst.last <= GREETED,
            ),
            (
                format!(
                    "{} idle sessions in one process; {SESSIONS} are asked for, or as many as the \
                     limit on open files allows",
                    ours.idle.sessions
                ),
                ours.idle.sessions
                    >= limits::sessions_possible()
                        .unwrap_or(SESSIONS)
                        .min(SESSIONS),
            ),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "kilobytes, for a ratio")]
fn octets(figures: &Figures) -> f64 {
    figures.idle.octets_each.max(1) as f64
}

fn kilo(octets: u64) -> String {
    format!("{}.{}", octets / 1000, octets % 1000 / 100)
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {model}, Linux {}", kernel.trim())
}
