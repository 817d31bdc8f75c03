//! The daemon's end of the control socket.
//!
//! A unix socket that only its owner can open, and only root and its owner are answered on. What is
//! asked for is [`call`](super::call)'s business.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncWrite, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Asker, Control, Failure, Progress, asker,
    call::{self, Call},
    wire::{self, Envelope, Frame, LineError, Request},
};

/// The socket's name in the state folder.
pub(crate) const SOCKET: &str = "control.sock";

/// Where the socket is made before it gets its name.
const NURSERY: &str = "control.new";

/// Command lines at the same time; each may wait for a sign-in.
const CONNECTIONS: usize = 64;

/// A command line sends its request at once.
const REQUEST_WAIT: Duration = Duration::from_secs(10);

/// How often a waiting command line hears that the daemon is there; also how its end is noticed.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// A reader that takes nothing for this long has gone.
const WRITE_WAIT: Duration = Duration::from_secs(10);

/// The bound socket; its file goes when this value does.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Socket {
    /// Binds in the state folder, in the place of a socket that a dead daemon left behind.
    ///
    /// The caller holds the folder's lock. The socket is made in a folder that nobody else can
    /// enter and gets its name when its mode is right, so there is no moment in which others could
    /// connect, whatever the umask and the mode of the state folder are.
    pub(crate) fn bind(folder: &Path) -> io::Result<Self> {
        let nursery = folder.join(NURSERY);
        let newborn = nursery.join("s");
        let path = folder.join(SOCKET);
        remove(&newborn)?;
        match fs::remove_dir(&nursery) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&nursery)?;
        let listener = UnixListener::bind(&newborn)?;
        fs::set_permissions(&newborn, Permissions::from_mode(0o600))?;
        fs::rename(&newborn, &path)?;
        fs::remove_dir(&nursery)?;
        Ok(Self {
            listener,
            path,
            owner: asker::own_uid()?,
        })
    }

    /// Answers command lines until `stop`; those under way are told and ended.
    pub(crate) async fn serve(
        self,
        control: Arc<Control>,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let tasks = TaskTracker::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "control socket: a connection was not accepted");
                    // Too many open files: trying again at once would only fill the log.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!(
                    "control socket: {CONNECTIONS} command lines at once, one is refused"
                );
                continue;
            };
            let (control, stop, owner) = (Arc::clone(&control), stop.clone(), self.owner);
            tasks.spawn(async move {
                if let Err(error) = converse(control, stream, owner, stop).await {
                    tracing::debug!(%error, "control socket: a command line went away");
                }
                drop(place);
            });
        }
        tasks.close();
        tasks.wait().await;
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// One request and its answer.
async fn converse(
    control: Arc<Control>,
    stream: UnixStream,
    owner: u32,
    stop: CancellationToken,
) -> Result<(), LineError> {
    let uid = stream.peer_cred()?.uid();
    let (from, mut to) = stream.into_split();
    if uid != 0 && uid != owner {
        tracing::warn!(
            uid,
            "control socket: a command line of another user was refused"
        );
        let failure = Failure::request(format!(
            "The daemon runs as user id {owner} and answers only that user and root; you are {uid}."
        ));
        return send(&mut to, &Frame::Failed(failure)).await;
    }
    let mut from = BufReader::new(from);
    let request = tokio::select! {
        request = timeout(REQUEST_WAIT, wire::read_line(&mut from, wire::MAX_REQUEST)) => request,
        () = stop.cancelled() => return send(&mut to, &Frame::Failed(stopping())).await,
    };
    let call = match request {
        Ok(Ok(Some(line))) => understand(&line),
        Ok(Ok(None)) => return Ok(()),
        Ok(Err(LineError::Io(error))) => return Err(error.into()),
        Ok(Err(error)) => Err(Failure::request(format!(
            "Request not understood: {error}."
        ))),
        Err(_) => Err(Failure::request(format!(
            "No request within {} s.",
            REQUEST_WAIT.as_secs()
        ))),
    };
    let answer = match call {
        Ok(call) => attend(control, call, uid, &mut to, stop).await?,
        Err(failure) => Frame::Failed(failure),
    };
    match send(&mut to, &answer).await {
        Err(LineError::TooLong(_)) => send(&mut to, &Frame::Failed(too_much())).await,
        sent => sent,
    }
}

/// The version first: the call of another version may be one that this one does not know.
fn understand(line: &[u8]) -> Result<Call, Failure> {
    let not_understood = |error: serde_json::Error| {
        Failure::request(format!("Request not understood: {}.", in_words(&error)))
    };
    let Envelope { version } = serde_json::from_slice(line).map_err(not_understood)?;
    if version != wire::VERSION {
        let which = if version < wire::VERSION {
            "older"
        } else {
            "newer"
        };
        return Err(Failure::request(format!(
            "This command line is {which} than the running daemon (version {} of the control \
             protocol against {version} of yours); use the `portreeve` that the daemon was \
             started from, or restart the daemon.",
            wire::VERSION,
        )));
    }
    let request: Request<Call> = serde_json::from_slice(line).map_err(not_understood)?;
    Ok(request.call)
}

/// Where and what kind, but not the text: it may hold a password.
fn in_words(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "unknown call or wrong fields",
        _ => "not valid JSON",
    };
    format!("{kind} at column {}", error.column())
}

/// Runs the use case to its end, whether or not somebody still listens; passes its progress on.
async fn attend(
    control: Arc<Control>,
    call: Call,
    uid: u32,
    to: &mut (impl AsyncWrite + Unpin),
    stop: CancellationToken,
) -> Result<Frame, LineError> {
    let (asker, mut progress) = Asker::command_line(uid);
    let mut work = tokio::spawn(async move { call::perform(&control, call, &asker).await });
    let mut alive = tokio::time::interval(ALIVE_EVERY);
    alive.tick().await;
    let mut heard_all = false;
    let outcome = loop {
        let event = tokio::select! {
            biased;
            event = progress.recv(), if !heard_all => event,
            outcome = &mut work => break outcome,
            () = stop.cancelled() => return Ok(Frame::Failed(stopping())),
            _ = alive.tick() => Some(Progress::Alive),
        };
        match event {
            Some(event) => send(to, &Frame::Progress(event)).await?,
            None => heard_all = true,
        }
    };
    Ok(match outcome {
        Ok(Ok(answer)) => Frame::Done(answer),
        Ok(Err(failure)) => Frame::Failed(failure),
        Err(error) => {
            tracing::error!(%error, "control socket: a use case did not end as it should");
            Frame::Failed(Failure::portreeve(
                "The daemon failed at this; its log says more. Please report it.",
            ))
        }
    })
}

fn too_much() -> Failure {
    Failure::portreeve("The answer is too long for the control socket; please report it.")
}

fn stopping() -> Failure {
    Failure::unreachable("The daemon is stopping; try again when it runs.")
}

async fn send(to: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> Result<(), LineError> {
    timeout(WRITE_WAIT, wire::write(to, frame, wire::MAX_ANSWER))
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
