//! `martletctl network`: descriptors in files and texts, with and without a daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use martlet_protocol::control::{ErrorCode, Network};
use martlet_protocol::network::{NetworkDescriptor, NetworkKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake::{Answer, Fake};
use crate::run::{Ran, command, finish};

/// A home directory, and no daemon.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `martletctl network ARGS` there.
    fn run(&self, args: &[&str]) -> Ran {
        self.run_at(&self.path("no.sock"), args, b"")
    }

    fn run_at(&self, socket: &Path, args: &[&str], input: &[u8]) -> Ran {
        let args: Vec<&str> = ["network"].iter().chain(args).copied().collect();
        let mut command = command(socket, &args);
        command.env("HOME", self.0.path()).current_dir(self.0.path());
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
        finish(child)
    }

    fn read(&self, name: &str) -> NetworkDescriptor {
        NetworkDescriptor::read(&fs::read_to_string(self.path(name)).unwrap()).unwrap()
    }
}

fn closed() -> NetworkDescriptor {
    let key = Some(NetworkKey::from_bytes([7; 32]));
    NetworkDescriptor { name: "ship".into(), key, ..Default::default() }
}

/// A daemon in `network`, which reads its descriptor from `file`.
fn daemon(network: &NetworkDescriptor, file: Option<&Path>) -> Fake {
    let file = file.map(|file| file.display().to_string());
    let answer = serde_json::to_value(Network { file, ..Network::of(network) }).unwrap();
    let export = json!({"descriptor": network.to_toml().as_str()});
    Fake::start(move |seen| match seen.line().as_str() {
        "GET /v1/network" => Answer::Json(answer.clone()),
        "POST /v1/network/export" => Answer::Json(export.clone()),
        _ => Answer::Problem(ErrorCode::NotFound, "no"),
    })
}

#[test]
fn create_writes_a_file_for_the_user_alone_and_never_over_another() {
    let home = Home::new();
    let ran = home.run(&["create", "ship", "--closed"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let network = home.read("ship.toml");
    let key = network.key.clone().unwrap();
    assert!(network.lan_only && network.name == "ship");
    assert!(ran.out.contains(&key.fingerprint().to_string()), "{}", ran.out);
    assert!(!ran.out.contains("martletkey1"), "{}", ran.out);
    assert!(ran.out.contains("martletctl network join ship.toml"), "{}", ran.out);
    let mode = fs::metadata(home.path("ship.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let again = home.run(&["create", "ship", "--closed"]);
    assert_eq!(again.code, 2);
    assert!(again.err.contains("--force"), "{}", again.err);
    assert_eq!(home.read("ship.toml"), network);
    assert_eq!(home.run(&["create", "ship", "--closed", "--force"]).code, 0);
    assert_ne!(home.read("ship.toml").key, Some(key), "a new key each time");
    assert_eq!(home.read("ship.toml.old"), network);

    let args = ["create", "city", "--internet", "--shard-bits", "4", "--stamp-bits", "18"];
    let bootstrap = ["--bootstrap", "/dns/a.example/tcp/1", "--bootstrap", "/ip4/1.2.3.4/tcp/2"];
    let ran = home.run(&[args.as_slice(), &bootstrap, &["-o", "-"]].concat());
    let network = NetworkDescriptor::from_toml(&ran.out).unwrap();
    assert!(!network.lan_only && !network.is_closed());
    assert_eq!((network.shard_bits, network.stamp_bits, network.bootstrap.len()), (4, 18, 2));

    // That it is mixed was told only by the daemon that takes part.
    for (args, is_told) in [
        (["create", "town", "--internet"].as_slice(), true),
        (&["create", "fast", "--internet", "--privacy", "fast"], false),
        (&["create", "home"], false),
    ] {
        let ran = home.run(args);
        assert_eq!(ran.out.contains("Its privacy is mixed"), is_told, "{}", ran.out);
    }

    let ran = home.run(&["create", "json", "--closed", "--json"]);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["file"], "json.toml");
    assert_eq!(answer["network"]["closed"], true);
}

#[test]
fn what_cannot_be_a_network_is_not_written() {
    let home = Home::new();
    for (args, word) in [
        (["create", "Ship!", "--closed"].as_slice(), "a-z"),
        (&["create", "ship", "--shard-bits", "13"], "shard_bits"),
        (&["create", "ship", "--stamp-bits", "33"], "stamp_bits"),
        (&["create", "ship", "--bootstrap", "1.2.3.4:5"], "multiaddress"),
        (&["create", "ship", "--closed", "--bootstrap", "/ip4/1.2.3.4/udp/1/quic-v1"], "no QUIC"),
        (&["create", "ship", "--internet", "--lan-only"], "--lan-only"),
    ] {
        let ran = home.run(args);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(word), "{}", ran.err);
    }
    assert_eq!(fs::read_dir(home.0.path()).unwrap().count(), 0);
}

#[test]
fn show_keeps_the_key_to_itself_unless_asked() {
    let home = Home::new();
    fs::write(home.path("ship.toml"), closed().to_toml().as_bytes()).unwrap();
    let key = closed().key.unwrap();
    let text = closed().to_text().unwrap();
    for source in ["ship.toml", &text] {
        let ran = home.run(&["show", source]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("closed"), "{}", ran.out);
        assert!(ran.out.contains(&key.fingerprint().to_string()), "{}", ran.out);
        assert!(!ran.out.contains("martletkey1"), "{}", ran.out);
        let ran = home.run(&["show", source, "--show-key"]);
        assert!(ran.out.contains(key.to_text().as_str()), "{}", ran.out);
    }
    // As a test writes it, others can read it.
    assert!(home.run(&["show", "ship.toml"]).err.contains("chmod 600"));

    let fake = daemon(&closed(), None);
    let ran = home.run_at(fake.socket(), &["show", "--json"], b"");
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&shown["closed"], &shown["key"]), (&json!(true), &Value::Null));
    assert_eq!(fake.lines(), ["GET /v1/network"]);
    let ran = home.run_at(fake.socket(), &["show", "--json", "--show-key"], b"");
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(shown["key"], key.to_text().as_str());
}

#[test]
fn errors_name_file_line_and_key_and_not_the_secret() {
    let home = Home::new();
    for (text, words) in [
        ("name = \"ship\"\nkye = \"martletkey1qqqqqqqqq\"", ["line 2", "kye"]),
        ("name = \"ship\"\n\nkey = \"martletkey1qqqqqqqqq\"", ["line 3", "not a network key"]),
        ("name = \"ship\"\nshard_bits = 40", ["line 2", "shard_bits"]),
        ("", ["name", "missing"]),
    ] {
        fs::write(home.path("bad.toml"), text).unwrap();
        for verb in ["show", "export", "join"] {
            let ran = home.run(&[verb, "bad.toml"]);
            assert_eq!(ran.code, 2, "{ran:?}");
            for word in words.iter().chain(&["bad.toml"]) {
                assert!(ran.err.contains(word), "{word}: {}", ran.err);
            }
            assert!(!ran.err.contains("qqqq"), "{}", ran.err);
        }
    }
    assert_eq!(home.run(&["show", "nowhere.toml"]).code, 2);
    assert_eq!(home.run(&["join", "martletnet1qqqq"]).code, 2);
    fs::write(home.path("big.toml"), vec![b'#'; 3 << 20]).unwrap();
    assert_eq!(home.run(&["join", "big.toml"]).code, 2);
    assert!(!home.path(".config").exists());
}

/// With a stray character before it the piped text of a closed network was taken for TOML, and most of it shown.
#[test]
fn a_mistyped_text_is_shown_nowhere() {
    let home = Home::new();
    let text = closed().to_text().unwrap();
    let hidden = |ran: &Ran| {
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            !text.as_bytes().windows(16).any(|piece| {
                [&ran.out, &ran.err]
                    .iter()
                    .any(|told| told.as_bytes().windows(16).any(|w| w == piece))
            }),
            "{ran:?}"
        );
    };
    for stray in ["x", "$ ", "network: ", "\"", "'", "`"] {
        for mistyped in [format!("{stray}{}", *text), format!("{}{stray}", *text)] {
            for verb in ["join", "show"] {
                hidden(&home.run_at(&home.path("no.sock"), &[verb, "-"], mistyped.as_bytes()));
                hidden(&home.run(&[verb, &mistyped]));
            }
            hidden(&home.run(&["export", &mistyped]));
            fs::write(home.path("mistyped.toml"), &mistyped).unwrap();
            hidden(&home.run(&["join", "mistyped.toml"]));
        }
    }
}

/// An answer that is not understood holds a key all the same.
#[test]
fn a_key_in_an_answer_of_another_shape_is_not_told() {
    let key = NetworkKey::from_bytes([7; 32]).to_text().to_string();
    for answer in [json!({ "descriptor": [key] }), json!(key), json!({ "descriptor": key })] {
        let fake = Fake::start(move |_| Answer::Json(answer.clone()));
        let ran = Home::new().run_at(fake.socket(), &["export"], b"");
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(!ran.err.contains(&key[20..40]) && ran.out.is_empty(), "{ran:?}");
    }
}

#[test]
fn export_gives_a_line_a_code_or_a_file() {
    let home = Home::new();
    let fake = daemon(&closed(), None);
    let ran = home.run_at(fake.socket(), &["export"], b"");
    assert_eq!(ran.out.trim(), closed().to_text().unwrap().as_str());
    let ran = home.run_at(fake.socket(), &["export", "--qr"], b"");
    assert!(ran.out.contains('▀') && ran.out.contains(closed().to_text().unwrap().as_str()));
    let ran = home.run_at(fake.socket(), &["export", "-o", "copy.toml"], b"");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(home.read("copy.toml"), closed());
    let mode = fs::metadata(home.path("copy.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ran = home.run_at(fake.socket(), &["export", "-o", "copy.toml"], b"");
    assert_eq!(ran.code, 2, "not over another file");
    let ran = home.run(&["export", "copy.toml", "--json"]);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["text"], closed().to_text().unwrap().as_str());
    // Of the daemon, there must be one.
    assert_eq!(home.run(&["export"]).code, 3);
}

#[test]
fn join_puts_it_where_the_daemon_reads_it() {
    let home = Home::new();
    let text = closed().to_text().unwrap();
    let ran = home.run_at(&home.path("no.sock"), &["join", "-"], text.as_bytes());
    assert_eq!(ran.code, 0, "{ran:?}");
    let default = ".config/martlet/network.toml";
    assert_eq!(home.read(default), closed());
    let mode = fs::metadata(home.path(default)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The same again is no mistake, another network is.
    let ran = home.run(&["join", &text, "--json"]);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&answer["unchanged"], &answer["restart"]), (&json!(true), &json!(false)));
    let other = NetworkDescriptor { key: Some(NetworkKey::from_bytes([8; 32])), ..closed() };
    let ran = home.run(&["join", &other.to_text().unwrap()]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--force"), "{}", ran.err);
    assert_eq!(home.read(default), closed());
    assert_eq!(home.run(&["join", &other.to_text().unwrap(), "--force"]).code, 0);
    assert_eq!(home.read(default), other);
    assert_eq!(home.read(".config/martlet/network.toml.old"), closed());

    let elsewhere = home.path("etc/its.toml");
    let fake = daemon(&NetworkDescriptor::default(), Some(&elsewhere));
    let ran = home.run_at(fake.socket(), &["join", &text], b"");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("estart"), "{}", ran.out);
    assert_eq!(home.read("etc/its.toml"), closed());
    let ran = home.run_at(fake.socket(), &["join", &text, "--to", "third.toml"], b"");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(home.read("third.toml"), closed());
    // An older daemon has no word for it.
    let old = Fake::start(|_| Answer::Problem(ErrorCode::NotFound, "there is no /v1/network"));
    let ran = home.run_at(old.socket(), &["join", &other.to_text().unwrap()], b"");
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn it_is_shown_how_large_a_file_the_nodes_keep() {
    for (set, told, words) in [
        (None, 4 << 20, "up to 4 MiB are kept for who is away"),
        (Some(100 << 10), 100 << 10, "up to 100 KiB are kept"),
        (Some(0), 0, "none are kept for who is away"),
    ] {
        let network = NetworkDescriptor { mailbox_file_bytes: set, ..closed() };
        let (home, fake) = (Home::new(), daemon(&network, None));
        let shown = home.run_at(fake.socket(), &["show"], b"");
        assert!(shown.code == 0 && shown.out.contains(words), "{shown:?}");
        let shown = home.run_at(fake.socket(), &["show", "--json"], b"");
        let json: Value = serde_json::from_str(&shown.out).unwrap();
        assert_eq!(json["mailbox_file_bytes"], told, "{json}");
    }
    // An older daemon says nothing of it.
    let mut answer = serde_json::to_value(Network::of(&closed())).unwrap();
    answer.as_object_mut().unwrap().remove("mailbox_file_bytes");
    let fake = Fake::start(move |_| Answer::Json(answer.clone()));
    let shown = Home::new().run_at(fake.socket(), &["show"], b"");
    assert!(shown.code == 0 && !shown.out.contains("Files"), "{shown:?}");
}
