//! With scripts for builds.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::child::{Build, Outcome, Runner};
use super::compare::{Comparison, Kind, PartComparison, Side, Verdict};
use super::table::table;
use super::{Turns, interleaved};

/// Longer than any script here takes that is to end by itself.
const LONG: Duration = Duration::from_secs(60);

/// Prints other figures in each of three rounds; knows two parts and no other.
const NEWER: &str = r#"
echo "$0 $2" >> "$(dirname "$0")/order"
case $2 in
latency_ms)
    n=$(cat "$0.round" 2>/dev/null || echo 0); echo $((n + 1)) > "$0.round"
    echo "This is no figure" >&2
    echo "{\"latency_ms\":{\"p50\":1.$n,\"p99\":4.$n,\"new\":7.5},\"throughput_per_s\":6000,\"throughput_lost\":0}";;
growth) echo '{"growth":{"messages":[{"size":1000,"send_p50_ms":1.5}]}}';;
esac
"#;

const OLDER: &str = r#"
echo "$0 $2" >> "$(dirname "$0")/order"
echo "This is a debug build: …" >&2
case $2 in
latency_ms)
    n=$(cat "$0.round" 2>/dev/null || echo 0); echo $((n + 1)) > "$0.round"
    echo "{\"latency_ms\":{\"p50\":2.$n,\"p99\":$((3 + n))},\"throughput_per_s\":3000,\"throughput_lost\":0}";;
*) echo "error: invalid value '$2' for '[NAME]...'" >&2; echo "more" >&2; exit 2;;
esac
"#;

/// A build that is a script.
fn build(dir: &Path, name: &str, script: &str) -> Build {
    let program = dir.join(name);
    // Not written by this process: what has a file open for writing when another test starts a process can't be run.
    let text = format!("#!/bin/sh\n{script}");
    let mut child = std::process::Command::new("/bin/sh")
        .args(["-c", r#"printf '%s' "$1" > "$0" && chmod 700 "$0""#])
        .arg(&program)
        .arg(text)
        .spawn()
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o700);
    Build { program, version: "martlet-testnet 0".to_owned(), is_debug: false }
}

fn turns(parts: &[&str], rounds: usize) -> Turns {
    let parts = parts.iter().map(|part| (*part).to_owned()).collect();
    Turns { parts, rounds, args: vec!["--json".into()], quick: false, quiet: true }
}

async fn compared(
    dir: &Path,
    scripts: [&str; 2],
    parts: &[&str],
    rounds: usize,
    run_max: Duration,
) -> Comparison {
    let builds = [build(dir, "this", scripts[0]), build(dir, "other", scripts[1])];
    interleaved(&Runner::new(None, run_max), builds, &turns(parts, rounds)).await
}

#[tokio::test]
async fn an_older_build_is_compared_by_what_it_knows() {
    let dir = tempfile::tempdir().unwrap();
    let parts = ["latency_ms", "growth"];
    let found = compared(dir.path(), [NEWER, OLDER], &parts, 3, LONG).await;

    let order = fs::read_to_string(dir.path().join("order")).unwrap();
    let order: Vec<(&str, &str)> = order
        .lines()
        .map(|line| line.rsplit_once('/').unwrap().1.split_once(' ').unwrap())
        .collect();
    let latency = [("this", "latency_ms"), ("other", "latency_ms")].repeat(3);
    let growth = ["this", "other", "this", "this"].map(|build| (build, "growth"));
    assert_eq!(
        order,
        [&latency[..], &growth[..]].concat(),
        "a refused part is not asked for again"
    );

    let json = serde_json::to_value(&found).unwrap();
    let figures = json["parts"][0]["figures"].as_array().unwrap();
    let figure = |name: &str| figures.iter().find(|one| one["figure"] == name).unwrap();
    let p50 = figure("latency_ms.p50");
    assert_eq!(p50["this_rounds"], serde_json::json!([1.0, 1.1, 1.2]));
    assert_eq!(p50["other"], serde_json::json!({"median": 2.1, "least": 2.0, "most": 2.2}));
    assert_eq!(p50["ratio"], serde_json::json!({"median": 0.5238, "least": 0.5, "most": 0.5455}));
    let verdict = |name| figure(name)["verdict"].as_str().unwrap();
    assert_eq!(verdict("latency_ms.p50"), "better");
    assert_eq!(verdict("latency_ms.p99"), "within_the_spread");
    assert_eq!(verdict("throughput_per_s"), "better");
    assert_eq!(verdict("throughput_lost"), "same");
    assert_eq!(figure("throughput_lost")["ratio"], Value::Null, "nothing is no part of nothing");
    assert_eq!(verdict("latency_ms.new"), "one_sided");
    assert_eq!(figure("latency_ms.new")["other"], Value::Null);
    let growth = &json["parts"][1];
    assert_eq!(growth["figures"][0]["figure"], "growth.messages[1000].send_p50_ms");
    assert_eq!(growth["troubles"][0]["what"], "refused");
    assert!(found.other.is_debug && !found.this.is_debug);
    assert_eq!(found.failed_runs(), 0, "a refused part is no failure");
}

#[test]
fn a_difference_counts_if_it_is_larger_than_those_between_rounds() {
    let verdict = |path: &str, pairs: &[(f64, f64)]| {
        let mut part = PartComparison::new("part", pairs.len());
        for (round, (this, other)) in pairs.iter().enumerate() {
            for (side, value) in [(Side::This, *this), (Side::Other, *other)] {
                let figures = [(path.to_owned(), value)].into();
                part.add(side, round, Outcome::Figures(figures));
            }
        }
        part.figures()[0].verdict
    };
    let (less, more) = ("latency_ms.p50", "throughput_per_s");
    // The machine becomes slower, and the ratio stays.
    let drift = [(1.0, 2.0), (2.0, 4.1), (4.0, 7.9)];
    assert_eq!(verdict(less, &drift), Verdict::Better);
    assert_eq!(verdict(more, &drift), Verdict::Worse);
    let back = drift.map(|(this, other)| (other, this));
    assert_eq!(verdict(less, &back), Verdict::Worse);
    assert_eq!(verdict(more, &back), Verdict::Better);
    // Each round says the same; so do those of two builds that are alike, one time in four.
    let each = [(1.01, 1.0), (1.2, 1.0), (1.1, 1.0)];
    assert_eq!(verdict(less, &each), Verdict::WithinTheSpread);
    assert_eq!(verdict(less, &drift[..1]), Verdict::OneRound);
    assert_eq!(verdict("latency_ms.unknown", &drift), Verdict::Unjudged);
    // Where there is nothing to divide the differences count.
    assert_eq!(verdict("throughput_lost", &[(0.0, 3.0), (0.0, 3.0)]), Verdict::Better);
    assert_eq!(verdict("throughput_lost", &[(0.0, 3.0), (2.0, 1.0)]), Verdict::WithinTheSpread);
    assert_eq!(verdict("throughput_lost", &[(0.0, 0.0), (0.0, 0.0)]), Verdict::Same);
}

#[tokio::test]
async fn a_build_that_fails_is_run_again_and_one_that_hangs_is_ended_with_all_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let failing =
        r#"echo "martlet-testnet: ready_s: no daemon here" >&2; echo "in vain" >&2; exit 1"#;
    let found = compared(dir.path(), [NEWER, failing], &["latency_ms"], 2, LONG).await;
    let troubles = &found.parts[0].troubles;
    assert_eq!(troubles.len(), 2, "{troubles:?}");
    assert!(troubles.iter().all(|trouble| trouble.what == Kind::Failed));
    assert_eq!(troubles[1].reason, "failed: ready_s: no daemon here");
    assert_eq!((troubles[1].build, troubles[1].round), (Side::Other, 2));
    assert_eq!(found.failed_runs(), 2);
    assert_eq!(found.parts[0].figures()[0].verdict, Verdict::OneSided);

    // What it starts holds its output open, and would do so for an hour.
    let hanging = r#"sleep 3600 & echo "$!" > "$0.pid"; wait"#;
    let begun = Instant::now();
    let builds = [build(dir.path(), "idle", "sleep 0; exit 1"), build(dir.path(), "slow", hanging)];
    let runner = Runner::new(None, Duration::from_secs(5));
    let found = interleaved(&runner, builds, &turns(&["latency_ms"], 3)).await;
    assert!(begun.elapsed() < Duration::from_secs(600));
    let of_other: Vec<_> =
        found.parts[0].troubles.iter().filter(|trouble| trouble.build == Side::Other).collect();
    assert_eq!(of_other.len(), 1, "it is not run again: {of_other:?}");
    assert_eq!(of_other[0].what, Kind::TimedOut);
    let pid = fs::read_to_string(dir.path().join("slow.pid")).unwrap();
    assert_ends(pid.trim().parse().unwrap()).await;
}

#[tokio::test]
async fn what_is_no_martlet_testnet_is_refused_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let runner = Runner::new(None, LONG);
    let daemon = build(dir.path(), "daemon", "echo martletd 0.1.0").program;
    let told = runner.build(&daemon).await.unwrap_err().to_string();
    assert!(told.contains("is no martlet-testnet: name the other build's"), "{told}");
    let missing = runner.build(&dir.path().join("nothing")).await.unwrap_err().to_string();
    assert!(missing.contains("nothing"), "{missing}");
    let other = build(dir.path(), "testnet", "echo martlet-testnet 0.0.1").program;
    assert_eq!(runner.build(&other).await.unwrap().version, "martlet-testnet 0.0.1");
}

#[tokio::test]
async fn the_table_has_both_beside_each_other_or_below_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let parts = ["latency_ms", "growth"];
    let mut found = compared(dir.path(), [NEWER, OLDER], &parts, 3, LONG).await;
    found.this.program = PathBuf::from("/a/martlet-testnet");
    found.other.program = PathBuf::from("/b/martlet-testnet");
    let wide = table(&found, None);
    let p50 = wide.lines().find(|line| line.starts_with("  p50")).unwrap();
    let cells: Vec<&str> = p50.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let ratio = "0.524 (0.500 to 0.545)";
    let numbers = ["1.10 (1.00 to 1.20)", "2.10 (2.00 to 2.20)", ratio];
    assert_eq!(cells, [&["p50"][..], &numbers, &["better"]].concat(), "{wide}");
    assert!(wide.contains("the other build refuses it: invalid value 'growth'"), "{wide}");
    assert!(wide.contains("1 figure in 20 is that by chance"), "{wide}");
    assert!(wide.contains("a debug build: its figures say nothing"), "{wide}");

    for columns in [40, 60, 80] {
        let folded = table(&found, Some(columns));
        assert!(folded.lines().all(|line| line.chars().count() <= columns), "{folded}");
        assert!(folded.contains("\n  p50: better\n    this   1.10 (1.00 to 1.20)\n"), "{folded}");
    }
}

/// Waits until a process is gone.
async fn assert_ends(pid: u32) {
    let begun = Instant::now();
    // One that has ended and is not waited for is no process any more.
    while crate::cluster::ProcessId::of(pid).is_some() {
        assert!(begun.elapsed() < LONG, "process {pid} is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
