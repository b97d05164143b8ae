//! Bundles and the envelopes that carry them.

use std::time::Duration;

use martlet_protocol::identity::bundle::BUNDLE_BYTES_MAX;
use martlet_protocol::identity::{Bundle, BundleError};
use martlet_protocol::limits::{BUNDLE_AGE_MAX, BUNDLE_SKEW_MAX};
use martlet_protocol::time::Day;
use martlet_protocol::{Envelope, Header, IdentityId};

use crate::people::{NOW, Person, addressing, rng};
use crate::{contains, vectors};

fn bundle_of(person: &Person) -> Bundle {
    Bundle::issue(&person.device, person.prekey.public(), person.detection.public(), NOW)
}

#[test]
fn vectors() {
    let ada = Person::new(1);
    let bundle = bundle_of(&ada);
    let content = bundle.seal(&mut rng(9), &addressing(), NOW.day()).unwrap();
    vectors::check(
        "bundle.txt",
        "A bundle. identity, device_seed: drawn, like the prekey and the detection key after them,
        from ChaCha20 with the key 01 … 01, 32 bytes each. bundle: issued at 1767323045678 ms.
        tag: of that day, 20455. content: of the envelope that publishes it, in network \"test\",
        shard 0, expiry 491067, its ack secret the first 16 bytes of ChaCha20 with the key 09 … 09.",
        &[
            ("identity", ada.identity().0.to_vec()),
            ("device_seed", ada.device.seed().to_vec()),
            ("bundle", bundle.as_bytes().to_vec()),
            ("tag", Bundle::tag(&ada.identity(), NOW.day()).0.to_vec()),
            ("content", content),
        ],
    );
}

#[test]
fn who_has_the_id_finds_and_reads_it() {
    let ada = Person::new(1);
    let bundle = bundle_of(&ada);
    let content = bundle.seal(&mut rng(9), &addressing(), NOW.day()).unwrap();
    let header = Header::parse(&content).unwrap();
    assert_eq!(header.tag(&content), Some(Bundle::tag(&ada.identity(), NOW.day())));
    let opened = Bundle::open(&ada.identity(), NOW.day(), &header, &content).unwrap();
    assert_eq!(opened, bundle);
    assert_eq!(opened.created_at(), NOW);
    assert_eq!(opened.certificate(), ada.device.certificate());
    assert_eq!(opened.recipient().detection, &ada.detection.public());
    assert_eq!(opened.recipient().prekey, &ada.prekey.public());
}

#[test]
fn who_lacks_the_id_learns_nothing_from_it() {
    let (ada, eve) = (Person::new(1), Person::new(2));
    let content = bundle_of(&ada).seal(&mut rng(9), &addressing(), NOW.day()).unwrap();
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
    for (identity, day) in
        [(eve.identity(), day), (ada.identity(), Day(day.0 + 1)), (ada.identity(), Day(day.0 - 1))]
    {
        assert_ne!(header.tag(&content), Some(Bundle::tag(&identity, day)));
        let opened = Bundle::open(&identity, day, &header, &content);
        assert!(matches!(opened, Err(BundleError::Body(_))));
    }
}

#[test]
fn published_twice_it_is_two_envelopes() {
    let bundle = bundle_of(&Person::new(1));
    let publish =
        |seed| Envelope::new(bundle.seal(&mut rng(seed), &addressing(), NOW.day()).unwrap()).id();
    assert_ne!(publish(1), publish(2));
    assert_eq!(publish(1), publish(1));
}

/// Whoever was given Ada's ID can encrypt under her tag.
#[test]
fn anothers_bundle_under_the_tag_is_refused() {
    let (ada, eve) = (Person::new(1), Person::new(2));
    let bundle = bundle_of(&eve);
    let content = seal_as(&ada.identity(), NOW.day(), bundle.as_bytes());
    let header = Header::parse(&content).unwrap();
    let opened = Bundle::open(&ada.identity(), NOW.day(), &header, &content);
    assert!(matches!(opened, Err(BundleError::OtherIdentity)));
    let content = seal_as(&ada.identity(), NOW.day(), b"garbage");
    let header = Header::parse(&content).unwrap();
    let opened = Bundle::open(&ada.identity(), NOW.day(), &header, &content);
    assert!(matches!(opened, Err(BundleError::Codec(_))));
}

/// What the module documents, written down a second time.
fn seal_as(identity: &IdentityId, day: Day, data: &[u8]) -> Vec<u8> {
    use martlet_protocol::crypto::body::{self, BaseKey};
    let key = blake3::derive_key("martlet 2026 bundle v1", &identity.0);
    let base = blake3::keyed_hash(&key, &[b"body".as_slice(), &day.0.to_be_bytes()].concat());
    let to = addressing();
    let mut header = Header::encode_prefix(
        martlet_protocol::Kind::Conversation,
        to.network,
        to.shard,
        to.expiry,
        1,
    )
    .to_vec();
    header.extend(Bundle::tag(identity, day).0);
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
    let content = bundle_of(&ada).seal(&mut rng(9), &addressing(), NOW.day()).unwrap();
    for at in 0..content.len() {
        let mut changed = content.clone();
        changed[at] ^= 1 << (at % 8);
        let Ok(header) = Header::parse(&changed) else { continue };
        let opened = Bundle::open(&ada.identity(), NOW.day(), &header, &changed);
        assert!(matches!(opened, Err(BundleError::Body(_))), "byte {at}");
    }
}

/// A relay, and the identity's own contacts, must not be able to take a bundle off the network.
#[test]
fn nothing_derived_from_the_id_purges_it() {
    let ada = Person::new(1);
    let content = bundle_of(&ada).seal(&mut rng(9), &addressing(), NOW.day()).unwrap();
    let header = Header::parse(&content).unwrap();
    let commit = header.ack_commit(&content, 0).unwrap();
    let zero = martlet_protocol::AckSecret([0; 16]);
    assert_ne!(commit, zero.commit());
    let again = bundle_of(&ada).seal(&mut rng(8), &addressing(), NOW.day()).unwrap();
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
