//! Notifications, by a program or the desktop.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use martletd::config::Notify;

use crate::daemon::{spawn, wait};

#[test]
fn what_to_tell_is_off_unless_said_and_a_program_has_a_name() {
    assert_eq!(Notify::default(), Notify::Off);
    for (text, what) in [("off", Notify::Off), ("sender", Notify::Sender), ("full", Notify::Full)] {
        assert_eq!(text.parse(), Ok(what));
        assert_eq!(what.to_string(), text);
    }
    let alone = &["--notify", "full"][..];
    let mut refused =
        vec![&["--notify", "all"][..], &["--notify", "sender", "--notify-command", ""]];
    if cfg!(feature = "dbus") {
        // Whether there is a desktop or not.
        let daemon = crate::daemon::Daemon::start_in(tempfile::tempdir().unwrap(), alone);
        assert_eq!(daemon.connect().get("/v1/status").status, 200);
    } else {
        refused.push(alone);
    }
    for bad in refused {
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
