//! Looks at the certificates once a day, so that a daemon that is never restarted does not serve one
//! that has expired: ours are renewed ahead of their end, and an operator's own is read again,
//! whoever renews it.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use super::Certificates;
use crate::config::Config;

const EVERY: Duration = Duration::from_hours(24);

/// Runs until told to stop.
pub(super) async fn run(
    certificates: Arc<Certificates>,
    config: watch::Receiver<Arc<Config>>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
        let certificates = Arc::clone(&certificates);
        let config = Arc::clone(&config.borrow());
        // Files are read, and perhaps an RSA key is made.
        let reloaded = spawn_blocking(move || certificates.reload(&config)).await;
        if let Ok(Err(error)) = reloaded {
            tracing::warn!(%error, "the certificates cannot be read again, the old ones stay");
        }
    }
}
