//! Stamps of own envelopes: what happens when one comes.

use martlet_protocol::{Envelope, EnvelopeId, stamp};
use martlet_store::StoreError;
use martlet_store::records::PUBLISHED;
use martlet_store::vault::Key;

use super::User;
use crate::turn::Turn;

impl User {
    /// The stamp of an envelope was made: it may leave.
    pub(crate) fn take_stamp(
        &mut self,
        turn: &mut Turn<'_>,
        id: EnvelopeId,
        nonce: u64,
    ) -> Result<(), StoreError> {
        if !stamp::check(&id, nonce, self.network.stamp_bits) {
            return Ok(());
        }
        if self.outbox.take_bundle(&id) {
            if let Some(envelope) = turn.vault()?.get(&PUBLISHED, Key::Named(b""))? {
                let envelope = Envelope { nonce, ..envelope };
                turn.vault()?.put(&PUBLISHED, Key::Named(b""), &envelope)?;
                self.publish(turn, id, envelope)?;
            }
            return Ok(());
        }
        if let Some(envelope) = self.outbox.stamped(turn.vault()?, &id, nonce)? {
            self.offer(turn, id, envelope)?;
        }
        Ok(())
    }

    /// Whether an envelope still waits for its stamp.
    pub(crate) fn lacks_stamp(&self, id: &EnvelopeId) -> bool {
        self.outbox.lacks_stamp(id)
    }

    /// The next envelope to make a stamp for, and the bits it needs.
    pub(crate) fn next_to_stamp(&mut self) -> Option<(EnvelopeId, u8)> {
        self.outbox.next_to_stamp()
    }

    /// Own envelopes that wait for their stamp.
    pub(crate) fn stamping(&self) -> u64 {
        self.outbox.stamping()
    }

    /// Whether an envelope has the stamp that the network asks for.
    pub(super) fn has_stamp(&self, id: &EnvelopeId, envelope: &Envelope) -> bool {
        stamp::check(id, envelope.nonce, self.network.stamp_bits)
    }
}
