//! How one change to an envelope shows in all tables.

use martlet_protocol::sync::{Bucket, Fingerprint};
use martlet_protocol::{
    Ack, AckSecret, Envelope, EnvelopeId, ExpiryHour, Header, Shard, UnixMillis,
};

use super::{DIGESTS, ENDS, LOG, Tables, charge, readable};
use crate::error::StoreError;
use crate::limits::MAILBOX_ENTRY_BYTES;
use crate::mailbox::index::Prefix;
use crate::mailbox::row::{self, Entry, State};
use crate::mailbox::shared::Content;
use crate::mailbox::{Acknowledged, SourceId, bytes};

/// What all tables but the log say of an envelope.
struct Indexed {
    shard: Shard,
    expiry: ExpiryHour,
    drop_hour: ExpiryHour,
    tag: Option<Prefix>,
    content_bytes: u64,
}

impl Tables {
    /// Adds an envelope that is not there, and returns its arrival number.
    pub(in crate::mailbox) fn add(
        &mut self,
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
        drop_hour: ExpiryHour,
        source: Option<SourceId>,
    ) -> Result<u64, StoreError> {
        let arrival = self.totals.last_arrival + 1;
        let bucket = Bucket { shard: header.shard, hour: header.expiry };
        let content = match &self.shared {
            None => Content::Row(&envelope.content),
            Some(shared) => {
                shared.keep(id, envelope);
                Content::Row(&[])
            }
        };
        let entry = Entry { id: *id, nonce: envelope.nonce, drop_hour, content };
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
    pub(in crate::mailbox) fn acknowledge(
        &mut self,
        ack: &Ack,
        arrival: u64,
        mut acks: Vec<(u8, AckSecret)>,
    ) -> Result<Acknowledged, StoreError> {
        let (verified, slots) = self
            .with_entry(arrival, |entry| {
                let header = Header::parse(&entry.content).ok()?;
                Some((header.verifies(&entry.content, ack), header.slots))
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
    pub(in crate::mailbox) fn sweep(
        &mut self,
        now: UnixMillis,
        max: usize,
    ) -> Result<usize, StoreError> {
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
    pub(in crate::mailbox) fn withdraw(
        &mut self,
        id: &EnvelopeId,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
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
                let header = Header::parse(&entry.content).ok()?;
                Some(Indexed {
                    shard: header.shard,
                    expiry: header.expiry,
                    drop_hour: entry.drop_hour,
                    tag: header.tag(&entry.content).map(|tag| Prefix::of_tag(&tag)),
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
