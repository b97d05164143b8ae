//! Files that are blobs: which of them are here, are fetched, or are not wanted.
//!
//! A record stands at the place of its message, and goes with it, however that ends. What opens the blob is in the message alone. What the
//! keeper of blobs is to be told of a change waits here until the batch is committed.

use std::collections::{BTreeMap, HashMap};

use martlet_protocol::IdentityId;
use martlet_protocol::control::{FileFailure as Shown, FileState, MessageFile};
use martlet_protocol::message::{File, FileContent};
use martlet_store::blobs::BlobName;
use martlet_store::records::{FILES, FileFailure, FileRecord, FileStage};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::Timeline;
use super::deposits::Deposits;
use crate::conversation::{ConversationRef, Place};
use crate::kinds;
use crate::seam::{BlobUse, KnownBlob, ToBlobs};

/// All records of files, and what is known of those that are fetched.
#[derive(Default)]
pub(super) struct Files {
    records: BTreeMap<Place, FileRecord>,
    live: HashMap<BlobName, Live>,
    orders: Vec<ToBlobs>,
    /// Bytes of blobs that are being made, and have no record yet.
    reserved: HashMap<BlobName, u64>,
    pub(super) deposits: Deposits,
    /// Whether the keeper has been told what there is.
    is_told: bool,
}

/// How far a fetch is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Live {
    pub(crate) bytes: u64,
    pub(crate) is_waiting: bool,
}

impl Timeline {
    pub(super) fn load_files(&mut self, records: &VaultTxn) -> Result<(), StoreError> {
        records.for_each(&FILES, |file| {
            self.files.records.insert(file.place, file);
        })?;
        self.load_releases(records)
    }

    /// The blob of a message, if there is a record of it.
    pub(crate) fn file(&self, place: &Place) -> Option<&FileRecord> {
        self.files.records.get(place)
    }

    /// All of them.
    pub(crate) fn files(&self) -> impl Iterator<Item = &FileRecord> {
        self.files.records.values()
    }

    /// The one whose files are called so.
    pub(crate) fn file_named(&self, name: &BlobName) -> Option<&FileRecord> {
        self.files().find(|file| file.name == *name)
    }

    /// Bytes of those that are here or are to be, sealed: of all, and of one conversation. What is here of one that failed counts as all
    /// of it; of one that is lost, damaged by who sent it, or refused nothing is here.
    pub(crate) fn blob_bytes(&self, of: &ConversationRef) -> (u64, u64) {
        let reserved = self.files.reserved.values().sum::<u64>();
        self.files().fold((reserved, 0), |(all, one), file| {
            let is_of = file.place.conversation == *of;
            let size = kept_bytes(file);
            (all + size, if is_of { one + size } else { one })
        })
    }

    /// Bytes of them at this place.
    pub(crate) fn blob_bytes_at(&self, place: &Place) -> u64 {
        self.file(place).map_or(0, kept_bytes)
    }

    /// How many there are: of all, and of one conversation.
    pub(crate) fn blob_count(&self, of: &ConversationRef) -> (usize, usize) {
        let all = self.files.records.len() + self.files.reserved.len();
        let place = |position| Place { conversation: *of, position };
        (all, self.files.records.range(place(0)..=place(u64::MAX)).count())
    }

    /// How many of them this person wrote and nobody asked for, and their bytes.
    pub(crate) fn unasked_of(&self, author: &IdentityId) -> (usize, u64) {
        let theirs = self.files().filter(|file| file.unasked_of == Some(*author));
        theirs.fold((0, 0), |(count, bytes), file| (count + 1, bytes + kept_bytes(file)))
    }

    /// A blob is being made: there is room for it until it is sent, or was not made.
    pub(crate) fn reserve_blob(&mut self, name: BlobName, size: u64) {
        self.files.reserved.insert(name, size);
    }

    /// A blob was made and is sent, or is not made.
    pub(crate) fn release_blob(&mut self, name: &BlobName) {
        self.files.reserved.remove(name);
    }

    /// Writes a record. What is to be done with its blob is told once that is committed.
    pub(crate) fn put_file(
        &mut self,
        records: &mut VaultTxn,
        file: FileRecord,
        does: BlobUse,
    ) -> Result<(), StoreError> {
        let Place { conversation, position } = file.place;
        records.put(&FILES, Key::Scoped(&conversation.0, position), &file)?;
        self.files.orders.push(ToBlobs::Add(known(&file), does));
        self.files.live.remove(&file.name);
        self.files.records.insert(file.place, file);
        Ok(())
    }

    /// Writes a record whose blob is to be used as before.
    pub(crate) fn note_file(
        &mut self,
        records: &mut VaultTxn,
        file: FileRecord,
    ) -> Result<(), StoreError> {
        let Place { conversation, position } = file.place;
        records.put(&FILES, Key::Scoped(&conversation.0, position), &file)?;
        self.files.live.remove(&file.name);
        self.files.records.insert(file.place, file);
        Ok(())
    }

    /// The message is gone: the record goes, and the blob with it. Whether there was one.
    pub(crate) fn forget_file(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
    ) -> Result<bool, StoreError> {
        self.parts.incoming.forget(records, place)?;
        self.remove_file(records, place)
    }

    /// The user wants its file no more: the record goes, and the blob with it.
    pub(crate) fn let_file_go(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
    ) -> Result<(), StoreError> {
        self.parts.incoming.let_go(place);
        self.remove_file(records, place).map(|_| ())
    }

    fn remove_file(&mut self, records: &mut VaultTxn, place: &Place) -> Result<bool, StoreError> {
        self.parts.outgoing.end(place);
        let Some(file) = self.files.records.remove(place) else { return Ok(false) };
        records.delete(&FILES, Key::Scoped(&place.conversation.0, place.position))?;
        self.release_deposit(records, &file)?;
        self.drop_blob(file.name);
        Ok(true)
    }

    /// The blob with this name is removed.
    pub(crate) fn drop_blob(&mut self, name: BlobName) {
        self.files.live.remove(&name);
        self.files.orders.push(ToBlobs::Remove(name));
    }

    /// The keeper of blobs is to do something once the batch is committed.
    pub(crate) fn order(&mut self, order: ToBlobs) {
        self.files.orders.push(order);
    }

    /// So far is a fetch.
    pub(crate) fn note_live(&mut self, name: BlobName, live: Live) {
        self.files.live.insert(name, live);
    }

    /// Whether the keeper of blobs has not been told what there is, since the vault was opened. From now on it has.
    pub(crate) fn begin_to_tell_files(&mut self) -> bool {
        !std::mem::replace(&mut self.files.is_told, true)
    }

    /// What is to be done with a blob changes.
    pub(crate) fn use_blob(&mut self, blob: KnownBlob, does: BlobUse) {
        self.files.orders.push(ToBlobs::Add(blob, does));
    }

    /// How far a fetch is.
    pub(crate) fn live(&self, name: &BlobName) -> Live {
        self.files.live.get(name).copied().unwrap_or_default()
    }

    /// What the keeper is to be told.
    pub(crate) fn take_blob_orders(&mut self) -> Vec<ToBlobs> {
        std::mem::take(&mut self.files.orders)
    }

    /// A file, and where it is, in the words of the control API.
    pub(crate) fn told_file(&self, place: &Place, is_own: bool, file: &File) -> MessageFile {
        let told = kinds::file::told(file);
        match &file.content {
            FileContent::Here(_) => return told,
            FileContent::Blob(_) => {}
        }
        let Some(record) = self.file(place) else {
            let state = if is_own { FileState::Gone } else { FileState::Offered };
            return MessageFile { state, ..told };
        };
        let (state, failure) = match record.stage {
            FileStage::Whole => (FileState::Complete, None),
            FileStage::Refused => (FileState::Refused, None),
            FileStage::Failed(why) => (FileState::Failed, Some(shown(why))),
            FileStage::Wanted => {
                let live = self.live(&record.name);
                let state = match live.is_waiting {
                    true => FileState::Waiting,
                    false => FileState::Fetching,
                };
                return MessageFile { state, fetched_bytes: Some(live.bytes), ..told };
            }
            FileStage::Collected => {
                let live = self.files.live.get(&record.name).filter(|live| !live.is_waiting);
                let state = live.map_or(FileState::Waiting, |_| FileState::Fetching);
                let bytes = self.parts.incoming.bytes(place);
                return MessageFile { state, fetched_bytes: Some(bytes), ..told };
            }
        };
        let taken_bytes = self.parts.outgoing.taken_bytes(place);
        let (depots, depot_refusal) = self.told_deposit(record);
        let received = record.is_received;
        MessageFile { state, failure, received, taken_bytes, depots, depot_refusal, ..told }
    }
}

/// A blob as its keeper knows it.
pub(crate) fn known(file: &FileRecord) -> KnownBlob {
    KnownBlob { name: file.name, id: file.blob, size: file.size }
}

/// Bytes that a blob takes, or will.
fn kept_bytes(file: &FileRecord) -> u64 {
    match file.stage {
        FileStage::Whole
        | FileStage::Wanted
        | FileStage::Collected
        | FileStage::Failed(FileFailure::DiskLow | FileFailure::Disk) => file.size,
        FileStage::Failed(FileFailure::Corrupt | FileFailure::Lost) | FileStage::Refused => 0,
    }
}

fn shown(why: FileFailure) -> Shown {
    match why {
        FileFailure::Corrupt => Shown::Corrupt,
        FileFailure::DiskLow => Shown::DiskLow,
        FileFailure::Disk => Shown::Disk,
        FileFailure::Lost => Shown::Lost,
    }
}
