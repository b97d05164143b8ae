//! The client of the control socket: HTTP/1.1 over a Unix socket, one connection, reused.

mod error;
mod events;
mod exchange;
mod files;
mod follow;
mod lines;
mod speak_first;
mod sse;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Full;
use hyper::Method;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use martlet_protocol::control::PeerEvent;
use martlet_protocol::limits::PASSPHRASE_BYTES_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use exchange::{json, request, understood, unserializable};

pub use error::{ClientError, Tried};
pub use events::EventStream;
pub use files::UploadError;
pub use follow::{Follower, Step};
pub use lines::Lines;

/// A client of one daemon.
///
/// It keeps one connection and sends one request at a time over it: callers that share a `Client`
/// wait for each other, so use several for concurrency. A connection that the daemon closed while
/// it was idle is replaced unnoticed. It needs a tokio runtime with I/O and time.
#[derive(Debug)]
pub struct Client {
    /// Where the daemon may listen, the likeliest first.
    sockets: Vec<PathBuf>,
    /// Which of them the connection is to.
    connected: AtomicUsize,
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Client {
    /// A client of the daemon that listens on `socket`. Connects at the first request.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self::of_first(vec![socket])
    }

    /// A client of the first daemon that listens on one of `sockets`. Looks for it at the first request.
    #[must_use]
    pub fn of_first(sockets: Vec<PathBuf>) -> Self {
        Self { sockets, connected: AtomicUsize::new(0), connection: Mutex::new(None) }
    }

    /// A client of the same daemon, with a connection of its own.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::of_first(self.sockets.clone())
    }

    /// The path of the socket that it is connected to, or the first that it will try.
    #[must_use]
    pub fn socket(&self) -> &Path {
        let connected = self.sockets.get(self.connected.load(Ordering::Relaxed));
        connected.map_or(Path::new(""), PathBuf::as_path)
    }

    /// `GET path`.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, None).await
    }

    /// `GET path` where the answer is text.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn get_text(&self, path: &str) -> Result<String, ClientError> {
        let bytes = self.call_raw(Method::GET, path, None).await?;
        String::from_utf8(bytes)
            .map_err(|_| ClientError::Protocol(format!("its answer to {path} is no text")))
    }

    /// `POST path` with `body` as JSON. `T` is `()` where the answer has no content.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn post<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.call(Method::POST, path, Some(json(body)?)).await
    }

    /// `POST path` without a body.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn post_empty<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::POST, path, None).await
    }

    /// `POST path` with a body that holds a passphrase: the body's buffer is wiped after use.
    /// (Hyper's own write buffer is freed with the connection, but not wiped.)
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn post_secret<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        // Never reallocated, which would leave copies: six bytes for each one escaped, and room
        // for the other fields.
        let mut buffer = Zeroizing::new(Vec::with_capacity(6 * PASSPHRASE_BYTES_MAX + 2048));
        serde_json::to_writer(&mut *buffer, body).map_err(unserializable)?;
        self.call(Method::POST, path, Some(Bytes::from_owner(buffer))).await
    }

    /// `GET path` where the answer is bytes.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn get_bytes(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        self.call_raw(Method::GET, path, None).await
    }

    /// `POST path` with a file, which is of this media type.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn post_file<T: DeserializeOwned>(
        &self,
        path: &str,
        media_type: &str,
        file: Vec<u8>,
    ) -> Result<T, ClientError> {
        let mut request = request(Method::POST, path, Some(file.into()))?;
        let kind = HeaderValue::from_str(media_type)
            .map_err(|_| ClientError::Protocol(format!("{media_type:?} is no media type")))?;
        request.headers_mut().insert(CONTENT_TYPE, kind);
        understood(path, &self.call_request(request).await?)
    }

    /// `PATCH path` with `body` as JSON.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn patch<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.call(Method::PATCH, path, Some(json(body)?)).await
    }

    /// `DELETE path`.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.call(Method::DELETE, path, None).await
    }

    /// Follows the events after number `since`: 0 for all that are kept, `None` for those to come.
    /// Uses a connection of its own. When this returns, the daemon has fixed where the stream
    /// starts: what happens from now on is in it.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn events(&self, since: Option<u64>) -> Result<EventStream, ClientError> {
        let path = match since {
            Some(since) => format!("/v1/events?since={since}"),
            None => "/v1/events".to_owned(),
        };
        self.open_events(&path, None).await
    }

    /// Takes up the events again after number `last`, by the header `Last-Event-ID`.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn resume_events(&self, last: u64) -> Result<EventStream, ClientError> {
        self.open_events("/v1/events", Some(last)).await
    }

    /// Follows peers that come and go from now on. Uses a connection of its own.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn peer_events(&self) -> Result<EventStream<PeerEvent>, ClientError> {
        self.open_events("/v1/peers/events", None).await
    }

    /// `GET path` where the answer is text of any length: its lines, as they come. Uses a connection of its own.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn lines(&self, path: &str) -> Result<Lines, ClientError> {
        let (sender, body) = self.open(request(Method::GET, path, None)?).await?;
        Ok(Lines::new(self.socket().to_owned(), sender, body))
    }

    async fn open_events<T>(
        &self,
        path: &str,
        last: Option<u64>,
    ) -> Result<EventStream<T>, ClientError> {
        let mut request = request(Method::GET, path, None)?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", HeaderValue::from(last));
        }
        let (sender, body) = self.open(request).await?;
        Ok(EventStream::new(self.socket().to_owned(), sender, body))
    }
}

/// One segment of a path, or one value of a query, percent-encoded (RFC 3986 section 2.3: only
/// unreserved characters stand for themselves).
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            // A dot is unreserved too, but `.` and `..` as whole segments would be removed.
            _ => {
                encoded.push('%');
                encoded.push(char::from(HEX_DIGITS[usize::from(byte >> 4)]));
                encoded.push(char::from(HEX_DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    encoded
}

const HEX_DIGITS: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_paths() {
        assert_eq!(encode("bob-2_~"), "bob-2_~");
        assert_eq!(encode("Zoë & co/.."), "Zo%C3%AB%20%26%20co%2F%2E%2E");
        assert_eq!(encode("50%?#"), "50%25%3F%23");
    }

    #[test]
    fn a_client_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Client>();
        shared::<EventStream>();
    }
}
