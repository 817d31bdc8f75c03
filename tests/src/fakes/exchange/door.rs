//! Listening, counting, and the start of a connection.

use super::{Protocol, Site, Stage, imap, pop3, smtp, wire::Wire};
use crate::fakes::runtime;
use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::AbortHandle,
};
use tokio_util::sync::CancellationToken;

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Implicit,
    StartTls,
}

/// How often something happened with one protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections in all.
    pub connections: usize,
    /// Connections at this moment.
    pub open: usize,
    /// The most connections at one moment.
    pub most_open: usize,
    /// Logins that succeeded.
    pub logins: usize,
    /// Logins that were refused, whatever the reason.
    pub refused: usize,
    /// TLS handshakes that resumed an earlier session.
    pub resumed: usize,
    /// Tokens that came over a connection without TLS.
    pub tokens_in_the_clear: usize,
}

pub(super) struct Door;

impl Door {
    /// Listens on a free port.
    pub(super) fn open(
        site: &Arc<Site>,
        protocol: Protocol,
        mode: Mode,
        stop: &CancellationToken,
    ) -> SocketAddr {
        let _inside = runtime().enter();
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind((Ipv4Addr::LOCALHOST, 0).into())
            .expect("a free port");
        let listener = socket.listen(4096).expect("a listening socket");
        let address = listener.local_addr().expect("a bound address");
        runtime().spawn(accept(site.clone(), protocol, mode, listener, stop.clone()));
        address
    }
}

async fn accept(
    site: Arc<Site>,
    protocol: Protocol,
    mode: Mode,
    listener: TcpListener,
    stop: CancellationToken,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else { continue };
        let _ = stream.set_nodelay(true);
        let counter = Opened::new(&site, protocol);
        let number = counter.number;
        let task = tokio::spawn(serve(site.clone(), protocol, mode, stream, counter));
        site.counts.remember(number, task.abort_handle());
    }
}

async fn serve(
    site: Arc<Site>,
    protocol: Protocol,
    mode: Mode,
    stream: TcpStream,
    _counted: Opened,
) {
    let mut wire = Wire::new(site, protocol, stream);
    match wire.meet(Stage::Connection, "").await {
        Ok(false) => {}
        Ok(true) | Err(_) => return wire.close().await,
    }
    if mode == Mode::Implicit && wire.start_tls().await.is_err() {
        return;
    }
    // A session ends by an error, an end of the stream among them; what was said is still written.
    let _ = match protocol {
        Protocol::Imap => imap::session(&mut wire).await,
        Protocol::Pop3 => pop3::session(&mut wire).await,
        Protocol::Smtp => smtp::session(&mut wire).await,
    };
    wire.close().await;
}

/// The counts of all protocols, and the tasks of open connections.
#[derive(Default)]
pub(super) struct AllCounts {
    imap: Tally,
    pop3: Tally,
    smtp: Tally,
    next: AtomicU64,
    tasks: Mutex<HashMap<u64, Option<AbortHandle>>>,
    /// Rung after every change, for those who wait.
    bell: Condvar,
    bell_lock: Mutex<()>,
}

#[derive(Default)]
pub(super) struct Tally {
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    logins: AtomicUsize,
    refused: AtomicUsize,
    resumed: AtomicUsize,
    in_the_clear: AtomicUsize,
}

impl AllCounts {
    fn of_protocol(&self, protocol: Protocol) -> &Tally {
        match protocol {
            Protocol::Imap => &self.imap,
            Protocol::Pop3 => &self.pop3,
            Protocol::Smtp => &self.smtp,
        }
    }

    pub(super) fn of(&self, protocol: Protocol) -> Counts {
        let tally = self.of_protocol(protocol);
        let read = |number: &AtomicUsize| number.load(Ordering::SeqCst);
        Counts {
            connections: read(&tally.connections),
            open: read(&tally.open),
            most_open: read(&tally.most_open),
            logins: read(&tally.logins),
            refused: read(&tally.refused),
            resumed: read(&tally.resumed),
            tokens_in_the_clear: read(&tally.in_the_clear),
        }
    }

    pub(super) fn logged_in(&self, protocol: Protocol, success: bool) {
        let tally = self.of_protocol(protocol);
        let number = if success {
            &tally.logins
        } else {
            &tally.refused
        };
        number.fetch_add(1, Ordering::SeqCst);
        self.ring();
    }

    pub(super) fn tls_resumed(&self, protocol: Protocol) {
        let tally = self.of_protocol(protocol);
        tally.resumed.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn token_in_the_clear(&self, protocol: Protocol) {
        let tally = self.of_protocol(protocol);
        tally.in_the_clear.fetch_add(1, Ordering::SeqCst);
        self.ring();
    }

    pub(super) fn wait(
        &self,
        protocol: Protocol,
        patience: Duration,
        wanted: impl Fn(&Counts) -> bool,
    ) -> Counts {
        let lock = self
            .bell_lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (_held, timeout) = self
            .bell
            .wait_timeout_while(lock, patience, |()| !wanted(&self.of(protocol)))
            .unwrap_or_else(PoisonError::into_inner);
        let counts = self.of(protocol);
        assert!(
            !timeout.timed_out(),
            "the fake Exchange: not the counts waited for: {counts:?}"
        );
        counts
    }

    fn ring(&self) {
        drop(self.bell_lock.lock());
        self.bell.notify_all();
    }

    fn remember(&self, number: u64, task: AbortHandle) {
        // A connection that is over already has taken its place away.
        if let Some(place) = self.tasks().get_mut(&number) {
            *place = Some(task);
        }
    }

    pub(super) fn cut_all(&self) {
        let tasks: Vec<_> = self.tasks().values().flatten().cloned().collect();
        for task in tasks {
            task.abort();
        }
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Option<AbortHandle>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a connection as open as long as it lives.
struct Opened {
    site: Arc<Site>,
    protocol: Protocol,
    number: u64,
}

impl Opened {
    fn new(site: &Arc<Site>, protocol: Protocol) -> Self {
        let counts = &site.counts;
        let tally = counts.of_protocol(protocol);
        tally.connections.fetch_add(1, Ordering::SeqCst);
        let open = tally.open.fetch_add(1, Ordering::SeqCst) + 1;
        tally.most_open.fetch_max(open, Ordering::SeqCst);
        let number = counts.next.fetch_add(1, Ordering::SeqCst);
        counts.tasks().insert(number, None);
        counts.ring();
        Self {
            site: site.clone(),
            protocol,
            number,
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let counts = &self.site.counts;
        counts.tasks().remove(&self.number);
        counts
            .of_protocol(self.protocol)
            .open
            .fetch_sub(1, Ordering::SeqCst);
        counts.ring();
    }
}
