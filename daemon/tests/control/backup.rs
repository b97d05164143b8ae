//! Backups of a running daemon, put back in another data directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::json;

use crate::daemon::{Daemon, command, until};

fn restore(backup: &Path, home: &Path) -> Output {
    let output = command()
        .arg("--config")
        .arg(home.join("martletd.toml"))
        .arg("--data-dir")
        .arg(home)
        .arg("--socket")
        .arg(home.join("control.sock"))
        .arg("--restore")
        .arg(backup)
        .output();
    output.unwrap()
}

/// A home whose configuration names nothing, so that the network's descriptor is looked for beside it.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("martletd.toml"), "").unwrap();
    home
}

fn start(home: tempfile::TempDir) -> Daemon {
    let config = home.path().join("martletd.toml").display().to_string();
    Daemon::start_in(home, &["--config", &config])
}

#[test]
fn a_backup_of_a_running_daemon_is_whole_and_can_be_put_back() {
    let first = home();
    fs::write(first.path().join("network.toml"), "name = \"ship\"\n").unwrap();
    let daemon = start(first);
    let mut client = daemon.connect();
    let made = client.call("POST", "/v1/identity", &json!({ "name": "alice" }));
    assert!(made.is_success(), "{made:?}");
    let id = client.get("/v1/identity").json()["id"].clone();
    let target = tempfile::tempdir().unwrap();
    let backup = target.path().join("2026-11-29");
    let request = json!({ "directory": backup });

    // It is written to all the while.
    let (stop, written) = (AtomicBool::new(false), AtomicBool::new(false));
    let before = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut client = daemon.connect();
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let text = format!("note {number} {}", "x".repeat(10_000));
                let answer = client.call("POST", "/v1/notes", &json!({ "text": text }));
                assert!(answer.is_success(), "{answer:?}");
                number += 1;
                written.store(number >= 20, Ordering::Relaxed);
            }
        });
        until(|| written.load(Ordering::Relaxed));
        let before = client.get("/v1/notes?limit=1000").json()["messages"].clone();
        let answer = client.call("POST", "/v1/backup", &request);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.json()["bytes"].as_u64() > Some(200_000), "{answer:?}");
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        before
    });
    // None is written over, and one that failed leaves nothing.
    let again = client.call("POST", "/v1/backup", &request);
    assert_eq!((again.status, &again.json()["code"]), (409, &json!("backup-failed")), "{again:?}");
    // Nor is one put among other files.
    let among = target.path().join("among");
    fs::create_dir(&among).unwrap();
    fs::write(among.join("letter.txt"), "dear").unwrap();
    let refused = client.call("POST", "/v1/backup", &json!({ "directory": among }));
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.problem().detail.contains("is not empty"), "{refused:?}");
    assert_eq!(fs::read_dir(&among).unwrap().count(), 1);
    let relative = client.call("POST", "/v1/backup", &json!({ "directory": "here" }));
    assert_eq!(relative.status, 400, "{relative:?}");
    let mut files: Vec<_> = fs::read_dir(&backup)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0);
            entry.file_name().into_string().unwrap()
        })
        .collect();
    files.sort_unstable();
    assert_eq!(files, ["network.toml", "vault.key", "vault.keys", "vault.redb"]);

    // Not into a data directory that is in use, nor over a vault.
    let refused = restore(&backup, daemon.home());
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    drop(client);
    daemon.signal(Signal::TERM);
    let (_, first) = daemon.wait();
    let refused = restore(&backup, first.path());
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("vault.redb"), "{refused:?}");

    // On another machine.
    let second = home();
    let restored = restore(&backup, second.path());
    assert_eq!(restored.status.code(), Some(0), "{restored:?}");
    let daemon = start(second);
    let mut client = daemon.connect();
    assert_eq!(client.get("/v1/identity").json()["id"], id);
    assert_eq!(client.get("/v1/network").json()["name"], "ship");
    let notes = client.get("/v1/notes?limit=1000").json()["messages"].clone();
    let (notes, before) = (notes.as_array().unwrap(), before.as_array().unwrap());
    assert!(before.len() >= 20 && notes.starts_with(before), "{} {}", before.len(), notes.len());
}

/// A configuration that names the network's descriptor, as on the machine that the backup is of, was refused on a new
/// one: the descriptor wasn't there yet.
#[test]
fn a_backup_brings_the_descriptor_that_the_configuration_names() {
    let first = tempfile::tempdir().unwrap();
    fs::write(first.path().join("ship.toml"), "name = \"ship\"\n").unwrap();
    let config = "network = \"ship.toml\"\n";
    fs::write(first.path().join("martletd.toml"), config).unwrap();
    let daemon = start(first);
    let mut client = daemon.connect();
    let made = client.call("POST", "/v1/identity", &json!({ "name": "alice" }));
    assert!(made.is_success(), "{made:?}");
    let target = tempfile::tempdir().unwrap();
    let answer = client.call("POST", "/v1/backup", &json!({ "directory": target.path() }));
    assert_eq!(answer.status, 200, "{answer:?}");

    let second = tempfile::tempdir().unwrap();
    fs::write(second.path().join("martletd.toml"), config).unwrap();
    let restored = restore(target.path(), second.path());
    assert_eq!(restored.status.code(), Some(0), "{restored:?}");
    let said = String::from_utf8(restored.stdout).unwrap();
    assert!(
        said.contains("the network's descriptor is in") && said.contains("ship.toml"),
        "{said}"
    );
    let daemon = start(second);
    assert_eq!(daemon.connect().get("/v1/network").json()["name"], "ship");

    // One that is there is left as it is, which is told.
    let third = tempfile::tempdir().unwrap();
    fs::write(third.path().join("martletd.toml"), config).unwrap();
    fs::write(third.path().join("ship.toml"), "name = \"boat\"\n").unwrap();
    let restored = restore(target.path(), third.path());
    assert_eq!(restored.status.code(), Some(0), "{restored:?}");
    let said = String::from_utf8(restored.stdout).unwrap();
    assert!(said.contains("another network's descriptor was in"), "{said}");
    assert_eq!(fs::read_to_string(third.path().join("ship.toml")).unwrap(), "name = \"boat\"\n");
}

#[test]
fn a_damaged_backup_is_not_put_back() {
    let daemon = start(home());
    let mut client = daemon.connect();
    let made = client.call("POST", "/v1/identity", &json!({ "name": "alice" }));
    assert!(made.is_success(), "{made:?}");
    let target = tempfile::tempdir().unwrap();
    let answer = client.call("POST", "/v1/backup", &json!({ "directory": target.path() }));
    assert_eq!(answer.status, 200, "{answer:?}");
    let vault = target.path().join("vault.redb");
    let mut bytes = fs::read(&vault).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    fs::write(&vault, bytes).unwrap();
    let second = home();
    let refused = restore(target.path(), second.path());
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    // What would be waited for is no vault.
    fs::remove_file(&vault).unwrap();
    mknodat(CWD, &vault, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let refused = restore(target.path(), second.path());
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let empty = restore(&target.path().join("nothing"), second.path());
    assert_eq!(empty.status.code(), Some(4), "{empty:?}");
    let left: Vec<_> = fs::read_dir(second.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with("vault"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// While the vault is locked nothing writes to its files; there is no key to verify a copy by.
#[test]
fn a_locked_vault_is_backed_up_once_it_is_unlocked() {
    let daemon = start(home());
    let mut client = daemon.connect();
    let made = client.call("POST", "/v1/identity", &json!({ "passphrase": "correct horse" }));
    assert!(made.is_success(), "{made:?}");
    assert!(client.call("POST", "/v1/lock", &json!({})).is_success());
    let target = tempfile::tempdir().unwrap();
    let request = json!({ "directory": target.path() });
    assert_eq!(client.call("POST", "/v1/backup", &request).status, 423);
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
    let unlocked = client.call("POST", "/v1/unlock", &json!({ "passphrase": "correct horse" }));
    assert!(unlocked.is_success(), "{unlocked:?}");
    assert_eq!(client.call("POST", "/v1/backup", &request).status, 200);
}
