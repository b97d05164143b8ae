//! Sweeps: many runs of a scenario, and what they come to.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use martlet_testnet::report::Report;
use tempfile::TempDir;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const SMALL: &str = r#"
duration = "20s"
nodes = [{ name = "user", count = 3 }]
links = { latency = "10ms" }
contacts = [{ pairs = "ring" }]
traffic = [{ from = "user", to = "contacts", every = "2s", start = "5s", end = "15s" }]
expect = { delivery = 0.5 }
"#;

fn testnet(args: &[&str]) -> Result<Output> {
    Ok(Command::new(env!("CARGO_BIN_EXE_martlet-testnet")).args(args).output()?)
}

fn text(path: &Path) -> Result<&str> {
    Ok(path.to_str().ok_or("a path that is no text")?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_sweep_runs_every_combination_goes_on_where_it_was_and_writes_page_and_tables() -> Result {
    let dir = TempDir::new()?;
    let (file, out) = (dir.path().join("small.toml"), dir.path().join("out"));
    fs::write(&file, SMALL)?;
    let (file, out_text) = (text(&file)?, text(&out)?);
    let set = ["--set", "nodes=3,4", "--set", "links.latency=20ms,80ms"];
    let all = |seeds: &str| {
        let mut args = vec!["sweep", file, "--seeds", seeds, "--out", out_text, "--jobs", "2"];
        args.extend(set);
        testnet(&args)
    };
    let first = all("1..1")?;
    assert!(first.status.success(), "{}", said(&first));
    let one = out.join("nodes=4_links.latency=80ms_seed=1/report.json");
    let report = Report::read(&one)?;
    assert_eq!((report.nodes.len(), report.seed), (4, 1));
    assert!(report.messages.latency.min_s >= 0.08, "{}", report.messages.latency.min_s);
    let before = fs::metadata(&one)?.modified()?;
    // What broke off is run again, what is there isn't.
    let broken = out.join("nodes=3_links.latency=20ms_seed=1/report.json");
    fs::write(&broken, "{")?;

    let second = all("1..2")?;
    assert!(second.status.success(), "{}", said(&second));
    assert!(said(&second).contains("3 of 8 runs are there already"), "{}", said(&second));
    assert_eq!(fs::metadata(&one)?.modified()?, before);
    assert_eq!(Report::read(&broken)?.nodes.len(), 3);

    let runs = fs::read_to_string(out.join("runs.csv"))?;
    assert_eq!(runs.lines().count(), 1 + 8, "{runs}");
    let summary = fs::read_to_string(out.join("summary.csv"))?;
    let row = summary.lines().find(|line| line.starts_with("3,80ms,latency_p50_s,2,"));
    let mean = row.and_then(|row| row.split(',').nth(4)).ok_or("no row")?;
    assert!(mean.parse::<f64>()? >= 0.08, "{mean}");
    let page = fs::read_to_string(out.join("index.html"))?;
    assert!(page.contains("all 8 runs met their expectations"), "{page}");
    assert!(page.contains("--seeds 1..2 --set nodes=3,4 --set links.latency=20ms,80ms"), "{page}");

    // The reports of a sweep can be compared, and made again.
    let compared = testnet(&["compare", out_text])?;
    let table = String::from_utf8(compared.stdout.clone())?;
    assert!(compared.status.success() && table.contains("deviation"), "{table}");
    assert!(table.contains("expectation delivery: met by 8 of 8"), "{table}");
    let again = testnet(&["rerun", text(&one)?])?;
    assert!(said(&again).contains("the same report, byte for byte"), "{}", said(&again));
    Ok(())
}

#[test]
fn what_is_wrong_with_any_of_the_values_is_told_before_anything_runs() -> Result {
    let dir = TempDir::new()?;
    let (file, out) = (dir.path().join("small.toml"), dir.path().join("out"));
    fs::write(&file, SMALL)?;
    let args = ["sweep", text(&file)?, "--out", text(&out)?, "--set", "links.latency=20ms,fast,1h"];
    let output = testnet(&args)?;
    assert_eq!(output.status.code(), Some(2));
    let said = said(&output);
    assert!(said.contains("--set links.latency=fast: ") && said.contains("no duration"), "{said}");
    assert!(said.contains("--set links.latency=1h: ") && said.contains("too long"), "{said}");
    assert!(!out.exists());
    Ok(())
}

#[test]
fn several_reports_are_compared_by_mean_and_spread() -> Result {
    let dir = TempDir::new()?;
    let file = dir.path().join("small.toml");
    fs::write(&file, SMALL)?;
    let mut reports = Vec::new();
    for seed in ["1", "2", "3"] {
        let to = dir.path().join(seed);
        let output = testnet(&["sim", text(&file)?, "--seed", seed, "--report", text(&to)?])?;
        assert!(output.status.success(), "{}", said(&output));
        reports.push(to);
    }
    // The first is of a version that told less.
    let first = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report-1-first.json");
    let all = [text(&reports[0])?, text(&reports[1])?, text(&reports[2])?, first];
    let output = testnet(&["compare", "--json", all[0], all[1], all[2]])?;
    assert!(output.status.success(), "{}", said(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let figures = found["small"]["figures"].as_array().ok_or("no figures")?;
    let p50 = figures.iter().find(|figure| figure["name"] == "latency_p50_s").ok_or("no p50")?;
    assert_eq!(p50["statistics"]["count"], 3);
    assert!(p50["statistics"]["deviation"].as_f64() >= Some(0.0), "{p50}");
    let output = testnet(&["compare", all[0], all[1], all[2], all[3]])?;
    let table = String::from_utf8(output.stdout.clone())?;
    assert!(output.status.success() && table.contains("the scenario differs"), "{table}");
    assert!(table.contains("D = "), "{table}");
    // Two stand beside each other, as always.
    let output = testnet(&["compare", all[0], all[3]])?;
    let table = String::from_utf8(output.stdout.clone())?;
    assert!(output.status.success() && table.contains("ratio"), "{table}");
    Ok(())
}
