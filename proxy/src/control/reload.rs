//! Lets the daemon read its configuration again.

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{Asker, Control, Failure};

/// Asks for a reload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reload {}

/// It was done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// What the person should know: what changed, what needs a restart.
    pub(crate) notes: Vec<String>,
}

/// Where the daemon hears that it shall reload; it answers with notes, or with what is wrong.
pub(crate) type ReloadRequest = oneshot::Sender<Result<Vec<String>, String>>;

/// The daemon's ear for reloads.
pub(crate) type ReloadSender = mpsc::Sender<ReloadRequest>;

/// Reads the configuration again; if it is wrong, the old one stays.
pub(crate) async fn reload(
    control: &Control,
    _: Reload,
    asker: &Asker,
) -> Result<Reloaded, Failure> {
    let Some(running) = &control.running else {
        return Err(Failure::unreachable(
            "No daemon is running, so there is nothing to reload; `portreeve check` validates the \
             configuration.",
        ));
    };
    let (answer, answered) = oneshot::channel();
    let stopping = || Failure::unreachable("The daemon is stopping.");
    running.reload.send(answer).await.map_err(|_| stopping())?;
    match answered.await.map_err(|_| stopping())? {
        Ok(notes) => {
            control
                .audit(asker, "config.reload", "configuration", &notes)
                .await?;
            Ok(Reloaded { notes })
        }
        Err(wrong) => Err(Failure::configuration(format!(
            "{wrong}\nThe daemon keeps the configuration that it has."
        ))),
    }
}
