//! Envelopes: the one thing the network carries, and their header.
//!
//! Encoded: `{0: content bytes, 1: nonce u64}` in CBOR, at most
//! [`ENVELOPE_BYTES_MAX`]. `id = BLAKE3(content)`; the nonce is the [stamp].
//!
//! `content = header ‖ body`. All integers are big-endian.
//!
//! ```text
//! offset  size  field
//!      0     1  version, 2
//!      1     1  kind: 1 to-device, 2 conversation
//!      2     8  network tag
//!     10     2  shard
//!     12     4  expiry, hours since the Unix epoch
//!     16     1  n, slots: 1, 2, 4 or 8
//!
//! to-device                                conversation
//!     17    32  ephemeral X25519 key           17    16  tag
//!     49    32  key commitment                 33  16·n  ack commitments
//!     81  n × 1196  slots:
//!               8  view tag
//!               4  prekey hint
//!              16  ack commitment
//!            1120  X-Wing encapsulation
//!              48  wrapped content key
//! ```
//!
//! The body follows: ChaCha20-Poly1305 with the whole header as associated data, its length one of
//! `512·2^k` bytes from 512 to 32,768. Sizes therefore tell the kind, the slots rounded up, and the
//! rung; nothing else.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ack::{Ack, AckCommit};
use crate::codec::{self, CodecError};
use crate::ids::{EnvelopeId, NetworkTag, Shard, Tag};
use crate::limits::{BODY_BYTES_MAX, BODY_BYTES_MIN, ENVELOPE_BYTES_MAX};
use crate::network::NetworkDescriptor;
use crate::stamp;
use crate::time::{ExpiryHour, UnixMillis};

/// Version of the header that this crate writes and reads.
pub const VERSION: u8 = 2;
/// Bytes of the header before what depends on the kind.
pub const PREFIX_BYTES: usize = 17;
/// Bytes of one slot of a to-device envelope.
pub const SLOT_BYTES: usize =
    VIEW_TAG_BYTES + PREKEY_HINT_BYTES + 16 + ENCAPSULATION_BYTES + WRAPPED_KEY_BYTES;
/// Bytes of a slot by which a device sees that it is its own.
pub const VIEW_TAG_BYTES: usize = 8;
/// Bytes after them that tell the addressed device, and nobody else, to which of its prekeys the
/// slot is sealed.
pub const PREKEY_HINT_BYTES: usize = 4;
/// Bytes of an X-Wing encapsulation (draft-connolly-cfrg-xwing-kem).
pub const ENCAPSULATION_BYTES: usize = 1120;
/// Bytes of a wrapped content key: 32 and the AEAD's tag.
pub const WRAPPED_KEY_BYTES: usize = 48;

/// Why an envelope is refused.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not the encoding of an envelope, or too long.
    #[error("envelope: {0}")]
    Codec(#[from] CodecError),
    /// The content ends inside the header.
    #[error("envelope header cut short at {found} bytes")]
    Truncated {
        /// Bytes found.
        found: usize,
    },
    /// A version this build doesn't know.
    #[error("envelope version {found} is not known here")]
    Version {
        /// The version found.
        found: u8,
    },
    /// A kind this build doesn't know.
    #[error("envelope kind {found} is not known here")]
    Kind {
        /// The kind found.
        found: u8,
    },
    /// Slots other than 1, 2, 4 or 8.
    #[error("{found} slots: must be 1, 2, 4 or 8")]
    Slots {
        /// Slots found.
        found: u8,
    },
    /// A body not on the padding ladder.
    #[error("a body of {found} bytes is not on the padding ladder")]
    BodySize {
        /// Bytes found.
        found: usize,
    },
    /// Made for another network.
    #[error("made for another network")]
    WrongNetwork,
    /// A shard this network doesn't have.
    #[error("shard {found} does not exist in this network")]
    WrongShard {
        /// The shard found.
        found: u16,
    },
    /// Its life is over.
    #[error("expired")]
    Expired,
    /// Would outlive six days and the clock skew allowed.
    #[error("expires too far in the future")]
    FarFuture,
    /// Not enough work in the stamp.
    #[error("the stamp has {found} bits, {required} are required")]
    Stamp {
        /// Bits found.
        found: u8,
        /// Bits required.
        required: u8,
    },
}

/// An envelope as it travels. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Header and body.
    #[serde(with = "content_bytes")]
    pub content: Arc<[u8]>,
    /// The stamp.
    pub nonce: u64,
}

/// The two kinds of envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// To a user's devices; no shared key needed.
    ToDevice,
    /// To those who hold a session key.
    Conversation,
}

/// What any node can read of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its kind.
    pub kind: Kind,
    /// The network it was made for.
    pub network: NetworkTag,
    /// The shard that stores it.
    pub shard: Shard,
    /// When it ends.
    pub expiry: ExpiryHour,
    /// Slots: 1, 2, 4 or 8.
    pub slots: u8,
    /// Length of the header, bytes: where the body begins.
    pub len: usize,
}

impl Kind {
    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::ToDevice => 1,
            Self::Conversation => 2,
        }
    }

    fn from_number(number: u8) -> Result<Self, EnvelopeError> {
        match number {
            1 => Ok(Self::ToDevice),
            2 => Ok(Self::Conversation),
            found => Err(EnvelopeError::Kind { found }),
        }
    }

    /// Length of the header of this kind with `slots` slots, bytes.
    #[must_use]
    pub fn header_len(self, slots: u8) -> usize {
        match self {
            Self::ToDevice => PREFIX_BYTES + 64 + usize::from(slots) * SLOT_BYTES,
            Self::Conversation => PREFIX_BYTES + 16 + usize::from(slots) * 16,
        }
    }
}

impl Header {
    /// Reads the header of `content`, and checks that what follows can be a body.
    ///
    /// # Errors
    /// [`EnvelopeError`] for anything this build would not write itself.
    pub fn parse(content: &[u8]) -> Result<Self, EnvelopeError> {
        let prefix: &[u8; PREFIX_BYTES] =
            content.first_chunk().ok_or(EnvelopeError::Truncated { found: content.len() })?;
        if prefix[0] != VERSION {
            return Err(EnvelopeError::Version { found: prefix[0] });
        }
        let kind = Kind::from_number(prefix[1])?;
        let slots = prefix[16];
        if !matches!(slots, 1 | 2 | 4 | 8) {
            return Err(EnvelopeError::Slots { found: slots });
        }
        let mut network = [0; 8];
        network.copy_from_slice(&prefix[2..10]);
        let len = kind.header_len(slots);
        let body = content
            .len()
            .checked_sub(len)
            .ok_or(EnvelopeError::Truncated { found: content.len() })?;
        if !is_on_ladder(body) {
            return Err(EnvelopeError::BodySize { found: body });
        }
        Ok(Self {
            kind,
            network: NetworkTag(network),
            shard: Shard(u16::from_be_bytes([prefix[10], prefix[11]])),
            expiry: ExpiryHour(u32::from_be_bytes([
                prefix[12], prefix[13], prefix[14], prefix[15],
            ])),
            slots,
            len,
        })
    }

    /// The part of the header that does not depend on the kind, encoded.
    #[must_use]
    pub fn encode_prefix(
        kind: Kind,
        network: NetworkTag,
        shard: Shard,
        expiry: ExpiryHour,
        slots: u8,
    ) -> [u8; PREFIX_BYTES] {
        let mut prefix = [0; PREFIX_BYTES];
        prefix[0] = VERSION;
        prefix[1] = kind.number();
        prefix[2..10].copy_from_slice(&network.0);
        prefix[10..12].copy_from_slice(&shard.0.to_be_bytes());
        prefix[12..16].copy_from_slice(&expiry.0.to_be_bytes());
        prefix[16] = slots;
        prefix
    }

    /// The tag of a conversation envelope's `content`.
    #[must_use]
    pub fn tag(&self, content: &[u8]) -> Option<Tag> {
        match self.kind {
            Kind::ToDevice => None,
            Kind::Conversation => {
                Tag::from_slice(content.get(PREFIX_BYTES..PREFIX_BYTES + 16)?).ok()
            }
        }
    }

    /// The ack commitment of `slot` in `content`.
    #[must_use]
    pub fn ack_commit(&self, content: &[u8], slot: u8) -> Option<AckCommit> {
        if slot >= self.slots {
            return None;
        }
        let at = match self.kind {
            Kind::ToDevice => {
                let at = PREFIX_BYTES + 64 + usize::from(slot) * SLOT_BYTES;
                at + VIEW_TAG_BYTES + PREKEY_HINT_BYTES
            }
            Kind::Conversation => PREFIX_BYTES + 16 + usize::from(slot) * 16,
        };
        content.get(at..at + 16)?.try_into().ok().map(AckCommit)
    }

    /// Whether `ack` proves that its slot's device has `content`, which must be the content of the
    /// envelope that the ack names.
    #[must_use]
    pub fn verifies(&self, content: &[u8], ack: &Ack) -> bool {
        self.ack_commit(content, ack.slot) == Some(ack.secret.commit())
    }
}

/// Whether content of so many bytes has the largest body there is: a file that fills its message, or a [part](crate::file::part)
/// of one. What is smaller goes first wherever both wait.
#[must_use]
pub fn is_large(content_bytes: usize) -> bool {
    content_bytes > BODY_BYTES_MAX
}

impl Envelope {
    /// An envelope without a stamp.
    #[must_use]
    pub fn new(content: Vec<u8>) -> Self {
        Self { content: content.into(), nonce: 0 }
    }

    /// `BLAKE3(content)`.
    #[must_use]
    pub fn id(&self) -> EnvelopeId {
        EnvelopeId(*blake3::hash(&self.content).as_bytes())
    }

    /// The bytes that travel.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads an envelope, without looking at its content.
    ///
    /// # Errors
    /// [`EnvelopeError::Codec`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        Ok(codec::decode(bytes, ENVELOPE_BYTES_MAX)?)
    }

    /// Checks everything that a relay can check, cheapest first: layout, network, shard, expiry,
    /// stamp.
    ///
    /// # Errors
    /// [`EnvelopeError`], the first that applies.
    pub fn check(
        &self,
        id: &EnvelopeId,
        network: &NetworkDescriptor,
        now: UnixMillis,
    ) -> Result<Header, EnvelopeError> {
        let header = Header::parse(&self.content)?;
        if header.network != network.tag() {
            return Err(EnvelopeError::WrongNetwork);
        }
        if u32::from(header.shard.0) >> network.shard_bits != 0 {
            return Err(EnvelopeError::WrongShard { found: header.shard.0 });
        }
        if header.expiry.is_past(now) {
            return Err(EnvelopeError::Expired);
        }
        if header.expiry > ExpiryHour::latest_accepted(now) {
            return Err(EnvelopeError::FarFuture);
        }
        if !stamp::check(id, self.nonce, network.stamp_bits) {
            return Err(EnvelopeError::Stamp {
                found: stamp::bits(id, self.nonce),
                required: network.stamp_bits,
            });
        }
        Ok(header)
    }
}

/// Whether a body of `len` bytes is on the ladder `512·2^k`.
#[must_use]
pub fn is_on_ladder(len: usize) -> bool {
    (BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&len) && len.is_power_of_two()
}

/// Envelope content as one CBOR byte string, shared and not copied between tasks.
mod content_bytes {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Arc<[u8]>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Arc<[u8]>, D::Error> {
        serde_bytes::ByteBuf::deserialize(d).map(|bytes| Arc::from(bytes.into_vec()))
    }
}
