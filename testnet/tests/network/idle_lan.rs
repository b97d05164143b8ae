//! A LAN without any way out, on which nobody says anything.

use std::process::Command;

use super::{TestResult, say};

/// What it costs is reported, not asserted: others use this machine too.
#[test]
fn an_idle_lan_without_a_way_out_is_quiet() -> TestResult {
    let output = Command::new(env!("CARGO_BIN_EXE_martlet-testnet"))
        .args(["bench", "--only", "idle_lan", "--quick", "--json"])
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}", output.status);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    say(&format!("{report}"));
    assert_eq!(report["idle_lan"]["log_above_info"], 0, "{report}\n{told}");
    Ok(())
}
