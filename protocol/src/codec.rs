//! The one codec: CBOR (RFC 8949) by `serde_cbor`, in its packed form. A struct is a map from field
//! number to value; an enum variant is its number, or the array of its number and what it holds.
//! Field order is therefore part of the format, names are not: fields and variants are only ever
//! added at the end.
//!
//! Sizes are checked before decoding. Nothing is decoded into a dynamic value. Trailing bytes are
//! an error, and so is nesting deeper than 128.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of the [format](crate::format) that this build writes, and the newest that it reads.
pub const FORMAT_VERSION: u16 = 2;

/// Why bytes could not be decoded, or a value not encoded.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Longer than this kind of value may be.
    #[error("{found} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Made for newer readers; see [`crate::format`].
    #[error(
        "it needs version {needed} of the format and this build reads {FORMAT_VERSION}: an update is needed"
    )]
    UpdateNeeded {
        /// The oldest version that may use it.
        needed: u16,
    },
    /// Not the CBOR of the expected type.
    #[error("not a valid encoding: {0}")]
    Invalid(#[from] serde_cbor::Error),
}

/// Encodes a value.
///
/// # Panics
/// Never for the types of this crate: writing to a `Vec` cannot fail, and none of them has a map
/// of unknown length.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    // The newer enum format of the library names variants that hold something, even when packed.
    let mut serializer = serde_cbor::Serializer::new(&mut bytes).packed_format().legacy_enums();
    value.serialize(&mut serializer).expect("plain data always encodes");
    bytes
}

/// Decodes a value of at most `max` bytes.
///
/// # Errors
/// [`CodecError`] when it is longer, malformed, or followed by other bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, CodecError> {
    if bytes.len() > max {
        return Err(CodecError::TooLong { found: bytes.len(), max });
    }
    let mut deserializer = serde_cbor::Deserializer::from_slice(bytes).disable_standard_enums();
    let value = T::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}
