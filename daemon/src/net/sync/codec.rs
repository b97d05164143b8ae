//! Requests and responses on a stream: one CBOR value each, which the end of the stream ends.

use std::io;
use std::sync::Arc;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use martlet_protocol::codec;
use martlet_protocol::limits::{SYNC_REQUEST_BYTES_MAX, SYNC_RESPONSE_BYTES_MAX};
use martlet_protocol::sync::{Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::metrics::{Frame, Metrics};

/// The codec. It counts the bytes that it reads and writes.
#[derive(Debug, Clone, Default)]
pub(in crate::net) struct SyncCodec {
    metrics: Arc<Metrics>,
}

impl SyncCodec {
    /// One that counts there.
    pub(in crate::net) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl request_response::Codec for SyncCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (request, bytes) = read(io, SYNC_REQUEST_BYTES_MAX).await?;
        self.metrics.sync.received.count(Frame::from(&request), bytes);
        Ok(request)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (response, bytes) = read(io, SYNC_RESPONSE_BYTES_MAX).await?;
        self.metrics.sync.received.count(Frame::from(&response), bytes);
        Ok(response)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let bytes = codec::encode(&request);
        self.metrics.sync.sent.count(Frame::from(&request), bytes.len());
        io.write_all(&bytes).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let bytes = codec::encode(&response);
        self.metrics.sync.sent.count(Frame::from(&response), bytes.len());
        io.write_all(&bytes).await
    }
}

/// Reads to the end of the stream, at most one byte over `max`: then it is too long. Returns the
/// value and how many bytes it had.
async fn read<T: Serialize + DeserializeOwned>(
    io: &mut (impl AsyncRead + Unpin + Send),
    max: usize,
) -> io::Result<(T, usize)> {
    let mut bytes = Vec::new();
    io.take(u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1))
        .read_to_end(&mut bytes)
        .await?;
    codec::decode(&bytes, max)
        .map(|value| (value, bytes.len()))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures::io::Cursor;
    use libp2p::request_response::Codec;
    use martlet_protocol::EnvelopeId;

    use super::*;

    const PROTOCOL: StreamProtocol = StreamProtocol::new("/martlet/test/sync/2");

    #[tokio::test]
    async fn requests_round_trip() {
        let request = Request::Fetch(vec![EnvelopeId([7; 32]); 3]);
        let mut wire = Cursor::new(Vec::new());
        SyncCodec::default().write_request(&PROTOCOL, &mut wire, request.clone()).await.unwrap();
        wire.set_position(0);
        assert_eq!(SyncCodec::default().read_request(&PROTOCOL, &mut wire).await.unwrap(), request);
    }

    #[tokio::test]
    async fn garbage_and_trailing_bytes_are_errors() {
        for bytes in [&b""[..], b"\xff\xff", b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff"] {
            let mut wire = Cursor::new(bytes.to_vec());
            let error = SyncCodec::default().read_request(&PROTOCOL, &mut wire).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        let mut bytes = codec::encode(&Response::Done);
        bytes.push(0);
        assert!(
            SyncCodec::default().read_response(&PROTOCOL, &mut Cursor::new(bytes)).await.is_err()
        );
    }

    #[tokio::test]
    async fn reading_stops_one_byte_past_the_bound() {
        let mut wire = Cursor::new(vec![0; SYNC_REQUEST_BYTES_MAX * 2]);
        let error = SyncCodec::default().read_request(&PROTOCOL, &mut wire).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(wire.position(), u64::try_from(SYNC_REQUEST_BYTES_MAX).unwrap() + 1);
    }

    #[tokio::test]
    async fn a_claimed_length_allocates_nothing() {
        // A byte string that claims 2^62 bytes, as the ids of a Fetch.
        let mut wire = Cursor::new(b"\x82\x02\x81\x5b\x40\0\0\0\0\0\0\0".to_vec());
        assert!(SyncCodec::default().read_request(&PROTOCOL, &mut wire).await.is_err());
    }
}
