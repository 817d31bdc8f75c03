//! The gate's limits.

use std::time::Duration;

/// How failed logins are slowed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateLimits {
    /// The longest wait after a failure of one login from one address (0, 1, 2, 4 .. s); default 30 s.
    pub failure_delay: Duration,
    /// One failure of a login is forgotten after this time; default 60 s.
    pub failure_memory: Duration,
    /// Failures from one address (an IPv6 /64) before everything from there is turned away; default 300.
    pub failures_per_peer: u32,
    /// One failure of an address is forgotten after this time; default 2 s.
    pub peer_memory: Duration,
    /// Logins and addresses whose failures are remembered; default 20,000.
    pub remembered: usize,
    /// Logins with chosen passwords that wait for their slow hash; default 32.
    pub hash_queue: usize,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            failure_delay: Duration::from_secs(30),
            failure_memory: Duration::from_mins(1),
            failures_per_peer: 300,
            peer_memory: Duration::from_secs(2),
            remembered: 20_000,
            hash_queue: 32,
        }
    }
}
