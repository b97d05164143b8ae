//! A connection on which the client speaks first.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that reads nothing until something was written.
///
/// The daemon refuses a connection (another user's, or one too many) without waiting for a request.
/// Hyper takes bytes that come before its request for a broken connection; held back until then,
/// they are the answer.
#[derive(Debug)]
pub(super) struct SpeakFirst<S> {
    stream: S,
    has_spoken: bool,
    /// Who wanted to read too early.
    reader: Option<Waker>,
}

impl<S> SpeakFirst<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, has_spoken: false, reader: None }
    }

    /// Notes the outcome of a write. A failed one counts too: the refusal may be all that the
    /// daemon had to say before it closed.
    fn spoke(&mut self, written: &Poll<io::Result<usize>>) {
        if !self.has_spoken && written.is_ready() {
            self.has_spoken = true;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SpeakFirst<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_spoken {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        self.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SpeakFirst<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.spoke(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.spoke(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_comes_early_is_read_after_the_first_write() {
        let (mut daemon, client) = duplex(64);
        let mut client = SpeakFirst::new(client);
        daemon.write_all(b"no").await.unwrap();
        let mut early = [0; 2];
        tokio::select! {
            biased;
            _ = client.read_exact(&mut early) => panic!("read before anything was written"),
            () = tokio::task::yield_now() => {}
        }
        // A reader that already waits is woken by the write.
        let (mut reader, mut writer) = tokio::io::split(client);
        let reading = tokio::spawn(async move {
            reader.read_exact(&mut early).await.unwrap();
            early
        });
        tokio::task::yield_now().await;
        writer.write_all(b"hello").await.unwrap();
        assert_eq!(&reading.await.unwrap(), b"no");
    }
}
