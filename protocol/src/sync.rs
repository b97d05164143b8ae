//! Sync: how two nodes make their mailboxes equal, over request and response.
//!
//! 1. The initiator sends one digest per (shard, expiry hour) it holds: [`Request::Digests`]. The
//!    responder answers with the hours that differ.
//! 2. For those hours the two reconcile envelope ids with negentropy (range-based set
//!    reconciliation, Meyer 2023): [`Request::Reconcile`], until the initiator knows what each
//!    side lacks. Only live envelopes take part; a purged one is a tombstone.
//!    Where the ids are few, or many of them differ, one [`Request::ShortList`] does the same.
//! 3. The initiator fetches what it lacks ([`Request::Fetch`]), offers what the responder lacks
//!    ([`Request::Offer`]) and pushes what was wanted ([`Request::Push`]). Whoever holds a
//!    tombstone for an envelope of the other's answers with the acks that made it: the purge
//!    spreads, the envelope doesn't come back.
//!
//! Where a node keeps only some shards, it names them with its digests ([`Request::Compare`]); the
//! responder says which ones it keeps itself ([`Response::Compared`]), and only what both keep is
//! reconciled. The initiator then offers what its own user has outstanding in the responder's other
//! shards: that is how an envelope gets to the keepers of its shard when gossip did not bring it.
//! Where both keep everything, nothing of this is said. An `edge` node compares nothing when asked.
//!
//! [`Request::Lookup`] asks a keeper of a shard for the conversation envelopes with given tags:
//! bundles of contacts whose shard is not kept here.
//!
//! [`Request::Stored`] is apart: every node tells the neighbour that brought an envelope that it is
//! on disk. All nodes do so for all envelopes, so it does not tell who is the author.
//!
//! [`Request::Time`] is apart too: several peers' answers tell a node that its clock is wrong.
//!
//! Each request and response is one CBOR value (see [`crate::codec`]), bounded by
//! [`crate::limits::SYNC_REQUEST_BYTES_MAX`] and [`crate::limits::SYNC_RESPONSE_BYTES_MAX`].

mod shard_set;

use serde::{Deserialize, Serialize};

pub use shard_set::ShardSet;

use crate::ack::Ack;
use crate::envelope::Envelope;
use crate::ids::{EnvelopeId, Shard, Tag};
use crate::time::ExpiryHour;

/// What a peer asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Request {
    /// The initiator's digests, of all shards, ascending, empty buckets left out.
    Digests(Vec<BucketDigest>),
    /// One negentropy message over the live ids of `buckets`.
    Reconcile {
        /// The buckets that differ, as in the first message of this session.
        buckets: Vec<Bucket>,
        /// The negentropy message.
        #[serde(with = "serde_bytes")]
        message: Vec<u8>,
    },
    /// Asks for these envelopes.
    Fetch(Vec<EnvelopeId>),
    /// Says which envelopes the initiator holds that the responder lacked.
    Offer(Vec<EnvelopeId>),
    /// Brings envelopes, and acks for the responder's. Answered by [`Response::Pushed`].
    Push {
        /// Envelopes that were wanted.
        envelopes: Vec<Envelope>,
        /// Acks that purged, at the initiator, what the responder holds live.
        acks: Vec<Ack>,
    },
    /// These envelopes, which the peer brought, are on disk here.
    Stored(Vec<EnvelopeId>),
    /// Asks what the time is there. Only a warning to the user rests on the answers.
    Time,
    /// All live ids of `buckets` the initiator holds, shortened: in place of [`Request::Reconcile`]
    /// where they are few, or many of them differ.
    ShortList {
        /// The buckets that differ, ascending.
        buckets: Vec<Bucket>,
        /// Key of the shortening, drawn for this list.
        #[serde(with = "serde_bytes")]
        key: [u8; 32],
        /// The [`ShortId`]s, ascending, one after another.
        #[serde(with = "serde_bytes")]
        ids: Vec<u8>,
    },
    /// [`Self::Digests`] of some shards.
    Compare {
        /// The shards compared: all or some of those the initiator keeps.
        shards: ShardSet,
        /// All the initiator's digests of them, ascending, empty buckets left out.
        digests: Vec<BucketDigest>,
    },
    /// Asks a keeper of `shard` for its conversation envelopes with these tags, at most
    /// [`crate::limits::LOOKUP_TAGS_MAX`]. Answered by [`Response::Envelopes`], none of them `gone`.
    Lookup {
        /// The shard.
        shard: Shard,
        /// The tags.
        tags: Vec<Tag>,
    },
}

/// The first 6 bytes of the id's BLAKE3 under a key drawn for one list: two ids of a million are
/// taken for one another in one list of three hundred, which the next sync, with another key, mends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortId(pub [u8; ShortId::BYTES]);

impl ShortId {
    /// Its length, bytes.
    pub const BYTES: usize = 6;

    /// The id, shortened.
    #[must_use]
    pub fn of(key: &[u8; 32], id: &EnvelopeId) -> Self {
        let hash = blake3::keyed_hash(key, &id.0);
        let [a, b, c, d, e, f, ..] = *hash.as_bytes();
        Self([a, b, c, d, e, f])
    }

    /// The list in `bytes`; `None` if it has a wrong length or does not ascend.
    #[must_use]
    pub fn list(bytes: &[u8]) -> Option<Vec<Self>> {
        let (ids, rest) = bytes.as_chunks();
        let is_list = rest.is_empty() && ids.is_sorted_by(|a, b| a < b);
        is_list.then(|| ids.iter().copied().map(Self).collect())
    }
}

/// What a peer answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Response {
    /// The buckets in which the two differ.
    Differing(Vec<Bucket>),
    /// The next negentropy message.
    Reconcile(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Envelopes asked for, in the order they arrived at the responder, as many as fit one
    /// response; ask again for the rest. Ids the responder no longer has are in `gone`.
    Envelopes {
        /// The envelopes.
        envelopes: Vec<Envelope>,
        /// Asked for, but no longer held.
        gone: Vec<EnvelopeId>,
    },
    /// Of those offered: the ones to push, and acks for those purged here.
    Wanted {
        /// To be pushed.
        ids: Vec<EnvelopeId>,
        /// Acks that purged, at the responder, what the initiator holds live.
        acks: Vec<Ack>,
        /// Neither wanted nor held: the responder let them go at what it takes for their end.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gone: Vec<EnvelopeId>,
    },
    /// Done.
    Done,
    /// Not served.
    Refused(Refusal),
    /// The responder's time, seconds since the Unix epoch: whole ones, since finer clocks can be
    /// told apart by their drift.
    Time(u64),
    /// How the responder's ids differ from [`Request::ShortList`].
    Lacking {
        /// [`ShortId`]s of the list that the responder doesn't hold live, ascending.
        #[serde(with = "serde_bytes")]
        there: Vec<u8>,
        /// Ids that the responder holds and the list lacks.
        here: Vec<EnvelopeId>,
    },
    /// To [`Request::Compare`] and [`Request::Digests`], from a responder that does not keep or not
    /// compare all shards.
    Compared {
        /// The buckets, of shards that both keep, in which the two differ.
        buckets: Vec<Bucket>,
        /// The shards the responder keeps: it takes offers of their envelopes.
        kept: ShardSet,
        /// Whether it compared: an `edge` node does not.
        compared: bool,
    },
    /// To [`Request::Push`], once the envelopes are on disk: all but these.
    Pushed {
        /// Not taken: they have ended, or end too late by the responder's clock.
        refused: Vec<EnvelopeId>,
    },
}

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Too many sessions, or the engine is behind.
    Busy,
    /// A count or size over its bound.
    TooLarge,
    /// The mailbox is full, or the disk is.
    Full,
    /// Not understood, or out of order.
    Invalid,
    /// The peer holds its share of the mailbox. Others may still bring the same.
    OverShare,
}

/// The envelopes of one shard that end in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Their shard.
    pub shard: Shard,
    /// The hour they end.
    pub hour: ExpiryHour,
}

/// A bucket and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketDigest {
    /// The bucket.
    pub bucket: Bucket,
    /// Live envelopes in it.
    pub count: u64,
    /// Their ids.
    pub fingerprint: Fingerprint,
}

/// The sum of ids as little-endian 256-bit integers, modulo 2^256: adding and removing an id are
/// both one step, in any order (the set hash of negentropy, after Meyer 2023).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl Fingerprint {
    /// Counts `id` in.
    pub fn add(&mut self, id: &EnvelopeId) {
        let mut carry = 0u16;
        for (sum, byte) in self.0.iter_mut().zip(id.0) {
            let total = u16::from(*sum) + u16::from(byte) + carry;
            [*sum, _] = total.to_le_bytes();
            carry = total >> 8;
        }
    }

    /// Counts `id` out.
    pub fn remove(&mut self, id: &EnvelopeId) {
        let mut borrow = 0u16;
        for (sum, byte) in self.0.iter_mut().zip(id.0) {
            let total = 256 + u16::from(*sum) - u16::from(byte) - borrow;
            [*sum, _] = total.to_le_bytes();
            borrow = u16::from(total < 256);
        }
    }
}
