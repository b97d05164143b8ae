//! Stamps.

use martlet_protocol::ids::EnvelopeId;
use martlet_protocol::stamp;
use proptest::prelude::*;

use crate::fixture::{any_envelope_id, counting};
use crate::vectors;

#[test]
fn vectors() {
    let id = EnvelopeId(counting(0));
    let nonce = stamp::make(&id, 16, 0, u64::MAX).unwrap();
    vectors::check(
        "stamp.txt",
        "Stamps of the envelope id 00 01 … 1f. nonce_16: the first nonce from 0, u64 big-endian,
        whose stamp has at least 16 bits. hash_16: BLAKE3(id ‖ nonce_16). bits: those of the
        nonces 0 to 31, a byte each.",
        &[
            ("nonce_16", nonce.to_be_bytes().to_vec()),
            (
                "hash_16",
                blake3::hash(&[id.0.as_slice(), &nonce.to_be_bytes()].concat()).as_bytes().to_vec(),
            ),
            ("bits", (0..32).map(|nonce| stamp::bits(&id, nonce)).collect()),
        ],
    );
}

#[test]
fn no_stamp_is_needed_where_none_is_required() {
    assert!(stamp::check(&EnvelopeId([0; 32]), 0, 0));
}

#[test]
fn a_search_is_bounded_and_wraps() {
    let id = EnvelopeId(counting(9));
    assert_eq!(stamp::make(&id, 32, 0, 10), None);
    assert_eq!(stamp::make(&id, 0, 5, 0), None);
    assert!(stamp::make(&id, 4, u64::MAX - 2, 10_000).is_some());
}

proptest! {
    #[test]
    fn what_is_made_is_accepted(id in any_envelope_id(), required in 0u8..10, start: u64) {
        let nonce = stamp::make(&id, required, start, 1 << 16).unwrap();
        prop_assert!(stamp::check(&id, nonce, required));
        prop_assert!(stamp::bits(&id, nonce) >= required);
    }

    #[test]
    fn bits_are_the_leading_zeros(id in any_envelope_id(), nonce: u64) {
        let hash = blake3::hash(&[id.0.as_slice(), &nonce.to_be_bytes()].concat());
        let expected = hash.as_bytes().iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).take_while(|bit| *bit == 0).count();
        prop_assert_eq!(usize::from(stamp::bits(&id, nonce)), expected);
    }
}
