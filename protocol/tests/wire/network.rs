//! The network descriptor.

use martlet_protocol::network::{NetworkDescriptor, NetworkError};
use proptest::prelude::*;

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
fn bounds() {
    assert!(read("name = \"a\"\nshard_bits = 12").is_ok());
    assert_eq!(read("name = \"a\"\nshard_bits = 13"), Err(NetworkError::ShardBits { found: 13 }));
    assert!(read("name = \"a\"\nstamp_bits = 32").is_ok());
    assert_eq!(read("name = \"a\"\nstamp_bits = 33"), Err(NetworkError::StampBits { found: 33 }));
    assert!(read(&format!("name = \"{}\"", "a".repeat(32))).is_ok());
    for name in ["", "A", "a b", "a/b", "a.b", "ä", "a\u{0}", &"a".repeat(33)] {
        let text = toml::to_string(&NetworkDescriptor { name: name.into(), ..Default::default() });
        assert!(matches!(read(&text.unwrap()), Err(NetworkError::Name { .. })), "{name:?}");
    }
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
        ("shard_bits = 1", ["line 1", "name"]),
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
    fn round_trip(name in "[a-z0-9-]{1,32}", shard_bits in 0..=12u8, stamp_bits in 0..=32u8, lan_only: bool, bootstrap in prop::collection::vec("[ -~]{0,40}", 0..4)) {
        let descriptor = NetworkDescriptor { name, shard_bits, stamp_bits, lan_only, bootstrap };
        prop_assert_eq!(read(&toml::to_string(&descriptor).unwrap()), Ok(descriptor));
    }

    #[test]
    fn networks_of_different_names_have_different_tags(one in "[a-z0-9-]{1,32}", other in "[a-z0-9-]{1,32}") {
        let tag = |name: &str| NetworkDescriptor { name: name.into(), ..Default::default() }.tag();
        prop_assert_eq!(one == other, tag(&one) == tag(&other));
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = read(&text);
    }
}
