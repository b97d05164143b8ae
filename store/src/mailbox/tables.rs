//! The mailbox's tables: opened, written, and what is known of them all.

use std::sync::Arc;

use martlet_protocol::{Envelope, EnvelopeId, UnixMillis};
use redb::{ReadTransaction, WriteTransaction};

use super::index::{Changes, Index, Prefix};
use super::row::{self, Entry, State, Totals};
use super::shared::{Content, SharedContents};
use super::{MailboxStats, Opening, SourceId, bytes};
use crate::error::StoreError;
use crate::layer::{Definition, Held, Layer};
use crate::limits::{MAILBOX_ENTRY_BYTES, MAILBOX_OPENINGS_MAX};
use crate::schema::Meta;
use crate::vault::VaultSeen;

mod change;
mod read;

pub(super) const META: &str = "meta";
const LOG: &str = "log";
const STATES: &str = "states";
const ENDS: &str = "ends";
const MEMBERS: &str = "members";
const DIGESTS: &str = "digests";

pub(super) const TOTALS_KEY: &[u8] = b"totals";
const TIME_KEY: &[u8] = b"time";
const OPENINGS_KEY: &[u8] = b"openings";
const VAULT_KEY: &[u8] = b"vault";

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
    openings: Vec<Opening>,
    /// Whether one was added.
    has_new_opening: bool,
    vault: Option<VaultSeen>,
    index: Arc<Index>,
    /// Where contents are, if not in the log.
    shared: Option<SharedContents>,
    changes: Changes,
}

impl Tables {
    pub(super) fn new(
        snapshot: &ReadTransaction,
        index: &Arc<Index>,
        shared: Option<&SharedContents>,
    ) -> Result<Self, StoreError> {
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
        let openings = match meta.get(OPENINGS_KEY).map_err(StoreError::failed)? {
            None => Vec::new(),
            Some(openings) => readable(META, row::decode_openings(openings.value()))?,
        };
        let vault = match meta.get(VAULT_KEY).map_err(StoreError::failed)? {
            None => None,
            Some(seen) => Some(readable(META, row::decode_seen(seen.value()))?),
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
            openings,
            has_new_opening: false,
            vault,
            index: Arc::clone(index),
            shared: shared.cloned(),
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

    pub(super) fn openings(&self) -> &[Opening] {
        &self.openings
    }

    pub(super) fn note_opening(&mut self, id: u64) {
        let first_arrival = self.totals.last_arrival + 1;
        let over = (self.openings.len() + 1).saturating_sub(MAILBOX_OPENINGS_MAX);
        self.openings.drain(..over);
        self.openings.push(Opening { id, first_arrival });
        self.has_new_opening = true;
    }

    pub(super) fn vault(&self) -> Option<VaultSeen> {
        self.vault
    }

    pub(super) fn note_vault(&mut self, seen: VaultSeen) {
        self.vault = Some(seen);
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
            || self.has_new_opening
    }

    /// Writes what was changed. What becomes of the index is for [`Index::settle`], once that is
    /// committed.
    pub(super) fn write(self, transaction: &WriteTransaction) -> Result<Changes, StoreError> {
        let mut meta = transaction.open_table(Meta::new(META)).map_err(StoreError::failed)?;
        meta.insert(TOTALS_KEY, self.totals.encode().as_slice()).map_err(StoreError::failed)?;
        if let Some(time) = self.time {
            meta.insert(TIME_KEY, time.0.to_be_bytes().as_slice()).map_err(StoreError::failed)?;
        }
        if self.has_new_opening {
            let openings = row::encode_openings(&self.openings);
            meta.insert(OPENINGS_KEY, openings.as_slice()).map_err(StoreError::failed)?;
        }
        if let Some(seen) = &self.vault {
            meta.insert(VAULT_KEY, row::encode_seen(seen).as_slice())
                .map_err(StoreError::failed)?;
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

    /// The envelope of a row of the log, with its content.
    fn entry<'a>(&self, row: &'a [u8]) -> Result<Entry<'a>, StoreError> {
        let mut entry = readable(LOG, Entry::decode(row))?;
        if let Some(shared) = &self.shared {
            entry.content = Content::Shared(readable(LOG, shared.get(&entry.id))?);
        }
        Ok(entry)
    }

    /// Who brought an envelope.
    pub(super) fn source(&self, id: &EnvelopeId, arrival: u64) -> Option<SourceId> {
        self.changes.source(&self.index, Prefix::of_id(id), arrival)
    }

    /// Bytes charged to a source.
    pub(super) fn held(&self, source: &SourceId) -> u64 {
        self.index.held(source, &self.changes)
    }
}

/// What an envelope counts for, in all and to its source.
pub(super) fn charge(envelope: &Envelope) -> u64 {
    bytes(envelope.content.len()).saturating_add(MAILBOX_ENTRY_BYTES)
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
