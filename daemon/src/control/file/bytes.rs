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
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;

use crate::blobs::{Cancelled, Rate, TooSlow};
use crate::control::places::Place;
use crate::control::problem::Refusal;
use crate::control::{Ending, stopping};
use crate::limits::{FILE_PIECE_MAX, FILE_PIECES_WAITING_MAX};

/// Reads a request's body on a thread of its own, which waits for each piece: not for ever, and not for one that sends next to nothing.
pub(super) struct BodyReader {
    body: Body,
    piece: Bytes,
    runtime: Handle,
    ending: watch::Receiver<Ending>,
    closing: Cancelled,
    rate: Rate,
}

impl BodyReader {
    pub(super) fn new(
        body: Body,
        runtime: Handle,
        (ending, closing): (watch::Receiver<Ending>, Cancelled),
    ) -> Self {
        Self { body, piece: Bytes::new(), runtime, ending, closing, rate: Rate::default() }
    }
}

/// The next piece of a body; `None` where it ends, or its client went away: then it has fewer bytes than was said.
async fn next(
    body: &mut Body,
    (ending, closing): (&mut watch::Receiver<Ending>, &mut Cancelled),
    rate: &mut Rate,
) -> io::Result<Option<Bytes>> {
    let begun = Instant::now();
    let frame = tokio::select! {
        biased;
        () = stopping(ending) => return Err(io::ErrorKind::ConnectionAborted.into()),
        _ = closing.wait_for(|it| *it) => return Err(io::ErrorKind::ConnectionAborted.into()),
        frame = timeout(FILE_PIECE_MAX, body.frame()) => frame.map_err(|_| TooSlow)?,
    };
    let Some(Ok(frame)) = frame else { return Ok(None) };
    let piece = frame.into_data().unwrap_or_default();
    rate.count(piece.len(), begun.elapsed())?;
    Ok(Some(piece))
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Self { body, runtime, ending, closing, rate, .. } = self;
            match runtime.block_on(next(body, (ending, closing), rate))? {
                None => return Ok(0),
                Some(piece) => self.piece = piece,
            }
        }
        let piece = self.piece.split_to(buffer.len().min(self.piece.len()));
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// Hands pieces to an answer's body, and waits while its reader does not take them: not for ever, and not once the vault is closed.
/// How fast they are taken is the reader's to say: whoever plays a recording takes it as slowly as it is played.
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
    (whole, place): (Whole, Place),
    (key, layout, bytes): (FileKey, Layout, Range<u64>),
    closing: Cancelled,
    failed: impl FnOnce(&BlobDirError) + Send + 'static,
) -> Body {
    let (to, pieces) = mpsc::channel(FILE_PIECES_WAITING_MAX);
    let mut to = Pieces { to, runtime: Handle::current(), closing };
    spawn_blocking(move || {
        let _place = place;
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

    use std::time::Duration;

    use futures::StreamExt as _;
    use martlet_protocol::control::ErrorCode;

    use super::*;

    /// What becomes of a body that comes in pieces of so many bytes, each so many milliseconds after the one before: its bytes, or the
    /// seconds after which it is refused.
    async fn read(pieces: Vec<(usize, u64)>) -> Result<usize, (u64, ErrorCode)> {
        let stream = futures::stream::iter(pieces).then(|(bytes, pause)| async move {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            Ok::<_, io::Error>(Bytes::from(vec![0; bytes]))
        });
        let mut body = Body::from_stream(stream);
        let (ending, closing) = (watch::Sender::new(Ending::default()), watch::Sender::new(false));
        let (mut ending, mut closing) = (ending.subscribe(), closing.subscribe());
        let (begun, mut rate, mut bytes) = (Instant::now(), Rate::default(), 0);
        loop {
            match next(&mut body, (&mut ending, &mut closing), &mut rate).await {
                Ok(Some(piece)) => bytes += piece.len(),
                Ok(None) => return Ok(bytes),
                Err(error) => {
                    let refusal = Refusal::of_blob(&BlobDirError::from(error));
                    return Err((begun.elapsed().as_secs(), refusal.0.code));
                }
            }
        }
    }

    /// A client paused for a minute before each piece, as often as it wanted; one that sent nothing more was told that the disk had failed.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_or_drips_is_refused_as_too_slow() {
        for (pieces, ends_after) in [
            (vec![(65_536, 0), (65_536, 61_000)], 60),
            (vec![(1, 59_000); 100], 118),
            (vec![(1_024, 100); 10_000], 60),
        ] {
            assert_eq!(read(pieces).await, Err((ends_after, ErrorCode::RequestTimeout)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn honest_bodies_pass_however_long_they_take_in_all() {
        // A disk that reads 64 KiB in 2 s, for two hours.
        assert_eq!(read(vec![(65_536, 2_000); 3_600]).await, Ok(65_536 * 3_600));
        // A disk that has to wake up again and again.
        let naps = (0..200).map(|at| (65_536, if at % 40 == 0 { 55_000 } else { 10 }));
        assert_eq!(read(naps.collect()).await, Ok(65_536 * 200));
    }

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
