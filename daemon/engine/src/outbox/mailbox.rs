//! Own envelopes on their way into the mailbox, in the order in which they were made.

use martlet_protocol::{Envelope, EnvelopeId};
use martlet_store::records::OUTBOX;
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::{Outbox, walked};

impl Outbox {
    /// All that have their stamps are offered to the mailbox again, in the order in which they were made.
    pub(crate) fn begin_again(&mut self) {
        self.unheld.clear();
        let stamped = walked(self.pending.iter_mut()).filter(|(_, pending)| !pending.lacks_stamp);
        self.outside = stamped
            .map(|(id, pending)| {
                pending.arrival = None;
                (pending.order, *id)
            })
            .collect();
    }

    /// Whether earlier ones than `id` wait for room in the mailbox. It may not pass them.
    pub(crate) fn is_after_others(&self, id: &EnvelopeId) -> bool {
        let order = self.pending.get(id).map_or(u64::MAX, |pending| pending.order);
        self.outside.first_key_value().is_some_and(|(first, _)| *first < order)
    }

    /// There is no room for it yet, in the mailbox or on the stem.
    pub(crate) fn keep_outside(&mut self, id: &EnvelopeId) {
        if let Some(pending) = self.pending.get(id) {
            self.outside.insert(pending.order, *id);
        }
    }

    /// It waits for room no more.
    pub(crate) fn leave_outside(&mut self, id: &EnvelopeId) {
        if let Some(pending) = self.pending.get(id) {
            self.outside.remove(&pending.order);
        }
    }

    /// It came off the stem, and the mailbox has no room for it.
    pub(crate) fn note_been_on_stem(&mut self, id: &EnvelopeId) {
        self.pending.entry(*id).and_modify(|pending| pending.was_on_stem = true);
    }

    /// Whether it came off the stem, and the mailbox had no room for it.
    pub(crate) fn was_on_stem(&self, id: &EnvelopeId) -> bool {
        self.pending.get(id).is_some_and(|pending| pending.was_on_stem)
    }

    /// The first that waits for room in the mailbox.
    pub(crate) fn first_outside(&self) -> Option<EnvelopeId> {
        self.outside.first_key_value().map(|(_, id)| *id)
    }

    /// It is in the mailbox, as this arrival; 0 if it was there before.
    pub(crate) fn arrived(&mut self, id: &EnvelopeId, arrival: u64) {
        let Some(pending) = self.pending.get_mut(id) else { return };
        self.outside.remove(&pending.order);
        pending.arrival = Some(arrival);
        if !pending.is_stored {
            self.unheld.entry(pending.shard).or_default().insert((arrival, *id));
        }
    }

    /// Its envelope.
    pub(crate) fn envelope(
        records: &VaultTxn,
        id: &EnvelopeId,
    ) -> Result<Option<Envelope>, StoreError> {
        Ok(records.get(&OUTBOX, Key::Named(&id.0))?.map(|record| record.envelope))
    }
}
