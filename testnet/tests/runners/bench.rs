//! Measuring, with small counts: that it works, not what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use martlet_testnet::cluster::ProcessId;
use serde_json::Value;

use crate::TestResult;

/// Longest wait for a condition.
const DEADLINE: Duration = Duration::from_secs(120);

fn bench(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_martlet-testnet"));
    command.arg("bench").args(args);
    command
}

/// A script that stands for another build.
fn other_build(dir: &Path, script: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let program = dir.join("martlet-testnet");
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo martlet-testnet 0.0.1; exit; }}\n{script}"
    );
    // Not written by this process: what has a file open for writing when another test starts a process can't be run.
    let made = Command::new("/bin/sh")
        .args(["-c", r#"printf '%s' "$1" > "$0" && chmod 700 "$0""#])
        .arg(&program)
        .arg(text)
        .status()?;
    assert!(made.success());
    Ok(program)
}

/// What it costs is reported, not asserted.
#[test]
fn growth_is_measured_of_messages_contacts_and_an_outbox() -> TestResult {
    let output = bench(&["growth", "--quick", "--json"]).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let growth = &report["growth"];
    eprintln!("{report}");
    let of_messages = [
        "send_p50_ms",
        "send_p99_ms",
        "send_written_kb",
        "cpu_s_per_1000",
        "page_first_ms",
        "page_deep_ms",
        "inbox_ms",
        "contacts_ms",
        "start_s",
        "rss_mib",
        "rss_restarted_mib",
        "disk_bytes_per_message",
    ];
    let of_outbox = ["cpu_ms_per_message", "start_s", "rss_mib", "rss_restarted_mib"];
    for (of, sizes, figures) in [
        ("messages", [100, 300], &of_messages[..]),
        ("contacts", [5, 50], &["send_p50_ms", "contacts_ms", "inbox_ms", "rss_restarted_mib"]),
        ("outbox", [50, 150], &of_outbox),
    ] {
        for (stage, size) in sizes.iter().enumerate() {
            assert_eq!(growth[of][stage]["size"], *size, "{growth}");
            for figure in figures {
                let value = growth[of][stage][figure].as_f64();
                // Processor time is counted in hundredths of a second.
                let is_there = value.is_some_and(|value| value > 0.0 || figure.starts_with("cpu"));
                assert!(is_there, "{of}, {size}: {figure} in {growth}");
            }
        }
        let factor = &growth["factor"][of];
        assert!(
            factor["rss_restarted_mib"].as_f64().is_some_and(|factor| factor > 0.0),
            "{factor}"
        );
    }
    Ok(())
}

/// What it costs is reported, not asserted, but for the envelopes, of which a room needs one for a message.
#[test]
fn a_room_is_measured_beside_a_direct_message() -> TestResult {
    let output = bench(&["room", "--quick", "--json"]).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout)?;
    eprintln!("{report}");
    let room = &report["room"];
    assert_eq!(room["members"], 4, "{report}");
    assert_eq!(room["envelopes_per_message"], 1.0, "{report}");
    for figure in ["direct_p50_ms", "to_last_p50_ms", "to_last_p99_ms", "to_last_factor"] {
        assert!(room[figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {report}");
    }
    // Processor time is counted in hundredths of a second.
    assert!(room["key_change_cpu_ms"].as_f64().is_some_and(|value| value >= 0.0), "{report}");
    Ok(())
}

/// What it takes is reported, not asserted: this build is not optimized.
#[test]
fn a_file_is_measured_beside_a_bare_stream_and_raw_tcp() -> TestResult {
    let output = bench(&["file", "--quick", "--json"]).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout)?;
    eprintln!("{report}");
    let file = &report["file"];
    assert_eq!(file["mib"], 8, "{report}");
    for figure in ["mb_per_s", "bare_stream_mb_per_s", "raw_tcp_mb_per_s", "of_bare_stream"] {
        assert!(file[figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {report}");
    }
    assert!(file["rss_growth_mib"].as_f64().is_some_and(|value| value >= 0.0), "{report}");
    Ok(())
}

/// They were more connections than a daemon serves of one process.
#[test]
fn as_many_send_at_once_as_a_daemon_lets() -> TestResult {
    let output = bench(&["throughput", "--quick", "--json"]).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["throughput_lost"], 0, "{report}");
    Ok(())
}

#[test]
fn another_build_is_compared_by_the_figures_that_both_have() -> TestResult {
    let dir = tempfile::tempdir()?;
    let older = other_build(
        dir.path(),
        r#"[ "$2" = ready_s ] || { echo "error: invalid value" >&2; exit 2; }
echo '{"quick":true,"ready_s":1000.0}'"#,
    )?;
    let output = bench(&["ready_s,latency_ms", "--quick", "--json", "--rounds", "2", "--against"])
        .arg(&older)
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}", output.status);
    let found: Value = serde_json::from_slice(&output.stdout)?;
    let ready = &found["parts"][1]["figures"][0];
    assert_eq!(found["parts"][1]["part"], "ready_s", "{found}");
    assert_eq!(ready["figure"], "ready_s", "{found}");
    assert_eq!(ready["verdict"], "better", "nothing takes a thousand seconds: {found}");
    assert_eq!(ready["this_rounds"].as_array().map(Vec::len), Some(2), "{found}");
    let latency = &found["parts"][0];
    assert_eq!(latency["troubles"][0]["what"], "refused", "{found}");
    assert_eq!(latency["troubles"].as_array().map(Vec::len), Some(1), "{found}");
    let alone = latency["figures"].as_array().and_then(|figures| figures.first());
    assert!(alone.is_some_and(|figure| figure["verdict"] == "one_sided"), "{found}");
    Ok(())
}

#[test]
fn what_another_build_started_ends_with_the_measuring_process() -> TestResult {
    let dir = tempfile::tempdir()?;
    let hanging = other_build(dir.path(), r#"echo $$ > "$0.pid"; exec sleep 3600"#)?;
    let mut measuring = bench(&["ready_s", "--quick", "--json", "--against"])
        .arg(&hanging)
        // So that what it can't remove itself goes with the rest.
        .arg("--dir")
        .arg(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let file = dir.path().join("martlet-testnet.pid");
    let pid = wait(|| fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok());
    // So that it can do nothing about it any more.
    measuring.kill()?;
    measuring.wait()?;
    let pid = pid.ok_or("the other build was not started")?;
    wait(|| ProcessId::of(pid).is_none().then_some(())).ok_or("it is still there")?;
    Ok(())
}

#[test]
fn what_is_no_other_build_is_said_so_at_once() -> TestResult {
    for (args, code) in [
        (&["--against", "/bin/true"][..], 1),
        (&["--against", "/nothing/here"], 2),
        (&["--rounds", "2"], 2),
        (&["--against", "/bin/true", "--rounds", "0"], 2),
    ] {
        let output = bench(&["ready_s"]).args(args).output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(output.stdout.is_empty());
    }
    Ok(())
}

fn wait<T>(mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let found = condition();
        if found.is_some() || begun.elapsed() >= DEADLINE {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
