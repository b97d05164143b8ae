//! Recalls: the user takes a message back, or a contact does.
//!
//! Of what nobody proved to have received the sender knows the secrets that a recipient would reveal. The sender reveals
//! them: so every mailbox drops the envelope. Some device may have it all the same, so the recall itself is sent as well.

use martlet_protocol::control::{Delivery, SendResponse};
use martlet_protocol::message::Recall;
use martlet_protocol::{Ack, EnvelopeId, IdentityId, MessageId};
use martlet_store::StoreError;
use martlet_store::mailbox::Inserted;
use martlet_store::records::{Body, EndReason, Happened, MessageRecord, OUTBOX, State};
use martlet_store::vault::Key;

use super::User;
use crate::conversation::{Author, ConversationRef, Place, person};
use crate::error::{CommandError, Fault};
use crate::kinds::{Content, Does, Says};
use crate::observer::Dropped;
use crate::outbox;
use crate::turn::Turn;

impl User {
    /// Takes an own message back.
    pub(crate) fn recall(
        &mut self,
        turn: &mut Turn<'_>,
        text: &str,
    ) -> Result<SendResponse, Fault> {
        let (place, message) = self.resolve(turn, text)?;
        let identity = person(&place.conversation);
        if !message.own && !self.is_room(&place.conversation) {
            return Err(CommandError::NotYours.into());
        }
        if identity == self.identity {
            return Err(CommandError::NotSent.into());
        }
        self.check_active()?;
        let recalled = SendResponse { id: message.id.to_string(), state: Delivery::Recalled };
        match Content::of(&message) {
            Content::Says(Says::Recalled) => return Ok(recalled),
            Content::Says(Says::Text(_) | Says::File(_)) | Content::Unknown { .. } => {}
            Content::Says(Says::Timers(_)) | Content::Does(_) => {
                return Err(CommandError::NotRecallable.into());
            }
        }
        if let Some(room) = self.room_at(&place.conversation) {
            // Nobody there takes anything of who is out of it. Of one that is closed what was said can be taken back.
            self.check_member(&room)?;
            if !message.own {
                self.recall_of_other(turn, (room, &place), &message)?;
                return Ok(recalled);
            }
        }
        self.recall_at(turn, &place, &message, None)?;
        Ok(recalled)
    }

    /// Takes an own message back that is there, perhaps since a moderator of its room did.
    pub(super) fn recall_at(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
        message: &MessageRecord,
        by: Option<IdentityId>,
    ) -> Result<(), StoreError> {
        self.purge(turn, place)?;
        self.recall_edits(turn, place, message.id)?;
        let deed = self.write_recall(turn, place, message);
        self.timeline.recall_own(turn.vault()?, place, by)?;
        self.tell_recalled(turn, place, (message.id, by))?;
        self.send_deed(turn, person(&place.conversation), &deed)
    }

    /// An own message was taken back.
    pub(super) fn tell_recalled(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
        (id, by): (MessageId, Option<IdentityId>),
    ) -> Result<(), StoreError> {
        self.emit(turn, Happened::MessageState(*place, State::Recalled))?;
        let why = by.map_or(EndReason::Recalled, EndReason::RecalledBy);
        self.emit(turn, Happened::MessageEnded(place.conversation, id, why))
    }

    /// A contact takes a message of theirs back.
    pub(super) fn take_recall(
        &mut self,
        turn: &mut Turn<'_>,
        (conversation, Author { identity, .. }): (ConversationRef, Author),
        Recall { message }: Recall,
    ) -> Result<(), StoreError> {
        let own = self.identity;
        if identity == own {
            // In a room it may be another device of the user's.
            return self.take_own_recall(turn, person(&conversation), message);
        }
        // What is to be done with it goes with it, also what came before it.
        let early = self.timeline.take_early(turn.vault()?, &conversation, &message)?;
        early.iter().for_each(|_| turn.observer.deed_dropped(Dropped::Recalled));
        if self.timeline.recall(turn.vault()?, &own, conversation, (identity, None), message)? {
            let ended = Happened::MessageEnded(conversation, message, EndReason::Recalled);
            self.emit(turn, ended)?;
        }
        Ok(())
    }

    /// Edits of a message that is taken back, and that are on their way, are taken back with it: their numbers are those of
    /// recalls now.
    fn recall_edits(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
        id: MessageId,
    ) -> Result<(), StoreError> {
        let conversation = place.conversation;
        let is_edit = |_, deed: &MessageRecord| match Content::of(deed) {
            Content::Does(Does::Edit(_, edit)) => edit.target == id,
            Content::Does(_) | Content::Says(_) | Content::Unknown { .. } => false,
        };
        for position in self.timeline.own_deeds(turn.vault()?, &conversation, is_edit)? {
            let there = Place { conversation, position };
            let Some(deed) = self.timeline.own_deed(turn.vault()?, &there)? else { continue };
            self.purge(turn, &there)?;
            self.timeline.end_deed(turn.vault()?, &there)?;
            let recall = MessageRecord {
                id: MessageId::random(turn.rng),
                sent_at: turn.now,
                stored_at: turn.now,
                body: Body::Recall(id),
                timers: Default::default(),
                ..deed
            };
            self.send_deed(turn, person(&conversation), &recall)?;
        }
        Ok(())
    }

    /// The message that takes another back. Unless that was proved received it has its number: else who never gets it
    /// would wait for that, and be told of a loss.
    fn write_recall(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
        recalled: &MessageRecord,
    ) -> MessageRecord {
        let body = Body::Recall(recalled.id);
        let is_of_this = |author: Author| author.device == self.keyring.device().device();
        match recalled.state {
            // One that another device of the user's sent has a number of that device's.
            _ if !recalled.author.is_none_or(is_of_this) => {
                self.write(turn, &person(&place.conversation), body, State::Queued)
            }
            State::Delivered | State::Recalled => {
                self.write(turn, &person(&place.conversation), body, State::Queued)
            }
            State::Queued | State::Sent | State::Expired => MessageRecord {
                id: MessageId::random(turn.rng),
                sent_at: turn.now,
                stored_at: turn.now,
                state: State::Queued,
                body,
                timers: Default::default(),
                reply_to: None,
                mentions: Vec::new(),
                is_marked: false,
                ..recalled.clone()
            },
        }
    }

    /// Takes a message's envelopes out of the outbox, and out of all mailboxes.
    fn purge(&mut self, turn: &mut Turn<'_>, place: &Place) -> Result<(), StoreError> {
        let identity = person(&place.conversation);
        let place = outbox::Place { identity, position: place.position };
        for id in self.outbox.envelopes_of(&place) {
            self.purge_envelope(turn, &id)?;
        }
        if self.outbox.is_waiting(&place) {
            self.outbox.end_wait(turn.vault()?, place)?;
        }
        Ok(())
    }

    /// Takes an envelope out of the outbox, and out of all mailboxes.
    pub(super) fn purge_envelope(
        &mut self,
        turn: &mut Turn<'_>,
        id: &EnvelopeId,
    ) -> Result<(), StoreError> {
        let record = turn.vault()?.get(&OUTBOX, Key::Named(&id.0))?;
        if self.has_left(turn, id)? {
            let secrets = record.map(|record| record.acks).unwrap_or_default();
            let acks = (0..).zip(secrets);
            let acks = acks.map(|(slot, secret)| Ack { envelope: *id, slot, secret });
            self.acknowledge(turn, acks.collect())?;
            turn.net.takes_back = true;
        }
        self.outbox.let_go(turn.vault()?, id)
    }

    /// Whether any node but this one may have an own envelope.
    fn has_left(&self, turn: &Turn<'_>, id: &EnvelopeId) -> Result<bool, StoreError> {
        let known = turn.mailbox().known(id)?;
        Ok(self.is_on_stem(id) || matches!(known, Some(Inserted::Known | Inserted::Purged)))
    }
}
