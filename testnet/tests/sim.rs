//! Simulations, by the real executable: without its clocks there are none.

#[path = "sim/files.rs"]
mod files;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use martlet_testnet::report::{CutOff, Report};
use martlet_testnet::scenario::READY;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Longest wait for a simulation to notice an interrupt: it looks after each step.
const STOP_MAX: Duration = Duration::from_secs(60);

fn testnet(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_martlet-testnet"));
    command.args(args);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A scenario's run ends with all its expectations met.
fn holds(scenario: &str) -> Result {
    let output = testnet(&["sim", scenario]).output()?;
    assert!(
        output.status.success(),
        "{scenario}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        said(&output)
    );
    Ok(())
}

/// One test for each ready scenario, that they run beside each other. `six_day_network` is for the
/// night.
macro_rules! ready {
    ($($name:ident: $scenario:literal,)*) => {
        $(#[test]
        fn $name() -> Result {
            holds($scenario)
        })*

        #[test]
        fn every_ready_scenario_is_run_here() {
            let elsewhere = ["split-and-heal", "six-day-network", "who-wrote"];
            let smaller = [
                "several-devices",
                "split-room",
                "removed",
                "ship",
                "photo-evening",
                "big-file-over-thin-link",
            ];
            let run = [[$($scenario,)*].as_slice(), &elsewhere, &smaller].concat();
            for ready in READY {
                assert!(run.contains(&ready.name), "{} is not", ready.name);
            }
        }
    };
}

ready! {
    first_contact: "first-contact",
    offline_five_days: "offline-five-days",
    churn: "churn",
    six_day_expiry: "six-day-expiry",
    hostile_flood: "hostile-flood",
    thin_link: "thin-link",
    clock_skew: "clock-skew",
    flash_crowd: "flash-crowd",
    thousand_nodes: "thousand-nodes",
}

/// With fewer nodes: all of them take many minutes of an unoptimized build. `martlet-testnet sim NAME` runs it whole.
fn smaller(scenario: &str, nodes: &str) -> Result<Report> {
    let output = testnet(&["sim", scenario, "--nodes", nodes, "--json"]).output()?;
    assert!(output.status.success(), "{scenario}: {}", said(&output));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn several_devices() -> Result {
    let devices = smaller("several-devices", "5")?.messages.devices.ok_or("no devices")?;
    assert_eq!((devices.devices, devices.linked, devices.revoked), (15, 15, 5));
    Ok(())
}

#[test]
fn split_room() -> Result {
    let report = smaller("split-room", "15")?;
    let room = report.messages.rooms.first().ok_or("no room")?;
    assert!(room.states_max > 2 && room.states_at_end == 1, "{room:?}");
    assert!(room.diverged_s > 60.0, "three parts were one: {room:?}");
    Ok(())
}

#[test]
fn ship() -> Result {
    let report = smaller("ship", "15")?;
    assert_eq!(report.messages.rooms.len(), 8);
    let all = report.messages.rooms.first().ok_or("no room")?;
    assert!(all.states_max > 1 && all.states_at_end == 1 && all.to_all.max_s > 60.0, "{all:?}");
    Ok(())
}

#[test]
fn removed() -> Result {
    let report = smaller("removed", "10")?;
    let cut = &report.messages.cut_off;
    let sum = |of: fn(&CutOff) -> u64| cut.iter().map(of).sum::<u64>();
    assert!(sum(|cut| cut.read_unknowing) > 3, "who did not hear of it wrote to them: {cut:?}");
    assert!(sum(|cut| cut.written_knowing) > 20 && sum(|cut| cut.read_knowing) == 0, "{cut:?}");
    let room = report.messages.rooms.first().ok_or("no room")?;
    assert!(room.delivered == room.written && room.expected == room.shown, "{room:?}");
    assert!(room.states_max > 1 && room.states_at_end == 1, "{room:?}");
    assert!(room.received_bytes_per_member > 0 && room.to_all.p50_s >= room.to_each.p50_s);
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_report_byte_for_byte() -> Result {
    let dir = TempDir::new()?;
    let run = |seed: &str, name: &str| -> Result<(Vec<u8>, Vec<u8>)> {
        let to = dir.path().join(name);
        let report = to.to_str().ok_or("a path that is no text")?;
        let output =
            testnet(&["sim", "split-and-heal", "--seed", seed, "--report", report]).output()?;
        assert!(output.status.success(), "{}", said(&output));
        Ok((fs::read(to.join("report.json"))?, fs::read(to.join("report.html"))?))
    };
    let (first, again, other) = (run("7", "a")?, run("7", "b")?, run("8", "c")?);
    assert!(first == again, "two runs with one seed differ");
    assert!(first.0 != other.0, "another seed changes nothing");
    Ok(())
}

/// Nodes that come, go, crash and write, with links that are lossy or cut: for two minutes.
const BUSY: &str = r#"
duration = "2m"

[[nodes]]
name = "user"
count = 9

[topology]
kind = "random-regular"
degree = 4

[links]
latency = "15ms"
jitter = "10ms"
loss = 0.01

[[contacts]]
pairs = "ring"

[[traffic]]
from = "user"
to = "contacts"
rate = "20/min"
pattern = "poisson"
start = "5s"
end = "100s"

[[events]]
at = "20s"
do = "crash"
nodes = ["user-2"]

[[events]]
at = "30s"
do = "partition"
groups = [["user-1", "user-3"], ["rest"]]

[[events]]
at = "40s"
do = "start"
nodes = ["user-2"]

[[events]]
at = "50s"
do = "heal"

[[events]]
at = "60s"
do = "flood"
node = "user-4"
rate = "20/s"
size = "1KiB"
lasts = "5s"
"#;

/// Reports, pages and raw data, with 1, 2, 3 and 8 threads: of the same plan, and of one whose nodes can't be divided.
#[test]
fn any_number_of_threads_gives_the_same_report_byte_for_byte() -> Result {
    let dir = TempDir::new()?;
    let together = BUSY.replace("latency = \"15ms\"", "latency = \"0ms\"");
    for (name, text) in [("apart", BUSY.to_owned()), ("together", together)] {
        let file = scenario(dir.path(), &text)?;
        let run = |threads: &str| -> Result<Vec<Vec<u8>>> {
            let to = dir.path().join(format!("{name}-{threads}"));
            let path = to.to_str().ok_or("a path that is no text")?;
            let args = ["sim", &file, "--threads", threads, "--report", path, "--data", path];
            let output = testnet(&args).output()?;
            assert!(output.status.success(), "{}", said(&output));
            let told = said(&output).contains("one thread simulates them");
            assert_eq!(told, name == "together" && threads != "1", "{}", said(&output));
            let mut files: Vec<_> =
                fs::read_dir(&to)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
            files.sort();
            assert!(files.len() > 3, "{files:?}");
            files.iter().map(|file| Ok(fs::read(file)?)).collect()
        };
        let alone = run("1")?;
        for threads in ["2", "3", "8"] {
            assert!(run(threads)? == alone, "{name}: {threads} threads differ from one");
        }
    }
    Ok(())
}

/// Without Noise and Yamux the same is delivered, as soon, for nearly the same bytes: 6 percent fewer were seen.
#[test]
fn plain_links_deliver_the_same_for_nearly_the_same_bytes() -> Result {
    let dir = TempDir::new()?;
    let calm = BUSY.split("[[events]]").next().ok_or("no events")?.replace("loss = 0.01\n", "");
    let run = |text: &str| -> Result<Report> {
        let output = testnet(&["sim", &scenario(dir.path(), text)?, "--json"]).output()?;
        assert!(output.status.success(), "{}", said(&output));
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let plain = "[links]\ntransport = \"plain\"";
    for text in [calm.as_str(), BUSY] {
        let (secured, plain) = (run(text)?, run(&text.replace("[links]", plain))?);
        let (here, there) = (&secured.messages, &plain.messages);
        assert!(here.written > 100 && secured.traffic != plain.traffic);
        assert_eq!((here.written, here.delivered), (there.written, there.delivered));
        let off = |here: f64, there: f64| (there - here).abs() / here;
        let bytes = |report: &Report| report.traffic.received_bytes as f64;
        let off_by =
            [off(bytes(&secured), bytes(&plain)), off(here.latency.p50_s, there.latency.p50_s)];
        assert!(off_by.iter().all(|off| *off < 0.1), "{off_by:?}: {here:?} {there:?}");
    }
    Ok(())
}

#[test]
fn no_threads_are_refused() -> Result {
    let output = testnet(&["sim", "first-contact", "--threads", "0"]).output()?;
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--threads"), "{}", said(&output));
    Ok(())
}

/// Three nodes for a minute and a half; the writer of half of the messages has no link to the
/// reader for most of it.
const CUT_OFF: &str = r#"
duration = "90s"

[[nodes]]
name = "user"
count = 3

[topology]
kind = "full"

[[contacts]]
pairs = "all"

[[traffic]]
from = "user"
to = "contacts"
every = "5s"
start = "10s"
end = "80s"

[[events]]
at = "30s"
do = "partition"
groups = [["user-1"], ["rest"]]

[expect]
delivery = 1.0
"#;

fn scenario(dir: &Path, text: &str) -> Result<String> {
    let path = dir.join("mine.toml");
    fs::write(&path, text)?;
    Ok(path.to_str().ok_or("a path that is no text")?.to_owned())
}

/// Two people with three devices each, which write to each other and lose one.
const PEOPLE: &str = r#"
duration = "3m"

[[nodes]]
name = "user"
count = 2
devices = 3

[links]
latency = "20ms"

[[contacts]]
pairs = "all"

[[traffic]]
from = "user"
to = "contacts"
every = "2s"
start = "40s"
end = "150s"

[[events]]
at = "50s"
do = "crash"
nodes = ["user-1", "user-2-d2"]
lasts = "20s"

[[events]]
at = "90s"
do = "revoke"
nodes = "user-d3"
over = "20s"

[expect]
delivery = 1.0
device_delivery = 1.0
cut_off = true
no_duplicates = true
in_order = true
"#;

#[test]
fn people_get_all_on_each_device_and_lost_ones_read_only_what_was_written_unknowingly() -> Result {
    let dir = TempDir::new()?;
    let file = scenario(dir.path(), PEOPLE)?;
    let run = |threads: &str| -> Result<Vec<u8>> {
        let output = testnet(&["sim", &file, "--threads", threads, "--json"]).output()?;
        assert!(output.status.success(), "{}", said(&output));
        Ok(output.stdout)
    };
    let json = run("1")?;
    assert!(json == run("2")?, "two threads differ from one");
    let report: Report = serde_json::from_slice(&json)?;
    let devices = report.messages.devices.as_ref().ok_or("no devices")?;
    assert_eq!((devices.people, devices.devices, devices.linked, devices.revoked), (2, 6, 6, 2));
    assert!(report.messages.delivered > 60 && devices.expected == devices.shown, "{devices:?}");
    // Each message is to be shown on all of six devices but the one that it was written on, and those that were lost.
    assert!(
        devices.expected > 3 * report.messages.written
            && devices.expected < 5 * report.messages.written
    );
    for device in &devices.each {
        assert!(
            device.linked_s.is_some() && device.expected > 10 && device.shown > 10,
            "{device:?}"
        );
    }
    assert_eq!(report.messages.cut_off.len(), 2);
    for cut in &report.messages.cut_off {
        assert!(cut.known_s.is_some_and(|known_s| known_s - cut.at_s < 2.0), "{cut:?}");
        assert!(cut.written_knowing > 20 && cut.read_knowing == 0, "{cut:?}");
    }
    Ok(())
}

/// For a third of its time: all of it takes minutes, and `martlet-testnet sim who-wrote` is there for it.
#[test]
fn who_wrote() -> Result {
    let whole = READY.iter().find(|ready| ready.name == "who-wrote").ok_or("it is not there")?;
    let short = whole.text.replace("duration = \"25m\"", "duration = \"9m\"");
    let short = short.replace("end = \"22m\"", "end = \"7m\"");
    assert!(short.contains("\"9m\"") && short.contains("\"7m\""), "its times are others now");
    let dir = TempDir::new()?;
    holds(&scenario(dir.path(), &short)?)
}

#[test]
fn an_expectation_that_is_not_met_is_exit_code_1_and_says_by_how_much() -> Result {
    let dir = TempDir::new()?;
    let output = testnet(&["sim", &scenario(dir.path(), CUT_OFF)?, "--json"]).output()?;
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("delivery") && said.contains("too few"), "{said}");
    let report: Report = serde_json::from_slice(&output.stdout)?;
    assert!(!report.passed && report.messages.delivered < report.messages.written);
    Ok(())
}

#[test]
fn what_is_wrong_in_a_scenario_is_told_with_file_line_and_key_before_anything_runs() -> Result {
    let dir = TempDir::new()?;
    let path = scenario(dir.path(), &CUT_OFF.replace("\"rest\"", "\"user-2\", \"user-9\""))?;
    let output = testnet(&["sim", &path]).output()?;
    assert_eq!(output.status.code(), Some(2));
    let said = said(&output);
    assert!(said.contains("mine.toml:24: events[0].groups") && said.contains("user-9"), "{said}");
    assert!(output.stdout.is_empty());
    Ok(())
}

/// Twenty users of a network that is mixed, each linked with six, for six minutes.
const OBSERVED: &str = r#"
duration = "6m"

[network]
privacy = "mixed"

[[nodes]]
name = "user"
count = 20

[topology]
kind = "random-regular"
degree = 6

[links]
latency = "20ms"
jitter = "20ms"

[[contacts]]
pairs = "random"
each = 2

[[traffic]]
from = "user"
to = "contacts"
rate = "4/min"
pattern = "poisson"
start = "1m"
end = "5m"
"#;

/// Of a hundred envelopes, acks, and pairs of them, whose author, addressee and both were named: by one observer,
/// and by three together.
fn named(scenario: &str) -> Result<Vec<[f64; 3]>> {
    let args = ["observe", scenario, "--since", "1m", "--observers", "1,3", "--json"];
    let output = testnet(&args).output()?;
    assert!(output.status.success(), "{}", said(&output));
    let observed: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let groups = observed["groups"].as_array().ok_or("no groups")?;
    let percent = |group: &serde_json::Value, key: &str| group[key].as_f64().ok_or("no number");
    groups
        .iter()
        .map(|group| {
            assert!(group["envelopes"].as_u64() > Some(200), "too little is written: {group}");
            let keys = ["authors_pct", "addressees_pct", "both_pct"];
            let [authors, addressees, both] = keys.map(|key| percent(group, key));
            Ok([authors?, addressees?, both?])
        })
        .collect()
}

/// Who first brought something was its author, or its addressee, one time in five to any node alone, and every
/// other time to three together: own envelopes and acks were published by their author. Chance is one in twenty.
/// In two runs (seeds 1 and 2) the stem left 10.2 and 10.9 %, and 20.2 and 19.9 %.
#[test]
fn on_a_mixed_network_observers_seldom_name_who_wrote_to_whom() -> Result {
    const MOST: [[f64; 3]; 2] = [[14.0, 14.0, 2.5], [28.0, 28.0, 9.0]];
    let is_within = |found: &[[f64; 3]]| -> Vec<bool> {
        found.iter().flatten().zip(MOST.iter().flatten()).map(|(is, most)| is <= most).collect()
    };
    let dir = TempDir::new()?;
    let found = named(&scenario(dir.path(), OBSERVED)?)?;
    assert_eq!(is_within(&found), [true; 6], "{found:?}, at most {MOST:?}");
    let without = format!("{OBSERVED}\n[settings.gossip]\nstem = false\n");
    let without = named(&scenario(dir.path(), &without)?)?;
    assert_eq!(is_within(&without), [false; 6], "without the stem {without:?}, bounds {MOST:?}");
    Ok(())
}

/// Ends the simulation if a test fails before it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_interrupted_run_still_writes_the_report_of_what_ran() -> Result {
    let dir = TempDir::new()?;
    let to = dir.path().join("report");
    let report = to.to_str().ok_or("a path that is no text")?;
    let mut running = Running(
        testnet(&["sim", "six-day-network", "--report", report])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    // Once it has a handler for the signal; before, it would end without a report.
    let pid = running.0.id();
    let begun = Instant::now();
    while !handles_interrupts(pid)? {
        assert!(begun.elapsed() < STOP_MAX, "no handler of interrupts");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&running.0), Signal::INT)?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = running.0.try_wait()? {
            break status;
        }
        assert!(begun.elapsed() < STOP_MAX, "it goes on");
        std::thread::yield_now();
    };
    assert_eq!(status.code(), Some(1));
    let report = Report::read(&to.join("report.json"))?;
    assert!(report.interrupted && !report.passed && report.ran_s < report.duration_s);
    assert!(fs::read_to_string(to.join("report.html"))?.contains("interrupted"));
    Ok(())
}

/// Whether a process has a handler for SIGINT (proc_pid_status(5), `SigCgt`).
fn handles_interrupts(pid: u32) -> Result<bool> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.ok_or("no SigCgt")?.trim(), 16)?;
    Ok(caught & (1 << (Signal::INT.as_raw() - 1)) != 0)
}

#[test]
fn work_that_is_charged_for_makes_messages_late_and_none_is_lost() -> Result {
    let dir = TempDir::new()?;
    let ready = martlet_testnet::scenario::READY.iter().find(|ready| ready.name == "first-contact");
    let text = ready.ok_or("no such scenario")?.text;
    let run = |costs: &str| -> Result<(Vec<u8>, Report)> {
        let file = scenario(dir.path(), &format!("{text}\n{costs}"))?;
        let to = dir.path().join("report");
        let report = to.to_str().ok_or("a path that is no text")?;
        let output = testnet(&["sim", &file, "--report", report]).output()?;
        assert!(output.status.success(), "{}", said(&output));
        let json = to.join("report.json");
        Ok((fs::read(&json)?, Report::read(&json)?))
    };
    let (_, free) = run("")?;
    let costs = "[settings.costs]\nenvelope_us = 500\ncommit_us = 20000\nwake_us = 100\n";
    let (bytes, charged) = run(costs)?;
    assert!(run(costs)?.0 == bytes, "two runs with one seed differ");
    // A link of 20 ms, and the writer's commit before the message leaves; times are rounded.
    let (free, charged) = (free.messages, charged.messages);
    assert_eq!(charged.delivered, free.delivered);
    assert!(charged.latency.min_s >= 0.039, "{charged:?}");
    assert!(charged.latency.p50_s > free.latency.p50_s + 0.01, "{charged:?} {free:?}");
    Ok(())
}
