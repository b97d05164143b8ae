//! Root and device keys.

use martlet_protocol::identity::{CertificateError, DeviceKeys, RootKey};

use crate::people::{NOW, Person, rng};
use crate::vectors;

#[test]
fn vectors() {
    let root = RootKey::from_seed([1; 32]);
    let device = DeviceKeys::generate(&mut rng(2), &root, NOW);
    vectors::check(
        "identity.txt",
        "An identity and its device. identity: the public key of the root with the seed 01 … 01.
        phrase: the 24 words of that seed (BIP 39), ASCII. device_seed: the first 32 bytes of
        ChaCha20 with the key 02 … 02. device: its public key. certificate: issued by the root at
        1767323045678 ms.",
        &[
            ("identity", root.identity().0.to_vec()),
            ("phrase", root.recovery_phrase().as_bytes().to_vec()),
            ("device_seed", device.seed().to_vec()),
            ("device", device.device().0.to_vec()),
            ("certificate", device.certificate().as_bytes().to_vec()),
        ],
    );
}

/// The test vectors of BIP 39.
#[test]
fn the_phrase_is_bip_39() {
    let phrase = |seed| RootKey::from_seed(seed).recovery_phrase().to_string();
    assert_eq!(phrase([0; 32]), format!("{} art", ["abandon"; 23].join(" ")));
    assert_eq!(phrase([0xff; 32]), format!("{} vote", ["zoo"; 23].join(" ")));
    assert_eq!(
        phrase([0x7f; 32]),
        "legal winner thank year wave sausage worth useful legal winner thank year wave sausage \
         worth useful legal winner thank year wave sausage worth title"
    );
}

/// RFC 8032, section 7.1, test 1.
#[test]
fn the_identity_is_the_ed25519_public_key() {
    let seed = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    let public = unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_eq!(RootKey::from_seed(seed).identity().0, public);
    assert_eq!(RootKey::from_seed(seed).seed(), &seed);
}

#[test]
fn a_device_is_restored_from_its_parts() {
    let person = Person::new(1);
    let restored =
        DeviceKeys::from_parts(&person.device.seed(), person.device.certificate().as_bytes())
            .unwrap();
    assert_eq!(restored.device(), person.device.device());
    assert_eq!(restored.certificate(), person.device.certificate());
}

#[test]
fn a_device_cannot_take_anothers_certificate() {
    let (one, other) = (Person::new(1), Person::new(2));
    let taken = DeviceKeys::from_parts(&one.device.seed(), other.device.certificate().as_bytes());
    assert!(matches!(taken, Err(CertificateError::OtherDevice)));
}

#[test]
fn private_keys_are_not_shown() {
    let person = Person::new(1);
    assert_eq!(format!("{:?}", person.root), "RootKey(…)");
    assert_eq!(format!("{:?}", person.device), "DeviceKeys(…)");
    assert_eq!(format!("{:?}", person.prekey), "PrekeySecret(…)");
    assert_eq!(format!("{:?}", person.detection), "DetectionSecret(…)");
}

fn unhex(text: &str) -> [u8; 32] {
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}
