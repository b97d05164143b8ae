//! Files in simulations.

use std::fs;

use martlet_testnet::report::{FilesReport, Report};
use tempfile::TempDir;

use super::{Result, said, scenario, testnet};

/// What a run of these arguments says of files.
fn files(args: &[&str]) -> Result<(Report, FilesReport)> {
    let output = testnet(&[&["sim", "--json"], args].concat()).output()?;
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    let report: Report = serde_json::from_slice(&output.stdout)?;
    let files = report.messages.files.clone().ok_or("no files")?;
    Ok((report, files))
}

/// A run of these arguments that misses an expectation.
fn missed(args: &[&str]) -> Result<FilesReport> {
    let output = testnet(&[&["sim", "--json"], args].concat()).output()?;
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", said(&output));
    let report: Report = serde_json::from_slice(&output.stdout)?;
    Ok(report.messages.files.ok_or("no files")?)
}

/// Fewer people and smaller photos. `martlet-testnet sim photo-evening` runs it whole.
const EVENING: [&str; 13] = [
    "photo-evening",
    "--nodes",
    "5",
    "--duration",
    "16m",
    "--set",
    "files[0].every=4m",
    "--set",
    "files[0].end=13m",
    "--set",
    "events[0].at=8m",
    // One of four others is a quarter of all.
    "--set",
    "expect.files=0.85",
];

#[test]
fn photo_evening() -> Result {
    let small = [&EVENING[..], &["--set", "files[0].size=150kB"]].concat();
    let (report, files) = files(&small)?;
    assert!(files.sent >= 12 && files.in_parts == files.sent, "{files:?}");
    assert!(files.fetched_bytes > 0, "they were accepted, and so fetched directly too");
    // All that someone gave someone else fetched, and each fetched from who had sent.
    let pairs: u64 = files.fetched.iter().map(|pair| pair.bytes).sum();
    assert_eq!(pairs, files.fetched_bytes);
    assert!(files.fetched.iter().all(|pair| pair.by != pair.from));
    assert!(files.to_all.count > 0 && files.to_all.max_s < 120.0, "{:?}", files.to_all);
    assert!(report.messages.payload_bytes > files.bytes / 2, "files are what is carried");
    Ok(())
}

#[test]
fn photos_that_no_mailbox_takes_are_fetched_from_who_sent_them() -> Result {
    let direct = ["--set", "files[0].size=150kB", "--set", "network.mailbox_file_bytes=0"];
    let (_, files) = files(&[&EVENING[..], &direct].concat())?;
    assert!(files.direct == files.sent && files.whole > files.sent, "{files:?}");
    let sealed = |bytes: u64| bytes + bytes / 8;
    assert!(files.fetched_bytes >= 150_000 * files.whole);
    assert!(files.fetched_bytes <= sealed(150_000) * files.expected, "each is fetched once");
    let gave: u64 = files.nodes.iter().map(|node| node.sent_bytes).sum();
    assert!(gave >= files.fetched_bytes, "with what proves it");
    Ok(())
}

/// Every second of the film is over a slow link that breaks, and both ends go down meanwhile. `martlet-testnet sim
/// big-file-over-thin-link` runs it whole.
#[test]
fn big_file_over_thin_link() -> Result {
    let (_, files) = files(&[
        "big-file-over-thin-link",
        "--set",
        "files[0].size=12MB",
        "--set",
        "links.bandwidth=480kbit/s",
    ])?;
    assert_eq!((files.direct, files.expected, files.whole), (1, 1, 1));
    let took = files.to_all.max_s;
    assert!(took > 280.0, "it came as if nothing had happened: {took} s");
    // What came stays: the two breaks, the crash and the restart cost next to nothing.
    let sealed = 12_000_000 + 500_000;
    assert!((12_000_000..sealed).contains(&files.fetched_bytes), "{files:?}");
    Ok(())
}

/// Three people, files of all three ways, a crash, and a disk that is full for a while.
const MIXED: &str = r#"
duration = "4m"
links = { latency = "10ms", jitter = "5ms", bandwidth = "4Mbit/s" }
nodes = [{ name = "user", count = 4 }]
contacts = [{ pairs = "all" }]
network = { mailbox_file_bytes = "200kB" }
files = [
    { from = "user-1", to = "contacts", pick = "each", size = "1kB", start = "5s" },
    { from = "user-1", to = "user-2", size = "100kB", start = "10s" },
    { from = "user-1..user-2", to = "user-3", size = ["1MB", "2MB"], every = "40s", start = "15s", end = "100s" },
    { from = "user-1", to = "user-4", size = "3MB", start = "16s" },
    { from = "user-2", to = "user-4", size = "1500kB", start = "30s", accept = "none" },
]
events = [
    { at = "18s", do = "crash", nodes = "user-3", lasts = "10s" },
    { at = "18s", do = "disk-full", nodes = "user-4", lasts = "5s" },
]
"#;

#[test]
fn files_go_in_all_three_ways_through_a_crash_and_a_full_disk() -> Result {
    let dir = TempDir::new()?;
    let file = scenario(dir.path(), MIXED)?;
    let (report, files) = files(&[&file])?;
    assert_eq!((files.in_messages, files.in_parts), (3, 1), "{files:?}");
    for file in &files.each {
        let is_accepted = file.to != "user-4" || file.bytes != 1_500_000;
        assert_eq!(file.whole == file.expected, is_accepted, "{file:?}");
    }
    // It was fetched when the disk was full, and again once there was room.
    let held_up = files.each.iter().find(|file| file.bytes == 3_000_000).ok_or("no such file")?;
    assert!(held_up.to_all_s > Some(7.0), "{held_up:?}");
    assert_eq!(files.failed, 0);
    assert!(report.nodes.iter().all(|node| node.on));
    let missing = ["--set", "expect.files=1.0", "--set", "expect.files_p99=100ms"];
    let again = missed(&[&[file.as_str()], &missing[..]].concat())?;
    assert_eq!(again, files, "the same files, as expected or not");
    Ok(())
}

/// What reads and writes files has threads of its own: they take turns with the simulation.
#[test]
fn any_number_of_threads_gives_the_same_report_of_files() -> Result {
    let dir = TempDir::new()?;
    let file = scenario(dir.path(), MIXED)?;
    let run = |threads: &str, name: &str| -> Result<Vec<u8>> {
        let to = dir.path().join(name);
        let report = to.to_str().ok_or("a path that is no text")?;
        let output = testnet(&["sim", &file, "--threads", threads, "--report", report]).output()?;
        assert!(output.status.success(), "{}", said(&output));
        Ok(fs::read(to.join("report.json"))?)
    };
    let (one, two, again) = (run("1", "a")?, run("2", "b")?, run("2", "c")?);
    assert!(two == again, "two runs differ");
    assert!(one == two, "one thread and two differ");
    Ok(())
}
