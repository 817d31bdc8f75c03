//! The limit on quiet in a pipe.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep};

use super::PipeLimits;

/// Ends a pipe in which nothing moves. The timer is looked at when it fires, not reset by every
/// read: traffic costs no timer operation.
pub(super) struct IdleTimer {
    limits: PipeLimits,
    sleep: Pin<Box<Sleep>>,
    last_moved: Instant,
    half_closed: bool,
}

impl IdleTimer {
    pub(super) fn new(limits: PipeLimits) -> Self {
        Self {
            limits,
            sleep: Box::pin(tokio::time::sleep(limits.idle)),
            last_moved: Instant::now(),
            half_closed: false,
        }
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        moved: bool,
        half_closed: bool,
    ) -> Poll<()> {
        if moved {
            self.last_moved = Instant::now();
        }
        if half_closed && !self.half_closed {
            self.half_closed = true;
            self.last_moved = Instant::now();
            let deadline = self.deadline();
            self.sleep.as_mut().reset(deadline);
        }
        while self.sleep.as_mut().poll(cx).is_ready() {
            let deadline = self.deadline();
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    fn deadline(&self) -> Instant {
        let quiet = if self.half_closed {
            self.limits.half_closed
        } else {
            self.limits.idle
        };
        self.last_moved + quiet
    }
}
