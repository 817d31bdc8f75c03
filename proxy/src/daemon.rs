//! The daemon: the order in which things start, and the order in which they stop.
//!
//! Nothing is decided here about mail, tokens or devices.

mod banner;
mod reload;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use portreeve_auth::Protocol;
use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};

use self::reload::Reloader;
use crate::{
    config::{Config, ListenerTls, Overrides},
    control::{self, Bound, Control, Running, socket::Socket},
    door::{Certificates, Doors},
    session, watch as log,
};

/// How long background work may take to end after the sessions.
const LAST_WORK: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(file: Option<PathBuf>, overrides: Overrides) -> anyhow::Result<()> {
    let config = Config::load(file.as_deref(), &overrides)?;
    let log = log::start(&config.log)?;
    let opened = control::open(config).await?;
    let config = Arc::clone(&opened.control.config.borrow());

    let stop = opened.control.stop.clone();
    let certificates = Arc::new(Certificates::open(&config)?);
    let context = Arc::new(session::Context {
        config: opened.control.config.clone(),
        gate: Arc::clone(&opened.control.gate),
        upstream: Arc::clone(&opened.control.upstream),
        stop: stop.clone(),
    });
    // Before anybody can know that we are there: an uncaught SIGHUP ends a process.
    let mut signals = Signals::new().context("signals cannot be caught")?;
    let doors = Arc::new(Doors::open(
        &config,
        Arc::clone(&certificates),
        move |connection| session::serve(connection, Arc::clone(&context)),
    )?);

    let (reload_asked, mut reloads) = mpsc::channel(1);
    let (bound, bound_now) = watch::channel(bound(&doors));
    let counted = Arc::clone(&doors);
    let control = Arc::new(Control {
        running: Some(Running {
            started: Instant::now(),
            listeners: bound_now,
            sessions: Box::new(move || counted.connections()),
            reload: reload_asked,
        }),
        ..opened.control
    });
    let socket = Socket::bind(&config.state_dir).context("the control socket cannot be opened")?;
    let answering = tokio::spawn(socket.serve(Arc::clone(&control), stop.clone()));
    control
        .sign_ins
        .resume()
        .await
        .context("pending sign-ins cannot be read")?;
    let broker = control.broker.clone();
    let renewing = tokio::spawn({
        let stop = stop.clone();
        async move { broker.run(stop).await }
    });

    let mut reloader = Reloader {
        file,
        overrides,
        log,
        gate: Arc::clone(&control.gate),
        http: opened.http,
        config: opened.config,
        providers: opened.providers,
        tls: opened.tls,
        certificates,
        doors: Arc::clone(&doors),
        bound,
    };
    banner::print(&control);
    notify(&[NotifyState::Ready]);

    loop {
        tokio::select! {
            asked = reloads.recv() => {
                let Some(answer) = asked else { break };
                let _ = answer.send(reloader.reload());
            }
            signal = signals.next() => match signal {
                Told::Reload => reloader.reload_and_log(),
                Told::Stop => break,
            }
        }
    }

    notify(&[NotifyState::Stopping]);
    let limit = reloader.drain();
    tracing::info!(
        limit_seconds = limit.as_secs(),
        sessions = doors.connections(),
        "stopping"
    );
    doors.close();
    stop.cancel();
    let left = tokio::select! {
        left = doors.drained(limit) => left,
        _ = signals.next() => doors.connections(),
    };
    if left > 0 {
        tracing::warn!(sessions = left, "sessions were cut at the limit");
    }
    let _ = tokio::time::timeout(LAST_WORK, async { tokio::join!(answering, renewing) }).await;
    tracing::info!("stopped");
    Ok(())
}

/// What listens where, for people: what sends first, and of each protocol STARTTLS first, which
/// devices of any age find.
fn bound(doors: &Doors) -> Vec<Bound> {
    let mut bound = doors.bound();
    bound.sort_by_key(|door| {
        let protocol = match door.listener.protocol {
            Protocol::Smtp => 0,
            Protocol::Imap => 1,
            Protocol::Pop3 => 2,
        };
        (protocol, door.listener.tls != ListenerTls::StartTls)
    });
    let bound = bound.into_iter().map(|door| Bound {
        name: door.listener.name.clone(),
        protocol: door.listener.protocol.to_string(),
        tls: door.listener.tls.to_string(),
        address: door.address,
    });
    bound.collect()
}

/// Tells systemd, where it asked to be told.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

/// What a signal asks for.
enum Told {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
        }
    }
}
