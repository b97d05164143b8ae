//! The mailbox: envelopes of others (and one's own, on their way), as any node may hold them.

use std::path::Path;

use martlet_protocol::sync::{Bucket, BucketDigest};
use martlet_protocol::{Ack, Envelope, EnvelopeId, Header, Tag, UnixMillis};

use crate::error::StoreError;

/// The mailbox database.
#[derive(Debug)]
pub struct Mailbox {}

/// How to open a mailbox.
#[derive(Debug, Clone, Copy)]
pub struct MailboxOptions {
    /// Bytes of envelopes held at most.
    pub bytes_max: u64,
    /// Bytes of memory redb may use as cache.
    pub cache_bytes: usize,
}

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
}

/// What became of an ack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// The envelope isn't here: keep the ack for a while.
    NoEnvelope,
    /// It does not open the slot's commitment.
    Invalid,
    /// Known already.
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

/// A write transaction: one at a time, atomic, on disk once committed.
#[derive(Debug)]
pub struct MailboxTxn {}

/// A snapshot for reading, beside any writer.
#[derive(Debug)]
pub struct MailboxView {}

#[expect(
    unused_variables,
    clippy::todo,
    missing_docs,
    clippy::missing_errors_doc,
    reason = "skeleton"
)]
impl Mailbox {
    pub fn open(path: &Path, options: MailboxOptions) -> Result<Self, StoreError> {
        todo!()
    }
    pub fn begin(&self) -> Result<MailboxTxn, StoreError> {
        todo!()
    }
    pub fn view(&self) -> Result<MailboxView, StoreError> {
        todo!()
    }
}

#[expect(
    unused_variables,
    clippy::todo,
    missing_docs,
    clippy::missing_errors_doc,
    reason = "skeleton"
)]
impl MailboxTxn {
    pub fn insert(
        &mut self,
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
        now: UnixMillis,
    ) -> Result<Inserted, StoreError> {
        todo!()
    }
    pub fn acknowledge(&mut self, ack: &Ack) -> Result<Acknowledged, StoreError> {
        todo!()
    }
    /// Drops at most `max` expired envelopes and tombstones; returns how many went.
    pub fn sweep(&mut self, now: UnixMillis, max: usize) -> Result<usize, StoreError> {
        todo!()
    }
    pub fn get(&self, id: &EnvelopeId) -> Result<Option<Envelope>, StoreError> {
        todo!()
    }
    /// Live envelopes with this tag, in order of arrival.
    pub fn by_tag(&self, tag: &Tag) -> Result<Vec<Arrived>, StoreError> {
        todo!()
    }
    /// Live envelopes that arrived after `arrival`, in order, at most `max`.
    pub fn arrived_after(&self, arrival: u64, max: usize) -> Result<Vec<Arrived>, StoreError> {
        todo!()
    }
    pub fn stats(&self) -> Result<MailboxStats, StoreError> {
        todo!()
    }
    pub fn commit(self) -> Result<(), StoreError> {
        todo!()
    }
}

#[expect(
    unused_variables,
    clippy::todo,
    missing_docs,
    clippy::missing_errors_doc,
    reason = "skeleton"
)]
impl MailboxView {
    pub fn get(&self, id: &EnvelopeId) -> Result<Option<Envelope>, StoreError> {
        todo!()
    }
    pub fn stats(&self) -> Result<MailboxStats, StoreError> {
        todo!()
    }
    /// One digest per non-empty bucket of live envelopes, ascending.
    pub fn digests(&self) -> Result<Vec<BucketDigest>, StoreError> {
        todo!()
    }
    /// Ids of the live envelopes of a bucket, ascending.
    pub fn bucket_ids(&self, bucket: Bucket) -> Result<Vec<EnvelopeId>, StoreError> {
        todo!()
    }
    /// Those of `ids` that are live, in order of arrival, until `bytes_max` bytes of content are
    /// reached (at least one); and those that aren't live (absent or tombstones).
    pub fn fetch(
        &self,
        ids: &[EnvelopeId],
        bytes_max: usize,
    ) -> Result<(Vec<Envelope>, Vec<EnvelopeId>), StoreError> {
        todo!()
    }
    /// Of `ids`: those unknown here, and the acks of those purged here. Live ones, and those
    /// dropped at the end of their life here, are in neither.
    pub fn lacking(&self, ids: &[EnvelopeId]) -> Result<(Vec<EnvelopeId>, Vec<Ack>), StoreError> {
        todo!()
    }
}
