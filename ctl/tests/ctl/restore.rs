//! `restore`: what `martletd --restore` is told, and what is made of its answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{Ran, finish};

/// `martletctl` beside a `martletd` that is this script.
fn installed(directory: &Path, script: &str) -> PathBuf {
    let program = directory.join("martletctl");
    let built = env!("CARGO_BIN_EXE_martletctl");
    // Not a symbolic link: the program looks where it is itself.
    fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(|_| ())).unwrap();
    let daemon = directory.join("martletd");
    fs::write(&daemon, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&daemon, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn run(program: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(program);
    command.env_clear().args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().unwrap())
}

#[test]
fn the_daemons_program_puts_the_backup_back() {
    let directory = tempfile::tempdir().unwrap();
    let program = installed(directory.path(), "echo \"told: $*\"; echo 'WARN open to others' >&2");
    let ran = run(&program, &["restore", "/b"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "told: --restore /b\n"), "{}", ran.err);
    assert_eq!(ran.err, "WARN open to others\n");
    let ran = run(&program, &["--json", "restore", "/b", "--to", "/d", "--config", "/c"]);
    let expected = "{\"done\":\"told: --data-dir /d --config /c --restore /b\"}\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, expected), "{}", ran.err);
}

/// The network's descriptor went beside the user's own configuration, which another data directory has nothing to do with.
#[test]
fn what_goes_into_another_directory_brings_its_network_there() {
    let directory = tempfile::tempdir().unwrap();
    let program = installed(directory.path(), "echo \"told: $*\"");
    let to = directory.path().join("there");
    let to_text = to.to_str().unwrap();
    let ran = run(&program, &["restore", "/b", "--to", to_text]);
    let told =
        format!("told: --data-dir {to_text} --network {to_text}/network.toml --restore /b\n");
    assert_eq!((ran.code, ran.out.as_str()), (0, told.as_str()), "{}", ran.err);
    // Once it is there, it is said how the daemon finds it.
    fs::create_dir(&to).unwrap();
    fs::write(to.join("network.toml"), "").unwrap();
    let ran = run(&program, &["restore", "/b", "--to", to_text]);
    let hint = format!("martletd --data-dir {to_text} --network {to_text}/network.toml\n");
    assert!(ran.out.ends_with(&hint), "{}", ran.out);
    let ran = run(&program, &["restore", "/b", "--to", "/d", "--network", "/n"]);
    assert_eq!(ran.out, "told: --data-dir /d --network /n --restore /b\n", "{}", ran.err);
}

#[test]
fn a_refusal_is_told_as_the_commands_own() {
    let directory = tempfile::tempdir().unwrap();
    for (script, code, said) in [
        // Its code 3 is the other way round: a daemon runs.
        ("echo 'martletd: already running' >&2; exit 3", 1, "martletctl: already running\n"),
        ("echo 'martletd: damaged' >&2; exit 4", 1, "martletctl: damaged\n"),
        ("echo 'martletd: no such key' >&2; exit 2", 2, "martletctl: no such key\n"),
        ("kill -KILL $$", 1, "martletctl: martletd ended with signal: 9 (SIGKILL)\n"),
    ] {
        let place = directory.path().join(code.to_string() + &said.len().to_string());
        fs::create_dir(&place).unwrap();
        let ran = run(&installed(&place, script), &["restore", "/b"]);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (code, "", said), "{script}");
    }
}

#[test]
fn without_the_daemons_program_it_is_said_where_it_should_be() {
    let directory = tempfile::tempdir().unwrap();
    let program = installed(directory.path(), "");
    fs::remove_file(directory.path().join("martletd")).unwrap();
    let ran = run(&program, &["restore", "/b"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("install it beside martletctl"), "{}", ran.err);
}
