//! The raw data that a run leaves, and how it is read.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use martlet_testnet::report::Report;
use serde_json::Value;
use tempfile::TempDir;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// A chain of four, of which the last is off for a while: what user-1 writes to user-4 goes over three links.
const CHAIN: &str = r#"
duration = "90s"
nodes = [{ name = "user", count = 4 }]
contacts = [{ pairs = [["user-1", "user-4"], ["user-1", "user-2"]] }]
traffic = [
    { from = "user-1", to = "user-4", every = "5s", start = "20s", end = "80s" },
    { from = "user-1", to = "user-2", every = "7s", start = "20s", end = "80s" },
]
events = [{ at = "30s", do = "stop", nodes = "user-4", lasts = "20s" }]

[topology]
kind = "edges"
edges = [["user-1", "user-2"], ["user-2", "user-3"], ["user-3", "user-4"]]

[links]
latency = "20ms"
"#;

fn text(path: &Path) -> Result<&str> {
    Ok(path.to_str().ok_or("a path that is no text")?)
}

fn run(how: &str, dir: &Path, scenario: &str) -> Result<Report> {
    let file = dir.join("chain.toml");
    fs::write(&file, scenario)?;
    let [report, data] = ["report", "data"].map(|name| dir.join(name));
    let output = Command::new(env!("CARGO_BIN_EXE_martlet-testnet"))
        .args([how, text(&file)?, "--report", text(&report)?, "--data", text(&data)?])
        .output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(Report::read(&report.join("report.json"))?)
}

fn rows(dir: &Path, name: &str) -> Result<Vec<Value>> {
    let text = fs::read_to_string(dir.join("data").join(name))?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn seconds(row: &Value, key: &str) -> Option<f64> {
    row[key].as_f64()
}

#[test]
fn the_data_of_a_simulation_has_every_message_and_every_first_receipt() -> Result {
    let dir = TempDir::new()?;
    let report = run("sim", dir.path(), CHAIN)?;
    let messages = rows(dir.path(), "messages.jsonl")?;
    assert_eq!(messages.len() as u64, report.messages.planned);
    let delivered = messages.iter().filter(|row| !row["delivered_s"].is_null()).count();
    assert_eq!(delivered as u64, report.messages.delivered);
    assert!(delivered > 15, "{delivered} were delivered");
    for row in &messages {
        let times = ["planned_s", "written_s", "delivered_s", "acknowledged_s"];
        let times: Vec<f64> = times.into_iter().filter_map(|key| seconds(row, key)).collect();
        assert!(times.is_sorted(), "{row}");
        assert!(seconds(row, "sent_s") >= seconds(row, "written_s"), "{row}");
        let links = if row["to"] == "user-4" { 3 } else { 1 };
        assert!(row["hops"].is_null() || row["hops"] == links, "{row}");
    }
    let known = messages.iter().filter(|row| !row["hops"].is_null()).count();
    assert!(known * 2 > messages.len(), "of {known} of {} the way is known", messages.len());

    let receipts = rows(dir.path(), "envelopes.jsonl")?;
    let mut seen = BTreeSet::new();
    let mut made = HashMap::new();
    for row in &receipts {
        let key =
            (row["envelope"].as_str().ok_or("no id")?, row["node"].as_str().ok_or("no node")?);
        assert!(seen.insert(key), "twice: {row}");
        assert!(seconds(row, "age_s") >= Some(0.0), "{row}");
        if row["node"] == row["author"] {
            assert_eq!((&row["hops"], row["from"].is_null()), (&Value::from(0), true));
            made.insert(key.0, seconds(row, "at_s"));
        } else {
            assert!(row["hops"].as_u64() >= Some(1), "{row}");
            assert!(seconds(row, "at_s") >= *made.get(key.0).ok_or("before it was made")?, "{row}");
        }
    }
    // Everyone keeps all: each envelope comes to the three others.
    assert!(receipts.len() > made.len() * 3, "{} of {}", receipts.len(), made.len());

    let links = fs::read_to_string(dir.path().join("data/links.csv"))?;
    assert_eq!(links.lines().nth(1), Some("user-1,user-2,0.02,0,,0,delay"));
    let nodes = fs::read_to_string(dir.path().join("data/nodes.csv"))?;
    assert_eq!(nodes.lines().count(), 5);
    let columns = nodes.lines().next().map(|line| line.split(',').count());
    assert!(nodes.lines().all(|line| Some(line.split(',').count()) == columns), "{nodes}");
    Ok(())
}

#[test]
fn the_data_of_processes_has_when_each_message_was_written_sent_and_delivered() -> Result {
    let dir = TempDir::new()?;
    let scenario = CHAIN
        .replace("90s", "15s")
        .replace("20s\", end = \"80s", "2s\", end = \"10s")
        .replace("at = \"30s\"", "at = \"12s\"")
        .replace("lasts = \"20s\"", "lasts = \"1s\"");
    let report = run("local", dir.path(), &scenario)?;
    let messages = rows(dir.path(), "messages.jsonl")?;
    assert_eq!(messages.len() as u64, report.messages.planned);
    for key in ["written_s", "sent_s", "delivered_s"] {
        let count = messages.iter().filter(|row| !row[key].is_null()).count();
        assert!(count * 2 > messages.len(), "{key}: {count} of {}", messages.len());
    }
    assert!(rows(dir.path(), "envelopes.jsonl")?.is_empty(), "no daemon tells");
    Ok(())
}

/// The program that lies beside the data is the one in the documentation.
#[test]
fn five_lines_of_python_read_the_data() -> Result {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reports.md"))?;
    let dir = TempDir::new()?;
    run("sim", dir.path(), CHAIN)?;
    let reader = fs::read_to_string(dir.path().join("data/read.py"))?;
    let mut programs =
        document.split("```python\n").skip(1).filter_map(|rest| rest.split("```").next());
    let (polars, pandas) =
        (programs.next().ok_or("no polars")?, programs.next().ok_or("no pandas")?);
    assert_eq!(polars, reader);
    for (library, program) in [("polars", polars), ("pandas", pandas)] {
        assert!(program.lines().count() <= 5, "{program}");
        let given = std::env::var("MARTLET_PYTHON");
        let must_be_there = given.is_ok();
        let python = given.unwrap_or_else(|_| "python3".to_owned());
        let is_there = Command::new(&python).args(["-c", &format!("import {library}")]).output();
        if !is_there.is_ok_and(|output| output.status.success()) {
            assert!(!must_be_there, "{python} has no {library}");
            eprintln!("skipped: {python} has no {library}");
            continue;
        }
        let output = Command::new(&python)
            .args(["-c", program])
            .current_dir(dir.path().join("data"))
            .output()?;
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(shown.contains("user-1") && shown.contains("hops"), "{shown}");
    }
    Ok(())
}
