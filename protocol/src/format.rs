//! What stands at the head of everything that is signed and kept: which version of the format it is
//! in, who may read it, and what its maker can do.
//!
//! Encoded `{0: version u16, 1: min version u16, 2: features u64, 3: {extension u16: bytes}}`, as
//! field 0 of [certificates](crate::identity::certificate), [bundles](crate::bundle),
//! [session grants](crate::crypto::session) and [to-device messages](crate::crypto::seal). It is
//! inside what is signed, so nobody can make a newer one look older.
//!
//! The known fields are strict: one more is an error. What is added later goes into extensions,
//! which are kept, since bytes are kept as received, and ignored by who doesn't know them. What must
//! not be ignored raises the minimum version: older readers then refuse the whole, as
//! [`CodecError::UpdateNeeded`], whatever else is in it. (That this is said at all is proved only
//! where the signature is checked first, as in to-device messages; who made a bundle or a
//! certificate stands inside it.)

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteBuf, Bytes};

pub use crate::codec::FORMAT_VERSION;
use crate::codec::{self, CodecError};
use crate::limits::{EXTENSION_BYTES_MAX, EXTENSIONS_MAX};

/// A format's version, its readers, and what its maker can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatInfo {
    /// The version it was written in.
    pub version: u16,
    /// The oldest version whose readers may use it.
    pub min_version: u16,
    /// What its maker can do, a bit each. None is assigned yet.
    pub features: u64,
    /// What was added since, by number.
    pub extensions: Extensions,
}

/// At most [`EXTENSIONS_MAX`] byte strings of at most [`EXTENSION_BYTES_MAX`] bytes, by number, each
/// number once and in ascending order. No number is assigned yet.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Extensions(BTreeMap<u16, ByteBuf>);

impl FormatInfo {
    /// What this build writes.
    #[must_use]
    pub fn current() -> Self {
        Self {
            version: FORMAT_VERSION,
            min_version: FORMAT_VERSION,
            features: 0,
            extensions: Extensions::default(),
        }
    }
}

/// Decodes a value whose field 0 is a [`FormatInfo`]: its minimum version is looked at before
/// anything else, so that a newer layout is told from a malformed one.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    max: usize,
) -> Result<T, CodecError> {
    let Head { format } = codec::decode_lenient(bytes, max)?;
    let VersionsOnly { _version, min_version } = format;
    if min_version > FORMAT_VERSION {
        return Err(CodecError::UpdateNeeded { needed: min_version });
    }
    codec::decode(bytes, max)
}

/// As little as every later version has: other fields are passed over.
#[derive(Deserialize)]
struct Head {
    format: VersionsOnly,
}

#[derive(Deserialize)]
struct VersionsOnly {
    _version: IgnoredAny,
    min_version: u16,
}

impl Extensions {
    /// The extension with this number.
    #[must_use]
    pub fn get(&self, number: u16) -> Option<&[u8]> {
        self.0.get(&number).map(|bytes| bytes.as_slice())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Extensions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(number, bytes)| (number, Bytes::new(bytes))))
    }
}

impl<'de> Deserialize<'de> for Extensions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Extensions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {EXTENSIONS_MAX} extensions")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Extensions, A::Error> {
                let mut extensions = BTreeMap::new();
                while let Some((number, bytes)) = map.next_entry::<u16, ByteBuf>()? {
                    if extensions.len() >= EXTENSIONS_MAX {
                        return Err(A::Error::custom("too many extensions"));
                    }
                    if bytes.len() > EXTENSION_BYTES_MAX {
                        return Err(A::Error::custom("an extension is too long"));
                    }
                    if extensions.last_key_value().is_some_and(|(last, _)| *last >= number) {
                        return Err(A::Error::custom("extensions out of order"));
                    }
                    extensions.insert(number, bytes);
                }
                Ok(Extensions(extensions))
            }
        }
        deserializer.deserialize_map(Bounded)
    }
}

/// Hand-written: what an extension holds may be secret, as in a grant.
impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(number, bytes)| (number, bytes.len()))).finish()
    }
}
