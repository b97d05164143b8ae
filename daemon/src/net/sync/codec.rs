//! Requests and responses on a stream: one CBOR value each, which the end of the stream ends.

use std::io;
use std::sync::Arc;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use martlet_protocol::codec::{self, CodecError};
use martlet_protocol::limits::{SYNC_REQUEST_BYTES_MAX, SYNC_RESPONSE_BYTES_MAX};
use martlet_protocol::sync::{Request, Response};

use crate::limits::SYNC_REQUEST_READ_MAX;
use crate::metrics::{Frame, Metrics};
use crate::net::asked::{self, Asked, Unread};

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
    type Request = Asked<Request>;
    type Response = Response;

    async fn read_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Asked<Request>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let bytes = match asked::read(io, SYNC_REQUEST_BYTES_MAX, SYNC_REQUEST_READ_MAX).await {
            Ok(bytes) => bytes,
            Err(unread) => return Ok(Err(unread)),
        };
        Ok(match codec::decode(&bytes, SYNC_REQUEST_BYTES_MAX) {
            Ok(request) => {
                self.metrics.sync.received.count(Frame::from(&request), bytes.len());
                Ok(request)
            }
            Err(CodecError::Invalid(error)) if error.is_eof() => Err(Unread::BrokenOff),
            Err(_) => Err(Unread::Invalid),
        })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        let most = u64::try_from(SYNC_RESPONSE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        io.take(most).read_to_end(&mut bytes).await?;
        let response = codec::decode(&bytes, SYNC_RESPONSE_BYTES_MAX)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.metrics.sync.received.count(Frame::from(&response), bytes.len());
        Ok(response)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Asked<Request>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let request = request?;
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
        let request = Ok(Request::Fetch(vec![EnvelopeId([7; 32]); 3]));
        let mut wire = Cursor::new(Vec::new());
        SyncCodec::default().write_request(&PROTOCOL, &mut wire, request.clone()).await.unwrap();
        wire.set_position(0);
        assert_eq!(read_request(wire.into_inner()).await, request);
    }

    /// libp2p told nobody of a request that was refused here, so a peer could send as many as it liked.
    #[tokio::test]
    async fn what_cannot_be_read_is_told() {
        assert_eq!(read_request(b"\xff\xff".to_vec()).await, Err(Unread::Invalid));
        let whole = codec::encode(&Request::Fetch(vec![EnvelopeId([7; 32]); 3]));
        for end in 0..whole.len() {
            assert_eq!(read_request(whole[..end].to_vec()).await, Err(Unread::BrokenOff), "{end}");
        }
        let trailing = [&whole[..], &[0]].concat();
        assert_eq!(read_request(trailing).await, Err(Unread::Invalid));
        let long = vec![0; SYNC_REQUEST_BYTES_MAX + 1];
        assert_eq!(read_request(long).await, Err(Unread::Invalid));
        // A byte string that claims 2^62 bytes, as the ids of a Fetch.
        let claims = b"\x82\x02\x81\x5b\x40\0\0\0\0\0\0\0".to_vec();
        assert!(read_request(claims).await.is_err());
    }

    #[tokio::test]
    async fn a_garbage_response_is_an_error() {
        for bytes in [&b""[..], b"\xff\xff", &[&codec::encode(&Response::Done)[..], &[0]].concat()]
        {
            let mut wire = Cursor::new(bytes.to_vec());
            let error = SyncCodec::default().read_response(&PROTOCOL, &mut wire).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[tokio::test]
    async fn reading_a_response_stops_one_byte_past_the_bound() {
        let mut wire = Cursor::new(vec![0; SYNC_RESPONSE_BYTES_MAX * 2]);
        assert!(SyncCodec::default().read_response(&PROTOCOL, &mut wire).await.is_err());
        assert_eq!(wire.position(), u64::try_from(SYNC_RESPONSE_BYTES_MAX).unwrap() + 1);
    }

    async fn read_request(bytes: Vec<u8>) -> Asked<Request> {
        SyncCodec::default().read_request(&PROTOCOL, &mut Cursor::new(bytes)).await.unwrap()
    }
}
