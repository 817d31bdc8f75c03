//! Who asked for a use case, and how they hear about it while it is at work.
//!
//! Whoever asked may have gone: then nothing is told, and only waiting is given up.

use serde::{Deserialize, Serialize};
use tokio::{net::UnixStream, sync::mpsc};

use super::sign_in::SignInView;

/// Events that may wait for a slow reader.
const WAITING: usize = 16;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Progress {
    /// Nothing new; the daemon is still there.
    Alive,
    /// A sign-in went on.
    SignIn(SignInView),
}

/// Who asked.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    who: String,
    progress: mpsc::Sender<Progress>,
}

impl Asker {
    /// Somebody at the command line, known by user id; and the end that hears the progress.
    pub(crate) fn command_line(uid: u32) -> (Self, mpsc::Receiver<Progress>) {
        let (progress, heard) = mpsc::channel(WAITING);
        let who = format!("cli uid {uid}");
        (Self { who, progress }, heard)
    }

    /// The name in the audit trail.
    pub(crate) fn who(&self) -> &str {
        &self.who
    }

    /// Tells; nobody may be listening any more.
    pub(crate) async fn tell(&self, progress: Progress) {
        let _ = self.progress.send(progress).await;
    }

    /// Ends when nobody listens any more.
    pub(crate) async fn abandoned(&self) {
        self.progress.closed().await;
    }
}

/// The user id of this process.
pub(crate) fn own_uid() -> std::io::Result<u32> {
    // The kernel says it of both ends of a pair; asking it directly would take unsafe code.
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}
