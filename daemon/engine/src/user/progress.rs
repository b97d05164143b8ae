//! How far a message got that the user sent on another device. Only the device that sent it can tell, and tells the others:
//! once a tick, for many messages at once. That it is to be told is in the same commit as the progress itself
//! (`directory/progress.rs`), so a crash or a lock only puts it off.

use std::collections::BTreeMap;

use martlet_protocol::message::progress::MESSAGES_MAX;
use martlet_protocol::message::{Content, Progress, Reached};
use martlet_protocol::{IdentityId, MessageId};
use martlet_store::StoreError;
use martlet_store::records::{Happened, MessageRecord, State};

use super::User;
use crate::conversation::{Author, ConversationRef, Place, person};
use crate::turn::Turn;

impl User {
    /// An own message got on: the other devices are to be told, if it was sent on this one.
    pub(super) fn note_progress(
        &mut self,
        turn: &mut Turn<'_>,
        place: Place,
    ) -> Result<(), StoreError> {
        if !self.has_other_devices() {
            return Ok(());
        }
        let this = self.keyring.device().device();
        let message = self.timeline.message(turn.vault()?, &place)?;
        match message.filter(|it| it.author.is_none_or(|it| it.device == this)) {
            Some(_) => self.directory.siblings_mut().progress_mut().note(turn.vault()?, place),
            None => Ok(()),
        }
    }

    /// Tells the user's other devices how far messages got, of as many as one tick may.
    pub(super) fn tell_progress(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if self.directory.siblings().progress().is_empty() {
            return Ok(());
        }
        if !self.has_other_devices() {
            return self.directory.siblings_mut().progress_mut().clear(turn.vault()?);
        }
        if !self.has_siblings(turn.now) {
            // Its keys may come yet.
            return Ok(());
        }
        let mut told: BTreeMap<(IdentityId, Reached), Vec<MessageId>> = BTreeMap::new();
        for place in self.directory.siblings_mut().progress_mut().take_some(turn.vault()?)? {
            // What it says of itself by now. What is gone needs none.
            let message = self.timeline.message(turn.vault()?, &place)?;
            let Some(MessageRecord { id, state, .. }) = message else { continue };
            let reached = match state {
                State::Queued => Reached::QUEUED,
                State::Sent => Reached::SENT,
                State::Delivered => Reached::DELIVERED,
                State::Expired => Reached::EXPIRED,
                // They are told in another way.
                State::Recalled => continue,
            };
            told.entry((person(&place.conversation), reached)).or_default().push(id);
        }
        for ((conversation, reached), ids) in told {
            for messages in ids.chunks(MESSAGES_MAX) {
                let progress = Progress { conversation, messages: messages.to_vec(), reached };
                self.tell_siblings(turn, Content::Progress(progress), None)?;
            }
        }
        Ok(())
    }

    /// Another device tells how far messages got that were sent there.
    pub(super) fn take_progress(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        let with = progress.conversation;
        if self.waits_for_contact(&with) {
            let (content, at) = (Content::Progress(progress.clone()), turn.now);
            return self.keep_early_copy(turn, author, with, content, at);
        }
        self.show_progress(turn, author, progress)
    }

    /// Messages that were sent on another device got so far.
    pub(super) fn show_progress(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        Progress { conversation: with, messages, reached }: &Progress,
    ) -> Result<(), StoreError> {
        let state = match *reached {
            Reached::QUEUED => State::Queued,
            Reached::SENT => State::Sent,
            Reached::DELIVERED => State::Delivered,
            Reached::EXPIRED => State::Expired,
            _ => return Ok(()),
        };
        let conversation = ConversationRef::direct(with);
        for id in messages.iter().take(MESSAGES_MAX) {
            let place = self.timeline.find_of(turn.vault()?, id, None)?;
            let Some(place) = place.filter(|place| place.conversation == conversation) else {
                continue;
            };
            let message = self.timeline.message(turn.vault()?, &place)?;
            let writer = message.and_then(|message| message.author);
            if writer.is_some_and(|writer| writer.device != author.device) {
                continue;
            }
            let has_changed = match state {
                State::Queued => self.timeline.take_back(turn.vault()?, &place)?,
                state => self.timeline.advance(turn.vault()?, &place, state)?,
            };
            if has_changed {
                self.emit(turn, Happened::MessageState(place, state))?;
            }
        }
        Ok(())
    }
}
