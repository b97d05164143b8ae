//! Start and stop: one daemon a directory, its files' modes, damaged files, signals.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::process::Signal;

use crate::client::Client;
use crate::daemon::{Daemon, command, spawn, wait};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_it_makes_is_its_users_alone() {
    let daemon = Daemon::start();
    assert_eq!(mode(&daemon.socket()), 0o600);
    for file in ["martletd.lock", "peer.key", "mailbox.redb"] {
        assert_eq!(mode(&daemon.home().join(file)), 0o600, "{file}");
    }
}

#[test]
fn directories_are_made() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data/martlet");
    let socket_dir = home.path().join("run/martlet");
    let flags = [
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--socket",
        &format!("{}/control.sock", socket_dir.display()),
    ];
    let mut child = command()
        .args(flags)
        .args(["--listen", "/ip4/127.0.0.1/tcp/0", "--mdns", "false", "--log", "off"])
        .spawn()
        .unwrap();
    crate::daemon::until(|| socket_dir.join("control.sock").exists());
    assert_eq!((mode(&data_dir), mode(&socket_dir)), (0o700, 0o700));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_second_start_fails_at_once_and_names_the_first() {
    let daemon = Daemon::start();
    let second = command().arg("--data-dir").arg(daemon.home()).output().unwrap();
    assert_eq!(second.status.code(), Some(3));
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains(&format!("process {}", daemon.pid())), "{error}");
    assert_eq!(daemon.connect().get("/v1/status").status, 200);

    // The lock file was removed: the second failed at the mailbox, with the advice to free some disk space.
    fs::remove_file(daemon.home().join("martletd.lock")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let second = command()
        .arg("--data-dir")
        .arg(daemon.home())
        .arg("--socket")
        .arg(elsewhere.path().join("control.sock"))
        .output()
        .unwrap();
    let error = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(3), "{error}");
    assert!(error.contains("already running"), "{error}");
    assert_eq!(daemon.connect().get("/v1/status").status, 200);

    // Another directory, but the same socket.
    let other = tempfile::tempdir().unwrap();
    let second = command()
        .arg("--data-dir")
        .arg(other.path())
        .arg("--socket")
        .arg(daemon.socket())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(3));
    assert_eq!(daemon.connect().get("/v1/status").status, 200);
}

#[test]
fn after_a_kill_it_starts_again_on_the_same_socket() {
    let daemon = Daemon::start();
    let before = daemon.connect().get("/v1/status").json()["peer_id"].clone();
    daemon.signal(Signal::KILL);
    let (status, home) = daemon.wait();
    assert_eq!(status.code(), None);
    assert!(home.path().join("control.sock").exists());
    let daemon = Daemon::start_in(home, &[]);
    assert_eq!(daemon.connect().get("/v1/status").json()["peer_id"], before);
}

#[test]
fn a_signal_stops_it_cleanly() {
    // SIGHUP, of a terminal that is closed, ended it with its socket left behind.
    let signals = [Signal::TERM, Signal::INT, Signal::HUP];
    for signal in &signals[..if ignores_hangup(std::process::id()) { 2 } else { 3 }] {
        let daemon = Daemon::start();
        // Idle connections and open streams don't hold it up.
        let mut idle = daemon.connect();
        assert_eq!(idle.get("/v1/status").status, 200);
        daemon.signal(*signal);
        let (status, home) = daemon.wait();
        assert_eq!(status.code(), Some(0));
        assert!(idle.is_closed());
        assert!(!home.path().join("control.sock").exists());
    }
}

/// Whether a process ignores SIGHUP, the first signal: one that is started by it does too.
fn ignores_hangup(pid: u32) -> bool {
    let process = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let ignored = process.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    u64::from_str_radix(ignored, 16).unwrap() & 1 != 0
}

#[test]
fn a_hangup_that_was_ignored_at_the_start_stays_ignored() {
    let home = tempfile::tempdir().unwrap();
    let log = fs::File::create(home.path().join("log")).unwrap();
    let daemon = env!("CARGO_BIN_EXE_martletd");
    let mut child = std::process::Command::new("nohup")
        .args([daemon, "--listen", "/ip4/127.0.0.1/tcp/0", "--mdns", "false", "--data-dir"])
        .arg(home.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdout(std::process::Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let socket = home.path().join("control.sock");
    let status = || Client::connect(&socket).ok()?.try_get("/v1/status");
    crate::daemon::until(|| status().is_some());
    assert!(ignores_hangup(child.id()));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    assert_eq!(status(), Some(200));
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
    let said = fs::read_to_string(home.path().join("log")).unwrap();
    assert_eq!(said.matches("stopping").count(), 1, "{said}");
}

#[test]
fn the_service_manager_is_told() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(crate::daemon::DEADLINE)).unwrap();
    let mut child = command()
        .arg("--data-dir")
        .arg(home.path())
        .args(["--listen", "/ip4/127.0.0.1/tcp/0", "--mdns", "false", "--log", "off"])
        .env("NOTIFY_SOCKET", &path)
        .spawn()
        .unwrap();
    let mut buffer = [0; 256];
    let length = manager.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"READY=1\n");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    let length = manager.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"STOPPING=1\n");
    assert_eq!(wait(&mut child).code(), Some(0));
}

#[test]
fn damaged_files_are_named_and_left_alone() {
    let daemon = Daemon::start();
    let init = daemon.connect().call("POST", "/v1/identity", &serde_json::json!({}));
    assert_eq!(init.status, 201);
    daemon.signal(Signal::TERM);
    let (_, home) = daemon.wait();
    for file in ["peer.key", "mailbox.redb", "vault.redb", "vault.key"] {
        let path = home.path().join(file);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[20] ^= 1;
        for damage in [&b"not what it was"[..], &whole[..whole.len() / 2], &flipped] {
            fs::write(&path, damage).unwrap();
            fs::remove_file(home.path().join("log")).unwrap();
            let status = wait(&mut spawn(home.path(), &[]));
            let log = fs::read_to_string(home.path().join("log")).unwrap();
            assert_eq!(status.code(), Some(4), "{file}: {log}");
            assert!(log.contains(file), "{log}");
            assert_eq!(fs::read(&path).unwrap(), damage, "{file}");
            assert!(!home.path().join("control.sock").exists());
        }
        fs::write(&path, whole).unwrap();
    }
    Daemon::start_in(home, &[]);
}
