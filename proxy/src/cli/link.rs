//! The way from a command to its use case: over the socket of a running daemon, or in this process.
//!
//! The store is opened here only when its folder is not locked, so there is always one writer.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use tokio::{io::BufReader, net::UnixStream};

use crate::{
    config::Config,
    control::{
        Alone, Asker, Control, Failure, Fault, Progress, asker,
        call::{self, Asks, Call},
        socket::SOCKET,
        wire::{self, Frame, LineError, Request, VERSION},
    },
};

/// Where use cases run.
pub(super) enum Link {
    /// In the daemon behind this socket.
    Daemon(PathBuf),
    /// Here.
    Here(Alone),
}

impl Link {
    /// The daemon if it runs, else this process.
    pub(super) async fn open(config: Config) -> Result<Self, Failure> {
        if let Some(daemon) = Self::daemon(&config.state_dir).await? {
            return Ok(daemon);
        }
        refuse_foreign_folder(&config.state_dir)?;
        match Alone::open(config).await {
            Ok(alone) => Ok(Self::Here(alone)),
            Err(failure) if failure.fault == Fault::Occupied => Err(Failure {
                message: format!(
                    "{} If that is the daemon, it does not answer on its socket: it is starting, \
                     stopping or hanging.",
                    failure.message
                ),
                ..failure
            }),
            Err(failure) => Err(failure),
        }
    }

    /// The running daemon and nothing else.
    pub(super) async fn running(folder: &Path) -> Result<Self, Failure> {
        let daemon = Self::daemon(folder).await?;
        daemon.ok_or_else(|| {
            Failure::unreachable(format!(
                "No daemon runs on {}; start it with `portreeve run`, or name its folder with \
                 --state-dir.",
                folder.display()
            ))
        })
    }

    async fn daemon(folder: &Path) -> Result<Option<Self>, Failure> {
        let socket = folder.join(SOCKET);
        match UnixStream::connect(&socket).await {
            Ok(_) => Ok(Some(Self::Daemon(socket))),
            // No socket, or one that a dead daemon left behind.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(unreachable(&socket, &error)),
        }
    }

    /// Whether a daemon does the work, and goes on when this process ends.
    pub(super) fn is_daemon(&self) -> bool {
        matches!(self, Self::Daemon(_))
    }

    /// Runs a use case; `hear` gets its progress.
    pub(super) async fn call<R: Asks>(
        &self,
        request: R,
        hear: impl FnMut(Progress),
    ) -> Result<R::Answer, Failure> {
        let answer = match self {
            Self::Daemon(socket) => remote(socket, request.into(), hear).await?,
            Self::Here(alone) => local(alone.control(), request.into(), hear).await?,
        };
        serde_json::from_value(answer).map_err(|error| {
            Failure::portreeve(format!(
                "The daemon's answer is not understood ({error}); use the `portreeve` that it was \
                 started from."
            ))
        })
    }

    /// Ends in order what this process opened.
    pub(super) async fn close(self) {
        if let Self::Here(alone) = self {
            alone.close().await;
        }
    }
}

async fn remote(
    socket: &Path,
    call: Call,
    mut hear: impl FnMut(Progress),
) -> Result<serde_json::Value, Failure> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| unreachable(socket, &error))?;
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let request = Request {
        version: VERSION,
        call,
    };
    // Any other error: a daemon that refuses says why before it closes.
    let sent = wire::write(&mut to, &request, wire::MAX_REQUEST).await;
    if let Err(LineError::TooLong(_)) = sent {
        return Err(Failure::request(
            "That is too much for one request; split the file.",
        ));
    }
    loop {
        match wire::read(&mut from, wire::MAX_ANSWER).await {
            Ok(Some(Frame::Progress(progress))) => hear(progress),
            Ok(Some(Frame::Done(answer))) => return Ok(answer),
            Ok(Some(Frame::Failed(failure))) => return Err(failure),
            Ok(None) => {
                return Err(Failure::unreachable(
                    "The daemon ended before it answered; see its log, and try again.",
                ));
            }
            Err(error) => {
                return Err(Failure::unreachable(format!(
                    "The connection to the daemon failed: {error}."
                )));
            }
        }
    }
}

async fn local(
    control: &Control,
    call: Call,
    mut hear: impl FnMut(Progress),
) -> Result<serde_json::Value, Failure> {
    let uid = asker::own_uid()
        .map_err(|error| Failure::portreeve(format!("This user's id is unknown: {error}.")))?;
    let (asker, mut progress) = Asker::command_line(uid);
    let work = async move { call::perform(control, call, &asker).await };
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(progress) = progress.recv() => hear(progress),
            answer = &mut work => {
                while let Ok(last) = progress.try_recv() {
                    hear(last);
                }
                return answer;
            }
        }
    }
}

/// A store in another user's folder would get files that its daemon cannot open.
fn refuse_foreign_folder(folder: &Path) -> Result<(), Failure> {
    let (Ok(about), Ok(uid)) = (std::fs::metadata(folder), asker::own_uid()) else {
        // It does not exist yet, or opening it will say what is wrong.
        return Ok(());
    };
    if uid == 0 || about.uid() == uid {
        return Ok(());
    }
    Err(Failure::unreachable(format!(
        "The state folder {} belongs to user id {}; run this command as that user or as root.",
        folder.display(),
        about.uid()
    )))
}

fn unreachable(socket: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "the daemon answers only its own user and root: use sudo, or `sudo -u` with its user"
        }
        _ => "is this the daemon's state folder (--state-dir)?",
    };
    Failure::unreachable(format!(
        "The daemon's socket {} cannot be opened ({error}); {advice}.",
        socket.display()
    ))
}

#[cfg(test)]
mod tests;
