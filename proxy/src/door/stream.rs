//! A device's byte stream, plain or encrypted.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::surprise::Lookout;

/// A device's byte stream. A plain one holds nothing but its socket.
#[derive(Debug)]
pub(crate) enum Stream {
    /// No TLS.
    Plain(Plain),
    /// TLS is up.
    Tls(Box<TlsStream<TcpStream>>),
    /// A TLS handshake failed: nothing more can be said.
    Closed,
}

/// A plain stream, whose first octets are looked at when they come.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(super) tcp: TcpStream,
    pub(super) lookout: Option<Lookout>,
}

impl Stream {
    /// Whether TLS is up.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// The TLS version and cipher suite, for the log.
    pub(crate) fn tls(&self) -> Option<String> {
        let Self::Tls(stream) = self else { return None };
        let session = stream.get_ref().1;
        let suite = session.negotiated_cipher_suite()?.suite();
        let version = match session.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
            _ => "TLS 1.3",
        };
        let suite = suite.as_str().unwrap_or("unknown suite");
        Some(format!("{version} {suite}"))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => stream.poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}

impl Plain {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer))?;
        if let Some(lookout) = self.lookout.take()
            && let Err(error) = lookout.look(&buffer.filled()[before..])
        {
            buffer.set_filled(before);
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(&mut stream.tcp).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(&mut stream.tcp).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(&mut stream.tcp).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}
