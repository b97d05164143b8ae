//! What is on its way to one contact.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::EnvelopeId;

use super::pending::Carries;

/// What is on its way to one contact.
#[derive(Default)]
pub(super) struct Line {
    /// Positions of messages that wait for the contact's keys.
    pub(super) waiting: BTreeSet<u64>,
    /// Envelopes with session keys.
    keys: BTreeSet<EnvelopeId>,
    /// Those of them that no other node is known to hold.
    keys_unstored: usize,
    /// Messages with envelopes on their way, by position.
    messages: BTreeMap<u64, Parts>,
    /// Those of them whose envelopes are all held elsewhere, and that were not told to be sent.
    unsent: BTreeSet<u64>,
    /// Envelopes with parts of files, by the position of the message that announces them.
    parts: BTreeMap<u64, BTreeSet<EnvelopeId>>,
}

/// The envelopes of one message.
#[derive(Default)]
struct Parts {
    /// Those that have not left.
    ids: Vec<EnvelopeId>,
    unstored: usize,
    has_expired: bool,
}

/// Why an envelope leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was proved received.
    Acknowledged,
    /// Its life is over.
    Expired,
    /// What it carries goes into another.
    TakenBack,
}

impl Line {
    pub(super) fn messages(&self) -> usize {
        self.waiting.len() + self.messages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
            && self.keys.is_empty()
            && self.messages.is_empty()
            && self.parts.is_empty()
    }

    /// How many parts of files are on their way.
    pub(super) fn parts(&self) -> usize {
        self.parts.values().map(BTreeSet::len).sum()
    }

    /// The envelopes with parts of the file that a message announces.
    pub(super) fn parts_of(&self, position: u64) -> impl Iterator<Item = &EnvelopeId> {
        self.parts.get(&position).into_iter().flatten()
    }

    /// The envelopes with session keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &EnvelopeId> {
        self.keys.iter()
    }

    /// The envelopes of a message.
    pub(super) fn envelopes_of(&self, position: u64) -> &[EnvelopeId] {
        self.messages.get(&position).map_or(&[], |parts| &parts.ids)
    }

    pub(super) fn add(&mut self, id: EnvelopeId, carries: Carries) {
        match carries {
            Carries::Message(position) => {
                let parts = self.messages.entry(position).or_default();
                parts.ids.push(id);
                parts.unstored += 1;
            }
            Carries::Key => {
                self.keys.insert(id);
                self.keys_unstored += 1;
            }
            Carries::Part(position, _) => {
                self.parts.entry(position).or_default().insert(id);
            }
            Carries::Control => {}
        }
    }

    /// Another node has it.
    pub(super) fn stored(&mut self, carries: Carries) {
        match carries {
            Carries::Message(position) => {
                let Some(parts) = self.messages.get_mut(&position) else { return };
                parts.unstored = parts.unstored.saturating_sub(1);
                if parts.unstored == 0 {
                    self.unsent.insert(position);
                }
            }
            Carries::Key => self.keys_unstored = self.keys_unstored.saturating_sub(1),
            Carries::Part(..) | Carries::Control => {}
        }
    }

    /// The messages that are sent now. Each is told once.
    pub(super) fn take_sent(&mut self) -> BTreeSet<u64> {
        if self.keys_unstored > 0 { BTreeSet::new() } else { std::mem::take(&mut self.unsent) }
    }

    /// An envelope leaves. If it was the last of its message: the message, and whether it is delivered.
    pub(super) fn remove(
        &mut self,
        id: &EnvelopeId,
        carries: Carries,
        is_stored: bool,
        ending: Ending,
    ) -> Option<(u64, bool)> {
        let unstored = usize::from(!is_stored);
        match carries {
            Carries::Key => {
                self.keys.remove(id);
                self.keys_unstored = self.keys_unstored.saturating_sub(unstored);
                None
            }
            Carries::Part(position, _) => {
                let parts = self.parts.get_mut(&position)?;
                parts.remove(id);
                if parts.is_empty() {
                    self.parts.remove(&position);
                }
                None
            }
            Carries::Control => None,
            Carries::Message(position) => {
                let parts = self.messages.get_mut(&position)?;
                parts.ids.retain(|pending| pending != id);
                parts.unstored = parts.unstored.saturating_sub(unstored);
                parts.has_expired |= ending == Ending::Expired;
                if !parts.ids.is_empty() {
                    return None;
                }
                let is_delivered = !parts.has_expired;
                self.messages.remove(&position);
                self.unsent.remove(&position);
                (ending != Ending::TakenBack).then_some((position, is_delivered))
            }
        }
    }
}
