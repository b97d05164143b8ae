//! Own files that go in parts: made a few at a time, as devices acknowledge the ones before, and taken back with their message.

use martlet_protocol::ExpiryHour;
use martlet_protocol::IdentityId;
use martlet_protocol::file::part::PartsKey;
use martlet_protocol::message::Message;
use martlet_store::StoreError;
use martlet_store::records::{
    FileRecord, FileStage, Happened, OutboxRecord, PartSet, PartsKeyBytes, PartsOutRecord,
};

use super::User;
use super::blobs::sealed_size;
use super::outbox::{defect, record};
use crate::conversation::{ConversationRef, Place, person};
use crate::kinds;
use crate::limits::{PARTS_MADE_AT_ONCE, PARTS_OUT_MAX, PARTS_OUT_PER_CONVERSATION_MAX};
use crate::outbox;
use crate::parts::goes_in_parts;
use crate::seam::{PartBytes, ToBlobs};
use crate::timeline::known;
use crate::turn::Turn;

impl User {
    /// Whether a file of so many bytes, too large for its message, goes in parts.
    pub(crate) fn sends_in_parts(&self, size: u64) -> bool {
        goes_in_parts(&self.network, size)
    }

    /// A message was sealed in a session: if it announces a file that goes in parts, they go for that session's devices. Those that
    /// went before, for another's, are taken back.
    pub(super) fn begin_parts(
        &mut self,
        turn: &mut Turn<'_>,
        (identity, position): (IdentityId, u64),
        message: &Message,
        expiry: ExpiryHour,
    ) -> Result<(), StoreError> {
        let Some(blob) = kinds::file::in_parts(message) else { return Ok(()) };
        let slots = self.keyring.outbound.part_slots(&identity);
        let Some((slots, size)) = slots.zip(sealed_size(&blob)) else { return Ok(()) };
        let place = Place { conversation: ConversationRef::direct(&identity), position };
        self.purge_parts(turn, &place)?;
        let key = PartsKeyBytes(PartsKey::of(&blob.key).to_bytes());
        let taken = vec![PartSet::default(); slots.used()];
        let (message, made) = (message.id, PartSet::default());
        let record = PartsOutRecord { place, message, key, size, expiry, slots, made, taken };
        self.timeline.parts.outgoing.begin(record);
        Ok(())
    }

    /// Asks for the next parts of files, as many as there is room for among those under way; and takes back what is of no use any more.
    pub(super) fn send_parts(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for place in self.timeline.parts.outgoing.take_ended() {
            self.purge_parts(turn, &place)?;
        }
        // What was made goes first.
        if !self.is_active() || self.outbox.has_parts_waiting() {
            return Ok(());
        }
        let mut last = None;
        while let Some(place) = self.timeline.parts.outgoing.next_unmade(last.as_ref()) {
            last = Some(place);
            let Some(file) = self.timeline.file(&place).filter(|it| it.stage == FileStage::Whole)
            else {
                self.purge_parts(turn, &place)?;
                continue;
            };
            let known = known(file);
            let (to_them, in_all) = self.outbox.parts_to(&person(&place.conversation));
            let room = PARTS_OUT_PER_CONVERSATION_MAX.saturating_sub(to_them);
            let room = room.min(PARTS_OUT_MAX.saturating_sub(in_all)).min(PARTS_MADE_AT_ONCE);
            let asked = self.timeline.parts.outgoing.ask(&place, room);
            if !asked.is_empty() {
                self.timeline.order(ToBlobs::ReadParts(known, asked));
            }
        }
        Ok(())
    }

    /// Parts of a file were read: they go.
    pub(super) fn make_parts(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
        parts: &[(u16, PartBytes)],
    ) -> Result<(), StoreError> {
        let identity = person(&place.conversation);
        let addressing = self.addressing(&identity, turn.now);
        for (index, bytes) in parts {
            let read = (*index, bytes.as_ref());
            let made = self.timeline.parts.outgoing.make(place, read, addressing);
            let Some((content, acks)) = made.map_err(|error| defect(&error))? else { continue };
            let (position, part) = (Some(place.position), Some(*index));
            let record = record(turn, identity, content);
            self.post_record(turn, OutboxRecord { position, acks, part, ..record })?;
        }
        self.timeline.parts.outgoing.read(place);
        Ok(())
    }

    /// The device of a slot has a part of a file. If it has all of them, the file is received.
    pub(super) fn note_part_taken(
        &mut self,
        turn: &mut Turn<'_>,
        outbox::Place { identity, position }: outbox::Place,
        (index, slot): (u16, u8),
    ) -> Result<(), StoreError> {
        let place = Place { conversation: ConversationRef::direct(&identity), position };
        if !self.timeline.parts.outgoing.taken(&place, index, slot) {
            return Ok(());
        }
        match self.timeline.file(&place).cloned() {
            Some(file) if !file.is_received => {
                self.timeline.note_file(turn.vault()?, FileRecord { is_received: true, ..file })?;
                self.emit(turn, Happened::FileReceived(place))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Takes what is under way of a file out of the outbox, and out of all mailboxes.
    pub(super) fn purge_parts(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
    ) -> Result<(), StoreError> {
        let identity = person(&place.conversation);
        let at = outbox::Place { identity, position: place.position };
        for id in self.outbox.parts_of(&at) {
            self.purge_envelope(turn, &id)?;
        }
        self.timeline.parts.outgoing.forget(turn.vault()?, place)
    }

    /// Forgets files whose parts have ended.
    pub(super) fn end_old_parts(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let sure = turn.sure;
        for place in self.timeline.parts.outgoing.over(|record| record.expiry.is_past(sure)) {
            self.timeline.parts.outgoing.forget(turn.vault()?, &place)?;
        }
        Ok(())
    }
}
