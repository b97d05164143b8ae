//! The README's first command.

use std::process::Command;

use crate::TestResult;

#[test]
fn the_demonstration_happens() -> TestResult {
    let output = Command::new(env!("CARGO_BIN_EXE_martlet-testnet")).arg("demo").output()?;
    let (told, error) =
        (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{}\n{told}\n{error}", output.status);
    for part in ["bob is off", "alice is off too", "in order, each once", "All of it happened"] {
        assert!(told.contains(part), "{part:?} is missing in\n{told}");
    }
    Ok(())
}

#[test]
fn the_demonstration_reports_as_json() -> TestResult {
    let output =
        Command::new(env!("CARGO_BIN_EXE_martlet-testnet")).args(["demo", "--json"]).output()?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["ok"], true, "{report}");
    assert!(report["steps"].as_array().is_some_and(|steps| steps.len() >= 10), "{report}");
    Ok(())
}

#[test]
fn help_teaches_and_usage_errors_are_told_apart() -> TestResult {
    let run =
        |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_martlet-testnet")).args(args).output();
    let help = run(&["--help"])?;
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout)?;
    for part in ["demo", "bench", "Examples:", "Exit codes:"] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert_eq!(run(&["bench", "--only", "nothing"])?.status.code(), Some(2));
    for program in ["/nonexistent", "/etc", "/etc/passwd"] {
        let output = run(&["bench", "--against", program])?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("name the other build's martlet-testnet"), "{told}");
    }
    Ok(())
}
