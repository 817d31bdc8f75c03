//! A device's connection, as a session gets it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use portreeve_protocols::Channel;
use tokio::time::{Instant, timeout};

use super::{Seat, SessionId, Stream, arrival, certificates::Certificates};
use crate::config::Listener;

/// A device's connection: within the limits, past its PROXY header, encrypted if it is to be.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    /// The device, as the PROXY header names it if there is one. IPv4 is never shown as IPv6.
    pub(crate) peer: SocketAddr,
    /// The listener as it was configured when the device connected.
    pub(crate) listener: Arc<Listener>,
    pub(crate) session: SessionId,
    /// When it was accepted: the limit for the login counts from here.
    pub(crate) since: Instant,
    /// Keep it for as long as the session lives: it counts against the limits.
    pub(crate) seat: Seat,
    pub(super) certificates: Arc<Certificates>,
}

impl Connection {
    /// What the device may do on the stream as it is now.
    pub(crate) fn channel(&self) -> Channel {
        if self.stream.is_encrypted() {
            return Channel::Encrypted;
        }
        self.listener.plain_channel(self.peer.ip())
    }

    /// Takes up TLS after STARTTLS or STLS. If it fails the stream is closed, and the log has said
    /// why.
    pub(crate) async fn start_tls(&mut self, within: Duration) -> io::Result<()> {
        let Stream::Plain(plain) = std::mem::replace(&mut self.stream, Stream::Closed) else {
            return Err(io::Error::other("TLS is already up"));
        };
        let handshake = arrival::handshake(plain.tcp, &self.certificates);
        match timeout(within, Box::pin(handshake)).await {
            Ok(secured) => self.stream = secured?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
        Ok(())
    }
}
