//! The client of the control socket: HTTP/1.1 over a Unix socket, one connection, reused.

mod error;
mod events;
mod follow;
mod lines;
mod speak_first;
mod sse;

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use martlet_protocol::control::{PeerEvent, Problem};
use martlet_protocol::excerpt;
use martlet_protocol::limits::{
    CONTROL_ANSWER_TIMEOUT, CONTROL_RESPONSE_BYTES_MAX, PASSPHRASE_BYTES_MAX,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use speak_first::SpeakFirst;

pub use error::{ClientError, Tried};
pub use events::EventStream;
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

    /// Asks by a connection of its own: that, and the beginning of an answer of any length.
    async fn open(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(SendRequest<Full<Bytes>>, Incoming), ClientError> {
        let answer = async {
            let mut sender = self.connect().await?;
            let response =
                sender.send_request(request).await.map_err(|error| lost(self.socket(), &error))?;
            if response.status().is_success() {
                return Ok((sender, response.into_body()));
            }
            Err(self.refusal(response).await)
        };
        tokio::time::timeout(CONTROL_ANSWER_TIMEOUT, answer)
            .await
            .map_err(|_| ClientError::Timeout)?
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<T, ClientError> {
        understood(path, &self.call_raw(method, path, body).await?)
    }

    /// The body of the answer.
    async fn call_raw(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Vec<u8>, ClientError> {
        self.call_request(request(method, path, body)?).await
    }

    /// The same of a whole request.
    async fn call_request(&self, request: Request<Full<Bytes>>) -> Result<Vec<u8>, ClientError> {
        let answer = async {
            // Held until the answer is read: HTTP/1.1 has one exchange at a time.
            let mut connection = self.connection.lock().await;
            let response = self.exchange(&mut connection, request).await?;
            if !response.status().is_success() {
                return Err(self.refusal(response).await);
            }
            self.body(response.into_body()).await
        };
        tokio::time::timeout(CONTROL_ANSWER_TIMEOUT, answer)
            .await
            .map_err(|_| ClientError::Timeout)?
    }

    /// Sends over the kept connection, or over a new one if there is none or it was closed before
    /// the request went out. A request that may have reached the daemon is never sent twice.
    async fn exchange(
        &self,
        connection: &mut Option<SendRequest<Full<Bytes>>>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        // Taken out, and put back once answered: if this future is dropped half-way, the
        // connection with its unread answer goes with it.
        if let Some(mut kept) = connection.take()
            && kept.ready().await.is_ok()
        {
            match kept.try_send_request(request.clone()).await {
                Ok(response) => {
                    *connection = Some(kept);
                    return Ok(response);
                }
                Err(error) if error.message().is_some() || is_unwritten(error.error()) => {}
                Err(error) => return Err(lost(self.socket(), error.error())),
            }
        }
        let mut new = self.connect().await?;
        let response =
            new.send_request(request).await.map_err(|error| lost(self.socket(), &error))?;
        *connection = Some(new);
        Ok(response)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let stream = self.find().await?;
        let (sender, connection) = http1::handshake(TokioIo::new(SpeakFirst::new(stream)))
            .await
            .map_err(|error| lost(self.socket(), &error))?;
        // Ends when `sender` is dropped or the daemon closes; whoever waits for an answer is told.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// A connection to the first socket where somebody listens.
    async fn find(&self) -> Result<UnixStream, ClientError> {
        let mut tried = Vec::new();
        let mut unusable = None;
        for (number, socket) in self.sockets.iter().enumerate() {
            match UnixStream::connect(socket).await {
                Ok(stream) => {
                    self.connected.store(number, Ordering::Relaxed);
                    return Ok(stream);
                }
                Err(error) => match Tried::of(socket, &error) {
                    Some(place) => tried.push(place),
                    None => {
                        let socket = socket.to_owned();
                        unusable.get_or_insert(ClientError::Connect { socket, source: error });
                    }
                },
            }
        }
        // One that is there but can't be used says more than one that isn't.
        Err(unusable.unwrap_or(ClientError::NotRunning { tried }))
    }

    async fn refusal(&self, response: Response<Incoming>) -> ClientError {
        let status = response.status();
        match self.body(response.into_body()).await {
            Ok(bytes) => match serde_json::from_slice::<Problem>(&bytes) {
                Ok(problem) => ClientError::Problem(problem),
                Err(_) => ClientError::Protocol(format!("it answered HTTP {status} and no reason")),
            },
            Err(error) => error,
        }
    }

    async fn body(&self, mut body: Incoming) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| lost(self.socket(), &error))?;
            if let Some(data) = frame.data_ref() {
                if bytes.len() + data.len() > CONTROL_RESPONSE_BYTES_MAX {
                    return Err(ClientError::Protocol(format!(
                        "its answer is over {CONTROL_RESPONSE_BYTES_MAX} bytes"
                    )));
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(bytes)
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

fn request(
    method: Method,
    path: &str,
    body: Option<Bytes>,
) -> Result<Request<Full<Bytes>>, ClientError> {
    // HTTP/1.1 wants a host; a socket has none.
    let mut builder = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, HeaderValue::from_static("localhost"));
    if body.is_some() {
        builder = builder.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    builder
        .body(Full::new(body.unwrap_or_default()))
        .map_err(|error| ClientError::Protocol(format!("{path} is no path: {error}")))
}

/// What an answer to `path` says.
fn understood<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, ClientError> {
    // No content is the unit type, which JSON writes as null.
    let bytes: &[u8] = if bytes.is_empty() { b"null" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| {
        // Answers hold keys and recovery phrases.
        let reason = excerpt::message(&error.to_string());
        ClientError::Protocol(format!("its answer to {path} is not understood: {reason}"))
    })
}

fn json<B: Serialize + ?Sized>(body: &B) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body).map(Bytes::from).map_err(unserializable)
}

fn unserializable(error: serde_json::Error) -> ClientError {
    ClientError::Protocol(format!("the request cannot be written as JSON: {error}"))
}

/// Whether the daemon had closed before the request was written whole, so that it can't have acted
/// on it. (If it closes later the write succeeds, and reading the answer fails.)
fn is_unwritten(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

fn lost(socket: &Path, error: &hyper::Error) -> ClientError {
    if error.is_parse() {
        return ClientError::Protocol(format!("{} speaks no HTTP: {error}", socket.display()));
    }
    ClientError::Disconnected { socket: socket.to_owned() }
}

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
