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
//! | `meta` | name | schema version, totals, the network, the time last vouched for, the last openings | in place |
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
//!
//! [`MAILBOX_ENTRY_BYTES`]: crate::limits::MAILBOX_ENTRY_BYTES
//! [`MAILBOX_RESERVE_BYTES`]: crate::limits::MAILBOX_RESERVE_BYTES

use std::path::Path;
use std::sync::Arc;

use martlet_protocol::{Envelope, EnvelopeId};
use redb::{ReadTransaction, StorageBackend, WriteTransaction};

use crate::database::{self, Database, LastCommit};
use crate::error::StoreError;
use crate::limits::{MAILBOX_CHECKED_BYTES_MAX, MAILBOX_ENTRY_BYTES};
use crate::schema::{Contents, Schema};
use index::Index;
use tables::Tables;

mod forget;
mod index;
mod network;
mod row;
mod shared;
mod tables;
mod txn;
mod view;

pub use network::CheckedFor;
pub use shared::SharedContents;
pub use txn::MailboxTxn;
pub use view::MailboxView;

/// The mailbox database.
#[derive(Debug)]
pub struct Mailbox {
    database: Database,
    options: MailboxOptions,
    index: Arc<Index>,
    shared: Option<SharedContents>,
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

/// One time that the mailbox was opened. Arrivals before it are those of the openings before it: so a number of
/// an older copy, or of a mailbox that was begun anew, is told from the same number here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Drawn for this opening.
    pub id: u64,
    /// The first arrival number that is its own.
    pub first_arrival: u64,
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

impl MailboxStats {
    /// Bytes that the quota counts.
    #[must_use]
    pub fn charged(&self) -> u64 {
        let entries = self.envelopes.saturating_add(self.tombstones);
        entries.saturating_mul(MAILBOX_ENTRY_BYTES).saturating_add(self.bytes)
    }
}

static SCHEMA: Schema = Schema {
    meta: tables::META,
    // Whatever it was before, it is empty afterwards.
    steps: &[forget::forget, forget::forget],
    checked_bytes_max: MAILBOX_CHECKED_BYTES_MAX,
};

impl Mailbox {
    /// Opens the mailbox at `path`, made empty if there is none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and [`StoreError::TooNew`], with the file left as it was;
    /// [`StoreError::Failed`].
    pub fn open(path: &Path, options: MailboxOptions) -> Result<Self, StoreError> {
        Self::from_source(database::Source::File(path.to_path_buf()), options, None)
    }

    /// Opens the mailbox in `backend`: in memory for simulations, one that fails for tests.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with_backend(
        backend: impl StorageBackend,
        options: MailboxOptions,
    ) -> Result<Self, StoreError> {
        Self::from_source(database::Source::backend(backend), options, None)
    }

    /// The same for one of many mailboxes of a simulation: contents of envelopes are in `shared`, and not in `backend`. It
    /// must be opened with the same ones again.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with_shared_contents(
        backend: impl StorageBackend,
        options: MailboxOptions,
        shared: SharedContents,
    ) -> Result<Self, StoreError> {
        Self::from_source(database::Source::backend(backend), options, Some(shared))
    }

    fn from_source(
        source: database::Source,
        options: MailboxOptions,
        shared: Option<SharedContents>,
    ) -> Result<Self, StoreError> {
        let database = Database::make(source, &SCHEMA, &Empty, options.cache_bytes)?;
        let mailbox = Self { database, options, index: Arc::default(), shared };
        mailbox.view()?.tables.fill_index()?;
        Ok(mailbox)
    }

    /// Makes it one of envelopes that were checked for `wanted`: begun anew if it is of another network, or was
    /// checked for less. One that doesn't say is taken to be for `before`, or for `wanted`. Returns whether it was
    /// begun anew.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn keep_for(
        &self,
        wanted: &CheckedFor,
        before: Option<&CheckedFor>,
    ) -> Result<bool, StoreError> {
        let found = CheckedFor::read(&self.database.read()?)?;
        if found.as_ref() == Some(wanted) {
            return Ok(false);
        }
        let is_foreign = found.as_ref().or(before).is_some_and(|found| !found.serves(wanted));
        let transaction = self.database.write()?;
        if is_foreign {
            forget::forget(&transaction.redb)?;
        }
        wanted.write(&transaction.redb)?;
        transaction.commit()?;
        if is_foreign {
            self.view()?.tables.fill_index()?;
        }
        Ok(is_foreign)
    }

    /// Begins a write transaction; waits until there is no other.
    ///
    /// # Errors
    /// [`StoreError::Failed`], always after a failed commit until [`Self::reopen`].
    pub fn begin(&self) -> Result<MailboxTxn, StoreError> {
        // First, so that no other commit comes between the two.
        let transaction = self.database.write()?;
        let tables = Tables::new(&self.database.read()?, &self.index, self.shared.as_ref())?;
        let index = Arc::clone(&self.index);
        Ok(MailboxTxn { transaction, tables, options: self.options, index })
    }

    /// A snapshot of what is committed. While it lives, no space freed since is used again: let it
    /// go soon.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn view(&self) -> Result<MailboxView, StoreError> {
        Ok(MailboxView {
            tables: Tables::new(&self.database.read()?, &self.index, self.shared.as_ref())?,
        })
    }

    /// Opens the database again after a commit failed (a full disk, say): until then every
    /// transaction is refused. Tells what became of that commit. Views taken before are of no use
    /// any more. What each peer holds is forgotten, as at every opening.
    ///
    /// # Errors
    /// As [`Self::open`]. The mailbox can be read, if the disk can, and this can be tried again.
    pub fn reopen(&self) -> Result<LastCommit, StoreError> {
        let last = self.database.reopen()?;
        self.view()?.tables.fill_index()?;
        Ok(last)
    }
}

/// A new mailbox holds nothing.
struct Empty;

impl Contents for Empty {
    fn fill(&self, _: &WriteTransaction) -> Result<(), StoreError> {
        Ok(())
    }

    fn inspect(&self, _: &ReadTransaction, _: &Path) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A length as the quota counts it.
fn bytes(len: usize) -> u64 {
    // usize is at most 64 bits on every platform Rust has.
    u64::try_from(len).unwrap_or(u64::MAX)
}
