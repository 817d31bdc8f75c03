//! The three measurements: logins, idle sessions, a burst of connects.

use crate::{client::Login, process::Watched};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Clients at work at one time: so many that processors bound the rate, not the pause in which a fresh
/// plain connection is watched for a TLS hello.
const CLIENTS: usize = 256;
/// Logins before the counting starts, so that tokens and TLS sessions are there.
const WARM_UP: usize = 600;
/// Sessions that are being opened at one time when many are to be held.
const OPENING: usize = 64;
/// How many connect at once in the burst.
pub(crate) const BURST: usize = 1_000;
/// Memory is read after this pause, so that what a login needs for a moment is given back.
const SETTLE: Duration = Duration::from_secs(3);

/// Logins, each followed by a logout.
#[derive(Debug)]
pub(crate) struct Logins {
    pub(crate) per_second: f64,
    pub(crate) processor_time: Duration,
}

/// Sessions that say nothing.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) sessions: usize,
    pub(crate) octets_each: u64,
}

/// Connects at one moment.
#[derive(Debug)]
pub(crate) struct Burst {
    pub(crate) median: Duration,
    pub(crate) last: Duration,
}

pub(crate) async fn logins(
    login: &Login,
    watched: &Watched,
    count: usize,
) -> anyhow::Result<Logins> {
    work(login, WARM_UP).await?;
    let before = watched.processor_time()?;
    let began = Instant::now();
    work(login, count).await?;
    let took = began.elapsed();
    let spent = watched.processor_time()?.saturating_sub(before);
    let count = u32::try_from(count)?;
    Ok(Logins {
        per_second: f64::from(count) / took.as_secs_f64(),
        processor_time: spent / count,
    })
}

/// Logs in and out `count` times, by a few clients that share the work.
async fn work(login: &Login, count: usize) -> anyhow::Result<()> {
    let left = Arc::new(AtomicUsize::new(count));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (login, left) = (login.clone(), left.clone());
        let take = move || {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                .is_ok()
        };
        clients.spawn(async move {
            while take() {
                login.open().await?.log_out().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    Ok(())
}

pub(crate) async fn idle(login: &Login, watched: &Watched, count: usize) -> anyhow::Result<Idle> {
    // The first login brings in what all share.
    login.open().await?.log_out().await?;
    let before = watched.resident()?;
    let mut held = Vec::with_capacity(count);
    while held.len() < count {
        let mut opening = JoinSet::new();
        for _ in 0..OPENING.min(count - held.len()) {
            let login = login.clone();
            opening.spawn(async move { login.open().await });
        }
        while let Some(session) = opening.join_next().await {
            held.push(session??);
        }
    }
    tokio::time::sleep(SETTLE).await;
    let grown = watched.resident()?.saturating_sub(before);
    let result = Idle {
        sessions: held.len(),
        octets_each: grown / u64::try_from(held.len().max(1))?,
    };
    for session in held {
        session.log_out().await?;
    }
    Ok(result)
}

pub(crate) async fn burst(login: &Login) -> anyhow::Result<Burst> {
    let mut connects = JoinSet::new();
    let began = Instant::now();
    for _ in 0..BURST {
        let login = login.clone();
        connects.spawn(async move {
            let session = login.greeted().await?;
            anyhow::Ok((began.elapsed(), session))
        });
    }
    let mut times = Vec::with_capacity(BURST);
    let mut held = Vec::with_capacity(BURST);
    while let Some(greeted) = connects.join_next().await {
        let (time, session) = greeted??;
        times.push(time);
        held.push(session);
    }
    times.sort_unstable();
    for session in held {
        session.log_out().await?;
    }
    Ok(Burst {
        median: times[BURST / 2],
        last: times[BURST - 1],
    })
}
