//! Files that are too large to be held in memory: sent and taken a piece at a time, over connections of their own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use serde::de::DeserializeOwned;

use super::exchange::{lost, request, understood};
use super::{Client, ClientError};
use crate::limits::FILE_PIECE_BYTES;

/// Why a file was not sent.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The daemon refused it, or is gone.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It could not be read to its end.
    #[error("{0}")]
    File(io::Error),
}

/// Gives the next bytes of a file, of which so many are left: at most so many.
type Next = Box<dyn FnMut(u64, usize) -> io::Result<Vec<u8>> + Send>;

/// A request's body that is read as it goes. A file is read at once, not waited for: this program has nothing else to do.
struct FileStream {
    next: Next,
    left: u64,
    /// Told why it could not be read.
    failed: tokio::sync::mpsc::UnboundedSender<io::Error>,
}

/// A file that comes.
pub(crate) struct Download {
    client_socket: std::path::PathBuf,
    /// Held as long as the answer is read.
    _sender: SendRequest<Full<Bytes>>,
    body: Incoming,
}

impl Client {
    /// `POST path` with a file of `size` bytes, which `next` reads: the next bytes, of which so many are left, at most so many.
    ///
    /// # Errors
    /// [`UploadError`].
    pub async fn post_large_file<T: DeserializeOwned>(
        &self,
        path: &str,
        media_type: &str,
        (size, next): (u64, Next),
    ) -> Result<T, UploadError> {
        let protocol = |what: String| UploadError::Client(ClientError::Protocol(what));
        let kind = HeaderValue::from_str(media_type)
            .map_err(|_| protocol(format!("{media_type:?} is no media type")))?;
        let (failed, mut why) = tokio::sync::mpsc::unbounded_channel();
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, HeaderValue::from_static("localhost"))
            .header(CONTENT_LENGTH, HeaderValue::from(size))
            .header(CONTENT_TYPE, kind)
            .body(FileStream { next, left: size, failed })
            .map_err(|error| protocol(format!("{path} is no path: {error}")))?;
        let mut sender = self.connect_for::<FileStream>().await?;
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => {
                let why = why.try_recv().ok();
                return Err(match why {
                    Some(why) => UploadError::File(why),
                    None => UploadError::Client(lost(self.socket(), &error)),
                });
            }
        };
        if !response.status().is_success() {
            return Err(self.refusal(response).await.into());
        }
        Ok(understood(path, &self.body(response.into_body()).await?)?)
    }

    /// `GET path` where the answer is a file.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub(crate) async fn get_file(&self, path: &str) -> Result<Download, ClientError> {
        let (sender, body) = self.open(request(Method::GET, path, None)?).await?;
        Ok(Download { client_socket: self.socket().to_owned(), _sender: sender, body })
    }
}

impl Download {
    /// The next bytes of it; `None` at its end.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`] if it does not come whole.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| lost(&self.client_socket, &error))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

impl Body for FileStream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let left = self.left;
        Poll::Ready(Some(match (self.next)(left, FILE_PIECE_BYTES) {
            Ok(bytes) => {
                self.left -= bytes.len() as u64;
                Ok(Frame::data(bytes.into()))
            }
            Err(error) => {
                // Nobody may be waiting any more.
                let told = io::Error::new(error.kind(), error.to_string());
                self.failed.send(told).unwrap_or_default();
                Err(error)
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
