//! A connection to the exchange: TCP within a limit, then TLS with a verified certificate.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::Failure;
use crate::config::Endpoint;

/// NAT boxes forget quiet connections after a few minutes; IDLE sessions must outlive them.
const KEEP_ALIVE: Duration = Duration::from_mins(2);

/// When the next address is tried although the one before has not answered (RFC 8305 section 5).
const NEXT_ATTEMPT: Duration = Duration::from_millis(250);

/// Connects to the endpoint's host, trying each of its addresses.
pub(crate) async fn connect(endpoint: &Endpoint, within: Duration) -> Result<TcpStream, Failure> {
    let unreachable = |words: String| Failure::Unreachable {
        server: endpoint.to_string(),
        words,
    };
    let stream = match timeout(within, first_to_answer(endpoint)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(unreachable(error.to_string())),
        Err(_) => {
            return Err(unreachable(format!(
                "no answer within {} s",
                within.as_secs()
            )));
        }
    };
    let prepared = stream.set_nodelay(true).and_then(|()| {
        SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))
    });
    prepared.map_err(|error| unreachable(error.to_string()))?;
    Ok(stream)
}

/// Tries the host's addresses one after another without waiting long for any of them: one that is
/// a black hole, often IPv6, must not use up the time of the others (RFC 8305).
async fn first_to_answer(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let found = lookup_host((endpoint.host.as_str(), endpoint.port)).await?;
    let mut addresses = alternating(found.collect()).into_iter();
    let (Some(first), Some(second)) = (addresses.next(), addresses.next()) else {
        return TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
    };
    let mut waiting = [first, second].into_iter().chain(addresses).peekable();
    let mut attempts = JoinSet::new();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    loop {
        attempts.extend(waiting.next().map(TcpStream::connect));
        tokio::select! {
            done = attempts.join_next() => match done {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => last = error,
                Some(Err(_)) => {}
                None => return Err(last),
            },
            () = sleep(NEXT_ATTEMPT), if waiting.peek().is_some() => {}
        }
    }
}

/// The addresses in the resolver's order, but IPv6 and IPv4 in turn (RFC 8305 section 4).
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(preferred) = addresses.first().map(SocketAddr::is_ipv6) else {
        return addresses;
    };
    let (one, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == preferred);
    let mut other = other.into_iter();
    let mut mixed = Vec::new();
    for address in one {
        mixed.push(address);
        mixed.extend(other.next());
    }
    mixed.extend(other);
    mixed
}

/// Takes up TLS and verifies that the certificate belongs to the endpoint's host.
pub(crate) async fn secure(
    stream: TcpStream,
    endpoint: &Endpoint,
    config: &Arc<ClientConfig>,
    within: Duration,
) -> Result<TlsStream<TcpStream>, Failure> {
    let failed = |error: &io::Error| Failure::Tls {
        server: endpoint.to_string(),
        words: error.to_string(),
    };
    let name = ServerName::try_from(endpoint.host.clone())
        .map_err(|error| failed(&io::Error::other(error)))?;
    let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
    match timeout(within, handshake).await {
        Ok(secured) => secured.map_err(|error| failed(&error)),
        Err(_) => Err(failed(&io::Error::other(format!(
            "the TLS handshake took longer than {} s",
            within.as_secs()
        )))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_the_resolvers_order_stays() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let found = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let tried = parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(alternating(found), tried);
        assert_eq!(alternating(Vec::new()), []);
    }
}
