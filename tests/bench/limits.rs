//! The limit on open files: a session takes two in a proxy, and two in this process, which is client
//! and upstream at the same time.

use anyhow::Context as _;
use std::{env, os::unix::process::CommandExt as _, process::Command};

/// Enough for 10,000 sessions with two files each, and a burst beside them.
const WANTED: u64 = 32_768;
/// Files for everything that is no session.
const RESERVE: u64 = 400;
const RAISED: &str = "BENCH_OPEN_FILES_RAISED";

/// Starts this program again with a higher limit, if the present one is too low. The kernel takes it
/// from root; from others up to their hard limit.
pub(crate) fn raise_open_files() -> anyhow::Result<()> {
    if env::var_os(RAISED).is_some() || open_files()? >= WANTED {
        return Ok(());
    }
    let raise = format!(
        "ulimit -n {WANTED} 2>/dev/null || ulimit -S -n $(ulimit -H -n); exec \"$0\" \"$@\""
    );
    let error = Command::new("sh")
        .args(["-c", &raise])
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(RAISED, "1")
        .exec();
    Err(error).context("starting again with a higher limit on open files")
}

/// How many sessions the limit allows.
pub(crate) fn sessions_possible() -> anyhow::Result<usize> {
    Ok(usize::try_from(open_files()?.saturating_sub(RESERVE) / 2)?)
}

/// The soft limit of this process, which the proxies inherit.
pub(crate) fn open_files() -> anyhow::Result<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .context("no limit on open files")?;
    let soft = line.split_whitespace().next().context("no soft limit")?;
    Ok(soft.parse().unwrap_or(u64::MAX))
}
