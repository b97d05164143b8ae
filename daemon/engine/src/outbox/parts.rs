//! Parts of files that are on their way. They go after all messages, whenever those were made.

use martlet_protocol::{EnvelopeId, IdentityId};

use super::pending::{Carries, Pending};
use super::{Outbox, PARTS_FROM, Place};

impl Outbox {
    /// How many parts for `identity` are on their way, and how many in all.
    pub(crate) fn parts_to(&self, identity: &IdentityId) -> (usize, usize) {
        let of = |line: &super::Line| line.parts();
        (self.lines.get(identity).map_or(0, of), self.lines.values().map(of).sum())
    }

    /// The envelopes with parts of the file that a message announces.
    pub(crate) fn parts_of(&self, Place { identity, position }: &Place) -> Vec<EnvelopeId> {
        let line = self.lines.get(identity);
        line.into_iter().flat_map(|line| line.parts_of(*position)).copied().collect()
    }

    /// Which part of which file an envelope carries, if it does.
    pub(crate) fn part_in(&self, id: &EnvelopeId) -> Option<(Place, u16)> {
        let Pending { identity, carries, .. } = **self.pending.get(id)?;
        match carries {
            Carries::Part(position, part) => Some((Place { identity, position }, part)),
            Carries::Message(_) | Carries::Key | Carries::Control => None,
        }
    }

    /// Whether parts wait for room in the mailbox or on the stem, or for their stamps: no more are made meanwhile.
    pub(crate) fn has_parts_waiting(&self) -> bool {
        self.outside.range(PARTS_FROM..).next().is_some() || self.to_stamp.has_parts()
    }
}
