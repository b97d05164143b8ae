//! What peers ask, each on a stream that it ends.
//!
//! libp2p tells whoever serves nothing of a request that its codec refused, and nothing of one that did not come
//! to its end in time. So a codec here refuses none: what it could not read it hands on as [`Unread`].

use std::io;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt};

/// A request, as a codec hands it on.
pub(super) type Asked<T> = Result<T, Unread>;

/// Why a request was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    /// No honest peer sends it.
    #[error("not a request")]
    Invalid,
    /// It broke off, or did not come to its end in time. The end of a connection, or a slow one, does that to
    /// an honest peer's too.
    #[error("a part of a request")]
    BrokenOff,
}

/// What is to be sent cannot be an [`Unread`].
impl From<Unread> for io::Error {
    fn from(unread: Unread) -> Self {
        Self::new(io::ErrorKind::InvalidInput, unread)
    }
}

/// Reads a request to the end of its stream, at most one byte over `max` bytes: then it is too long.
pub(super) async fn read(
    io: &mut (impl AsyncRead + Unpin + Send),
    max: usize,
    within: Duration,
) -> Asked<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut io = io.take(most);
    match tokio::time::timeout(within, io.read_to_end(&mut bytes)).await {
        Ok(Ok(_)) if bytes.len() > max => Err(Unread::Invalid),
        Ok(Ok(_)) => Ok(bytes),
        Ok(Err(_)) | Err(_) => Err(Unread::BrokenOff),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures::io::Cursor;
    use tokio::time::Instant;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    /// After some bytes it says nothing more, or breaks.
    struct Stalled {
        bytes: Cursor<Vec<u8>>,
        breaks: bool,
    }

    impl AsyncRead for Stalled {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            into: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            match Pin::new(&mut self.bytes).poll_read(context, into) {
                Poll::Ready(Ok(0)) if self.breaks => {
                    Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
                }
                Poll::Ready(Ok(0)) => Poll::Pending,
                read => read,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_breaks_off_or_does_not_end_is_told() {
        for breaks in [true, false] {
            let mut io = Stalled { bytes: Cursor::new(vec![1; 5]), breaks };
            let begun = Instant::now();
            assert_eq!(read(&mut io, 10, WITHIN).await, Err(Unread::BrokenOff));
            assert_eq!(begun.elapsed(), if breaks { Duration::ZERO } else { WITHIN });
        }
    }

    #[tokio::test]
    async fn reading_stops_one_byte_past_the_bound() {
        assert_eq!(read(&mut Cursor::new(vec![1; 10]), 10, WITHIN).await, Ok(vec![1; 10]));
        let mut long = Cursor::new(vec![1; 30]);
        assert_eq!(read(&mut long, 10, WITHIN).await, Err(Unread::Invalid));
        assert_eq!(long.position(), 11);
    }
}
