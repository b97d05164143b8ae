//! How the tables are read.

use martlet_protocol::envelope::is_large;
use martlet_protocol::sync::{Bucket, BucketDigest};
use martlet_protocol::{Ack, Envelope, EnvelopeId, Header, Shard, Tag};

use super::{DIGESTS, LOG, MEMBERS, STATES, Tables, readable};
use crate::error::StoreError;
use crate::mailbox::Arrived;
use crate::mailbox::index::Prefix;
use crate::mailbox::row::{self, Entry, State};

impl Tables {
    /// What became of `id`, and its arrival.
    pub(in crate::mailbox) fn find(
        &self,
        id: &EnvelopeId,
    ) -> Result<Option<(u64, State)>, StoreError> {
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

    pub(in crate::mailbox) fn get(&self, id: &EnvelopeId) -> Result<Option<Envelope>, StoreError> {
        match self.find(id)? {
            Some((arrival, State::Live { .. })) => {
                self.with_entry(arrival, |entry| entry.envelope()).map(Some)
            }
            Some((_, State::Purged { .. } | State::Dropped { .. })) | None => Ok(None),
        }
    }

    pub(in crate::mailbox) fn by_tag(
        &self,
        tag: &Tag,
        max: usize,
    ) -> Result<Vec<Arrived>, StoreError> {
        let mut found = Vec::new();
        for arrival in self.index.tags(Prefix::of_tag(tag), &self.changes) {
            if found.len() >= max {
                break;
            }
            // Purged by this transaction, or of another snapshot, it isn't there.
            let Some(value) = self.log.get(&row::log_key(arrival))? else { continue };
            let entry = self.entry(value.bytes())?;
            let header = readable(LOG, Header::parse(&entry.content).ok())?;
            if header.tag(&entry.content).as_ref() == Some(tag) {
                found.push(arrived(arrival, &entry));
            }
        }
        Ok(found)
    }

    pub(in crate::mailbox) fn arrived_after(
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
            let entry = self.entry(value.bytes())?;
            found.push(arrived(u64::from_be_bytes(key), &entry));
        }
        Ok(found)
    }

    pub(in crate::mailbox) fn digests(&self) -> Result<Vec<BucketDigest>, StoreError> {
        let mut found = Vec::new();
        let mut rows = self.digests.range([0; 6]..=[u8::MAX; 6], false)?;
        while let Some((key, value)) = rows.next()? {
            let (count, fingerprint) = readable(DIGESTS, row::decode_digest(value.bytes()))?;
            found.push(BucketDigest { bucket: row::bucket_of(key), count, fingerprint });
        }
        Ok(found)
    }

    pub(in crate::mailbox) fn bucket_ids(
        &self,
        bucket: Bucket,
    ) -> Result<Vec<EnvelopeId>, StoreError> {
        let mut found = Vec::new();
        let keys = row::bucket_entry_key(bucket, 0)..=row::bucket_entry_key(bucket, u64::MAX);
        let mut rows = self.members.range(keys, false)?;
        while let Some((_, value)) = rows.next()? {
            found.push(readable(MEMBERS, row::decode_member(value.bytes()))?.0);
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(in crate::mailbox) fn fetch(
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
        // What somebody wrote goes before files, however many of these wait.
        let mut large = Vec::new();
        for arrival in live {
            let next = self.with_entry(arrival, |entry| match entry.content.len() {
                bytes if is_large(bytes) => Next::Later,
                bytes if bytes <= room || envelopes.is_empty() => Next::Now(entry.envelope()),
                _ => Next::End,
            })?;
            match next {
                Next::Later => large.push(arrival),
                Next::Now(envelope) => {
                    room = room.saturating_sub(envelope.content.len());
                    envelopes.push(envelope);
                }
                Next::End => return Ok((envelopes, gone)),
            }
        }
        for arrival in large {
            let envelope = self.with_entry(arrival, |entry| {
                (entry.content.len() <= room || envelopes.is_empty()).then(|| entry.envelope())
            })?;
            let Some(envelope) = envelope else { break };
            room = room.saturating_sub(envelope.content.len());
            envelopes.push(envelope);
        }
        Ok((envelopes, gone))
    }

    pub(in crate::mailbox) fn lacking(
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

    pub(in crate::mailbox) fn dropped(
        &self,
        ids: &[EnvelopeId],
    ) -> Result<Vec<EnvelopeId>, StoreError> {
        let mut dropped = Vec::new();
        for id in ids {
            match self.find(id)? {
                Some((_, State::Dropped { .. })) => dropped.push(*id),
                Some((_, State::Live { .. } | State::Purged { .. })) | None => {}
            }
        }
        Ok(dropped)
    }

    pub(in crate::mailbox) fn partial_acks(
        &self,
        rows: usize,
        max: usize,
    ) -> Result<Vec<(Shard, Ack)>, StoreError> {
        let mut found = Vec::new();
        let mut states = self.states.range(row::log_key(0)..=row::log_key(u64::MAX), true)?;
        for _ in 0..rows {
            if found.len() >= max {
                break;
            }
            let Some((key, value)) = states.next()? else { break };
            let (envelope, state) = readable(STATES, State::decode(value.bytes()))?;
            let State::Live { acks } = state else { continue };
            let arrival = u64::from_be_bytes(key);
            let header = self.with_entry(arrival, |entry| Header::parse(&entry.content).ok())?;
            let shard = readable(LOG, header)?.shard;
            let acks = acks.into_iter().map(|(slot, secret)| Ack { envelope, slot, secret });
            found.extend(acks.map(|ack| (shard, ack)));
        }
        found.truncate(max);
        Ok(found)
    }

    pub(super) fn state_of(&self, arrival: u64) -> Result<Option<(EnvelopeId, State)>, StoreError> {
        match self.states.get(&row::log_key(arrival))? {
            None => Ok(None),
            Some(state) => readable(STATES, State::decode(state.bytes())).map(Some),
        }
    }

    pub(super) fn with_entry<T>(
        &self,
        arrival: u64,
        read: impl FnOnce(&Entry<'_>) -> T,
    ) -> Result<T, StoreError> {
        let value = readable(LOG, self.log.get(&row::log_key(arrival))?)?;
        Ok(read(&self.entry(value.bytes())?))
    }
}

/// Of an envelope that is fetched: whether it fits.
enum Next {
    /// It does.
    Now(Envelope),
    /// It goes after the others.
    Later,
    /// There is no room for more.
    End,
}

fn arrived(arrival: u64, entry: &Entry<'_>) -> Arrived {
    Arrived { arrival, id: entry.id, envelope: entry.envelope() }
}
