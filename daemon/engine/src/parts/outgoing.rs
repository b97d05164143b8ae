//! Own files that go in parts: which parts were made, and which device has which.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use martlet_protocol::AckSecret;
use martlet_protocol::crypto::Addressing;
use martlet_protocol::file::part::{PART_BYTES, PartError, PartsKey, bytes_of, parts};
use martlet_store::records::{PARTS_OUT, PartSet, PartsOutRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use crate::conversation::Place;

/// Own files that go in parts.
#[derive(Default)]
pub(crate) struct Outgoing {
    files: BTreeMap<Place, Going>,
    /// Those of which parts are to be made.
    unmade: BTreeSet<Place>,
    /// The one of which parts are being read.
    read: Option<Place>,
    dirty: BTreeSet<Place>,
    /// Those whose message or file is gone: what is under way of them is taken back.
    ended: BTreeSet<Place>,
}

/// The content of a part's envelope, and the secrets of its slots.
pub(crate) type Made = (Vec<u8>, Vec<AckSecret>);

struct Going {
    record: PartsOutRecord,
    key: PartsKey,
    /// Those that are being read.
    asked: BTreeSet<u16>,
}

impl Outgoing {
    pub(super) fn load(&mut self, records: &VaultTxn) -> Result<(), StoreError> {
        records.for_each(&PARTS_OUT, |record| self.insert(record))
    }

    pub(super) fn flush(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        for place in std::mem::take(&mut self.dirty) {
            if let Some(going) = self.files.get(&place) {
                let key = Key::Scoped(&place.conversation.0, place.position);
                records.put(&PARTS_OUT, key, &going.record)?;
            }
        }
        Ok(())
    }

    fn insert(&mut self, record: PartsOutRecord) {
        let (place, going) = (record.place, Going::of(record));
        if going.next_unmade().next().is_some() {
            self.unmade.insert(place);
        }
        self.files.insert(place, going);
    }

    /// A file goes in parts from now on, or once more.
    pub(crate) fn begin(&mut self, record: PartsOutRecord) {
        self.dirty.insert(record.place);
        self.insert(record);
    }

    /// Whether there is such a file.
    pub(crate) fn has(&self, place: &Place) -> bool {
        self.files.contains_key(place)
    }

    /// The first of which parts are to be made, after some other; `None` as long as parts are being read.
    pub(crate) fn next_unmade(&self, after: Option<&Place>) -> Option<Place> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.unmade.range((from, Bound::Unbounded)).next();
        next.filter(|_| self.read.is_none()).copied()
    }

    /// At most `max` parts that are to be read now.
    pub(crate) fn ask(&mut self, place: &Place, max: usize) -> Vec<u16> {
        let Some(going) = self.files.get_mut(place) else { return Vec::new() };
        let next: Vec<u16> = going.next_unmade().take(max).collect();
        going.asked.extend(&next);
        if !next.is_empty() {
            self.read = Some(*place);
        }
        next
    }

    /// What was asked for was read, or can't be.
    pub(crate) fn read(&mut self, place: &Place) {
        self.read.take_if(|it| it == place);
        if let Some(going) = self.files.get_mut(place) {
            going.asked.clear();
        }
    }

    /// A part was read: the content of its envelope, and the secrets of its slots; `None` if it is not awaited. It is made from now on.
    pub(crate) fn make(
        &mut self,
        place: &Place,
        (index, bytes): (u16, &[u8]),
        addressing: Addressing,
    ) -> Result<Option<Made>, PartError> {
        let Some(going) = self.files.get_mut(place).filter(|it| it.asked.contains(&index)) else {
            return Ok(None);
        };
        let Going { record, key, asked } = going;
        if bytes_of(record.size, index) != Some(bytes.len()) {
            return Ok(None);
        }
        let addressing = Addressing { expiry: record.expiry, ..addressing };
        let unused = |slot| key.unused_ack_secret(index, slot);
        let secrets = record.slots.secrets(&record.message, index, unused);
        let content = key.seal(&addressing, index, &secrets, bytes)?;
        asked.remove(&index);
        record.made.insert(index);
        if going.next_unmade().next().is_none() {
            self.unmade.remove(place);
        }
        self.dirty.insert(*place);
        Ok(Some((content, secrets)))
    }

    /// A part is not under way any more, and is to be made again.
    pub(crate) fn unmake(&mut self, place: &Place, index: u16) {
        if let Some(going) = self.files.get_mut(place) {
            going.record.made.remove(index);
            self.unmade.insert(*place);
            self.dirty.insert(*place);
        }
    }

    /// The device of a slot has a part. Whether it has all of them now.
    pub(crate) fn taken(&mut self, place: &Place, index: u16, slot: u8) -> bool {
        let Some(going) = self.files.get_mut(place) else { return false };
        let count = parts(going.record.size);
        // An unused slot's ack is known to each who has the file.
        let Some(taken) = going.record.taken.get_mut(usize::from(slot)) else { return false };
        if !taken.insert(index) {
            return false;
        }
        self.dirty.insert(*place);
        taken.len() == count
    }

    /// Bytes that the device has which has most.
    pub(crate) fn taken_bytes(&self, place: &Place) -> Option<u64> {
        let record = &self.files.get(place)?.record;
        let most = record.taken.iter().map(PartSet::len).max().unwrap_or(0);
        Some((most * PART_BYTES as u64).min(record.size))
    }

    /// The message or the file is gone.
    pub(crate) fn end(&mut self, place: &Place) {
        if self.has(place) {
            self.ended.insert(*place);
        }
    }

    /// Those whose message or file is gone.
    pub(crate) fn take_ended(&mut self) -> BTreeSet<Place> {
        std::mem::take(&mut self.ended)
    }

    /// Those that are over: by `is_past`, of when they end.
    pub(crate) fn over(&self, is_past: impl Fn(&PartsOutRecord) -> bool) -> Vec<Place> {
        let over = self.files.iter().filter(|(_, going)| is_past(&going.record));
        over.map(|(place, _)| *place).collect()
    }

    /// Forgets one.
    pub(crate) fn forget(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
    ) -> Result<(), StoreError> {
        self.read.take_if(|it| it == place);
        if self.files.remove(place).is_some() {
            self.unmade.remove(place);
            self.dirty.remove(place);
            let key = Key::Scoped(&place.conversation.0, place.position);
            records.delete(&PARTS_OUT, key)?;
        }
        Ok(())
    }
}

impl Going {
    fn of(record: PartsOutRecord) -> Self {
        Self { key: PartsKey::from_bytes(record.key.0), record, asked: BTreeSet::new() }
    }

    fn next_unmade(&self) -> impl Iterator<Item = u16> {
        let count = u16::try_from(parts(self.record.size)).unwrap_or(0);
        (0..count).filter(|index| !self.record.made.contains(*index) && !self.asked.contains(index))
    }
}
