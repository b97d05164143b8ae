//! The head of what is signed: versions, features, extensions.

use ed25519_dalek::SigningKey;
use martlet_protocol::FormatInfo;
use martlet_protocol::bundle::{Bundle, BundleError};
use martlet_protocol::codec::{self, CodecError};
use martlet_protocol::crypto::session::SessionGrant;
use martlet_protocol::identity::{CertificateError, DeviceCertificate};
use martlet_protocol::limits::{EXTENSION_BYTES_MAX, EXTENSIONS_MAX};
use proptest::prelude::*;
use serde::Serialize;
use serde_bytes::ByteBuf;

use crate::by_hand::Format;
use crate::people::Person;
use crate::{bundle, certificate, session, vectors};

fn extended(extensions: impl IntoIterator<Item = (u16, Vec<u8>)>) -> Format {
    let extensions = extensions.into_iter().map(|(number, bytes)| (number, bytes.into()));
    Format { extensions: extensions.collect(), ..Format::current() }
}

fn read(format: &impl Serialize) -> Result<FormatInfo, CodecError> {
    codec::decode(&codec::encode(format), 64 * 1024)
}

fn certificate_with(format: Format) -> Result<DeviceCertificate, CodecError> {
    let ada = Person::new(1);
    let root = SigningKey::from_bytes(ada.root.seed());
    let bytes = certificate::with_format(&root, &ada.device.device(), format);
    match DeviceCertificate::from_bytes(&bytes) {
        Ok(certificate) => {
            assert_eq!(certificate.as_bytes(), bytes, "kept as received");
            Ok(certificate)
        }
        Err(CertificateError::Codec(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn bundle_with(format: Format) -> Result<Bundle, CodecError> {
    let bytes = bundle::by_hand(&Person::new(1), format, &[]);
    match Bundle::from_bytes(&bytes) {
        Ok(bundle) => {
            assert_eq!(bundle.as_bytes(), bytes, "kept as received");
            Ok(bundle)
        }
        Err(BundleError::Codec(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn grant_with(format: Format) -> Result<SessionGrant, CodecError> {
    SessionGrant::decode(&session::grant_with(format))
}

#[test]
fn vectors() {
    vectors::check(
        "format.txt",
        "The head of what is signed. current: as this version writes it. extended: of version 3, from
        version 2 on, all features, with the extensions 1 (\"one\") and 40000 (of no bytes).",
        &[
            ("current", codec::encode(&FormatInfo::current())),
            (
                "extended",
                codec::encode(&Format {
                    version: 3,
                    features: u64::MAX,
                    ..extended([(1, b"one".to_vec()), (40_000, vec![])])
                }),
            ),
        ],
    );
    let golden = vectors::read("format.txt", "extended");
    let format: FormatInfo = codec::decode(&golden, 1024).unwrap();
    assert_eq!((format.version, format.min_version, format.features), (3, 2, u64::MAX));
    assert_eq!(format.extensions.get(1), Some(b"one".as_slice()));
    assert_eq!(format.extensions.get(40_000), Some(b"".as_slice()));
    assert_eq!((format.extensions.get(2), format.extensions.len()), (None, 2));
    assert_eq!(codec::encode(&format), golden);
}

#[test]
fn made_by_hand_as_documented_it_is_read() {
    assert_eq!(read(&Format::current()).unwrap(), FormatInfo::current());
    assert!(FormatInfo::current().extensions.is_empty());
}

/// A newer build that adds something for those who know it must still be understood by this one.
#[test]
fn unknown_extensions_features_and_versions_are_kept_and_ignored() {
    let format = || Format {
        version: 700,
        features: 1 << 63,
        ..extended([(9, b"unknown here".to_vec()), (u16::MAX, vec![1; 100])])
    };
    let expected = read(&format()).unwrap();
    assert_eq!(expected.version, 700);
    assert_eq!(certificate_with(format()).unwrap().format(), &expected);
    assert_eq!(bundle_with(format()).unwrap().format(), &expected);
    assert_eq!(grant_with(format()).unwrap().format(), &expected);
}

#[test]
fn what_is_for_newer_readers_says_that_an_update_is_needed() {
    for needed in [3, 4, u16::MAX] {
        let format = || Format { version: needed, min_version: needed, ..Format::current() };
        for refused in [
            certificate_with(format()).err(),
            bundle_with(format()).err(),
            grant_with(format()).err(),
        ] {
            let refused = refused.unwrap();
            assert!(matches!(refused, CodecError::UpdateNeeded { needed: n } if n == needed));
            let says = refused.to_string();
            assert!(says.contains("an update is needed"), "{says}");
        }
    }
}

/// The newer version may have any other fields, in the head too.
#[test]
fn a_newer_layout_is_told_from_a_malformed_one() {
    #[derive(Serialize)]
    struct Newer {
        format: Fields,
        more: Vec<String>,
    }
    #[derive(Serialize)]
    struct Fields {
        version: u16,
        min_version: u16,
        features: String,
        extensions: bool,
        more: u8,
    }
    let newer = |min_version| {
        codec::encode(&Newer {
            format: Fields {
                version: 9,
                min_version,
                features: "words now".into(),
                extensions: true,
                more: 1,
            },
            more: vec!["x".into()],
        })
    };
    let refused = SessionGrant::decode(&newer(9)).unwrap_err();
    assert!(matches!(refused, CodecError::UpdateNeeded { needed: 9 }));
    let refused = SessionGrant::decode(&newer(2)).unwrap_err();
    assert!(matches!(refused, CodecError::Invalid(_)));
    // Without a format at all, as in version 1.
    for bytes in [&[0xa0][..], &[0xa1, 0, 1], &[0xa1, 0, 0xa0], &[0xa1, 0, 0xa1, 0, 1], &[]] {
        let refused = SessionGrant::decode(bytes).unwrap_err();
        assert!(matches!(refused, CodecError::Invalid(_)));
    }
}

#[test]
fn extensions_have_bounds() {
    let many = |count: usize| extended((0..count).map(|n| (u16::try_from(n).unwrap(), vec![])));
    assert!(read(&many(EXTENSIONS_MAX)).is_ok());
    assert!(read(&many(EXTENSIONS_MAX + 1)).is_err());
    assert!(read(&extended([(1, vec![0; EXTENSION_BYTES_MAX])])).is_ok());
    assert!(read(&extended([(1, vec![0; EXTENSION_BYTES_MAX + 1])])).is_err());
    // What holds them has a bound of its own.
    assert!(certificate_with(extended([(1, vec![0; 100])])).is_ok());
    let refused = certificate_with(extended([(1, vec![0; EXTENSION_BYTES_MAX])]));
    assert!(matches!(refused, Err(CodecError::TooLong { .. })));
    assert!(bundle_with(extended((0..16).map(|n| (n, vec![0; EXTENSION_BYTES_MAX])))).is_ok());
}

/// The encoding of an extension map, by hand: two of number 1, or the higher number first.
#[test]
fn extensions_stand_once_and_in_order() {
    let head = [0xa4, 0, 2, 1, 2, 2, 0, 3];
    let with = |map: &[u8]| codec::decode::<FormatInfo>(&[&head, map].concat(), 100);
    assert!(with(&[0xa0]).is_ok());
    assert!(with(&[0xa2, 1, 0x40, 2, 0x41, 7]).is_ok());
    for map in [
        &[0xa2, 1, 0x40, 1, 0x40][..],
        &[0xa2, 2, 0x40, 1, 0x40],
        &[0xa1, 0x1a, 0, 1, 0, 0, 0x40], // number 65,536
        &[0xa1, 0x20, 0x40],             // number -1
        &[0xa1, 1, 1],                   // a number in it
        &[0x80],
    ] {
        assert!(with(map).is_err(), "{map:?}");
    }
    // A length that is claimed and not there.
    assert!(with(&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
    assert!(with(&[0xa1, 1, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
}

/// Who makes a newer certificate look older, or takes features or extensions out of it, breaks the
/// signature.
#[test]
fn every_part_of_the_head_is_signed() {
    let ada = Person::new(1);
    let root = SigningKey::from_bytes(ada.root.seed());
    let format = Format { features: 1, ..extended([(1, b"extension".to_vec())]) };
    let bytes = certificate::with_format(&root, &ada.device.device(), format.clone());
    let encoded = codec::encode(&format);
    let at = bytes.windows(encoded.len()).position(|window| window == encoded).unwrap();
    for offset in 0..encoded.len() {
        let mut changed = bytes.clone();
        changed[at + offset] ^= 1;
        assert!(DeviceCertificate::from_bytes(&changed).is_err(), "byte {offset}");
    }
    for lower in [Format { features: 0, ..format.clone() }, Format { version: 1, ..format.clone() }]
    {
        let lower = codec::encode(&lower);
        assert_eq!(lower.len(), encoded.len());
        let changed = [&bytes[..at], &lower, &bytes[at + lower.len()..]].concat();
        let refused = DeviceCertificate::from_bytes(&changed);
        assert!(matches!(refused, Err(CertificateError::Signature)));
    }
}

#[test]
fn what_extensions_hold_is_not_shown() {
    let format = read(&extended([(7, b"secret".to_vec())])).unwrap();
    let shown = format!("{format:?}");
    assert!(shown.contains("{7: 6}") && !shown.contains("115"), "{shown}");
}

proptest! {
    #[test]
    fn round_trip(
        version: u16,
        min_version: u16,
        features: u64,
        extensions in prop::collection::btree_map(any::<u16>(), prop::collection::vec(any::<u8>(), 0..100), 0..=EXTENSIONS_MAX),
    ) {
        let extensions = extensions.into_iter().map(|(n, bytes)| (n, ByteBuf::from(bytes))).collect();
        let format = Format { version, min_version, features, extensions };
        let bytes = codec::encode(&format);
        let read: FormatInfo = codec::decode(&bytes, 64 * 1024).unwrap();
        prop_assert_eq!(codec::encode(&read), bytes);
        for (number, bytes) in &format.extensions {
            prop_assert_eq!(read.extensions.get(*number), Some(bytes.as_slice()));
        }
    }
}
