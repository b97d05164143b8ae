//! How far a message got that the user sent on another device. Only the device that sent it can tell when it was delivered, and
//! tells the others: once a tick, for many messages at once. What was not told before a crash is not told.

use std::collections::BTreeMap;

use martlet_protocol::message::delivered::MESSAGES_MAX;
use martlet_protocol::message::{Content, Delivered};
use martlet_protocol::{IdentityId, MessageId};
use martlet_store::StoreError;
use martlet_store::records::{Happened, State};

use super::User;
use crate::conversation::{ConversationRef, Place, person};
use crate::turn::Turn;

impl User {
    /// An own message was delivered: the other devices are to be told, if it was sent on this one.
    pub(super) fn note_delivered(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
    ) -> Result<(), StoreError> {
        if !self.has_siblings(turn.now) {
            return Ok(());
        }
        let this = self.keyring.device().device();
        let message = self.timeline.message(turn.vault()?, place)?;
        if let Some(message) = message.filter(|it| it.author.is_none_or(|it| it.device == this)) {
            let with = person(&place.conversation);
            self.directory.siblings_mut().note_delivered(with, message.id);
        }
        Ok(())
    }

    /// Tells the user's other devices what was delivered since the last tick.
    pub(super) fn tell_delivered(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let mut delivered: BTreeMap<IdentityId, Vec<MessageId>> = BTreeMap::new();
        for (conversation, id) in self.directory.siblings_mut().take_delivered() {
            delivered.entry(conversation).or_default().push(id);
        }
        for (conversation, ids) in delivered {
            for messages in ids.chunks(MESSAGES_MAX) {
                let delivered = Delivered { conversation, messages: messages.to_vec() };
                self.tell_siblings(turn, Content::Delivered(delivered), None)?;
            }
        }
        Ok(())
    }

    /// Messages that were sent on another device were delivered.
    pub(super) fn take_delivered(
        &mut self,
        turn: &mut Turn<'_>,
        Delivered { conversation, messages }: &Delivered,
    ) -> Result<(), StoreError> {
        let conversation = ConversationRef::direct(conversation);
        for id in messages.iter().take(MESSAGES_MAX) {
            let place = self.timeline.find_of(turn.vault()?, id, None)?;
            let Some(place) = place.filter(|place| place.conversation == conversation) else {
                continue;
            };
            if self.timeline.advance(turn.vault()?, &place, State::Delivered)? {
                self.emit(turn, Happened::MessageState(place, State::Delivered))?;
            }
        }
        Ok(())
    }
}
