//! Identifiers and their texts.

use bech32::{Bech32, Bech32m, Hrp};
use martlet_protocol::UnixMillis;
use martlet_protocol::ids::{
    ConversationId, DeviceId, EnvelopeId, Id, IdError, IdentityId, MessageId, NetworkTag,
    Rendezvous, RendezvousSecret, SessionId, Shard, Tag,
};
use proptest::prelude::*;

use crate::fixture::{counting, identity};
use crate::vectors;

#[test]
fn vectors() {
    let id = identity(1);
    vectors::check(
        "ids.txt",
        "Identifiers. identity: the public key of the Ed25519 secret key of 32 bytes 01.
        identity_text: its bech32m, as ASCII; derived apart from this code by the reference
        implementation of BIP 350 in Python. id_text: that of the ID with that identity and a secret of
        bytes 05. tag_of_lan: the first 8 bytes of BLAKE3's
        derive_key(\"martlet 2026 network tag v2\", \"lan\"). shards: u16 big-endian, the first
        0, 1, 4 and 12 bits of BLAKE3(identity).
        conversation: of that identity and the one of the secret key of 32 bytes 02; own: of the first
        with itself.
        cbor_*: the CBOR of ids of 00 01 02 …; a byte string each.",
        &[
            ("identity", id.0.to_vec()),
            ("identity_text", id.to_string().into_bytes()),
            ("id_text", id_of(1).to_string().into_bytes()),
            ("tag_of_lan", NetworkTag::of("lan").0.to_vec()),
            (
                "shards",
                [0, 1, 4, 12]
                    .iter()
                    .flat_map(|bits| Shard::of(&id, *bits).0.to_be_bytes())
                    .collect(),
            ),
            ("conversation", ConversationId::direct(&id, &identity(2)).0.to_vec()),
            ("own", ConversationId::direct(&id, &id).0.to_vec()),
            ("cbor_identity", martlet_protocol::codec::encode(&IdentityId(counting(0)))),
            ("cbor_envelope_id", martlet_protocol::codec::encode(&EnvelopeId(counting(0)))),
            ("cbor_message_id", martlet_protocol::codec::encode(&MessageId(counting(0)))),
            ("cbor_network_tag", martlet_protocol::codec::encode(&NetworkTag(counting(0)))),
            ("cbor_shard", martlet_protocol::codec::encode(&Shard(0x0102))),
        ],
    );
}

/// With a secret of bytes 05.
fn id_of(byte: u8) -> Id {
    Id { identity: identity(byte), secret: RendezvousSecret([5; 15]) }
}

/// With a secret and without.
fn both_ids() -> [Id; 2] {
    [id_of(1), Id::without_secret(identity(1))]
}

/// 90 characters are the most that BIP 350 has for a text.
#[test]
fn an_id_is_read_in_either_case_and_with_space_around_it() {
    for (id, len) in both_ids().into_iter().zip([90, 66]) {
        let text = id.to_string();
        assert_eq!(text.len(), len);
        assert_eq!(text.parse(), Ok(id.clone()));
        assert_eq!(text.to_uppercase().parse(), Ok(id.clone()));
        assert_eq!(format!("  {text}\n").parse(), Ok(id.clone()));
        assert_eq!(text.parse(), Ok(id.identity));
    }
    assert_eq!(identity(1).to_string(), both_ids()[1].to_string());
}

#[test]
fn every_single_character_typed_wrong_is_noticed() {
    for text in both_ids().map(|id| id.to_string()) {
        for at in 0..text.len() {
            for wrong in "023456789acdefghjklmnpqrstuvwxyz1bio!".chars() {
                let mut typed = text.clone();
                typed.replace_range(at..=at, &wrong.to_string());
                if typed != text {
                    assert!(typed.parse::<Id>().is_err(), "{typed}");
                }
            }
        }
    }
}

#[test]
fn a_cut_or_doubled_id_is_refused() {
    for text in both_ids().map(|id| id.to_string()) {
        for len in 0..text.len() {
            assert!(text[..len].parse::<Id>().is_err());
            assert!(text[len..].parse::<Id>().is_err() || len == 0);
        }
        assert!(format!("{text}{text}").parse::<Id>().is_err());
    }
}

#[test]
fn the_newer_secret_of_an_identity_takes_the_place_of_the_older() {
    use rand_chacha::rand_core::SeedableRng;
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
    let none = Rendezvous::default();
    let first = Rendezvous { secret: RendezvousSecret::generate(&mut rng), ..none.clone() };
    let second = first.reset(&mut rng, UnixMillis(1000));
    // By a clock that went back.
    let third = second.reset(&mut rng, UnixMillis(10));
    assert!(first.secret != second.secret && second.secret != third.secret);
    for (older, newer) in [(&first, &second), (&second, &third), (&first, &third), (&none, &third)]
    {
        assert!(newer.replaces(older) && !older.replaces(newer));
    }
    // Of what was typed its owner knows better; and there is nothing to do for what is known.
    assert!(first.replaces(&none) && !first.replaces(&first));
    assert_eq!(format!("{third:?} {:?}", id_of(1)).matches("RendezvousSecret(…)").count(), 2);
}

#[test]
fn ids_of_other_kinds_are_refused_with_the_reason() {
    let bytes = identity(1).0;
    let encode = |prefix: &str, bytes: &[u8]| {
        bech32::encode::<Bech32m>(Hrp::parse(prefix).unwrap(), bytes).unwrap()
    };
    let parse = |text: &str| text.parse::<IdentityId>().unwrap_err();
    assert_eq!(parse(&encode("npub", &bytes)), IdError::WrongPrefix { found: "npub".into() });
    assert_eq!(
        parse(&encode("martlet", &bytes[..31])),
        IdError::WrongLength { what: "Martlet ID", found: 31, expected: 47 }
    );
    assert_eq!(
        parse(&encode("martlet", &[bytes.as_slice(), &[0]].concat())),
        IdError::WrongLength { what: "Martlet ID", found: 33, expected: 47 }
    );
    // No ID has two texts: a secret of zeros is none.
    let empty = [bytes.as_slice(), &[0; 15]].concat();
    assert_eq!(parse(&encode("martlet", &empty)), IdError::EmptySecret);
    // Bech32 (BIP 173) has another checksum than bech32m.
    let old = bech32::encode::<Bech32>(Hrp::parse("martlet").unwrap(), &bytes).unwrap();
    assert!(matches!(parse(&old), IdError::WrongChecksum { .. }));
    for other in ["", "hello", "martlet", "bob", "näher mein Gott", "martletx1qqqq"] {
        assert_eq!(parse(other), IdError::NoPrefix, "{other}");
    }
    assert_eq!(parse("martlet1"), IdError::WrongTextLength { found: 8 });
}

/// Whoever mistyped one was told "parse failed".
#[test]
fn a_mistyped_id_is_refused_with_what_is_wrong_and_where() {
    let with_secret = Id { identity: identity(1), secret: RendezvousSecret([7; 15]) };
    for id in [with_secret, Id::without_secret(identity(1))] {
        let text = id.to_string();
        let parse = |text: &str| text.parse::<Id>().unwrap_err();
        for at in "martlet1".len()..text.len() {
            let with = |character: char| {
                let mut mistyped = text.clone();
                mistyped.replace_range(at..=at, &character.to_string());
                mistyped
            };
            // A single wrong letter, wherever it stands, is found.
            let other = if &text[at..=at] == "q" { 'p' } else { 'q' };
            let likely = Some((at + 1, other));
            assert_eq!(parse(&with(other)), IdError::WrongChecksum { likely });
            for character in ['b', 'i', 'o', '1', '-', 'é'] {
                let wrong = IdError::WrongCharacter { place: at + 1, character };
                assert_eq!(parse(&with(character)), wrong);
            }
        }
        let found = text.len() - 1;
        assert_eq!(parse(&text[..found]), IdError::WrongTextLength { found });
        assert_eq!(parse(&format!("{text}q")), IdError::WrongTextLength { found: found + 2 });
        assert_eq!(parse(&text.replace("martlet", "Martlet")), IdError::MixedCase);
        assert_eq!(text.to_uppercase().parse::<Id>(), Ok(id));
    }
    let error = IdError::WrongChecksum { likely: Some((17, 'x')) }.to_string();
    assert!(error.contains("look at 'x', its character 17"), "{error}");
}

#[test]
fn bytes_that_are_no_key_are_refused() {
    let encode = |bytes: [u8; 32]| IdentityId(bytes).to_string();
    // y = 2 has no x on the curve; 0 and 1 are points of small order.
    for first in [2, 0, 1] {
        let mut bytes = [0; 32];
        bytes[0] = first;
        assert_eq!(encode(bytes).parse::<IdentityId>(), Err(IdError::NotAKey), "y = {first}");
    }
}

/// 52 characters carry 260 bits, an identity has 256; 76 carry 380, with a secret it has 376. While the
/// four left over were not looked at, each ID had sixteen texts.
#[test]
fn an_id_has_one_text() {
    use bech32::Fe32;
    use bech32::primitives::iter::{ByteIterExt, Fe32IterExt};

    let hrp = Hrp::parse("martlet").unwrap();
    let short = identity(1).0.to_vec();
    for bytes in [[short.clone(), vec![5; 15]].concat(), short] {
        let symbols: Vec<Fe32> = bytes.into_iter().bytes_to_fes().collect();
        for padding in 0..16u8 {
            let mut symbols = symbols.clone();
            let last = symbols.last_mut().unwrap();
            *last = Fe32::try_from(last.to_u8() & 0b10000 | padding).unwrap();
            let text: String = symbols.into_iter().with_checksum::<Bech32m>(&hrp).chars().collect();
            assert_eq!(text.parse::<Id>().is_ok(), padding == 0, "{text}");
        }
    }
}

/// The digits were read by a function that takes a sign.
#[test]
fn a_sign_is_no_hexadecimal_digit() {
    assert!("+f".repeat(16).parse::<MessageId>().is_err());
    assert!("-0".repeat(16).parse::<MessageId>().is_err());
    assert!("0 ".repeat(16).parse::<MessageId>().is_err());
    assert!("ä".repeat(16).parse::<MessageId>().is_err());
    assert!("0f".repeat(16).parse::<MessageId>().is_ok());
    assert!("0F".repeat(16).parse::<MessageId>().is_ok());
}

/// The text form was read from CBOR as well: a second encoding of everything with an id in it.
#[test]
fn a_text_is_no_id_on_the_wire() {
    use martlet_protocol::codec;
    let text = codec::encode(&identity(1).to_string());
    assert!(codec::decode::<IdentityId>(&text, 100).is_err());
    let text = codec::encode(&MessageId(counting(0)).to_string());
    assert!(codec::decode::<MessageId>(&text, 100).is_err());
}

#[test]
fn logs_show_no_identity() {
    let id = identity(1);
    let shown = format!("{id:?}");
    assert!(shown.len() < 24 && !id.to_string().contains(&shown), "{shown}");
}

#[test]
fn shards_take_the_first_bits() {
    let id = identity(7);
    let whole = Shard::of(&id, 12).0;
    for bits in 0..=12u8 {
        assert_eq!(Shard::of(&id, bits).0, whole >> (12 - bits), "{bits} bits");
    }
}

#[test]
fn a_random_message_id_is_what_the_generator_gives() {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;
    let mut rng = ChaCha20Rng::from_seed([0; 32]);
    // The first key stream bytes of ChaCha20 with a zero key and nonce (RFC 8439, appendix A.1).
    assert_eq!(MessageId::random(&mut rng).to_string(), "76b8e0ada0f13d90405d6ae55386bd28");
}

/// Both sides name their conversation alike, and no two conversations have one name.
#[test]
fn a_conversation_has_one_name_and_its_own() {
    let ids: Vec<IdentityId> = (1..=5).map(identity).collect();
    let mut names = std::collections::HashSet::new();
    for (at, one) in ids.iter().enumerate() {
        for other in &ids[at..] {
            let name = ConversationId::direct(one, other);
            assert_eq!(name, ConversationId::direct(other, one));
            assert!(names.insert(name));
        }
    }
}

macro_rules! round_trips {
    ($($test:ident: $id:ident, $len:literal;)*) => {
        proptest! {
            $(
                #[test]
                fn $test(bytes: [u8; $len]) {
                    let id = $id(bytes);
                    prop_assert_eq!(id.to_string().parse::<$id>(), Ok(id));
                    let json = serde_json::to_string(&id).unwrap();
                    prop_assert_eq!(&json, &format!("\"{id}\""));
                    prop_assert_eq!(serde_json::from_str::<$id>(&json).unwrap(), id);
                    let cbor = martlet_protocol::codec::encode(&id);
                    prop_assert_eq!(martlet_protocol::codec::decode::<$id>(&cbor, 64).unwrap(), id);
                    prop_assert_eq!($id::from_slice(&bytes), Ok(id));
                    prop_assert!($id::from_slice(&bytes[1..]).is_err());
                }
            )*
        }
    };
}

round_trips! {
    device_id: DeviceId, 32;
    envelope_id: EnvelopeId, 32;
    session_id: SessionId, 32;
    conversation_id: ConversationId, 32;
    message_id: MessageId, 16;
    tag: Tag, 16;
    network_tag: NetworkTag, 8;
}

proptest! {
    #[test]
    fn id(root: [u8; 32], secret: [u8; 15]) {
        let key = ed25519_dalek::SigningKey::from_bytes(&root).verifying_key();
        let id = Id { identity: IdentityId(key.to_bytes()), secret: RendezvousSecret(secret) };
        prop_assert_eq!(id.to_string().parse::<Id>(), Ok(id));
    }

    #[test]
    fn identity_id(secret: [u8; 32]) {
        let key = ed25519_dalek::SigningKey::from_bytes(&secret).verifying_key();
        let id = IdentityId(key.to_bytes());
        prop_assert_eq!(id.to_string().parse::<IdentityId>(), Ok(id));
        prop_assert_eq!(id.verifying_key(), Ok(key));
        prop_assert_eq!(serde_json::from_str::<IdentityId>(&serde_json::to_string(&id)?)?, id);
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "\\PC{0,100}") {
        let _ = text.parse::<Id>();
        let _ = text.parse::<MessageId>();
        let _ = format!("martlet1{text}").parse::<Id>();
    }

    #[test]
    fn ids_of_another_length_do_not_decode(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assume!(bytes.len() != 32);
        let cbor = martlet_protocol::codec::encode(&serde_bytes::Bytes::new(&bytes));
        prop_assert!(martlet_protocol::codec::decode::<EnvelopeId>(&cbor, 100).is_err());
    }
}
