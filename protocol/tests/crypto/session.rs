//! Conversation envelopes.

use std::collections::HashSet;

use martlet_protocol::ack::Ack;
use martlet_protocol::bundle::Bundle;
use martlet_protocol::codec;
use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::body::{self, BaseKey, BodyError};
use martlet_protocol::crypto::session::{
    Decrypted, InboundSession, OutboundSession, SessionContext, SessionError, SessionGrant,
};
use martlet_protocol::envelope::is_on_ladder;
use martlet_protocol::ids::MessageId;
use martlet_protocol::limits::{
    MENTIONS_MAX, MESSAGE_SEQ_MAX, SESSION_MESSAGES_MAX, SESSION_RECIPIENTS_MAX, TEXT_BYTES_MAX,
};
use martlet_protocol::message::{Content, Message, Text, Timers};
use martlet_protocol::time::{Day, ExpiryHour, UnixMillis};
use martlet_protocol::{ConversationId, DeviceId, Envelope, Header, IdentityId, NetworkTag, Tag};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use vodozemac::megolm::{GroupSession, GroupSessionPickle};

use crate::by_hand::Format;
use crate::people::{NOW, Person, addressing, rng};
use crate::{contains, vectors};

const BOB: DeviceId = DeviceId([7; 32]);

/// Ada writes to Bob.
pub(crate) const CONTEXT: SessionContext = SessionContext {
    sender: IdentityId([1; 32]),
    device: DeviceId([2; 32]),
    conversation: ConversationId([3; 32]),
};

/// A session drawn from `seed`, as its sender and as Bob have it.
fn session(seed: u8) -> (OutboundSession, InboundSession) {
    let outbound = OutboundSession::new(&mut rng(seed), CONTEXT, &[BOB]).unwrap();
    let inbound = InboundSession::new(&outbound.grant(&BOB).unwrap(), CONTEXT).unwrap();
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
    let grant = outbound.grant(&BOB).unwrap().encode().to_vec();
    let outbound_record = outbound.to_record().to_vec();
    let first = send(&mut outbound, b"first");
    let second = send(&mut outbound, b"second");
    vectors::check(
        "session.txt",
        "A conversation session for one device 07 … 07, drawn from ChaCha20 with the key 04 … 04:
        128 bytes of Megolm ratchet, 32 of signing key, 32 of tag key, 32 of ack key. Its sender is the
        identity 01 … 01 with the device 02 … 02, its conversation 03 … 03. id: the public signing key.
        grant: what the device is given. outbound_record, inbound_record: as the vault
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

    let grant = SessionGrant::decode(&golden("grant")).unwrap();
    assert_eq!(grant.id().unwrap(), outbound.id());
    for mut inbound in [
        InboundSession::new(&grant, CONTEXT).unwrap(),
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
    let make = |count: usize| OutboundSession::new(&mut rng(5), CONTEXT, &devices[..count]);
    assert!(matches!(make(0), Err(SessionError::Recipients { found: 0 })));
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
            let mut inbound = InboundSession::new(grant, CONTEXT).unwrap();
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

/// There is no slot for each of them then: all of them read, none of them acknowledges.
#[test]
fn more_than_eight_devices_have_one_slot_and_it_is_nobodys() {
    let devices: Vec<DeviceId> = (0..9).map(|byte| DeviceId([byte; 32])).collect();
    let mut outbound = OutboundSession::new(&mut rng(5), CONTEXT, &devices).unwrap();
    let grants: Vec<_> = devices.iter().map(|device| outbound.grant(device).unwrap()).collect();
    let secrets = outbound.next_ack_secrets();
    let content = send(&mut outbound, b"hello");
    let header = Header::parse(&content).unwrap();
    assert_eq!((header.slots, secrets.len()), (1, 1));
    let envelope = Envelope::new(content.clone()).id();
    let taken_back = Ack { envelope, slot: 0, secret: secrets[0].clone() };
    assert!(header.verifies(&content, &taken_back));
    for grant in &grants {
        let mut inbound = InboundSession::new(grant, CONTEXT).unwrap();
        let opened = open(&mut inbound, &content).unwrap().unwrap();
        assert_eq!((opened.data.as_slice(), opened.acks.len()), (b"hello".as_slice(), 0));
    }
    let too_many = vec![DeviceId([0; 32]); SESSION_RECIPIENTS_MAX + 1];
    let refused = OutboundSession::new(&mut rng(5), CONTEXT, &too_many);
    assert!(matches!(refused, Err(SessionError::Recipients { found }) if found == too_many.len()));
}

/// A grant's fields as its documentation gives them.
#[derive(Clone, Serialize)]
struct Grant {
    format: Format,
    conversation: ConversationId,
    megolm_key: ByteBuf,
    tag_key: ByteBuf,
    ack_key: ByteBuf,
    slot: u8,
    messages_max: u32,
}

impl Grant {
    /// That of a session drawn from `seed`.
    fn of(seed: u8) -> Self {
        let (outbound, _) = session(seed);
        let bytes = outbound.grant(&BOB).unwrap().encode();
        let Read { megolm_key, tag_key, ack_key, slot, messages_max, conversation, .. } =
            codec::decode_lenient(&bytes, 1024).unwrap();
        let format = Format::current();
        let good = Self { format, conversation, megolm_key, tag_key, ack_key, slot, messages_max };
        assert_eq!(codec::encode(&good), *bytes, "as documented");
        good
    }

    /// The session of this grant, which came in a message of `context`.
    fn take(&self, context: SessionContext) -> Result<InboundSession, SessionError> {
        let grant = SessionGrant::decode(&codec::encode(self))?;
        InboundSession::new(&grant, context)
    }
}

/// The same, to be read.
#[derive(Deserialize)]
struct Read {
    #[expect(dead_code, reason = "it has a place")]
    format: martlet_protocol::FormatInfo,
    conversation: ConversationId,
    megolm_key: ByteBuf,
    tag_key: ByteBuf,
    ack_key: ByteBuf,
    slot: u8,
    messages_max: u32,
}

/// A grant with `format` at its head.
pub(crate) fn grant_with(format: Format) -> Vec<u8> {
    codec::encode(&Grant { format, ..Grant::of(1) })
}

#[test]
fn a_malformed_grant_is_refused() {
    let good = Grant::of(1);
    let bytes = codec::encode(&good);
    let take = |grant: &Grant| grant.take(CONTEXT);
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
        assert!(SessionGrant::decode(&bytes[..len]).is_err(), "cut to {len}");
    }
}

/// A grant made later does not open what was sent before.
#[test]
fn a_later_grant_opens_later_messages() {
    let (mut outbound, _) = session(1);
    let before = send(&mut outbound, b"before");
    let mut inbound = InboundSession::new(&outbound.grant(&BOB).unwrap(), CONTEXT).unwrap();
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

/// A grant that came in a message of one conversation and names another would move its sender's
/// words there.
#[test]
fn a_grant_for_another_conversation_is_refused() {
    let good = Grant::of(1);
    let other = ConversationId([9; 32]);
    let taken = good.take(SessionContext { conversation: other, ..CONTEXT });
    assert!(matches!(taken, Err(SessionError::Conversation)));
    let taken = Grant { conversation: other, ..good.clone() }.take(CONTEXT);
    assert!(matches!(taken, Err(SessionError::Conversation)));
    assert_eq!(
        SessionGrant::decode(&codec::encode(&good)).unwrap().conversation(),
        CONTEXT.conversation
    );
}

/// The Megolm message in `content`, as every recipient of the session can get at it.
fn unwrapped(grant: &Grant, content: &[u8]) -> Vec<u8> {
    let header = Header::parse(content).unwrap();
    let (header, bytes) = content.split_at(header.len);
    body::open(&body_key(grant, &CONTEXT), header, bytes).unwrap().to_vec()
}

/// What the module documents, written down a second time.
fn body_key(grant: &Grant, context: &SessionContext) -> BaseKey {
    let key = grant.megolm_key.len() - 64;
    let secret = blake3::derive_key(
        "martlet 2026 session secret v2",
        &[
            grant.tag_key.as_slice(),
            &grant.megolm_key[key - 32..key],
            &context.sender.0,
            &context.device.0,
            &context.conversation.0,
        ]
        .concat(),
    );
    BaseKey(*blake3::keyed_hash(&secret, b"martlet session body v2").as_bytes())
}

/// Bob has all keys of Ada's session but the one that signs. He wrapped her message in a header with a
/// later expiry, or of another network, and it was hers.
#[test]
fn a_message_in_another_header_is_refused() {
    let grant = Grant::of(1);
    let (mut outbound, mut inbound) = session(1);
    let content = send(&mut outbound, b"hello");
    let message = unwrapped(&grant, &content);
    let header = content[..Header::parse(&content).unwrap().len].to_vec();
    let to = addressing();
    for (what, to, acks_at) in [
        ("the same", to, None),
        ("later expiry", Addressing { expiry: ExpiryHour(to.expiry.0 + 1), ..to }, None),
        ("other network", Addressing { network: NetworkTag::of("other"), ..to }, None),
        ("other acks", to, Some(33)),
    ] {
        let mut header = header.clone();
        let kind = martlet_protocol::Kind::Conversation;
        let prefix = Header::encode_prefix(kind, to.network, to.shard, to.expiry, 1);
        header[..17].copy_from_slice(&prefix);
        if let Some(at) = acks_at {
            header[at] ^= 1;
        }
        let rewrapped = body::seal(&body_key(&grant, &CONTEXT), header, &message).unwrap();
        let opened = open_at(&mut inbound, 0, &rewrapped);
        match opened {
            Ok(opened) => assert_eq!((what, opened.data.as_slice()), ("the same", &b"hello"[..])),
            Err(SessionError::Binding) => assert_ne!(what, "the same"),
            Err(other) => panic!("{what}: {other}"),
        }
    }
}

/// Bob grants Ada's Megolm session to Carol as his own, or in another conversation, and wraps her
/// messages in it.
#[test]
fn a_message_of_another_sender_device_or_conversation_is_refused() {
    let grant = Grant::of(1);
    let (mut outbound, _) = session(1);
    let content = send(&mut outbound, b"hello");
    let message = unwrapped(&grant, &content);
    let header = content[..Header::parse(&content).unwrap().len].to_vec();
    for context in [
        SessionContext { sender: IdentityId([9; 32]), ..CONTEXT },
        SessionContext { device: DeviceId([9; 32]), ..CONTEXT },
        SessionContext { conversation: ConversationId([9; 32]), ..CONTEXT },
    ] {
        let regranted = Grant { conversation: context.conversation, ..grant.clone() };
        let mut inbound = regranted.take(context).unwrap();
        let rewrapped = body::seal(&body_key(&grant, &context), header.clone(), &message).unwrap();
        let opened = open_at(&mut inbound, 0, &rewrapped);
        assert!(matches!(opened, Err(SessionError::Binding)), "{context:?}");
        // As it is, it isn't even recognized.
        assert!(open(&mut inbound, &content).is_none());
    }
}

/// A message without a binding, as version 1 had it, or with a part of one.
#[test]
fn a_message_without_a_binding_is_refused() {
    let (mut outbound, mut inbound) = session(1);
    let good = send(&mut outbound, b"");
    assert!(open_at(&mut inbound, 0, &good).unwrap().data.is_empty());
    let record = session(1).0.to_record();
    for plaintext in [vec![], vec![7; 31], vec![7; 32], vec![7; 100]] {
        // The record begins with the Megolm session.
        let (pickle, ..): (GroupSessionPickle, IgnoredAny, IgnoredAny, IgnoredAny) =
            codec::decode_lenient(&record, 4096).unwrap();
        let mut megolm = GroupSession::from_pickle(pickle);
        let message = megolm.encrypt(&plaintext).to_bytes();
        let header = good[..Header::parse(&good).unwrap().len].to_vec();
        let content = body::seal(&body_key(&Grant::of(1), &CONTEXT), header, &message).unwrap();
        let opened = open_at(&mut inbound, 0, &content);
        assert!(matches!(opened, Err(SessionError::Binding)), "{} bytes", plaintext.len());
    }
}

/// Tags were derived alike for sessions and bundles: a session whose tag key was what a bundle's tag
/// comes of had the bundle's tags, and its sender could have others take bundles for messages.
#[test]
fn no_choice_of_a_tag_key_gives_the_tag_of_a_bundle() {
    let ada = Person::new(1).id();
    let id_bytes = [ada.identity.0.as_slice(), &ada.secret.0].concat();
    let bundle_secret = blake3::derive_key("martlet 2026 bundle secret v2", &id_bytes);
    let days = || (0..u32::from(u8::MAX)).chain(NOW.day().0 - 10..NOW.day().0 + 10).map(Day);
    let bundles: HashSet<Tag> = days().map(|day| Bundle::tag(&ada, day)).collect();
    for tag_key in [bundle_secret, ada.identity.0] {
        let grant = Grant { tag_key: ByteBuf::from(tag_key), ..Grant::of(1) };
        let session = grant.take(CONTEXT).unwrap();
        assert!(session.tags().all(|(_, tag)| !bundles.contains(&tag)));
    }
    // Even one who could choose the derived secret itself would not hit one: the domains differ.
    let tag = |secret: &[u8; 32], index: u32| {
        let input = [b"martlet session tag v2".as_slice(), &index.to_be_bytes()].concat();
        Tag(blake3::keyed_hash(secret, &input).as_bytes()[..16].try_into().unwrap())
    };
    assert!(days().all(|Day(index)| !bundles.contains(&tag(&bundle_secret, index))));
}

/// A recipient of a session knows its tag key. With a session of their own that has the same, they
/// could have made others take Ada's messages for theirs, and lose them.
#[test]
fn no_choice_of_a_tag_key_gives_the_tags_of_anothers_session() {
    let ada = Grant::of(1);
    let tags: HashSet<Tag> = ada.take(CONTEXT).unwrap().tags().map(|(_, tag)| tag).collect();
    let eve = SessionContext { sender: IdentityId([9; 32]), ..CONTEXT };
    let other_session = Grant { tag_key: ada.tag_key.clone(), ..Grant::of(2) };
    for (grant, context) in [(&ada, eve), (&other_session, eve), (&other_session, CONTEXT)] {
        let session = grant.take(context).unwrap();
        assert!(session.tags().all(|(_, tag)| !tags.contains(&tag)));
    }
}

#[test]
fn the_longest_text_fits_an_envelope_for_eight_devices() {
    let devices: Vec<DeviceId> = (0..8).map(|byte| DeviceId([byte; 32])).collect();
    let mut outbound = OutboundSession::new(&mut rng(5), CONTEXT, &devices).unwrap();
    let message = Message {
        id: MessageId([0xff; 16]),
        sent_at: UnixMillis(u64::MAX),
        seq: MESSAGE_SEQ_MAX,
        timers: Timers { expire_s: Some(518_400), burn_s: Some(518_400) },
        content: Content::Text(Text::new("ä".repeat(TEXT_BYTES_MAX / 2)).unwrap()),
        reply_to: Some(MessageId([0xff; 16])),
        mentions: vec![IdentityId([0xff; 32]); MENTIONS_MAX],
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

#[test]
fn a_sender_knows_the_secrets_of_every_slot_of_the_next_envelope() {
    for recipients in 1..=8u8 {
        let devices: Vec<_> = (0..recipients).map(|n| DeviceId([n; 32])).collect();
        let mut outbound = OutboundSession::new(&mut rng(4), CONTEXT, &devices).unwrap();
        for _ in 0..2 {
            let secrets = outbound.next_ack_secrets();
            let content = send(&mut outbound, b"data");
            let header = Header::parse(&content).unwrap();
            assert_eq!(secrets.len(), usize::from(header.slots));
            for (slot, secret) in (0..).zip(&secrets) {
                assert_eq!(header.ack_commit(&content, slot), Some(secret.commit()));
            }
        }
    }
}
