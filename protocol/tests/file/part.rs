//! Parts of a file in envelopes.

use std::collections::BTreeSet;

use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::session::{InboundSession, OutboundSession, SessionContext};
use martlet_protocol::file::part::{PART_BYTES, PartsKey, bytes_of, parts};
use martlet_protocol::file::sealed::Layout;
use martlet_protocol::{
    Ack, AckSecret, ConversationId, DeviceId, Envelope, ExpiryHour, Header, IdentityId, MessageId,
    NetworkTag, Shard,
};
use rand_core::SeedableRng;

use super::{counting, key};

pub(super) fn addressing() -> Addressing {
    Addressing { network: NetworkTag([1; 8]), shard: Shard(0), expiry: ExpiryHour(500_000) }
}

fn slots() -> Vec<AckSecret> {
    vec![AckSecret([1; 16]), AckSecret([2; 16])]
}

#[test]
fn a_file_goes_in_parts_of_one_size_that_nothing_but_their_key_ties_together() {
    let sealed = counting(3 * PART_BYTES + 100);
    let key = PartsKey::of(&key());
    assert_eq!(parts(sealed.len() as u64), 4);
    let (mut again, mut seen, mut sizes) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (index, bytes) in (0..).zip(sealed.chunks(PART_BYTES)) {
        let content = key.seal(&addressing(), index, &slots(), bytes).unwrap();
        let header = Header::parse(&content).unwrap();
        assert_eq!(header.tag(&content), Some(key.tag(index)));
        assert!(seen.insert(key.tag(index)));
        sizes.insert(content.len());
        again.extend(key.open(index, bytes.len(), &header, &content).unwrap());
        assert!(key.open(index + 1, bytes.len(), &header, &content).is_err(), "another's place");
        if bytes.len() < PART_BYTES {
            assert!(key.open(index, bytes.len() - 1, &header, &content).is_err(), "not zeros");
        }
    }
    assert_eq!(again, sealed);
    assert_eq!(sizes.len(), 1, "the last one shows by nothing that it is");
}

#[test]
fn a_part_has_bytes_and_as_many_slots_as_envelopes_have() {
    let key = PartsKey::of(&key());
    for (slots, len) in [(0, 1), (3, 1), (9, 1), (1, 0), (1, PART_BYTES + 1)] {
        let slots = vec![AckSecret([1; 16]); slots];
        assert!(key.seal(&addressing(), 0, &slots, &counting(len)).is_err());
    }
    assert_eq!(parts(Layout::of(4 << 20).unwrap().sealed_size()), 129);
}

#[test]
fn each_device_proves_its_own_parts() {
    let rng = &mut rand_chacha::ChaCha20Rng::from_seed([4; 32]);
    let conversation = ConversationId([5; 32]);
    let context =
        SessionContext { sender: IdentityId([1; 32]), device: DeviceId([2; 32]), conversation };
    let devices = [DeviceId([7; 32]), DeviceId([8; 32]), DeviceId([9; 32])];
    let session = OutboundSession::new(rng, context, &devices).unwrap();
    let (key, message) = (PartsKey::of(&key()), MessageId([6; 16]));
    let unused = |slot| key.unused_ack_secret(3, slot);
    let secrets = session.part_slots().secrets(&message, 3, unused);
    assert_eq!(secrets.len(), 4);
    let content = key.seal(&addressing(), 3, &secrets, &[1]).unwrap();
    let header = Header::parse(&content).unwrap();
    let envelope = Envelope::new(content.clone()).id();
    for (place, device) in devices.iter().enumerate() {
        let grant = session.grant(device).unwrap();
        let inbound = InboundSession::new(&grant, context).unwrap();
        let acks = inbound.part_acks();
        let (slot, secret) = (acks.slot(), acks.secret(&message, 3));
        assert_eq!(usize::from(slot), place);
        assert!(header.verifies(&content, &Ack { envelope, slot, secret }));
        let secret = acks.secret(&message, 4);
        assert!(!header.verifies(&content, &Ack { envelope, slot, secret }), "of another part");
    }
    let unused = Ack { envelope, slot: 3, secret: key.unused_ack_secret(3, 3) };
    assert!(header.verifies(&content, &unused), "whoever has the file's key may reveal it");
}

/// A session for more than eight devices made parts without any slot, which no envelope has: none could be sealed.
#[test]
fn parts_for_more_devices_than_there_are_slots_have_one_that_their_sender_alone_opens() {
    let rng = &mut rand_chacha::ChaCha20Rng::from_seed([4; 32]);
    let conversation = ConversationId([5; 32]);
    let context =
        SessionContext { sender: IdentityId([1; 32]), device: DeviceId([2; 32]), conversation };
    let devices: Vec<DeviceId> = (10..19).map(|device| DeviceId([device; 32])).collect();
    let session = OutboundSession::new(rng, context, &devices).unwrap();
    let (key, message) = (PartsKey::of(&key()), MessageId([6; 16]));
    let unused = |slot| key.unused_ack_secret(3, slot);
    let secrets = session.part_slots().secrets(&message, 3, unused);
    assert_eq!(secrets.len(), 1);
    let content = key.seal(&addressing(), 3, &secrets, &[1]).unwrap();
    let header = Header::parse(&content).unwrap();
    let envelope = Envelope::new(content.clone()).id();
    let opens = |slot, secret| header.verifies(&content, &Ack { envelope, slot, secret });
    assert!(opens(0, secrets[0].clone()), "who recalls it");
    assert!(!opens(0, unused(0)), "not who has the file's key");
    for device in &devices {
        let grant = session.grant(device).unwrap();
        let acks = InboundSession::new(&grant, context).unwrap().part_acks();
        assert!(!opens(acks.slot(), acks.secret(&message, 3)), "no recipient");
    }
}

#[test]
fn the_last_part_has_what_is_left() {
    let size = 3 * PART_BYTES as u64 + 100;
    let lengths: Vec<_> = (0..5).map(|index| bytes_of(size, index)).collect();
    let whole = Some(PART_BYTES);
    assert_eq!(lengths, [whole, whole, whole, Some(100), None]);
    assert_eq!(bytes_of(PART_BYTES as u64, 1), None);
}
