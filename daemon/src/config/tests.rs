#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsString;

use martlet_protocol::Shard;
use martlet_protocol::network::NetworkKey;

use super::*;

fn home(name: &str) -> Option<OsString> {
    (name == "HOME").then(|| OsString::from("/nonexistent/ann"))
}

fn load(text: &str, given: Settings) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("martletd.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path), given, &home)
}

/// The error for a file with this text. Every one names the file.
fn refused(text: &str) -> String {
    let error = load(text, Settings::default()).unwrap_err().to_string();
    assert!(error.contains("martletd.toml"), "{error}");
    error
}

#[test]
fn defaults_without_a_file() {
    let config = Config::load(None, Settings::default(), &home).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("/nonexistent/ann/.local/share/martlet"));
    assert_eq!(config.socket, config.data_dir.join("control.sock"));
    assert_eq!(config.network.name, "lan");
    assert_eq!(config.mailbox_bytes_max, MAILBOX_BYTES_DEFAULT);
    assert!(config.mdns && config.user.is_allowed);
    assert_eq!(config.listen.len(), 4);
    assert_eq!(config.listen[0].to_string(), "/ip4/0.0.0.0/tcp/4177");
    assert!(matches!(
        Config::load(None, Settings::default(), &|_| None),
        Err(ConfigError::NoDataDir)
    ));
}

#[test]
fn what_is_given_wins_over_the_file() {
    let text = "data_dir = \"/from/file\"\nmdns = false\nmailbox_bytes_max = 2000000\n";
    let given = Settings { data_dir: Some("/from/flag".into()), ..Settings::default() };
    let config = load(text, given).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("/from/flag"));
    assert!(!config.mdns);
    assert_eq!(config.mailbox_bytes_max, 2_000_000);
}

#[test]
fn paths_in_the_file_are_relative_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("martletd.toml");
    std::fs::write(&path, "data_dir = \"data\"\nnetwork = \"net.toml\"\n").unwrap();
    std::fs::write(dir.path().join("net.toml"), "name = \"ship\"\n").unwrap();
    let config = Config::load(Some(&path), Settings::default(), &home).unwrap();
    assert_eq!(config.data_dir, dir.path().join("data"));
    assert_eq!(config.network.name, "ship");
}

#[test]
fn errors_name_file_line_and_key() {
    let unknown_key = refused("mdns = true\nlisten_on = []\n");
    assert!(unknown_key.contains("line 2"), "{unknown_key}");
    assert!(unknown_key.contains("listen_on"), "{unknown_key}");

    let wrong_type = refused("# comment\n\nmdns = \"yes\"\n");
    assert!(wrong_type.contains("line 3"), "{wrong_type}");
    assert!(wrong_type.contains("mdns"), "{wrong_type}");

    let bad_address = refused("static_peers = [\"192.168.1.7:port\"]\n");
    assert!(bad_address.contains("line 1"), "{bad_address}");
    assert!(bad_address.contains("/ip4/192.168.1.7/tcp/4177"), "{bad_address}");

    let too_small = refused("mailbox_bytes_max = 1024\n");
    assert!(too_small.contains("line 1"), "{too_small}");
    assert!(too_small.contains("1048576"), "{too_small}");

    let not_loopback = refused("metrics_listen = \"0.0.0.0:9464\"\n");
    assert!(not_loopback.contains("line 1"), "{not_loopback}");
    assert!(not_loopback.contains("127.0.0.1:9464"), "{not_loopback}");
    let none = refused("connections_target = 0\n");
    assert!(none.contains("line 1") && none.contains("1 to 256"), "{none}");

    let bad_filter = refused("log = \"martletd=loud\"\n");
    assert!(bad_filter.contains("line 1"), "{bad_filter}");

    let syntax = refused("mdns = true\nlog = info\n");
    assert!(syntax.contains("line 2"), "{syntax}");

    let empty = refused("data_dir = \"\"\n");
    assert!(empty.contains("data_dir is empty"), "{empty}");
}

/// A mistaken path leads to a file of another kind, of which the first line was shown.
#[test]
fn nothing_of_a_file_that_is_no_configuration_is_told() {
    let key = NetworkKey::from_bytes([7; 32]).to_text().to_string();
    let network = NetworkDescriptor { key: key.parse().ok(), ..NetworkDescriptor::default() };
    for text in [
        network.to_toml().as_str(),
        network.to_text().unwrap().as_str(),
        &key,
        "correct horse 7",
        "correct horse 7 = 8",
        "log = \"correct horse 7",
    ] {
        let told = refused(text);
        assert!(told.contains("line ") && !told.contains("horse"), "{told}");
        assert!(!told.contains(&key[20..40]), "{told}");
        let pieces =
            |text: &str| text.as_bytes().windows(20).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let text_of_network = pieces(&network.to_text().unwrap());
        assert!(!pieces(&told).iter().any(|piece| text_of_network.contains(piece)), "{told}");
    }
}

#[test]
fn a_file_asked_for_must_be_there() {
    let error = Config::load(Some(Path::new("/nonexistent/x.toml")), Settings::default(), &home)
        .unwrap_err();
    assert!(error.to_string().contains("/nonexistent/x.toml"), "{error}");

    // A file that is not text names itself as well.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("binary.toml");
    std::fs::write(&path, [0xff, 0xfe, 0]).unwrap();
    let error = Config::load(Some(&path), Settings::default(), &home).unwrap_err();
    assert!(error.to_string().contains("binary.toml"), "{error}");

    std::fs::write(&path, vec![b'#'; 1 + usize::try_from(CONFIG_BYTES_MAX).unwrap()]).unwrap();
    let error = Config::load(Some(&path), Settings::default(), &home).unwrap_err();
    assert!(error.to_string().contains("is over"), "{error}");
}

#[test]
fn a_bad_descriptor_names_its_own_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.toml");
    for (text, expected) in [
        ("name = \"Ship!\"", "name"),
        ("name = \"ship\"\nshard_bits = 40", "shard_bits"),
        ("name = \"ship\"\nkey = 1", "line 2"),
        ("name = \"ship\"\nkey = \"martletkey1qqqq\"", "line 2: key = …: not a network key"),
        ("name = \"ship\"\nbootstrap = [\"/ip4/1.2.3.4\"]", "bootstrap"),
    ] {
        std::fs::write(&path, text).unwrap();
        let given = Settings { network: Some(path.clone()), ..Settings::default() };
        let error = Config::load(None, given, &home).unwrap_err().to_string();
        assert!(error.contains("net.toml") && error.contains(expected), "{error}");
    }
}

const CLOSED: &str = "name = \"ship\"\nkey = \"martletkey1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0s4dm3u5\"\n";

#[test]
fn a_descriptor_beside_the_configuration_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let (path, network) = (dir.path().join("martletd.toml"), dir.path().join("network.toml"));
    std::fs::write(&path, "").unwrap();
    let config = Config::load(Some(&path), Settings::default(), &home).unwrap();
    assert_eq!((config.network.name.as_str(), config.network_file), ("lan", None));
    assert_eq!(config.network_file_next, Some(network.clone()));
    std::fs::write(&network, "name = \"boat\"\n").unwrap();
    let config = Config::load(Some(&path), Settings::default(), &home).unwrap();
    assert_eq!(config.network.name, "boat");
    assert_eq!(config.network_file, Some(network.clone()));
    assert!(config.warnings.is_empty());
    assert_eq!(load(&config.to_toml().unwrap(), Settings::default()).unwrap(), config);
    std::fs::write(&network, "nam = \"boat\"\n").unwrap();
    assert!(Config::load(Some(&path), Settings::default(), &home).is_err());
}

/// `announce` was ignored without a word.
#[test]
fn what_a_lan_only_network_does_not_use_is_said() {
    let given = Settings {
        announce: Some(vec!["/ip4/198.51.100.7/tcp/4177".parse().unwrap()]),
        upnp: Some(true),
        relay_server: Some(false),
        ..Settings::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.toml");
    for (descriptor, said) in [("name = \"boat\"\n", 1), ("name = \"boat\"\nlan_only = false\n", 0)]
    {
        std::fs::write(&path, descriptor).unwrap();
        let given = Settings { network: Some(path.clone()), ..given.clone() };
        let config = Config::load(None, given, &home).unwrap();
        let told = config.warnings.iter().filter(|text| text.contains("not used: announce, upnp."));
        assert_eq!(told.count(), said, "{:?}", config.warnings);
    }
}

#[test]
fn a_closed_network_has_no_quic_and_its_key_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.toml");
    std::fs::write(&path, CLOSED).unwrap();
    let given = Settings { network: Some(path.clone()), ..Settings::default() };
    for (mode, warnings) in [(0o644, 1), (0o640, 1), (0o600, 0)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let config = Config::load(None, given.clone(), &home).unwrap();
        assert!(config.network.is_closed());
        assert_eq!(config.listen.len(), 2, "{:?}", config.listen);
        assert_eq!(config.warnings.len(), warnings, "{:?}", config.warnings);
    }
    let quic = "/ip4/10.0.0.1/udp/4177/quic-v1";
    let listen = Some(vec![quic.parse().unwrap()]);
    let peers = Some(vec![quic.parse().unwrap()]);
    for (given, key) in [
        (Settings { listen, ..given.clone() }, "listen"),
        (Settings { static_peers: peers, ..given.clone() }, "static_peers"),
    ] {
        let error = Config::load(None, given, &home).unwrap_err().to_string();
        for word in [key, "closed", "no QUIC", "/tcp/"] {
            assert!(error.contains(word), "{error}");
        }
    }
}

#[test]
fn roles_and_shards_that_do_not_go_together_are_refused() {
    for (text, expected) in [
        ("role = \"mailbox\"\nuser = true", "user"),
        ("role = \"edge\"\nshard_count = 3", "shard_count"),
        ("role = \"mailbox\"\nshards = [0]", "shards"),
        ("shards = [1]", "has 1 shard"),
    ] {
        let error = load(text, Settings::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(refused("role = \"relay\"\n").contains("line 1"));
    let mailbox = load("role = \"mailbox\"\n", Settings::default()).unwrap();
    assert!(!mailbox.user.is_allowed);
    assert_eq!(mailbox.keeps.depot_bytes, 0, "nobody's disk is filled unasked");
    let listed = load("shards = [0]\n", Settings::default()).unwrap();
    assert_eq!((listed.keeps.shards, listed.keeps.shard_count), (vec![Shard(0)], 0));
    assert_eq!(listed.keeps.depot_bytes, 0);
    let silent = load("direct_files = false\n", Settings::default()).unwrap();
    assert!(!silent.user.depot_files, "nor is a depot told where it is");
    let brings = load("direct_files = false\ndepot_files = true\n", Settings::default()).unwrap();
    assert!(brings.user.depot_files && !brings.user.direct_files);
}

#[test]
fn what_is_printed_is_a_file_that_gives_the_same() {
    let text = "data_dir = \"/d\"\nlisten = [\"/ip4/0.0.0.0/tcp/0\"]\nlog = \"debug,yamux=warn\"\n\
                static_peers = [\"/ip4/10.0.0.1/udp/1/quic-v1\"]\nlog_format = \"json\"\n\
                metrics_listen = \"127.0.0.1:0\"\nuser = false\n\
                connections_target = 3\n";
    for text in [text, "role = \"edge\"\n", ""] {
        let config = load(text, Settings::default()).unwrap();
        let again = load(&config.to_toml().unwrap(), Settings::default()).unwrap();
        // Only where a descriptor would be looked for differs: beside either file.
        let network_file_next = config.network_file_next.clone();
        assert_eq!(Config { network_file_next, ..again }, config);
    }
}
