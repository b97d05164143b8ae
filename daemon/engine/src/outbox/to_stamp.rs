//! Own envelopes that wait for a stamp. The envelopes themselves are in the vault.

use std::collections::VecDeque;

use martlet_protocol::EnvelopeId;

/// Who waits for a stamp.
#[derive(Default)]
pub(super) struct ToStamp {
    /// In the order of sending; may name some that no longer wait.
    queue: VecDeque<EnvelopeId>,
    /// Parts of files, after all of these.
    parts: VecDeque<EnvelopeId>,
    /// The bundle of the day, if it is among them.
    bundle: Option<EnvelopeId>,
}

impl ToStamp {
    pub(super) fn queue(&mut self, id: EnvelopeId) {
        self.queue.push_back(id);
    }

    pub(super) fn queue_part(&mut self, id: EnvelopeId) {
        self.parts.push_back(id);
    }

    pub(super) fn has_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    pub(super) fn queue_bundle(&mut self, id: EnvelopeId) {
        self.bundle = Some(id);
        self.queue.push_front(id);
    }

    pub(super) fn is_bundle(&self, id: &EnvelopeId) -> bool {
        self.bundle.as_ref() == Some(id)
    }

    pub(super) fn has_bundle(&self) -> bool {
        self.bundle.is_some()
    }

    pub(super) fn take_bundle(&mut self, id: &EnvelopeId) -> bool {
        self.bundle.take_if(|bundle| bundle == id).is_some()
    }

    pub(super) fn next(&mut self) -> Option<EnvelopeId> {
        self.queue.pop_front().or_else(|| self.parts.pop_front())
    }

    /// All that wait, but for the bundle, which stays first; and whether each is a part.
    pub(super) fn replace(&mut self, ids: impl Iterator<Item = (EnvelopeId, bool)>) {
        self.queue = self.bundle.into_iter().collect();
        self.parts.clear();
        for (id, is_part) in ids {
            if is_part { self.parts.push_back(id) } else { self.queue.push_back(id) }
        }
    }
}
