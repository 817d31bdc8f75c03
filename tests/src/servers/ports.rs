//! Loopback ports that nobody uses at the moment.
//!
//! Between choosing a port and the server's own bind somebody else may take it; whoever starts a
//! server tries again with new ports when the server cannot bind.

use std::net::{Ipv4Addr, TcpListener};

/// How often a server is started with new ports before the test fails.
pub(crate) const ATTEMPTS: usize = 5;

/// A choice of ports.
pub struct Ports;

impl Ports {
    /// `N` different free ports.
    pub fn free<const N: usize>() -> [u16; N] {
        // All are held until the last is chosen, so that no two are the same.
        let held: [TcpListener; N] = std::array::from_fn(|_| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port")
        });
        held.map(|listener| listener.local_addr().expect("its address").port())
    }
}

#[cfg(test)]
mod tests {
    use super::Ports;

    #[test]
    fn are_different() {
        let [a, b, c] = Ports::free::<3>();
        assert!(a != b && b != c && a != c);
    }
}
