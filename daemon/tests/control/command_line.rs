//! Flags, environment, file: which wins, and what is said about mistakes.

use std::fs;
use std::process::Output;

use crate::daemon::command;

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("martletd.toml");
    fs::write(&file, "data_dir = \"/file\"\nlog = \"error\"\nmdns = false\nuser = false\n")
        .unwrap();
    let output = command()
        .arg("--config")
        .arg(&file)
        .args(["--data-dir", "/flag", "--check-config"])
        .env("MARTLET_DATA_DIR", "/environment")
        .env("MARTLET_LOG", "debug")
        .env("MARTLET_USER", "true")
        .env("MARTLET_STATIC_PEERS", "/ip4/10.0.0.1/tcp/1,/ip4/10.0.0.2/tcp/2")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "data_dir = \"/flag\"\n\
         socket = \"/flag/control.sock\"\n\
         listen = [\"/ip4/0.0.0.0/tcp/4177\", \"/ip4/0.0.0.0/udp/4177/quic-v1\", \"/ip6/::/tcp/4177\", \"/ip6/::/udp/4177/quic-v1\"]\n\
         static_peers = [\"/ip4/10.0.0.1/tcp/1\", \"/ip4/10.0.0.2/tcp/2\"]\n\
         mdns = false\n\
         connections_target = 24\n\
         announce = []\n\
         relay_server = false\n\
         autonat_server = false\n\
         upnp = false\n\
         mailbox_bytes_max = 1073741824\n\
         mailbox_peer_bytes_max = 536870912\n\
         peer_envelopes_per_minute = 60000\n\
         log = \"debug\"\n\
         log_format = \"text\"\n\
         user = true\n\
         auto_lock = \"off\"\n\
         direct_files = true\n\
         depot_files = true\n\
         depot_bytes = 0\n\
         notify = \"off\"\n\
         role = \"full\"\n\
         shard_count = 8\n"
    );
}

#[test]
fn the_default_file_is_read_if_it_is_there() {
    let home = tempfile::tempdir().unwrap();
    let check = || command().arg("--check-config").env("HOME", home.path()).output().unwrap();
    assert!(stdout(&check()).contains("mdns = true"));
    fs::create_dir_all(home.path().join(".config/martlet")).unwrap();
    fs::write(home.path().join(".config/martlet/martletd.toml"), "mdns = false\n").unwrap();
    assert!(stdout(&check()).contains("mdns = false"));
}

#[test]
fn mistakes_end_with_2_and_say_where() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("martletd.toml");
    let refused = |text: &str| {
        fs::write(&file, text).unwrap();
        let output = command().arg("--config").arg(&file).arg("--check-config").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        stderr(&output)
    };
    let error = refused("mdns = true\ncolour = \"red\"\n");
    assert!(error.contains("martletd.toml") && error.contains("line 2"), "{error}");
    assert!(error.contains("colour"), "{error}");

    for (arguments, expected) in [
        (&["--config", "/nonexistent.toml"][..], "/nonexistent.toml"),
        (&["--data-dir", "/d", "--network", "/nonexistent.toml"], "/nonexistent.toml"),
        (&["--data-dir", "/d", "--listen", "4177"], "--listen"),
        (&["--data-dir", "/d", "--mdns", "perhaps"], "--mdns"),
        (&["--data-dir", "/d", "--mailbox-bytes-max", "1"], "1048576"),
        (&["--data-dir", "/d", "--log", "loud"], "log filter"),
        (&["--data-dir", "/d", "--frobnicate"], "--frobnicate"),
        (&["--data-dir", "/d", "frobnicate"], "frobnicate"),
        (&[], "--data-dir"),
    ] {
        let output = command().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    let output = command().env("MARTLET_MAILBOX_BYTES_MAX", "lots").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("MAILBOX_BYTES_MAX") || stderr(&output).contains("--mailbox"));
}

#[test]
fn help_and_version_are_on_standard_output() {
    for flag in ["--help", "-h", "--version"] {
        let output = command().arg(flag).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("martletd"), "{flag}");
    }
}
