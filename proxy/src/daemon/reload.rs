//! A configuration that takes the place of another while sessions go on.

use std::{path::PathBuf, sync::Arc, time::Duration};

use portreeve_auth::{Gate, Http, Providers};
use rustls::ClientConfig;
use tokio::sync::watch;

use crate::{
    config::{Config, Overrides},
    control::Bound,
    door::{self, Certificates, Doors},
    watch::Logging,
};

/// Whoever follows the configuration, and how to read it again.
pub(super) struct Reloader {
    pub(super) file: Option<PathBuf>,
    pub(super) overrides: Overrides,
    pub(super) log: Logging,
    pub(super) gate: Arc<Gate>,
    pub(super) http: Http,
    pub(super) config: watch::Sender<Arc<Config>>,
    pub(super) providers: watch::Sender<Arc<Providers>>,
    pub(super) tls: watch::Sender<Arc<ClientConfig>>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) doors: Arc<Doors>,
    pub(super) bound: watch::Sender<Vec<Bound>>,
}

impl Reloader {
    /// Reads the whole file first; if it, or anything it names, is wrong, the old one stays.
    /// Returns what the person should know, or what is wrong.
    pub(super) fn reload(&mut self) -> Result<Vec<String>, String> {
        let mut config = Config::load(self.file.as_deref(), &self.overrides)
            .map_err(|error| error.to_string())?;
        let notes = keep(&mut config, &self.config.borrow());
        let tls = door::client_config(config.tls.upstream_ca_file.as_deref())
            .map_err(|error| error.to_string())?;
        self.certificates
            .reload(&config)
            .map_err(|error| error.to_string())?;
        if let Err(error) = self.doors.apply(&config) {
            // Nothing of the new file may stay behind.
            let old = Arc::clone(&self.config.borrow());
            let _ = self.certificates.reload(&old);
            return Err(error.to_string());
        }

        self.http
            .trust(tls.clone())
            .map_err(|error| error.to_string())?;

        self.gate.set_limits(config.limits.gate());
        self.log.set(&config.log);
        self.tls.send_replace(Arc::new(tls));
        self.providers
            .send_replace(Arc::new(config.providers.clone()));
        self.config.send_replace(Arc::new(config));
        self.bound.send_replace(super::bound(&self.doors));
        tracing::info!("the configuration was read again");
        Ok(notes)
    }

    /// SIGHUP: nobody waits for the answer, so the log gets it.
    pub(super) fn reload_and_log(&mut self) {
        match self.reload() {
            Ok(notes) => notes.iter().for_each(|note| tracing::warn!("{note}")),
            Err(wrong) => {
                tracing::error!("the new configuration is wrong, the old one stays: {wrong}");
            }
        }
    }

    /// How long sessions may take to end.
    pub(super) fn drain(&self) -> Duration {
        self.config.borrow().limits.drain_seconds
    }
}

/// Keeps what takes effect only at the next start, and says so. The state folder above all: another
/// one would hold another certificate authority, which no device trusts.
fn keep(new: &mut Config, old: &Config) -> Vec<String> {
    let notes = [
        (old.state_dir != new.state_dir, "state-dir"),
        (old.vault_key_file != new.vault_key_file, "[vault] key-file"),
        (old.log.format != new.log.format, "[log] format"),
    ];
    new.state_dir.clone_from(&old.state_dir);
    notes
        .into_iter()
        .filter(|(changed, _)| *changed)
        .map(|(_, what)| format!("A new {what} takes effect at the next start."))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_state_folder_waits_for_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portreeve.toml");
        let load = |state: &str| {
            std::fs::write(&file, format!("state-dir = \"{state}\"")).unwrap();
            Config::load(Some(&file), &Overrides::default()).unwrap()
        };
        let (old, mut new) = (load("one"), load("two"));
        assert_eq!(
            keep(&mut new, &old),
            ["A new state-dir takes effect at the next start."]
        );
        assert_eq!(new.state_dir, folder.path().join("one"));
        assert!(keep(&mut new, &old).is_empty());
    }
}
