//! The shredder of a real daemon: what was deleted can't be found in a copy of its directory, with the passphrase.

#[path = "../../../store/tests/storage/shred/keys.rs"]
mod keys;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use martlet_protocol::identity::RootKey;
use martlet_store::vault::keyfile::KeyFile;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::daemon::{Daemon, until};
use keys::{FoundKeys, Sealed, sealed_in};

const PASSPHRASE: &str = "correct horse";
const DEADLINE: Duration = Duration::from_secs(30);
const TEXT: &str = "under the third palm tree";
const KEPT: &str = "what is kept";

fn stop(daemon: Daemon) -> TempDir {
    daemon.signal(Signal::TERM);
    let (status, home) = daemon.wait();
    assert_eq!(status.code(), Some(0));
    home
}

/// What somebody has who copies the directory and knows the passphrase.
struct Stolen {
    sealed: BTreeSet<Sealed>,
    keys: FoundKeys,
}

impl Stolen {
    fn from(home: &Path) -> Self {
        let copy = ["vault.redb", "vault.keys"].map(|name| fs::read(home.join(name)).unwrap());
        let key_file = KeyFile::read(&home.join("vault.key")).unwrap().unwrap();
        let master = key_file.unwrap(Some(PASSPHRASE.as_bytes())).unwrap();
        Self { sealed: sealed_in(&copy), keys: FoundKeys::of(&copy, &master) }
    }

    /// Records that it can read and that hold `text`.
    fn with(&self, text: &str) -> Vec<&Sealed> {
        self.with_bytes(text.as_bytes())
    }

    /// Records of a table that it can read.
    fn readable_in(&self, table: &str) -> Vec<&Sealed> {
        let of_table = self.sealed.iter().filter(|it| it.table == table);
        of_table.filter(|it| self.keys.opens(it, false)).collect()
    }

    fn with_bytes(&self, wanted: &[u8]) -> Vec<&Sealed> {
        let holds = |bytes: Vec<u8>| bytes.windows(wanted.len()).any(|it| it == wanted);
        self.sealed.iter().filter(|it| self.keys.open(it, false).is_some_and(holds)).collect()
    }
}

fn shred(client: &mut Client) -> Value {
    let begun = client.call("POST", "/v1/shred", &Value::Null);
    assert_eq!(begun.status, 202, "{begun:?}");
    let deadline = Instant::now() + DEADLINE;
    loop {
        let shred = client.get("/v1/shred").json();
        if shred["running"] == false {
            return shred;
        }
        assert!(Instant::now() < deadline, "{shred}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A shred that began while the messages were still going, a part at a time, left them their key until the next one.
#[test]
fn a_conversation_that_was_removed_and_shredded_is_in_no_later_copy() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    assert_eq!(client.get("/v1/shred").status, 409, "there is no vault yet");
    let unlock = json!({ "passphrase": PASSPHRASE });
    assert_eq!(client.call("POST", "/v1/identity", &unlock).status, 201);
    let id = RootKey::generate(&mut UnwrapErr(SysRng)).identity().to_string();
    let added = client.call("POST", "/v1/contacts", &json!({ "id": id, "name": "bob" }));
    assert!(added.is_success(), "{added:?}");
    for number in 0..300 {
        let text = format!("{TEXT} {number}");
        let sent = client.call("POST", "/v1/messages", &json!({ "to": "bob", "text": text }));
        assert!(sent.is_success(), "{sent:?}");
    }
    assert_eq!(client.call("POST", "/v1/notes", &json!({ "text": KEPT })).status, 201);
    drop(client);
    let home = stop(daemon);
    let before = Stolen::from(home.path());
    assert_eq!(before.with(TEXT).len(), 300);

    let daemon = Daemon::start_in(home, &[]);
    let mut client = daemon.connect();
    assert_eq!(client.get("/v1/shred").status, 423, "locked");
    assert!(client.call("POST", "/v1/unlock", &unlock).is_success());
    assert!(client.call("DELETE", "/v1/contacts/bob", &Value::Null).is_success());
    let waiting = client.get("/v1/status").json()["shred"].clone();
    assert!(waiting["waiting"].as_u64().unwrap() > 0, "{waiting}");
    assert!(waiting.get("finished_at").is_none(), "{waiting}");
    let done = shred(&mut client);
    assert!(done["finished_at"].as_u64().is_some(), "{done}");
    drop(client);
    let home = stop(daemon);

    let after = Stolen::from(home.path());
    assert_eq!(after.with(TEXT), Vec::<&Sealed>::new());
    assert_eq!(after.with(KEPT).len(), 1);
    // What was there before lies in the file, or was kept by who copied it: it has no key any more.
    for gone in before.with(TEXT) {
        assert!(!after.keys.opens(gone, true), "{gone:?}");
    }
    // And all that is left works.
    let daemon = Daemon::start_in(home, &[]);
    let mut client = daemon.connect();
    assert!(client.call("POST", "/v1/unlock", &unlock).is_success());
    assert_eq!(client.get("/v1/notes").json()["messages"][0]["text"], KEPT);
    assert!(client.get("/v1/shred").json()["finished_at"].as_u64().is_some());
}

/// Two who have each other as contacts, and are connected: the daemons of Ann, whose vault has a passphrase, and of Bob.
fn couple() -> (Daemon, Daemon) {
    let ann = Daemon::start();
    let identity = ann.connect().call("POST", "/v1/identity", &json!({ "passphrase": PASSPHRASE }));
    let ann_id = identity.json()["id"].clone();
    let address = ann.connect().get("/v1/status").json()["listen"][0].clone();
    let there = ["--static-peer", address.as_str().unwrap()];
    let bob = Daemon::start_in(tempfile::tempdir().unwrap(), &there);
    let identity = bob.connect().call("POST", "/v1/identity", &json!({}));
    let bob_id = identity.json()["id"].clone();
    for (daemon, id, name) in [(&ann, bob_id, "bob"), (&bob, ann_id, "ann")] {
        let added =
            daemon.connect().call("POST", "/v1/contacts", &json!({ "id": id, "name": name }));
        assert!(added.is_success(), "{added:?}");
    }
    (ann, bob)
}

/// The texts that are shown of a conversation, its files by what is said of them.
fn texts(client: &mut Client, name: &str) -> Vec<String> {
    let history = client.get(&format!("/v1/conversations/{name}/messages")).json();
    let messages = history["messages"].as_array().unwrap().iter();
    messages.map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

/// Only texts, and the root, were looked for: not what ended by its timer, nor drafts, files and the keys of sessions.
#[test]
fn what_ended_and_was_forgotten_is_in_no_later_copy_nor_are_the_keys_of_its_sessions() {
    const TIMED: &str = "the tide burns this";
    const DRAFT: &str = "half a word on the tide";
    const FILE_NAME: &str = "tide-table.txt";
    const FILE: &str = "high water at six, in a file";
    const LARGE_NAME: &str = "tide-chart.bin";
    const SESSIONS: [&str; 2] = ["outbound_sessions", "sessions_of_others"];
    let (ann, bob) = couple();
    let (mut ann_client, mut bob_client) = (ann.connect(), bob.connect());
    let timed = json!({ "to": "ann", "text": TIMED, "burn_seconds": 1 });
    assert_eq!(bob_client.call("POST", "/v1/messages", &timed).status, 201);
    let path = format!("/v1/files?to=ann&name={FILE_NAME}");
    let sent = bob_client.call_raw("POST", &path, "text/plain", FILE.as_bytes());
    assert_eq!(sent.status, 201, "{sent:?}");
    until(|| texts(&mut ann_client, "bob").len() == 2);
    let file = ann_client.get("/v1/files").json()["files"][0]["id"].clone();
    let path = format!("/v1/files?to=bob&name={LARGE_NAME}");
    let large = ann_client.call_raw("POST", &path, "text/plain", &[7; 60_000]);
    assert_eq!(large.status, 201, "{large:?}");
    let large = large.json()["id"].clone();
    let kept = ann_client.call("POST", "/v1/conversations/bob/draft", &json!({ "text": DRAFT }));
    assert!(kept.is_success(), "{kept:?}");
    assert_eq!(ann_client.call("POST", "/v1/notes", &json!({ "text": KEPT })).status, 201);
    drop(ann_client);
    let home = stop(ann);
    let before = Stolen::from(home.path());
    let wanted = [TIMED, DRAFT, FILE_NAME, FILE, LARGE_NAME];
    for text in wanted {
        assert!(!before.with(text).is_empty(), "the search finds {text:?} where it is");
    }
    let sessions = |table: &str| before.readable_in(table);
    assert!(SESSIONS.iter().all(|table| !sessions(table).is_empty()), "and keys of sessions");

    let ann = Daemon::start_in(home, &[]);
    let mut client = ann.connect();
    let unlock = json!({ "passphrase": PASSPHRASE });
    assert!(client.call("POST", "/v1/unlock", &unlock).is_success());
    let read = client.call("POST", "/v1/conversations/bob/read", &json!({}));
    assert!(read.is_success(), "{read:?}");
    until(|| !texts(&mut client, "bob").contains(&TIMED.to_owned()));
    for (method, path) in [
        ("DELETE", "/v1/conversations/bob/draft".to_owned()),
        ("DELETE", format!("/v1/messages/{}", file.as_str().unwrap())),
        ("POST", format!("/v1/messages/{}/recall", large.as_str().unwrap())),
        ("DELETE", "/v1/contacts/bob".to_owned()),
    ] {
        let done = client.call(method, &path, &Value::Null);
        assert!(done.is_success(), "{method} {path}: {done:?}");
    }
    shred(&mut client);
    drop(client);
    let home = stop(ann);
    let after = Stolen::from(home.path());
    assert_eq!(after.with(KEPT).len(), 1);
    for text in wanted {
        assert_eq!(after.with(text), Vec::<&Sealed>::new(), "{text:?}");
        for gone in before.with(text) {
            assert!(!after.keys.opens(gone, true), "{text:?}: {gone:?}");
        }
    }
    for gone in SESSIONS.into_iter().flat_map(sessions) {
        assert!(!after.keys.opens(gone, true), "{gone:?}");
    }
    let blobs = fs::read_dir(home.path().join("blobs")).unwrap();
    assert_eq!(blobs.count(), 0, "nor is the sealed file");
}

/// The record that holds it lies in the database's file, and in copies of before. It has no key any more.
#[test]
fn the_root_that_was_locked_is_in_no_later_copy() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let passphrase = json!({ "passphrase": PASSPHRASE });
    let made = client.call("POST", "/v1/identity", &passphrase).json();
    let phrase = made["recovery_phrase"].as_str().unwrap().to_owned();
    let root = RootKey::from_phrase(&phrase).unwrap();
    drop(client);
    let home = stop(daemon);
    let before = Stolen::from(home.path());
    assert_eq!(before.with_bytes(root.seed()).len(), 1, "the search finds it where it is");

    let daemon = Daemon::start_in(home, &[]);
    let mut client = daemon.connect();
    let words: Vec<&str> = phrase.split(' ').collect();
    let lock = json!({ "last_words": words[20..].join(" ") });
    assert_eq!(client.call("POST", "/v1/account/lock-root", &lock).status, 423, "locked");
    assert!(client.call("POST", "/v1/unlock", &passphrase).is_success());
    let wrong = json!({ "last_words": words[19..23].join(" ") });
    let refused = client.call("POST", "/v1/account/lock-root", &wrong);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("wrong-words")));
    let long = json!({ "last_words": "x".repeat(1025) });
    assert_eq!(client.call("POST", "/v1/account/lock-root", &long).status, 400);
    let begun = client.call("POST", "/v1/account/lock-root", &lock);
    assert_eq!(begun.status, 202, "{begun:?}");
    let deadline = Instant::now() + DEADLINE;
    while client.get("/v1/shred").json()["running"] != false {
        assert!(Instant::now() < deadline, "it should be shredded");
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = daemon.log();
    assert!(words.windows(2).all(|pair| !log.contains(&pair.join(" "))), "{log}");
    drop(client);
    let home = stop(daemon);
    let after = Stolen::from(home.path());
    assert_eq!(after.with_bytes(root.seed()), Vec::<&Sealed>::new());
    for gone in before.with_bytes(root.seed()) {
        assert!(!after.keys.opens(gone, true), "{gone:?}");
    }
    for name in ["vault.redb", "vault.keys", "vault.key"] {
        let bytes = fs::read(home.path().join(name)).unwrap();
        assert!(!bytes.windows(32).any(|it| it == root.seed()), "{name}");
    }
}
