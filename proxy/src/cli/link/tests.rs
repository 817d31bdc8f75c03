//! A command with a daemon, without one, and with what a dead one left behind.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    config::Overrides,
    control::{device, mailbox, open, socket::Socket},
};

fn config(folder: &Path) -> Config {
    let overrides = Overrides {
        state_dir: Some(folder.to_owned()),
        ..Overrides::default()
    };
    Config::load(None, &overrides).unwrap()
}

#[tokio::test]
async fn without_a_daemon_the_command_does_it_itself() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let link = Link::open(config(&state)).await.unwrap();
    assert!(!link.is_daemon());
    assert!(
        link.call(mailbox::List {}, |_| {})
            .await
            .unwrap()
            .is_empty()
    );
    let failure = link
        .call(crate::control::status::Get {}, |_| {})
        .await
        .unwrap_err();
    assert_eq!(failure.fault, Fault::Unreachable);
    link.close().await;
    // The folder is free again.
    Link::open(config(&state)).await.unwrap().close().await;
    assert!(Link::running(&state).await.is_err());
}

#[tokio::test]
async fn with_a_daemon_the_command_asks_it() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let opened = open(config(&state)).await.unwrap();
    let stop = CancellationToken::new();
    let socket = Socket::bind(&state).unwrap();
    let serving = tokio::spawn(socket.serve(Arc::new(opened.control), stop.clone()));
    let link = Link::open(config(&state)).await.unwrap();
    assert!(link.is_daemon());
    assert!(link.call(device::List {}, |_| {}).await.unwrap().is_empty());
    let show = device::Show {
        device: "nobody".into(),
    };
    let failure = link.call(show, |_| {}).await.unwrap_err();
    assert_eq!(failure.fault, Fault::Request);
    stop.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_locked_folder_without_a_socket_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let first = Link::open(config(&state)).await.unwrap();
    // What a killed daemon leaves behind does not hide who has the folder now.
    drop(std::os::unix::net::UnixListener::bind(state.join(SOCKET)).unwrap());
    let Err(failure) = Link::open(config(&state)).await else {
        panic!("two writers in one folder");
    };
    assert_eq!(failure.fault, Fault::Occupied);
    assert!(failure.message.contains("in use by"), "{failure}");
    assert!(
        failure.message.contains("does not answer on its socket"),
        "{failure}"
    );
    first.close().await;
}

#[tokio::test]
async fn a_daemon_that_ends_in_the_middle_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SOCKET);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let daemon = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = wire::read_line(&mut BufReader::new(&mut stream), wire::MAX_REQUEST)
            .await
            .unwrap();
        wire::write(
            &mut stream,
            &Frame::Progress(Progress::Alive),
            wire::MAX_ANSWER,
        )
        .await
        .unwrap();
    });
    let mut heard = 0;
    let link = Link::Daemon(path);
    let failure = link
        .call(mailbox::List {}, |_| heard += 1)
        .await
        .unwrap_err();
    assert_eq!(failure.fault, Fault::Unreachable);
    assert!(failure.message.contains("ended before it answered"));
    assert_eq!(heard, 1);
    daemon.await.unwrap();
}
