//! Notifications, by a program.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use martletd::config::Notify;

use crate::daemon::{spawn, wait};

#[test]
fn what_to_tell_is_off_unless_said_and_needs_a_program() {
    assert_eq!(Notify::default(), Notify::Off);
    for (text, what) in [("off", Notify::Off), ("sender", Notify::Sender), ("full", Notify::Full)] {
        assert_eq!(text.parse(), Ok(what));
        assert_eq!(what.to_string(), text);
    }
    for bad in [
        &["--notify", "all"][..],
        &["--notify", "full"],
        &["--notify", "sender", "--notify-command", ""],
    ] {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(wait(&mut spawn(home.path(), bad)).code(), Some(2), "{bad:?}");
    }
    // Off, a program that is there is of no use, and no harm.
    let home = tempfile::tempdir().unwrap();
    let hook = home.path().join("hook");
    fs::write(&hook, "#!/bin/sh\ncat >shown\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let command = hook.to_str().unwrap();
    let daemon = crate::daemon::Daemon::start_in(home, &["--notify-command", command]);
    assert_eq!(daemon.connect().get("/v1/status").status, 200);
}
