//! Conversation envelopes.

use std::collections::HashSet;

use martlet_protocol::codec;
use martlet_protocol::crypto::body::BodyError;
use martlet_protocol::crypto::session::{
    Decrypted, InboundSession, OutboundSession, SessionError, SessionGrant,
};
use martlet_protocol::envelope::is_on_ladder;
use martlet_protocol::ids::MessageId;
use martlet_protocol::limits::{MESSAGE_SEQ_MAX, SESSION_MESSAGES_MAX, TEXT_BYTES_MAX};
use martlet_protocol::message::{Content, Message, Text};
use martlet_protocol::time::UnixMillis;
use martlet_protocol::{DeviceId, Envelope, Header};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::people::{addressing, rng};
use crate::{contains, vectors};

const BOB: DeviceId = DeviceId([7; 32]);

/// A session drawn from `seed`, as its sender and as Bob have it.
fn session(seed: u8) -> (OutboundSession, InboundSession) {
    let outbound = OutboundSession::new(&mut rng(seed), &[BOB]).unwrap();
    let inbound = InboundSession::new(&outbound.grant(&BOB).unwrap()).unwrap();
    (outbound, inbound)
}

fn send(outbound: &mut OutboundSession, data: &[u8]) -> Vec<u8> {
    outbound.seal(&addressing(), data).unwrap()
}

/// Opens `content` at `index`, as if its tag had been looked up.
fn open_at(
    inbound: &mut InboundSession,
    index: u32,
    content: &[u8],
) -> Result<Decrypted, SessionError> {
    let header = Header::parse(content).unwrap();
    inbound.open(index, &Envelope::new(content.to_vec()).id(), &header, content)
}

/// Finds the position by the tag, then opens.
fn open(inbound: &mut InboundSession, content: &[u8]) -> Option<Result<Decrypted, SessionError>> {
    let tag = Header::parse(content).unwrap().tag(content).unwrap();
    let (index, _) = inbound.tags().find(|(_, expected)| *expected == tag)?;
    Some(open_at(inbound, index, content))
}

#[test]
fn vectors() {
    let (mut outbound, inbound) = session(4);
    let grant = codec::encode(&outbound.grant(&BOB).unwrap());
    let outbound_record = outbound.to_record().to_vec();
    let first = send(&mut outbound, b"first");
    let second = send(&mut outbound, b"second");
    vectors::check(
        "session.txt",
        "A conversation session for one device 07 … 07, drawn from ChaCha20 with the key 04 … 04:
        128 bytes of Megolm ratchet, 32 of signing key, 32 of tag key, 32 of ack key. id: the public
        signing key. grant: what the device is given. outbound_record, inbound_record: as the vault
        keeps them, before the first message. tags: the first three, one after the other. first,
        second: contents of the envelopes of the data \"first\" and \"second\", in network \"test\",
        shard 0, expiry 491067.",
        &[
            ("id", outbound.id().0.to_vec()),
            ("grant", grant),
            ("outbound_record", outbound_record),
            ("inbound_record", inbound.to_record().to_vec()),
            ("tags", inbound.tags().take(3).flat_map(|(_, tag)| tag.0).collect()),
            ("first", first),
            ("second", second),
        ],
    );
}

/// What an older build recorded is read, whatever is recorded today.
#[test]
fn recorded_sessions_go_on() {
    let golden = |name| vectors::read("session.txt", name);
    let (first, second) = (golden("first"), golden("second"));
    let mut outbound = OutboundSession::from_record(&golden("outbound_record")).unwrap();
    assert_eq!(send(&mut outbound, b"first"), first);

    let grant: SessionGrant = codec::decode(&golden("grant"), 1024).unwrap();
    assert_eq!(grant.id().unwrap(), outbound.id());
    for mut inbound in [
        InboundSession::new(&grant).unwrap(),
        InboundSession::from_record(&golden("inbound_record")).unwrap(),
    ] {
        let opened = open(&mut inbound, &second).unwrap().unwrap();
        assert_eq!(opened.data.as_slice(), b"second");
        let opened = open(&mut inbound, &first).unwrap().unwrap();
        assert_eq!(opened.data.as_slice(), b"first");
    }
}

#[test]
fn nothing_in_an_envelope_tells_whose_it_is() {
    let (mut outbound, _) = session(1);
    let (id, text) = (outbound.id(), b"what only Bob may read");
    let contents: Vec<Vec<u8>> = (0..20).map(|_| send(&mut outbound, text)).collect();
    for content in &contents {
        for secret in [id.0.as_slice(), &BOB.0, text] {
            assert!(!contains(content, secret));
        }
    }
    // Two envelopes of one session share the prefix that all of the network share, and no more.
    for window in contents[0][17..].windows(8) {
        assert!(!contents[1..].iter().any(|other| contains(&other[17..], window)));
    }
}

#[test]
fn tags_are_used_once() {
    let mut seen = HashSet::new();
    for seed in 0..20 {
        let (_, inbound) = session(seed);
        let tags: Vec<_> = inbound.tags().collect();
        assert_eq!(tags.len(), SESSION_MESSAGES_MAX as usize);
        assert!(tags.iter().all(|(_, tag)| seen.insert(*tag)));
        assert!(tags.iter().map(|(index, _)| *index).eq(0..SESSION_MESSAGES_MAX));
    }
}

#[test]
fn no_changed_byte_is_accepted() {
    let (mut outbound, mut inbound) = session(1);
    let content = send(&mut outbound, b"hello");
    for at in 0..content.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = content.clone();
            changed[at] ^= flip;
            if Header::parse(&changed).is_err() {
                continue;
            }
            let opened = open_at(&mut inbound, 0, &changed);
            assert!(
                matches!(opened, Err(SessionError::Body(BodyError::Decrypt))),
                "byte {at} ^ {flip}"
            );
        }
    }
    assert!(open_at(&mut inbound, 0, &content).is_ok(), "the failures changed nothing");
}

#[test]
fn it_opens_at_its_own_position_only() {
    let (mut outbound, mut inbound) = session(1);
    let content = send(&mut outbound, b"hello");
    for index in 1..SESSION_MESSAGES_MAX {
        let opened = open_at(&mut inbound, index, &content);
        assert!(matches!(opened, Err(SessionError::Position)), "{index}");
    }
    assert!(open_at(&mut inbound, 0, &content).is_ok());
}

#[test]
fn another_session_neither_finds_nor_opens_it() {
    let (mut outbound, _) = session(1);
    let (_, mut other) = session(2);
    let content = send(&mut outbound, b"hello");
    assert!(open(&mut other, &content).is_none());
    let opened = open_at(&mut other, 0, &content);
    assert!(matches!(opened, Err(SessionError::Body(BodyError::Decrypt))));
}

/// What was received in sequence can't be opened again with what is on disk afterwards.
#[test]
fn what_was_passed_stays_closed() {
    let (mut outbound, mut inbound) = session(1);
    let contents: Vec<_> = (0..10u8).map(|data| send(&mut outbound, &[data])).collect();
    inbound.advance_to(4);
    inbound.advance_to(2);
    let mut inbound = InboundSession::from_record(&inbound.to_record()).unwrap();
    assert_eq!(inbound.tags().next().map(|(index, _)| index), Some(4));
    for (index, content) in (0u32..).zip(&contents) {
        let opened = open_at(&mut inbound, index, content);
        assert_eq!(opened.is_ok(), index >= 4, "{index}");
    }
    // The end of a session, and beyond it.
    inbound.advance_to(SESSION_MESSAGES_MAX);
    assert_eq!(inbound.tags().count(), 0);
}

#[test]
fn a_session_ends_after_its_messages() {
    let (mut outbound, _) = session(1);
    for _ in 0..SESSION_MESSAGES_MAX {
        assert!(!outbound.is_exhausted());
        send(&mut outbound, b"");
    }
    assert!(outbound.is_exhausted());
    assert_eq!(outbound.messages(), SESSION_MESSAGES_MAX);
    assert!(matches!(outbound.seal(&addressing(), b""), Err(SessionError::Exhausted)));
    assert!(OutboundSession::from_record(&outbound.to_record()).unwrap().is_exhausted());
}

#[test]
fn one_to_eight_devices() {
    let devices: Vec<DeviceId> = (0..9).map(|byte| DeviceId([byte; 32])).collect();
    let make = |count: usize| OutboundSession::new(&mut rng(5), &devices[..count]);
    assert!(matches!(make(0), Err(SessionError::Recipients { found: 0 })));
    assert!(matches!(make(9), Err(SessionError::Recipients { found: 9 })));
    for count in 1..=8 {
        let mut outbound = make(count).unwrap();
        assert!(outbound.recipients().eq(devices[..count].iter().copied()));
        assert!(outbound.grant(&devices[8]).is_none());
        let grants: Vec<_> =
            devices[..count].iter().map(|device| outbound.grant(device).unwrap()).collect();
        let content = send(&mut outbound, b"hello");
        let header = Header::parse(&content).unwrap();
        assert_eq!(usize::from(header.slots), count.next_power_of_two());

        let mut proved = vec![0; header.slots.into()];
        for (own, grant) in grants.iter().enumerate() {
            let mut inbound = InboundSession::new(grant).unwrap();
            let opened = open(&mut inbound, &content).unwrap().unwrap();
            assert_eq!(opened.data.as_slice(), b"hello");
            for ack in &opened.acks {
                assert!(header.verifies(&content, ack));
                let slot = usize::from(ack.slot);
                assert!(slot == own || slot >= count, "a sibling's slot");
                proved[slot] += 1;
            }
        }
        assert_eq!(proved[..count], vec![1; count]);
        assert_eq!(proved[count..], vec![count; proved.len() - count]);
    }
}

/// A grant's fields as its documentation gives them.
#[derive(Clone, Serialize, Deserialize)]
struct Grant {
    megolm_key: ByteBuf,
    tag_key: ByteBuf,
    ack_key: ByteBuf,
    slot: u8,
    messages_max: u32,
}

#[test]
fn a_malformed_grant_is_refused() {
    let (outbound, _) = session(1);
    let bytes = codec::encode(&outbound.grant(&BOB).unwrap());
    let good: Grant = codec::decode(&bytes, 1024).unwrap();
    let take = |grant: &Grant| {
        let grant: SessionGrant =
            codec::decode(&codec::encode(grant), 1024).map_err(|_| SessionError::Grant)?;
        InboundSession::new(&grant)
    };
    assert!(take(&good).is_ok());
    assert!(take(&Grant { slot: 7, messages_max: 1, ..good.clone() }).is_ok());
    assert!(take(&Grant { slot: 8, ..good.clone() }).is_err());
    assert!(take(&Grant { messages_max: 0, ..good.clone() }).is_err());
    assert!(take(&Grant { messages_max: SESSION_MESSAGES_MAX + 1, ..good.clone() }).is_err());
    assert!(take(&Grant { messages_max: u32::MAX, ..good.clone() }).is_err());
    assert!(take(&Grant { tag_key: ByteBuf::from([0; 31]), ..good.clone() }).is_err());
    for megolm_key in [vec![], vec![0; 229], vec![2; 229], vec![0; 300]] {
        assert!(take(&Grant { megolm_key: ByteBuf::from(megolm_key), ..good.clone() }).is_err());
    }
    // It is signed by the session's own key.
    for at in 0..good.megolm_key.len() {
        let mut changed = good.clone();
        changed.megolm_key[at] ^= 1;
        assert!(take(&changed).is_err(), "byte {at}");
        changed.megolm_key.truncate(at);
        assert!(take(&changed).is_err(), "cut to {at}");
    }
    for len in 0..bytes.len() {
        assert!(codec::decode::<SessionGrant>(&bytes[..len], 1024).is_err(), "cut to {len}");
    }
}

/// A grant made later does not open what was sent before.
#[test]
fn a_later_grant_opens_later_messages() {
    let (mut outbound, _) = session(1);
    let before = send(&mut outbound, b"before");
    let mut inbound = InboundSession::new(&outbound.grant(&BOB).unwrap()).unwrap();
    let after = send(&mut outbound, b"after");
    assert!(open(&mut inbound, &before).is_none());
    assert!(matches!(open_at(&mut inbound, 0, &before), Err(SessionError::Decrypt)));
    assert_eq!(open(&mut inbound, &after).unwrap().unwrap().data.as_slice(), b"after");
}

#[test]
fn a_damaged_record_is_an_error() {
    let (outbound, inbound) = session(1);
    let record = outbound.to_record();
    for len in 0..record.len() {
        assert!(OutboundSession::from_record(&record[..len]).is_err(), "cut to {len}");
    }
    let record = inbound.to_record();
    for len in 0..record.len() {
        assert!(InboundSession::from_record(&record[..len]).is_err(), "cut to {len}");
    }
}

#[test]
fn the_longest_text_fits_an_envelope_for_eight_devices() {
    let devices: Vec<DeviceId> = (0..8).map(|byte| DeviceId([byte; 32])).collect();
    let mut outbound = OutboundSession::new(&mut rng(5), &devices).unwrap();
    let message = Message {
        id: MessageId([0xff; 16]),
        sent_at: UnixMillis(u64::MAX),
        seq: MESSAGE_SEQ_MAX,
        content: Content::Text(Text::new("ä".repeat(TEXT_BYTES_MAX / 2)).unwrap()),
    };
    let content = send(&mut outbound, &message.encode());
    assert!(Header::parse(&content).is_ok());
    let long = vec![0; 40_000];
    let result = outbound.seal(&addressing(), &long);
    assert!(matches!(result, Err(SessionError::Body(BodyError::TooLong { .. }))));
}

#[test]
fn secrets_are_not_shown() {
    let (outbound, inbound) = session(1);
    assert_eq!(format!("{outbound:?}"), "OutboundSession(…)");
    assert_eq!(format!("{inbound:?}"), "InboundSession(…)");
    assert_eq!(format!("{:?}", outbound.grant(&BOB).unwrap()), "SessionGrant(…)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_order_and_any_repetition_opens(order in prop::collection::vec(0..128usize, 1..200)) {
        let (mut outbound, mut inbound) = session(1);
        let contents: Vec<_> = (0..128u8).map(|data| send(&mut outbound, &[data])).collect();
        for index in order {
            let opened = open(&mut inbound, &contents[index]).unwrap().unwrap();
            prop_assert_eq!(opened.data.as_slice(), [u8::try_from(index).unwrap()]);
        }
    }

    #[test]
    fn sizes_are_of_the_ladder(data in prop::collection::vec(any::<u8>(), 0..9000)) {
        let (mut outbound, mut inbound) = session(1);
        let content = send(&mut outbound, &data);
        let header = Header::parse(&content).unwrap();
        prop_assert!(is_on_ladder(content.len() - header.len));
        let opened = open(&mut inbound, &content).unwrap().unwrap();
        prop_assert_eq!(opened.data.as_slice(), data);
    }

    #[test]
    fn a_session_is_the_same_after_being_recorded(seed: u8, messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..20)) {
        let (mut kept, _) = session(seed);
        let (mut restarted, _) = session(seed);
        for message in messages {
            restarted = OutboundSession::from_record(&restarted.to_record()).unwrap();
            prop_assert_eq!(send(&mut kept, &message), send(&mut restarted, &message));
        }
    }
}
