//! Files of others that come in parts: what of them is in the mailbox is given to the keeper of blobs, and acknowledged once it is
//! on disk.

use martlet_protocol::file::part::PartsKey;
use martlet_protocol::message::{BlobContent, Message};
use martlet_protocol::{Envelope, EnvelopeId, Header, IdentityId, Tag};
use martlet_store::StoreError;
use martlet_store::mailbox::Arrived;
use martlet_store::records::{FileRecord, FileStage, MessageRecord};

use super::User;
use super::blobs::{blob_of, sealed_size, wanted};
use crate::conversation::{Place, person};
use crate::keyring::SessionHandle;
use crate::kinds;
use crate::limits::{PARTS_LOOKED_FOR_PER_BATCH_MAX, PARTS_TRIED_MAX};
use crate::parts::{Came, FileId, FileParts, Wants};
use crate::seam::{BlobFailure, BlobUse, PartBytes, ToBlobs};
use crate::timeline::{Live, known};
use crate::turn::Turn;

impl User {
    /// A message came in a session: if it announces a file that goes in parts, their acks are that session's.
    pub(super) fn note_parts(
        &mut self,
        turn: &mut Turn<'_>,
        author: IdentityId,
        message: &Message,
        session: SessionHandle,
    ) {
        let Some(blob) = kinds::file::in_parts(message) else { return };
        let Some(size) = sealed_size(&blob) else { return };
        let acks = self.keyring.inbound.part_acks(session);
        let key = PartsKey::of(&blob.key);
        let incoming = &mut self.timeline.parts.incoming;
        let awaited = incoming.note((author, message.id), (&key, size), acks, turn.now);
        turn.awaited.extend(awaited);
    }

    /// A file is wanted that goes in parts.
    pub(super) fn collect(
        &mut self,
        turn: &mut Turn<'_>,
        place: Place,
        (message, blob): (&MessageRecord, &BlobContent),
        goes_on: bool,
    ) {
        let Some(size) = sealed_size(blob) else { return };
        let line = person(&place.conversation);
        let file = (message.author.map_or(line, |author| author.identity), message.id);
        let incoming = &mut self.timeline.parts.incoming;
        // What another device sent came in no session of its sender's.
        incoming.note(file, (&PartsKey::of(&blob.key), size), None, turn.now);
        turn.awaited.extend(incoming.want(file, place, goes_on, Wants::Parts));
    }

    /// After a start, and once a day: what is awaited of all files, and what has ended.
    pub(super) fn resume_parts(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let sure = turn.sure;
        self.timeline.parts.incoming.forget_old(turn.vault()?, sure)?;
        for (place, file) in self.timeline.parts.incoming.places() {
            let Some(record) = self.timeline.file(&place).cloned() else { continue };
            let wants = match record.stage {
                FileStage::Wanted | FileStage::Collected => Wants::Parts,
                FileStage::Whole => Wants::Acks,
                FileStage::Failed(_) | FileStage::Refused => Wants::Nothing,
            };
            let awaited = self.timeline.parts.incoming.want(file, place, true, wants);
            turn.awaited.extend(awaited);
            if wants == Wants::Parts {
                self.join_parts(turn, (&record, &file))?;
            }
        }
        Ok(())
    }

    /// An envelope has the tag of parts: takes it for the one that it is; whether it is one.
    pub(super) fn take_part(
        &mut self,
        turn: &mut Turn<'_>,
        tag: &Tag,
        id: &EnvelopeId,
        (envelope, header): (&Envelope, &Header),
    ) -> Result<bool, StoreError> {
        let parts: Vec<_> = self.timeline.parts.incoming.with_tag(tag).collect();
        for (file, index) in parts {
            let incoming = &mut self.timeline.parts.incoming;
            match incoming.take((&file, index), id, (header, &envelope.content)) {
                Came::Bytes(bytes) => {
                    let place = incoming.wanted(&file).map(|(place, _)| place);
                    if let Some(record) = place.and_then(|place| self.timeline.file(&place)) {
                        let order = ToBlobs::KeepPart(known(record), index, PartBytes(bytes));
                        self.timeline.order(order);
                    }
                    return Ok(true);
                }
                Came::Known(acks) => {
                    self.acknowledge(turn, acks)?;
                    return Ok(true);
                }
                Came::Later => return Ok(true),
                Came::Nothing => {}
            }
        }
        Ok(false)
    }

    /// Looks in the mailbox for parts that came before they were awaited, or while too many were being written.
    pub(super) fn look_for_parts(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for _ in 0..PARTS_LOOKED_FOR_PER_BATCH_MAX {
            let Some((_, _, tag)) = self.timeline.parts.incoming.next_to_look_for() else { break };
            for Arrived { id, envelope, .. } in
                turn.mailbox().first_by_tag(&tag, PARTS_TRIED_MAX)?
            {
                if let Ok(header) = Header::parse(&envelope.content)
                    && self.take_part(turn, &tag, &id, (&envelope, &header))?
                {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Parts of a file are on disk: they are acknowledged. If these are all, they are joined.
    pub(super) fn note_parts_kept(
        &mut self,
        turn: &mut Turn<'_>,
        record: &FileRecord,
        parts: &[u16],
    ) -> Result<(), StoreError> {
        let place = record.place;
        let Some(file) = self.timeline.parts.incoming.at(&place) else { return Ok(()) };
        let mut is_new = false;
        for index in parts {
            if let Some(acks) = self.timeline.parts.incoming.kept(&file, *index) {
                is_new = true;
                self.acknowledge(turn, acks)?;
            }
        }
        if !is_new || !matches!(record.stage, FileStage::Wanted | FileStage::Collected) {
            return Ok(());
        }
        let (bytes, is_waiting) = (self.timeline.parts.incoming.bytes(&place), false);
        self.timeline.note_live(record.name, Live { bytes, is_waiting });
        if self.timeline.parts.incoming.is_told(&file, turn.steady) {
            self.tell_fetched(turn, record, (bytes, is_waiting))?;
        }
        self.join_parts(turn, (record, &file))
    }

    fn join_parts(
        &mut self,
        turn: &mut Turn<'_>,
        (record, file): (&FileRecord, &FileId),
    ) -> Result<(), StoreError> {
        if !self.timeline.parts.incoming.has_all(file) {
            return Ok(());
        }
        let message = self.timeline.message(turn.vault()?, &record.place)?;
        if let Some(blob) = message.as_ref().and_then(blob_of) {
            self.timeline.order(ToBlobs::JoinParts(known(record), Box::new(wanted(&blob))));
        }
        Ok(())
    }

    /// The parts of a file were not what its message says: it is fetched from who has it, by itself or once the user accepts it.
    pub(super) fn note_parts_false(
        &mut self,
        turn: &mut Turn<'_>,
        record: &FileRecord,
    ) -> Result<(), StoreError> {
        let place = record.place;
        let Some(file) = self.timeline.parts.incoming.at(&place) else { return Ok(()) };
        tracing::info!(
            "the parts of a file are not what its message says: they are collected no more"
        );
        self.timeline.parts.incoming.falsify(&file);
        match record.stage {
            FileStage::Collected => self.timeline.let_file_go(turn.vault()?, &place),
            FileStage::Wanted => {
                let message = self.timeline.message(turn.vault()?, &place)?;
                if let Some(blob) = message.as_ref().and_then(blob_of) {
                    let fetch = BlobUse::Fetch(Box::new(wanted(&blob)));
                    self.timeline.order(ToBlobs::Add(known(record), fetch));
                }
                Ok(())
            }
            FileStage::Whole | FileStage::Failed(_) | FileStage::Refused => Ok(()),
        }
    }

    /// A file is whole, whichever way it came: what is in mailboxes of it is acknowledged.
    pub(super) fn acknowledge_parts(&mut self, turn: &mut Turn<'_>, place: Place) {
        let incoming = &mut self.timeline.parts.incoming;
        if let Some(file) = incoming.at(&place) {
            turn.awaited.extend(incoming.want(file, place, true, Wants::Acks));
        }
    }

    /// A file failed: nothing of it is collected, nor sent.
    pub(super) fn end_parts(&mut self, place: &Place, why: BlobFailure) {
        let FileParts { incoming, outgoing } = &mut self.timeline.parts;
        match why {
            BlobFailure::Corrupt | BlobFailure::Lost => {
                incoming.let_go(place);
                outgoing.end(place);
            }
            // What is there of it is of use, if the user tries again.
            BlobFailure::DiskLow | BlobFailure::Disk => {
                if let Some(file) = incoming.at(place) {
                    incoming.rest(&file);
                }
            }
        }
    }
}
