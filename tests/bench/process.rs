//! What the kernel says about a process: processor time and memory.

use anyhow::Context as _;
use std::{fs, process::Command, sync::OnceLock, time::Duration};

/// A process under observation.
#[derive(Debug)]
pub(crate) struct Watched {
    id: u32,
}

impl Watched {
    pub(crate) fn new(id: u32) -> Self {
        Self { id }
    }

    /// Processor time so far, user and system together, of all threads.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id))?;
        // The name in brackets may hold spaces; utime and stime are fields 14 and 15 of the line.
        let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = || -> anyhow::Result<u64> { Ok(fields.next().context("short")?.parse()?) };
        let sum = ticks()? + ticks()?;
        Ok(Duration::from_secs(sum) / ticks_per_second())
    }

    /// Resident memory in octets.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let number = line.trim().trim_end_matches(" kB");
        Ok(number.parse::<u64>()? * 1024)
    }
}

fn ticks_per_second() -> u32 {
    static TICKS: OnceLock<u32> = OnceLock::new();
    *TICKS.get_or_init(|| {
        let said = Command::new("getconf").arg("CLK_TCK").output();
        let said = said.ok().and_then(|out| String::from_utf8(out.stdout).ok());
        // 100 on every Linux of the last twenty years.
        said.and_then(|text| text.trim().parse().ok())
            .unwrap_or(100)
    })
}
