//! From accept to the session: limits, PROXY header, allowed networks, TLS or not.

use std::{
    io,
    mem::MaybeUninit,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use portreeve_auth::Protocol;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Connection, Hall, Seat, SessionId, Stream,
    accept::Serving,
    certificates::Certificates,
    hello::{self, Hello},
    proxied::{self, ProxiedError},
    seats::Full,
    stream::Plain,
    surprise::Lookout,
};
use crate::config::{Limits, Listener, ListenerTls};

/// Serves a connection to its end.
pub(super) type Handler =
    Box<dyn Fn(Connection) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A connection that was just accepted.
pub(super) struct Connected {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) session: SessionId,
    pub(super) since: Instant,
    pub(super) serving: Arc<Serving>,
}

/// NAT boxes forget quiet connections after a few minutes; IDLE sessions must outlive them.
const KEEP_ALIVE: Duration = Duration::from_mins(2);
/// A device that was switched off answers none of four probes, and is gone two minutes later.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_PROBES: u32 = 4;

/// Brings a connection to the handler, or says in the log why not.
pub(super) async fn serve(connected: Connected, hall: &Hall) {
    // Boxed: what a handshake needs is given back before the session begins.
    let arrived = Box::pin(arrive(connected, hall)).await;
    if let Some(connection) = arrived {
        (hall.handler)(connection).await;
    }
}

async fn arrive(connected: Connected, hall: &Hall) -> Option<Connection> {
    let Connected {
        mut stream,
        peer,
        session,
        since,
        serving,
    } = connected;
    let Serving { listener, limits } = &*serving;
    let span = tracing::Span::current();
    let balancer = listener.proxy_protocol_from.contains(peer.ip());
    if !balancer {
        span.record("peer", tracing::field::display(peer));
    }
    let until = since + limits.login_seconds;
    let admitted = tokio::select! {
        admitted = timeout_at(until, admit(&mut stream, peer, balancer, listener, limits, hall)) => admitted,
        () = hall.stop.cancelled() => return None,
    };
    let (peer, seat) = match admitted {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(turned_away)) => {
            turned_away.tell(stream, peer, listener, hall).await;
            return None;
        }
        Err(_) => {
            tracing::warn!(%peer, "the balancer sent no PROXY header within the limit");
            return None;
        }
    };
    if balancer {
        span.record("peer", tracing::field::display(peer));
    }
    let secured = tokio::select! {
        secured = timeout_at(until, begin(stream, peer.ip(), listener, limits, hall)) => secured,
        () = hall.stop.cancelled() => return None,
    };
    let stream = match secured {
        Ok(Ok(stream)) => stream,
        // The handshake has said why.
        Ok(Err(_)) => return None,
        Err(_) => {
            tracing::info!("no complete TLS hello within the limit");
            return None;
        }
    };
    let listener = Arc::clone(listener);
    let certificates = Arc::clone(&hall.certificates);
    Some(Connection {
        stream,
        peer,
        listener,
        session,
        since,
        seat,
        certificates,
    })
}

/// Why a connection is not let in.
#[derive(Debug, thiserror::Error)]
enum TurnedAway {
    #[error("{0}")]
    Full(#[from] Full),
    #[error("its network may not connect here")]
    Network,
    #[error("{0}")]
    Proxied(#[from] ProxiedError),
    #[error("the connection was lost at once: {0}")]
    Lost(#[from] io::Error),
}

async fn admit(
    stream: &mut TcpStream,
    peer: SocketAddr,
    balancer: bool,
    listener: &Listener,
    limits: &Limits,
    hall: &Hall,
) -> Result<(SocketAddr, Seat), TurnedAway> {
    let mut seat = hall.seats.take(limits)?;
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new()
        .with_time(KEEP_ALIVE)
        .with_interval(KEEP_ALIVE_INTERVAL)
        .with_retries(KEEP_ALIVE_PROBES);
    SockRef::from(&*stream).set_tcp_keepalive(&keep_alive)?;
    let peer = if balancer {
        proxied::source(stream).await?.unwrap_or(peer)
    } else {
        peer
    };
    if !listener.lets_in(peer.ip()) {
        return Err(TurnedAway::Network);
    }
    seat.claim(peer.ip(), limits)?;
    Ok((peer, seat))
}

/// TLS at once where the listener says so, or where a device on a plain port begins with a TLS
/// hello.
async fn begin(
    stream: TcpStream,
    peer: IpAddr,
    listener: &Listener,
    limits: &Limits,
    hall: &Hall,
) -> io::Result<Stream> {
    match listener.tls {
        ListenerTls::Implicit => handshake(stream, &hall.certificates).await,
        ListenerTls::StartTls | ListenerTls::Off => {
            let window = hall.surprises.window(peer, limits.detect_milliseconds);
            if begins_with_tls(&stream, window).await {
                tracing::info!("the device began with TLS on a plain port; it is served so");
                return handshake(stream, &hall.certificates).await;
            }
            let surprises = Arc::clone(&hall.surprises);
            let lookout = Some(Lookout { surprises, peer });
            Ok(Stream::Plain(Plain {
                tcp: stream,
                lookout,
            }))
        }
    }
}

/// Whether the peer's first octet is that of a TLS record.
///
/// Ordinary clients wait for our greeting, so we can only wait for a while; a device that speaks
/// TLS sends its hello as soon as it is connected.
async fn begins_with_tls(stream: &TcpStream, window: Duration) -> bool {
    let mut first = [MaybeUninit::uninit()];
    let there = matches!(SockRef::from(stream).peek(&mut first), Ok(1));
    let mut first = [0];
    if !there && window.is_zero() {
        return false;
    }
    matches!(
        timeout(window.max(READ_AT_ONCE), stream.peek(&mut first)).await,
        Ok(Ok(1))
    ) && first[0] == hello::HANDSHAKE
}

/// For octets that are already here: the runtime only has to notice them.
const READ_AT_ONCE: Duration = Duration::from_millis(5);

/// Takes up TLS; the log says why if it fails.
pub(super) async fn handshake(
    stream: TcpStream,
    certificates: &Certificates,
) -> io::Result<Stream> {
    let mut start = [0; hello::OCTETS];
    let length = stream.peek(&mut start).await?;
    let hello = hello::read(&start[..length]);
    if let Hello::NotTls = hello {
        if length == 0 {
            tracing::debug!("the device left before its TLS hello");
        } else {
            tracing::warn!(
                "client spoke plain text on a TLS port; set its encryption to TLS or SSL"
            );
        }
        return Err(io::ErrorKind::InvalidData.into());
    }
    match certificates.acceptor().accept(stream).await {
        Ok(secured) => {
            let stream = Stream::Tls(Box::new(secured));
            tracing::debug!(tls = stream.tls(), "TLS is up");
            Ok(stream)
        }
        Err(error) => {
            match hello {
                Hello::Offers(version) if version.is_too_old() => tracing::warn!(
                    %error,
                    tls = %version,
                    "TLS handshake failed: the device offers no more than {version}, and TLS 1.2 is needed",
                ),
                Hello::Offers(version) => {
                    tracing::warn!(%error, tls = %version, "TLS handshake failed: {error}");
                }
                Hello::Unfinished | Hello::NotTls => {
                    tracing::warn!(%error, "TLS handshake failed: {error}");
                }
            }
            Err(error)
        }
    }
}

impl TurnedAway {
    /// Tells the log, and the device where that costs nothing: its protocol's words on a plain port.
    async fn tell(self, mut stream: TcpStream, peer: SocketAddr, listener: &Listener, hall: &Hall) {
        tracing::Span::current().record("peer", tracing::field::display(peer));
        match &self {
            Self::Lost(error) | Self::Proxied(ProxiedError::Lost(error)) => {
                tracing::debug!(%error, "connection lost at once");
            }
            Self::Full(_) => {
                if let Some(untold) = hall.full.now() {
                    tracing::warn!(untold, "connection refused: {self}");
                }
            }
            _ => tracing::warn!("connection refused: {self}"),
        }
        if listener.tls == ListenerTls::Implicit {
            return;
        }
        if let Some(words) = self.words(listener.protocol) {
            // One short write into an empty socket buffer; whoever does not take it is not waited for.
            let _ = timeout(LAST_WORDS, async {
                stream.write_all(words.as_bytes()).await?;
                stream.shutdown().await
            })
            .await;
        }
    }

    fn words(&self, protocol: Protocol) -> Option<&'static str> {
        match (self, protocol) {
            (Self::Full(_), Protocol::Smtp) => {
                Some("421 4.3.2 Too many connections; try again later\r\n")
            }
            (Self::Full(_), Protocol::Imap) => {
                Some("* BYE Too many connections; try again later\r\n")
            }
            (Self::Full(_), Protocol::Pop3) => {
                Some("-ERR [SYS/TEMP] Too many connections; try again later\r\n")
            }
            (Self::Network, Protocol::Smtp) => {
                Some("554 5.7.1 This address may not connect here\r\n")
            }
            (Self::Network, Protocol::Imap) => Some("* BYE This address may not connect here\r\n"),
            (Self::Network, Protocol::Pop3) => {
                Some("-ERR [SYS/PERM] This address may not connect here\r\n")
            }
            (Self::Proxied(_) | Self::Lost(_), _) => None,
        }
    }
}

/// How long the words of a refusal may take.
const LAST_WORDS: Duration = Duration::from_secs(1);
