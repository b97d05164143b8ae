//! How many rooms there may be, and how they are forgotten.

use martlet_protocol::limits::ENVELOPE_LIFETIME_MAX;
use martlet_protocol::{IdentityId, RoomId, UnixMillis};
use martlet_store::StoreError;

use super::User;
use crate::conversation::ConversationRef;
use crate::directory::{RoomError, room_line};
use crate::error::Fault;
use crate::limits::{ROOMS_BROUGHT_MAX, ROOMS_MAX, ROOMS_OF_CONTACT_MAX};
use crate::turn::Turn;

impl User {
    /// That there may be one room more: of the user's own, or of one that someone brings the user into. Nobody else takes all the
    /// room that there is.
    pub(super) fn check_rooms(&self, brought_by: Option<&IdentityId>) -> Result<(), RoomError> {
        let rooms = self.directory.rooms();
        if rooms.shown().count() >= ROOMS_MAX {
            return Err(RoomError::TooMany { max: ROOMS_MAX });
        }
        let Some(by) = brought_by.filter(|by| **by != self.identity) else { return Ok(()) };
        let (others, theirs) = rooms.brought(by);
        if theirs >= ROOMS_OF_CONTACT_MAX {
            return Err(RoomError::TooMany { max: ROOMS_OF_CONTACT_MAX });
        }
        if others >= ROOMS_BROUGHT_MAX {
            return Err(RoomError::TooMany { max: ROOMS_BROUGHT_MAX });
        }
        Ok(())
    }

    /// Forgets a room that the user is in no more, with all that was written there, on this device.
    pub(crate) fn forget_room(&mut self, turn: &mut Turn<'_>, id: &RoomId) -> Result<(), Fault> {
        if self.known_room(id)?.has(&self.identity) {
            return Err(RoomError::StillIn.into());
        }
        let (line, now) = (room_line(id), turn.now);
        // What is on its way goes on: others may have to hear yet that the user left.
        let up_to = self.timeline.begin_forgetting(turn.vault()?, ConversationRef::room(id))?;
        self.unfinished.remove(line, up_to);
        self.directory.siblings_mut().past_mut().close_line(turn.vault()?, &line)?;
        self.forget_manners(turn, &line)?;
        self.directory.rooms_mut().hide(turn.vault()?, id, now)?;
        // Those of others in it.
        self.unfinished.end_old();
        if self.directory.rooms_mut().take_left_out() {
            // There may be room for one that someone brought the user into.
            self.look_again(turn)?;
        }
        Ok(())
    }

    /// Of rooms that the user forgot, or was never brought into, forgets what they were: by then nothing of them is on its way.
    pub(super) fn forget_old_rooms(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let before = turn.now.minus(ENVELOPE_LIFETIME_MAX);
        self.forget_rooms(turn, before)
    }

    /// Makes room for one that may be none of the user's.
    pub(super) fn forget_rooms(
        &mut self,
        turn: &mut Turn<'_>,
        before: UnixMillis,
    ) -> Result<(), StoreError> {
        let times = (before, turn.now);
        for (room, people) in self.directory.rooms_mut().forget_foreign(turn.vault()?, times)? {
            // Nothing of it goes on: by now no mailbox has what was under way.
            let line = room_line(&room);
            let conversation = ConversationRef::room(&room);
            let up_to = self.timeline.begin_removal(turn.vault()?, conversation)?;
            self.unfinished.remove(line, up_to);
            self.directory.siblings_mut().past_mut().close_line(turn.vault()?, &line)?;
            self.keyring.outbound.end(turn.vault()?, &line)?;
            for who in people {
                self.part(turn, who)?;
            }
        }
        Ok(())
    }
}
