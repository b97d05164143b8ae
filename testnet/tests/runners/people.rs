//! People with several devices, and a room, with real daemons: what they do is done over the control sockets.

use std::fs;
use std::process::Command;

use martlet_testnet::report::Report;

/// Longer than they need on a machine that is busy, and no longer: it is real time.
const PEOPLE: &str = r#"
duration = "60s"

[[nodes]]
name = "user"
count = 3
devices = 2

[[rooms]]
name = "hall"
members = "user-1..user-2"
moderators = "user-2"
at = "1s"

[[contacts]]
pairs = "all"

[[traffic]]
from = "user"
to = "contacts"
every = "5s"
start = "20s"
end = "50s"

[[traffic]]
from = "user"
to = "hall"
every = "5s"
start = "20s"
end = "50s"

[[events]]
at = "22s"
do = "invite"
room = "hall"
as = "user-2"
nodes = "user-3"

[[events]]
at = "25s"
do = "revoke"
nodes = "user-1-d2"

[[events]]
at = "32s"
do = "remove"
room = "hall"
nodes = "user-3"

[expect]
delivery = 1.0
device_delivery = 1.0
cut_off = true
one_room_state = true
no_duplicates = true
"#;

#[test]
fn people_link_and_lose_devices_and_moderate_a_room() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("people.toml");
    fs::write(&file, PEOPLE)?;
    let output = Command::new(env!("CARGO_BIN_EXE_martlet-testnet"))
        .arg("local")
        .arg(&file)
        .arg("--json")
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: Report = serde_json::from_slice(&output.stdout)?;
    let devices = report.messages.devices.as_ref().ok_or("no devices")?;
    assert_eq!((devices.linked, devices.revoked), (6, 1), "{devices:?}");
    let room = report.messages.rooms.first().ok_or("no room")?;
    assert!(room.written > 5 && room.states_max > 1, "{room:?}");
    let [device, member] = report.messages.cut_off.as_slice() else {
        return Err(format!("{:?}", report.messages.cut_off).into());
    };
    assert_eq!((device.room, member.room), (None, Some(0)));
    assert!(device.written_knowing > 3 && member.written_knowing > 3, "{device:?} {member:?}");
    Ok(())
}
