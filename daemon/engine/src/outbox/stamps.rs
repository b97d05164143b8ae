//! Which envelopes of the outbox wait for their stamps.

use martlet_protocol::{Envelope, EnvelopeId};
use martlet_store::records::OUTBOX;
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::{Outbox, PARTS_FROM, walked};

impl Outbox {
    /// Whether an envelope still waits for its stamp.
    pub(crate) fn lacks_stamp(&self, id: &EnvelopeId) -> bool {
        self.to_stamp.is_bundle(id)
            || self.pending.get(id).is_some_and(|pending| pending.lacks_stamp)
    }

    /// An envelope of the outbox has got its stamp. Returns it; `None` if nobody waits for it.
    pub(crate) fn stamped(
        &mut self,
        records: &mut VaultTxn,
        id: &EnvelopeId,
        nonce: u64,
    ) -> Result<Option<Envelope>, StoreError> {
        let Some(pending) = self.pending.get_mut(id).filter(|pending| pending.lacks_stamp) else {
            return Ok(None);
        };
        pending.lacks_stamp = false;
        self.unstamped = self.unstamped.saturating_sub(1);
        let Some(mut record) = records.get(&OUTBOX, Key::Named(&id.0))? else { return Ok(None) };
        record.envelope.nonce = nonce;
        records.put(&OUTBOX, Key::Named(&id.0), &record)?;
        Ok(Some(record.envelope))
    }

    /// The next envelope to make a stamp for, and the bits it needs.
    pub(crate) fn next_to_stamp(&mut self) -> Option<(EnvelopeId, u8)> {
        while let Some(id) = self.to_stamp.next() {
            if self.lacks_stamp(&id) {
                return Some((id, self.network.stamp_bits));
            }
        }
        None
    }

    /// How many wait for their stamp, the bundle included.
    pub(crate) fn stamping(&self) -> u64 {
        if self.network.stamp_bits == 0 {
            return 0;
        }
        u64::try_from(self.unstamped).unwrap_or(u64::MAX) + u64::from(self.to_stamp.has_bundle())
    }

    /// The bundle needs a stamp, before all else: without it nobody new can write.
    pub(crate) fn queue_bundle(&mut self, id: EnvelopeId) {
        self.to_stamp.queue_bundle(id);
    }

    /// Whether `id` is the bundle that waits for its stamp; it waits no more.
    pub(crate) fn take_bundle(&mut self, id: &EnvelopeId) -> bool {
        self.to_stamp.take_bundle(id)
    }

    /// After a start: queues all that lacks its stamp, in the order in which it was made.
    pub(crate) fn requeue(&mut self) {
        let lacking = walked(self.pending.iter()).filter(|(_, pending)| pending.lacks_stamp);
        let mut lacking: Vec<_> = lacking.map(|(id, pending)| (pending.order, *id)).collect();
        lacking.sort_unstable();
        let lacking = lacking.into_iter().map(|(order, id)| (id, order >= PARTS_FROM));
        self.to_stamp.replace(lacking);
    }
}
