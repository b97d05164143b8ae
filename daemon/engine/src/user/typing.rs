//! That someone is writing, as it goes and comes. When it is told is in `kinds/typing.rs`.

use martlet_protocol::IdentityId;
use martlet_protocol::control::{Event, EventBody};
use martlet_protocol::message::{DeviceMessage, Typing};
use martlet_store::StoreError;

use super::User;
use crate::conversation::{Author, ConversationRef};
use crate::turn::Turn;

impl User {
    /// Tells a contact that the user is writing, if they are to be told, and were not just now.
    pub(crate) fn type_to(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let is_told = self.timeline.has_typing(&ConversationRef::direct(&identity));
        if is_told && self.pings.typing.may_tell(identity, turn.steady) {
            let typing = DeviceMessage::Typing(Typing { sent_at: turn.now });
            self.tell_devices(turn, identity, None, &typing)?;
        }
        Ok(())
    }

    /// Takes a contact's word that they are writing. Of anyone else it is not acknowledged either.
    pub(super) fn take_typing(
        &mut self,
        turn: &mut Turn<'_>,
        Author { identity, .. }: Author,
        typing: Typing,
    ) -> Result<bool, StoreError> {
        let Some(contact) = self.directory.contact(&identity) else { return Ok(false) };
        let conversation = contact.name().to_owned();
        let (now, steady) = (turn.now, turn.steady);
        if self.timeline.has_typing(&ConversationRef::direct(&identity))
            && self.pings.typing.may_hear(identity, typing.sent_at, now, steady)
        {
            // Not in the log: it has the number of the last event that is.
            let (seq, body) = (self.log.last(), EventBody::Typing { conversation });
            turn.effects.events.push(Event { seq, at: now, body });
        }
        Ok(true)
    }
}
