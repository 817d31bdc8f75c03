//! The accept loop. It never waits for a peer: each connection is a task of its own.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{Hall, SessionId, arrival};
use crate::config::{Limits, Listener};

/// What a door serves; a reload sends a new one.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) listener: Arc<Listener>,
    pub(super) limits: Arc<Limits>,
}

/// The first pause when the system has no more sockets; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts until told to close.
pub(super) async fn run(
    socket: TcpListener,
    serving: watch::Receiver<Arc<Serving>>,
    hall: Arc<Hall>,
    close: CancellationToken,
) {
    let mut pause = PAUSE;
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = close.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = PAUSE;
                let serving = Arc::clone(&serving.borrow());
                welcome(stream, peer, serving, &hall);
            }
            Err(error) if is_the_peers(&error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
            }
            Err(error) => {
                let listener = serving.borrow().listener.name.clone();
                tracing::error!(%listener, %error, "cannot accept connections, trying again");
                tokio::select! {
                    () = sleep(pause) => {}
                    () = close.cancelled() => return,
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn welcome(stream: TcpStream, peer: std::net::SocketAddr, serving: Arc<Serving>, hall: &Arc<Hall>) {
    let session = SessionId::new();
    let peer = std::net::SocketAddr::new(peer.ip().to_canonical(), peer.port());
    // An error span, so that every level of the log has the id.
    let span = tracing::error_span!(
        "session",
        %session,
        listener = %serving.listener.name,
        protocol = %serving.listener.protocol,
        peer = tracing::field::Empty,
    );
    let since = Instant::now();
    let connected = arrival::Connected {
        stream,
        peer,
        session,
        since,
        serving,
    };
    let hall = Arc::clone(hall);
    hall.tracker
        .clone()
        .spawn(async move { arrival::serve(connected, &hall).await }.instrument(span));
}

/// Errors of `accept` that are about the connection, not about us.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
