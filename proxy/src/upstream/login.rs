//! The login at the exchange: the same few steps for all three protocols.

use std::sync::Arc;

use portreeve_auth::Protocol;
use portreeve_protocols::{
    Dialogue, Refusal, RefusalKind, dialogue::UpstreamTls, imap, pop3, sasl::bearer::Bearer, smtp,
};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use super::{Failure, dial};
use crate::{
    config::{Endpoint, Limits},
    session::driver::{self, Step, Wire},
};

/// The client side of one protocol, from greeting to authenticated session.
pub(crate) trait ExchangeSide: Dialogue + Send + Sized {
    /// The protocol it speaks.
    const PROTOCOL: Protocol;
    /// What the server said about itself when it let us in.
    type Opened: Send;

    /// A dialogue that will log in as `bearer`; `helo` is our own name.
    fn start(bearer: Bearer, tls: UpstreamTls, helo: &str, trace: bool) -> Self;
    /// TLS is up.
    fn tls_started(&mut self);
    /// The server closed the connection.
    fn closed(&mut self);
    /// How the login ended; `None` for an event that cannot come during a login.
    fn verdict(event: Self::Event) -> Option<Result<Self::Opened, Refusal>>;
}

/// An authenticated session with the exchange.
pub(crate) struct Opened<X: ExchangeSide> {
    /// The connection.
    pub(crate) stream: TlsStream<TcpStream>,
    /// The dialogue, for what it has read ahead or for what comes next.
    pub(crate) dialogue: X,
    /// What the server said about itself.
    pub(crate) said: X::Opened,
}

/// Connects, takes up TLS and logs in.
pub(crate) async fn login<X: ExchangeSide>(
    endpoint: &Endpoint,
    bearer: Bearer,
    helo: &str,
    tls: &Arc<ClientConfig>,
    limits: &Limits,
    wire: Wire,
) -> Result<Opened<X>, Failure> {
    let within = limits.upstream_login_seconds;
    let mut stream = dial::connect(endpoint, limits.upstream_connect_seconds).await?;
    let mut dialogue = X::start(bearer, endpoint.tls, helo, wire.is_on());
    let whole = async {
        if endpoint.tls == UpstreamTls::StartTls {
            before_tls(&mut dialogue, &mut stream, endpoint, wire).await?;
        }
        let mut stream = dial::secure(stream, endpoint, tls, within).await?;
        if endpoint.tls == UpstreamTls::StartTls {
            dialogue.tls_started();
        }
        let said = after_tls(&mut dialogue, &mut stream, endpoint, wire).await?;
        Ok(Opened {
            stream,
            dialogue,
            said,
        })
    };
    timeout(within, whole).await.unwrap_or_else(|_| {
        Err(Failure::Unreachable {
            server: endpoint.to_string(),
            words: format!("the login took longer than {} s", within.as_secs()),
        })
    })
}

/// Up to the point where TLS starts; an end before that is a refusal.
async fn before_tls<X: ExchangeSide>(
    dialogue: &mut X,
    stream: &mut TcpStream,
    endpoint: &Endpoint,
    wire: Wire,
) -> Result<(), Failure> {
    loop {
        match next(dialogue, stream, endpoint, wire).await? {
            Next::StartTls => return Ok(()),
            Next::Verdict(Err(refusal)) => return Err(refused(endpoint, refusal)),
            Next::Verdict(Ok(_)) => {
                return Err(refused(endpoint, misbehaved("a login before TLS")));
            }
            Next::Again => {}
        }
    }
}

async fn after_tls<X: ExchangeSide>(
    dialogue: &mut X,
    stream: &mut TlsStream<TcpStream>,
    endpoint: &Endpoint,
    wire: Wire,
) -> Result<X::Opened, Failure> {
    loop {
        match next(dialogue, stream, endpoint, wire).await? {
            Next::Verdict(verdict) => return verdict.map_err(|refusal| refused(endpoint, refusal)),
            Next::StartTls => return Err(refused(endpoint, misbehaved("TLS inside TLS"))),
            Next::Again => {}
        }
    }
}

enum Next<O> {
    Verdict(Result<O, Refusal>),
    StartTls,
    /// The dialogue was told that the peer is gone and has its say now.
    Again,
}

async fn next<X, S>(
    dialogue: &mut X,
    stream: &mut S,
    endpoint: &Endpoint,
    wire: Wire,
) -> Result<Next<X::Opened>, Failure>
where
    X: ExchangeSide,
    S: AsyncRead + AsyncWrite + Unpin,
{
    match driver::step(dialogue, stream, wire).await {
        Ok(Step::Event(event)) => {
            Ok(Next::Verdict(X::verdict(event).unwrap_or_else(|| {
                Err(misbehaved("an answer to nothing"))
            })))
        }
        Ok(Step::StartTls) => Ok(Next::StartTls),
        Ok(Step::PeerClosed) => {
            dialogue.closed();
            Ok(Next::Again)
        }
        Ok(Step::Close) => Err(refused(
            endpoint,
            misbehaved("the login ended without an answer"),
        )),
        Err(error) => Err(Failure::Unreachable {
            server: endpoint.to_string(),
            words: error.to_string(),
        }),
    }
}

fn refused(endpoint: &Endpoint, refusal: Refusal) -> Failure {
    Failure::Refused {
        server: endpoint.to_string(),
        refusal,
    }
}

fn misbehaved(words: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Misbehaved,
        words: words.to_owned(),
    }
}

impl ExchangeSide for imap::exchange::Exchange {
    const PROTOCOL: Protocol = Protocol::Imap;
    type Opened = imap::exchange::Opened;

    fn start(bearer: Bearer, tls: UpstreamTls, _helo: &str, trace: bool) -> Self {
        Self::new(imap::exchange::Options { bearer, tls, trace })
    }

    fn tls_started(&mut self) {
        self.tls_started();
    }

    fn closed(&mut self) {
        self.closed();
    }

    fn verdict(event: Self::Event) -> Option<Result<Self::Opened, Refusal>> {
        Some(match event {
            imap::exchange::Event::Opened(said) => Ok(said),
            imap::exchange::Event::Refused(refusal) => Err(refusal),
        })
    }
}

impl ExchangeSide for pop3::exchange::Exchange {
    const PROTOCOL: Protocol = Protocol::Pop3;
    type Opened = pop3::exchange::Opened;

    fn start(bearer: Bearer, tls: UpstreamTls, _helo: &str, trace: bool) -> Self {
        Self::new(pop3::exchange::Options { bearer, tls, trace })
    }

    fn tls_started(&mut self) {
        self.tls_started();
    }

    fn closed(&mut self) {
        self.closed();
    }

    fn verdict(event: Self::Event) -> Option<Result<Self::Opened, Refusal>> {
        Some(match event {
            pop3::exchange::Event::Opened(said) => Ok(said),
            pop3::exchange::Event::Refused(refusal) => Err(refusal),
        })
    }
}

impl ExchangeSide for smtp::exchange::Exchange {
    const PROTOCOL: Protocol = Protocol::Smtp;
    type Opened = smtp::exchange::Abilities;

    fn start(bearer: Bearer, tls: UpstreamTls, helo: &str, trace: bool) -> Self {
        Self::new(smtp::exchange::Options {
            helo: helo.to_owned(),
            bearer,
            tls,
            trace,
        })
    }

    fn tls_started(&mut self) {
        self.tls_started();
    }

    fn closed(&mut self) {
        self.closed();
    }

    fn verdict(event: Self::Event) -> Option<Result<Self::Opened, Refusal>> {
        match event {
            smtp::exchange::Event::Ready(said) => Some(Ok(said)),
            smtp::exchange::Event::Refused(refusal) => Some(Err(refusal)),
            smtp::exchange::Event::Lost(words) => Some(Err(Refusal {
                kind: RefusalKind::Unavailable,
                words,
            })),
            smtp::exchange::Event::Reply(_) => None,
        }
    }
}
