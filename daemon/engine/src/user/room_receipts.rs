//! Who has what the user wrote in a room: of rooms of up to eight receiving devices, by what acks prove.

use std::collections::BTreeSet;

use martlet_protocol::limits::SLOTS_MAX;
use martlet_protocol::{IdentityId, RoomId};
use martlet_store::StoreError;
use martlet_store::records::Happened;

use super::User;
use crate::conversation::{ConversationRef, Place};
use crate::outbox;
use crate::turn::Turn;

impl User {
    /// Notes for whom a message is that goes out now; whose the slots of its envelope are, in order. Of more devices than there are
    /// slots nobody proves what they have.
    pub(super) fn note_recipients(
        &mut self,
        turn: &mut Turn<'_>,
        (line, position): (IdentityId, u64),
    ) -> Result<Vec<IdentityId>, StoreError> {
        let id = RoomId(line.0);
        let readers = self.readers(turn.now, &id, position);
        let readers: Vec<_> = readers.into_iter().map(|(who, _)| who).collect();
        let place = Place { conversation: ConversationRef::room(&id), position };
        if readers.len() > SLOTS_MAX {
            self.timeline.note_recipients(turn.vault()?, &place, Vec::new())?;
            return Ok(Vec::new());
        }
        let unreached = self.unreached(turn.now, &id, position);
        let mut all: BTreeSet<_> = readers.iter().copied().chain(unreached).collect();
        all.remove(&self.identity);
        self.timeline.note_recipients(turn.vault()?, &place, all.into_iter().collect())?;
        Ok(readers)
    }

    /// A device of someone's proved that it has a message.
    pub(super) fn note_reached(
        &mut self,
        turn: &mut Turn<'_>,
        outbox::Place { identity, position }: outbox::Place,
        who: IdentityId,
    ) -> Result<(), StoreError> {
        let place = Place { conversation: ConversationRef::direct(&identity), position };
        if self.timeline.note_reached(turn.vault()?, &place, who)? {
            self.emit(turn, Happened::MessageReached(place))?;
        }
        Ok(())
    }
}
