//! How the daemon is.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Asker, Bound, Control, Failure, mailbox};

/// Asks for the status.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Get {}

/// The status.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The version of the running program.
    pub(crate) version: String,
    /// Its process id.
    pub(crate) process: u32,
    /// How long it has been running.
    pub(crate) uptime_seconds: u64,
    /// The configuration file, if there is one.
    pub(crate) config_file: Option<PathBuf>,
    /// The state folder.
    pub(crate) state_dir: PathBuf,
    /// The name that devices know this machine by.
    pub(crate) hostname: String,
    /// What it listens on.
    pub(crate) listeners: Vec<Bound>,
    /// Mailboxes by state.
    pub(crate) mailboxes: BTreeMap<String, usize>,
    /// Devices.
    pub(crate) devices: usize,
    /// Connections of devices at this moment.
    pub(crate) sessions: usize,
}

/// How the daemon is.
pub(crate) async fn get(control: &Control, _: Get, _: &Asker) -> Result<Status, Failure> {
    let Some(running) = &control.running else {
        return Err(Failure::unreachable(
            "No daemon is running; start it with `portreeve run`.",
        ));
    };
    let config = control.config();
    let mut mailboxes = BTreeMap::new();
    for mailbox in mailbox::views(control).await? {
        *mailboxes.entry(mailbox.state.kind).or_default() += 1;
    }
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
        uptime_seconds: running.started.elapsed().as_secs(),
        config_file: config.file.clone(),
        state_dir: config.state_dir.clone(),
        hostname: config.hostname.clone(),
        listeners: running.listeners(),
        mailboxes,
        devices: control.store.devices().await?.len(),
        sessions: running.sessions(),
    })
}
