//! Connections of other users: refused, whatever the socket's mode.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use martlet_protocol::control::{ErrorCode, Problem};

use crate::client::Client;
use crate::daemon::Daemon;

/// Any user but root and the daemon's own; `nobody` on most systems.
const OTHER_UID: u32 = 65534;
/// Tells the test's own executable to be the other user's client.
const SOCKET_VARIABLE: &str = "MARTLET_TEST_OTHER_USERS_SOCKET";

#[test]
fn another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can start a process of another user");
        return;
    }
    let daemon = Daemon::start();
    // As if someone had loosened them.
    fs::set_permissions(daemon.home(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(daemon.socket(), Permissions::from_mode(0o666)).unwrap();
    // The executable where the other user can reach it.
    let executable = daemon.home().join("client");
    fs::copy(std::env::current_exe().unwrap(), &executable).unwrap();
    fs::set_permissions(&executable, Permissions::from_mode(0o755)).unwrap();

    let output = Command::new(&executable)
        .args(["users::as_another_user", "--exact", "--nocapture"])
        .env(SOCKET_VARIABLE, daemon.socket())
        .uid(OTHER_UID)
        .gid(OTHER_UID)
        .current_dir("/")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let problem = text.lines().find_map(|line| serde_json::from_str::<Problem>(line).ok());
    assert_eq!(problem.unwrap().code, ErrorCode::Forbidden, "{text}");

    assert_eq!(daemon.connect().get("/v1/status").status, 200);
}

/// Does nothing but in the process that the test above starts.
#[test]
fn as_another_user() {
    let Some(socket) = std::env::var_os(SOCKET_VARIABLE) else { return };
    assert_eq!(rustix::process::geteuid().as_raw(), OTHER_UID);
    let mut client = Client::connect(socket.as_ref()).unwrap();
    client.send_head("GET", "/v1/status", "");
    let response = client.response().unwrap();
    println!("\n{}", String::from_utf8(response.body).unwrap());
    assert_eq!(response.status, 403);
    assert!(client.is_closed());
}
