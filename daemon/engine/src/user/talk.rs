//! Edits, reactions and read receipts: as the user makes them, and as they come. What one does to a message is in
//! `kinds/`.

use martlet_protocol::control::Message;
use martlet_protocol::message::{Edit, Emoji, Reaction, Read, Text, Timers};
use martlet_protocol::{IdentityId, MessageId, codec, message};
use martlet_store::StoreError;
use martlet_store::records::{Body, Happened, MessageRecord, State};

use super::User;
use crate::conversation::{Author, ConversationRef, Place, person};
use crate::error::{CommandError, Fault};
use crate::kinds::{self, When, edit, reaction};
use crate::observer::Dropped;
use crate::turn::Turn;
use crate::visible::has_something_visible;

impl User {
    /// Gives a message of the user's another text.
    pub(crate) fn edit_message(
        &mut self,
        turn: &mut Turn<'_>,
        id: &str,
        text: &Text,
    ) -> Result<Message, Fault> {
        let (place, record) = self.resolve(turn, id)?;
        if record.body.is_recalled() {
            return Err(CommandError::Recalled.into());
        }
        if !record.own {
            return Err(CommandError::NotEditable.into());
        }
        self.check_writable(&place.conversation)?;
        match &record.body {
            Body::Text(said) if said == text.as_str() => {}
            Body::Text(_) => {
                let marks = self.timeline.marks(turn.vault()?, &place, &record)?;
                let when = edit::next(&marks, self.now(turn));
                if self.timeline.edit(turn.vault()?, &place, when, text.as_str())? {
                    self.emit(turn, Happened::MessageEdited(place))?;
                    let edit = Edit { target: record.id, text: text.clone() };
                    let body = Body::Raw { kind: message::edit::KIND, bytes: edit.encode() };
                    let timers = self.timeline.left(&record, when.at);
                    self.tell_deed(turn, &place, when, body, timers)?;
                }
            }
            Body::Timers(_)
            | Body::Recall(_)
            | Body::Recalled
            | Body::RecalledBy(_)
            | Body::Unknown(_)
            | Body::Raw { .. } => return Err(CommandError::NotEditable.into()),
        }
        self.show_at(turn, &place)
    }

    /// Reacts to a message, or withdraws the reaction there was.
    pub(crate) fn react(
        &mut self,
        turn: &mut Turn<'_>,
        id: &str,
        emoji: Option<Emoji>,
    ) -> Result<Message, Fault> {
        let (place, record) = self.resolve(turn, id)?;
        if emoji.is_some() && record.body.is_recalled() {
            return Err(CommandError::Recalled.into());
        }
        self.check_writable(&place.conversation)?;
        let own = self.identity;
        let marks = self.timeline.marks(turn.vault()?, &place, &record)?;
        let mut reactions = marks.reactions.iter();
        let shown = reactions.find(|it| it.by == own).and_then(|it| it.emoji.as_deref());
        if shown != emoji.as_ref().map(Emoji::as_str) {
            let when = reaction::next(&marks, &own, self.now(turn));
            let text = emoji.as_ref().map(Emoji::as_str);
            if self.timeline.react(turn.vault()?, &place, own, when, text)? {
                self.emit(turn, Happened::MessageReaction(place, own))?;
                let reaction = Reaction { target: record.id, emoji };
                let (kind, bytes) = (message::reaction::KIND, reaction.encode());
                self.tell_deed(turn, &place, when, Body::Raw { kind, bytes }, Timers::OFF)?;
            }
        }
        self.show_at(turn, &place)
    }

    /// Tells a contact that the user has read what came after position `after`, if they are to be told.
    pub(super) fn tell_read(
        &mut self,
        turn: &mut Turn<'_>,
        conversation: ConversationRef,
        after: u64,
    ) -> Result<(), StoreError> {
        // Nor later, once they are blocked no more: they would see when it was read.
        if !self.timeline.has_receipts(&conversation)
            || self.directory.is_blocked(&person(&conversation))
        {
            return Ok(());
        }
        let Some(up_to) = self.timeline.newest_read(turn.vault()?, &conversation, after)? else {
            return Ok(());
        };
        let when = self.now(turn);
        let (kind, bytes) = (message::read::KIND, codec::encode(&Read { up_to }));
        let place = Place { conversation, position: 0 };
        self.tell_deed(turn, &place, when, Body::Raw { kind, bytes }, Timers::OFF)
    }

    /// A contact edited a message, which must be theirs.
    pub(super) fn take_edit(
        &mut self,
        turn: &mut Turn<'_>,
        (conversation, author): (ConversationRef, Author),
        when: When,
        edit: &Edit,
    ) -> Result<(), StoreError> {
        let records = turn.vault()?;
        // In a room it may be another device of the user's.
        let writer = Some(&author.identity).filter(|identity| **identity != self.identity);
        let theirs = self.timeline.find_of(records, &edit.target, writer)?;
        let Some(place) = theirs.filter(|place| place.conversation == conversation) else {
            if writer.is_some() && self.timeline.find_of(records, &edit.target, None)?.is_some() {
                tracing::debug!("an edit of a message by who did not write it");
                turn.observer.deed_dropped(Dropped::Foreign);
                return Ok(());
            }
            let (kind, bytes) = (message::edit::KIND, edit.encode());
            let there = (conversation, author);
            return self.wait_for(turn, there, when, edit.target, Body::Raw { kind, bytes });
        };
        if self.is_recalled(turn, &place)? {
            return Ok(());
        }
        if self.timeline.edit(turn.vault()?, &place, when, edit.text.as_str())? {
            self.emit(turn, Happened::MessageEdited(place))?;
        }
        Ok(())
    }

    /// Someone reacted to a message of the conversation.
    pub(super) fn take_reaction(
        &mut self,
        turn: &mut Turn<'_>,
        (conversation, author): (ConversationRef, Author),
        when: When,
        reaction: &Reaction,
    ) -> Result<(), StoreError> {
        let Author { identity, .. } = author;
        let writers = self.writers_in(&person(&conversation));
        let target = &reaction.target;
        let there = self.timeline.find_in(turn.vault()?, &conversation, target, &writers)?;
        let found = match there {
            Some(place) => Some(place),
            None => self.timeline.find(turn.vault()?, target, &writers)?,
        };
        let Some(place) = found else {
            let (kind, bytes) = (message::reaction::KIND, reaction.encode());
            let there = (conversation, author);
            return self.wait_for(turn, there, when, reaction.target, Body::Raw { kind, bytes });
        };
        if there.is_none() {
            tracing::debug!(
                "a reaction to a message of another conversation, or to one of several"
            );
            turn.observer.deed_dropped(Dropped::Foreign);
            return Ok(());
        }
        let emoji = reaction.emoji.as_ref().map(Emoji::as_str);
        if emoji.is_some_and(|emoji| !has_something_visible(emoji)) {
            tracing::debug!("a reaction of which nothing can be seen");
            turn.observer.deed_dropped(Dropped::Unseen);
            return Ok(());
        }
        if self.is_recalled(turn, &place)? {
            return Ok(());
        }
        if self.timeline.react(turn.vault()?, &place, identity, when, emoji)? {
            self.emit(turn, Happened::MessageReaction(place, identity))?;
        }
        Ok(())
    }

    /// A contact has read own messages.
    pub(super) fn take_read(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        read: Read,
    ) -> Result<(), StoreError> {
        let conversation = ConversationRef::direct(&author.identity);
        if !self.timeline.has_receipts(&conversation) {
            return Ok(());
        }
        let place = self.timeline.find_of(turn.vault()?, &read.up_to, None)?;
        match place.filter(|place| place.conversation == conversation) {
            Some(place) if self.timeline.note_their_read(&place) => {
                self.emit(turn, Happened::MessagesRead(place))
            }
            Some(_) => Ok(()),
            None => {
                tracing::debug!("a receipt for a message that is not here");
                turn.observer.deed_dropped(Dropped::Gone);
                Ok(())
            }
        }
    }

    /// A message has come: what came before it and is about it is done now.
    pub(super) fn do_early(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
    ) -> Result<(), StoreError> {
        if !self.timeline.has_early(&place.conversation) {
            return Ok(());
        }
        let Some(message) = self.timeline.message(turn.vault()?, place)? else { return Ok(()) };
        let early = self.timeline.take_early(turn.vault()?, &place.conversation, &message.id)?;
        for deed in early {
            match (kinds::Content::of(&deed), deed.author) {
                (kinds::Content::Does(does), _) if deed.own => {
                    self.do_sent(turn, person(&place.conversation), &deed, does)?;
                }
                (kinds::Content::Does(does), Some(author)) => {
                    self.apply(turn, place.conversation, author, does)?;
                }
                (kinds::Content::Says(_) | kinds::Content::Unknown { .. }, _)
                | (kinds::Content::Does(_), None) => {}
            }
        }
        Ok(())
    }

    /// The id of a message in the conversation with `identity`, which another is to answer.
    pub(crate) fn answered(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        text: &str,
    ) -> Result<MessageId, Fault> {
        let (place, record) = self.resolve(turn, text)?;
        if place.conversation != ConversationRef::direct(identity) {
            return Err(CommandError::UnknownMessage.into());
        }
        if record.body.is_recalled() {
            return Err(CommandError::Recalled.into());
        }
        Ok(record.id)
    }

    fn show_at(&self, turn: &mut Turn<'_>, place: &Place) -> Result<Message, Fault> {
        let records = turn.vault()?;
        let record = self.timeline.message(records, place)?.ok_or(CommandError::UnknownMessage)?;
        Ok(self.view().show(records, place, &record)?)
    }

    pub(super) fn now(&self, turn: &mut Turn<'_>) -> When {
        When { at: turn.now, id: MessageId::random(turn.rng) }
    }

    /// Tells the other side of a conversation what the user did, if there is another.
    pub(super) fn tell_deed(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
        When { at, id }: When,
        body: Body,
        timers: Timers,
    ) -> Result<(), StoreError> {
        let identity: IdentityId = person(&place.conversation);
        if identity == self.identity {
            let deed = self.compose(turn, 1, body, State::Delivered);
            let deed = MessageRecord { id, sent_at: at, timers, ..deed };
            return self.copy_sent(turn, identity, &kinds::message_of(&deed));
        }
        if !self.directory.is_contact(&identity) && !self.directory.rooms().is_line(&identity) {
            return Ok(());
        }
        let deed = self.write(turn, &identity, body, State::Queued);
        self.send_deed(turn, identity, &MessageRecord { id, sent_at: at, timers, ..deed })
    }

    fn wait_for(
        &mut self,
        turn: &mut Turn<'_>,
        (conversation, author): (ConversationRef, Author),
        When { at, id }: When,
        target: MessageId,
        body: Body,
    ) -> Result<(), StoreError> {
        let past = self.timeline.past(turn.vault()?, &conversation, &author.identity, &target)?;
        if let Some(why) = past {
            tracing::debug!(?why, "something to do with a message that is gone");
            turn.observer.deed_dropped(why);
            return Ok(());
        }
        let deed = MessageRecord {
            id,
            own: false,
            seq: 1,
            sent_at: at,
            stored_at: turn.now,
            state: State::Delivered,
            body,
            author: Some(author),
            reply_to: None,
            is_marked: false,
            timers: Timers::OFF,
            burns_from: None,
            is_late: false,
            mentions: Vec::new(),
            mentions_user: false,
            told_by: None,
        };
        let dropped = self.timeline.wait_for_target(turn.vault()?, conversation, target, deed)?;
        (0..dropped).for_each(|_| turn.observer.deed_dropped(Dropped::Waited));
        Ok(())
    }

    /// Whether a message was taken back, so that nothing is done with it: that is counted.
    fn is_recalled(&self, turn: &mut Turn<'_>, place: &Place) -> Result<bool, StoreError> {
        let message = self.timeline.message(turn.vault()?, place)?;
        let is_recalled = message.is_some_and(|message| message.body.is_recalled());
        if is_recalled {
            tracing::debug!("something to do with a message that was recalled");
            turn.observer.deed_dropped(Dropped::Recalled);
        }
        Ok(is_recalled)
    }
}
