//! The vault's lock: falling shut by itself, opened at the start, and its passphrase changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use martlet_protocol::control::ErrorCode;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::daemon::{Daemon, command, spawn, until, wait};

const PASSPHRASE: &str = "correct horse battery staple";

fn init(client: &mut Client, passphrase: Option<&str>) -> String {
    let made = client.call("POST", "/v1/identity", &json!({ "passphrase": passphrase }));
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["id"].as_str().unwrap().to_owned()
}

fn unlock(client: &mut Client, passphrase: Option<&str>) -> u16 {
    client.call("POST", "/v1/unlock", &json!({ "passphrase": passphrase })).status
}

fn lock_state(client: &mut Client) -> String {
    client.get("/v1/status").json()["lock"].as_str().unwrap().to_owned()
}

fn change(client: &mut Client, old: Option<&str>, new: Option<&str>) -> Result<(), ErrorCode> {
    let changed = client.call("POST", "/v1/passphrase", &json!({ "old": old, "new": new }));
    if changed.status == 204 { Ok(()) } else { Err(changed.problem().code) }
}

fn stop(daemon: Daemon) -> TempDir {
    daemon.signal(Signal::TERM);
    let (status, home) = daemon.wait();
    assert_eq!(status.code(), Some(0));
    home
}

/// A passphrase file for its owner alone.
fn passphrase_file(home: &Path, text: &str) -> String {
    let path = home.join("passphrase");
    fs::write(&path, format!("{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_vault_that_nobody_uses_is_locked_and_one_in_use_is_not() {
    let daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &["--auto-lock", "5s"]);
    let mut client = daemon.connect();
    init(&mut client, Some(PASSPHRASE));
    // Who follows events, or looks at the status, doesn't use it.
    let mut follower = daemon.connect();
    follower.send_head("GET", "/v1/events", "");
    let began = Instant::now();
    until(|| {
        std::thread::sleep(Duration::from_millis(100));
        lock_state(&mut client) == "locked"
    });
    assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(client.get("/v1/identity").problem().code, ErrorCode::Locked);

    // As long as something is asked it stays open.
    assert_eq!(unlock(&mut client, Some(PASSPHRASE)), 204);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        assert_eq!(client.get("/v1/identity").status, 200);
        std::thread::sleep(Duration::from_millis(300));
    }
    let stopped = Instant::now();
    until(|| {
        std::thread::sleep(Duration::from_millis(100));
        lock_state(&mut client) == "locked"
    });
    assert!(stopped.elapsed() >= Duration::from_secs(4), "{:?}", stopped.elapsed());
}

#[test]
fn a_vault_without_a_passphrase_is_not_locked_by_itself() {
    let daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &["--auto-lock", "5s"]);
    let mut client = daemon.connect();
    init(&mut client, None);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(11) {
        assert_eq!(lock_state(&mut client), "unlocked");
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn times_that_are_none_are_refused() {
    for bad in ["0", "15", "1s", "200h", "-5m", "soon"] {
        let home = tempfile::tempdir().unwrap();
        let status = wait(&mut spawn(home.path(), &["--auto-lock", bad]));
        assert_eq!(status.code(), Some(2), "{bad}");
    }
}

#[test]
fn the_passphrase_is_changed_set_and_removed() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    assert_eq!(change(&mut client, None, Some("new")), Err(ErrorCode::NoIdentity));
    let id = init(&mut client, Some("one"));
    let key_file = daemon.home().join("vault.key");
    let first = fs::read(&key_file).unwrap();

    // Refused: nothing is changed.
    assert_eq!(change(&mut client, Some("two"), Some("three")), Err(ErrorCode::WrongPassphrase));
    assert_eq!(change(&mut client, None, Some("three")), Err(ErrorCode::WrongPassphrase));
    assert_eq!(change(&mut client, Some("one"), Some("")), Err(ErrorCode::InvalidPassphrase));
    let unnamed = client.call("POST", "/v1/passphrase", &json!({ "old": "one" }));
    assert_eq!(unnamed.problem().code, ErrorCode::BadRequest);
    assert!(!unnamed.problem().detail.contains("one"), "{unnamed:?}");
    assert_eq!(fs::read(&key_file).unwrap(), first);

    // Open: it stays so.
    assert_eq!(change(&mut client, Some("one"), Some("two")), Ok(()));
    assert_eq!(client.get("/v1/identity").json()["id"], *id);
    assert_ne!(fs::read(&key_file).unwrap(), first);
    assert_eq!(client.call("POST", "/v1/lock", &json!({})).status, 204);
    assert_eq!(unlock(&mut client, Some("one")), 403);
    // Locked: it stays so.
    assert_eq!(change(&mut client, Some("two"), Some("drei")), Ok(()));
    assert_eq!(lock_state(&mut client), "locked");
    let daemon = Daemon::start_in(stop(daemon), &[]);
    let mut client = daemon.connect();
    assert_eq!(unlock(&mut client, Some("two")), 403);
    assert_eq!(unlock(&mut client, Some("drei")), 204);

    // Removed, and set again.
    assert_eq!(change(&mut client, Some("drei"), None), Ok(()));
    assert_eq!(client.get("/v1/status").json()["passphrase"], false);
    assert_eq!(client.call("POST", "/v1/lock", &json!({})).problem().code, ErrorCode::BadRequest);
    let daemon = Daemon::start_in(stop(daemon), &[]);
    let mut client = daemon.connect();
    assert_eq!(client.get("/v1/identity").json()["id"], *id);
    // There is no old one, whatever is said to be it.
    let bare = fs::read(daemon.home().join("vault.key")).unwrap();
    assert_eq!(change(&mut client, Some("drei"), Some("vier")), Err(ErrorCode::WrongPassphrase));
    let request = json!({ "old": "drei", "new": null });
    let refused = client.call("POST", "/v1/passphrase", &request).problem();
    assert!(refused.detail.contains("has no passphrase"), "{refused:?}");
    assert_eq!(fs::read(daemon.home().join("vault.key")).unwrap(), bare);
    // Any was taken for the right one to open it with, too.
    let refused = client.call("POST", "/v1/unlock", &json!({ "passphrase": "drei" })).problem();
    assert_eq!(refused.code, ErrorCode::WrongPassphrase);
    assert!(refused.detail.contains("has no passphrase"), "{refused:?}");
    assert_eq!(unlock(&mut client, None), 204);
    assert_eq!(change(&mut client, None, Some("vier")), Ok(()));
    assert_eq!(
        unlock(&mut client, Some("fünf")),
        403,
        "it is open, and this is not its passphrase"
    );
    assert_eq!(client.get("/v1/status").json()["passphrase"], true);
    let daemon = Daemon::start_in(stop(daemon), &[]);
    let mut client = daemon.connect();
    assert_eq!(lock_state(&mut client), "locked");
    assert_eq!(unlock(&mut client, Some("vier")), 204);
    assert_eq!(client.get("/v1/identity").json()["id"], *id);
    assert!(!daemon.home().join("vault.key.new").exists());
}

/// Killed at any moment of a change, the old or the new passphrase opens the vault.
/// The second was told to free some disk space.
#[test]
fn of_two_changes_of_passphrase_at_once_the_second_is_told_of_the_first() {
    let daemon = Daemon::start();
    init(&mut daemon.connect(), Some(PASSPHRASE));
    let news = ["new one", "new two", "new three"];
    let answers: Vec<_> = std::thread::scope(|scope| {
        let changes = news.map(|new| {
            let mut client = daemon.connect();
            let request = json!({ "old": PASSPHRASE, "new": new });
            scope.spawn(move || client.call("POST", "/v1/passphrase", &request))
        });
        changes.into_iter().map(|change| change.join().unwrap()).collect()
    });
    // They may also have come one after the other: then it is just a wrong one.
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 204) {
        assert_eq!(answer.code(), ErrorCode::WrongPassphrase, "{answer:?}");
    }
    let won = answers.iter().position(|answer| answer.status == 204).unwrap();
    let mut client = daemon.connect();
    assert!(client.call("POST", "/v1/lock", &json!({})).is_success());
    assert_eq!(unlock(&mut client, Some(news[won])), 204);
}

#[test]
fn a_kill_in_a_change_of_passphrase_leaves_one_that_opens() {
    let daemon = Daemon::start();
    init(&mut daemon.connect(), None);
    let mut home = stop(daemon);
    for round in 0_u64..8 {
        let daemon = Daemon::start_in(home, &[]);
        let mut client = daemon.connect();
        let (old, new) = match round % 2 {
            0 => (None, Some(PASSPHRASE)),
            _ => (Some(PASSPHRASE), None),
        };
        let was_changed = match lock_state(&mut client).as_str() {
            "locked" => old.is_none(),
            _ => old.is_some(),
        };
        if was_changed {
            home = stop(daemon);
            continue;
        }
        let mut asker = daemon.connect();
        let asked = json!({ "old": old, "new": new }).to_string();
        let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", asked.len());
        asker.send_head("POST", "/v1/passphrase", &head);
        asker.send(asked.as_bytes());
        // Around the moment of the change: it takes one to three derivations.
        std::thread::sleep(Duration::from_millis(200 * round));
        daemon.signal(Signal::KILL);
        let (_, left) = daemon.wait();
        let daemon = Daemon::start_in(left, &[]);
        let mut client = daemon.connect();
        if lock_state(&mut client) == "locked" {
            assert_eq!(unlock(&mut client, Some(PASSPHRASE)), 204, "round {round}");
        }
        assert_eq!(client.get("/v1/identity").status, 200, "round {round}");
        assert!(!daemon.home().join("vault.key.new").exists());
        home = stop(daemon);
    }
}

#[test]
fn the_vault_is_opened_at_the_start_with_a_passphrase_file() {
    let daemon = Daemon::start();
    let id = init(&mut daemon.connect(), Some(PASSPHRASE));
    let home = stop(daemon);
    let file = passphrase_file(home.path(), PASSPHRASE);
    let daemon = Daemon::start_in(home, &["--passphrase-file", &file]);
    let mut client = daemon.connect();
    assert_eq!(client.get("/v1/identity").json()["id"], *id);
    assert!(!daemon.log().contains(PASSPHRASE));

    // A wrong one, or none: the daemon runs, locked, and says so until it is open.
    let mut home = stop(daemon);
    for (text, told) in [(Some("wrong"), "wrong passphrase"), (None, "can't be read")] {
        match text {
            Some(text) => drop(passphrase_file(home.path(), text)),
            None => fs::remove_file(&file).unwrap(),
        }
        let daemon = Daemon::start_in(home, &["--passphrase-file", &file]);
        let mut client = daemon.connect();
        assert_eq!(lock_state(&mut client), "locked");
        let warned = |client: &mut Client| {
            let status = client.get("/v1/status").json();
            status["warnings"].as_array().unwrap().iter().any(|warning| {
                let warning = warning.as_str().unwrap();
                warning.contains(told) && warning.contains("passphrase file")
            })
        };
        assert!(warned(&mut client), "{told}");
        assert_eq!(unlock(&mut client, Some(PASSPHRASE)), 204);
        assert!(!warned(&mut client), "{told}");
        home = stop(daemon);
    }
    // Before there is an identity it is of no use, and no harm.
    let home = tempfile::tempdir().unwrap();
    let file = passphrase_file(home.path(), PASSPHRASE);
    let daemon = Daemon::start_in(home, &["--passphrase-file", &file]);
    assert_eq!(daemon.connect().get("/v1/status").json()["warnings"], json!([]));
}

/// As systemd does with `LoadCredential=martlet-passphrase:FILE`.
#[test]
fn the_vault_is_opened_at_the_start_with_a_credential_of_the_service_manager() {
    let daemon = Daemon::start();
    let id = init(&mut daemon.connect(), Some(PASSPHRASE));
    let home = stop(daemon);
    let credentials = tempfile::tempdir().unwrap();
    fs::write(credentials.path().join("martlet-passphrase"), PASSPHRASE).unwrap();
    let socket = home.path().join("control.sock");
    let mut child = command()
        .arg("--data-dir")
        .arg(home.path())
        .arg("--socket")
        .arg(&socket)
        .args(["--listen", "/ip4/127.0.0.1/tcp/0", "--mdns", "false", "--log", "off"])
        .env("CREDENTIALS_DIRECTORY", credentials.path())
        .spawn()
        .unwrap();
    let mut identity = Value::Null;
    until(|| {
        let Ok(mut client) = Client::connect(&socket) else { return false };
        identity = client.get("/v1/identity").json();
        true
    });
    assert_eq!(identity["id"], *id);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
}

/// A daemon that was to read a named pipe never answered.
#[test]
fn a_pipe_in_the_place_of_a_file_keeps_no_daemon_from_starting() {
    let daemon = Daemon::start();
    init(&mut daemon.connect(), Some(PASSPHRASE));
    let home = stop(daemon);
    let pipe = home.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let pipe = pipe.display().to_string();
    for option in ["--config", "--network"] {
        let mut child = crate::daemon::spawn(home.path(), &[option, &pipe]);
        assert_eq!(wait(&mut child).code(), Some(2), "{option}");
    }
    let daemon = Daemon::start_in(home, &["--passphrase-file", &pipe]);
    let mut client = daemon.connect();
    assert_eq!(lock_state(&mut client), "locked");
    let warnings = client.get("/v1/status").json()["warnings"].to_string();
    assert!(warnings.contains("it is a pipe"), "{warnings}");
}

#[test]
fn the_units_with_a_credential_are_what_systemd_takes() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("skipped: there is no systemd-analyze");
        return;
    }
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
    let drop_in = packaging.join("martletd.service.d/passphrase.conf");
    for (unit, is_user) in [("martletd.service", true), ("system/martletd.service", false)] {
        let directory = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(packaging.join(unit)).unwrap();
        // The executable is where this test has it.
        let text: String = text
            .lines()
            .map(|line| match line.starts_with("ExecStart=") {
                true => format!("ExecStart={}\n", env!("CARGO_BIN_EXE_martletd")),
                false => format!("{line}\n"),
            })
            .collect();
        let path = directory.path().join("martletd.service");
        fs::write(&path, text).unwrap();
        let beside = directory.path().join("martletd.service.d");
        fs::create_dir(&beside).unwrap();
        let conf = fs::read_to_string(&drop_in).unwrap();
        fs::write(beside.join("passphrase.conf"), &conf).unwrap();
        let said = verify(directory.path(), is_user);
        assert!(!said.contains("martletd"), "{unit}: {said}");
        // It is looked at: a key that there is none of is told.
        let wrong = conf.replace("LoadCredential=", "LoadCredentials=");
        fs::write(beside.join("passphrase.conf"), wrong).unwrap();
        let said = verify(directory.path(), is_user);
        assert!(said.contains("LoadCredentials"), "{unit}: {said}");
    }
}

/// What systemd says of `martletd.service` in a directory.
fn verify(directory: &Path, is_user: bool) -> String {
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--generators=no"]);
    if is_user {
        verify.arg("--user").env("XDG_RUNTIME_DIR", directory);
    }
    // Before the usual places, which the colon stands for.
    verify.env("SYSTEMD_UNIT_PATH", format!("{}:", directory.display()));
    let output = verify.arg(directory.join("martletd.service")).output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}
