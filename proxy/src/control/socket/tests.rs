//! The socket against a hostile or clumsy command line.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinHandle,
};

use super::{super::tests::control, *};
use crate::control::Fault;

/// A socket that is served until dropped.
struct Served {
    folder: TempDir,
    stop: CancellationToken,
    serving: JoinHandle<io::Result<()>>,
}

impl Served {
    async fn start() -> Self {
        let (folder, control) = control().await;
        let socket = Socket::bind(folder.path()).unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(socket.serve(Arc::new(control), stop.clone()));
        Self {
            folder,
            stop,
            serving,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.path()).await.unwrap()
    }

    /// Sends these bytes, and closes that direction if asked to; returns all that comes back.
    async fn say(&self, bytes: &[u8], close: bool) -> Vec<Frame> {
        let mut stream = self.connect().await;
        // The daemon may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        if close {
            stream.shutdown().await.unwrap();
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let lines = answer
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    async fn end(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

fn failure(frames: &[Frame]) -> &Failure {
    match frames {
        [Frame::Failed(failure)] => failure,
        other => panic!("{other:?}"),
    }
}

const LIST: &[u8] = br#"{"version":1,"call":{"mailbox-list":{}}}
"#;

#[tokio::test]
async fn the_socket_is_its_owners_alone_and_replaces_a_dead_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SOCKET);
    // A socket that nobody listens on any more, as a killed daemon leaves it.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    std::fs::create_dir(folder.path().join(NURSERY)).unwrap();
    let socket = Socket::bind(folder.path()).unwrap();
    let about = path.metadata().unwrap();
    assert!(about.file_type().is_socket());
    assert_eq!(about.mode() & 0o777, 0o600);
    assert!(!folder.path().join(NURSERY).exists());
    assert!(UnixStream::connect(&path).await.is_ok());
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_request_is_answered_even_when_the_asker_has_closed_its_direction() {
    let served = Served::start().await;
    for close in [false, true] {
        let frames = served.say(LIST, close).await;
        assert!(matches!(&frames[..], [Frame::Done(answer)] if *answer == serde_json::json!([])));
    }
    served.end().await;
}

#[tokio::test]
async fn what_is_no_request_gets_words_and_never_its_own_back() {
    let served = Served::start().await;
    for bytes in [
        &b"hunter2\n"[..],
        b"\n",
        b"{}\n",
        b"[1,2]\n",
        b"\xff\xfe\x00\n",
        b"{\"version\":1}\n",
        b"{\"version\":\"hunter2\",\"call\":{}}\n",
        b"{\"version\":1,\"call\":{\"hunter2\":{}}}\n",
        b"{\"version\":1,\"call\":{\"device-add\":{\"secret\":\"hunter2\"}}}\n",
        b"{\"version\":1,\"call\":{\"mailbox-show\":{\"mailbox\":7}}}\n",
    ] {
        let frames = served.say(bytes, false).await;
        let failure = failure(&frames);
        assert_eq!(failure.fault, Fault::Request);
        assert!(failure.message.contains("not understood"), "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
    // Nothing, and half a line.
    assert!(served.say(b"", true).await.is_empty());
    assert!(
        failure(&served.say(b"{\"version\":1,", true).await)
            .message
            .contains("middle of a line")
    );
    served.end().await;
}

#[tokio::test]
async fn another_version_is_told_apart_before_its_call_is_read() {
    let served = Served::start().await;
    for (version, which) in [(0, "older"), (2, "newer")] {
        let line = format!("{{\"version\":{version},\"call\":\"anything\"}}\n");
        let frames = served.say(line.as_bytes(), false).await;
        assert!(failure(&frames).message.contains(which));
    }
    served.end().await;
}

#[tokio::test]
async fn an_endless_line_is_cut_off() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    let (mut from, mut to) = stream.split();
    let chunk = vec![b'x'; 64 * 1024];
    let flood = async {
        let mut sent = 0;
        // The daemon stops reading soon after the limit, and what was not read breaks the pipe.
        while sent < 4 * wire::MAX_REQUEST {
            if to.write_all(&chunk).await.is_err() {
                break;
            }
            sent += chunk.len();
        }
        sent
    };
    let listen = async {
        let mut answer = Vec::new();
        let _ = from.read_to_end(&mut answer).await;
    };
    let (sent, ()) = tokio::join!(flood, listen);
    assert!(sent < 2 * wire::MAX_REQUEST, "{sent}");
    assert!(matches!(
        &served.say(LIST, false).await[..],
        [Frame::Done(_)]
    ));
    served.end().await;
}

#[tokio::test]
async fn a_silent_asker_is_sent_away() {
    let served = Served::start().await;
    tokio::time::pause();
    let mut stream = served.connect().await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("No request within 10 s"), "{answer}");
    served.end().await;
}

#[tokio::test]
async fn no_more_askers_than_places() {
    let served = Served::start().await;
    let mut waiting = Vec::new();
    for _ in 0..CONNECTIONS {
        waiting.push(served.connect().await);
    }
    let mut one_more = served.connect().await;
    let mut answer = Vec::new();
    // Closed without an answer: the daemon owes nothing to the sixty-fifth.
    let _ = one_more.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    drop(waiting);
    served.end().await;
}

#[tokio::test]
async fn a_stop_ends_connections_that_wait() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    let stop = served.stop.clone();
    let reading = tokio::spawn(async move {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    });
    stop.cancel();
    served.end().await;
    reading.await.unwrap();
}
