//! Own envelopes that lack their stamp: what they wait in, and what happens when it comes.

use std::collections::VecDeque;

use martlet_protocol::{Envelope, EnvelopeId, stamp};
use martlet_store::StoreError;
use martlet_store::records::{OUTBOX, PUBLISHED};
use martlet_store::vault::Key;

use super::User;
use crate::turn::Turn;

/// Own envelopes that wait for a stamp. The envelopes themselves are in the vault.
#[derive(Default)]
pub(super) struct ToStamp {
    /// In the order of sending; may name some that no longer wait.
    queue: VecDeque<EnvelopeId>,
    /// The bundle of the day, if it is among them.
    bundle: Option<EnvelopeId>,
}

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
        if self.to_stamp.bundle == Some(id) {
            self.to_stamp.bundle = None;
            if let Some(envelope) = turn.vault()?.get(&PUBLISHED, Key::Named(b""))? {
                let envelope = Envelope { nonce, ..envelope };
                turn.vault()?.put(&PUBLISHED, Key::Named(b""), &envelope)?;
                self.publish(turn, id, envelope)?;
            }
            return Ok(());
        }
        let Some(pending) = self.outbox.get_mut(&id).filter(|pending| pending.lacks_stamp) else {
            return Ok(());
        };
        pending.lacks_stamp = false;
        let Some(mut record) = turn.vault()?.get(&OUTBOX, Key::Named(&id.0))? else {
            return Ok(());
        };
        record.envelope.nonce = nonce;
        turn.vault()?.put(&OUTBOX, Key::Named(&id.0), &record)?;
        self.publish(turn, id, record.envelope)
    }

    /// Whether an envelope still waits for its stamp.
    pub(crate) fn lacks_stamp(&self, id: &EnvelopeId) -> bool {
        self.to_stamp.bundle.as_ref() == Some(id)
            || self.outbox.get(id).is_some_and(|pending| pending.lacks_stamp)
    }

    /// The next envelope to make a stamp for, and the bits it needs.
    pub(crate) fn next_to_stamp(&mut self) -> Option<(EnvelopeId, u8)> {
        while let Some(id) = self.to_stamp.queue.pop_front() {
            if self.lacks_stamp(&id) {
                return Some((id, self.network.stamp_bits));
            }
        }
        None
    }

    /// Own envelopes that wait for their stamp.
    pub(crate) fn stamping(&self) -> u64 {
        if self.network.stamp_bits == 0 {
            return 0;
        }
        let waiting = self.outbox.values().filter(|pending| pending.lacks_stamp).count();
        u64::try_from(waiting).unwrap_or(u64::MAX) + u64::from(self.to_stamp.bundle.is_some())
    }

    /// An envelope of the outbox needs a stamp, after those that need one already.
    pub(super) fn queue_for_stamp(&mut self, id: EnvelopeId) {
        self.to_stamp.queue.push_back(id);
    }

    /// The bundle needs a stamp, before all else: without it nobody new can write.
    pub(super) fn queue_bundle_for_stamp(&mut self, id: EnvelopeId) {
        self.to_stamp.bundle = Some(id);
        self.to_stamp.queue.push_front(id);
    }

    /// Whether an envelope has the stamp that the network asks for.
    pub(super) fn has_stamp(&self, id: &EnvelopeId, envelope: &Envelope) -> bool {
        stamp::check(id, envelope.nonce, self.network.stamp_bits)
    }

    /// After a start: queues all that lacks its stamp, session keys first, messages in the order in
    /// which they were written.
    pub(super) fn requeue_for_stamps(&mut self) {
        let lacking = self.outbox.iter().filter(|(_, pending)| pending.lacks_stamp);
        let mut lacking: Vec<_> =
            lacking.map(|(id, pending)| (pending.position, pending.identity, *id)).collect();
        lacking.sort_unstable();
        self.to_stamp.queue = lacking.into_iter().map(|(_, _, id)| id).collect();
        if let Some(bundle) = self.to_stamp.bundle {
            self.to_stamp.queue.push_front(bundle);
        }
    }
}
