//! A client's connection as hyper sees it: it tells whether the client reads what is written, and makes problems
//! of hyper's own refusals.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use martlet_protocol::control::{ErrorCode, Problem};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::problem::{PROBLEM_JSON, raw_response};
use crate::limits::{CONTROL_HEAD_BYTES_MAX, CONTROL_HEADERS_MAX};

/// The stream, and what is seen of it.
#[derive(Debug)]
pub(super) struct ClientStream {
    stream: UnixStream,
    reading: Arc<Reading>,
    /// What is being written in the place of a refusal of hyper's.
    instead: Option<Instead>,
}

/// Whether the client reads.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Bytes that the system has taken for it.
    written: AtomicU64,
    /// Whether the system takes no more until it reads.
    waits: AtomicBool,
}

#[derive(Debug)]
struct Instead {
    response: Vec<u8>,
    written: usize,
}

impl Reading {
    /// Where the answer stands that the client is to read before it can go on; `None` where nothing waits. Twice the
    /// same: it has read nothing in between.
    pub(super) fn waits_at(&self) -> Option<u64> {
        self.waits.load(Ordering::Relaxed).then(|| self.written.load(Ordering::Relaxed))
    }
}

impl ClientStream {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, reading: Arc::default(), instead: None }
    }

    pub(super) fn reading(&self) -> Arc<Reading> {
        Arc::clone(&self.reading)
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write_parts(cx, &[IoSlice::new(bytes)])
    }

    fn write_parts(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        if let Poll::Ready(Ok(count)) = result {
            self.reading.written.fetch_add(count as u64, Ordering::Relaxed);
        }
        self.reading.waits.store(result.is_pending(), Ordering::Relaxed);
        result
    }

    /// Writes the rest of what is written instead.
    fn write_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(mut instead) = self.instead.take() {
            let result = match instead.response.get(instead.written..) {
                Some(rest) if !rest.is_empty() => self.write(cx, rest),
                Some(_) | None => return Poll::Ready(Ok(())),
            };
            if let Poll::Ready(Ok(count)) = result {
                instead.written += count;
            }
            self.instead = Some(instead);
            match result {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_none() {
            let Some(problem) = refusal_of_hyper(bytes) else { return self.write(cx, bytes) };
            self.instead = Some(Instead { response: raw_response(&problem), written: 0 });
        }
        self.write_instead(cx).map_ok(|()| bytes.len())
    }

    /// Else hyper would gather each answer in a buffer that it keeps as long as the connection, and a locked daemon's
    /// memory would hold the texts of the last.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = parts.iter().filter(|part| !part.is_empty());
        match (filled.next(), filled.next()) {
            // A refusal of hyper's has no body.
            (Some(head), None) => self.poll_write(cx, head),
            _ => self.write_parts(cx, parts),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The problem that hyper's own answer to what it can't read (`on_error` in its `h1/role.rs`) stands for: the head
/// of a refusal, without a body and without the media type that each of ours has.
fn refusal_of_hyper(written: &[u8]) -> Option<Problem> {
    const BEGINNING: &[u8] = b"HTTP/1.";
    if !written.starts_with(BEGINNING) || !written.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(written).ok()?.to_ascii_lowercase();
    if !head.contains("\r\ncontent-length: 0\r\n") || head.contains(PROBLEM_JSON) {
        return None;
    }
    match head.split(' ').nth(1)? {
        "400" => Some(Problem::new(
            ErrorCode::BadRequest,
            "this is no request of HTTP/1.1; see docs/control-api.md",
        )),
        // A request line alone has another number there, and the same bound here.
        "414" | "431" => Some(Problem::new(
            ErrorCode::HeadTooLarge,
            format!(
                "the request line and the headers are over {CONTROL_HEAD_BYTES_MAX} bytes, or there are over {CONTROL_HEADERS_MAX} \
                 headers"
            ),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const OF_HYPER: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test]
    async fn hypers_refusals_become_problems_and_all_else_stays_as_it_is() {
        let (mut client, stream) = UnixStream::pair().unwrap();
        let mut stream = ClientStream::new(stream);
        stream.write_all(OF_HYPER).await.unwrap();
        for other in [
            &b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: 0\r\n\r\n",
            b"data: HTTP/1.1 400 content-length: 0\n\n",
        ] {
            stream.write_all(other).await.unwrap();
        }
        drop(stream);
        let mut read = String::new();
        client.read_to_string(&mut read).await.unwrap();
        assert!(read.contains("\"code\":\"head-too-large\""), "{read}");
        assert!(read.contains("}HTTP/1.1 204 No Content\r\n"), "{read}");
        assert!(read.ends_with("data: HTTP/1.1 400 content-length: 0\n\n"), "{read}");
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_seen() {
        let (mut client, stream) = UnixStream::pair().unwrap();
        let mut stream = ClientStream::new(stream);
        let reading = stream.reading();
        stream.write_all(b"little").await.unwrap();
        assert_eq!(reading.waits_at(), None);
        let much = vec![0; 1 << 20];
        let mut writing = std::pin::pin!(stream.write_all(&much));
        assert!(futures::poll!(&mut writing).is_pending());
        let before = reading.waits_at().unwrap();
        assert!(futures::poll!(&mut writing).is_pending());
        assert_eq!(reading.waits_at(), Some(before));
        let mut read = vec![0; much.len() + 6];
        let (written, _) = tokio::join!(writing, client.read_exact(&mut read));
        written.unwrap();
        assert_eq!(reading.waits_at(), None);
    }
}
