//! The doors: where devices connect, who is let in, and how TLS starts.
//!
//! A door hands over a [`Connection`] that is within the limits, past its PROXY header and, where
//! the listener or the device wants it so, encrypted. What is said on it is the session's business.

mod accept;
mod arrival;
pub(crate) mod certificates;
mod connection;
mod files;
mod hello;
mod issue;
pub(crate) mod keys;
mod proxied;
mod renewal;
mod seats;
mod session_id;
mod sparingly;
mod stream;
mod surprise;
mod trust;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    accept::Serving, arrival::Handler, seats::Seats, sparingly::Sparingly, surprise::Surprises,
};
pub(crate) use self::{
    certificates::Certificates, connection::Connection, seats::Seat, session_id::SessionId,
    stream::Stream, trust::client_config,
};
use crate::config::{Config, Listener};

/// All listeners and the connections that came through them.
pub(crate) struct Doors {
    hall: Arc<Hall>,
    /// For whoever renews certificates.
    config: watch::Sender<Arc<Config>>,
    open: Mutex<Vec<Open>>,
}

/// What all doors share.
struct Hall {
    seats: Arc<Seats>,
    surprises: Arc<Surprises>,
    /// Lines about connections beyond a limit.
    full: Sparingly,
    certificates: Arc<Certificates>,
    handler: Handler,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// A door that is open.
struct Open {
    address: SocketAddr,
    serving: watch::Sender<Arc<Serving>>,
    close: CancellationToken,
}

/// A listener and where it listens, the port that the system chose filled in.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) listener: Arc<Listener>,
    pub(crate) address: SocketAddr,
}

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("[listener.{name}] cannot listen on {address}: {error}{}", hint(error, *address))]
pub(crate) struct BindError {
    name: String,
    address: SocketAddr,
    error: io::Error,
}

impl BindError {
    fn new(listener: &Listener, error: io::Error) -> Self {
        Self {
            name: listener.name.clone(),
            address: listener.address,
            error,
        }
    }

    /// What the system said, and what it means.
    pub(crate) fn reason(&self) -> String {
        format!(
            "cannot be used: {}{}",
            self.error,
            hint(&self.error, self.address)
        )
    }

    /// What the system said.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        self.error.kind()
    }
}

impl Doors {
    /// Binds every listener of the configuration and serves each connection with `handler`.
    pub(crate) fn open<H, F>(
        config: &Config,
        certificates: Arc<Certificates>,
        handler: H,
    ) -> Result<Self, BindError>
    where
        H: Fn(Connection) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let hall = Hall {
            seats: Arc::default(),
            surprises: Arc::default(),
            full: Sparingly::default(),
            certificates,
            handler: Box::new(move |connection| Box::pin(handler(connection))),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let (sender, config_now) = watch::channel(Arc::new(config.clone()));
        let doors = Self {
            hall: Arc::new(hall),
            config: sender,
            open: Mutex::default(),
        };
        doors.apply(config)?;
        tokio::spawn(renewal::run(
            Arc::clone(&doors.hall.certificates),
            config_now,
            doors.hall.stop.clone(),
        ));
        Ok(doors)
    }

    /// Follows a reloaded configuration: new listeners are opened, those that are gone are closed,
    /// the others keep their socket. If one cannot be bound, nothing changes. No connection is cut.
    pub(crate) fn apply(&self, config: &Config) -> Result<(), BindError> {
        files::raise_limit(config.limits.connections);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = Vec::new();
        for listener in &config.listeners {
            if !open.iter().any(|door| door.is_for(listener)) {
                fresh.push((Arc::clone(listener), take_up(listener)?));
            }
        }
        let wanted = |listener: &Arc<Listener>| Serving {
            listener: Arc::clone(listener),
            limits: Arc::clone(&config.limits),
        };
        open.retain(|door| {
            let listener = config
                .listeners
                .iter()
                .find(|listener| door.is_for(listener));
            match listener {
                Some(listener) => {
                    door.serving.send_replace(Arc::new(wanted(listener)));
                }
                None => door.close.cancel(),
            }
            listener.is_some()
        });
        for (listener, (socket, address)) in fresh {
            let (serving, serving_now) = watch::channel(Arc::new(wanted(&listener)));
            let close = self.hall.stop.child_token();
            let hall = Arc::clone(&self.hall);
            tokio::spawn(accept::run(socket, serving_now, hall, close.clone()));
            open.push(Open {
                address,
                serving,
                close,
            });
        }
        self.config.send_replace(Arc::new(config.clone()));
        Ok(())
    }

    /// What listens where, in the order of the names.
    pub(crate) fn bound(&self) -> Vec<Bound> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bound: Vec<Bound> = open
            .iter()
            .map(|door| Bound {
                listener: Arc::clone(&door.serving.borrow().listener),
                address: door.address,
            })
            .collect();
        bound.sort_by(|a, b| a.listener.name.cmp(&b.listener.name));
        bound
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.hall.seats.taken()
    }

    /// Stops accepting. Connections that have been handed over go on.
    pub(crate) fn close(&self) {
        self.hall.stop.cancel();
        self.hall.tracker.close();
    }

    /// After [`close`](Self::close): waits for the connections to end, and says how many are left.
    pub(crate) async fn drained(&self, within: Duration) -> usize {
        let _ = tokio::time::timeout(within, self.hall.tracker.wait()).await;
        self.connections()
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.close();
    }
}

impl Open {
    /// Whether a listener of the configuration can keep this socket.
    fn is_for(&self, listener: &Listener) -> bool {
        let now = self.serving.borrow();
        now.listener.name == listener.name && now.listener.address == listener.address
    }
}

/// Connections that wait to be accepted. A burst of a thousand must not meet a full queue, after
/// which the system lets clients wait a second for their next try.
const BACKLOG: i32 = 4096;

/// Whether a listener could be bound now, without keeping it.
pub(crate) fn try_bind(listener: &Listener) -> Result<(), BindError> {
    bind(listener).map(|_| ())
}

/// Binds a listener for the runtime; the address has the port that the system chose.
fn take_up(listener: &Listener) -> Result<(tokio::net::TcpListener, SocketAddr), BindError> {
    let socket = bind(listener)?;
    let open = || {
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    };
    open().map_err(|error| BindError::new(listener, error))
}

fn bind(listener: &Listener) -> Result<TcpListener, BindError> {
    let open = || {
        let domain = socket2::Domain::for_address(listener.address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        if listener.address.is_ipv6() {
            // `[::]` takes IPv4 too, whatever the system's default is.
            socket.set_only_v6(false)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&listener.address.into())?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    open().map_err(|error| BindError::new(listener, error))
}

fn hint(error: &io::Error, address: SocketAddr) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program listens there",
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "; ports below 1024 need the capability CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
