//! The bytes of the mailbox's rows. All integers are big-endian.

use martlet_protocol::sync::{Bucket, Fingerprint};
use martlet_protocol::{AckSecret, Envelope, EnvelopeId, ExpiryHour, Shard};

use super::Opening;
use super::index::Prefix;
use super::shared::Content;
use crate::vault::VaultSeen;
use crate::vault::keyfile::VaultId;

/// What became of an envelope: a row of the states, which has those acknowledged in some slots or
/// all, and those that ended here.
///
/// ```text
/// live      0 ‖ id 32 ‖ acks
/// purged    1 ‖ id 32 ‖ header expiry 4 ‖ acks
/// dropped   2 ‖ id 32 ‖ header expiry 4
/// ack       slot 1 ‖ secret 16
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// In the log; some slots may be acknowledged.
    Live { acks: Vec<(u8, AckSecret)> },
    /// All slots acknowledged: only that is left, until `expiry`.
    Purged { expiry: ExpiryHour, acks: Vec<(u8, AckSecret)> },
    /// Dropped at the end of its life here, which comes before `expiry` for an envelope of a clock
    /// that runs ahead.
    Dropped { expiry: ExpiryHour },
}

const LIVE: u8 = 0;
const PURGED: u8 = 1;
const DROPPED: u8 = 2;

impl State {
    pub(super) fn encode(&self, id: &EnvelopeId) -> Vec<u8> {
        let (number, expiry, acks): (_, _, &[_]) = match self {
            Self::Live { acks } => (LIVE, None, acks),
            Self::Purged { expiry, acks } => (PURGED, Some(expiry), acks),
            Self::Dropped { expiry } => (DROPPED, Some(expiry), &[]),
        };
        let mut bytes = Vec::with_capacity(37 + acks.len() * 17);
        bytes.push(number);
        bytes.extend_from_slice(&id.0);
        if let Some(expiry) = expiry {
            bytes.extend_from_slice(&expiry.0.to_be_bytes());
        }
        for (slot, secret) in acks {
            bytes.push(*slot);
            bytes.extend_from_slice(&secret.0);
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<(EnvelopeId, Self)> {
        let (number, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let expiry_and_rest = || {
            rest.split_first_chunk()
                .map(|(expiry, rest)| (ExpiryHour(u32::from_be_bytes(*expiry)), rest))
        };
        let state = match *number {
            LIVE => Self::Live { acks: decode_acks(rest)? },
            PURGED => {
                let (expiry, rest) = expiry_and_rest()?;
                Self::Purged { expiry, acks: decode_acks(rest)? }
            }
            DROPPED => {
                let (expiry, rest) = expiry_and_rest()?;
                rest.is_empty().then_some(Self::Dropped { expiry })?
            }
            _ => return None,
        };
        Some((EnvelopeId(*id), state))
    }
}

fn decode_acks(bytes: &[u8]) -> Option<Vec<(u8, AckSecret)>> {
    let (acks, rest) = bytes.as_chunks::<17>();
    if !rest.is_empty() {
        return None;
    }
    Some(acks.iter().map(|[slot, secret @ ..]| (*slot, AckSecret(*secret))).collect())
}

/// A row of the log: `id 32 ‖ nonce 8 ‖ local drop hour 4 ‖ content`. The content is left out where mailboxes share it.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) id: EnvelopeId,
    pub(super) nonce: u64,
    pub(super) drop_hour: ExpiryHour,
    pub(super) content: Content<'a>,
}

impl<'a> Entry<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(44 + self.content.len());
        bytes.extend_from_slice(&self.id.0);
        bytes.extend_from_slice(&self.nonce.to_be_bytes());
        bytes.extend_from_slice(&self.drop_hour.0.to_be_bytes());
        bytes.extend_from_slice(&self.content);
        bytes
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (drop_hour, content) = rest.split_first_chunk()?;
        Some(Self {
            id: EnvelopeId(*id),
            nonce: u64::from_be_bytes(*nonce),
            drop_hour: ExpiryHour(u32::from_be_bytes(*drop_hour)),
            content: Content::Row(content),
        })
    }

    pub(super) fn envelope(&self) -> Envelope {
        Envelope { content: self.content.to_shared(), nonce: self.nonce }
    }
}

/// Counts of the whole mailbox: `envelopes ‖ bytes ‖ tombstones ‖ last arrival`, 8 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    pub(super) envelopes: u64,
    pub(super) bytes: u64,
    pub(super) tombstones: u64,
    pub(super) last_arrival: u64,
}

impl Totals {
    pub(super) fn encode(&self) -> Vec<u8> {
        [self.envelopes, self.bytes, self.tombstones, self.last_arrival]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let [envelopes, bytes, tombstones, last_arrival] =
            <[_; 4]>::try_from(numbers).ok()?.map(u64::from_be_bytes);
        rest.is_empty().then_some(Self { envelopes, bytes, tombstones, last_arrival })
    }
}

/// A digest: `count 8 ‖ fingerprint 32`.
pub(super) fn encode_digest(count: u64, fingerprint: &Fingerprint) -> [u8; 40] {
    join(count.to_be_bytes(), fingerprint.0)
}

/// The reverse of [`encode_digest`].
pub(super) fn decode_digest(bytes: &[u8]) -> Option<(u64, Fingerprint)> {
    let (count, fingerprint) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*count), Fingerprint(fingerprint.try_into().ok()?)))
}

/// What is in a bucket: `id 32 ‖ first 8 bytes of the tag`, which are 0 without a tag.
pub(super) fn encode_member(id: &EnvelopeId, tag: Option<Prefix>) -> [u8; 40] {
    join(id.0, tag.map_or(0, |tag| tag.0).to_be_bytes())
}

/// The reverse of [`encode_member`].
pub(super) fn decode_member(bytes: &[u8]) -> Option<(EnvelopeId, Option<Prefix>)> {
    let (id, tag) = bytes.split_first_chunk()?;
    let tag = u64::from_be_bytes(tag.try_into().ok()?);
    Some((EnvelopeId(*id), (tag != 0).then_some(Prefix(tag))))
}

/// Key of the log and of the states: `arrival 8`.
pub(super) fn log_key(arrival: u64) -> [u8; 8] {
    arrival.to_be_bytes()
}

/// Key of the ends of life: `hour 4 ‖ arrival 8`.
pub(super) fn end_key(hour: ExpiryHour, arrival: u64) -> [u8; 12] {
    join(hour.0.to_be_bytes(), arrival.to_be_bytes())
}

/// Key of the digests: `shard 2 ‖ hour 4`.
pub(super) fn bucket_key(bucket: Bucket) -> [u8; 6] {
    join(bucket.shard.0.to_be_bytes(), bucket.hour.0.to_be_bytes())
}

/// The reverse of [`bucket_key`].
pub(super) fn bucket_of([s0, s1, hour @ ..]: [u8; 6]) -> Bucket {
    Bucket {
        shard: Shard(u16::from_be_bytes([s0, s1])),
        hour: ExpiryHour(u32::from_be_bytes(hour)),
    }
}

/// Key of what is in a bucket: `shard 2 ‖ hour 4 ‖ arrival 8`.
pub(super) fn bucket_entry_key(bucket: Bucket, arrival: u64) -> [u8; 14] {
    join(bucket_key(bucket), arrival.to_be_bytes())
}

/// The arrival number that ends a key.
pub(super) fn arrival_of(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

fn join<const A: usize, const B: usize, const N: usize>(a: [u8; A], b: [u8; B]) -> [u8; N] {
    const { assert!(A + B == N) };
    let mut joined = [0; N];
    joined[..A].copy_from_slice(&a);
    joined[A..].copy_from_slice(&b);
    joined
}

/// Vault id 16 ‖ commits 8.
pub(super) fn encode_seen(seen: &VaultSeen) -> [u8; 24] {
    join(*seen.vault.as_bytes(), seen.commits.to_be_bytes())
}

pub(super) fn decode_seen(bytes: &[u8]) -> Option<VaultSeen> {
    let (id, commits) = bytes.split_first_chunk()?;
    let commits = u64::from_be_bytes(commits.try_into().ok()?);
    Some(VaultSeen { vault: VaultId::from_bytes(*id), commits })
}

/// Openings: id 8 ‖ first arrival 8 of each, the oldest first.
pub(super) fn encode_openings(openings: &[Opening]) -> Vec<u8> {
    let rows = openings.iter().flat_map(|Opening { id, first_arrival }| {
        [id.to_be_bytes(), first_arrival.to_be_bytes()].concat()
    });
    rows.collect()
}

pub(super) fn decode_openings(bytes: &[u8]) -> Option<Vec<Opening>> {
    let (rows, rest) = bytes.as_chunks::<16>();
    let number = |half: &[u8]| half.first_chunk().copied().map(u64::from_be_bytes);
    let opening = |row: &[u8; 16]| {
        let (id, first_arrival) = row.split_at(8);
        Some(Opening { id: number(id)?, first_arrival: number(first_arrival)? })
    };
    if rest.is_empty() { rows.iter().map(opening).collect() } else { None }
}
