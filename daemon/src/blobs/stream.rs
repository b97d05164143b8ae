//! A stream that a thread of its own reads and writes, waiting: Bao's encoding is read and written so.

use std::io::{self, Read, Write};
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::blocking;
use crate::limits::{BLOB_IDLE_MAX, BLOB_RATE_MIN, BLOB_RATE_OVER};

/// Whether what is under way is to end; it is as well when its sender is gone.
pub type Cancelled = watch::Receiver<bool>;

/// Whether it is to end now.
pub(crate) fn is_cancelled(cancelled: &Cancelled) -> bool {
    *cancelled.borrow() || cancelled.has_changed().is_err()
}

/// A stream in the hands of a thread. It ends when the other side does nothing for [`BLOB_IDLE_MAX`], or next to nothing for longer, and
/// when it is cancelled.
pub(super) struct Held {
    stream: Stream,
    runtime: Handle,
    cancelled: Cancelled,
    rate: Rate,
    written: u64,
}

/// How fast the other end sends or takes bytes, by the time in which it is waited for.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    waited: Duration,
    bytes: u64,
}

/// The other end sends or takes next to nothing, or nothing at all.
#[derive(Debug, thiserror::Error)]
#[error("it goes slower than {} KiB a second", BLOB_RATE_MIN / 1024)]
pub(crate) struct TooSlow;

impl TooSlow {
    /// Whether this is why reading or writing failed.
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl From<TooSlow> for io::Error {
    fn from(slow: TooSlow) -> Self {
        Self::new(io::ErrorKind::TimedOut, slow)
    }
}

impl Held {
    /// Must be called within a runtime.
    pub(super) fn new(stream: Stream, cancelled: Cancelled) -> Self {
        Self { stream, runtime: Handle::current(), cancelled, rate: Rate::default(), written: 0 }
    }

    /// Bytes that were written so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Says that nothing more is written.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let Self { stream, runtime, cancelled, .. } = self;
        wait(runtime, cancelled, stream.close())
    }
}

/// Waits for what a stream does: not for ever.
fn wait<T>(
    runtime: &Handle,
    cancelled: &mut Cancelled,
    done: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let done = blocking::wait(runtime, async {
        tokio::select! {
            biased;
            // An error: whoever could cancel it is gone.
            _ = cancelled.wait_for(|it| *it) => Err(io::ErrorKind::ConnectionAborted.into()),
            done = timeout(BLOB_IDLE_MAX, done) => {
                done.unwrap_or_else(|_| Err(TooSlow.into()))
            }
        }
    });
    done.unwrap_or_else(|| Err(io::ErrorKind::ConnectionAborted.into()))
}

impl Rate {
    /// So many bytes went, for which the other end was waited for so long.
    ///
    /// # Errors
    /// [`TooSlow`] if fewer than [`BLOB_RATE_MIN`] bytes a second went in the last [`BLOB_RATE_OVER`] of waiting.
    pub(crate) fn count(&mut self, bytes: usize, waited: Duration) -> Result<(), TooSlow> {
        self.bytes += bytes as u64;
        self.waited += waited;
        if self.waited < BLOB_RATE_OVER {
            return Ok(());
        }
        let Self { waited, bytes } = std::mem::take(self);
        match bytes < BLOB_RATE_MIN * waited.as_secs() {
            true => Err(TooSlow),
            false => Ok(()),
        }
    }
}

impl Read for Held {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self { stream, runtime, cancelled, rate, .. } = self;
        let begun = Instant::now();
        let bytes = wait(runtime, cancelled, stream.read(buffer))?;
        rate.count(bytes, begun.elapsed())?;
        Ok(bytes)
    }
}

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { stream, runtime, cancelled, rate, written: all } = self;
        let begun = Instant::now();
        let written = wait(runtime, cancelled, stream.write(bytes))?;
        *all += written as u64;
        rate.count(written, begun.elapsed())?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let Self { stream, runtime, cancelled, .. } = self;
        wait(runtime, cancelled, stream.flush())
    }
}

/// Waits a while; `false` if it was cancelled meanwhile.
pub(super) async fn pause(cancelled: &mut Cancelled, time: Duration) -> bool {
    timeout(time, cancelled.wait_for(|it| *it)).await.is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever reads slowly enough keeps no place: not by a byte now and then, which is no pause.
    #[test]
    fn what_goes_slower_than_it_may_ends_after_a_minute() {
        for (bytes, ends) in [(BLOB_RATE_MIN - 1, true), (BLOB_RATE_MIN, false)] {
            let mut rate = Rate::default();
            let mut ended = None;
            for second in 1..=180 {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                let went = rate.count(bytes, Duration::from_secs(1));
                if went.is_err() {
                    ended = ended.or(Some(second));
                }
            }
            assert_eq!(ended, ends.then_some(60), "{bytes} bytes a second");
        }
    }
}
