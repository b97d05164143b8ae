//! Files that are blobs: which are sent, wanted and kept. Whoever keeps them is told once that is on disk, and tells what came of it
//! (`seam/blobs.rs`).

use martlet_protocol::control::{Event, EventBody, SendResponse};
use martlet_protocol::file::FileKey;
use martlet_protocol::file::sealed::Layout;
use martlet_protocol::message::{BlobContent, File, FileContent, FileReceived, Timers};
use martlet_protocol::{IdentityId, MessageId};
use martlet_store::StoreError;
use martlet_store::blobs::BlobName;
use martlet_store::records::{Body, FileFailure, FileRecord, FileStage, Happened, MessageRecord};

use super::User;
use crate::conversation::{Author, ConversationRef, Place, person};
use crate::error::{CommandError, Fault};
use crate::kinds::{self, Content, Says};
use crate::limits::{BLOBS_BYTES_MAX, BLOBS_MAX, FILE_UNASKED_BYTES_MAX, FILES_UNASKED_BYTES_MAX};
use crate::observer::Dropped;
use crate::seam::{BlobFailure, BlobUse, FromBlobs, KnownBlob, ToBlobs, WantedBlob};
use crate::timeline::{Live, known};
use crate::turn::Turn;

impl User {
    /// Commits a file that is a blob here, and sends word of it.
    pub(crate) fn send_blob(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        (file, blob): (&File, KnownBlob),
        timers: Timers,
        reply_to: Option<MessageId>,
    ) -> Result<SendResponse, Fault> {
        self.check_room_for(blob.size)?;
        let sent = self.send_file(turn, identity, file, timers, reply_to)?;
        let id = sent.id.parse::<MessageId>().map_err(|_| CommandError::UnknownMessage)?;
        let place = self.timeline.find_of(turn.vault()?, &id, None)?;
        let place = place.ok_or(CommandError::UnknownMessage)?;
        let KnownBlob { name, id, size } = blob;
        let (stage, since) = (FileStage::Whole, turn.now);
        let record = FileRecord { place, name, blob: id, size, stage, since, is_received: false };
        self.timeline.put_file(turn.vault()?, record, BlobUse::Serve)?;
        Ok(sent)
    }

    /// Whether a blob of so many bytes more may be kept.
    pub(crate) fn check_room_for(&self, size: u64) -> Result<(), CommandError> {
        let (kept, _) = self.timeline.blob_bytes(&ConversationRef::direct(&self.identity));
        let bytes = kept.saturating_add(size);
        match bytes > BLOBS_BYTES_MAX || self.timeline.blob_count() >= BLOBS_MAX {
            true => Err(CommandError::FilesFull { bytes }),
            false => Ok(()),
        }
    }

    /// A message has come. If it is a file that is elsewhere, it is fetched without a question where it is small, of a contact or an own
    /// device, and the conversation has not much already.
    pub(super) fn offer_file(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
    ) -> Result<(), StoreError> {
        let Some(message) = self.timeline.message(turn.vault()?, place)? else { return Ok(()) };
        let Some(blob) = blob_of(&message) else { return Ok(()) };
        let line = person(&place.conversation);
        let author = message.author.map_or(line, |author| author.identity);
        let is_known = author == self.identity || self.directory.is_contact(&author);
        let (_, kept) = self.timeline.blob_bytes(&place.conversation);
        let Some(size) = sealed_size(&blob) else { return Ok(()) };
        // What nobody asked for leaves room for what is.
        let fits = self.timeline.blob_count() < BLOBS_MAX / 2
            && self.check_room_for(size.saturating_add(BLOBS_BYTES_MAX / 2)).is_ok();
        let is_small = blob.size <= FILE_UNASKED_BYTES_MAX
            && kept.saturating_add(size) <= FILES_UNASKED_BYTES_MAX;
        if self.opened.fetches_unasked && is_known && is_small && fits {
            self.want(turn, *place, &blob, size)?;
        }
        Ok(())
    }

    fn want(
        &mut self,
        turn: &mut Turn<'_>,
        place: Place,
        blob: &BlobContent,
        size: u64,
    ) -> Result<(), StoreError> {
        let before = self.timeline.file(&place).map(|file| (file.name, file.stage));
        let name = match before {
            // What is there of it is of use.
            Some((name, FileStage::Failed(FileFailure::DiskLow | FileFailure::Disk))) => name,
            _ => BlobName::random(turn.rng),
        };
        let (stage, since) = (FileStage::Wanted, turn.now);
        let record =
            FileRecord { place, name, blob: blob.blob, size, stage, since, is_received: false };
        self.timeline.put_file(turn.vault()?, record, BlobUse::Fetch(Box::new(wanted(blob))))
    }

    /// The user wants a file that was offered, refused, or failed.
    pub(crate) fn accept_file(&mut self, turn: &mut Turn<'_>, id: &str) -> Result<(), Fault> {
        let (place, record, file) = self.file_of(turn, id)?;
        let FileContent::Blob(blob) = &file.content else { return Ok(()) };
        match self.timeline.file(&place).map(|file| file.stage) {
            Some(FileStage::Whole | FileStage::Wanted) => return Ok(()),
            // Nobody else has it: it was sent from here.
            None | Some(FileStage::Failed(_) | FileStage::Refused) => {}
        }
        let this = self.keyring.device().device();
        if record.own && record.author.is_none_or(|author| author.device == this) {
            let state = self.timeline.told_file(&place, record.own, &file).state;
            return Err(CommandError::FileNotHere { state }.into());
        }
        let size = sealed_size(blob).ok_or(CommandError::NoFile)?;
        self.check_room_for(size)?;
        Ok(self.want(turn, place, blob, size)?)
    }

    /// The user does not want a file, and what is here of it is removed.
    pub(crate) fn refuse_file(&mut self, turn: &mut Turn<'_>, id: &str) -> Result<(), Fault> {
        let (place, record, file) = self.file_of(turn, id)?;
        let FileContent::Blob(blob) = &file.content else {
            return Err(CommandError::FileInMessage.into());
        };
        if record.own {
            return self.forget_file(turn, id);
        }
        self.timeline.forget_file(turn.vault()?, &place)?;
        let refused = FileRecord {
            place,
            name: BlobName::random(turn.rng),
            blob: blob.blob,
            size: sealed_size(blob).ok_or(CommandError::NoFile)?,
            stage: FileStage::Refused,
            since: turn.now,
            is_received: false,
        };
        Ok(self.timeline.note_file(turn.vault()?, refused)?)
    }

    /// What is here of a file is removed; its message stays.
    pub(crate) fn forget_file(&mut self, turn: &mut Turn<'_>, id: &str) -> Result<(), Fault> {
        let (place, _, file) = self.file_of(turn, id)?;
        match file.content {
            FileContent::Here(_) => return Err(CommandError::FileInMessage.into()),
            FileContent::Blob(_) => {}
        }
        self.timeline.forget_file(turn.vault()?, &place)?;
        Ok(())
    }

    /// The keeper of blobs tells something.
    pub(crate) fn take_told(
        &mut self,
        turn: &mut Turn<'_>,
        told: &FromBlobs,
    ) -> Result<(), StoreError> {
        let (FromBlobs::Progress { name, .. }
        | FromBlobs::Whole(name)
        | FromBlobs::Failed(name, _)) = told;
        // It may be gone.
        let Some(file) = self.timeline.file_named(name).cloned() else { return Ok(()) };
        let (place, is_wanted) = (file.place, file.stage == FileStage::Wanted);
        match *told {
            FromBlobs::Progress { name, bytes, is_waiting } if is_wanted => {
                self.timeline.note_live(name, Live { bytes, is_waiting });
                self.tell_fetched(turn, &file, (bytes, is_waiting))
            }
            FromBlobs::Whole(_) if is_wanted => {
                let whole = FileRecord { stage: FileStage::Whole, since: turn.now, ..file };
                self.timeline.note_file(turn.vault()?, whole)?;
                self.emit(turn, Happened::FileReceived(place))?;
                self.tell_file_received(turn, &place)
            }
            FromBlobs::Failed(name, why) => {
                let (stage, since) = (FileStage::Failed(failure(why)), turn.now);
                let failed = FileRecord { stage, since, ..file };
                self.timeline.note_file(turn.vault()?, failed)?;
                match why {
                    BlobFailure::Corrupt | BlobFailure::Lost => self.timeline.drop_blob(name),
                    // What is there of it is of use, if the user tries again.
                    BlobFailure::DiskLow | BlobFailure::Disk => {}
                }
                self.emit(turn, Happened::FileFailed(place))
            }
            FromBlobs::Progress { .. } | FromBlobs::Whole(_) => Ok(()),
        }
    }

    /// Not in the log: it has the number of the last event that is.
    fn tell_fetched(
        &mut self,
        turn: &mut Turn<'_>,
        file: &FileRecord,
        (fetched_bytes, waiting): (u64, bool),
    ) -> Result<(), StoreError> {
        let Some(message) = self.timeline.message(turn.vault()?, &file.place)? else {
            return Ok(());
        };
        let conversation = self.view().name_or_id(&person(&file.place.conversation));
        let (id, of_bytes) = (message.id.to_string(), file.size);
        let body = EventBody::FileProgress { id, conversation, fetched_bytes, of_bytes, waiting };
        turn.effects.events.push(Event { seq: self.log.last(), at: turn.now, body });
        Ok(())
    }

    /// Tells who sent a file that it is here. In a room that would be told to all, of whom most have nothing to do with it.
    fn tell_file_received(&mut self, turn: &mut Turn<'_>, place: &Place) -> Result<(), StoreError> {
        let identity = person(&place.conversation);
        let Some(message) = self.timeline.message(turn.vault()?, place)? else { return Ok(()) };
        if message.own || !self.directory.is_contact(&identity) {
            return Ok(());
        }
        let when = self.now(turn);
        let body = kinds::file::received(FileReceived { file: message.id });
        self.tell_deed(turn, place, when, body, Timers::OFF)
    }

    /// A contact has all of a file that the user sent them.
    pub(super) fn take_file_received(
        &mut self,
        turn: &mut Turn<'_>,
        (conversation, _): (ConversationRef, Author),
        FileReceived { file: id }: FileReceived,
    ) -> Result<(), StoreError> {
        let place = self.timeline.find_of(turn.vault()?, &id, None)?;
        let file = place.filter(|place| place.conversation == conversation);
        let Some(file) = file.and_then(|place| self.timeline.file(&place)).cloned() else {
            tracing::debug!("a word of a file that is not here");
            turn.observer.deed_dropped(Dropped::Gone);
            return Ok(());
        };
        if file.is_received {
            return Ok(());
        }
        let place = file.place;
        self.timeline.note_file(turn.vault()?, FileRecord { is_received: true, ..file })?;
        self.emit(turn, Happened::FileReceived(place))
    }

    /// Gathers what the keeper of blobs is to be told: after the vault was opened, all that there is.
    pub(super) fn tell_blobs(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let orders = self.timeline.take_blob_orders();
        if self.timeline.begin_to_tell_files() {
            let files: Vec<FileRecord> = self.timeline.files().cloned().collect();
            let mut all = Vec::with_capacity(files.len());
            for file in files {
                let does = match file.stage {
                    FileStage::Whole => BlobUse::Serve,
                    FileStage::Failed(FileFailure::DiskLow | FileFailure::Disk) => BlobUse::Rest,
                    FileStage::Failed(FileFailure::Corrupt | FileFailure::Lost)
                    | FileStage::Refused => continue,
                    FileStage::Wanted => {
                        let message = self.timeline.message(turn.vault()?, &file.place)?;
                        match message.as_ref().and_then(blob_of) {
                            Some(blob) => BlobUse::Fetch(Box::new(wanted(&blob))),
                            None => continue,
                        }
                    }
                };
                all.push((known(&file), does));
            }
            turn.effects.blobs.push(ToBlobs::Known(all));
        }
        turn.effects.blobs.extend(orders);
        Ok(())
    }
}

/// The blob that a message tells of.
fn blob_of(message: &MessageRecord) -> Option<BlobContent> {
    // Cheapest first: most messages are none.
    if !matches!(message.body, Body::Raw { kind: kinds::file::KIND, .. }) {
        return None;
    }
    match Content::of(message) {
        Content::Says(Says::File(File { content: FileContent::Blob(blob), .. })) => Some(*blob),
        Content::Says(_) | Content::Does(_) | Content::Unknown { .. } => None,
    }
}

fn wanted(blob: &BlobContent) -> WantedBlob {
    let BlobContent { size, key, holders, .. } = blob;
    WantedBlob { key: FileKey::clone(key), size: *size, holders: holders.clone() }
}

fn sealed_size(blob: &BlobContent) -> Option<u64> {
    Layout::of(blob.size).ok().map(|layout| layout.sealed_size())
}

fn failure(why: BlobFailure) -> FileFailure {
    match why {
        BlobFailure::Corrupt => FileFailure::Corrupt,
        BlobFailure::DiskLow => FileFailure::DiskLow,
        BlobFailure::Disk => FileFailure::Disk,
        BlobFailure::Lost => FileFailure::Lost,
    }
}
