//! To-device envelopes.

use ed25519_dalek::SigningKey;
use martlet_protocol::codec;
use martlet_protocol::codec::CodecError;
use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::body::{BodyError, DATA_BYTES_MAX};
use martlet_protocol::crypto::seal::{
    self, OpeningKeys, PREKEY_BYTES, PrekeyPublic, PrekeySecret, PreparedPrekey, SealError,
};
use martlet_protocol::envelope::{SLOT_BYTES, is_on_ladder};
use martlet_protocol::identity::DeviceCertificate;
use martlet_protocol::{Envelope, ExpiryHour, FormatInfo, Header, IdentityId, Kind, NetworkTag};
use proptest::prelude::*;

use crate::by_hand::{self, Format, Opening};
use crate::people::{Person, addressing, rng};
use crate::{contains, vectors};

const PAYLOAD: &[u8] = b"what only Bob may read";

/// Sealed by Ada to the devices of `people`, as devices of the first one's identity.
fn sealed(seed: u8, people: &[&Person], payload: &[u8]) -> Vec<u8> {
    let ada = Person::new(1);
    let recipients: Vec<_> = people.iter().map(|person| person.recipient()).collect();
    let identity = people[0].identity();
    let conversation = ada.conversation_with(people[0]);
    let (rng, to) = (&mut rng(seed), addressing());
    seal::seal(rng, &to, &ada.device, &identity, &recipients, &conversation, payload).unwrap()
}

fn open_as(
    person: &Person,
    identity: &IdentityId,
    prekeys: &[PreparedPrekey],
    content: &[u8],
) -> Result<Option<seal::Opened>, SealError> {
    let envelope = Envelope::new(content.to_vec());
    let header = Header::parse(content).unwrap();
    let keys = OpeningKeys { identity, detection: &person.detection, prekeys };
    seal::open(&envelope.id(), &header, content, &keys)
}

fn open(person: &Person, content: &[u8]) -> Result<Option<seal::Opened>, SealError> {
    open_as(person, &person.identity(), std::slice::from_ref(&person.prepared), content)
}

#[test]
fn vectors() {
    let (ada, bob) = (Person::new(1), Person::new(2));
    let content = sealed(3, &[&bob], PAYLOAD);
    vectors::check(
        "to_device.txt",
        "A to-device envelope. Ada's and Bob's keys are drawn from ChaCha20 with the keys 01 … 01
        and 02 … 02: root seed, device seed, prekey, detection key, 32 bytes each. Secret ones here
        are Bob's prekey (an X-Wing seed) and detection key, each as CBOR. content: sealed by Ada to
        Bob's device, in network \"test\", shard 0, expiry 491067, with the randomness of ChaCha20
        with the key 03 … 03, in their conversation; payload: what it says.",
        &[
            ("sender", ada.identity().0.to_vec()),
            ("sender_device", ada.device.device().0.to_vec()),
            ("recipient", bob.identity().0.to_vec()),
            ("prekey_secret", codec::encode(&bob.prekey)),
            ("detection_secret", codec::encode(&bob.detection)),
            ("prekey_public", bob.prekey.public().as_bytes().to_vec()),
            ("conversation", ada.conversation_with(&bob).0.to_vec()),
            ("payload", PAYLOAD.to_vec()),
            ("content", content),
        ],
    );
    // The recorded one opens, whatever sealing does today.
    let golden = vectors::read("to_device.txt", "content");
    assert_eq!(open(&bob, &golden).unwrap().unwrap().payload.as_slice(), PAYLOAD);
}

#[test]
fn the_addressed_device_learns_who_sent_what() {
    let (ada, bob) = (Person::new(1), Person::new(2));
    let opened = open(&bob, &sealed(3, &[&bob], PAYLOAD)).unwrap().unwrap();
    assert_eq!(opened.payload.as_slice(), PAYLOAD);
    assert_eq!(opened.certificate, *ada.device.certificate());
    assert_eq!(opened.conversation, bob.conversation_with(&ada));
    assert_eq!(opened.format, FormatInfo::current());
    assert_eq!(opened.acks.len(), 1);
}

#[test]
fn nobody_else_learns_anything() {
    let (ada, bob, eve) = (Person::new(1), Person::new(2), Person::new(3));
    let content = sealed(3, &[&bob], PAYLOAD);
    assert!(open(&eve, &content).unwrap().is_none());
    assert!(open(&ada, &content).unwrap().is_none(), "not even its sender");
    for secret in [
        ada.identity().0.as_slice(),
        &bob.identity().0,
        &ada.device.device().0,
        &bob.device.device().0,
        &bob.detection.public(),
        &bob.prekey.public().as_bytes()[..32],
        &PAYLOAD[..8],
    ] {
        assert!(!contains(&content, secret));
    }
}

#[test]
fn two_sealings_share_nothing() {
    let bob = Person::new(2);
    let (one, other) = (sealed(3, &[&bob], PAYLOAD), sealed(4, &[&bob], PAYLOAD));
    assert_eq!(one.len(), other.len());
    // After the prefix; by chance 16 equal bytes are not to be expected.
    for window in one[17..].windows(16) {
        assert!(!contains(&other, window));
    }
}

#[test]
fn a_kept_older_prekey_still_opens() {
    let bob = Person::new(2);
    let content = sealed(3, &[&bob], PAYLOAD);
    let mut fresh = rng(50);
    let mut prekeys: Vec<_> =
        (0..7).map(|_| PrekeySecret::generate(&mut fresh).prepare()).collect();
    let opened = open_as(&bob, &bob.identity(), &prekeys, &content);
    assert!(matches!(opened, Err(SealError::NoPrekey)));
    let opened = open_as(&bob, &bob.identity(), &[], &content);
    assert!(matches!(opened, Err(SealError::NoPrekey)));
    prekeys.push(bob.prepared.clone());
    assert!(open_as(&bob, &bob.identity(), &prekeys, &content).unwrap().is_some());
}

/// Bob can open Ada's message, but can't make anyone believe that it was for them.
#[test]
fn it_does_not_open_as_another_identitys() {
    let (bob, eve) = (Person::new(2), Person::new(3));
    let content = sealed(3, &[&bob], PAYLOAD);
    let prekeys = std::slice::from_ref(&bob.prepared);
    let opened = open_as(&bob, &eve.identity(), prekeys, &content);
    assert!(matches!(opened, Err(SealError::Signature)));
}

#[test]
fn no_changed_byte_is_accepted() {
    let bob = Person::new(2);
    let other = Person::new(4);
    for content in [sealed(3, &[&bob], PAYLOAD), sealed(3, &[&other, &bob], PAYLOAD)] {
        for at in 0..content.len() {
            let mut changed = content.clone();
            changed[at] ^= 1 << (at % 8);
            if Header::parse(&changed).is_err() {
                continue;
            }
            match open(&bob, &changed) {
                Ok(None) | Err(_) => {}
                Ok(Some(_)) => panic!("opened with byte {at} changed"),
            }
        }
    }
}

/// The first eight bytes of a slot and the ephemeral key decide whether it is Bob's: a change there
/// makes it someone else's envelope, not an error that Bob would have to log.
#[test]
fn a_changed_view_tag_makes_it_someone_elses() {
    let bob = Person::new(2);
    let content = sealed(3, &[&bob], PAYLOAD);
    for at in (17..49).chain(81..89) {
        let mut changed = content.clone();
        changed[at] ^= 1;
        assert!(matches!(open(&bob, &changed), Ok(None)), "byte {at}");
    }
}

/// A changed hint fits no prekey: to Bob it looks as if he had deleted the one it is for, and he tries
/// none.
#[test]
fn a_changed_hint_fits_no_prekey() {
    let bob = Person::new(2);
    let content = sealed(3, &[&bob], PAYLOAD);
    for at in 89..93 {
        let mut changed = content.clone();
        changed[at] ^= 1;
        assert!(matches!(open(&bob, &changed), Err(SealError::NoPrekey)), "byte {at}");
    }
    for at in [109, 1000, 1228, 1276] {
        let mut changed = content.clone();
        changed[at] ^= 1;
        assert!(matches!(open(&bob, &changed), Err(SealError::Unwrap)), "byte {at}");
    }
}

/// Two envelopes to one prekey, and one to two devices with the same prekey, have other hints: an
/// observer who knows the prekey from the bundle can link nothing by them.
#[test]
fn hints_do_not_link() {
    let bob = Person::new(2);
    let hint = |content: &[u8], slot: usize| content[81 + slot * SLOT_BYTES + 8..][..4].to_vec();
    let (one, other) = (sealed(3, &[&bob], PAYLOAD), sealed(4, &[&bob], PAYLOAD));
    assert_ne!(hint(&one, 0), hint(&other, 0));
    let both = sealed(3, &[&bob, &bob], PAYLOAD);
    assert_ne!(hint(&both, 0), hint(&both, 1));
}

/// X25519 with a point of small order gives zeros for every key: a tag made with it would match
/// everyone.
#[test]
fn an_ephemeral_key_of_small_order_is_for_nobody() {
    let bob = Person::new(2);
    let mut content = sealed(3, &[&bob], PAYLOAD);
    content[17..49].fill(0);
    let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 view tag v2");
    hasher.update(&[0; 32]).update(&content[..17]).update(&[0]);
    let tag = hasher.finalize();
    content[81..89].copy_from_slice(&tag.as_bytes()[..8]);
    assert!(matches!(open(&bob, &content), Ok(None)));
}

#[test]
fn a_cut_envelope_is_refused() {
    let bob = Person::new(2);
    let content = sealed(3, &[&bob], &[7; 2000]);
    for len in 0..content.len() {
        if Header::parse(&content[..len]).is_ok() {
            // A lower rung of the ladder.
            let opened = open(&bob, &content[..len]);
            assert!(matches!(opened, Err(SealError::Body(BodyError::Decrypt))), "{len} bytes");
        }
    }
}

#[test]
fn another_kind_is_refused() {
    let bob = Person::new(2);
    let content = sealed(3, &[&bob], PAYLOAD);
    let mut header = Header::parse(&content).unwrap();
    header.kind = Kind::Conversation;
    let keys = OpeningKeys {
        identity: &bob.identity(),
        detection: &bob.detection,
        prekeys: std::slice::from_ref(&bob.prepared),
    };
    let id = Envelope::new(content.clone()).id();
    assert!(matches!(seal::open(&id, &header, &content, &keys), Err(SealError::Kind)));
    // A header of another, longer content.
    header.kind = Kind::ToDevice;
    assert!(seal::open(&id, &header, &content[..100], &keys).is_err());
    assert!(seal::open(&id, &header, &[], &keys).is_err());
}

#[test]
fn a_malformed_prekey_is_refused_before_sealing() {
    assert!(PrekeyPublic::from_bytes(&[]).is_err());
    assert!(PrekeyPublic::from_bytes(&[0; PREKEY_BYTES - 1]).is_err());
    assert!(PrekeyPublic::from_bytes(&[0; PREKEY_BYTES + 1]).is_err());
    // Coefficients of an ML-KEM key are below 3329.
    assert!(PrekeyPublic::from_bytes(&[0xff; PREKEY_BYTES]).is_err());
    let public = PrekeySecret::generate(&mut rng(1)).public();
    assert_eq!(public.as_bytes().len(), PREKEY_BYTES);
    assert_eq!(PrekeyPublic::from_bytes(public.as_bytes()).unwrap(), public);
}

#[test]
fn one_to_eight_devices() {
    let ada = Person::new(1);
    let people: Vec<Person> = (10..19).map(Person::new).collect();
    let identity = people[0].identity();
    let seal = |count: usize| {
        let recipients: Vec<_> = people[..count].iter().map(Person::recipient).collect();
        let (rng, conversation) = (&mut rng(3), ada.conversation_with(&people[0]));
        let to = addressing();
        seal::seal(rng, &to, &ada.device, &identity, &recipients, &conversation, PAYLOAD)
    };
    assert!(matches!(seal(0), Err(SealError::Recipients { found: 0 })));
    assert!(matches!(seal(9), Err(SealError::Recipients { found: 9 })));
    for count in 1..=8 {
        let content = seal(count).unwrap();
        let header = Header::parse(&content).unwrap();
        assert_eq!(usize::from(header.slots), count.next_power_of_two());
        assert_eq!(header.len, 81 + usize::from(header.slots) * SLOT_BYTES);

        let mut proved = vec![0; header.slots.into()];
        for (own, person) in people[..count].iter().enumerate() {
            let prekeys = std::slice::from_ref(&person.prepared);
            let opened = open_as(person, &identity, prekeys, &content).unwrap().unwrap();
            assert_eq!(opened.payload.as_slice(), PAYLOAD);
            for ack in &opened.acks {
                assert!(header.verifies(&content, ack));
                let slot = usize::from(ack.slot);
                assert!(slot == own || slot >= count, "a sibling's slot");
                proved[slot] += 1;
            }
        }
        // All together purge it; the slot of each device needs that device.
        assert_eq!(proved[..count], vec![1; count]);
        assert_eq!(proved[count..], vec![count; proved.len() - count]);
    }
}

#[test]
fn unused_slots_look_like_used_ones() {
    let people: Vec<Person> = (10..13).map(Person::new).collect();
    let content = sealed(3, &people.iter().collect::<Vec<_>>(), PAYLOAD);
    let header = Header::parse(&content).unwrap();
    let slots: Vec<&[u8]> = content[81..header.len].chunks(SLOT_BYTES).collect();
    assert_eq!(slots.len(), 4);
    for slot in &slots {
        // The X25519 half of an encapsulation is a field element below 2^255.
        assert_eq!(slot[28 + 1119] & 0x80, 0);
        let zeros = slot.iter().filter(|byte| **byte == 0).count();
        assert!((0..20).contains(&zeros), "{zeros} zero bytes, about 5 are to be expected");
    }
}

#[test]
fn the_longest_payload() {
    let bob = Person::new(2);
    // Certificate, signature and the structure around them take their part of the body.
    let fits = DATA_BYTES_MAX - 400;
    let content = sealed(3, &[&bob], &vec![7; fits]);
    assert_eq!(open(&bob, &content).unwrap().unwrap().payload.len(), fits);
    let ada = Person::new(1);
    let result = seal::seal(
        &mut rng(3),
        &addressing(),
        &ada.device,
        &bob.identity(),
        &[bob.recipient()],
        &ada.conversation_with(&bob),
        &vec![7; DATA_BYTES_MAX],
    );
    assert!(matches!(result, Err(SealError::Body(BodyError::TooLong { .. }))));
}

/// A sender who doesn't keep to the rules.
fn by_hand(
    committed: [u8; 32],
    data: impl FnOnce(&Opening, &Person, &Person) -> Vec<u8>,
) -> Result<Option<seal::Opened>, SealError> {
    let (ada, bob) = (Person::new(1), Person::new(2));
    let opening = Opening::new(&addressing(), &bob.recipient(), [5; 32], committed);
    open(&bob, &opening.content(&data(&opening, &ada, &bob)))
}

fn signed_by(opening: &Opening, sender: &Person, signer: &Person, recipient: &Person) -> Vec<u8> {
    let message =
        by_hand::message(Format::current(), &sender.conversation_with(recipient), PAYLOAD);
    let signer = SigningKey::from_bytes(&signer.device.seed());
    opening.data(&addressing(), &sender.device, &signer, &recipient.identity(), &message)
}

#[test]
fn made_by_hand_as_documented_it_opens() {
    let opened = by_hand([5; 32], |opening, ada, bob| signed_by(opening, ada, ada, bob));
    let opened = opened.unwrap().unwrap();
    assert_eq!(opened.payload.as_slice(), PAYLOAD);
    assert_eq!(opened.certificate.identity(), Person::new(1).identity());
    assert_eq!(opened.acks.len(), 1);
}

/// Else a sender could have one envelope say two things to two devices.
#[test]
fn a_content_key_other_than_the_committed_one_is_refused() {
    let opened = by_hand([6; 32], |opening, ada, bob| signed_by(opening, ada, ada, bob));
    assert!(matches!(opened, Err(SealError::Commitment)));
}

#[test]
fn who_is_not_the_sender_cannot_sign_as_such() {
    let eve = Person::new(3);
    let opened = by_hand([5; 32], |opening, ada, bob| signed_by(opening, ada, &eve, bob));
    assert!(matches!(opened, Err(SealError::Signature)));
}

#[test]
fn a_message_to_another_is_not_passed_on_as_ones_own() {
    let eve = Person::new(3);
    let opened = by_hand([5; 32], |opening, ada, _| signed_by(opening, ada, ada, &eve));
    assert!(matches!(opened, Err(SealError::Signature)));
}

/// Whoever was sealed a message knows all that is in it, and could wrap it again to someone (here: to
/// themselves on another day) with a later expiry or in another network.
#[test]
fn a_message_in_another_header_is_refused() {
    let (ada, bob) = (Person::new(1), Person::new(2));
    let to = addressing();
    let original = Opening::new(&to, &bob.recipient(), [5; 32], [5; 32]);
    let data = signed_by(&original, &ada, &ada, &bob);
    assert!(open(&bob, &original.content(&data)).is_ok());
    for (what, to) in [
        ("later expiry", Addressing { expiry: ExpiryHour(to.expiry.0 + 1), ..to }),
        ("other network", Addressing { network: NetworkTag::of("other"), ..to }),
        ("other shard", Addressing { shard: martlet_protocol::Shard(1), ..to }),
    ] {
        let rewrapped = Opening::new(&to, &bob.recipient(), [5; 32], [5; 32]);
        let opened = open(&bob, &rewrapped.content(&data));
        assert!(matches!(opened, Err(SealError::Signature)), "{what}");
    }
    // The same header but another content key: the ephemeral key and the commitment are signed too.
    let rewrapped = Opening::new(&to, &bob.recipient(), [6; 32], [6; 32]);
    assert!(matches!(open(&bob, &rewrapped.content(&data)), Err(SealError::Signature)));
}

/// A grant that is moved to another conversation would have its sender speak there.
#[test]
fn a_message_in_another_conversation_is_refused() {
    let opened = by_hand([5; 32], |opening, ada, bob| {
        let data = signed_by(opening, ada, ada, bob);
        replaced(&data, &ada.conversation_with(bob).0, &[9; 32])
    });
    assert!(matches!(opened, Err(SealError::Signature)));
}

/// Eve's root can certify Ada's device key too. With that certificate beside Ada's signature, what Ada
/// wrote would come from Eve.
#[test]
fn another_identitys_certificate_of_the_same_device_is_refused() {
    let opened = by_hand([5; 32], |opening, ada, bob| {
        let eve = SigningKey::from_bytes(Person::new(3).root.seed());
        let certificate = crate::certificate::of_device(&eve, &ada.device.device());
        assert!(DeviceCertificate::from_bytes(&certificate).is_ok());
        let data = signed_by(opening, ada, ada, bob);
        replaced(&data, ada.device.certificate().as_bytes(), &certificate)
    });
    assert!(matches!(opened, Err(SealError::Signature)));
}

/// What the sender can do, and who may read the message, is inside what is signed.
#[test]
fn a_downgraded_message_is_refused() {
    let newer = Format { version: 3, min_version: 3, ..Format::current() };
    let message = |format: &Format, ada: &Person, bob: &Person| {
        by_hand::message(format.clone(), &ada.conversation_with(bob), PAYLOAD)
    };
    let signed = |opening: &Opening, ada: &Person, bob: &Person| {
        let signer = SigningKey::from_bytes(&ada.device.seed());
        let message = message(&newer, ada, bob);
        opening.data(&addressing(), &ada.device, &signer, &bob.identity(), &message)
    };
    let opened = by_hand([5; 32], signed);
    assert!(matches!(opened, Err(SealError::Codec(CodecError::UpdateNeeded { needed: 3 }))));
    let opened = by_hand([5; 32], |opening, ada, bob| {
        let data = signed(opening, ada, bob);
        replaced(&data, &message(&newer, ada, bob), &message(&Format::current(), ada, bob))
    });
    assert!(matches!(opened, Err(SealError::Signature)));
}

/// `data` with `old`, which is in it once, replaced by `new`.
fn replaced(data: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = data.windows(old.len()).position(|window| window == old).unwrap();
    [&data[..at], new, &data[at + old.len()..]].concat()
}

#[test]
fn garbage_in_the_body_is_an_error() {
    for data in [vec![], vec![0xa0], vec![0xff; 300], vec![0x81; 400]] {
        let opened = by_hand([5; 32], |_, _, _| data);
        assert!(matches!(opened, Err(SealError::Codec(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn round_trip(seed: u8, payload in prop::collection::vec(any::<u8>(), 0..3000)) {
        let bob = Person::new(200);
        let content = sealed(seed, &[&bob], &payload);
        let header = Header::parse(&content).unwrap();
        prop_assert!(is_on_ladder(content.len() - header.len));
        let opened = open(&bob, &content).unwrap().unwrap();
        prop_assert_eq!(opened.payload.as_slice(), payload);
    }
}
