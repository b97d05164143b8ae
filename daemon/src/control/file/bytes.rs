//! The bytes of large files: as they come, and as they are given, a piece at a time.

use std::io::{self, Read, Write};
use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use martlet_protocol::file::FileKey;
use martlet_protocol::file::sealed::Layout;
use martlet_store::blobs::{BlobDirError, Whole};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use crate::blobs::Cancelled;
use crate::control::problem::Refusal;
use crate::control::{Ending, stopping};
use crate::limits::{FILE_PIECE_MAX, FILE_PIECES_WAITING_MAX};

/// Reads a request's body on a thread of its own, which waits for each piece.
pub(super) struct BodyReader {
    body: Body,
    piece: Bytes,
    runtime: Handle,
    ending: watch::Receiver<Ending>,
    closing: Cancelled,
}

impl BodyReader {
    pub(super) fn new(
        body: Body,
        runtime: Handle,
        (ending, closing): (watch::Receiver<Ending>, Cancelled),
    ) -> Self {
        Self { body, piece: Bytes::new(), runtime, ending, closing }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Self { body, runtime, ending, closing, .. } = self;
            let frame = runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = stopping(ending) => Err(io::ErrorKind::ConnectionAborted.into()),
                    _ = closing.wait_for(|it| *it) => Err(io::ErrorKind::ConnectionAborted.into()),
                    frame = timeout(FILE_PIECE_MAX, body.frame()) => {
                        frame.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
                    }
                }
            })?;
            match frame {
                None => return Ok(0),
                // As if it ended there: it has fewer bytes than was said.
                Some(Err(_)) => return Ok(0),
                Some(Ok(frame)) => self.piece = frame.into_data().unwrap_or_default(),
            }
        }
        let piece = self.piece.split_to(buffer.len().min(self.piece.len()));
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// Hands pieces to an answer's body, and waits while its reader does not take them: not for ever, and not once the vault is closed.
struct Pieces {
    to: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
    closing: Cancelled,
}

impl Pieces {
    fn give(&mut self, piece: io::Result<Bytes>) -> io::Result<()> {
        let Self { to, runtime, closing } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = closing.wait_for(|it| *it) => Err(io::ErrorKind::ConnectionAborted.into()),
                given = timeout(FILE_PIECE_MAX, to.send(piece)) => match given {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
                    Err(_) => Err(io::ErrorKind::TimedOut.into()),
                },
            }
        })
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.give(Ok(Bytes::copy_from_slice(bytes)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Some bytes of a blob, opened, as an answer's body. If they are damaged it ends in the midst, and `failed` is told.
pub(super) fn streamed(
    whole: Whole,
    (key, layout, bytes): (FileKey, Layout, Range<u64>),
    closing: Cancelled,
    failed: impl FnOnce(&BlobDirError) + Send + 'static,
) -> Body {
    let (to, pieces) = mpsc::channel(FILE_PIECES_WAITING_MAX);
    let mut to = Pieces { to, runtime: Handle::current(), closing };
    spawn_blocking(move || {
        let error = match whole.export(&key, &layout, bytes, &mut to) {
            Ok(()) => return,
            Err(BlobDirError::Io(error)) => error,
            Err(error) => {
                tracing::warn!(%error, "a file on this disk");
                failed(&error);
                io::Error::other(error)
            }
        };
        // Nobody may be reading any more. The body is cut short all the same, and its length was told.
        to.give(Err(error)).unwrap_or_default();
    });
    Body::from_stream(ReceiverStream::new(pieces))
}

/// The one range of a file that a request asks for, as RFC 9110 (14.1.2) has it; `None` if it asks for all of it, or for what a server
/// may ignore: several ranges, and other units.
///
/// # Errors
/// [`Refusal`] if the file has none of these bytes.
pub(super) fn asked(headers: &HeaderMap, size: u64) -> Result<Option<Range<u64>>, Refusal> {
    let Some(range) = headers.get(header::RANGE).and_then(|it| it.to_str().ok()) else {
        return Ok(None);
    };
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|it| it.split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<u64>();
    let range = match (number(first), number(last)) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..size,
        (Err(_), Ok(count)) if first.trim().is_empty() => size.saturating_sub(count)..size,
        (Ok(_) | Err(_), Ok(_) | Err(_)) => return Ok(None),
    };
    match range.start < range.end {
        true => Ok(Some(range)),
        false => Err(Refusal::no_such_range(size)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn one_range_is_understood_and_what_may_be_ignored_is() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            asked(&headers, 1000).ok()
        };
        assert_eq!(of("bytes=0-0"), Some(Some(0..1)));
        assert_eq!(of("bytes=10-"), Some(Some(10..1000)));
        assert_eq!(of("bytes=-10"), Some(Some(990..1000)));
        assert_eq!(of("bytes=-5000"), Some(Some(0..1000)));
        assert_eq!(of("bytes=990-5000"), Some(Some(990..1000)));
        for ignored in ["bytes=0-1,5-6", "lines=1-2", "bytes=5-2", "bytes=-", "bytes=a-b"] {
            assert_eq!(of(ignored), Some(None), "{ignored}");
        }
        for refused in ["bytes=1000-", "bytes=1000-2000", "bytes=-0"] {
            assert_eq!(of(refused), None, "{refused}");
        }
        assert_eq!(asked(&HeaderMap::new(), 1000).ok(), Some(None));
    }
}
