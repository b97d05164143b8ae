//! The vault's files: some without the others, of different vaults, damage, and the way out of each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use martlet_engine::command::CreateUser;
use martlet_engine::{EngineConfig, Storage, TICK};
use martlet_protocol::control::{ErrorCode, FindingCode, LockState, Severity};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::ShardSet;
use martlet_store::vault::keyfile::KeyFile;
use martletd::metrics::Metrics;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::daemon::{Daemon, spawn, wait};

const PASSPHRASE: &str = "correct horse";
const VAULT: &str = "vault.redb";
const KEY: &str = "vault.key";
const KEYS: &str = "vault.keys";

/// A stopped node with an identity: its directory, and its ID.
fn stopped(passphrase: Option<&str>) -> (TempDir, String) {
    let daemon = Daemon::start();
    let made = daemon.connect().call("POST", "/v1/identity", &json!({ "passphrase": passphrase }));
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    (stop(daemon), id)
}

fn stop(daemon: Daemon) -> TempDir {
    daemon.signal(Signal::TERM);
    let (status, home) = daemon.wait();
    assert_eq!(status.code(), Some(0));
    home
}

/// Takes away the whole vault.
fn remove_all(home: &Path) {
    for name in [VAULT, KEY, KEYS] {
        fs::remove_file(home.join(name)).unwrap();
    }
}

/// Starts, unlocks, and looks whose it is.
fn assert_works(home: TempDir, passphrase: Option<&str>, id: &str) -> TempDir {
    let daemon = Daemon::start_in(home, &[]);
    assert_unlocks(&mut daemon.connect(), passphrase, id);
    stop(daemon)
}

fn assert_unlocks(client: &mut Client, passphrase: Option<&str>, id: &str) {
    let unlocked = client.call("POST", "/v1/unlock", &json!({ "passphrase": passphrase }));
    assert!(unlocked.is_success(), "{unlocked:?}");
    assert_eq!(client.get("/v1/identity").json()["id"], *id);
    assert!(!findings(client).iter().any(|(_, severity)| *severity == Severity::Error));
}

/// What the doctor finds, but that there is nobody else.
fn findings(client: &mut Client) -> Vec<(FindingCode, Severity)> {
    let diagnosis = client.get("/v1/doctor").json();
    let findings = diagnosis["findings"].as_array().unwrap().iter();
    findings
        .map(|one| {
            let code = serde_json::from_value(one["code"].clone()).unwrap();
            (code, serde_json::from_value(one["severity"].clone()).unwrap())
        })
        .filter(|(code, _)| !matches!(code, FindingCode::NoPeers | FindingCode::MdnsOff))
        .collect()
}

/// Every file of a directory but the log and the lock, which each start makes.
fn contents(home: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(home).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.path().is_file());
    let names = files.map(|entry| entry.file_name().into_string().unwrap());
    let names = names.filter(|name| name != "log" && name != "martletd.lock");
    names.map(|name| (name.clone(), fs::read(home.join(&name)).unwrap())).collect()
}

/// A start that must be refused with exit code 4, change nothing, and name these files.
fn assert_refused(home: &Path, names: &[&str], what: &str) {
    let before = contents(home);
    let _ = fs::remove_file(home.join("log"));
    let status = wait(&mut spawn(home, &[]));
    let said = fs::read_to_string(home.join("log")).unwrap();
    assert_eq!(status.code(), Some(4), "{what}: {said}");
    for name in names {
        let path = home.join(name).display().to_string();
        assert!(said.contains(&path), "{what}: {path} is not named in\n{said}");
    }
    // The one way out.
    assert!(
        said.contains("put vault.redb, vault.key and vault.keys back from one backup"),
        "{said}"
    );
    let after = contents(home);
    assert!(
        after.keys().eq(before.keys()),
        "{what}: {:?}, before {:?}",
        after.keys(),
        before.keys()
    );
    for (name, bytes) in &after {
        // The mailbox is opened before a vault is looked at closely, which its header tells.
        assert!(*bytes == before[name] || name == "mailbox.redb", "{what}: {name} was changed");
    }
}

/// A directory with `vault.redb` and no `vault.key`, as a backup put back by halves leaves it, started as one
/// without an identity, and `init`, which `status` advised, replaced the vault.
#[test]
fn half_of_a_vault_is_refused_and_left_alone() {
    for passphrase in [None, Some(PASSPHRASE)] {
        let (mut home, id) = stopped(passphrase);
        for (missing, there) in [(KEY, VAULT), (VAULT, KEY), (KEYS, VAULT)] {
            let path = home.path().join(missing);
            let whole = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            assert_refused(home.path(), &[missing, there], missing);
            // Nor is anything else made beside the one file that was put back.
            let half = tempfile::tempdir().unwrap();
            let others = [VAULT, KEY, KEYS].into_iter().filter(|name| *name != missing);
            for name in others {
                fs::copy(home.path().join(name), half.path().join(name)).unwrap();
            }
            assert_refused(half.path(), &[missing, there], missing);

            fs::write(&path, whole).unwrap();
            home = assert_works(home, passphrase, &id);
        }
        // The erasable keys alone are what a backup begins with that is put back by hand.
        let alone = tempfile::tempdir().unwrap();
        fs::copy(home.path().join(KEYS), alone.path().join(KEYS)).unwrap();
        assert_refused(alone.path(), &[VAULT, KEYS], "keys alone");
    }
}

#[test]
fn files_of_two_vaults_are_refused_and_left_alone() {
    for passphrases in [
        [None, None],
        [Some(PASSPHRASE), Some(PASSPHRASE)],
        [None, Some(PASSPHRASE)],
        [Some(PASSPHRASE), None],
    ] {
        let [(mut home, id), (other, _)] = passphrases.map(stopped);
        for (name, named) in [(VAULT, VAULT), (KEY, VAULT), (KEYS, KEYS)] {
            let path = home.path().join(name);
            let own = fs::read(&path).unwrap();
            fs::copy(other.path().join(name), &path).unwrap();
            assert_refused(home.path(), &[named], name);
            fs::write(&path, own).unwrap();
        }
        home = assert_works(home, passphrases[0], &id);
        drop(home);
    }
}

/// An `init` that a crash cuts short leaves no identity, or one that is found at the next start.
#[test]
fn an_init_cut_short_is_no_half_of_a_vault() {
    let (home, id) = stopped(Some(PASSPHRASE));
    let unfinished = ["vault.redb.new", "vault.redb.keys"].map(|name| home.path().join(name));
    fs::rename(home.path().join(VAULT), &unfinished[0]).unwrap();
    fs::rename(home.path().join(KEYS), &unfinished[1]).unwrap();
    let mut home = assert_works(home, Some(PASSPHRASE), &id);
    assert!(!unfinished.iter().any(|path| path.exists()));
    // Or after the keys have their own name.
    fs::rename(home.path().join(VAULT), &unfinished[0]).unwrap();
    fs::hard_link(home.path().join(KEYS), &unfinished[1]).unwrap();
    home = assert_works(home, Some(PASSPHRASE), &id);
    assert!(!unfinished.iter().any(|path| path.exists()));

    // Of another vault it is no help.
    let (other, _) = stopped(Some(PASSPHRASE));
    let vault = fs::read(home.path().join(VAULT)).unwrap();
    fs::remove_file(home.path().join(VAULT)).unwrap();
    fs::copy(other.path().join(VAULT), &unfinished[0]).unwrap();
    fs::copy(other.path().join(KEYS), &unfinished[1]).unwrap();
    assert_refused(home.path(), &["vault.redb.new"], "another's unfinished vault");
    fs::write(home.path().join(VAULT), vault).unwrap();
    let home = assert_works(home, Some(PASSPHRASE), &id);

    // Without a key file there was no identity yet.
    remove_all(home.path());
    let daemon = Daemon::start_in(home, &[]);
    let made = daemon.connect().call("POST", "/v1/identity", &json!({}));
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let home = assert_works(stop(daemon), None, &id);
    assert!(!home.path().join("vault.redb.new").exists());
    assert!(!home.path().join("vault.redb.keys").exists());
}

/// All kinds of damage, of which `store/tests/storage/damage.rs` has every place.
fn damages(whole: &[u8], others: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let flipped = |at: usize| {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1;
        (format!("flipped at byte {at}"), bytes)
    };
    let mut kinds = vec![
        ("emptied".to_owned(), Vec::new()),
        ("one byte".to_owned(), whole[..1].to_vec()),
        ("cut in half".to_owned(), whole[..whole.len() / 2].to_vec()),
        ("cut by a byte".to_owned(), whole[..whole.len() - 1].to_vec()),
        ("zeros".to_owned(), vec![0; whole.len()]),
        ("text".to_owned(), b"not what it was\n".repeat(100)),
        flipped(0),
        flipped(20),
    ];
    if whole.len() > 4096 {
        // The mark of its last commit.
        kinds.push(flipped(4081));
    }
    kinds.extend(others.iter().map(|other| ("another database".to_owned(), other.clone())));
    kinds
}

/// With a passphrase the daemon started with a damaged vault though the documents promise exit code 4; its advice
/// led to a state where `unlock` said open, the ID was locked, `init` refused and the doctor found nothing.
#[test]
fn a_damaged_vault_is_refused_whether_it_has_a_passphrase_or_not() {
    for passphrase in [None, Some(PASSPHRASE)] {
        let (home, id) = stopped(passphrase);
        let whole = [VAULT, KEY].map(|name| fs::read(home.path().join(name)).unwrap());
        let mailbox = fs::read(home.path().join("mailbox.redb")).unwrap();
        for (name, bytes) in [VAULT, KEY].iter().zip(&whole) {
            for (what, damaged) in damages(bytes, std::slice::from_ref(&mailbox)) {
                fs::write(home.path().join(name), damaged).unwrap();
                assert_refused(home.path(), &[name], &format!("{name} {what}"));
            }
            fs::write(home.path().join(name), bytes).unwrap();
        }
        let home = assert_works(home, passphrase, &id);

        // Of the erasable keys there are two copies: one is enough.
        let keys = home.path().join(KEYS);
        let whole = fs::read(&keys).unwrap();
        for (what, damaged) in damages(&whole, std::slice::from_ref(&mailbox)) {
            if what.starts_with("flipped") {
                continue;
            }
            fs::write(&keys, damaged).unwrap();
            assert_refused(home.path(), &[KEYS], &format!("{KEYS} {what}"));
        }
        let mut flipped = whole.clone();
        flipped[40..5000].fill(0);
        fs::write(&keys, flipped).unwrap();
        let home = assert_works(home, passphrase, &id);

        // The way out without a backup: all away.
        remove_all(home.path());
        let daemon = Daemon::start_in(home, &[]);
        let mut client = daemon.connect();
        assert_eq!(findings(&mut client), [(FindingCode::NoIdentity, Severity::Warning)]);
        let made = client.call("POST", "/v1/identity", &json!({ "passphrase": passphrase }));
        assert_eq!(made.status, 201, "{made:?}");
        assert_ne!(made.json()["id"], *id);
    }
}

/// The vault is damaged, or goes away, while the daemon runs and is locked.
#[test]
fn a_vault_that_cannot_be_unlocked_is_told_until_it_can() {
    let (home, id) = stopped(Some(PASSPHRASE));
    let daemon = Daemon::start_in(home, &[]);
    let mut client = daemon.connect();
    assert_eq!(findings(&mut client), [(FindingCode::Locked, Severity::Warning)]);
    let path = daemon.home().join(VAULT);
    let whole = fs::read(&path).unwrap();
    let unlock = json!({ "passphrase": PASSPHRASE });
    let mut kinds: Vec<(String, Option<Vec<u8>>)> =
        damages(&whole, &[]).into_iter().map(|(what, bytes)| (what, Some(bytes))).collect();
    kinds.push(("moved away".to_owned(), None));
    for (what, damaged) in kinds {
        match &damaged {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let refused = client.call("POST", "/v1/unlock", &unlock);
        assert_eq!(refused.problem().code, ErrorCode::StorageFailed, "{what}: {refused:?}");
        let detail = refused.problem().detail;
        assert!(detail.contains(&path.display().to_string()), "{what}: {detail}");
        assert!(
            detail.contains("put vault.redb, vault.key and vault.keys back"),
            "{what}: {detail}"
        );
        assert_eq!(fs::read(&path).ok(), damaged, "{what}: it was changed");
        // And it stays told, whatever else is asked.
        let status = client.get("/v1/status").json();
        assert_eq!(status["lock"], serde_json::to_value(LockState::Locked).unwrap(), "{what}");
        let warnings = status["warnings"].as_array().unwrap();
        assert!(warnings.contains(&Value::from(detail)), "{what}: {warnings:?}");
        assert_eq!(findings(&mut client), [(FindingCode::VaultUnreadable, Severity::Error)]);
        assert_eq!(client.get("/v1/identity").problem().code, ErrorCode::Locked, "{what}");
    }
    // All away is no new beginning while it runs.
    let [key, keys] = [KEY, KEYS].map(|name| {
        let path = daemon.home().join(name);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(path).unwrap();
        bytes
    });
    let refused = client.call("POST", "/v1/unlock", &unlock);
    assert_eq!(refused.problem().code, ErrorCode::StorageFailed, "{refused:?}");
    let init = client.call("POST", "/v1/identity", &json!({}));
    assert_eq!(init.problem().code, ErrorCode::IdentityExists, "{init:?}");
    assert!(!path.exists());

    fs::write(daemon.home().join(KEY), key).unwrap();
    fs::write(daemon.home().join(KEYS), keys).unwrap();
    fs::write(&path, whole).unwrap();
    assert_unlocks(&mut client, Some(PASSPHRASE), &id);
}

/// A passphrase with an é typed as one character at `init` and as two at `unlock` was wrong, and so was one from a
/// file that begins with a byte order mark.
#[test]
fn a_passphrase_opens_the_vault_however_it_was_typed() {
    for (made_with, typed) in [
        ("caf\u{e9} au lait", "cafe\u{301} au\u{a0}lait"),
        ("cafe\u{301}", "caf\u{e9}"),
        ("\u{feff}plain", "plain"),
        ("plain", "\u{feff}plain"),
    ] {
        let (home, id) = stopped(Some(made_with));
        let home = assert_works(home, Some(typed), &id);
        assert_works(home, Some(made_with), &id);
    }
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    for (refused, told) in
        [("tab\t", "character 4"), ("", "--no-passphrase"), ("\u{feff}", "--no-passphrase")]
    {
        let init = client.call("POST", "/v1/identity", &json!({ "passphrase": refused }));
        assert_eq!(init.problem().code, ErrorCode::InvalidPassphrase, "{init:?}");
        assert!(init.problem().detail.contains(told), "{init:?}");
    }
}

/// Builds of before took passphrases as they came.
#[test]
fn a_vault_of_before_passphrases_had_a_form_opens_still() {
    for typed in ["cafe\u{301}", "\u{feff}plain", "tab\t"] {
        let home = tempfile::tempdir().unwrap();
        let id = vault_of_before(home.path(), typed);
        assert_works(home, Some(typed), &id);
    }
}

/// Makes an identity whose vault is wrapped by these very bytes; its ID.
fn vault_of_before(data_dir: &Path, passphrase: &str) -> String {
    let storage = Storage::Directory(data_dir.to_owned());
    let (key_file, key) = KeyFile::make(
        &storage.key_file_path(),
        Some(passphrase.as_bytes()),
        &mut UnwrapErr(SysRng),
    )
    .unwrap();
    let metrics = Arc::new(Metrics::new());
    let config = EngineConfig {
        kept: ShardSet::ALL,
        storage,
        network: NetworkDescriptor::default(),
        mailbox_bytes_max: 1 << 20,
        observer: Arc::clone(&metrics) as _,
        mailbox_peer_bytes_max: 1 << 20,
        fetches_unasked: true,
        deposits: true,
        tick: TICK,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, _mailbox) = martletd::host::spawn(config, metrics).unwrap();
        let made = engine.call(CreateUser { key_file, key, name: None }).await.unwrap();
        engine.shutdown().await;
        made.id
    })
}
