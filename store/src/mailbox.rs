//! The mailbox: envelopes of others (and one's own, on their way), as any node may hold them.
//!
//! Envelopes are kept in a log, in the order they arrived. One file, these tables (their rows are
//! in `row.rs`; numbers sort as they count):
//!
//! | table | key | value | written |
//! | --- | --- | --- | --- |
//! | `log` | arrival | id, nonce, local drop hour, content | at the end |
//! | `states` | arrival | id; live, purged or dropped; acks | of what has acks, or is a tombstone |
//! | `ends` | hour, arrival | id | at the end of an hour |
//! | `members` | shard, expiry hour, arrival | id, first bytes of the tag | at the end of a bucket |
//! | `digests` | shard, expiry hour | count, fingerprint | in place |
//! | `meta` | name | schema version, totals, the time last vouched for | in place |
//!
//! All are in order of arrival, so that a batch of envelopes touches few pages. What is found by id
//! or by tag is found by an index in memory (`index.rs`), which is read from the tables at the start.
//!
//! **Ends.** An envelope is dropped at its local drop hour: the earlier of the expiry its header
//! names and six days after it arrived here, so nobody can extend a life. Where the header's hour
//! is later (a clock that runs ahead), a tombstone stays until then, so that it does not come back
//! from a node where it arrived later. An envelope acknowledged in all its slots loses its body at
//! once; its tombstone keeps the acks until the header's expiry, to be handed on. `ends` is the
//! order in which all of these go: sweeping is a range delete, and costs what it drops.
//!
//! **Quota.** Each live envelope counts its content and [`MAILBOX_ENTRY_BYTES`], each tombstone
//! [`MAILBOX_ENTRY_BYTES`], to all and to the peer that brought it. What does not fit is refused;
//! nothing is evicted for it. The user's own mail is charged to no peer, and has
//! [`MAILBOX_RESERVE_BYTES`] above the quota: a mailbox that strangers filled still takes it.

use std::path::Path;
use std::sync::Arc;

use crate::limits::{MAILBOX_CHECKED_BYTES_MAX, MAILBOX_ENTRY_BYTES, MAILBOX_RESERVE_BYTES};
use martlet_protocol::sync::{Bucket, BucketDigest};
use martlet_protocol::{Ack, Envelope, EnvelopeId, ExpiryHour, Header, Tag, UnixMillis};
use redb::{ReadTransaction, StorageBackend, WriteTransaction};

use crate::database::{self, Database, LastCommit, Transaction};
use crate::error::StoreError;
use crate::schema::{Contents, Schema};
use index::Index;
use tables::Tables;

mod index;
mod row;
mod tables;
mod version_3;

/// The mailbox database.
#[derive(Debug)]
pub struct Mailbox {
    database: Database,
    options: MailboxOptions,
    index: Arc<Index>,
}

/// How to open a mailbox.
#[derive(Debug, Clone, Copy)]
pub struct MailboxOptions {
    /// Bytes of envelopes held at most.
    pub bytes_max: u64,
    /// Bytes held at most of what one peer brought since the mailbox was opened.
    pub bytes_per_source_max: u64,
    /// Bytes of memory redb may use as cache.
    pub cache_bytes: usize,
}

/// Where an envelope comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The user made it, or waits for it.
    Own,
    /// A peer brought it.
    Peer(SourceId),
}

/// A peer, as the mailbox knows it: any number that is the peer's alone as long as the mailbox is
/// open. It is kept in memory only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourceId(pub u64);

/// What became of an inserted envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is new; `arrival` is its place in the order of arrival, from 1.
    New {
        /// Its place.
        arrival: u64,
    },
    /// It was there.
    Known,
    /// It was there, and was purged or dropped: it does not come back.
    Purged,
    /// The quota is reached; nothing was evicted for it.
    Full,
    /// The peer that brought it holds its share of the mailbox; nothing was evicted for it.
    OverShare,
}

/// What became of an ack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// The envelope isn't here: keep the ack for a while.
    NoEnvelope,
    /// It does not open the slot's commitment.
    Invalid,
    /// Known already, or of an envelope dropped at the end of its life here: of no use.
    Known,
    /// New; other slots are still open.
    Accepted,
    /// New, and the last one: the body is gone, a tombstone stays until expiry.
    Purged,
}

/// An envelope with its place in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Its place, from 1.
    pub arrival: u64,
    /// Its id.
    pub id: EnvelopeId,
    /// The envelope.
    pub envelope: Envelope,
}

/// How full the mailbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailboxStats {
    /// Live envelopes.
    pub envelopes: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// The last arrival number given.
    pub last_arrival: u64,
}

/// A write transaction: one at a time, atomic, on disk once committed. Dropped without a commit it
/// leaves nothing behind.
pub struct MailboxTxn {
    transaction: Transaction,
    tables: Tables,
    options: MailboxOptions,
    index: Arc<Index>,
}

/// A snapshot for reading, beside any writer.
#[derive(Debug)]
pub struct MailboxView {
    tables: Tables,
}

static SCHEMA: Schema = Schema {
    meta: tables::META,
    // Whatever it was before, it is empty afterwards.
    steps: &[version_3::migrate, version_3::migrate],
    checked_bytes_max: MAILBOX_CHECKED_BYTES_MAX,
};

impl Mailbox {
    /// Opens the mailbox at `path`, made empty if there is none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and [`StoreError::TooNew`], with the file left as it was;
    /// [`StoreError::Failed`].
    pub fn open(path: &Path, options: MailboxOptions) -> Result<Self, StoreError> {
        Self::from_source(database::Source::File(path.to_path_buf()), options)
    }

    /// Opens the mailbox in `backend`: in memory for simulations, one that fails for tests.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with_backend(
        backend: impl StorageBackend,
        options: MailboxOptions,
    ) -> Result<Self, StoreError> {
        Self::from_source(database::Source::backend(backend), options)
    }

    fn from_source(source: database::Source, options: MailboxOptions) -> Result<Self, StoreError> {
        let database = Database::open(source, &SCHEMA, &Empty, options.cache_bytes)?;
        let mailbox = Self { database, options, index: Arc::default() };
        mailbox.view()?.tables.fill_index()?;
        Ok(mailbox)
    }

    /// Begins a write transaction; waits until there is no other.
    ///
    /// # Errors
    /// [`StoreError::Failed`], always after a failed commit until [`Self::reopen`].
    pub fn begin(&self) -> Result<MailboxTxn, StoreError> {
        // First, so that no other commit comes between the two.
        let transaction = self.database.write()?;
        let tables = Tables::new(&self.database.read()?, &self.index)?;
        let index = Arc::clone(&self.index);
        Ok(MailboxTxn { transaction, tables, options: self.options, index })
    }

    /// A snapshot of what is committed. While it lives, no space freed since is used again: let it
    /// go soon.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn view(&self) -> Result<MailboxView, StoreError> {
        Ok(MailboxView { tables: Tables::new(&self.database.read()?, &self.index)? })
    }

    /// Opens the database again after a commit failed (a full disk, say): until then every
    /// transaction is refused. Tells what became of that commit. Views taken before are of no use
    /// any more. What each peer holds is forgotten, as at every opening.
    ///
    /// # Errors
    /// As [`Self::open`]. The mailbox stays closed, and this can be tried again.
    pub fn reopen(&self) -> Result<LastCommit, StoreError> {
        let last = self.database.reopen()?;
        self.view()?.tables.fill_index()?;
        Ok(last)
    }
}

impl MailboxTxn {
    /// Keeps an envelope that was checked at `now` and has this header.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction is of no use then.
    pub fn insert(
        &mut self,
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
        source: Source,
        now: UnixMillis,
    ) -> Result<Inserted, StoreError> {
        match self.tables.find(id)? {
            Some((_, row::State::Live { .. })) => return Ok(Inserted::Known),
            Some((_, row::State::Purged { .. } | row::State::Dropped { .. })) => {
                return Ok(Inserted::Purged);
            }
            None => {}
        }
        let charge = tables::charge(envelope);
        let totals = self.tables.totals();
        let charged = totals
            .envelopes
            .saturating_add(totals.tombstones)
            .saturating_mul(MAILBOX_ENTRY_BYTES)
            .saturating_add(totals.bytes)
            .saturating_add(charge);
        let MailboxOptions { bytes_max, bytes_per_source_max, .. } = self.options;
        let (max, source) = match source {
            Source::Own => (bytes_max.saturating_add(MAILBOX_RESERVE_BYTES), None),
            Source::Peer(source) => (bytes_max, Some(source)),
        };
        if charged > max || totals.last_arrival + 1 >= index::ARRIVALS_MAX {
            return Ok(Inserted::Full);
        }
        let is_over_share =
            |source| self.tables.held(source).saturating_add(charge) > bytes_per_source_max;
        if source.as_ref().is_some_and(is_over_share) {
            return Ok(Inserted::OverShare);
        }
        let drop_hour = header.expiry.min(ExpiryHour::latest(now));
        let arrival = self.tables.add(id, envelope, header, drop_hour, source)?;
        Ok(Inserted::New { arrival })
    }

    /// Takes an ack, unchecked.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction is of no use then.
    pub fn acknowledge(&mut self, ack: &Ack) -> Result<Acknowledged, StoreError> {
        match self.tables.find(&ack.envelope)? {
            None => Ok(Acknowledged::NoEnvelope),
            // Without the content it can't be told from a false one, nor is it of use.
            Some((_, row::State::Dropped { .. })) => Ok(Acknowledged::Known),
            Some((_, row::State::Purged { acks, .. })) => {
                let known =
                    acks.iter().any(|(slot, secret)| (*slot, secret) == (ack.slot, &ack.secret));
                Ok(if known { Acknowledged::Known } else { Acknowledged::Invalid })
            }
            Some((arrival, row::State::Live { acks })) => {
                self.tables.acknowledge(ack, arrival, acks)
            }
        }
    }

    /// Drops at most `max` expired envelopes and tombstones; returns how many went.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction is of no use then.
    pub fn sweep(&mut self, now: UnixMillis, max: usize) -> Result<usize, StoreError> {
        self.tables.sweep(now, max)
    }

    /// Drops a live envelope before the end of its life; a tombstone stays until its header's hour.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction is of no use then.
    pub fn withdraw(&mut self, id: &EnvelopeId, now: UnixMillis) -> Result<(), StoreError> {
        self.tables.withdraw(id, now)
    }

    /// Keeps a moment that has surely come.
    pub fn keep_time(&mut self, time: UnixMillis) {
        self.tables.keep_time(time);
    }

    /// The live envelope `id`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn get(&self, id: &EnvelopeId) -> Result<Option<Envelope>, StoreError> {
        self.tables.get(id)
    }

    /// Live envelopes with this tag, in order of arrival.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn by_tag(&self, tag: &Tag) -> Result<Vec<Arrived>, StoreError> {
        self.tables.by_tag(tag, usize::MAX)
    }

    /// Live envelopes that arrived after `arrival`, in order, at most `max`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn arrived_after(&self, arrival: u64, max: usize) -> Result<Vec<Arrived>, StoreError> {
        self.tables.arrived_after(arrival, max)
    }

    /// Which peer brought the envelope that arrived there; `None` if the user made it or waited for it, or
    /// if it came before the mailbox was opened.
    #[must_use]
    pub fn source(&self, id: &EnvelopeId, arrival: u64) -> Option<SourceId> {
        self.tables.source(id, arrival)
    }

    /// How full the mailbox is, with what this transaction did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stats(&self) -> Result<MailboxStats, StoreError> {
        Ok(self.tables.stats())
    }

    /// Whether it changed anything.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.tables.is_dirty()
    }

    /// Writes everything to disk, and returns once it is there. Free of charge if nothing changed.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: continue with [`Mailbox::reopen`].
    pub fn commit(self) -> Result<(), StoreError> {
        if !self.is_dirty() {
            return self.transaction.abort();
        }
        let changes = self.tables.write(&self.transaction.redb)?;
        self.transaction.commit()?;
        self.index.settle(changes);
        Ok(())
    }
}

impl MailboxView {
    /// The moment that was kept last.
    #[must_use]
    pub fn time(&self) -> Option<UnixMillis> {
        self.tables.time()
    }

    /// The live envelope `id`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn get(&self, id: &EnvelopeId) -> Result<Option<Envelope>, StoreError> {
        self.tables.get(id)
    }

    /// How full the mailbox is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stats(&self) -> Result<MailboxStats, StoreError> {
        Ok(self.tables.stats())
    }

    /// One digest per non-empty bucket of live envelopes, ascending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn digests(&self) -> Result<Vec<BucketDigest>, StoreError> {
        self.tables.digests()
    }

    /// Ids of the live envelopes of a bucket, ascending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bucket_ids(&self, bucket: Bucket) -> Result<Vec<EnvelopeId>, StoreError> {
        self.tables.bucket_ids(bucket)
    }

    /// Live envelopes that arrived after `arrival`, in order, at most `max`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn arrived_after(&self, arrival: u64, max: usize) -> Result<Vec<Arrived>, StoreError> {
        self.tables.arrived_after(arrival, max)
    }

    /// The first `max` live envelopes with this tag, in order of arrival.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn by_tag(&self, tag: &Tag, max: usize) -> Result<Vec<Arrived>, StoreError> {
        self.tables.by_tag(tag, max)
    }

    /// Those of `ids` that are live, in order of arrival, until `bytes_max` bytes of content are
    /// reached (at least one); and those that aren't live (absent or tombstones).
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn fetch(
        &self,
        ids: &[EnvelopeId],
        bytes_max: usize,
    ) -> Result<(Vec<Envelope>, Vec<EnvelopeId>), StoreError> {
        self.tables.fetch(ids, bytes_max)
    }

    /// Of `ids`: those unknown here, and the acks of those purged here. Live ones, and those
    /// dropped at the end of their life here, are in neither.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn lacking(&self, ids: &[EnvelopeId]) -> Result<(Vec<EnvelopeId>, Vec<Ack>), StoreError> {
        self.tables.lacking(ids)
    }

    /// Of `ids`: those dropped at the end of their life here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn dropped(&self, ids: &[EnvelopeId]) -> Result<Vec<EnvelopeId>, StoreError> {
        self.tables.dropped(ids)
    }
}

/// A new mailbox holds nothing.
struct Empty;

impl Contents for Empty {
    fn fill(&self, _: &WriteTransaction) -> Result<(), StoreError> {
        Ok(())
    }

    fn inspect(&self, _: &ReadTransaction) -> Result<(), StoreError> {
        Ok(())
    }
}

impl std::fmt::Debug for MailboxTxn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailboxTxn").field("stats", &self.tables.stats()).finish_non_exhaustive()
    }
}

/// A length as the quota counts it.
fn bytes(len: usize) -> u64 {
    // usize is at most 64 bits on every platform Rust has.
    u64::try_from(len).unwrap_or(u64::MAX)
}
