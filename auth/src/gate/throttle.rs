//! Failed logins get slower and slower.
//!
//! The delay belongs to one login from one address, so that a device with an old password does not
//! slow the others behind the same address; a high ceiling per address stops a scan of user names.
//! The right password is never refused below that ceiling.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::gate::GateLimits;

/// What a device waits that knows its password and may not go on all the same.
const PAUSE: Duration = Duration::from_secs(1);

/// The table of failures.
pub(crate) struct Throttle {
    hasher: RandomState,
    tables: Mutex<Tables>,
}

struct Tables {
    limits: GateLimits,
    logins: Table<(IpAddr, u64)>,
    peers: Table<IpAddr>,
}

impl Throttle {
    pub(crate) fn new(limits: GateLimits) -> Self {
        Self {
            hasher: RandomState::new(),
            tables: Mutex::new(Tables {
                logins: Table::new(limits.remembered, limits.failure_memory),
                peers: Table::new(limits.remembered, limits.peer_memory),
                limits,
            }),
        }
    }

    /// Other limits from now on; what is remembered stays.
    pub(crate) fn set_limits(&self, limits: GateLimits) {
        let mut tables = self.lock();
        tables
            .logins
            .resize(limits.remembered, limits.failure_memory);
        tables.peers.resize(limits.remembered, limits.peer_memory);
        tables.limits = limits;
    }

    /// Whether everything from this address is turned away for now, and how slowly.
    pub(crate) fn refuses(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        let tables = self.lock();
        let failures = tables.peers.count(&neighbourhood(peer), now);
        (failures >= tables.limits.failures_per_peer).then_some(tables.limits.failure_delay)
    }

    /// Notes a failure and says how long its answer waits.
    pub(crate) fn failed(&self, peer: IpAddr, login: &str, now: Instant) -> Duration {
        let peer = neighbourhood(peer);
        let key = (peer, self.login_key(login));
        let mut tables = self.lock();
        tables.peers.add(peer, now);
        let failures = tables.logins.add(key, now);
        delay(failures, tables.limits.failure_delay)
    }

    /// The right password: the device's earlier failures are forgotten. Its address's are not, or
    /// one known password would be a way to guess others.
    pub(crate) fn succeeded(&self, peer: IpAddr, login: &str) {
        if self.lock().logins.is_empty() {
            return;
        }
        let key = (neighbourhood(peer), self.login_key(login));
        self.lock().logins.remove(&key);
    }

    pub(crate) fn pause(&self) -> Duration {
        PAUSE.min(self.lock().limits.failure_delay)
    }

    /// Logins are kept as hashes: a guessed name of any length takes eight bytes.
    fn login_key(&self, login: &str) -> u64 {
        self.hasher.hash_one(login.to_lowercase())
    }

    /// Held for a look-up only.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 0, 1, 2, 4 .. seconds.
fn delay(failures: u32, limit: Duration) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        n => Duration::from_secs(1 << (n - 2).min(16)).min(limit),
    }
}

/// Whoever has one IPv6 address has its whole /64.
fn neighbourhood(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

/// Counts that fade. Bounded: when the younger half is full, the older half is forgotten.
struct Table<K> {
    young: HashMap<K, Count>,
    old: HashMap<K, Count>,
    half: usize,
    memory: Duration,
}

#[derive(Clone, Copy)]
struct Count {
    failures: u32,
    at: Instant,
}

impl<K: Eq + Hash> Table<K> {
    fn new(limit: usize, memory: Duration) -> Self {
        let mut table = Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: 0,
            memory,
        };
        table.resize(limit, memory);
        table
    }

    fn resize(&mut self, limit: usize, memory: Duration) {
        self.half = (limit / 2).max(1);
        self.memory = memory.max(Duration::from_millis(1));
    }

    fn count(&self, key: &K, now: Instant) -> u32 {
        let count = self.young.get(key).or_else(|| self.old.get(key));
        count.map_or(0, |count| count.left(now, self.memory))
    }

    fn add(&mut self, key: K, now: Instant) -> u32 {
        let failures = self.count(&key, now).saturating_add(1);
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, Count { failures, at: now });
        failures
    }

    fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }
}

impl Count {
    /// One failure fades in each span of `memory`.
    fn left(self, now: Instant, memory: Duration) -> u32 {
        let faded = now.saturating_duration_since(self.at).as_nanos() / memory.as_nanos();
        self.failures
            .saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));

    fn throttle(failures_per_peer: u32) -> Throttle {
        Throttle::new(GateLimits {
            failures_per_peer,
            remembered: 100,
            ..GateLimits::default()
        })
    }

    #[test]
    fn each_failure_waits_longer_up_to_the_limit() {
        let (throttle, now) = (throttle(100), Instant::now());
        let delays: Vec<u64> = (0..8)
            .map(|_| throttle.failed(HERE, "Scan", now).as_secs())
            .collect();
        assert_eq!(delays, [0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(throttle.failed(HERE, "sCAN", now).as_secs(), 30);
        assert_eq!(throttle.failed(HERE, "other", now).as_secs(), 0);
        assert_eq!(throttle.failed(THERE, "scan", now).as_secs(), 0);
    }

    #[test]
    fn success_and_time_forgive() {
        let (throttle, now) = (throttle(100), Instant::now());
        for _ in 0..4 {
            throttle.failed(HERE, "scan", now);
        }
        let later = now + Duration::from_mins(3);
        assert_eq!(throttle.failed(HERE, "scan", later).as_secs(), 1);
        throttle.succeeded(HERE, "SCAN");
        assert_eq!(throttle.failed(HERE, "scan", later).as_secs(), 0);
    }

    #[test]
    fn an_address_has_a_ceiling_that_fades() {
        let (throttle, now) = (throttle(10), Instant::now());
        for n in 0..10 {
            assert_eq!(throttle.refuses(HERE, now), None);
            throttle.failed(HERE, &format!("user{n}"), now);
        }
        assert!(throttle.refuses(HERE, now).is_some());
        assert_eq!(throttle.refuses(THERE, now), None);
        // A right password in between does not help a guesser.
        throttle.succeeded(HERE, "user1");
        assert!(throttle.refuses(HERE, now).is_some());
        assert_eq!(throttle.refuses(HERE, now + Duration::from_secs(2)), None);
    }

    #[test]
    fn limits_change_without_forgetting() {
        let (throttle, now) = (throttle(10), Instant::now());
        for n in 0..5 {
            throttle.failed(HERE, &format!("user{n}"), now);
        }
        throttle.set_limits(GateLimits {
            failures_per_peer: 5,
            ..GateLimits::default()
        });
        assert!(throttle.refuses(HERE, now).is_some());
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let (throttle, now) = (throttle(10), Instant::now());
        for (n, wait) in [0, 1, 2, 4, 8, 16, 30, 30, 30, 30].into_iter().enumerate() {
            let delay = throttle.failed(format!("2001:db8::{n}").parse().unwrap(), "x", now);
            assert_eq!(delay.as_secs(), wait);
        }
        let neighbour = "2001:db8::ffff".parse().unwrap();
        assert!(throttle.refuses(neighbour, now).is_some());
        let stranger = "2001:db8:0:1::1".parse().unwrap();
        assert!(throttle.refuses(stranger, now).is_none());
    }

    #[test]
    fn the_table_is_bounded() {
        let throttle = throttle(10);
        let now = Instant::now();
        for n in 0..1000_u32 {
            throttle.failed(IpAddr::V4(n.into()), "x", now);
        }
        let tables = throttle.lock();
        assert!(tables.logins.young.len() + tables.logins.old.len() <= 100);
        assert!(tables.peers.young.len() + tables.peers.old.len() <= 100);
    }

    proptest! {
        #[test]
        fn delays_stay_within_the_limit(steps in proptest::collection::vec((0u8..3, 0u64..200), 1..100)) {
            let throttle = throttle(1000);
            let mut now = Instant::now();
            for (login, pause) in steps {
                now += Duration::from_secs(pause);
                let wait = throttle.failed(HERE, &login.to_string(), now);
                prop_assert!(wait <= Duration::from_secs(30));
            }
        }
    }
}
