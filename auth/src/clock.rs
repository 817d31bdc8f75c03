//! The time: wall clock and boot-time clock together.
//!
//! A wall clock can be set back and a monotonic clock may stand still while a machine sleeps, so what
//! expires does so by whichever comes first (design section 4, "Time"). The pure parts of this crate
//! take a [`Moment`] and never ask for the time themselves.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Milliseconds since 1970.
    pub(crate) wall: i64,
    /// Time since the machine was started, sleep included.
    pub(crate) boot: Duration,
}

impl Moment {
    /// This moment and a span more.
    pub(crate) fn after(self, span: Duration) -> Self {
        Self {
            wall: self.wall.saturating_add(millis(span)),
            boot: self.boot.saturating_add(span),
        }
    }

    /// What is left until `self`, by the clock that says less; zero when it is past.
    pub(crate) fn left(self, now: Self) -> Duration {
        let wall = u64::try_from(self.wall.saturating_sub(now.wall)).unwrap_or(0);
        Duration::from_millis(wall).min(self.boot.saturating_sub(now.boot))
    }

    /// How long `self` is past, by the boot-time clock alone: a wall clock that jumps does not
    /// make waiting longer.
    pub(crate) fn elapsed(self, now: Self) -> Duration {
        now.boot.saturating_sub(self.boot)
    }

    /// The wall clock's side, for people.
    pub(crate) fn wall_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.wall).unwrap_or(0))
    }
}

/// Where the time comes from: the system, or a test.
#[derive(Clone)]
pub(crate) struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    #[cfg(test)]
    Manual(std::sync::Arc<std::sync::Mutex<Moment>>),
}

impl Clock {
    /// The system's clocks.
    pub(crate) fn system() -> Self {
        Self(Source::System)
    }

    /// Both clocks now.
    pub(crate) fn now(&self) -> Moment {
        match &self.0 {
            Source::System => Moment {
                wall: SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, millis),
                boot: boot_time(),
            },
            #[cfg(test)]
            Source::Manual(moment) => *moment.lock().unwrap(),
        }
    }

    /// Waits; a manual clock jumps instead.
    pub(crate) async fn sleep(&self, span: Duration) {
        match &self.0 {
            Source::System => tokio::time::sleep(span).await,
            #[cfg(test)]
            Source::Manual(_) => {
                self.advance(span);
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
impl Clock {
    /// A clock that stands still until it is told to move.
    pub(crate) fn manual() -> Self {
        Self(Source::Manual(std::sync::Arc::new(std::sync::Mutex::new(
            Moment {
                wall: 1_800_000_000_000,
                boot: Duration::from_secs(1_000),
            },
        ))))
    }

    /// Moves both clocks on.
    pub(crate) fn advance(&self, span: Duration) {
        let Source::Manual(moment) = &self.0 else {
            panic!("the system's clock cannot be moved");
        };
        let mut moment = moment.lock().unwrap();
        *moment = moment.after(span);
    }
}

pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn boot_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn boot_time() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_that_says_less_decides() {
        let now = Clock::manual().now();
        let end = now.after(Duration::from_secs(100));
        assert_eq!(end.left(now), Duration::from_secs(100));
        // The wall clock was set back two hours: the boot-time clock still runs out.
        let set_back = Moment {
            wall: now.wall - 7_200_000,
            boot: now.boot + Duration::from_secs(99),
        };
        assert_eq!(end.left(set_back), Duration::from_secs(1));
        // It was set forward: expired, and a fresh token is asked for.
        let set_forward = Moment {
            wall: now.wall + 7_200_000,
            boot: now.boot,
        };
        assert_eq!(end.left(set_forward), Duration::ZERO);
    }

    #[test]
    fn the_system_clock_moves() {
        let clock = Clock::system();
        let first = clock.now();
        assert!(first.wall > 1_700_000_000_000);
        assert!(first.elapsed(clock.now()) < Duration::from_mins(1));
    }
}
