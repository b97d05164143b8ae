//! The codec's own promises: bounded, exact, nothing unknown.

use std::collections::BTreeMap;

use martlet_protocol::codec::{self, CodecError};
use martlet_protocol::ids::EnvelopeId;
use martlet_protocol::{Ack, Envelope};
use proptest::prelude::*;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::vectors::hex;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    first: u8,
    second: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Choice {
    Unit,
    Newtype(u8),
    Struct { field: u8 },
}

fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    codec::decode(bytes, 1 << 20)
}

/// Variants that hold something were written by name, so that renaming one would have changed what
/// peers understand.
#[test]
fn structs_and_variants_are_numbered() {
    assert_eq!(hex(&codec::encode(&Pair { first: 1, second: 2 })), "a200010102");
    assert_eq!(hex(&codec::encode(&Choice::Unit)), "00");
    assert_eq!(hex(&codec::encode(&Choice::Newtype(7))), "820107");
    assert_eq!(hex(&codec::encode(&Choice::Struct { field: 7 })), "8202a10007");
    assert_eq!(
        decode::<Choice>(&[0x82, 0x02, 0xa1, 0x00, 0x07]).unwrap(),
        Choice::Struct { field: 7 }
    );
}

#[test]
fn refused() {
    for (bytes, why) in [
        (&[][..], "empty"),
        (&[0xa2, 0x00, 0x01], "a field missing at the end of the bytes"),
        (&[0xa1, 0x00, 0x01], "a field missing"),
        (&[0xa3, 0x00, 0x01, 0x01, 0x02, 0x02, 0x03], "an unknown field"),
        (&[0xa2, 0x00, 0x01, 0x00, 0x01], "a field twice"),
        (&[0xa2, 0x00, 0x01, 0x01, 0x02, 0x00], "a byte after the value"),
        (&[0xa2, 0x00, 0x01, 0x01, 0x19, 0x01, 0x00], "256 as u8"),
        (&[0xa2, 0x00, 0x01, 0x01, 0x20], "-1 as u8"),
        (&[0xa2, 0x00, 0x01, 0x01, 0x61, 0x31], "a text as u8"),
        (&[0xf6], "null"),
        (&[0xff], "a break code"),
        (&[0x1c], "a reserved length"),
    ] {
        assert!(decode::<Pair>(bytes).is_err(), "{why}");
    }
    assert!(decode::<Choice>(&[0x03]).is_err(), "an unknown variant");
    assert!(decode::<Choice>(&[0x82, 0x03, 0x00]).is_err(), "an unknown variant");
    assert!(decode::<Choice>(&[0x83, 0x01, 0x07, 0x07]).is_err(), "a variant with two values");
    assert!(decode::<Choice>(&[0x80]).is_err(), "no variant");
    assert!(decode::<Choice>(&[0xa1, 0x01, 0x07]).is_err(), "the other way to write an enum");
    assert!(decode::<Choice>(&[0x01]).is_err(), "a variant without its value");
}

/// The library takes names for numbers, numbers that are longer than they need to be, and more. An
/// envelope could be encoded in many ways, none of which this build writes.
#[test]
fn each_value_has_one_encoding() {
    assert!(decode::<Pair>(&[0xa2, 0x00, 0x01, 0x01, 0x02]).is_ok());
    for (bytes, why) in [
        (&b"\xa2\x65first\x01\x66second\x02"[..], "names of fields"),
        (b"\xa2\x00\x01\x66second\x02", "a name beside a number"),
        (b"\xa2\x45first\x01\x46second\x02", "names as bytes"),
        (b"\xa2\x01\x02\x00\x01", "fields in another order"),
        (b"\xa2\x00\x18\x01\x01\x02", "a number longer than it needs to be"),
        (b"\xb8\x02\x00\x01\x01\x02", "a length longer than it needs to be"),
        (b"\xbf\x00\x01\x01\x02\xff", "a length that is left open"),
        (b"\xc1\xa2\x00\x01\x01\x02", "a tag"),
        (b"\x82\x01\x02", "an array"),
    ] {
        assert!(decode::<Pair>(bytes).is_err(), "{why}");
    }
    for (bytes, why) in [
        (&b"\x64Unit"[..], "a name of a variant"),
        (b"\x82\x67Newtype\x07", "a name of a variant that holds something"),
        (b"\x9f\x01\x07\xff", "a variant of open length"),
    ] {
        assert!(decode::<Choice>(bytes).is_err(), "{why}");
    }
}

#[test]
fn nesting_of_127_is_the_deepest() {
    let nested = |depth: usize| [vec![0x81; depth - 1], vec![0x80]].concat();
    assert!(codec::decode_lenient::<IgnoredAny>(&nested(127), 1 << 10).is_ok());
    assert!(codec::decode_lenient::<IgnoredAny>(&nested(128), 1 << 10).is_err());
}

#[test]
fn size_is_checked_before_anything_else() {
    // Not even valid: it must not be looked at.
    let bytes = vec![0xff; 11];
    assert!(matches!(
        codec::decode::<Pair>(&bytes, 10),
        Err(CodecError::TooLong { found: 11, max: 10 })
    ));
}

/// Would take gigabytes if it were believed.
#[test]
fn a_claimed_length_is_not_believed() {
    for head in [0x5b, 0x7b, 0x9b, 0xbb] {
        for claim in [1u64 << 20, 1 << 32, 1 << 40, u64::MAX] {
            let mut bytes = vec![head];
            bytes.extend(claim.to_be_bytes());
            bytes.extend([0; 16]);
            assert!(decode::<Vec<Ack>>(&bytes).is_err());
            assert!(decode::<Vec<EnvelopeId>>(&bytes).is_err());
            assert!(decode::<Vec<Envelope>>(&bytes).is_err());
            assert!(decode::<serde_bytes::ByteBuf>(&bytes).is_err());
            assert!(decode::<BTreeMap<u64, u64>>(&bytes).is_err());
            assert!(decode::<String>(&bytes).is_err());
        }
    }
}

/// Would overflow the stack if each level were a call.
#[test]
fn deep_nesting_is_an_error() {
    for opening in [0x81, 0x9f, 0xa1, 0xbf, 0xc0, 0xd8, 0x5f] {
        let bytes = vec![opening; 1 << 20];
        assert!(decode::<Vec<Vec<Ack>>>(&bytes).is_err());
        let ignored = codec::decode_lenient::<IgnoredAny>(&bytes, bytes.len());
        assert!(ignored.is_err(), "{opening:#04x}");
        assert!(decode::<Choice>(&bytes).is_err());
        assert!(decode::<Envelope>(&bytes).is_err());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode::<Pair>(&bytes);
        let _ = decode::<Choice>(&bytes);
        let _ = decode::<Vec<Ack>>(&bytes);
        let _ = decode::<Envelope>(&bytes);
        let _ = decode::<String>(&bytes);
    }
}
