//! The PROXY header of a balancer: read exactly, to the last octet and no further.

use std::{io, net::SocketAddr};

use portreeve_protocols::proxyhdr::{self, Parsed};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// A balancer did not send what it is there for.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxiedError {
    #[error(
        "the balancer sent no PROXY header; switch it on there, or take its address out of proxy-protocol-from"
    )]
    Absent,
    #[error("the balancer's PROXY header is wrong: {0}")]
    Bad(&'static str),
    #[error("the balancer's connection was lost: {0}")]
    Lost(#[from] io::Error),
}

/// Whom the balancer speaks for; `None` if for itself, as its health checks do.
pub(super) async fn source(stream: &mut TcpStream) -> Result<Option<SocketAddr>, ProxiedError> {
    let mut header = [0; LONGEST];
    let mut taken = 0;
    loop {
        let seen = taken + stream.peek(&mut header[taken..]).await?;
        if seen == taken {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let (source, consumed) = match proxyhdr::parse(&header[..seen]) {
            // Everything seen belongs to the header: taking it makes the next peek wait for more.
            Parsed::Incomplete(_) if seen < LONGEST => (None, seen),
            Parsed::Incomplete(_) => return Err(ProxiedError::Bad("it does not end")),
            Parsed::Absent => return Err(ProxiedError::Absent),
            Parsed::Bad(why) => return Err(ProxiedError::Bad(why)),
            Parsed::Local { consumed } => (Some(None), consumed),
            Parsed::From {
                source, consumed, ..
            } => (Some(Some(source)), consumed),
        };
        stream.read_exact(&mut header[taken..consumed]).await?;
        taken = consumed;
        if let Some(source) = source {
            return Ok(source);
        }
    }
}

/// One octet more than the longest header, so that a full buffer means "too long".
const LONGEST: usize = 16 + proxyhdr::V2_PAYLOAD_OCTETS + 1;
