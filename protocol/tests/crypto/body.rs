//! Bodies: padding and encryption.

use martlet_protocol::crypto::body::{self, BaseKey, BodyError, DATA_BYTES_MAX};
use martlet_protocol::envelope::is_on_ladder;
use proptest::prelude::*;

use crate::vectors;

const KEY: BaseKey = BaseKey([7; 32]);
const HEADER: &[u8] = b"a header";

fn seal(data: &[u8]) -> Vec<u8> {
    body::seal(&KEY, HEADER.to_vec(), data).unwrap()
}

fn open(content: &[u8]) -> Result<Vec<u8>, BodyError> {
    let (header, body) = content.split_at(HEADER.len());
    body::open(&KEY, header, body).map(|data| data.to_vec())
}

#[test]
fn vectors() {
    let content = seal(b"hello");
    vectors::check(
        "body.txt",
        "A body. content: the header \"a header\" and the body of the data \"hello\" under the base
        key 07 … 07, made by this code.",
        &[("content", content.clone())],
    );
    assert_eq!(open(&content).unwrap(), b"hello");
}

#[test]
fn a_body_fills_the_rung_it_needs() {
    // 16 bytes of AEAD tag and 4 of length.
    for (data, expected) in
        [(0, 512), (1, 512), (492, 512), (493, 1024), (1004, 1024), (1005, 2048), (32_748, 32_768)]
    {
        let content = seal(&vec![1; data]);
        assert_eq!(content.len() - HEADER.len(), expected, "{data} bytes of data");
        assert_eq!(open(&content).unwrap().len(), data);
    }
    assert_eq!(DATA_BYTES_MAX, 32_748);
    assert_eq!(
        body::seal(&KEY, HEADER.to_vec(), &[0; DATA_BYTES_MAX + 1]),
        Err(BodyError::TooLong { found: DATA_BYTES_MAX + 1 })
    );
}

#[test]
fn any_changed_byte_of_header_or_body_is_noticed() {
    let content = seal(b"hello");
    for at in 0..content.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = content.clone();
            changed[at] ^= flip;
            assert_eq!(open(&changed), Err(BodyError::Decrypt), "byte {at}");
        }
    }
}

#[test]
fn a_cut_or_longer_body_is_noticed() {
    let content = seal(b"hello");
    for len in HEADER.len()..content.len() {
        assert_eq!(open(&content[..len]), Err(BodyError::Decrypt), "{len} bytes");
    }
    assert_eq!(open(&[content.as_slice(), &[0]].concat()), Err(BodyError::Decrypt));
}

#[test]
fn another_key_or_header_does_not_open_it() {
    let content = seal(b"hello");
    let body = &content[HEADER.len()..];
    assert_eq!(body::open(&BaseKey([8; 32]), HEADER, body).err(), Some(BodyError::Decrypt));
    assert_eq!(body::open(&KEY, b"another", body).err(), Some(BodyError::Decrypt));
}

/// A sender that holds the key can pad wrongly; the padding is no place for hidden data.
#[test]
fn malformed_padding_is_refused() {
    for plaintext in [
        [0, 0, 0, 1, 7, 1].as_slice(), // not zero after the data
        &[0, 0, 0, 3, 7, 1],           // longer than there is
        &[0xff, 0xff, 0xff, 0xff, 0],  // much longer
        &[0, 0, 0],                    // no length
        &[],
    ] {
        let content = seal_unpadded(plaintext);
        assert_eq!(open(&content), Err(BodyError::Padding), "{plaintext:?}");
    }
    assert_eq!(open(&seal_unpadded(&[0, 0, 0, 1, 7, 0])).unwrap(), [7]);
}

/// What the module documents, written down a second time.
fn seal_unpadded(plaintext: &[u8]) -> Vec<u8> {
    use chacha20poly1305::aead::{Aead, KeyInit, Payload};
    let key = *blake3::keyed_hash(&KEY.0, HEADER).as_bytes();
    let body = chacha20poly1305::ChaCha20Poly1305::new((&key).into())
        .encrypt(&Default::default(), Payload { msg: plaintext, aad: HEADER })
        .unwrap();
    [HEADER, &body].concat()
}

#[test]
fn a_key_is_not_shown() {
    assert_eq!(format!("{KEY:?}"), "BaseKey(…)");
}

proptest! {
    #[test]
    fn round_trip(data in prop::collection::vec(any::<u8>(), 0..5000), key: [u8; 32], header in prop::collection::vec(any::<u8>(), 0..100)) {
        let key = BaseKey(key);
        let content = body::seal(&key, header.clone(), &data).unwrap();
        let (sealed_header, body) = content.split_at(header.len());
        prop_assert_eq!(sealed_header, header);
        prop_assert!(is_on_ladder(body.len()));
        prop_assert!(body.len() == 512 || body.len() / 2 < data.len() + 20);
        let opened = body::open(&key, sealed_header, body).unwrap();
        prop_assert_eq!(opened.as_slice(), data);
    }
}
