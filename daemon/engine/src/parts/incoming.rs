//! Parts of files of others: by which tags they are known, which of them are on disk, and what acknowledges them.
//!
//! A record begins with the file's message, in whose session the acks are. Once the message is shown and its file is wanted, the tags
//! of its parts are awaited, and what came before is looked for in the mailbox. A part is acknowledged once it is on disk, or once the
//! whole file is, whichever way that came.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use martlet_protocol::crypto::session::PartAcks;
use martlet_protocol::file::part::{PART_BYTES, PartsKey, bytes_of, parts};
use martlet_protocol::{Ack, EnvelopeId, Header, IdentityId, MessageId, Tag, UnixMillis};
use martlet_store::records::{PARTS_IN, PartSet, PartsInRecord, PartsKeyBytes};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use crate::conversation::Place;
use crate::limits::{
    PARTS_AWAITED_FILES_MAX, PARTS_KNOWN_FOR, PARTS_KNOWN_MAX, PARTS_TOLD_EVERY,
    PARTS_WRITTEN_AT_ONCE,
};

/// By what a file of someone is known: who wrote its message, and the id of that.
pub(crate) type FileId = (IdentityId, MessageId);

/// Files of others that come in parts.
#[derive(Default)]
pub(crate) struct Incoming {
    files: BTreeMap<FileId, Coming>,
    places: HashMap<Place, FileId>,
    /// The tags of parts that may still come.
    tags: BTreeSet<(Tag, FileId, u16)>,
    /// Parts that may be in the mailbox already.
    to_look_for: BTreeSet<(FileId, u16)>,
    /// How many parts are being written.
    written: usize,
    dirty: BTreeSet<FileId>,
}

struct Coming {
    record: PartsInRecord,
    key: PartsKey,
    wants: Wants,
    /// Parts that are being written, and what acknowledges each.
    writing: BTreeMap<u16, Vec<Ack>>,
    /// When it was last told how far it is, since the host's start.
    told_at: Option<Duration>,
}

/// What is wanted of a file's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Nothing.
    Nothing,
    /// Those that are not there.
    Parts,
    /// The file is there: each part is acknowledged when it comes.
    Acks,
}

/// What an envelope with a part's tag is.
pub(crate) enum Came {
    /// Bytes to be written.
    Bytes(Vec<u8>),
    /// A part that is there already, and what acknowledges it.
    Known(Vec<Ack>),
    /// Made up, or of no use.
    Nothing,
    /// Too many are being written: it is looked for later.
    Later,
}

impl Incoming {
    pub(super) fn load(&mut self, records: &VaultTxn) -> Result<(), StoreError> {
        records.for_each(&PARTS_IN, |record| self.insert(record))
    }

    pub(super) fn flush(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        for file in std::mem::take(&mut self.dirty) {
            if let Some(coming) = self.files.get(&file) {
                records.put(&PARTS_IN, Key::Named(&name(&file)), &coming.record)?;
            }
        }
        Ok(())
    }

    fn insert(&mut self, record: PartsInRecord) {
        let file = (record.author, record.message);
        if let Some(place) = record.place {
            self.places.insert(place, file);
        }
        let key = PartsKey::from_bytes(record.key.0);
        let (wants, writing, told_at) = (Wants::Nothing, BTreeMap::new(), None);
        self.files.insert(file, Coming { record, key, wants, writing, told_at });
    }

    /// The message of a file has come that goes in parts, in a session with these acks: the first time, or once more in another
    /// session. The tags that are awaited now.
    pub(crate) fn note(
        &mut self,
        file: FileId,
        (key, size): (&PartsKey, u64),
        acks: Option<PartAcks>,
        now: UnixMillis,
    ) -> Vec<Tag> {
        self.dirty.insert(file);
        if let Some(coming) = self.files.get_mut(&file) {
            if acks.is_none() || coming.record.acks == acks {
                return Vec::new();
            }
            // Parts were made for that session, too.
            coming.record.acks = acks;
            coming.record.acked = PartSet::default();
            coming.record.came_at = now;
            return self.await_parts(&file);
        }
        if self.files.len() >= PARTS_KNOWN_MAX {
            self.dirty.remove(&file);
            return Vec::new();
        }
        let (author, message) = file;
        self.insert(PartsInRecord {
            author,
            message,
            place: None,
            key: PartsKeyBytes(key.to_bytes()),
            size,
            acks,
            got: PartSet::default(),
            acked: PartSet::default(),
            is_false: false,
            came_at: now,
        });
        Vec::new()
    }

    /// What is wanted of the file of a message that is shown here. What was written of it is there only if it `goes_on`. The tags that
    /// are awaited now.
    pub(crate) fn want(
        &mut self,
        file: FileId,
        place: Place,
        goes_on: bool,
        wants: Wants,
    ) -> Vec<Tag> {
        self.rest(&file);
        let active = self.files.values().filter(|coming| coming.wants != Wants::Nothing).count();
        let Some(coming) = self.files.get_mut(&file) else { return Vec::new() };
        if coming.record.place != Some(place) || !goes_on {
            coming.record.place = Some(place);
            if !goes_on {
                coming.record.got = PartSet::default();
            }
            self.dirty.insert(file);
        }
        self.places.insert(place, file);
        coming.wants = match wants {
            Wants::Parts if coming.record.is_false => Wants::Nothing,
            // It is looked at again with the day's chores.
            Wants::Parts | Wants::Acks if active >= PARTS_AWAITED_FILES_MAX => Wants::Nothing,
            wants => wants,
        };
        self.await_parts(&file)
    }

    /// Nothing is wanted of a file for now; what is on disk of it stays.
    pub(crate) fn rest(&mut self, file: &FileId) {
        let Some(coming) = self.files.get_mut(file) else { return };
        coming.wants = Wants::Nothing;
        self.written -= std::mem::take(&mut coming.writing).len();
        let (key, count) = (coming.key.clone(), count(coming.record.size));
        for index in 0..count {
            self.tags.remove(&(key.tag(index), *file, index));
            self.to_look_for.remove(&(*file, index));
        }
    }

    /// What there is of the file of a message is removed; its message stays.
    pub(crate) fn let_go(&mut self, place: &Place) {
        let Some(file) = self.places.remove(place) else { return };
        self.rest(&file);
        if let Some(coming) = self.files.get_mut(&file) {
            coming.record.place = None;
            coming.record.got = PartSet::default();
            self.dirty.insert(file);
        }
    }

    /// The message is gone, and with it all that was known of its file.
    pub(crate) fn forget(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
    ) -> Result<(), StoreError> {
        match self.places.get(place).copied() {
            Some(file) => self.drop(records, &file),
            None => Ok(()),
        }
    }

    /// Forgets files whose parts have surely ended in all mailboxes.
    pub(crate) fn forget_old(
        &mut self,
        records: &mut VaultTxn,
        sure: UnixMillis,
    ) -> Result<(), StoreError> {
        let is_old = |coming: &Coming| sure.since(coming.record.came_at) > PARTS_KNOWN_FOR;
        let old = self.files.iter().filter(|(_, coming)| is_old(coming));
        let old: Vec<FileId> = old.map(|(file, _)| *file).collect();
        old.iter().try_for_each(|file| self.drop(records, file))
    }

    fn drop(&mut self, records: &mut VaultTxn, file: &FileId) -> Result<(), StoreError> {
        self.rest(file);
        if let Some(place) = self.files.remove(file).and_then(|coming| coming.record.place) {
            self.places.remove(&place);
        }
        self.dirty.remove(file);
        records.delete(&PARTS_IN, Key::Named(&name(file)))?;
        Ok(())
    }

    /// The file of a message, if it comes in parts.
    pub(crate) fn at(&self, place: &Place) -> Option<FileId> {
        self.places.get(place).copied()
    }

    /// Where the messages of all are that are shown.
    pub(crate) fn places(&self) -> Vec<(Place, FileId)> {
        let mut all: Vec<_> = self.places.iter().map(|(place, file)| (*place, *file)).collect();
        all.sort_unstable();
        all
    }

    /// Where the message of a file is, if parts of that are wanted; and what is.
    pub(crate) fn wanted(&self, file: &FileId) -> Option<(Place, Wants)> {
        let coming = self.files.get(file)?;
        Some((coming.record.place?, coming.wants))
    }

    /// Whether a part with this tag may still come.
    pub(crate) fn awaits(&self, tag: &Tag) -> bool {
        self.with_tag(tag).next().is_some()
    }

    /// The parts that have this tag.
    pub(crate) fn with_tag(&self, tag: &Tag) -> impl Iterator<Item = (FileId, u16)> {
        let lowest = (IdentityId([0; 32]), MessageId([0; 16]));
        let found = self.tags.range((*tag, lowest, 0)..).take_while(move |it| it.0 == *tag);
        found.map(|(_, file, index)| (*file, *index))
    }

    /// A part that may be in the mailbox, and its tag; `None` if there is none, or too many are being written.
    pub(crate) fn next_to_look_for(&mut self) -> Option<(FileId, u16, Tag)> {
        if self.written >= PARTS_WRITTEN_AT_ONCE {
            return None;
        }
        let (file, index) = self.to_look_for.pop_first()?;
        let tag = self.files.get(&file)?.key.tag(index);
        Some((file, index, tag))
    }

    /// Whether something is to be looked for now.
    pub(crate) fn has_to_look(&self) -> bool {
        !self.to_look_for.is_empty() && self.written < PARTS_WRITTEN_AT_ONCE
    }

    /// What an envelope with the tag of this part is. If it has bytes, they are being written from now on.
    pub(crate) fn take(
        &mut self,
        (file, index): (&FileId, u16),
        id: &EnvelopeId,
        (header, content): (&Header, &[u8]),
    ) -> Came {
        let Some(coming) = self.files.get_mut(file) else { return Came::Nothing };
        let is_there = coming.record.got.contains(index);
        match coming.wants {
            Wants::Nothing => return Came::Nothing,
            Wants::Parts if !is_there => {}
            Wants::Parts | Wants::Acks => {
                let acks = coming.acks(index, id, (header, content));
                if acks.is_empty() {
                    return Came::Nothing;
                }
                coming.record.acked.insert(index);
                let tag = coming.key.tag(index);
                self.tags.remove(&(tag, *file, index));
                self.dirty.insert(*file);
                return Came::Known(acks);
            }
        }
        if coming.writing.contains_key(&index) {
            return Came::Nothing;
        }
        if self.written >= PARTS_WRITTEN_AT_ONCE {
            self.to_look_for.insert((*file, index));
            return Came::Later;
        }
        let Some(len) = bytes_of(coming.record.size, index) else { return Came::Nothing };
        match coming.key.open(index, len, header, content) {
            Ok(bytes) => {
                let acks = coming.acks(index, id, (header, content));
                coming.writing.insert(index, acks);
                self.written += 1;
                Came::Bytes(bytes)
            }
            Err(error) => {
                // Anyone who saw the tag can copy it; the true one may still come.
                tracing::debug!(%error, "an envelope with the tag of a part does not open");
                Came::Nothing
            }
        }
    }

    /// A part is on disk: what acknowledges it; `None` if nobody waits for it.
    pub(crate) fn kept(&mut self, file: &FileId, index: u16) -> Option<Vec<Ack>> {
        let coming = self.files.get_mut(file)?;
        let acks = coming.writing.remove(&index)?;
        self.written -= 1;
        coming.record.got.insert(index);
        if !acks.is_empty() {
            coming.record.acked.insert(index);
        }
        if !coming.awaits(index) {
            let tag = coming.key.tag(index);
            self.tags.remove(&(tag, *file, index));
        }
        self.dirty.insert(*file);
        Some(acks)
    }

    /// Whether all parts of a file are on disk.
    pub(crate) fn has_all(&self, file: &FileId) -> bool {
        let coming = self.files.get(file);
        coming.is_some_and(|it| it.record.got.len() == u64::from(count(it.record.size)))
    }

    /// Bytes of a file that are on disk in parts.
    pub(crate) fn bytes(&self, place: &Place) -> u64 {
        let coming = self.at(place).and_then(|file| self.files.get(&file));
        coming.map_or(0, |it| (it.record.got.len() * PART_BYTES as u64).min(it.record.size))
    }

    /// Whether it is to be told how far a file is, which is not done too often.
    pub(crate) fn is_told(&mut self, file: &FileId, steady: Duration) -> bool {
        let Some(coming) = self.files.get_mut(file) else { return false };
        let is_due = |at: Duration| steady.saturating_sub(at) >= PARTS_TOLD_EVERY;
        let is_told = coming.told_at.is_none_or(is_due);
        if is_told {
            coming.told_at = Some(steady);
        }
        is_told
    }

    /// The parts of a file were not what its message says.
    pub(crate) fn falsify(&mut self, file: &FileId) {
        self.rest(file);
        if let Some(coming) = self.files.get_mut(file) {
            coming.record.is_false = true;
            coming.record.got = PartSet::default();
            self.dirty.insert(*file);
        }
    }

    /// Awaits the parts of a file that are wanted, and looks for them.
    fn await_parts(&mut self, file: &FileId) -> Vec<Tag> {
        let Some(coming) = self.files.get(file) else { return Vec::new() };
        let awaited = (0..count(coming.record.size)).filter(|index| coming.awaits(*index));
        let awaited: Vec<_> = awaited.map(|index| (coming.key.tag(index), index)).collect();
        for (tag, index) in &awaited {
            self.tags.insert((*tag, *file, *index));
            self.to_look_for.insert((*file, *index));
        }
        awaited.into_iter().map(|(tag, _)| tag).collect()
    }
}

impl Coming {
    fn awaits(&self, index: u16) -> bool {
        let lacks_ack = self.record.acks.is_some() && !self.record.acked.contains(index);
        match self.wants {
            Wants::Nothing => false,
            Wants::Parts => lacks_ack || !self.record.got.contains(index),
            Wants::Acks => lacks_ack,
        }
    }

    /// What acknowledges a part: the device's own slot, and those that are nobody's.
    fn acks(&self, index: u16, id: &EnvelopeId, (header, content): (&Header, &[u8])) -> Vec<Ack> {
        let Some(acks) = &self.record.acks else { return Vec::new() };
        let ack = |slot, secret| Ack { envelope: *id, slot, secret };
        let own = ack(acks.slot(), acks.secret(&self.record.message, index));
        if !header.verifies(content, &own) {
            return Vec::new();
        }
        let unused = (0..header.slots).filter(|slot| *slot != acks.slot());
        let unused = unused.map(|slot| ack(slot, self.key.unused_ack_secret(index, slot)));
        std::iter::once(own).chain(unused.filter(|ack| header.verifies(content, ack))).collect()
    }
}

/// How many parts a file has that its message said goes in parts.
fn count(size: u64) -> u16 {
    u16::try_from(parts(size)).unwrap_or(0)
}

fn name((author, message): &FileId) -> Vec<u8> {
    [&author.0[..], &message.0[..]].concat()
}
