//! What comes by the stem: checked as gossip is, with the same shares.

use libp2p::PeerId;
use martlet_engine::{Received, Stemmed};
use martlet_protocol::{EnvelopeError, Header, codec};

use super::{Intake, Verdict};
use crate::net::stem::codec::{ACK, ENVELOPE};

impl Intake {
    /// Judges what a peer wants passed on; what it is if it is good, else what is to be done.
    pub(in crate::net) fn stemmed(
        &mut self,
        from: PeerId,
        data: &[u8],
    ) -> Result<Stemmed, Verdict> {
        let admitted = match data.split_first() {
            Some((&ENVELOPE, message)) => self
                .admit_envelope(from, None, None, message)
                .map(|admitted| admitted.map(|received| Stemmed::Envelope(received.envelope)))
                .inspect_err(|error| {
                    self.metrics.envelopes.refused.by(error).inc();
                }),
            Some((&ACK, message)) => self
                .admit_acks(from, message, 1)
                .and_then(|admitted| match admitted.map(<[_; 1]>::try_from) {
                    Ok(Ok([ack])) if self.are_acks_passed_on(from) => Ok(Ok(Stemmed::Ack(ack))),
                    Ok(Ok(_)) => Ok(Err(Verdict::Ignore)),
                    Ok(Err(acks)) => Err(too_long(acks.len(), 1)),
                    Err(verdict) => Ok(Err(verdict)),
                })
                .inspect_err(|_| {
                    self.metrics.acks.batches_invalid.inc();
                }),
            Some(_) | None => Err(too_long(data.len(), 0)),
        };
        admitted.unwrap_or_else(|reason| {
            tracing::debug!(peer = %crate::net::shorten::peer(&from), %reason, "stem rejected");
            Err(self.count_invalid(from))
        })
    }

    /// What is published here after a way on the stem goes to the engine too, as by `from`, who brought it.
    pub(in crate::net) fn keep_stemmed(&mut self, from: PeerId, item: &Stemmed) {
        match item {
            Stemmed::Envelope(envelope) => {
                if let Ok(header) = Header::parse(&envelope.content) {
                    let id = envelope.id();
                    let bytes = envelope.content.len();
                    self.keep_envelope(
                        from,
                        Received { id, envelope: envelope.clone(), header },
                        bytes,
                    );
                }
            }
            Stemmed::Ack(ack) => {
                let bytes = codec::encode(ack).len();
                self.keep_acks(from, vec![ack.clone()], bytes);
            }
        }
    }
}

fn too_long(found: usize, max: usize) -> EnvelopeError {
    EnvelopeError::Codec(codec::CodecError::TooLong { found, max })
}
