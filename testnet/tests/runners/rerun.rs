//! Reports that are made again from themselves.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use martlet_testnet::report::Report;
use tempfile::TempDir;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// An own scenario that has the name of a ready one, and a list of edges beside it.
const OWN: &str = r#"
duration = "90s"
nodes = [{ name = "user", count = 4 }]
topology = { kind = "edges", file = "edges.txt" }
contacts = [{ pairs = "ring" }]
traffic = [{ from = "user", to = "contacts", every = "5s", start = "5s" }]
"#;

fn testnet(args: &[&str]) -> Result<Output> {
    Ok(Command::new(env!("CARGO_BIN_EXE_martlet-testnet")).args(args).output()?)
}

fn text(path: &Path) -> Result<&str> {
    Ok(path.to_str().ok_or("a path that is no text")?)
}

/// What was given was in no report, and "to run it again" left it out; an own scenario was taken for
/// the ready one of its name.
#[test]
fn rerun_gives_the_same_two_files_byte_for_byte_though_the_scenario_is_gone() -> Result {
    let dir = TempDir::new()?;
    let [own, edges, a, b] =
        ["split-and-heal.toml", "edges.txt", "a", "b"].map(|name| dir.path().join(name));
    fs::write(&own, OWN)?;
    fs::write(&edges, "user-1 user-2\nuser-2 user-3\nuser-3 user-4\nuser-4 user-1\n")?;
    let given = ["--seed", "5", "--duration", "40s", "--set", "links.latency=35ms"];
    let mut args = vec!["sim", text(&own)?, "--report", text(&a)?];
    args.extend(given);
    let output = testnet(&args)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(&own)?;
    fs::remove_file(&edges)?;

    let output = testnet(&["rerun", text(&a.join("report.json"))?, "--report", text(&b)?])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("the same report, byte for byte"), "{said}");
    for name in ["report.json", "report.html"] {
        assert!(fs::read(a.join(name))? == fs::read(b.join(name))?, "{name} differs");
    }

    let report = Report::read(&a.join("report.json"))?;
    let command = report.command().ok_or("no command")?;
    let told = "sim split-and-heal.toml --seed 5 --duration 40s --set links.latency=35ms";
    assert!(command.contains(told), "{command}");
    let origin = report.made.origin.ok_or("no origin")?;
    assert_eq!((origin.text.as_str(), origin.is_ready), (OWN, false));
    assert!(!origin.version.is_empty());
    // Latency was set: no message can have taken less.
    assert!(report.messages.latency.min_s >= 0.035, "{}", report.messages.latency.min_s);
    Ok(())
}

#[test]
fn a_report_that_was_altered_is_told_to_differ() -> Result {
    let dir = TempDir::new()?;
    let [a, altered] = ["a", "altered.json"].map(|name| dir.path().join(name));
    let output = testnet(&[
        "sim",
        "first-contact",
        "--duration",
        "20s",
        "--set",
        "traffic[1].end=15s",
        "--report",
        text(&a)?,
    ])?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs::read_to_string(a.join("report.json"))?;
    fs::write(&altered, report.replacen("\"skipped\": 0", "\"skipped\": 1", 1))?;
    let output = testnet(&["rerun", text(&altered)?])?;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("differs from") && said.contains("altered.json"), "{said}");
    Ok(())
}

#[test]
fn a_report_of_an_earlier_version_is_not_made_again_and_the_reason_is_said() -> Result {
    let first = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report-1-first.json");
    let output = testnet(&["rerun", first])?;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("does not tell what it was made of"), "{said}");
    Ok(())
}

#[test]
fn what_is_set_and_cant_be_is_told_with_the_setting() -> Result {
    for (setting, reason) in [
        ("links.latency=fast", "no duration"),
        ("links.latencies=1s", "did you mean latency?"),
        ("expect.delivery=2", "expect.delivery"),
        ("nodes.count=3", "say in which of it"),
    ] {
        let output = testnet(&["sim", "first-contact", "--set", setting])?;
        assert_eq!(output.status.code(), Some(2), "{setting}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(&format!("--set {setting}: ")) && said.contains(reason), "{said}");
    }
    Ok(())
}
