//! Changing the mailbox: what fits, what an ack does, what has ended.

use std::sync::Arc;

use martlet_protocol::limits::ENVELOPE_BYTES_MAX;
use martlet_protocol::{Ack, AckSecret, Envelope, EnvelopeId, ExpiryHour, Header, Tag, UnixMillis};

use super::index::{self, Index};
use super::tables::{self, Tables};
use super::{
    Acknowledged, Arrived, Inserted, MailboxOptions, MailboxStats, Source, SourceId, bytes, row,
};
use crate::database::Transaction;
use crate::error::StoreError;
use crate::limits::{
    MAILBOX_ENTRY_BYTES, MAILBOX_REOPENED_BYTES, MAILBOX_REOPENED_PART, MAILBOX_RESERVE_BYTES,
};
use crate::vault::VaultSeen;

/// A write transaction: one at a time, atomic, on disk once committed. Dropped without a commit it
/// leaves nothing behind.
pub struct MailboxTxn {
    pub(super) transaction: Transaction,
    pub(super) tables: Tables,
    pub(super) options: MailboxOptions,
    pub(super) index: Arc<Index>,
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
        if let Some(known) = self.known(id)? {
            return Ok(known);
        }
        let charge = tables::charge(envelope);
        let MailboxOptions { bytes_max, bytes_per_source_max, .. } = self.options;
        let (max, source) = match source {
            Source::Own => (bytes_max.saturating_add(MAILBOX_RESERVE_BYTES), None),
            Source::Peer(source) => (bytes_max, Some(source)),
        };
        let is_last = self.tables.totals().last_arrival + 1 >= index::ARRIVALS_MAX;
        if self.charged().saturating_add(charge) > max || is_last {
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

    /// What inserting an envelope that is here, or was, would do; `None` if it is new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn known(&self, id: &EnvelopeId) -> Result<Option<Inserted>, StoreError> {
        Ok(self.tables.find(id)?.map(|(_, state)| match state {
            row::State::Live { .. } => Inserted::Known,
            row::State::Purged { .. } | row::State::Dropped { .. } => Inserted::Purged,
        }))
    }

    /// Whether there is room again for more than one envelope that a peer may bring, after one was refused as
    /// [`Inserted::Full`].
    #[must_use]
    pub fn has_room(&self) -> bool {
        leaves_room(self.charged(), self.options.bytes_max)
    }

    /// The same of what one peer may bring, after one of its envelopes was refused as [`Inserted::OverShare`].
    #[must_use]
    pub fn has_room_for(&self, source: &SourceId) -> bool {
        leaves_room(self.tables.held(source), self.options.bytes_per_source_max)
    }

    /// Bytes charged in all.
    fn charged(&self) -> u64 {
        self.tables.stats().charged()
    }

    /// Of `ids`: those the mailbox lacks, and the acks of those it has dropped because they were acknowledged.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction is of no use then.
    pub fn lacking(&self, ids: &[EnvelopeId]) -> Result<(Vec<EnvelopeId>, Vec<Ack>), StoreError> {
        self.tables.lacking(ids)
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

    /// Whether an ack is known here, or of no use any more; `None` if its envelope isn't here. Takes nothing, and checks
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_ack(&self, ack: &Ack) -> Result<Option<bool>, StoreError> {
        let has = |acks: &[(u8, AckSecret)]| {
            acks.iter().any(|(slot, secret)| (*slot, secret) == (ack.slot, &ack.secret))
        };
        Ok(self.tables.find(&ack.envelope)?.map(|(_, state)| match state {
            row::State::Live { acks } => has(&acks),
            row::State::Purged { .. } | row::State::Dropped { .. } => true,
        }))
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

    /// Notes that the mailbox was opened, under an id that no other opening has. Arrivals from here on are its own.
    pub fn note_opening(&mut self, id: u64) {
        self.tables.note_opening(id);
    }

    /// Notes how far the user's vault is, with whatever is committed next: an older copy of it shows by this.
    pub fn note_vault(&mut self, seen: VaultSeen) {
        self.tables.note_vault(seen);
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

    /// The first of them, at most `max`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn first_by_tag(&self, tag: &Tag, max: usize) -> Result<Vec<Arrived>, StoreError> {
        self.tables.by_tag(tag, max)
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
    /// [`StoreError::Failed`]: continue with [`Mailbox::reopen`](super::Mailbox::reopen).
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

/// Whether beside what is `charged` there is so much room that it is worth telling.
fn leaves_room(charged: u64, max: u64) -> bool {
    let largest = bytes(ENVELOPE_BYTES_MAX).saturating_add(MAILBOX_ENTRY_BYTES);
    let room = (max / MAILBOX_REOPENED_PART).min(MAILBOX_REOPENED_BYTES).max(largest);
    charged.saturating_add(room) <= max
}

impl std::fmt::Debug for MailboxTxn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailboxTxn").field("stats", &self.tables.stats()).finish_non_exhaustive()
    }
}
