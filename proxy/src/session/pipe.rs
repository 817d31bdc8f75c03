//! The byte pipe of IMAP and POP3 after login.
//!
//! Nothing is parsed and nothing is ever injected. A pipe that waits holds no buffer; bytes are
//! kept only while the other side does not take them, and then no more are read (back-pressure).

mod idle;

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use self::idle::IdleTimer;
use super::scratch;

/// How long a pipe may be quiet before a stopping daemon closes it.
const QUIET_WHEN_STOPPING: Duration = Duration::from_secs(2);

/// How long a pipe may live in which situation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PipeLimits {
    /// Without a byte in either direction.
    pub(crate) idle: Duration,
    /// Without a byte, after one side has closed its half.
    pub(crate) half_closed: Duration,
    /// After the daemon was told to stop.
    pub(crate) drain: Duration,
}

/// How a pipe ended and what went through it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) how: How,
    /// Octets from the device to the exchange.
    pub(crate) up: u64,
    /// Octets from the exchange to the device.
    pub(crate) down: u64,
}

/// Who or what ended a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// The device closed first.
    Device,
    /// The exchange closed first.
    Exchange,
    /// The device's connection broke.
    DeviceLost(io::ErrorKind),
    /// The exchange's connection broke.
    ExchangeLost(io::ErrorKind),
    /// Nothing moved within the limit.
    Idle,
    /// The daemon stopped.
    Stopped,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => f.write_str("closed by the device"),
            Self::Exchange => f.write_str("closed by the exchange"),
            Self::DeviceLost(kind) => write!(f, "device lost: {kind}"),
            Self::ExchangeLost(kind) => write!(f, "exchange lost: {kind}"),
            Self::Idle => f.write_str("idle for too long"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

/// What each side has said ahead, while the login was still under way.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// For the exchange.
    pub(crate) up: Vec<u8>,
    /// For the device.
    pub(crate) down: Vec<u8>,
}

/// Carries bytes both ways until both sides have closed or a limit ends it; then both connections
/// are shut down politely (`close_notify` and FIN).
pub(crate) async fn pipe<D, X>(
    device: &mut D,
    exchange: &mut X,
    ahead: Ahead,
    limits: PipeLimits,
    stop: &CancellationToken,
) -> Ended
where
    D: AsyncRead + AsyncWrite + Unpin,
    X: AsyncRead + AsyncWrite + Unpin,
{
    let mut up = Flow::beginning_with(ahead.up);
    let mut down = Flow::beginning_with(ahead.down);
    let how = tokio::select! {
        how = carry(device, exchange, &mut up, &mut down, limits) => how,
        () = stop.cancelled() => How::Stopped,
    };
    let how = if how == How::Stopped {
        drain(device, exchange, &mut up, &mut down, limits).await
    } else {
        how
    };
    // A peer that does not even take our good-bye does not hold the session.
    let _ = tokio::time::timeout(
        QUIET_WHEN_STOPPING,
        poll_fn(|cx| {
            let device = Pin::new(&mut *device).poll_shutdown(cx).is_ready();
            let exchange = Pin::new(&mut *exchange).poll_shutdown(cx).is_ready();
            if device && exchange {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }),
    )
    .await;
    Ended {
        how,
        up: up.octets,
        down: down.octets,
    }
}

/// After the daemon was told to stop: what is moving may end, what is quiet is closed.
async fn drain<D, X>(
    device: &mut D,
    exchange: &mut X,
    up: &mut Flow,
    down: &mut Flow,
    limits: PipeLimits,
) -> How
where
    D: AsyncRead + AsyncWrite + Unpin,
    X: AsyncRead + AsyncWrite + Unpin,
{
    let quiet = QUIET_WHEN_STOPPING.min(limits.drain);
    let limits = PipeLimits {
        idle: quiet,
        half_closed: quiet,
        ..limits
    };
    let carried = tokio::time::timeout(limits.drain, carry(device, exchange, up, down, limits));
    match carried.await {
        Ok(How::Idle) | Err(_) => How::Stopped,
        Ok(how) => how,
    }
}

async fn carry<D, X>(
    device: &mut D,
    exchange: &mut X,
    up: &mut Flow,
    down: &mut Flow,
    limits: PipeLimits,
) -> How
where
    D: AsyncRead + AsyncWrite + Unpin,
    X: AsyncRead + AsyncWrite + Unpin,
{
    let mut idle = IdleTimer::new(limits);
    let mut first_to_close = None;
    let mut broken = None;
    poll_fn(|cx| {
        let before = up.octets + down.octets;
        let up_done = broken.is_some()
            || match up.poll(cx, device, exchange) {
                // The exchange takes nothing more; its last words may still be on their way.
                Poll::Ready(Err(lost)) if !lost.reading => {
                    broken = Some(lost.how(Side::Device, Side::Exchange));
                    true
                }
                Poll::Ready(Err(lost)) => {
                    return Poll::Ready(lost.how(Side::Device, Side::Exchange));
                }
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
        let down_done = match down.poll(cx, exchange, device) {
            Poll::Ready(Err(lost)) => return Poll::Ready(lost.how(Side::Exchange, Side::Device)),
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
        };
        if first_to_close.is_none() {
            first_to_close = match (up.ended, down.ended) {
                (_, true) => Some(How::Exchange),
                (true, false) => Some(How::Device),
                (false, false) => None,
            };
        }
        if up_done && down_done {
            return Poll::Ready(first_to_close.or(broken).unwrap_or(How::Device));
        }
        let moved = up.octets + down.octets != before;
        match idle.poll(cx, moved, up_done || down_done) {
            Poll::Ready(()) => Poll::Ready(first_to_close.or(broken).unwrap_or(How::Idle)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// One direction of a pipe.
#[derive(Debug, Default)]
struct Flow {
    /// Read, but not yet taken by the other side. Invariant: `taken <= waiting.len()`.
    waiting: Vec<u8>,
    taken: usize,
    unflushed: bool,
    ended: bool,
    shut: bool,
    octets: u64,
}

impl Flow {
    /// A flow whose first bytes are here already.
    fn beginning_with(waiting: Vec<u8>) -> Self {
        Self {
            octets: waiting.len() as u64,
            waiting,
            ..Self::default()
        }
    }

    /// Ready when the end of `from` has been passed on to `to`.
    fn poll<A, B>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut A,
        to: &mut B,
    ) -> Poll<Result<(), Lost>>
    where
        A: AsyncRead + Unpin,
        B: AsyncWrite + Unpin,
    {
        loop {
            ready!(self.poll_waiting(cx, to)).map_err(Lost::writing)?;
            if self.ended {
                if !self.shut {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(Lost::writing)?;
                    self.shut = true;
                }
                return Poll::Ready(Ok(()));
            }
            let read = scratch::poll_read_with(from, cx, |bytes, cx| {
                self.octets += bytes.len() as u64;
                self.ended = bytes.is_empty();
                self.pass(cx, to, bytes)
            });
            match read {
                Poll::Ready(Ok(passed)) => passed.map_err(Lost::writing)?,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Lost::reading(error))),
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(Lost::writing)?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Hands fresh bytes on; keeps those that the other side does not take now.
    fn pass<B: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut B,
        mut bytes: &[u8],
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            match Pin::new(&mut *to).poll_write(cx, bytes) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(n)) => {
                    self.unflushed = true;
                    bytes = &bytes[n..];
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.waiting.extend_from_slice(bytes);
                    break;
                }
            }
        }
        Ok(())
    }

    fn poll_waiting<B: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut B,
    ) -> Poll<io::Result<()>> {
        while self.taken < self.waiting.len() {
            match ready!(Pin::new(&mut *to).poll_write(cx, &self.waiting[self.taken..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => {
                    self.unflushed = true;
                    self.taken += n;
                }
            }
        }
        self.waiting = Vec::new();
        self.taken = 0;
        Poll::Ready(Ok(()))
    }
}

/// A connection broke while one flow was read or written.
struct Lost {
    reading: bool,
    kind: io::ErrorKind,
}

#[derive(Clone, Copy)]
enum Side {
    Device,
    Exchange,
}

impl Lost {
    #[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
    fn reading(error: io::Error) -> Self {
        Self {
            reading: true,
            kind: error.kind(),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
    fn writing(error: io::Error) -> Self {
        Self {
            reading: false,
            kind: error.kind(),
        }
    }

    fn how(self, from: Side, to: Side) -> How {
        match if self.reading { from } else { to } {
            Side::Device => How::DeviceLost(self.kind),
            Side::Exchange => How::ExchangeLost(self.kind),
        }
    }
}

#[cfg(test)]
mod tests;
