//! Values that several tests need.

use martlet_protocol::ids::{EnvelopeId, IdentityId, NetworkTag, Shard};
use martlet_protocol::time::{ExpiryHour, UnixMillis};
use martlet_protocol::{Ack, AckSecret, Envelope, Header, Kind};
use proptest::prelude::*;

/// 2026-01-02 03:04:05.678 UTC.
pub(crate) const NOW: UnixMillis = UnixMillis(1_767_323_045_678);

/// The identity whose secret key is 32 times `byte`.
pub(crate) fn identity(byte: u8) -> IdentityId {
    IdentityId(ed25519_dalek::SigningKey::from_bytes(&[byte; 32]).verifying_key().to_bytes())
}

/// 0, 1, 2, … for `N` bytes, from `start`, wrapping.
pub(crate) fn counting<const N: usize>(start: u8) -> [u8; N] {
    std::array::from_fn(|at| start.wrapping_add(u8::try_from(at % 256).unwrap()))
}

/// Content with a valid header of these fields; what follows the prefix counts upwards.
pub(crate) fn content(fields: &Fields) -> Vec<u8> {
    let mut content = Header::encode_prefix(
        fields.kind,
        fields.network,
        fields.shard,
        fields.expiry,
        fields.slots,
    )
    .to_vec();
    let len = fields.kind.header_len(fields.slots) + fields.body;
    content.extend((0..len - content.len()).map(|at| u8::try_from(at % 251).unwrap()));
    content
}

/// What a header says, and the length of the body.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) kind: Kind,
    pub(crate) network: NetworkTag,
    pub(crate) shard: Shard,
    pub(crate) expiry: ExpiryHour,
    pub(crate) slots: u8,
    pub(crate) body: usize,
}

impl Fields {
    /// An envelope that the network "lan" accepts at [`NOW`].
    pub(crate) fn acceptable(kind: Kind) -> Self {
        Self {
            kind,
            network: NetworkTag::of("lan"),
            shard: Shard(0),
            expiry: ExpiryHour::latest(NOW),
            slots: 1,
            body: 512,
        }
    }
}

pub(crate) fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::ToDevice), Just(Kind::Conversation)]
}

pub(crate) fn any_fields() -> impl Strategy<Value = Fields> {
    (
        any_kind(),
        any::<[u8; 8]>(),
        any::<u16>(),
        any::<u32>(),
        prop::sample::select(vec![1u8, 2, 4, 8]),
        (9u32..=15).prop_map(|exponent| 1usize << exponent),
    )
        .prop_map(|(kind, network, shard, expiry, slots, body)| Fields {
            kind,
            network: NetworkTag(network),
            shard: Shard(shard),
            expiry: ExpiryHour(expiry),
            slots,
            body,
        })
}

/// Envelopes of any content at all.
pub(crate) fn any_envelope() -> impl Strategy<Value = Envelope> {
    (prop::collection::vec(any::<u8>(), 0..2000), any::<u64>())
        .prop_map(|(content, nonce)| Envelope { content: content.into(), nonce })
}

pub(crate) fn any_envelope_id() -> impl Strategy<Value = EnvelopeId> {
    any::<[u8; 32]>().prop_map(EnvelopeId)
}

pub(crate) fn any_ack() -> impl Strategy<Value = Ack> {
    (any_envelope_id(), any::<u8>(), any::<[u8; 16]>()).prop_map(|(envelope, slot, secret)| Ack {
        envelope,
        slot,
        secret: AckSecret(secret),
    })
}

/// `decode` refuses every proper prefix of `bytes`, and `bytes` with anything after them.
pub(crate) fn assert_exact_length<T, E>(bytes: &[u8], decode: impl Fn(&[u8]) -> Result<T, E>) {
    assert!(decode(bytes).is_ok(), "the whole must decode");
    for len in 0..bytes.len() {
        assert!(decode(&bytes[..len]).is_err(), "cut to {len} of {} bytes", bytes.len());
    }
    for more in 0..=255 {
        let mut longer = bytes.to_vec();
        longer.push(more);
        assert!(decode(&longer).is_err(), "followed by {more:#04x}");
    }
}
