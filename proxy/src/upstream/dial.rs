//! A connection to the exchange: TCP within a limit, then TLS with a verified certificate.

use std::{io, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::Failure;
use crate::config::Endpoint;

/// NAT boxes forget quiet connections after a few minutes; IDLE sessions must outlive them.
const KEEP_ALIVE: Duration = Duration::from_mins(2);

/// Connects to the endpoint's host, trying each of its addresses.
pub(crate) async fn connect(endpoint: &Endpoint, within: Duration) -> Result<TcpStream, Failure> {
    let address = (endpoint.host.as_str(), endpoint.port);
    let unreachable = |words: String| Failure::Unreachable {
        server: endpoint.to_string(),
        words,
    };
    let stream = match timeout(within, TcpStream::connect(address)).await {
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
