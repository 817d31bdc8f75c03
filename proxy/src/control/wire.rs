//! JSON lines on the control socket: one request, any number of events, one answer.
//!
//! Knows no use case by name; that is [`call`](super::call).

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::{Failure, Progress};

/// Counted up when an older command line could misread an answer.
pub(crate) const VERSION: u32 = 1;

/// The longest request: a CSV of ten thousand devices fits.
pub(crate) const MAX_REQUEST: usize = 4 << 20;

/// The longest answer: the list of a hundred thousand devices fits.
pub(crate) const MAX_ANSWER: usize = 64 << 20;

/// What the command line sends.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request<C> {
    /// The [`VERSION`] it speaks.
    pub(crate) version: u32,
    /// The use case.
    pub(crate) call: C,
}

/// Read before the call is: a call of another version may not be understood at all.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope {
    pub(crate) version: u32,
}

/// What the daemon sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Frame {
    /// More will come.
    Progress(Progress),
    /// The last one: it worked.
    Done(serde_json::Value),
    /// The last one: it did not.
    Failed(Failure),
}

/// Why there is no line.
#[derive(Debug, Error)]
pub(crate) enum LineError {
    /// The peer sent more than a line may hold.
    #[error("the line is longer than {0} bytes")]
    TooLong(usize),
    /// The peer closed in the middle of a line.
    #[error("the connection ended in the middle of a line")]
    Torn,
    /// The peer sent something that is not the JSON expected.
    #[error("the line is not understood: {0}")]
    Json(#[from] serde_json::Error),
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Reads one line, wiped when dropped, without its end; `None` if the peer closed before it.
pub(crate) async fn read_line(
    from: &mut (impl AsyncBufRead + Unpin),
    longest: usize,
) -> Result<Option<Zeroizing<Vec<u8>>>, LineError> {
    let mut line = Zeroizing::new(Vec::new());
    loop {
        let chunk = from.fill_buf().await?;
        if chunk.is_empty() {
            return if line.is_empty() {
                Ok(None)
            } else {
                Err(LineError::Torn)
            };
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        if line.len() + part.len() > longest {
            return Err(LineError::TooLong(longest));
        }
        grow(&mut line, part);
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

/// Reads one value.
pub(crate) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
    longest: usize,
) -> Result<Option<T>, LineError> {
    match read_line(from, longest).await? {
        Some(line) => Ok(Some(serde_json::from_slice(&line)?)),
        None => Ok(None),
    }
}

/// Writes one value as one line.
pub(crate) async fn write<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    value: &T,
    longest: usize,
) -> Result<(), LineError> {
    let mut line = Zeroizing::new(serde_json::to_vec(value)?);
    if line.len() > longest {
        return Err(LineError::TooLong(longest));
    }
    line.push(b'\n');
    to.write_all(&line).await?;
    Ok(to.flush().await?)
}

/// Appends; where the buffer must move, the old one is wiped.
fn grow(line: &mut Zeroizing<Vec<u8>>, part: &[u8]) {
    if line.capacity() - line.len() < part.len() {
        let mut larger = Zeroizing::new(Vec::with_capacity(2 * (line.len() + part.len())));
        larger.extend_from_slice(line);
        *line = larger;
    }
    line.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::BufReader;

    async fn lines(input: &[u8], buffer: usize) -> (Vec<Vec<u8>>, Option<LineError>) {
        let mut from = BufReader::with_capacity(buffer, input);
        let mut lines = Vec::new();
        loop {
            match read_line(&mut from, MAX_REQUEST).await {
                Ok(Some(line)) => lines.push(line.to_vec()),
                Ok(None) => return (lines, None),
                Err(error) => return (lines, Some(error)),
            }
        }
    }

    #[tokio::test]
    async fn a_line_of_the_greatest_length_passes_and_one_byte_more_does_not() {
        let mut input = vec![b'x'; MAX_REQUEST];
        input.push(b'\n');
        let (got, error) = lines(&input, 8192).await;
        assert_eq!((got[0].len(), error.is_none()), (MAX_REQUEST, true));
        input.insert(0, b'x');
        let (got, error) = lines(&input, 8192).await;
        assert!(got.is_empty() && matches!(error, Some(LineError::TooLong(_))));
    }

    #[tokio::test]
    async fn a_torn_line_is_no_line() {
        let (got, error) = lines(b"{}\n{\"ver", 4).await;
        assert_eq!(got, [b"{}"]);
        assert!(matches!(error, Some(LineError::Torn)));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(input in proptest::collection::vec(any::<u8>(), 0..200), buffer in 1usize..64) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (one, _) = runtime.block_on(lines(&input, 4096));
            let (many, _) = runtime.block_on(lines(&input, buffer));
            prop_assert_eq!(one, many);
        }
    }
}
