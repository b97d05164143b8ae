//! One request and its answer: over the kept connection, or one of its own.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use martlet_protocol::control::Problem;
use martlet_protocol::excerpt;
use martlet_protocol::limits::{CONTROL_ANSWER_TIMEOUT, CONTROL_RESPONSE_BYTES_MAX};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::speak_first::SpeakFirst;
use super::{Client, ClientError, Tried};

impl Client {
    /// Asks by a connection of its own: that, and the beginning of an answer of any length.
    pub(super) async fn open(
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

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<T, ClientError> {
        understood(path, &self.call_raw(method, path, body).await?)
    }

    /// The body of the answer.
    pub(super) async fn call_raw(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Vec<u8>, ClientError> {
        self.call_request(request(method, path, body)?).await
    }

    /// The same of a whole request.
    pub(super) async fn call_request(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Vec<u8>, ClientError> {
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
        self.connect_for().await
    }

    /// A connection for requests with bodies of some kind.
    pub(super) async fn connect_for<B>(&self) -> Result<SendRequest<B>, ClientError>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
    {
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

    pub(super) async fn refusal(&self, response: Response<Incoming>) -> ClientError {
        let status = response.status();
        match self.body(response.into_body()).await {
            Ok(bytes) => match serde_json::from_slice::<Problem>(&bytes) {
                Ok(problem) => ClientError::Problem(problem),
                Err(_) => ClientError::Protocol(format!("it answered HTTP {status} and no reason")),
            },
            Err(error) => error,
        }
    }

    pub(super) async fn body(&self, mut body: Incoming) -> Result<Vec<u8>, ClientError> {
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

pub(super) fn request(
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
pub(super) fn understood<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, ClientError> {
    // No content is the unit type, which JSON writes as null.
    let bytes: &[u8] = if bytes.is_empty() { b"null" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| {
        // Answers hold keys and recovery phrases.
        let reason = excerpt::message(&error.to_string());
        ClientError::Protocol(format!("its answer to {path} is not understood: {reason}"))
    })
}

pub(super) fn json<B: Serialize + ?Sized>(body: &B) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body).map(Bytes::from).map_err(unserializable)
}

pub(super) fn unserializable(error: serde_json::Error) -> ClientError {
    ClientError::Protocol(format!("the request cannot be written as JSON: {error}"))
}

/// Whether the daemon had closed before the request was written whole, so that it can't have acted
/// on it. (If it closes later the write succeeds, and reading the answer fails.)
fn is_unwritten(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

pub(super) fn lost(socket: &Path, error: &hyper::Error) -> ClientError {
    if error.is_parse() {
        return ClientError::Protocol(format!("{} speaks no HTTP: {error}", socket.display()));
    }
    ClientError::Disconnected { socket: socket.to_owned() }
}
