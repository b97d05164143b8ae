//! The network descriptor.

use martlet_protocol::NetworkTag;
use martlet_protocol::network::{
    NetworkDescriptor, NetworkError, NetworkKey, NetworkKeyError, Privacy,
};
use proptest::prelude::*;

use crate::fixture::{counting, identity};
use crate::vectors;

/// The text of the key 00 01 … 1f.
const KEY: &str = "martletkey1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0s4dm3u5";

fn read(text: &str) -> Result<NetworkDescriptor, NetworkError> {
    NetworkDescriptor::from_toml(text)
}

#[test]
fn the_documented_example_is_read() {
    let descriptor = read(
        r#"
        name = "ship"
        shard_bits = 3
        stamp_bits = 20
        lan_only = false
        bootstrap = ["/dns4/example.org/tcp/4177"]
        "#,
    )
    .unwrap();
    assert_eq!(
        descriptor,
        NetworkDescriptor {
            name: "ship".into(),
            shard_bits: 3,
            stamp_bits: 20,
            lan_only: false,
            bootstrap: vec!["/dns4/example.org/tcp/4177".into()],
            key: None,
            privacy: None,
            mailbox_file_bytes: None,
        }
    );
}

#[test]
fn only_the_name_is_needed() {
    let descriptor = read("name = \"lan\"").unwrap();
    assert_eq!(descriptor, NetworkDescriptor::default());
    descriptor.validate().unwrap();
}

#[test]
fn mailboxes_carry_larger_files_on_a_lan_than_beyond_unless_the_network_says_otherwise() {
    let most = |text: &str| read(&format!("name = \"a\"\n{text}")).unwrap().mailbox_file_bytes();
    assert_eq!(most(""), 4 << 20);
    assert_eq!(most("lan_only = false"), 512 << 10);
    assert_eq!(most("lan_only = false\nmailbox_file_bytes = 4194304"), 4 << 20);
    assert_eq!(most("mailbox_file_bytes = 0"), 0);
    let error = NetworkError::At {
        line: 2,
        error: Box::new(NetworkError::MailboxFileBytes { found: 4_194_305 }),
    };
    assert_eq!(read("name = \"a\"\nmailbox_file_bytes = 4194305"), Err(error));
}

#[test]
fn a_network_is_fast_on_a_lan_and_mixed_beyond_unless_it_says_otherwise() {
    let privacy = |text: &str| read(&format!("name = \"a\"\n{text}")).unwrap().privacy();
    assert_eq!(privacy(""), Privacy::Fast);
    assert_eq!(privacy("lan_only = false"), Privacy::Mixed);
    assert_eq!(privacy("privacy = \"mixed\""), Privacy::Mixed);
    assert_eq!(privacy("lan_only = false\nprivacy = \"fast\""), Privacy::Fast);
    assert!(read("name = \"a\"\nprivacy = \"total\"").is_err());
}

#[test]
fn bounds() {
    assert!(read("name = \"a\"\nshard_bits = 12").is_ok());
    assert_eq!(read("name = \"a\"\nshard_bits = 13"), at(2, NetworkError::ShardBits { found: 13 }));
    assert!(read("name = \"a\"\nstamp_bits = 32").is_ok());
    assert_eq!(read("stamp_bits = 33\nname = \"a\""), at(1, NetworkError::StampBits { found: 33 }));
    assert!(read(&format!("name = \"{}\"", "a".repeat(32))).is_ok());
    let too_long = format!("name = \"{}\"", "a".repeat(33));
    assert_eq!(read(&too_long), at(1, NetworkError::NameTooLong { found: 33 }));
    for name in ["", "A", "a b", "a/b", "a.b", "ä", "a\u{0}"] {
        let text = toml::to_string(&NetworkDescriptor { name: name.into(), ..Default::default() });
        let expected = at(1, NetworkError::Name { name: name.into() });
        assert_eq!(read(&text.unwrap()), expected, "{name:?}");
    }
    let bootstrap = vec!["/dns/host.example/tcp/1".to_owned(); 33];
    let error = NetworkDescriptor { bootstrap, ..Default::default() }.validate();
    assert_eq!(error, Err(NetworkError::TooManyBootstrap { found: 33 }));
    let long = format!("name = \"a\" #{}", "x".repeat(1 << 20));
    assert_eq!(read(&long), Err(NetworkError::TooLong));
}

fn at(line: usize, error: NetworkError) -> Result<NetworkDescriptor, NetworkError> {
    Err(NetworkError::At { line, error: Box::new(error) })
}

fn closed(key: [u8; 32]) -> NetworkDescriptor {
    let key = Some(NetworkKey::from_bytes(key));
    NetworkDescriptor { name: "ship".into(), key, ..Default::default() }
}

#[test]
fn vectors() {
    let network = closed(counting(0));
    vectors::check(
        "network.txt",
        "The closed network \"ship\" with the key 00 01 … 1f, and otherwise the defaults. key_text: the
        key's bech32m, as ASCII. prologue, tag and fingerprint: 32, 8 and 8 bytes of BLAKE3's
        derive_key over key ‖ name (fingerprint: over the key), see protocol/src/network/key.rs.
        text: the descriptor on one line, as ASCII: bech32m of the CBOR {0: \"ship\", 1: 0, 2: 0,
        3: true, 4: [], 5: key}.",
        &[
            ("key_text", KEY.as_bytes().to_vec()),
            ("prologue", network.prologue().unwrap().to_vec()),
            ("tag", network.tag().0.to_vec()),
            ("fingerprint", network.key.as_ref().unwrap().fingerprint().0.to_vec()),
            ("text", network.to_text().unwrap().as_bytes().to_vec()),
        ],
    );
}

#[test]
fn a_key_has_one_text_and_reads_in_either_case() {
    let key: NetworkKey = KEY.parse().unwrap();
    assert_eq!(*key.to_text(), KEY);
    assert_eq!(KEY.to_uppercase().parse::<NetworkKey>().unwrap(), key);
    assert_eq!(closed(counting(0)).key, Some(key));
    for at in 0..KEY.len() {
        let mut typed = KEY.to_owned();
        let wrong = if &KEY[at..=at] == "q" { "p" } else { "q" };
        typed.replace_range(at..=at, wrong);
        assert!(typed.parse::<NetworkKey>().is_err(), "{typed}");
    }
    let id = identity(1).to_string();
    assert_eq!(id.parse::<NetworkKey>(), Err(NetworkKeyError::SomethingElse));
    assert_eq!(KEY[..40].parse::<NetworkKey>(), Err(NetworkKeyError::Malformed));
}

#[test]
fn keys_and_names_make_different_networks() {
    let (one, other) = (closed([1; 32]), closed([2; 32]));
    let renamed = NetworkDescriptor { name: "boat".into(), ..one.clone() };
    let open = NetworkDescriptor { key: None, ..one.clone() };
    assert_eq!(open.tag(), NetworkTag::of("ship"));
    assert_eq!(open.prologue(), None);
    let all = [&one, &other, &renamed];
    for (number, a) in all.iter().enumerate() {
        assert_ne!(a.tag(), open.tag());
        for b in &all[..number] {
            assert_ne!(a.tag(), b.tag());
            assert_ne!(a.prologue(), b.prologue());
        }
    }
}

/// Errors go to terminals and logs: the key must not.
#[test]
fn no_error_and_no_debug_output_shows_a_key() {
    let secret = &KEY["martletkey1".len()..];
    let mistyped = KEY.replace("qqqs", "qqqt");
    for text in [
        format!("name = \"a\"\nkey = \"{mistyped}\""),
        format!("name = \"a\"\nkey = {KEY}"),
        format!("name = \"a\"\nkey = \"{KEY}"),
        format!("name = \"a\"\nkey = [\"{KEY}\"]"),
        format!("name = \"a\"\n\"key\" = \"{}\"", &KEY[..50]),
        format!("name = \"a\"\nkey = \"{}\"", &secret[..40]),
        format!("name = \"a\"\nkye = \"{KEY}\""),
        format!("name = \"a\"\nkey = \"{KEY}\"\nkey = \"{KEY}\""),
        format!("name = \"{KEY}\nkey = 1"),
        format!("{{name = \"a\", key = \"{KEY}\"}}"),
        KEY.to_owned(),
        format!("name = \"{KEY}\""),
        format!("name = \"a\"\nstamp_bits = \"{secret}\""),
        format!("name = \"a\"\n{secret} = 1"),
        format!("name = \"a\"\nbootstrap = [\"/dns/{KEY}/tcp/1/\"]"),
    ] {
        let error = read(&text).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(!told.contains(&secret[8..24]), "{told}");
        assert!(told.contains("line "), "{told}");
    }
    // The whole network's text with something before or after it was taken for TOML, and most of it shown.
    let text = closed(counting(0)).to_text().unwrap();
    assert!(NetworkDescriptor::read(&format!("\u{feff}{}", *text)).is_ok());
    for stray in ["x", "$ ", "'", "text: "] {
        for text in [format!("{stray}{}", *text), format!("{}{stray}", *text)] {
            let told = format!("{:?}", NetworkDescriptor::read(&text).unwrap_err());
            let shown = text
                .as_bytes()
                .windows(16)
                .filter(|piece| told.as_bytes().windows(16).any(|window| window == *piece));
            assert_eq!(shown.count(), 0, "{told}");
        }
    }
    let network = closed(counting(0));
    assert!(!format!("{network:?}").contains(&secret[8..24]));
    assert!(!format!("{network:?}").contains("1, 2, 3"));
}

#[test]
fn either_form_is_read_and_a_damaged_text_is_refused() {
    let bootstrap = vec!["/dns/host.example/tcp/4177".to_owned()];
    let network = NetworkDescriptor { bootstrap, ..closed([7; 32]) };
    let text = network.to_text().unwrap();
    assert!(text.starts_with("martletnet1"));
    assert_eq!(NetworkDescriptor::read(&text), Ok(network.clone()));
    let upper = format!("\n {} \n", text.to_uppercase());
    assert_eq!(NetworkDescriptor::read(&upper), Ok(network.clone()));
    assert_eq!(NetworkDescriptor::read(&network.to_toml()), Ok(network.clone()));
    for damaged in [&text[..text.len() - 1], &text.replace("q", "p"), "martletnet1", "martletnet1ä"]
    {
        let error = NetworkDescriptor::read(damaged).unwrap_err();
        assert!(matches!(error, NetworkError::Text { .. }), "{error:?}");
    }
    let long = "x".repeat(200);
    let bootstrap = vec![format!("/dns/{long}/tcp/4177"); 4];
    let network = NetworkDescriptor { bootstrap, ..network };
    assert_eq!(network.to_text().unwrap_err(), NetworkError::NoText);
}

#[test]
fn bootstrap_addresses_are_checked() {
    let error = read("name = \"a\"\nbootstrap = [\"/ip4/1.2.3.4\"]").unwrap_err().to_string();
    for word in ["line 2", "bootstrap", "/ip4/1.2.3.4", "/tcp/4177"] {
        assert!(error.contains(word), "{error}");
    }
    let quic = "bootstrap = [\"/ip4/1.2.3.4/udp/1/quic-v1\"]";
    assert!(read(&format!("name = \"a\"\n{quic}")).is_ok());
    let error = read(&format!("name = \"a\"\nkey = \"{KEY}\"\n{quic}")).unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("no QUIC"), "{error}");
}

#[test]
fn errors_name_the_line_and_the_key() {
    for (text, mentions) in [
        ("name = \"a\"\nshardbits = 1", ["line 2", "shardbits"]),
        ("name = \"a\"\nshard_bits = \"one\"", ["line 2", "shard_bits"]),
        ("name = \"a\"\nshard_bits = 256", ["line 2", "shard_bits"]),
        ("name = \"a\"\nstamp_bits = -1", ["line 2", "stamp_bits"]),
        ("name = \"a\"\nlan_only = 1", ["line 2", "lan_only"]),
        ("name = \"a\"\nname = \"b\"", ["line 2", "name"]),
        ("shard_bits = 1", ["missing", "name"]),
        ("", ["missing", "name"]),
        ("name = ", ["line 1", "name"]),
    ] {
        let Err(NetworkError::Toml(message)) = read(text) else { panic!("{text} was accepted") };
        for word in mentions {
            assert!(message.contains(word), "{word:?} is missing in: {message}");
        }
    }
}

proptest! {
    #[test]
    fn round_trip(name in "[a-z0-9-]{1,32}", shard_bits in 0..=12u8, stamp_bits in 0..=32u8, lan_only: bool, ports in prop::collection::vec(1..=65535u16, 0..4), key: Option<[u8; 32]>, mixed: Option<bool>, mailbox_file_bytes in prop::option::of(0..=4_194_304u64)) {
        let bootstrap = ports.iter().map(|port| format!("/dns/host.example/tcp/{port}")).collect();
        let key = key.map(NetworkKey::from_bytes);
        let privacy = mixed.map(|mixed| if mixed { Privacy::Mixed } else { Privacy::Fast });
        let descriptor = NetworkDescriptor { name, shard_bits, stamp_bits, lan_only, bootstrap, key, privacy, mailbox_file_bytes };
        prop_assert_eq!(read(&descriptor.to_toml()), Ok(descriptor.clone()));
        prop_assert_eq!(NetworkDescriptor::read(&descriptor.to_text().unwrap()), Ok(descriptor));
    }

    #[test]
    fn networks_of_different_names_have_different_tags(one in "[a-z0-9-]{1,32}", other in "[a-z0-9-]{1,32}") {
        let tag = |name: &str| NetworkDescriptor { name: name.into(), ..Default::default() }.tag();
        prop_assert_eq!(one == other, tag(&one) == tag(&other));
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = NetworkDescriptor::read(&text);
        let _ = NetworkDescriptor::read(&format!("martletnet1{text}"));
        let _ = NetworkDescriptor::read(&format!("name = \"a\"\nkey = \"{text}\""));
    }
}
