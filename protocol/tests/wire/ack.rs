//! Acks.

use martlet_protocol::ids::EnvelopeId;
use martlet_protocol::{Ack, AckSecret, Header, Kind, codec};
use proptest::prelude::*;

use crate::fixture::{Fields, any_ack, assert_exact_length, content, counting};
use crate::vectors;

/// More than an ack needs.
const ACK_BYTES_MAX: usize = 128;

#[test]
fn vectors() {
    let ack = Ack { envelope: EnvelopeId(counting(0)), slot: 3, secret: AckSecret(counting(0xf0)) };
    vectors::check(
        "ack.txt",
        "An ack of slot 3 of envelope 00 01 … 1f with the secret f0 f1 … ff. commit: the first 16
        bytes of BLAKE3(secret). ack: {0: envelope, 1: slot, 2: secret} in CBOR. batch: as gossiped,
        an array of two of it.",
        &[
            ("commit", ack.secret.commit().0.to_vec()),
            ("ack", codec::encode(&ack)),
            ("batch", codec::encode(&vec![ack.clone(), ack])),
        ],
    );
}

#[test]
fn a_secret_is_not_shown() {
    assert_eq!(format!("{:?}", AckSecret([7; 16])), "AckSecret(…)");
}

#[test]
fn an_ack_opens_its_own_slot_only() {
    for kind in [Kind::ToDevice, Kind::Conversation] {
        let secrets: Vec<AckSecret> = (0..4).map(|slot| AckSecret([slot; 16])).collect();
        let mut content = content(&Fields { slots: 4, ..Fields::acceptable(kind) });
        let header = Header::parse(&content).unwrap();
        for (slot, secret) in (0u8..).zip(&secrets) {
            let at = match kind {
                Kind::ToDevice => 81 + 1196 * usize::from(slot) + 12,
                Kind::Conversation => 33 + 16 * usize::from(slot),
            };
            content[at..at + 16].copy_from_slice(&secret.commit().0);
        }
        for (slot, secret) in (0u8..).zip(&secrets) {
            for named in 0..=255u8 {
                let ack =
                    Ack { envelope: EnvelopeId([0; 32]), slot: named, secret: secret.clone() };
                assert_eq!(
                    header.verifies(&content, &ack),
                    named == slot,
                    "{kind:?} {slot} {named}"
                );
            }
            let other = AckSecret([slot ^ 0x80; 16]);
            let ack = Ack { envelope: EnvelopeId([0; 32]), slot, secret: other };
            assert!(!header.verifies(&content, &ack));
        }
    }
}

proptest! {
    #[test]
    fn round_trip(ack in any_ack()) {
        let bytes = codec::encode(&ack);
        prop_assert!(bytes.len() <= ACK_BYTES_MAX);
        prop_assert_eq!(codec::decode::<Ack>(&bytes, ACK_BYTES_MAX).unwrap(), ack);
    }

    #[test]
    fn exact_length(ack in any_ack()) {
        assert_exact_length(&codec::encode(&ack), |bytes| codec::decode::<Ack>(bytes, ACK_BYTES_MAX));
    }

    #[test]
    fn no_byte_changed_is_read_as_the_same_ack(ack in any_ack(), at: prop::sample::Index, flip in 1..=255u8) {
        let mut bytes = codec::encode(&ack);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = codec::decode::<Ack>(&bytes, ACK_BYTES_MAX) {
            prop_assert_ne!(other, ack);
        }
    }
}
