//! `up`, `ps`, `exec`, `logs`, `down`, as a person uses them.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{PROGRAM, TestResult};

const DEADLINE: Duration = Duration::from_secs(30);

/// Runs `martlet-testnet`, its states in `runtime`.
fn testnet(runtime: &Path, args: &[&str]) -> Result<Output, std::io::Error> {
    Command::new(PROGRAM).args(args).env("XDG_RUNTIME_DIR", runtime).output()
}

/// The same; it must succeed. Returns what it printed.
fn done(runtime: &Path, args: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = testnet(runtime, args)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{args:?}: {}: {said}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn a_network_by_hand_carries_a_message_and_goes_away() -> TestResult {
    let runtime = tempfile::tempdir()?;
    let runtime = runtime.path();
    let told = done(runtime, &["up", "--nodes", "3", "--name", "ship"])?;
    let ended = Ended { runtime, name: "ship" };
    assert!(told.contains("n3    export MARTLET_SOCKET=/tmp/martlet-"), "{told}");
    assert!(told.contains("exec n1 -- martletctl send n2 'Hello!'"), "{told}");

    done(
        runtime,
        &["exec", "n1", "--", "martletctl", "send", "n3", "over there", "--wait", "delivered"],
    )?;
    let history = done(runtime, &["exec", "ship/n3", "--", "martletctl", "history", "n1"])?;
    assert!(history.contains("over there"), "{history}");
    // Any command, and its exit code.
    let output =
        testnet(runtime, &["exec", "n2", "--", "sh", "-c", "echo $MARTLET_SOCKET; exit 7"])?;
    assert_eq!(output.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("/n2/control.sock\n"));

    let listed: Value = serde_json::from_str(&done(runtime, &["ps", "--json"])?)?;
    let network = &listed["networks"][0];
    assert_eq!(network["name"], "ship");
    assert_eq!(network["status"][2]["lock"], "unlocked", "{network}");
    let dir = network["dir"].as_str().ok_or("no directory")?.to_owned();
    assert!(done(runtime, &["ps"])?.contains("n2"));
    assert!(!done(runtime, &["logs", "n2"])?.is_empty());

    for (args, reason) in [
        (&["up", "--name", "ship"][..], "ship is up already"),
        (&["logs", "n4"], "ship has no node n4; it has n1 to n3"),
        (&["down", "boat"], "there is no network boat; there are: ship"),
        (&["up", "--nodes", "0"], "0 is not in 1..=200"),
    ] {
        let output = testnet(runtime, args)?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(reason), "{args:?}: {said}");
    }

    assert_eq!(done(runtime, &["down"])?, "ship: 3 nodes stopped\n");
    drop(ended);
    assert!(!Path::new(&dir).exists());
    let listed: Value = serde_json::from_str(&done(runtime, &["ps", "--json"])?)?;
    assert_eq!(listed["networks"], Value::Array(Vec::new()));
    Ok(())
}

#[test]
fn what_a_killed_network_left_is_cleaned() -> TestResult {
    let runtime = tempfile::tempdir()?;
    let runtime = runtime.path();
    let up: Value =
        serde_json::from_str(&done(runtime, &["up", "--nodes", "2", "--bare", "--json"])?)?;
    let ended = Ended { runtime, name: "net" };
    let network = &up["networks"][0];
    let supervisor = network["supervisor"]["pid"].as_u64().ok_or("no supervisor")?;
    let daemon = network["nodes"][1]["process"]["pid"].as_u64().ok_or("no daemon")?;
    let dir = network["dir"].as_str().ok_or("no directory")?.to_owned();
    assert!(Path::new(&dir).join("n2/control.sock").exists());

    assert!(Command::new("kill").args(["-9", &supervisor.to_string()]).status()?.success());
    // The system ends the daemons with it.
    let started = Instant::now();
    while is_running(supervisor) || is_running(daemon) {
        assert!(started.elapsed() < DEADLINE, "{supervisor} or {daemon} still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = testnet(runtime, &["ps"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Removed what was left of net"), "{said}");
    assert!(!Path::new(&dir).exists());
    // As if it had never been.
    let output = testnet(runtime, &["down"])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no network is up"));
    drop(ended);
    Ok(())
}

/// Whether a process runs: one that has ended and that nobody has waited for does not.
fn is_running(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Ends a network also when the test fails.
struct Ended<'a> {
    runtime: &'a Path,
    name: &'a str,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        // There is none any more, if all went well.
        let _ = testnet(self.runtime, &["down", self.name]);
    }
}
