//! The mailbox's tables: how they are read, and how one change to an envelope shows in all of them.

use std::sync::Arc;

use crate::limits::MAILBOX_ENTRY_BYTES;
use martlet_protocol::sync::{Bucket, BucketDigest, Fingerprint};
use martlet_protocol::{
    Ack, AckSecret, Envelope, EnvelopeId, ExpiryHour, Header, Shard, Tag, UnixMillis,
};
use redb::{ReadTransaction, WriteTransaction};

use super::index::{Changes, Index, Prefix};
use super::row::{self, Entry, State, Totals};
use super::{Acknowledged, Arrived, MailboxStats, SourceId, bytes};
use crate::error::StoreError;
use crate::layer::{Definition, Held, Layer};
use crate::schema::Meta;

pub(super) const META: &str = "meta";
const LOG: &str = "log";
const STATES: &str = "states";
const ENDS: &str = "ends";
const MEMBERS: &str = "members";
const DIGESTS: &str = "digests";

pub(super) const TOTALS_KEY: &[u8] = b"totals";
const TIME_KEY: &[u8] = b"time";

/// The tables, read by snapshots and transactions alike.
#[derive(Debug)]
pub(super) struct Tables {
    log: Layer<8, Vec<u8>>,
    states: Layer<8, Vec<u8>>,
    ends: Layer<12, [u8; 32]>,
    members: Layer<14, [u8; 40]>,
    digests: Layer<6, [u8; 40]>,
    totals: Totals,
    committed_totals: Totals,
    time: Option<UnixMillis>,
    committed_time: Option<UnixMillis>,
    index: Arc<Index>,
    changes: Changes,
}

impl Tables {
    pub(super) fn new(snapshot: &ReadTransaction, index: &Arc<Index>) -> Result<Self, StoreError> {
        let meta = snapshot.open_table(Meta::new(META)).map_err(StoreError::failed)?;
        let totals = match meta.get(TOTALS_KEY).map_err(StoreError::failed)? {
            None => Totals::default(),
            Some(totals) => readable(META, Totals::decode(totals.value()))?,
        };
        let time = match meta.get(TIME_KEY).map_err(StoreError::failed)? {
            None => None,
            Some(time) => {
                let time = <[u8; 8]>::try_from(time.value()).ok().map(u64::from_be_bytes);
                Some(UnixMillis(readable(META, time)?))
            }
        };
        Ok(Self {
            log: Layer::new(snapshot, LOG)?,
            states: Layer::new(snapshot, STATES)?,
            ends: Layer::new(snapshot, ENDS)?,
            members: Layer::new(snapshot, MEMBERS)?,
            digests: Layer::new(snapshot, DIGESTS)?,
            totals,
            committed_totals: totals,
            time,
            committed_time: time,
            index: Arc::clone(index),
            changes: Changes::default(),
        })
    }

    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    pub(super) fn time(&self) -> Option<UnixMillis> {
        self.time
    }

    pub(super) fn keep_time(&mut self, time: UnixMillis) {
        self.time = Some(time);
    }

    pub(super) fn stats(&self) -> MailboxStats {
        let Totals { envelopes, bytes, tombstones, last_arrival } = self.totals;
        MailboxStats { envelopes, bytes, tombstones, last_arrival }
    }

    /// Whether anything was changed. What came and went again shows in the totals alone: its
    /// arrival number is used up.
    pub(super) fn is_dirty(&self) -> bool {
        self.states.is_dirty()
            || self.totals != self.committed_totals
            || self.time != self.committed_time
    }

    /// Writes what was changed. What becomes of the index is for [`Index::settle`], once that is
    /// committed.
    pub(super) fn write(self, transaction: &WriteTransaction) -> Result<Changes, StoreError> {
        let mut meta = transaction.open_table(Meta::new(META)).map_err(StoreError::failed)?;
        meta.insert(TOTALS_KEY, self.totals.encode().as_slice()).map_err(StoreError::failed)?;
        if let Some(time) = self.time {
            meta.insert(TIME_KEY, time.0.to_be_bytes().as_slice()).map_err(StoreError::failed)?;
        }
        drop(meta);
        write_rows(self.log, transaction)?;
        write_rows(self.states, transaction)?;
        write_rows(self.ends, transaction)?;
        write_rows(self.members, transaction)?;
        write_rows(self.digests, transaction)?;
        self.index.add(&self.changes);
        Ok(self.changes)
    }

    /// Reads the index from the tables.
    pub(super) fn fill_index(&self) -> Result<(), StoreError> {
        let Totals { envelopes, tombstones, .. } = self.totals;
        let room = usize::try_from(envelopes + tombstones).unwrap_or_default();
        let mut ids = Vec::with_capacity(room);
        let mut tags = Vec::with_capacity(room);
        let mut members = self.members.range([0; 14]..=[u8::MAX; 14], false)?;
        while let Some((key, value)) = members.next()? {
            let arrival = readable(MEMBERS, row::arrival_of(&key))?;
            let (id, tag) = readable(MEMBERS, row::decode_member(value.bytes()))?;
            ids.push((Prefix::of_id(&id), arrival));
            tags.extend(tag.map(|tag| (tag, arrival)));
        }
        let mut states = self.states.range([0; 8]..=[u8::MAX; 8], false)?;
        while let Some((key, value)) = states.next()? {
            let (id, state) = readable(STATES, State::decode(value.bytes()))?;
            match state {
                // Among the members.
                State::Live { .. } => {}
                State::Purged { .. } | State::Dropped { .. } => {
                    ids.push((Prefix::of_id(&id), u64::from_be_bytes(key)));
                }
            }
        }
        self.index.replace(ids, tags);
        Ok(())
    }

    /// Bytes charged to a source.
    pub(super) fn source(&self, id: &EnvelopeId, arrival: u64) -> Option<SourceId> {
        self.changes.source(&self.index, Prefix::of_id(id), arrival)
    }

    pub(super) fn held(&self, source: &SourceId) -> u64 {
        self.index.held(source, &self.changes)
    }
}

/// Reading.
impl Tables {
    /// What became of `id`, and its arrival.
    pub(super) fn find(&self, id: &EnvelopeId) -> Result<Option<(u64, State)>, StoreError> {
        for arrival in self.index.ids(Prefix::of_id(id), &self.changes) {
            if let Some((found, state)) = self.state_of(arrival)? {
                if found == *id {
                    return Ok(Some((arrival, state)));
                }
            } else if let Some(value) = self.log.get(&row::log_key(arrival))?
                && readable(LOG, Entry::decode(value.bytes()))?.id == *id
            {
                return Ok(Some((arrival, State::Live { acks: Vec::new() })));
            }
        }
        Ok(None)
    }

    pub(super) fn get(&self, id: &EnvelopeId) -> Result<Option<Envelope>, StoreError> {
        match self.find(id)? {
            Some((arrival, State::Live { .. })) => {
                self.with_entry(arrival, |entry| entry.envelope()).map(Some)
            }
            Some((_, State::Purged { .. } | State::Dropped { .. })) | None => Ok(None),
        }
    }

    pub(super) fn by_tag(&self, tag: &Tag, max: usize) -> Result<Vec<Arrived>, StoreError> {
        let mut found = Vec::new();
        for arrival in self.index.tags(Prefix::of_tag(tag), &self.changes) {
            if found.len() >= max {
                break;
            }
            // Purged by this transaction, or of another snapshot, it isn't there.
            let Some(value) = self.log.get(&row::log_key(arrival))? else { continue };
            let entry = readable(LOG, Entry::decode(value.bytes()))?;
            let header = readable(LOG, Header::parse(entry.content).ok())?;
            if header.tag(entry.content).as_ref() == Some(tag) {
                found.push(arrived(arrival, &entry));
            }
        }
        Ok(found)
    }

    pub(super) fn arrived_after(
        &self,
        arrival: u64,
        max: usize,
    ) -> Result<Vec<Arrived>, StoreError> {
        let mut found = Vec::new();
        let Some(first) = arrival.checked_add(1) else {
            return Ok(found);
        };
        let mut rows = self.log.range(row::log_key(first)..=row::log_key(u64::MAX), false)?;
        while found.len() < max
            && let Some((key, value)) = rows.next()?
        {
            let entry = readable(LOG, Entry::decode(value.bytes()))?;
            found.push(arrived(u64::from_be_bytes(key), &entry));
        }
        Ok(found)
    }

    pub(super) fn digests(&self) -> Result<Vec<BucketDigest>, StoreError> {
        let mut found = Vec::new();
        let mut rows = self.digests.range([0; 6]..=[u8::MAX; 6], false)?;
        while let Some((key, value)) = rows.next()? {
            let (count, fingerprint) = readable(DIGESTS, row::decode_digest(value.bytes()))?;
            found.push(BucketDigest { bucket: row::bucket_of(key), count, fingerprint });
        }
        Ok(found)
    }

    pub(super) fn bucket_ids(&self, bucket: Bucket) -> Result<Vec<EnvelopeId>, StoreError> {
        let mut found = Vec::new();
        let keys = row::bucket_entry_key(bucket, 0)..=row::bucket_entry_key(bucket, u64::MAX);
        let mut rows = self.members.range(keys, false)?;
        while let Some((_, value)) = rows.next()? {
            found.push(readable(MEMBERS, row::decode_member(value.bytes()))?.0);
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(super) fn fetch(
        &self,
        ids: &[EnvelopeId],
        bytes_max: usize,
    ) -> Result<(Vec<Envelope>, Vec<EnvelopeId>), StoreError> {
        let mut live = Vec::new();
        let mut gone = Vec::new();
        for id in ids {
            match self.find(id)? {
                Some((arrival, State::Live { .. })) => live.push(arrival),
                Some((_, State::Purged { .. } | State::Dropped { .. })) | None => gone.push(*id),
            }
        }
        live.sort_unstable();
        live.dedup();
        let mut envelopes = Vec::new();
        let mut room = bytes_max;
        for arrival in live {
            let envelope = self.with_entry(arrival, |entry| {
                (entry.content.len() <= room || envelopes.is_empty()).then(|| entry.envelope())
            })?;
            let Some(envelope) = envelope else { break };
            room = room.saturating_sub(envelope.content.len());
            envelopes.push(envelope);
        }
        Ok((envelopes, gone))
    }

    pub(super) fn lacking(
        &self,
        ids: &[EnvelopeId],
    ) -> Result<(Vec<EnvelopeId>, Vec<Ack>), StoreError> {
        let mut unknown = Vec::new();
        let mut purged = Vec::new();
        for id in ids {
            match self.find(id)? {
                None => unknown.push(*id),
                Some((_, State::Purged { acks, .. })) => {
                    purged.extend(acks.into_iter().map(|(slot, secret)| Ack {
                        envelope: *id,
                        slot,
                        secret,
                    }))
                }
                Some((_, State::Live { .. } | State::Dropped { .. })) => {}
            }
        }
        Ok((unknown, purged))
    }

    pub(super) fn dropped(&self, ids: &[EnvelopeId]) -> Result<Vec<EnvelopeId>, StoreError> {
        let mut dropped = Vec::new();
        for id in ids {
            match self.find(id)? {
                Some((_, State::Dropped { .. })) => dropped.push(*id),
                Some((_, State::Live { .. } | State::Purged { .. })) | None => {}
            }
        }
        Ok(dropped)
    }

    fn state_of(&self, arrival: u64) -> Result<Option<(EnvelopeId, State)>, StoreError> {
        match self.states.get(&row::log_key(arrival))? {
            None => Ok(None),
            Some(state) => readable(STATES, State::decode(state.bytes())).map(Some),
        }
    }

    fn with_entry<T>(
        &self,
        arrival: u64,
        read: impl FnOnce(&Entry<'_>) -> T,
    ) -> Result<T, StoreError> {
        let value = readable(LOG, self.log.get(&row::log_key(arrival))?)?;
        let entry = readable(LOG, Entry::decode(value.bytes()))?;
        Ok(read(&entry))
    }
}

/// What all tables but the log say of an envelope.
struct Indexed {
    shard: Shard,
    expiry: ExpiryHour,
    drop_hour: ExpiryHour,
    tag: Option<Prefix>,
    content_bytes: u64,
}

/// Changing.
impl Tables {
    /// Adds an envelope that is not there, and returns its arrival number.
    pub(super) fn add(
        &mut self,
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
        drop_hour: ExpiryHour,
        source: Option<SourceId>,
    ) -> Result<u64, StoreError> {
        let arrival = self.totals.last_arrival + 1;
        let bucket = Bucket { shard: header.shard, hour: header.expiry };
        let entry = Entry { id: *id, nonce: envelope.nonce, drop_hour, content: &envelope.content };
        self.log.put_new(row::log_key(arrival), entry.encode());
        self.ends.put_new(row::end_key(drop_hour, arrival), id.0);
        let tag = header.tag(&envelope.content).map(|tag| Prefix::of_tag(&tag));
        self.members.put_new(row::bucket_entry_key(bucket, arrival), row::encode_member(id, tag));
        let charged = source.map(|source| (source, charge(envelope)));
        self.changes.add(Prefix::of_id(id), tag, arrival, charged);
        self.count_in(bucket, id)?;
        self.totals.last_arrival = arrival;
        self.totals.envelopes += 1;
        self.totals.bytes += bytes(envelope.content.len());
        Ok(arrival)
    }

    /// Takes an ack of a live envelope that has these so far.
    pub(super) fn acknowledge(
        &mut self,
        ack: &Ack,
        arrival: u64,
        mut acks: Vec<(u8, AckSecret)>,
    ) -> Result<Acknowledged, StoreError> {
        let (verified, slots) = self
            .with_entry(arrival, |entry| {
                let header = Header::parse(entry.content).ok()?;
                Some((header.verifies(entry.content, ack), header.slots))
            })?
            .ok_or(StoreError::Record { table: LOG })?;
        if !verified {
            return Ok(Acknowledged::Invalid);
        }
        if acks.iter().any(|(slot, _)| *slot == ack.slot) {
            return Ok(Acknowledged::Known);
        }
        acks.push((ack.slot, ack.secret.clone()));
        if acks.len() < usize::from(slots) {
            self.set_state(&ack.envelope, arrival, &State::Live { acks });
            return Ok(Acknowledged::Accepted);
        }
        let Indexed { expiry, drop_hour, content_bytes, .. } =
            self.drop_body(&ack.envelope, arrival)?;
        let prefix = Prefix::of_id(&ack.envelope);
        self.changes.discharge(&self.index, prefix, arrival, content_bytes);
        self.set_state(&ack.envelope, arrival, &State::Purged { expiry, acks });
        self.move_end(&ack.envelope, arrival, drop_hour, expiry);
        self.totals.tombstones += 1;
        Ok(Acknowledged::Purged)
    }

    /// Drops what has ended at `now`, at most `max`.
    pub(super) fn sweep(&mut self, now: UnixMillis, max: usize) -> Result<usize, StoreError> {
        let hour = ExpiryHour::containing(now);
        let mut ended = Vec::new();
        let mut rows = self
            .ends
            .range(row::end_key(ExpiryHour(0), 0)..=row::end_key(hour, u64::MAX), false)?;
        while ended.len() < max
            && let Some((key, value)) = rows.next()?
        {
            ended.push((key, readable(ENDS, EnvelopeId::from_slice(value.bytes()).ok())?));
        }
        drop(rows);
        for (key, id) in &ended {
            self.end(key, id, now)?;
        }
        Ok(ended.len())
    }

    /// Drops a live envelope, as at the end of its life.
    pub(super) fn withdraw(&mut self, id: &EnvelopeId, now: UnixMillis) -> Result<(), StoreError> {
        let Some((arrival, State::Live { .. })) = self.find(id)? else { return Ok(()) };
        let drop_hour = self
            .with_entry(arrival, |entry| Some(entry.drop_hour))?
            .ok_or(StoreError::Record { table: LOG })?;
        self.end(&row::end_key(drop_hour, arrival), id, now)
    }

    fn end(&mut self, key: &[u8; 12], id: &EnvelopeId, now: UnixMillis) -> Result<(), StoreError> {
        let arrival = readable(ENDS, row::arrival_of(key))?;
        let state = self.state_of(arrival)?;
        let has_state = state.is_some();
        let prefix = Prefix::of_id(id);
        let mut charged = MAILBOX_ENTRY_BYTES;
        match state {
            None | Some((_, State::Live { .. })) => {
                let Indexed { expiry, drop_hour, content_bytes, .. } =
                    self.drop_body(id, arrival)?;
                charged += content_bytes;
                if !expiry.is_past(now) {
                    self.changes.discharge(&self.index, prefix, arrival, content_bytes);
                    self.set_state(id, arrival, &State::Dropped { expiry });
                    self.totals.tombstones += 1;
                    self.move_end(id, arrival, drop_hour, expiry);
                    return Ok(());
                }
            }
            Some((_, State::Purged { .. } | State::Dropped { .. })) => {
                self.totals.tombstones = self.totals.tombstones.saturating_sub(1);
            }
        }
        if has_state {
            self.states.remove_known(&row::log_key(arrival));
        }
        self.ends.remove_known(key);
        self.changes.remove_id(&self.index, prefix, arrival, charged);
        Ok(())
    }

    /// Removes a live envelope from the log and from what finds it there.
    fn drop_body(&mut self, id: &EnvelopeId, arrival: u64) -> Result<Indexed, StoreError> {
        let indexed = self
            .with_entry(arrival, |entry| {
                let header = Header::parse(entry.content).ok()?;
                Some(Indexed {
                    shard: header.shard,
                    expiry: header.expiry,
                    drop_hour: entry.drop_hour,
                    tag: header.tag(entry.content).map(|tag| Prefix::of_tag(&tag)),
                    content_bytes: bytes(entry.content.len()),
                })
            })?
            .ok_or(StoreError::Record { table: LOG })?;
        let bucket = Bucket { shard: indexed.shard, hour: indexed.expiry };
        self.log.remove_known(&row::log_key(arrival));
        if let Some(tag) = indexed.tag {
            self.changes.remove_tag(tag, arrival);
        }
        self.members.remove_known(&row::bucket_entry_key(bucket, arrival));
        self.count_out(bucket, id)?;
        self.totals.envelopes = self.totals.envelopes.saturating_sub(1);
        self.totals.bytes = self.totals.bytes.saturating_sub(indexed.content_bytes);
        Ok(indexed)
    }

    fn set_state(&mut self, id: &EnvelopeId, arrival: u64, state: &State) {
        self.states.put(row::log_key(arrival), state.encode(id));
    }

    fn move_end(&mut self, id: &EnvelopeId, arrival: u64, from: ExpiryHour, to: ExpiryHour) {
        if from == to {
            return;
        }
        self.ends.remove_known(&row::end_key(from, arrival));
        self.ends.put_new(row::end_key(to, arrival), id.0);
    }

    fn count_in(&mut self, bucket: Bucket, id: &EnvelopeId) -> Result<(), StoreError> {
        let key = row::bucket_key(bucket);
        let (count, mut fingerprint) = self.digest(&key)?;
        fingerprint.add(id);
        self.digests.put(key, row::encode_digest(count + 1, &fingerprint));
        Ok(())
    }

    fn count_out(&mut self, bucket: Bucket, id: &EnvelopeId) -> Result<(), StoreError> {
        let key = row::bucket_key(bucket);
        let (count, mut fingerprint) = self.digest(&key)?;
        if count <= 1 {
            self.digests.remove_known(&key);
            return Ok(());
        }
        fingerprint.remove(id);
        self.digests.put(key, row::encode_digest(count - 1, &fingerprint));
        Ok(())
    }

    fn digest(&self, key: &[u8; 6]) -> Result<(u64, Fingerprint), StoreError> {
        match self.digests.get(key)? {
            None => Ok((0, Fingerprint::default())),
            Some(value) => readable(DIGESTS, row::decode_digest(value.bytes())),
        }
    }
}

/// What an envelope counts for, in all and to its source.
pub(super) fn charge(envelope: &Envelope) -> u64 {
    bytes(envelope.content.len()).saturating_add(MAILBOX_ENTRY_BYTES)
}

fn arrived(arrival: u64, entry: &Entry<'_>) -> Arrived {
    Arrived { arrival, id: entry.id, envelope: entry.envelope() }
}

/// What a row says, or that it says nothing.
fn readable<T>(table: &'static str, decoded: Option<T>) -> Result<T, StoreError> {
    decoded.ok_or(StoreError::Record { table })
}

fn write_rows<const K: usize, V: Held + AsRef<[u8]>>(
    layer: Layer<K, V>,
    transaction: &WriteTransaction,
) -> Result<(), StoreError> {
    if !layer.is_dirty() {
        return Ok(());
    }
    let definition = Definition::<K, V>::new(layer.table());
    let mut table = transaction.open_table(definition).map_err(StoreError::failed)?;
    let mut rows = layer.into_written().peekable();
    while let Some((key, value)) = rows.next() {
        let Some(value) = value else {
            let mut last = key;
            while let Some((next, _)) = rows.next_if(|(next, value)| {
                value.is_none() && successor(&last).is_some_and(|successor| successor == *next)
            }) {
                last = next;
            }
            // What follows one another goes page by page, not row by row: a sweep in half the time.
            table
                .retain_in::<&[u8], _>(&key[..]..=&last[..], |_, _| false)
                .map_err(StoreError::failed)?;
            continue;
        };
        table.insert(&key[..], value.as_ref()).map_err(StoreError::failed)?;
    }
    Ok(())
}

/// The next key of as many bytes, if there is one.
fn successor<const K: usize>(key: &[u8; K]) -> Option<[u8; K]> {
    let mut next = *key;
    for byte in next.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(next);
        }
    }
    None
}
