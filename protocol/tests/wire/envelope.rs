//! Envelopes and their headers.

use martlet_protocol::codec::{self, CodecError};
use martlet_protocol::envelope::{EnvelopeError, SLOT_BYTES, is_on_ladder};
use martlet_protocol::ids::{NetworkTag, Shard, Tag};
use martlet_protocol::limits::{
    BODY_BYTES_MAX, BODY_BYTES_MIN, ENVELOPE_BYTES_MAX, GOSSIP_BYTES_MAX,
};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::time::ExpiryHour;
use martlet_protocol::{Envelope, Header, Kind, stamp};
use proptest::prelude::*;

use crate::fixture::{
    Fields, NOW, any_envelope, any_fields, assert_exact_length, content, counting,
};
use crate::vectors;

#[test]
fn vectors() {
    let prefix = |kind, slots| {
        Header::encode_prefix(
            kind,
            NetworkTag(counting(0xa0)),
            Shard(0x0102),
            ExpiryHour(0x0304_0506),
            slots,
        )
        .to_vec()
    };
    let conversation = Envelope {
        content: content(&Fields::acceptable(Kind::Conversation)).into(),
        nonce: 0x0102_0304_0506_0708,
    };
    let to_device =
        Envelope { content: content(&Fields::acceptable(Kind::ToDevice)).into(), nonce: 0 };
    vectors::check(
        "envelope.txt",
        "Envelopes. prefix_*: the first 17 bytes of a header: network a0 … a7, shard 0102, expiry
        03040506, 1 and 8 slots. conversation, to_device: whole envelopes in CBOR, for the
        network \"lan\", shard 0, the expiry of one made on 2026-01-02 03:04:05 UTC, one slot, a
        body of 512 bytes; what follows the prefix counts 00 to fa, again and again, so nothing in
        them opens. *_id: BLAKE3 of their contents.",
        &[
            ("prefix_to_device", prefix(Kind::ToDevice, 1)),
            ("prefix_conversation", prefix(Kind::Conversation, 8)),
            ("conversation", conversation.encode()),
            ("conversation_id", conversation.id().0.to_vec()),
            ("to_device", to_device.encode()),
            ("to_device_id", to_device.id().0.to_vec()),
        ],
    );
    let golden = |name| Envelope::decode(&vectors::read("envelope.txt", name)).unwrap();
    assert_eq!(golden("conversation"), conversation);
    assert_eq!(golden("to_device"), to_device);
}

#[test]
fn sizes() {
    assert_eq!(SLOT_BYTES, 1196);
    assert_eq!(Kind::ToDevice.header_len(1), 81 + 1196);
    assert_eq!(Kind::ToDevice.header_len(8), 81 + 8 * 1196);
    assert_eq!(Kind::Conversation.header_len(1), 33 + 16);
    assert_eq!(Kind::Conversation.header_len(8), 33 + 8 * 16);
    let largest = Envelope {
        content: vec![0; Kind::ToDevice.header_len(8) + BODY_BYTES_MAX].into(),
        nonce: u64::MAX,
    };
    assert!(largest.encode().len() <= ENVELOPE_BYTES_MAX);
    const { assert!(ENVELOPE_BYTES_MAX < GOSSIP_BYTES_MAX) };
}

#[test]
fn the_ladder() {
    let rungs: Vec<usize> = (0..100_000).filter(|len| is_on_ladder(*len)).collect();
    assert_eq!(rungs, [512, 1024, 2048, 4096, 8192, 16_384, 32_768]);
    assert_eq!((rungs[0], rungs[6]), (BODY_BYTES_MIN, BODY_BYTES_MAX));
}

#[test]
fn one_byte_too_long_is_refused_before_decoding() {
    let overhead = Envelope::new(vec![0; ENVELOPE_BYTES_MAX]).encode().len() - ENVELOPE_BYTES_MAX;
    let fits = Envelope::new(vec![0; ENVELOPE_BYTES_MAX - overhead]).encode();
    assert_eq!(fits.len(), ENVELOPE_BYTES_MAX);
    assert!(Envelope::decode(&fits).is_ok());
    let long = Envelope::new(vec![0; ENVELOPE_BYTES_MAX - overhead + 1]).encode();
    assert!(matches!(
        Envelope::decode(&long),
        Err(EnvelopeError::Codec(CodecError::TooLong { max: ENVELOPE_BYTES_MAX, .. }))
    ));
}

#[test]
fn unknown_and_missing_fields_are_refused() {
    for bytes in [
        // {0: h'00', 1: 0, 2: 0}
        &[0xa3, 0x00, 0x41, 0x00, 0x01, 0x00, 0x02, 0x00][..],
        // {0: h'00'}
        &[0xa1, 0x00, 0x41, 0x00],
        // {1: 0}
        &[0xa1, 0x01, 0x00],
        // {0: h'00', 0: h'00', 1: 0}
        &[0xa3, 0x00, 0x41, 0x00, 0x00, 0x41, 0x00, 0x01, 0x00],
        // {0: h'00', 1: -1}
        &[0xa2, 0x00, 0x41, 0x00, 0x01, 0x20],
        // {0: null, 1: 0}
        &[0xa2, 0x00, 0xf6, 0x01, 0x00],
    ] {
        assert!(Envelope::decode(bytes).is_err(), "{}", vectors::hex(bytes));
    }
}

#[test]
fn exact_length() {
    let mut envelope = Envelope::new(content(&Fields::acceptable(Kind::Conversation)));
    envelope.nonce = u64::MAX;
    assert_exact_length(&envelope.encode(), Envelope::decode);
}

#[test]
fn a_header_cut_anywhere_is_refused() {
    for kind in [Kind::ToDevice, Kind::Conversation] {
        for slots in [1, 2, 4, 8] {
            let fields = Fields { slots, body: 1024, ..Fields::acceptable(kind) };
            let content = content(&fields);
            let header = kind.header_len(slots);
            for len in 0..content.len() {
                match Header::parse(&content[..len]) {
                    Ok(_) => assert_eq!(len, header + 512, "the body of the rung below"),
                    Err(EnvelopeError::Truncated { found }) => {
                        assert!(found == len && len < header)
                    }
                    Err(EnvelopeError::BodySize { found }) => assert_eq!(found, len - header),
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
}

/// Whatever a byte of the header is changed to: an error, or another header that says exactly what
/// the bytes say. Always another id.
#[test]
fn every_changed_byte_of_a_header_is_an_error_or_another_header() {
    for kind in [Kind::ToDevice, Kind::Conversation] {
        let original = content(&Fields { slots: 2, ..Fields::acceptable(kind) });
        let header = Header::parse(&original).unwrap();
        let readings = |header: &Header, content: &[u8]| {
            let commits: Vec<_> = (0..8).map(|slot| header.ack_commit(content, slot)).collect();
            (header.clone(), header.tag(content), commits)
        };
        for at in 0..header.len {
            for value in 0..=255 {
                let mut changed = original.clone();
                changed[at] = value;
                if changed == original {
                    continue;
                }
                assert_ne!(
                    Envelope::new(changed.clone()).id(),
                    Envelope::new(original.clone()).id()
                );
                let Ok(other) = Header::parse(&changed) else { continue };
                let prefix = Header::encode_prefix(
                    other.kind,
                    other.network,
                    other.shard,
                    other.expiry,
                    other.slots,
                );
                assert_eq!(prefix, changed[..17], "what was read is what is there");
                let is_public = match kind {
                    Kind::Conversation => true,
                    // View tag, encapsulation and wrapped key are read by addressees alone.
                    Kind::ToDevice => {
                        at < 17 || (at >= 81 && (12..28).contains(&((at - 81) % 1196)))
                    }
                };
                if is_public {
                    assert_ne!(
                        readings(&other, &changed),
                        readings(&header, &original),
                        "{kind:?}, byte {at} = {value}"
                    );
                }
            }
        }
    }
}

#[test]
fn only_known_versions_kinds_and_slots_are_read() {
    let original = content(&Fields::acceptable(Kind::Conversation));
    for value in 0..=255u8 {
        let with = |at: usize| {
            let mut content = original.clone();
            content[at] = value;
            Header::parse(&content)
        };
        if value != 2 {
            assert!(matches!(with(0), Err(EnvelopeError::Version { found }) if found == value));
        }
        if !matches!(value, 1 | 2) {
            assert!(matches!(with(1), Err(EnvelopeError::Kind { found }) if found == value));
        }
        if !matches!(value, 1 | 2 | 4 | 8) {
            assert!(matches!(with(16), Err(EnvelopeError::Slots { found }) if found == value));
        }
    }
}

#[test]
fn tags_and_commitments_are_where_the_layout_says() {
    let conversation = content(&Fields { slots: 8, ..Fields::acceptable(Kind::Conversation) });
    let header = Header::parse(&conversation).unwrap();
    assert_eq!(header.tag(&conversation), Some(Tag::from_slice(&conversation[17..33]).unwrap()));
    for slot in 0..8u8 {
        let at = 33 + 16 * usize::from(slot);
        let commit = header.ack_commit(&conversation, slot).unwrap();
        assert_eq!(commit.0, conversation[at..at + 16]);
    }
    let to_device = content(&Fields { slots: 2, ..Fields::acceptable(Kind::ToDevice) });
    let header = Header::parse(&to_device).unwrap();
    assert_eq!(header.tag(&to_device), None);
    for slot in 0..2u8 {
        let at = 81 + 1196 * usize::from(slot) + 12;
        assert_eq!(header.ack_commit(&to_device, slot).unwrap().0, to_device[at..at + 16]);
    }
    for slot in 2..=255 {
        assert_eq!(header.ack_commit(&to_device, slot), None);
    }
    // A header of another content: nothing is read beyond its end.
    assert_eq!(header.ack_commit(&[], 0), None);
}

#[test]
fn a_relay_refuses_what_is_not_for_it_now() {
    let network = NetworkDescriptor { shard_bits: 4, ..NetworkDescriptor::default() };
    let check = |fields: &Fields, network: &NetworkDescriptor| {
        let envelope = Envelope::new(content(fields));
        envelope.check(&envelope.id(), network, NOW)
    };
    let good = Fields { shard: Shard(15), ..Fields::acceptable(Kind::Conversation) };
    let header = check(&good, &network).unwrap();
    assert_eq!((header.shard, header.expiry, header.slots), (good.shard, good.expiry, 1));

    let other = Fields { network: NetworkTag::of("other"), ..good.clone() };
    assert!(matches!(check(&other, &network), Err(EnvelopeError::WrongNetwork)));
    let other = Fields { shard: Shard(16), ..good.clone() };
    assert!(matches!(check(&other, &network), Err(EnvelopeError::WrongShard { found: 16 })));

    let now = ExpiryHour::containing(NOW).0;
    for (hour, expected) in [
        (0, Some("expired")),
        (now - 1, Some("expired")),
        (now, Some("expired")),
        (now + 1, None),
        (now + 144, None),
        (now + 146, None),
        (now + 147, Some("expires too far in the future")),
        (u32::MAX, Some("expires too far in the future")),
    ] {
        let result = check(&Fields { expiry: ExpiryHour(hour), ..good.clone() }, &network);
        assert_eq!(result.err().map(|error| error.to_string()).as_deref(), expected, "{hour}");
    }
}

#[test]
fn a_stamp_is_asked_for_where_the_network_does() {
    let network = NetworkDescriptor { stamp_bits: 12, ..NetworkDescriptor::default() };
    let mut envelope = Envelope::new(content(&Fields::acceptable(Kind::Conversation)));
    let id = envelope.id();
    envelope.nonce = (0..).find(|nonce| !stamp::check(&id, *nonce, 12)).unwrap();
    assert!(matches!(
        envelope.check(&id, &network, NOW),
        Err(EnvelopeError::Stamp { required: 12, .. })
    ));
    envelope.nonce = stamp::make(&id, 12, 0, u64::MAX).unwrap();
    assert!(envelope.check(&id, &network, NOW).is_ok());
    assert_eq!(envelope.id(), id, "a stamp does not change the id");
}

proptest! {
    #[test]
    fn envelopes_round_trip(envelope in any_envelope()) {
        let bytes = envelope.encode();
        let decoded = Envelope::decode(&bytes).unwrap();
        prop_assert_eq!(decoded.id(), envelope.id());
        prop_assert_eq!(decoded, envelope);
    }

    #[test]
    fn headers_round_trip(fields in any_fields()) {
        let content = content(&fields);
        let header = Header::parse(&content).unwrap();
        prop_assert_eq!(header, Header {
            kind: fields.kind,
            network: fields.network,
            shard: fields.shard,
            expiry: fields.expiry,
            slots: fields.slots,
            len: content.len() - fields.body,
        });
    }

    #[test]
    fn no_content_makes_the_parser_panic(content in prop::collection::vec(any::<u8>(), 0..3000), slot: u8) {
        if let Ok(header) = Header::parse(&content) {
            prop_assert!(header.len < content.len());
            prop_assert_eq!(header.ack_commit(&content, slot).is_some(), slot < header.slots);
        }
        let _ = Envelope::decode(&content);
    }

    #[test]
    fn no_changed_byte_is_read_as_the_same_envelope(fields in any_fields(), at: prop::sample::Index, flip in 1..=255u8) {
        let envelope = Envelope::new(content(&fields));
        let mut bytes = envelope.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = codec::decode::<Envelope>(&bytes, ENVELOPE_BYTES_MAX) {
            prop_assert_ne!(other, envelope);
        }
    }
}
