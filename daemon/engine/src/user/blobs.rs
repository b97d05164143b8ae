//! Files that are blobs: which are sent, wanted and kept. Whoever keeps them is told once that is on disk, and tells what came of it
//! (`seam/blobs.rs`).

mod deposits;
mod uses;

use martlet_protocol::control::{Event, EventBody, SendResponse};
use martlet_protocol::file::FileKey;
use martlet_protocol::file::sealed::Layout;
use martlet_protocol::message::{BlobContent, File, FileContent, FileReceived, Timers};
use martlet_protocol::{IdentityId, MessageId};
use martlet_store::StoreError;
use martlet_store::blobs::BlobName;
use martlet_store::records::{Body, FileFailure, FileRecord, FileStage, Happened, MessageRecord};

use super::User;
use crate::config::EngineConfig;
use crate::conversation::{Author, ConversationRef, Place, person};
use crate::directory::DirectoryError;
use crate::error::{CommandError, Fault};
use crate::kinds::{self, Content, Says};
use crate::limits::{
    BLOBS_BYTES_MAX, BLOBS_MAX, FILE_UNASKED_BYTES_MAX, FILES_UNASKED_BYTES_MAX, FILES_UNASKED_MAX,
    FILES_UNASKED_OF_ONE_BYTES_MAX, FILES_UNASKED_OF_ONE_MAX,
};
use crate::observer::Dropped;
use crate::seam::{BlobFailure, BlobUse, FromBlobs, KnownBlob, WantedBlob};
use crate::timeline::Live;
use crate::turn::Turn;

/// What others may learn of this node by the user's files.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilePolicy {
    /// Whether contacts' small files are fetched though nobody asked for them.
    fetches_unasked: bool,
    /// Whether depots are brought the user's files.
    deposits: bool,
}

impl FilePolicy {
    pub(super) fn of(config: &EngineConfig) -> Self {
        Self { fetches_unasked: config.fetches_unasked, deposits: config.deposits }
    }
}

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
        // It was reserved until now.
        self.timeline.release_blob(&blob.name);
        self.check_room_for(blob.size, 0)?;
        let sent = self.send_file(turn, identity, file, timers, reply_to)?;
        let id = sent.id.parse::<MessageId>().map_err(|_| CommandError::UnknownMessage)?;
        let place = self.timeline.find_of(turn.vault()?, &id, None)?;
        let place = place.ok_or(CommandError::UnknownMessage)?;
        let KnownBlob { name, id, size } = blob;
        let (stage, since) = (FileStage::Whole, turn.now);
        let (is_received, unasked_of) = (false, None);
        let (blob, deposit) = (id, self.deposit_of(turn, &place, (file, timers)));
        let record =
            FileRecord { place, name, blob, size, stage, since, is_received, unasked_of, deposit };
        self.timeline.put_file(turn.vault()?, record.clone(), BlobUse::Serve)?;
        self.order_deposit(&record);
        Ok(sent)
    }

    /// Whether a blob of so many bytes may be kept, `counted` of which are counted already.
    fn check_room_for(&self, size: u64, counted: u64) -> Result<(), CommandError> {
        let of_own = ConversationRef::direct(&self.identity);
        let (kept, _) = self.timeline.blob_bytes(&of_own);
        let bytes = kept.saturating_sub(counted).saturating_add(size);
        let is_full = counted == 0 && self.timeline.blob_count(&of_own).0 >= BLOBS_MAX;
        match bytes > BLOBS_BYTES_MAX || is_full {
            true => Err(CommandError::FilesFull { bytes }),
            false => Ok(()),
        }
    }

    /// Keeps room for a blob that is about to be made, so that none that is begun meanwhile has the same.
    pub(crate) fn reserve_blob(&mut self, name: BlobName, size: u64) -> Result<(), CommandError> {
        self.check_room_for(size, 0)?;
        self.timeline.reserve_blob(name, size);
        Ok(())
    }

    /// A message has come. If it is a file that is elsewhere, it is fetched without a question where it is small, of a contact or an own
    /// device, and neither the conversation nor its author has much here already.
    pub(super) fn offer_file(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
    ) -> Result<(), StoreError> {
        let Some(message) = self.timeline.message(turn.vault()?, place)? else { return Ok(()) };
        let Some(blob) = blob_of(&message) else { return Ok(()) };
        let author = author_of(&message, place);
        let is_known = author == self.identity || self.directory.is_contact(&author);
        let Some(size) = sealed_size(&blob) else { return Ok(()) };
        let is_free = is_known && !self.directory.is_blocked(&author);
        if !is_free || !self.has_room_unasked(place, &author, size) {
            return Ok(());
        }
        let is_small = blob.size <= FILE_UNASKED_BYTES_MAX;
        let file = (&message, &blob, size);
        if self.opened.files.fetches_unasked && is_small {
            self.want(turn, *place, file, (FileStage::Wanted, Some(author)))?;
        } else if blob.has_parts {
            // Nobody learns of it, and its bytes come here anyway.
            self.want(turn, *place, file, (FileStage::Collected, Some(author)))?;
        }
        Ok(())
    }

    /// Whether a blob that nobody asked for may be had. All of them leave room for what is asked for.
    fn has_room_unasked(&self, place: &Place, author: &IdentityId, size: u64) -> bool {
        let conversation = &place.conversation;
        let (count, in_conversation) = self.timeline.blob_count(conversation);
        let (_, bytes) = self.timeline.blob_bytes(conversation);
        let (of_author, bytes_of_author) = match *author == self.identity {
            true => (0, 0),
            false => self.timeline.unasked_of(author),
        };
        count < BLOBS_MAX / 2
            && self.check_room_for(size.saturating_add(BLOBS_BYTES_MAX / 2), 0).is_ok()
            && in_conversation < FILES_UNASKED_MAX
            && bytes.saturating_add(size) <= FILES_UNASKED_BYTES_MAX
            && of_author < FILES_UNASKED_OF_ONE_MAX
            && bytes_of_author.saturating_add(size) <= FILES_UNASKED_OF_ONE_BYTES_MAX
    }

    fn want(
        &mut self,
        turn: &mut Turn<'_>,
        place: Place,
        (message, blob, size): (&MessageRecord, &BlobContent, u64),
        (stage, unasked_of): (FileStage, Option<IdentityId>),
    ) -> Result<(), StoreError> {
        let before = self.timeline.file(&place).map(|file| (file.name, file.stage));
        let (name, goes_on) = match before {
            // What is there of it is of use.
            Some((
                name,
                FileStage::Failed(FileFailure::DiskLow | FileFailure::Disk) | FileStage::Collected,
            )) => (name, true),
            Some(_) | None => (BlobName::random(turn.rng), false),
        };
        let (since, is_received) = (turn.now, false);
        let does = match stage {
            FileStage::Wanted => BlobUse::Fetch(Box::new(wanted(blob))),
            FileStage::Collected | FileStage::Whole | FileStage::Failed(_) | FileStage::Refused => {
                BlobUse::Rest
            }
        };
        let (blob_id, deposit) = (blob.blob, None);
        let record = FileRecord {
            place,
            name,
            blob: blob_id,
            size,
            stage,
            since,
            is_received,
            unasked_of,
            deposit,
        };
        self.timeline.put_file(turn.vault()?, record, does)?;
        if blob.has_parts {
            self.collect(turn, place, (message, blob), goes_on);
        }
        Ok(())
    }

    /// The user wants a file that was offered, refused, or failed.
    pub(crate) fn accept_file(&mut self, turn: &mut Turn<'_>, id: &str) -> Result<(), Fault> {
        let (place, record, file) = self.file_of(turn, id)?;
        let FileContent::Blob(blob) = &file.content else { return Ok(()) };
        match self.timeline.file(&place).map(|file| file.stage) {
            Some(FileStage::Whole | FileStage::Wanted) => return Ok(()),
            // Nobody else has it: it was sent from here.
            None | Some(FileStage::Failed(_) | FileStage::Refused | FileStage::Collected) => {}
        }
        if self.is_of_this_device(&record) {
            let state = self.timeline.told_file(&place, record.own, &file).state;
            return Err(CommandError::FileNotHere { state }.into());
        }
        let author = author_of(&record, &place);
        if self.directory.is_blocked(&author) {
            let who = self.view().name_or_id(&author);
            return Err(DirectoryError::Blocked { who }.into());
        }
        let size = sealed_size(blob).ok_or(CommandError::NoFile)?;
        self.check_room_for(size, self.timeline.blob_bytes_at(&place))?;
        Ok(self.want(turn, place, (&record, blob, size), (FileStage::Wanted, None))?)
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
        self.timeline.let_file_go(turn.vault()?, &place)?;
        let refused = FileRecord {
            place,
            name: BlobName::random(turn.rng),
            blob: blob.blob,
            size: sealed_size(blob).ok_or(CommandError::NoFile)?,
            stage: FileStage::Refused,
            since: turn.now,
            is_received: false,
            unasked_of: None,
            deposit: None,
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
        self.timeline.let_file_go(turn.vault()?, &place)?;
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
        | FromBlobs::Failed(name, _)
        | FromBlobs::NotMade(name)
        | FromBlobs::PartsRead(name, _)
        | FromBlobs::PartsKept(name, _)
        | FromBlobs::PartsFalse(name)
        | FromBlobs::DepotChosen(name, _)
        | FromBlobs::DepotKeeps(name, _)
        | FromBlobs::DepotRefused(name, ..)
        | FromBlobs::Released(name, _)) = told;
        if let FromBlobs::Released(release, peer) = told {
            return self.timeline.note_released(turn.vault()?, release, peer);
        }
        if !matches!(told, FromBlobs::PartsRead(..)) {
            self.timeline.release_blob(name);
        }
        // It may be gone.
        let Some(file) = self.timeline.file_named(name).cloned() else { return Ok(()) };
        let place = file.place;
        let is_wanted = matches!(file.stage, FileStage::Wanted | FileStage::Collected);
        match *told {
            FromBlobs::PartsRead(_, ref parts) => self.make_parts(turn, &place, parts),
            FromBlobs::PartsKept(_, ref parts) => self.note_parts_kept(turn, &file, parts),
            FromBlobs::PartsFalse(_) => self.note_parts_false(turn, &file),
            FromBlobs::Progress { name, bytes, is_waiting } if is_wanted => {
                // Parts that came say no less.
                let bytes = bytes.max(self.timeline.parts.incoming.bytes(&place));
                self.timeline.note_live(name, Live { bytes, is_waiting });
                self.tell_fetched(turn, &file, (bytes, is_waiting))
            }
            FromBlobs::Whole(_) if is_wanted => {
                let whole = FileRecord { stage: FileStage::Whole, since: turn.now, ..file };
                self.timeline.note_file(turn.vault()?, whole.clone())?;
                if self.directory.is_blocked(&person(&place.conversation)) {
                    self.use_blob(turn, &whole)?;
                }
                self.acknowledge_parts(turn, place);
                self.emit(turn, Happened::FileReceived(place))?;
                self.tell_file_received(turn, &place)
            }
            FromBlobs::Failed(_, why) => self.take_failed(turn, file, why),
            FromBlobs::DepotChosen(_, ref holder) => self.note_depot_chosen(turn, file, holder),
            FromBlobs::DepotKeeps(_, ref peer) => self.note_depot_keeps(turn, file, peer),
            FromBlobs::DepotRefused(_, ref peer, why) => {
                self.note_depot_refused(turn, file, (peer, why))
            }
            FromBlobs::Progress { .. }
            | FromBlobs::Whole(_)
            | FromBlobs::NotMade(_)
            | FromBlobs::Released(..) => Ok(()),
        }
    }

    fn take_failed(
        &mut self,
        turn: &mut Turn<'_>,
        file: FileRecord,
        why: BlobFailure,
    ) -> Result<(), StoreError> {
        let message = self.timeline.message(turn.vault()?, &file.place)?;
        let why = match file.stage {
            FileStage::Wanted | FileStage::Collected => why,
            // Nobody else has what is missing of it.
            FileStage::Whole if message.is_none_or(|message| self.is_of_this_device(&message)) => {
                BlobFailure::Lost
            }
            FileStage::Whole => why,
            FileStage::Failed(_) | FileStage::Refused => return Ok(()),
        };
        let (place, name) = (file.place, file.name);
        let (stage, since) = (FileStage::Failed(failure(why)), turn.now);
        self.timeline.note_file(turn.vault()?, FileRecord { stage, since, ..file })?;
        self.end_parts(&place, why);
        match why {
            BlobFailure::Corrupt | BlobFailure::Lost => self.timeline.drop_blob(name),
            // What is there of it is of use, if the user tries again.
            BlobFailure::DiskLow | BlobFailure::Disk => {}
        }
        self.emit(turn, Happened::FileFailed(place))
    }

    fn is_of_this_device(&self, message: &MessageRecord) -> bool {
        let this = self.keyring.device().device();
        message.own && message.author.is_none_or(|author| author.device == this)
    }

    /// Not in the log: it has the number of the last event that is.
    pub(super) fn tell_fetched(
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
        (conversation, author): (ConversationRef, Author),
        FileReceived { file: id }: FileReceived,
    ) -> Result<(), StoreError> {
        let place = self.timeline.find_of(turn.vault()?, &id, None)?;
        // An own message, and of whom it was sent to: not in a room, where nobody says so.
        let is_addressee = person(&conversation) == author.identity;
        let place = place.filter(|place| is_addressee && place.conversation == conversation);
        let Some(file) = place.and_then(|place| self.timeline.file(&place)).cloned() else {
            tracing::debug!("a word of a file that is not here");
            turn.observer.deed_dropped(Dropped::Gone);
            return Ok(());
        };
        if file.is_received {
            return Ok(());
        }
        let place = file.place;
        let received = FileRecord { is_received: true, ..file };
        self.timeline.note_file(turn.vault()?, received.clone())?;
        self.order_deposit(&received);
        self.emit(turn, Happened::FileReceived(place))
    }
}

/// Who wrote a message.
fn author_of(message: &MessageRecord, place: &Place) -> IdentityId {
    message.author.map_or_else(|| person(&place.conversation), |author| author.identity)
}

/// The blob that a message tells of.
pub(super) fn blob_of(message: &MessageRecord) -> Option<BlobContent> {
    // Cheapest first: most messages are none.
    if !matches!(message.body, Body::Raw { kind: kinds::file::KIND, .. }) {
        return None;
    }
    match Content::of(message) {
        Content::Says(Says::File(File { content: FileContent::Blob(blob), .. })) => Some(*blob),
        Content::Says(_) | Content::Does(_) | Content::Unknown { .. } => None,
    }
}

pub(super) fn wanted(blob: &BlobContent) -> WantedBlob {
    let BlobContent { size, key, holders, .. } = blob;
    WantedBlob { key: FileKey::clone(key), size: *size, holders: holders.clone() }
}

pub(super) fn sealed_size(blob: &BlobContent) -> Option<u64> {
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
