//! Keeps a flood of equal events from becoming a flood of log lines.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// One line a second; the rest is counted.
#[derive(Debug)]
pub(super) struct Sparingly {
    began: Instant,
    /// The second of the last line, counted from one.
    last: AtomicU64,
    untold: AtomicU64,
}

impl Sparingly {
    /// Whether to write a line now; if so, how many were not written since the last one.
    pub(super) fn now(&self) -> Option<u64> {
        let second = self.began.elapsed().as_secs() + 1;
        if self.last.swap(second, Ordering::Relaxed) == second {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.untold.swap(0, Ordering::Relaxed))
    }
}

impl Default for Sparingly {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
            untold: AtomicU64::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_second_and_none_is_forgotten() {
        let sparingly = Sparingly::default();
        assert_eq!(sparingly.now(), Some(0));
        assert_eq!(sparingly.now(), None);
        assert_eq!(sparingly.now(), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(sparingly.now(), Some(2));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(sparingly.now(), Some(0));
    }
}
