//! Bundles and the envelopes that carry them.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use martlet_protocol::bundle::{BUNDLE_BYTES_MAX, Bundle, BundleError};
use martlet_protocol::limits::{
    BUNDLE_AGE_MAX, BUNDLE_SKEW_MAX, ENVELOPE_BYTES_MAX, IDENTITY_STATE_BYTES_MAX,
};
use martlet_protocol::time::Day;
use martlet_protocol::{Envelope, FormatInfo, Header, Id, RendezvousSecret, codec};
use serde::Serialize;
use serde_bytes::Bytes;

use crate::by_hand::Format;
use crate::certificate;
use crate::people::{NOW, Person, SECRET, addressing, rng};
use crate::{contains, vectors};

fn bundle_of(person: &Person) -> Bundle {
    let detection = person.detection.public();
    Bundle::issue(&person.device, &person.prekey, detection, Vec::new(), NOW)
}

#[test]
fn vectors() {
    let ada = Person::new(1);
    let bundle = bundle_of(&ada);
    let content = bundle.seal(&mut rng(9), &addressing(), &SECRET).unwrap();
    vectors::check(
        "bundle.txt",
        "A bundle. identity, device_seed: drawn, like the prekey and the detection key after them,
        from ChaCha20 with the key 01 … 01, 32 bytes each. bundle: issued at 1767323045678 ms.
        tag: of that day, 20455, and the rendezvous secret of bytes 05; tag_without_secret: with zeros.
        content: of the envelope that publishes it with that secret, in network \"test\", shard 0, expiry 491067, its ack secret the first 16 bytes of ChaCha20 with the key 09 … 09.",
        &[
            ("identity", ada.identity().0.to_vec()),
            ("device_seed", ada.device.seed().to_vec()),
            ("bundle", bundle.as_bytes().to_vec()),
            ("tag", Bundle::tag(&ada.id(), NOW.day()).0.to_vec()),
            (
                "tag_without_secret",
                Bundle::tag(&Id::without_secret(ada.identity()), NOW.day()).0.to_vec(),
            ),
            ("content", content),
        ],
    );
}

#[test]
fn who_has_the_id_finds_and_reads_it() {
    let ada = Person::new(1);
    let bundle = bundle_of(&ada);
    let content = bundle.seal(&mut rng(9), &addressing(), &SECRET).unwrap();
    let header = Header::parse(&content).unwrap();
    assert_eq!(header.tag(&content), Some(Bundle::tag(&ada.id(), NOW.day())));
    let opened = Bundle::open(&ada.id(), NOW.day(), &header, &content).unwrap();
    assert_eq!(opened, bundle);
    assert_eq!(opened.created_at(), NOW);
    assert_eq!(opened.day(), NOW.day());
    assert_eq!(opened.format(), &FormatInfo::current());
    assert_eq!(opened.certificate(), ada.device.certificate());
    assert_eq!(opened.recipient().detection, &ada.detection.public());
    assert_eq!(opened.recipient().prekey, &ada.prekey.public());
}

#[test]
fn who_lacks_the_id_learns_nothing_from_it() {
    let (ada, eve) = (Person::new(1), Person::new(2));
    let content = bundle_of(&ada).seal(&mut rng(9), &addressing(), &SECRET).unwrap();
    let header = Header::parse(&content).unwrap();
    for secret in [
        ada.identity().0.as_slice(),
        &ada.device.device().0,
        &ada.detection.public(),
        &ada.prekey.public().as_bytes()[..32],
    ] {
        assert!(!contains(&content, secret));
    }
    let day = NOW.day();
    // The identity alone is not enough, nor is a secret that was reset.
    let reset = Id { secret: RendezvousSecret([6; 15]), ..ada.id() };
    for (id, day) in [
        (eve.id(), day),
        (Id::without_secret(ada.identity()), day),
        (reset, day),
        (ada.id(), Day(day.0 + 1)),
        (ada.id(), Day(day.0 - 1)),
    ] {
        assert_ne!(header.tag(&content), Some(Bundle::tag(&id, day)));
        let opened = Bundle::open(&id, day, &header, &content);
        assert!(matches!(opened, Err(BundleError::Body(_))));
    }
}

#[test]
fn published_twice_it_is_two_envelopes() {
    let bundle = bundle_of(&Person::new(1));
    let publish =
        |seed| Envelope::new(bundle.seal(&mut rng(seed), &addressing(), &SECRET).unwrap()).id();
    assert_ne!(publish(1), publish(2));
    assert_eq!(publish(1), publish(1));
}

/// Whoever was given Ada's ID can encrypt under her tag.
#[test]
fn anothers_bundle_under_the_tag_is_refused() {
    let (ada, eve) = (Person::new(1), Person::new(2));
    let bundle = bundle_of(&eve);
    let content = seal_as(&ada.id(), NOW.day(), bundle.as_bytes());
    let header = Header::parse(&content).unwrap();
    let opened = Bundle::open(&ada.id(), NOW.day(), &header, &content);
    assert!(matches!(opened, Err(BundleError::OtherIdentity)));
    let content = seal_as(&ada.id(), NOW.day(), b"garbage");
    let header = Header::parse(&content).unwrap();
    let opened = Bundle::open(&ada.id(), NOW.day(), &header, &content);
    assert!(matches!(opened, Err(BundleError::Codec(_))));
}

/// A bundle was found under a tag of its own making: who has the ID could publish last week's under
/// today's tag, and others sealed to a prekey that was about to be deleted.
#[test]
fn an_old_bundle_under_a_later_tag_is_refused() {
    let ada = Person::new(1);
    let old = bundle_of(&ada);
    for (day, is_good) in [
        (NOW.day(), true),
        (Day(NOW.day().0 + 1), false),
        (Day(NOW.day().0 + 40), false),
        (Day(NOW.day().0 - 1), false),
    ] {
        let content = seal_as(&ada.id(), day, old.as_bytes());
        let header = Header::parse(&content).unwrap();
        match Bundle::open(&ada.id(), day, &header, &content) {
            Ok(_) => assert!(is_good, "{day:?}"),
            Err(BundleError::Day) => assert!(!is_good, "{day:?}"),
            Err(other) => panic!("{other}"),
        }
    }
}

/// A bundle's fields as its documentation gives them.
#[derive(Serialize)]
struct Payload<'a> {
    format: Format,
    certificate: &'a Bytes,
    day: u32,
    prekey: &'a Bytes,
    detection: &'a Bytes,
    created_at: u64,
    state: &'a Bytes,
    olm: Olm<'a>,
}

#[derive(Serialize)]
struct Olm<'a> {
    identity: &'a Bytes,
    fallback: &'a Bytes,
}

/// Ada's bundle, made by hand.
pub(crate) fn by_hand(ada: &Person, format: Format, state: &[u8]) -> Vec<u8> {
    let public = |context: &str, seed: &[u8; 32]| {
        let secret = x25519_dalek::StaticSecret::from(blake3::derive_key(context, seed));
        x25519_dalek::PublicKey::from(&secret).to_bytes()
    };
    let prekey: [u8; 32] = codec::encode(&ada.prekey)[2..].try_into().unwrap();
    let identity = public("martlet 2026 olm identity v1", &ada.device.seed());
    let fallback = public("martlet 2026 olm fallback v1", &prekey);
    let payload = Payload {
        format,
        certificate: Bytes::new(ada.device.certificate().as_bytes()),
        day: NOW.day().0,
        prekey: Bytes::new(ada.recipient().prekey.as_bytes()),
        detection: Bytes::new(ada.recipient().detection),
        created_at: NOW.0,
        state: Bytes::new(state),
        olm: Olm { identity: Bytes::new(&identity), fallback: Bytes::new(&fallback) },
    };
    certificate::sign(&SigningKey::from_bytes(&ada.device.seed()), "martlet bundle v2", &payload)
}

#[test]
fn made_by_hand_as_documented_it_is_the_same() {
    let ada = Person::new(1);
    assert_eq!(by_hand(&ada, Format::current(), &[]), bundle_of(&ada).as_bytes());
}

/// The longest state, with an extension at its longest, is read, and published in an envelope that the network takes.
#[test]
fn the_longest_identity_state_fits_an_envelope() {
    let ada = Person::new(1);
    let extensions = (0..1).map(|number| (number, vec![7; 1024].into())).collect();
    let format = Format { features: u64::MAX, extensions, ..Format::current() };
    let bytes = by_hand(&ada, format, &vec![7; IDENTITY_STATE_BYTES_MAX]);
    assert!(bytes.len() > BUNDLE_BYTES_MAX - 1024 && bytes.len() <= BUNDLE_BYTES_MAX);
    let bundle = Bundle::from_bytes(&bytes).unwrap();
    let content = bundle.seal(&mut rng(9), &addressing(), &SECRET).unwrap();
    let header = Header::parse(&content).unwrap();
    let opened = Bundle::open(&ada.id(), NOW.day(), &header, &content).unwrap();
    assert_eq!(opened.as_bytes(), bytes);
    assert!(opened.state() == vec![7; IDENTITY_STATE_BYTES_MAX]);
    assert_eq!(opened.recipient().prekey, &ada.prekey.public());
    let envelope = Envelope::new(content).encode();
    assert!(envelope.len() <= ENVELOPE_BYTES_MAX && Envelope::decode(&envelope).is_ok());

    let bytes = by_hand(&ada, Format::current(), &vec![7; IDENTITY_STATE_BYTES_MAX + 1]);
    let refused = Bundle::from_bytes(&bytes);
    assert!(
        matches!(refused, Err(BundleError::State { found }) if found == IDENTITY_STATE_BYTES_MAX + 1)
    );
}

#[test]
fn the_longest_bundle_fits_the_last_rung() {
    const { assert!(BUNDLE_BYTES_MAX <= martlet_protocol::crypto::body::DATA_BYTES_MAX) };
}

/// What the module documents, written down a second time.
fn seal_as(id: &Id, day: Day, data: &[u8]) -> Vec<u8> {
    use martlet_protocol::crypto::body::{self, BaseKey};
    let key = blake3::derive_key(
        "martlet 2026 bundle secret v2",
        &[id.identity.0.as_slice(), &id.secret.0].concat(),
    );
    let base = blake3::keyed_hash(
        &key,
        &[b"martlet bundle body v2".as_slice(), &day.0.to_be_bytes()].concat(),
    );
    let to = addressing();
    let mut header = Header::encode_prefix(
        martlet_protocol::Kind::Conversation,
        to.network,
        to.shard,
        to.expiry,
        1,
    )
    .to_vec();
    header.extend(Bundle::tag(id, day).0);
    header.extend([0; 16]);
    body::seal(&BaseKey(*base.as_bytes()), header, data).unwrap()
}

#[test]
fn every_changed_byte_and_every_cut_is_refused() {
    let bundle = bundle_of(&Person::new(1));
    let bytes = bundle.as_bytes();
    assert_eq!(Bundle::from_bytes(bytes).unwrap(), bundle);
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1 << (at % 8);
        assert!(Bundle::from_bytes(&changed).is_err(), "byte {at}");
        assert!(Bundle::from_bytes(&bytes[..at]).is_err(), "cut to {at}");
    }
    assert!(Bundle::from_bytes(&[bytes, &[0]].concat()).is_err());
    assert!(Bundle::from_bytes(&[0; BUNDLE_BYTES_MAX + 1]).is_err());
}

#[test]
fn every_changed_byte_of_its_envelope_is_refused() {
    let ada = Person::new(1);
    let content = bundle_of(&ada).seal(&mut rng(9), &addressing(), &SECRET).unwrap();
    for at in 0..content.len() {
        let mut changed = content.clone();
        changed[at] ^= 1 << (at % 8);
        let Ok(header) = Header::parse(&changed) else { continue };
        let opened = Bundle::open(&ada.id(), NOW.day(), &header, &changed);
        assert!(matches!(opened, Err(BundleError::Body(_))), "byte {at}");
    }
}

/// A relay, and the identity's own contacts, must not be able to take a bundle off the network.
#[test]
fn nothing_derived_from_the_id_purges_it() {
    let ada = Person::new(1);
    let content = bundle_of(&ada).seal(&mut rng(9), &addressing(), &SECRET).unwrap();
    let header = Header::parse(&content).unwrap();
    let commit = header.ack_commit(&content, 0).unwrap();
    let zero = martlet_protocol::AckSecret([0; 16]);
    assert_ne!(commit, zero.commit());
    let again = bundle_of(&ada).seal(&mut rng(8), &addressing(), &SECRET).unwrap();
    assert_ne!(Some(commit), header.ack_commit(&again, 0), "the secret is random");
}

#[test]
fn it_is_used_for_45_days() {
    let bundle = bundle_of(&Person::new(1));
    let millisecond = Duration::from_millis(1);
    assert!(bundle.is_usable(NOW));
    assert!(bundle.is_usable(NOW.plus(BUNDLE_AGE_MAX)));
    assert!(!bundle.is_usable(NOW.plus(BUNDLE_AGE_MAX + millisecond)));
    assert!(bundle.is_usable(NOW.minus(BUNDLE_SKEW_MAX)));
    assert!(!bundle.is_usable(NOW.minus(BUNDLE_SKEW_MAX + millisecond)));
}
