//! An answer of any length, line by line.

use std::path::PathBuf;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;

use super::ClientError;
use super::exchange::lost;
use crate::limits::LINE_BYTES_MAX;

/// The lines of an answer, from [`Client::lines`](super::Client::lines).
#[derive(Debug)]
pub struct Lines {
    socket: PathBuf,
    /// Dropping it would end the connection.
    _connection: SendRequest<Full<Bytes>>,
    body: Incoming,
    /// What came and was not returned yet.
    buffer: Vec<u8>,
    /// Where in it the next line begins.
    at: usize,
    /// How far from there no line end was found.
    searched: usize,
}

impl Lines {
    pub(super) fn new(
        socket: PathBuf,
        connection: SendRequest<Full<Bytes>>,
        body: Incoming,
    ) -> Self {
        Self { socket, _connection: connection, body, buffer: Vec::new(), at: 0, searched: 0 }
    }

    /// The next line, without its end; `None` at the answer's end.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`] if the daemon ended the answer in the middle; [`ClientError::Protocol`] for what is no
    /// text, and for a line beyond all bounds.
    pub async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(end) = rest[self.searched..].iter().position(|byte| *byte == b'\n') {
                let end = self.searched + end;
                let line = String::from_utf8(rest[..end].to_vec());
                self.at += end + 1;
                self.searched = 0;
                return line
                    .map(Some)
                    .map_err(|_| ClientError::Protocol("a line of its answer is no text".into()));
            }
            self.searched = rest.len();
            if self.searched > LINE_BYTES_MAX {
                let reason = format!("a line of its answer is over {LINE_BYTES_MAX} bytes");
                return Err(ClientError::Protocol(reason));
            }
            let Some(frame) = self.body.frame().await else {
                return match self.searched {
                    0 => Ok(None),
                    _ => Err(ClientError::Protocol("its answer ends within a line".to_owned())),
                };
            };
            let frame = frame.map_err(|error| lost(&self.socket, &error))?;
            if let Some(data) = frame.data_ref() {
                self.buffer.drain(..self.at);
                self.at = 0;
                self.buffer.extend_from_slice(data);
            }
        }
    }
}
