//! One read buffer per thread instead of one per session.
//!
//! A session that waits holds no buffer at all; the buffer is lent only while a read is polled, so
//! ten thousand idle sessions cost nothing here.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// One TLS record (RFC 8446 section 5.1) and a little more, so that a full record is one read.
const SCRATCH_OCTETS: usize = 32 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_OCTETS].into_boxed_slice());
}

/// Polls for bytes and lends them to `take`; no bytes mean the end of the stream.
///
/// A TLS peer that goes away without `close_notify` counts as the end too: what that would hide is
/// the business of the protocol above, which knows whether it was in the middle of something.
pub(crate) fn poll_read_with<S, R>(
    stream: &mut S,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8], &mut Context<'_>) -> R,
) -> Poll<io::Result<R>>
where
    S: AsyncRead + Unpin,
{
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        match ready!(Pin::new(stream).poll_read(cx, &mut buffer)) {
            Ok(()) => Poll::Ready(Ok(take(buffer.filled(), cx))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(take(&[], cx)))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    })
}

/// Waits for bytes and lends them to `take`; no bytes mean the end of the stream.
pub(crate) async fn read_with<S, R>(
    stream: &mut S,
    mut take: impl FnMut(&[u8]) -> R,
) -> io::Result<R>
where
    S: AsyncRead + Unpin,
{
    poll_fn(|cx| poll_read_with(stream, cx, |bytes, _| take(bytes))).await
}
