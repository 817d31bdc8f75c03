//! Devices that begin with TLS on a plain port, but later than we watch for it.
//!
//! A slow printer needs a while for its hello, and ordinary clients must not wait for that while. So
//! a hello that comes after our greeting is told to the log, and that device's next connections are
//! watched for longer: its next try works.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::hello;

/// How long a device that has surprised us is watched for its hello.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many devices are remembered; beyond, the longest known is forgotten.
const REMEMBERED: usize = 256;

/// The devices that have surprised us.
#[derive(Debug, Default)]
pub(super) struct Surprises(Mutex<Vec<IpAddr>>);

/// Looks at the first octets of one plain stream.
#[derive(Debug)]
pub(super) struct Lookout {
    pub(super) surprises: Arc<Surprises>,
    pub(super) peer: IpAddr,
}

impl Surprises {
    /// How long to watch a connection for a TLS hello.
    pub(super) fn window(&self, peer: IpAddr, ordinary: Duration) -> Duration {
        if self.list().contains(&peer) {
            ordinary.max(PATIENCE)
        } else {
            ordinary
        }
    }

    fn add(&self, peer: IpAddr) {
        let mut list = self.list();
        if !list.contains(&peer) {
            if list.len() == REMEMBERED {
                list.remove(0);
            }
            list.push(peer);
        }
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<IpAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookout {
    /// Fails if the first octets of a plain stream are those of a TLS hello.
    pub(super) fn look(&self, first: &[u8]) -> io::Result<()> {
        if !matches!(first, [hello::HANDSHAKE] | [hello::HANDSHAKE, 3, ..]) {
            return Ok(());
        }
        self.surprises.add(self.peer);
        tracing::warn!(
            "the device began with TLS after our greeting; its next connections are watched for {} s, \
             or use a listener with tls = \"implicit\"",
            PATIENCE.as_secs(),
        );
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "TLS on a plain port, after the greeting",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_surprised_us_is_watched_for_longer_and_the_list_is_bounded() {
        let surprises = Arc::new(Surprises::default());
        let peer = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        for number in 0..=REMEMBERED {
            let lookout = Lookout {
                surprises: Arc::clone(&surprises),
                peer: peer(number),
            };
            lookout.look(b"EHLO me").unwrap();
            assert!(lookout.look(&[0x16, 3, 1]).is_err());
        }
        let usual = Duration::from_millis(20);
        assert_eq!(surprises.window(peer(0), usual), usual);
        assert_eq!(surprises.window(peer(1), usual), PATIENCE);
        assert_eq!(surprises.list().len(), REMEMBERED);
    }
}
