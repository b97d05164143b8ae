//! The stream of events.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::path::PathBuf;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use martlet_protocol::control::Event;
use martlet_protocol::excerpt;
use martlet_protocol::limits::CONTROL_EVENT_BYTES_MAX;
use serde::de::DeserializeOwned;

use super::ClientError;
use super::exchange::lost;
use super::sse::{Frame, Parser};

/// Events as they happen, from [`Client::events`](super::Client::events).
#[derive(Debug)]
pub struct EventStream<T = Event> {
    socket: PathBuf,
    /// Dropping it would end the connection.
    _connection: SendRequest<Full<Bytes>>,
    body: Incoming,
    parser: Parser,
    frames: VecDeque<Frame>,
    last: Option<u64>,
    of: PhantomData<fn() -> T>,
}

impl<T> EventStream<T> {
    pub(super) fn new(
        socket: PathBuf,
        connection: SendRequest<Full<Bytes>>,
        body: Incoming,
    ) -> Self {
        Self {
            socket,
            _connection: connection,
            body,
            parser: Parser::new(CONTROL_EVENT_BYTES_MAX),
            frames: VecDeque::new(),
            last: None,
            of: PhantomData,
        }
    }

    /// The next event; `None` when the daemon ended the stream. Nothing is lost if the future is
    /// dropped before it is ready.
    ///
    /// # Errors
    /// [`ClientError::UnknownEvent`], after which the stream goes on;
    /// [`ClientError::Disconnected`] when the connection broke; [`ClientError::Protocol`] for what
    /// is no event stream.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError>
    where
        T: DeserializeOwned,
    {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                self.note(frame.id.as_deref());
                return match serde_json::from_str(&frame.data) {
                    Ok(event) => Ok(Some(event)),
                    Err(error) => Err(ClientError::UnknownEvent {
                        seq: frame.id.unwrap_or_default(),
                        name: frame.event,
                        // Events hold messages.
                        reason: excerpt::message(&error.to_string()),
                    }),
                };
            }
            let Some(chunk) = self.body.frame().await else { return Ok(None) };
            let chunk = chunk.map_err(|error| lost(&self.socket, &error))?;
            if let Some(bytes) = chunk.data_ref() {
                self.parser
                    .push(bytes, &mut self.frames)
                    .map_err(|error| ClientError::Protocol(error.to_string()))?;
                if self.frames.is_empty() {
                    // The daemon may tell where the stream starts by a number without an event.
                    let id = self.parser.last_id().map(str::to_owned);
                    self.note(id.as_deref());
                }
            }
        }
    }

    /// The number to resume after: that of the last event returned, or of the place where the
    /// stream started, if the daemon told it already.
    #[must_use]
    pub fn last_seq(&self) -> Option<u64> {
        self.last
    }

    fn note(&mut self, id: Option<&str>) {
        if let Some(seq) = id.and_then(|id| id.parse().ok()) {
            self.last = Some(seq);
        }
    }
}
