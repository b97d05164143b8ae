//! The stem's requests and answers on a stream.
//!
//! A request is one byte that says what follows, and then what would be gossiped: an envelope, or a list of one
//! ack. It is read by the decoders of gossip, and only once the peer's share allows it. An answer is one byte.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use martlet_engine::Stemmed;
use martlet_protocol::codec;
use martlet_protocol::limits::GOSSIP_BYTES_MAX;

use crate::limits::STEM_READ_MAX;
use crate::net::asked::{self, Asked};

/// An envelope follows.
pub(in crate::net) const ENVELOPE: u8 = 0;
/// A list of one ack follows.
pub(in crate::net) const ACK: u8 = 1;

/// What a request to pass something on is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) enum Answer {
    /// It is passed on, or published.
    Taken,
    /// It is not.
    Refused,
}

/// The codec.
#[derive(Debug, Clone, Default)]
pub(in crate::net) struct StemCodec;

/// A request's bytes.
pub(in crate::net) fn encode(item: &Stemmed) -> Vec<u8> {
    let (kind, message) = match item {
        Stemmed::Envelope(envelope) => (ENVELOPE, envelope.encode()),
        Stemmed::Ack(ack) => (ACK, codec::encode(&[ack])),
    };
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&message);
    bytes
}

impl request_response::Codec for StemCodec {
    type Protocol = StreamProtocol;
    type Request = Asked<Vec<u8>>;
    type Response = Answer;

    async fn read_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Asked<Vec<u8>>>
    where
        T: AsyncRead + Unpin + Send,
    {
        Ok(asked::read(io, GOSSIP_BYTES_MAX, STEM_READ_MAX).await)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.take(2).read_to_end(&mut bytes).await?;
        match bytes[..] {
            [0] => Ok(Answer::Taken),
            [1] => Ok(Answer::Refused),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "not an answer")),
        }
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Asked<Vec<u8>>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&request?).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: Answer,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let byte = match answer {
            Answer::Taken => 0,
            Answer::Refused => 1,
        };
        io.write_all(&[byte]).await
    }
}
