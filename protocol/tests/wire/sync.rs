//! What sync says, and its set fingerprint.

use martlet_protocol::codec::{self, CodecError};
use martlet_protocol::ids::{EnvelopeId, Shard, Tag};
use martlet_protocol::limits::{
    DIGEST_HOURS_MAX, DIGESTS_MAX, LOOKUP_TAGS_MAX, SYNC_BATCH_BYTES_MAX, SYNC_IDS_MAX,
    SYNC_REQUEST_BYTES_MAX, SYNC_RESPONSE_BYTES_MAX,
};
use martlet_protocol::sync::{
    Bucket, BucketDigest, Fingerprint, Refusal, Request, Response, ShardSet, ShortId,
};
use martlet_protocol::time::ExpiryHour;
use martlet_protocol::{Ack, AckSecret, Envelope};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::fixture::{any_ack, any_envelope, any_envelope_id, assert_exact_length, counting};
use crate::vectors;

#[test]
fn vectors() {
    let id = EnvelopeId(counting(0));
    let bucket = Bucket { shard: Shard(5), hour: ExpiryHour(490_923) };
    let mut fingerprint = Fingerprint::default();
    fingerprint.add(&id);
    fingerprint.add(&EnvelopeId([0xff; 32]));
    let digest = BucketDigest { bucket, count: 2, fingerprint };
    let ack = Ack { envelope: id, slot: 0, secret: AckSecret([0x11; 16]) };
    let envelope = Envelope { content: vec![0xab, 0xcd].into(), nonce: 1 };
    let requests = [
        ("request_digests", Request::Digests(vec![digest])),
        ("request_reconcile", Request::Reconcile { buckets: vec![bucket], message: vec![0x61] }),
        ("request_fetch", Request::Fetch(vec![id])),
        ("request_offer", Request::Offer(vec![id])),
        (
            "request_push",
            Request::Push { envelopes: vec![envelope.clone()], acks: vec![ack.clone()] },
        ),
        ("request_stored", Request::Stored(vec![id])),
        ("request_time", Request::Time),
        (
            "request_short_list",
            Request::ShortList {
                buckets: vec![bucket],
                key: [0x22; 32],
                ids: ShortId::of(&[0x22; 32], &id).0.to_vec(),
            },
        ),
    ];
    let some = ShardSet::of([Shard(5), Shard(8)], 4);
    let new_requests = [
        ("request_compare", Request::Compare { shards: some.clone(), digests: vec![digest] }),
        ("request_compare_all", Request::Compare { shards: ShardSet::ALL, digests: vec![] }),
        ("request_lookup", Request::Lookup { shard: Shard(5), tags: vec![Tag([0x22; 16])] }),
    ];
    let new_responses = [
        (
            "response_compared",
            Response::Compared { buckets: vec![bucket], kept: some, compared: true },
        ),
        (
            "response_compared_edge",
            Response::Compared { buckets: vec![], kept: ShardSet::NONE, compared: false },
        ),
        ("response_wanted_gone", Response::Wanted { ids: vec![], acks: vec![], gone: vec![id] }),
    ];
    let responses = [
        ("response_differing", Response::Differing(vec![bucket])),
        ("response_reconcile", Response::Reconcile(vec![0x61])),
        ("response_envelopes", Response::Envelopes { envelopes: vec![envelope], gone: vec![id] }),
        ("response_wanted", Response::Wanted { ids: vec![id], acks: vec![ack], gone: vec![] }),
        ("response_done", Response::Done),
        ("response_pushed", Response::Pushed { refused: vec![EnvelopeId([9; 32])] }),
        ("response_refused_busy", Response::Refused(Refusal::Busy)),
        ("response_refused_too_large", Response::Refused(Refusal::TooLarge)),
        ("response_refused_full", Response::Refused(Refusal::Full)),
        ("response_refused_invalid", Response::Refused(Refusal::Invalid)),
        ("response_time", Response::Time(1_795_435_200)),
        ("response_refused_over_share", Response::Refused(Refusal::OverShare)),
        ("response_lacking", Response::Lacking { there: vec![0x33; 6], here: vec![id] }),
    ];
    let mut entries = vec![("fingerprint", fingerprint.0.to_vec())];
    entries.extend(requests.iter().map(|(name, value)| (*name, codec::encode(value))));
    entries.extend(responses.iter().map(|(name, value)| (*name, codec::encode(value))));
    entries.extend(new_requests.iter().map(|(name, value)| (*name, codec::encode(value))));
    entries.extend(new_responses.iter().map(|(name, value)| (*name, codec::encode(value))));
    vectors::check(
        "sync.txt",
        "Sync. id is 00 01 … 1f, bucket is shard 5, hour 490923. fingerprint: of id and ff … ff:
        their sum as little-endian integers, modulo 2^256 (ff … ff is -1, so it is id - 1).
        request_*, response_*: one of each variant, in CBOR, with an ack of slot 0 by the secret
        11 … 11, an envelope of the content ab cd and nonce 1, a negentropy message of one byte
         61, and the id shortened under the key 22 … 22. The sets of shards are {5, 8}, all, and
         none; the tag is 22 … 22.",
        &entries,
    );
    for (name, request) in requests.into_iter().chain(new_requests) {
        let bytes = codec::encode(&request);
        assert_eq!(codec::decode::<Request>(&bytes, 4096).unwrap(), request, "{name}");
        assert_exact_length(&bytes, |bytes| codec::decode::<Request>(bytes, 4096));
    }
    for (name, response) in responses.into_iter().chain(new_responses) {
        let bytes = codec::encode(&response);
        assert_eq!(codec::decode::<Response>(&bytes, 4096).unwrap(), response, "{name}");
        assert_exact_length(&bytes, |bytes| codec::decode::<Response>(bytes, 4096));
    }
}

#[test]
fn the_largest_lists_fit_their_frames() {
    let ids = vec![EnvelopeId([0xff; 32]); SYNC_IDS_MAX];
    let acks =
        vec![Ack { envelope: ids[0], slot: 255, secret: AckSecret([0xff; 16]) }; 8 * SYNC_IDS_MAX];
    let room = SYNC_RESPONSE_BYTES_MAX - SYNC_BATCH_BYTES_MAX;
    assert!(codec::encode(&ids).len() < room);
    assert!(codec::encode(&Request::Fetch(ids.clone())).len() < SYNC_REQUEST_BYTES_MAX);
    assert!(
        codec::encode(&Response::Wanted { ids, acks, gone: Vec::new() }).len()
            < SYNC_RESPONSE_BYTES_MAX
    );
    // Every hour, in every one of as many shards as there may be.
    let digest = BucketDigest {
        bucket: Bucket { shard: Shard(0xfff), hour: ExpiryHour(u32::MAX) },
        count: u64::MAX,
        fingerprint: Fingerprint([0xff; 32]),
    };
    let digests = Request::Digests(vec![digest; DIGEST_HOURS_MAX]);
    assert!(codec::encode(&digests).len() < SYNC_REQUEST_BYTES_MAX);
    // The largest sets have every other shard.
    let shards = ShardSet::of((1..4096).step_by(2).map(Shard), 12);
    let compare = Request::Compare { shards: shards.clone(), digests: vec![digest; DIGESTS_MAX] };
    assert!(codec::encode(&compare).len() < SYNC_REQUEST_BYTES_MAX);
    let buckets = vec![digest.bucket; DIGESTS_MAX];
    let compared = Response::Compared { buckets, kept: shards, compared: true };
    assert!(codec::encode(&compared).len() < SYNC_RESPONSE_BYTES_MAX);
    let tags = vec![Tag([0xff; 16]); LOOKUP_TAGS_MAX];
    let lookup = Request::Lookup { shard: Shard(0xfff), tags };
    assert!(codec::encode(&lookup).len() < SYNC_REQUEST_BYTES_MAX);
}

#[test]
fn too_long_is_refused_unread() {
    let bytes = vec![0xff; SYNC_REQUEST_BYTES_MAX + 1];
    let result = codec::decode::<Request>(&bytes, SYNC_REQUEST_BYTES_MAX);
    assert!(matches!(result, Err(CodecError::TooLong { .. })));
}

#[test]
fn unknown_variants_and_fields_are_refused() {
    // Variants are 0 to 9, and 0 to 8.
    assert!(codec::decode::<Request>(&[0x82, 0x0a, 0x80], 64).is_err());
    assert!(codec::decode::<Response>(&[0x09], 64).is_err());
    // [1, {0: [], 1: h'', 2: 0}]
    let reconcile = [0x82, 0x01, 0xa3, 0x00, 0x80, 0x01, 0x40, 0x02, 0x00];
    assert!(codec::decode::<Request>(&reconcile, 64).is_err());
    // [5, 5]: refused for a reason not known here.
    assert!(codec::decode::<Response>(&[0x82, 0x05, 0x05], 64).is_err());
}

fn any_bucket() -> impl Strategy<Value = Bucket> {
    (any::<u16>(), any::<u32>())
        .prop_map(|(shard, hour)| Bucket { shard: Shard(shard), hour: ExpiryHour(hour) })
}

fn any_digest() -> impl Strategy<Value = BucketDigest> {
    (any_bucket(), any::<u64>(), any::<[u8; 32]>()).prop_map(|(bucket, count, fingerprint)| {
        BucketDigest { bucket, count, fingerprint: Fingerprint(fingerprint) }
    })
}

fn any_shards() -> impl Strategy<Value = ShardSet> {
    let some = vec(0u16..4096, 0..20);
    let some = some.prop_map(|numbers| ShardSet::of(numbers.into_iter().map(Shard), 12));
    prop_oneof![some, Just(ShardSet::ALL)]
}

fn any_request() -> impl Strategy<Value = Request> {
    let ids = || vec(any_envelope_id(), 0..20);
    prop_oneof![
        vec(any_digest(), 0..20).prop_map(Request::Digests),
        (vec(any_bucket(), 0..20), vec(any::<u8>(), 0..300))
            .prop_map(|(buckets, message)| Request::Reconcile { buckets, message }),
        ids().prop_map(Request::Fetch),
        ids().prop_map(Request::Offer),
        (vec(any_envelope(), 0..3), vec(any_ack(), 0..5))
            .prop_map(|(envelopes, acks)| Request::Push { envelopes, acks }),
        ids().prop_map(Request::Stored),
        (vec(any_bucket(), 0..20), any::<[u8; 32]>(), vec(any::<u8>(), 0..300))
            .prop_map(|(buckets, key, ids)| Request::ShortList { buckets, key, ids }),
        (any_shards(), vec(any_digest(), 0..20))
            .prop_map(|(shards, digests)| Request::Compare { shards, digests }),
        (any::<u16>(), vec(any::<[u8; 16]>().prop_map(Tag), 0..20))
            .prop_map(|(shard, tags)| Request::Lookup { shard: Shard(shard), tags }),
    ]
}

fn any_response() -> impl Strategy<Value = Response> {
    let ids = || vec(any_envelope_id(), 0..20);
    let refusal = prop::sample::select(vec![
        Refusal::Busy,
        Refusal::TooLarge,
        Refusal::Full,
        Refusal::Invalid,
        Refusal::OverShare,
    ]);
    prop_oneof![
        vec(any_bucket(), 0..20).prop_map(Response::Differing),
        vec(any::<u8>(), 0..300).prop_map(Response::Reconcile),
        (vec(any_envelope(), 0..3), ids())
            .prop_map(|(envelopes, gone)| Response::Envelopes { envelopes, gone }),
        (ids(), vec(any_ack(), 0..5), ids()).prop_map(|(ids, acks, gone)| Response::Wanted {
            ids,
            acks,
            gone
        }),
        Just(Response::Done),
        ids().prop_map(|refused| Response::Pushed { refused }),
        refusal.prop_map(Response::Refused),
        (vec(any::<u8>(), 0..300), ids())
            .prop_map(|(there, here)| Response::Lacking { there, here }),
        (vec(any_bucket(), 0..20), any_shards(), any::<bool>())
            .prop_map(|(buckets, kept, compared)| Response::Compared { buckets, kept, compared }),
    ]
}

fn fingerprint<'a>(ids: impl IntoIterator<Item = &'a EnvelopeId>) -> Fingerprint {
    let mut sum = Fingerprint::default();
    ids.into_iter().for_each(|id| sum.add(id));
    sum
}

proptest! {
    #[test]
    fn requests_round_trip(request in any_request()) {
        let bytes = codec::encode(&request);
        prop_assert_eq!(codec::decode::<Request>(&bytes, SYNC_REQUEST_BYTES_MAX).unwrap(), request);
    }

    #[test]
    fn responses_round_trip(response in any_response()) {
        let bytes = codec::encode(&response);
        prop_assert_eq!(codec::decode::<Response>(&bytes, SYNC_RESPONSE_BYTES_MAX).unwrap(), response);
    }

    #[test]
    fn a_changed_byte_never_panics(request in any_request(), at: prop::sample::Index, value: u8) {
        let mut bytes = codec::encode(&request);
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = codec::decode::<Request>(&bytes, SYNC_REQUEST_BYTES_MAX);
        let _ = codec::decode::<Response>(&bytes, SYNC_RESPONSE_BYTES_MAX);
    }

    #[test]
    fn a_fingerprint_does_not_depend_on_the_order(ids in vec(any_envelope_id(), 0..20), seed: u64) {
        let mut shuffled = ids.clone();
        shuffled.sort_by_key(|id| blake3::hash(&[id.0.as_slice(), &seed.to_be_bytes()].concat()).to_string());
        prop_assert_eq!(fingerprint(&ids), fingerprint(&shuffled));
    }

    #[test]
    fn removing_undoes_adding(kept in vec(any_envelope_id(), 0..10), removed in vec(any_envelope_id(), 0..10)) {
        let mut sum = fingerprint(kept.iter().chain(&removed));
        removed.iter().for_each(|id| sum.remove(id));
        prop_assert_eq!(sum, fingerprint(&kept));
        // Removing first is the same: the sum is modulo 2^256.
        let mut sum = Fingerprint::default();
        removed.iter().for_each(|id| sum.remove(id));
        kept.iter().chain(&removed).for_each(|id| sum.add(id));
        prop_assert_eq!(sum, fingerprint(&kept));
    }

    #[test]
    fn another_set_has_another_fingerprint(ids in vec(any_envelope_id(), 1..10), more in any_envelope_id()) {
        prop_assume!(more.0 != [0; 32]);
        prop_assert_ne!(fingerprint(ids.iter().chain([&more])), fingerprint(&ids));
    }

    #[test]
    fn a_fingerprint_is_the_sum(one: u128, other: u128) {
        let id = |low: u128| {
            let mut bytes = [0; 32];
            bytes[..16].copy_from_slice(&low.to_le_bytes());
            EnvelopeId(bytes)
        };
        let (low, carry) = one.overflowing_add(other);
        let mut expected = id(low).0;
        expected[16] = u8::from(carry);
        prop_assert_eq!(fingerprint(&[id(one), id(other)]).0, expected);
    }
}
