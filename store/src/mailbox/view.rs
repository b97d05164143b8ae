//! Reading the mailbox beside its writer.

use martlet_protocol::sync::{Bucket, BucketDigest};
use martlet_protocol::{Ack, Envelope, EnvelopeId, Shard, Tag, UnixMillis};

use super::tables::Tables;
use super::{Arrived, MailboxStats, Opening};
use crate::error::StoreError;
use crate::vault::VaultSeen;

/// A snapshot for reading, beside any writer.
#[derive(Debug)]
pub struct MailboxView {
    pub(super) tables: Tables,
}

impl MailboxView {
    /// The moment that was kept last.
    #[must_use]
    pub fn time(&self) -> Option<UnixMillis> {
        self.tables.time()
    }

    /// The last times that the mailbox was opened, ascending, at most
    /// [`MAILBOX_OPENINGS_MAX`](crate::limits::MAILBOX_OPENINGS_MAX).
    #[must_use]
    pub fn openings(&self) -> &[Opening] {
        self.tables.openings()
    }

    /// The vault that was open with this mailbox last, as it was when the mailbox was committed last, or earlier.
    #[must_use]
    pub fn vault(&self) -> Option<VaultSeen> {
        self.tables.vault()
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

    /// Those of `ids` that are live, until `bytes_max` bytes of content are reached (at least one): in order of arrival, but
    /// those of the [largest size](martlet_protocol::envelope::is_large) after all others. And those that aren't live (absent or
    /// tombstones).
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

    /// Acks of live envelopes that some of their devices acknowledged and others did not, with their shards: the newest `max`,
    /// of the newest `rows` envelopes that were acknowledged or have ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn partial_acks(&self, rows: usize, max: usize) -> Result<Vec<(Shard, Ack)>, StoreError> {
        self.tables.partial_acks(rows, max)
    }

    /// Of `ids`: those dropped at the end of their life here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn dropped(&self, ids: &[EnvelopeId]) -> Result<Vec<EnvelopeId>, StoreError> {
        self.tables.dropped(ids)
    }
}
