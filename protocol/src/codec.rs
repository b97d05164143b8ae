//! The one codec: CBOR (RFC 8949) by `serde_cbor`, in its packed form. A struct is a map from field
//! number to value; an enum variant is its number, or the array of its number and what it holds.
//! Field order is therefore part of the format, names are not: fields and variants are only ever
//! added at the end.
//!
//! Each value has one encoding, and no other is taken. The library would also read names in the place
//! of numbers, numbers in more bytes than they need, lengths that are left open, and tags; and it
//! has no switch for most of them. So what was read is encoded again and compared.
//!
//! Sizes are checked before decoding. Nothing is decoded into a dynamic value. Trailing bytes are
//! an error, and so is nesting deeper than 127.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

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
    /// Another encoding of a value than the one that the format has for it.
    #[error("not the one encoding that this value has")]
    NotCanonical,
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

/// Decodes a value of at most `max` bytes: exactly what [`encode`] makes of it.
///
/// # Errors
/// [`CodecError`] when it is longer, malformed, encoded in another way, or followed by other bytes.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, CodecError> {
    let value = decode_lenient(bytes, max)?;
    // It may be a secret.
    if *Zeroizing::new(encode(&value)) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Decodes what need not be [`encode`]'s own: a record that an older build wrote, without the fields
/// that came later; or the frame of a message, inside all that is signed and encrypted, to which a
/// newer build may have added fields.
///
/// # Errors
/// [`CodecError`] when it is longer, malformed, or followed by other bytes.
pub fn decode_lenient<T: DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, CodecError> {
    if bytes.len() > max {
        return Err(CodecError::TooLong { found: bytes.len(), max });
    }
    let mut deserializer =
        serde_cbor::Deserializer::from_slice(bytes).disable_standard_enums().disable_named_format();
    let value = T::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Encodes what a library serializes in a form of its own that needs its fields' names: for records only. In CBOR too.
///
/// # Panics
/// Never, as [`encode`].
#[must_use]
pub(crate) fn encode_named<T: Serialize>(value: &T) -> Vec<u8> {
    // Large enough that what is secret is not moved, and left behind.
    let mut bytes = Vec::with_capacity(2048);
    let mut serializer = serde_cbor::Serializer::new(&mut bytes);
    value.serialize(&mut serializer).expect("plain data always encodes");
    bytes
}

/// Decodes what [`encode_named`] made.
///
/// # Errors
/// [`CodecError`] when it is longer, malformed, or followed by other bytes.
pub(crate) fn decode_named<T: DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, CodecError> {
    if bytes.len() > max {
        return Err(CodecError::TooLong { found: bytes.len(), max });
    }
    Ok(serde_cbor::from_slice(bytes)?)
}
