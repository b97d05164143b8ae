//! Which people have an own message in a room.

use martlet_protocol::IdentityId;
use martlet_store::records::ReceivedRecord;
use martlet_store::{StoreError, VaultTxn};

use super::Timeline;
use crate::conversation::{ConversationRef, Place};
use crate::limits::MENTIONED_KEPT_MAX;

impl Timeline {
    /// An own message is for these now; what was proved of them stays. Of nobody nothing is proved.
    pub(crate) fn note_recipients(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        of: Vec<IdentityId>,
    ) -> Result<(), StoreError> {
        let changed = self.mark(records, place, |message, marks| {
            let had = marks.received.take().map(|received| received.have).unwrap_or_default();
            let have = had.into_iter().filter(|who| of.contains(who)).collect();
            marks.received = (!of.is_empty()).then_some(ReceivedRecord { of, have });
            message.is_marked |= marks.received.is_some();
            true
        });
        changed.map(drop)
    }

    /// Someone has an own message; whether that is news, and others don't have it yet.
    pub(crate) fn note_reached(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        who: IdentityId,
    ) -> Result<bool, StoreError> {
        self.mark(records, place, |_, marks| {
            let Some(received) = &mut marks.received else { return false };
            if !received.of.contains(&who) || received.have.contains(&who) {
                return false;
            }
            received.have.push(who);
            received.have.len() < received.of.len()
        })
    }

    /// A received message mentions the user.
    pub(super) fn note_mention(&mut self, place: &Place) {
        let record = self.get_mut(place.conversation);
        let read = record.read_position;
        record.mentioned.retain(|position| *position > read);
        record.mentioned.push(place.position);
        if record.mentioned.len() > MENTIONED_KEPT_MAX {
            record.mentioned.remove(0);
        }
    }

    /// Unread messages of a conversation that mention the user.
    pub(crate) fn mentions(&self, id: &ConversationRef) -> u64 {
        let Some(record) = self.get(id) else { return 0 };
        let unread = record.mentioned.iter().filter(|at| **at > record.read_position);
        u64::try_from(unread.count()).unwrap_or(u64::MAX)
    }
}
