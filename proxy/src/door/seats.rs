//! How many connections there are, in all and from each address.
//!
//! Counting takes no lock that two different addresses share for long.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use dashmap::{DashMap, Entry};

use crate::config::Limits;

/// The count of connections.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: AtomicUsize,
    by_peer: DashMap<IpAddr, usize>,
}

/// A connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    peer: Option<IpAddr>,
}

/// There is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("the limit of connections in all is reached")]
    InAll,
    #[error("the limit of connections from this address is reached")]
    FromPeer,
}

impl Seats {
    /// Takes a place, whoever the peer is.
    pub(super) fn take(self: &Arc<Self>, limits: &Limits) -> Result<Seat, Full> {
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let seat = Seat {
            seats: Arc::clone(self),
            peer: None,
        };
        if before < limits.connections {
            Ok(seat)
        } else {
            Err(Full::InAll)
        }
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Seat {
    /// Counts the place for a peer as well.
    pub(super) fn claim(&mut self, peer: IpAddr, limits: &Limits) -> Result<(), Full> {
        let peer = peer.to_canonical();
        let mut count = self.seats.by_peer.entry(peer).or_insert(0);
        if *count >= limits.connections_per_peer {
            return Err(Full::FromPeer);
        }
        *count += 1;
        drop(count);
        self.peer = Some(peer);
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken.fetch_sub(1, Ordering::Relaxed);
        let Some(peer) = self.peer else { return };
        if let Entry::Occupied(mut count) = self.seats.by_peer.entry(peer) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections: usize, connections_per_peer: usize) -> Limits {
        Limits {
            connections,
            connections_per_peer,
            ..Limits::default()
        }
    }

    #[test]
    fn the_limit_in_all_counts_every_peer_and_a_dropped_seat_is_free_again() {
        let seats = Arc::new(Seats::default());
        let limits = limits(2, 10);
        let first = seats.take(&limits).unwrap();
        let _second = seats.take(&limits).unwrap();
        assert_eq!(seats.take(&limits).unwrap_err(), Full::InAll);
        assert_eq!(seats.taken(), 2);
        drop(first);
        assert!(seats.take(&limits).is_ok());
    }

    #[test]
    fn the_limit_per_peer_leaves_the_others_alone() {
        let seats = Arc::new(Seats::default());
        let limits = limits(10, 1);
        let mut first = seats.take(&limits).unwrap();
        first.claim("10.0.0.1".parse().unwrap(), &limits).unwrap();
        let mut second = seats.take(&limits).unwrap();
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(second.claim(mapped, &limits), Err(Full::FromPeer));
        second.claim("10.0.0.2".parse().unwrap(), &limits).unwrap();
        drop(first);
        let mut third = seats.take(&limits).unwrap();
        third.claim("10.0.0.1".parse().unwrap(), &limits).unwrap();
        drop((second, third));
        assert!(
            seats.by_peer.is_empty(),
            "an address that has gone costs no memory"
        );
    }
}
