//! Bytes that a hostile peer sends: frames of gossipsub, written by hand, and envelopes that look
//! good.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use libp2p::identity::PublicKey;
use martlet_protocol::limits::{BODY_BYTES_MAX, BODY_BYTES_MIN};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{Envelope, ExpiryHour, Header, Kind, Shard, UnixMillis};
use rand::Rng;

/// Body of an envelope that looks like a short text.
const BODY_BYTES: usize = 512;

/// A frame with `data` on `topic`, once for each.
pub(super) fn publish(topic: &str, data: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut rpc = Vec::new();
    for data in data {
        let message = [field(2, data.as_ref()), field(4, topic.as_bytes())].concat();
        rpc.extend(field(2, &message));
    }
    framed(&rpc)
}

/// A frame that subscribes to, or unsubscribes from, each of `topics`.
pub(super) fn subscriptions(topics: &[String], subscribe: bool) -> Vec<u8> {
    let mut rpc = Vec::new();
    for topic in topics {
        let subscription = [&[0x08, u8::from(subscribe)][..], &field(2, topic.as_bytes())].concat();
        rpc.extend(field(1, &subscription));
    }
    framed(&rpc)
}

/// A frame that asks to be in the mesh of `topic`.
pub(super) fn graft(topic: &str) -> Vec<u8> {
    framed(&field(3, &field(3, &field(1, topic.as_bytes()))))
}

/// A frame of control messages: grafts and prunes of `topic`, announcements, wishes, and refusals
/// of made up messages.
pub(super) fn control(topic: &str, number: u64) -> Vec<u8> {
    let topic = topic.as_bytes();
    let ids: Vec<u8> = (0..20u64)
        .flat_map(|at| field(2, blake3_of(number.wrapping_mul(20).wrapping_add(at)).as_slice()))
        .collect();
    let announced = [field(1, topic), ids].concat();
    let wished = field(1, blake3_of(number).as_slice());
    let control = [
        field(3, &field(1, topic)),
        field(4, &field(1, topic)),
        field(1, &announced),
        field(2, &wished),
        field(5, &wished),
    ]
    .concat();
    framed(&field(3, &control))
}

/// An envelope of `network` that every node must take, but for `expiry`, all random.
pub(super) fn envelope(network: &NetworkDescriptor, expiry: ExpiryHour) -> Envelope {
    envelope_of(network, expiry, BODY_BYTES)
}

/// The same with a body of `bytes` bytes, raised to the next size that bodies are padded to.
pub(crate) fn envelope_of(
    network: &NetworkDescriptor,
    expiry: ExpiryHour,
    bytes: usize,
) -> Envelope {
    let padded = bytes.clamp(BODY_BYTES_MIN, BODY_BYTES_MAX).next_power_of_two();
    let kind = Kind::Conversation;
    let mut content = Header::encode_prefix(kind, network.tag(), Shard(0), expiry, 1).to_vec();
    content.extend(random(16 + 16 + padded));
    Envelope::new(content)
}

/// The same envelope with another body: same header, same tag.
pub(super) fn with_other_body(envelope: &Envelope) -> Option<Envelope> {
    let header = Header::parse(&envelope.content).ok()?;
    let mut content = envelope.content.get(..header.len)?.to_vec();
    content.extend(random(envelope.content.len() - header.len));
    Some(Envelope::new(content))
}

/// Random bytes.
pub(super) fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// The time of day.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What a peer of `network` with this key says of itself by identify (`message Identify` of its specification),
/// framed.
pub(super) fn identify(key: &PublicKey, network: &str) -> Arc<[u8]> {
    let version = format!("/martlet/{network}/2");
    framed(&[field(1, &key.encode_protobuf()), field(5, version.as_bytes())].concat()).into()
}

/// Bytes that look like an envelope's id.
fn blake3_of(number: u64) -> [u8; 32] {
    Envelope::new(number.to_be_bytes().to_vec()).id().0
}

/// A length-delimited field of Protocol Buffers.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    field.extend(varint(bytes.len()));
    field.extend_from_slice(bytes);
    field
}

fn framed(rpc: &[u8]) -> Vec<u8> {
    [varint(rpc.len()).as_slice(), rpc].concat()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_layout_of_gossipsub() {
        let expected = [&[14, 0x12, 12][..], &[0x12, 5], b"hello", &[0x22, 3], b"abc"].concat();
        assert_eq!(publish("abc", &["hello"]), expected);
        assert_eq!(subscriptions(&["abc".to_owned()], true)[..5], [9, 0x0a, 7, 0x08, 1]);
        assert_eq!(varint(300), [0xac, 0x02]);
    }
}
