//! Root and device keys.

use martlet_protocol::identity::{CertificateError, DeviceKeys, PhraseError, RootKey};
use proptest::prelude::*;

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
        1767323045678 ms. first_secret: the rendezvous secret that the identity has first.",
        &[
            ("identity", root.identity().0.to_vec()),
            ("phrase", root.recovery_phrase().as_bytes().to_vec()),
            ("device_seed", device.seed().to_vec()),
            ("device", device.device().0.to_vec()),
            ("certificate", device.certificate().as_bytes().to_vec()),
            ("first_secret", root.first_rendezvous_secret().0.to_vec()),
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

#[test]
fn a_phrase_gives_its_root_back_however_it_is_written() {
    let root = RootKey::generate(&mut rng(7));
    let phrase = root.recovery_phrase();
    let words: Vec<&str> = phrase.split(' ').collect();
    let lines = words.chunks(6).map(|line| line.join("  ")).collect::<Vec<_>>().join("\r\n\t");
    let numbered = words.iter().enumerate().map(|(at, word)| format!("{}) {word},", at + 1));
    let numbered = numbered.collect::<Vec<_>>().join("\n");
    for text in [phrase.as_str(), &phrase.to_uppercase(), &lines, &numbered] {
        assert_eq!(RootKey::from_phrase(text).unwrap().seed(), root.seed(), "{text}");
    }
}

#[test]
fn a_typing_mistake_is_told_with_the_word_that_was_meant() {
    // Each word of a phrase, with two letters in each other's place, or one more.
    let root = RootKey::generate(&mut rng(8));
    let phrase = root.recovery_phrase().to_string();
    let words: Vec<&str> = phrase.split(' ').collect();
    for (at, word) in words.iter().enumerate() {
        let (start, end) = word.split_at(word.len() - 2);
        let swapped: String = start.chars().chain(end.chars().rev()).collect();
        for wrong in [swapped, format!("{word}x")] {
            let mut typed = words.clone();
            typed[at] = &wrong;
            match RootKey::from_phrase(&typed.join(" ")) {
                Ok(found) => assert_eq!(found.seed(), root.seed(), "{wrong}"),
                Err(PhraseError::Unknown { place, nearest }) => {
                    assert_eq!((place, nearest), (at + 1, Some(*word)), "{wrong}");
                }
                // Another word of the list.
                Err(error) => assert_eq!(error, PhraseError::Checksum, "{wrong}"),
            }
        }
    }
}

#[test]
fn what_is_no_phrase_says_why_and_repeats_nothing() {
    let zeros = format!("{} art", ["abandon"; 23].join(" "));
    let refused = |text: &str| RootKey::from_phrase(text).unwrap_err();
    assert_eq!(refused(""), PhraseError::Words { found: 0 });
    assert_eq!(refused("abandon art"), PhraseError::Words { found: 2 });
    assert_eq!(refused(&format!("{zeros} art")), PhraseError::Words { found: 25 });
    assert_eq!(refused(&zeros.replace("art", "zoo")), PhraseError::Checksum);
    let swapped = zeros.replacen("abandon", "art", 1).replace(" art", " abandon");
    assert_eq!(refused(&swapped), PhraseError::Checksum);
    let unknown = refused(&zeros.replace("art", "qqqqqqqq"));
    assert_eq!(unknown, PhraseError::Unknown { place: 24, nearest: None });
    assert!(!unknown.to_string().contains("qq"), "{unknown}");
    // 12 words are a phrase of others.
    let short = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    assert_eq!(refused(short), PhraseError::Words { found: 12 });
}

proptest! {
    #[test]
    fn any_text_is_a_phrase_or_refused(text in any::<String>()) {
        let _ = RootKey::from_phrase(&text);
    }
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
