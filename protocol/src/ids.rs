//! Identifiers: what they are made of and how they are written.
//!
//! | type | bytes | text | made of |
//! | --- | --- | --- | --- |
//! | [`Id`] | 47 | bech32m, prefix `martlet` (BIP 350) | the identity, and the secret by which its bundles are found |
//! | [`IdentityId`] | 32 | that of an ID without a secret | Ed25519 public key of the root |
//! | [`DeviceId`] | 32 | hex | Ed25519 public key of the device |
//! | [`EnvelopeId`] | 32 | hex | BLAKE3 of the envelope's content |
//! | [`SessionId`] | 32 | hex | Ed25519 public key of the Megolm session |
//! | [`ConversationId`] | 32 | hex | of two people: BLAKE3 of both identities, see [`ConversationId::direct`] |
//! | [`MessageId`] | 16 | hex | random |
//! | [`Tag`] | 16 | hex | keyed BLAKE3, see [`crate::crypto::session`] |
//! | [`NetworkTag`] | 8 | hex | BLAKE3 of the network's name, and of its key if it is closed |
//! | [`RoomId`] | 32 | hex | the id of the operation that created it |
//! | [`OpId`] | 32 | hex | BLAKE3 of the [operation](crate::room), as it is signed |

mod id;

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use id::{ID_CHARS, Id, OLD_ID_CHARS, RENDEZVOUS_SECRET_BYTES, Rendezvous, RendezvousSecret};

/// Why a text is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text of something else.
    #[error("not a Martlet ID: it does not start with martlet1; copy the ID whole")]
    NoPrefix,
    /// Some of it was typed in capitals.
    #[error("not a Martlet ID: it mixes capitals and small letters; write all of it in small ones")]
    MixedCase,
    /// A character that no ID has.
    #[error(
        "not a Martlet ID: {character:?}, its character {place}, is in no ID (nor are, after martlet1, \
         the digit 1 and the letters b, i and o)"
    )]
    WrongCharacter {
        /// Which character, from 1.
        place: usize,
        /// What stands there.
        character: char,
    },
    /// Something was left out, or added.
    #[error(
        "not a Martlet ID: it has {found} characters, and an ID has {ID_CHARS} (an old one \
         {OLD_ID_CHARS}); copy it whole"
    )]
    WrongTextLength {
        /// Characters found.
        found: usize,
    },
    /// Characters that an ID may have, and not in this order. Where it is a single one that is wrong, the checksum
    /// tells which; where they are several it may tell another.
    #[error("not a Martlet ID: its checksum is wrong, so it was mistyped{}", where_to_look(.likely.as_ref()))]
    WrongChecksum {
        /// The character that is most likely wrong, from 1, and what stands there.
        likely: Option<(usize, char)>,
    },
    /// Bits left over that are not zero: no ID has two texts.
    #[error("not a Martlet ID: its last bits are not zero; ask for the ID again")]
    Padding,
    /// A bech32m text of something else.
    #[error("not a Martlet ID: it starts with {found}1, an ID starts with martlet1")]
    WrongPrefix {
        /// The prefix found.
        found: String,
    },
    /// The wrong number of bytes.
    #[error("not a {what}: {found} bytes, it has {expected}")]
    WrongLength {
        /// The identifier's name.
        what: &'static str,
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// Not hexadecimal.
    #[error("not a {what}: it is written in hexadecimal digits")]
    NotHex {
        /// The identifier's name.
        what: &'static str,
    },
    /// 32 bytes that are no point of the curve, or one of small order: no key.
    #[error("not a Martlet ID: its bytes are not an Ed25519 public key")]
    NotAKey,
    /// With a secret of zeros, which stands for none and is left out.
    #[error("not a Martlet ID: its secret is empty; ask for the ID again")]
    EmptySecret,
}

fn where_to_look(place: Option<&(usize, char)>) -> String {
    match place {
        Some((place, character)) => {
            format!("; look at {character:?}, its character {place}, first")
        }
        None => " in several places; copy it whole".to_owned(),
    }
}

/// A fixed-size identifier: bytes on the wire, text for people.
macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The identifier in these bytes.
            ///
            /// # Errors
            /// [`IdError::WrongLength`].
            pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
                <[u8; $len]>::try_from(bytes).map(Self).map_err(|_| IdError::WrongLength {
                    what: $what,
                    found: bytes.len(),
                    expected: $len,
                })
            }

            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor {
                    is_text: bool,
                }
                impl de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "a {} of {} bytes", $what, $len)
                    }
                    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        $name::from_slice(bytes).map_err(E::custom)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        // On the wire an id has one form.
                        if !self.is_text {
                            return Err(E::invalid_type(de::Unexpected::Str(text), &self));
                        }
                        text.parse().map_err(E::custom)
                    }
                }
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Visitor { is_text: true })
                } else {
                    deserializer.deserialize_bytes(Visitor { is_text: false })
                }
            }
        }
    };
}

macro_rules! hex_text {
    ($name:ident, $what:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let bytes = unhex(text).ok_or(IdError::NotHex { what: $what })?;
                Self::from_slice(&bytes)
            }
        }
    };
}

byte_id!(
    /// An identity: the Ed25519 public key of its root. What people exchange is their [`Id`].
    IdentityId,
    32,
    "Martlet ID"
);
byte_id!(
    /// A device of an identity: its Ed25519 public key.
    DeviceId,
    32,
    "device id"
);
byte_id!(
    /// An envelope: BLAKE3 of its content.
    EnvelopeId,
    32,
    "envelope id"
);
byte_id!(
    /// A Megolm session: its Ed25519 public key.
    SessionId,
    32,
    "session id"
);
byte_id!(
    /// A conversation, by the name that all who take part in it give it. It is inside what is
    /// encrypted and signed, never in a header.
    ConversationId,
    32,
    "conversation id"
);
byte_id!(
    /// A message, across all its envelopes: random, chosen by the sender.
    MessageId,
    16,
    "message id"
);
byte_id!(
    /// What an addressee recognizes a conversation envelope by; random to everyone else.
    Tag,
    16,
    "tag"
);
byte_id!(
    /// The network an envelope belongs to.
    NetworkTag,
    8,
    "network tag"
);
byte_id!(
    /// A room: the id of the operation that created it.
    RoomId,
    32,
    "room id"
);
byte_id!(
    /// An operation on a room: BLAKE3 of its bytes, with its signature.
    OpId,
    32,
    "operation id"
);
byte_id!(
    /// A blob: BLAKE3 of the sealed file.
    BlobId,
    32,
    "blob id"
);
hex_text!(DeviceId, "device id");
hex_text!(EnvelopeId, "envelope id");
hex_text!(SessionId, "session id");
hex_text!(ConversationId, "conversation id");
hex_text!(MessageId, "message id");
hex_text!(Tag, "tag");
hex_text!(NetworkTag, "network tag");
hex_text!(RoomId, "room id");
hex_text!(OpId, "operation id");
hex_text!(BlobId, "blob id");

/// The part of the network that stores an envelope: the first `shard_bits` bits of
/// BLAKE3(identity), right-aligned.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Shard(pub u16);

impl Shard {
    /// The shard of `identity` in a network of `2^shard_bits` shards (0 to 12 bits).
    #[must_use]
    pub fn of(identity: &IdentityId, shard_bits: u8) -> Self {
        Self::from_hash(blake3::hash(&identity.0).as_bytes(), shard_bits)
    }

    /// The shard that a hash begins with.
    pub(crate) fn from_hash(hash: &[u8; 32], shard_bits: u8) -> Self {
        let first = u16::from_be_bytes([hash[0], hash[1]]);
        // A shift by 16 would overflow; 0 bits is the one shard 0.
        Self(u16::try_from(u32::from(first) >> (16 - u32::from(shard_bits.min(16)))).unwrap_or(0))
    }
}

impl ConversationId {
    /// The conversation between two identities: BLAKE3's `derive_key("martlet 2026 direct
    /// conversation v2", smaller ‖ larger)`, by their bytes, so that both sides name it alike. Of
    /// an identity with itself it is the conversation among its own devices.
    ///
    /// (A room's conversation is [the room's id](RoomId::conversation), a plain BLAKE3 hash: BLAKE3 keeps the two apart.)
    #[must_use]
    pub fn direct(one: &IdentityId, other: &IdentityId) -> Self {
        let (smaller, larger) = (one.min(other), one.max(other));
        let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 direct conversation v2");
        hasher.update(&smaller.0).update(&larger.0);
        Self(*hasher.finalize().as_bytes())
    }
}

impl RoomId {
    /// Stands in the operation that creates the room, whose id is not known yet.
    pub const NONE: Self = Self([0; 32]);

    /// The conversation in it.
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        ConversationId(self.0)
    }
}

impl OpId {
    /// Stands where an operation names no other.
    pub const NONE: Self = Self([0; 32]);
}

impl MessageId {
    /// A random message id.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl NetworkTag {
    /// The tag of the open network with this name. (A closed one's:
    /// [`NetworkDescriptor::tag`](crate::network::NetworkDescriptor::tag).)
    #[must_use]
    pub fn of(name: &str) -> Self {
        let hash = blake3::derive_key("martlet 2026 network tag v2", name.as_bytes());
        let mut tag = [0; 8];
        tag.copy_from_slice(&hash[..8]);
        Self(tag)
    }
}

impl IdentityId {
    /// The Ed25519 key this ID is.
    ///
    /// # Errors
    /// [`IdError::NotAKey`] when the bytes are no curve point or a weak one.
    pub fn verifying_key(&self) -> Result<ed25519_dalek::VerifyingKey, IdError> {
        match ed25519_dalek::VerifyingKey::from_bytes(&self.0) {
            Ok(key) if !key.is_weak() => Ok(key),
            Ok(_) | Err(_) => Err(IdError::NotAKey),
        }
    }
}

/// Hand-written: logs must not carry identities, so `{:?}` shows four characters.
impl fmt::Debug for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityId({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    // `from_str_radix` alone would take "+f" for 15.
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
