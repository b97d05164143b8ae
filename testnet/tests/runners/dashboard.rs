//! The page of a running network, as a browser and a person use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PROGRAM, TestResult};

const DEADLINE: Duration = Duration::from_secs(60);

const SCENARIO: &str = r#"
description = "Three who write."
duration = "10m"

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
every = "1s"
"#;

/// A running `martlet-testnet`, killed with the test if it is left.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The events of a page, and the links as they were last told.
struct Events {
    stream: BufReader<TcpStream>,
    links: Vec<Value>,
}

impl Events {
    fn open(host: &str) -> Result<Self, std::io::Error> {
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        write!(
            stream,
            "GET /events HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n"
        )?;
        Ok(Self { stream: BufReader::new(stream), links: Vec::new() })
    }

    /// The next event's data; an error at the end of the stream.
    fn next(&mut self) -> Result<Value, Box<dyn std::error::Error>> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("the events ended".into());
            }
            if let Some(data) = line.strip_prefix("data: ") {
                let told: Value = serde_json::from_str(data)?;
                if let Some(links) = told["links"].as_array() {
                    self.links.clone_from(links);
                }
                return Ok(told);
            }
        }
    }

    /// The first change that is so.
    fn until(
        &mut self,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value, Box<dyn std::error::Error>> {
        let started = Instant::now();
        while started.elapsed() < DEADLINE {
            let change = self.next()?;
            if is_so(&change) {
                return Ok(change);
            }
        }
        Err(format!("not told within {DEADLINE:?}: {what}").into())
    }

    /// Waits until the links are so; perhaps they are already.
    fn until_links(&mut self, what: &str, are_so: impl Fn(&[Value]) -> bool) -> TestResult {
        let started = Instant::now();
        while !are_so(&self.links) {
            if started.elapsed() > DEADLINE {
                return Err(format!("not told within {DEADLINE:?}: {what}").into());
            }
            self.next()?;
        }
        Ok(())
    }
}

/// Whether a link is connected.
fn is_up(link: &Value) -> bool {
    link.get("by").is_some()
}

/// Status and body of a request. The connection is closed after it.
fn request(
    host: &str,
    head: &str,
    body: &str,
) -> Result<(u16, String), Box<dyn std::error::Error>> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(
        stream,
        "{head}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or("no status")?, answer))
}

/// Presses a button.
fn press(host: &str, action: &Value) -> Result<(u16, String), Box<dyn std::error::Error>> {
    let head = format!("POST /act HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}");
    request(host, &head, &action.to_string())
}

fn host_in(line: &str) -> Option<&str> {
    line.trim().strip_prefix("Dashboard: http://")?.strip_suffix('/')
}

#[test]
fn a_run_is_shown_and_a_button_kills_a_node_and_starts_it_again() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("three.toml");
    std::fs::write(&file, SCENARIO)?;
    let mut running = Running(
        Command::new(PROGRAM)
            .args(["local", "--dashboard", "--report"])
            .args([&dir.path().join("out"), &file])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?,
    );
    let mut said = BufReader::new(running.0.stderr.take().ok_or("no standard error")?);
    let host = loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line)? > 0, "it ended without a dashboard");
        if let Some(host) = host_in(&line) {
            break host.to_owned();
        }
    };
    // It goes on reading, or the run would wait for it.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));

    let (status, page) = request(&host, &format!("GET / HTTP/1.1\r\nHost: {host}"), "")?;
    assert!(
        status == 200 && page.contains("content-security-policy: default-src 'none'"),
        "{page}"
    );
    // A name of someone else's that leads here, and a page of someone else's.
    for head in [
        "GET / HTTP/1.1\r\nHost: example.com".to_owned(),
        "GET /events HTTP/1.1\r\nHost: example.com:80".to_owned(),
        format!("POST /act HTTP/1.1\r\nHost: {host}\r\nOrigin: http://example.com"),
        format!("POST /act HTTP/1.1\r\nHost: {host}"),
    ] {
        let (status, answer) = request(&host, &head, r#"{"do":"kill","node":0}"#)?;
        assert!(status == 403 && !answer.contains("user-1"), "{head}: {answer}");
    }

    let mut events = Events::open(&host)?;
    let snapshot = events.next()?;
    assert_eq!(snapshot["nodes"][2]["name"], "user-3");
    assert_eq!(snapshot["can"], json!({ "split": true, "cut": true, "harm": true }));
    if snapshot["phase"] != "running" {
        events.until("it runs", |change| change["phase"] == "running")?;
    }
    events.until("messages are delivered", |change| {
        change["totals"]["delivered"].as_u64() > Some(2) && change["totals"]["p50_ms"].is_f64()
    })?;
    events.until_links("all are connected", |links| links.iter().all(is_up))?;

    assert_eq!(press(&host, &json!({ "do": "kill", "node": 2 }))?.0, 200);
    events.until("it is off", |change| change["nodes"]["2"]["state"] == "off")?;
    let (status, answer) = press(&host, &json!({ "do": "kill", "node": 2 }))?;
    assert!(status == 409 && answer.contains("user-3 is not on"), "{answer}");
    assert_eq!(press(&host, &json!({ "do": "start", "node": 2 }))?.0, 200);
    events.until("it is on again", |change| change["nodes"]["2"]["state"] == "on")?;

    assert_eq!(press(&host, &json!({ "do": "cut", "a": 1, "b": 0 }))?.0, 200);
    events.until_links("one is cut, and noticed to be", |links| {
        links.iter().any(|link| {
            (&link["a"], &link["b"], &link["cut"]) == (&json!(0), &json!(1), &json!(true))
                && !is_up(link)
        })
    })?;
    assert_eq!(press(&host, &json!({ "do": "split", "nodes": [0] }))?.0, 200);
    events.until("it is split", |change| change["nodes"]["1"]["group"] == 1)?;
    assert_eq!(press(&host, &json!({ "do": "heal" }))?.0, 200);
    events.until_links("all are connected again", |links| links.iter().all(is_up))?;

    // Who comes now gets all of it.
    let late = Events::open(&host)?.next()?;
    let log: Vec<&str> = late["log"]
        .as_array()
        .ok_or("no log")?
        .iter()
        .filter_map(|line| line["kind"].as_str())
        .collect();
    assert_eq!(log, ["crash", "start", "cut", "partition", "heal"]);

    signal(&running.0, rustix::process::Signal::INT)?;
    let end = events.until("it ended", |change| change["phase"] == "ended")?;
    assert_eq!(end["ending"]["words"], "interrupted");
    let ended = running.0.wait()?;
    assert_eq!(ended.code(), Some(1), "an interrupted run has not passed");
    // The report has what was done by hand, as if it had been of the scenario.
    let report = std::fs::read_to_string(dir.path().join("out/report.json"))?;
    let report: Value = serde_json::from_str(&report)?;
    let kinds: Vec<&str> = report["events"]
        .as_array()
        .ok_or("no events")?
        .iter()
        .filter_map(|event| event["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["crash", "start", "cut", "partition", "heal"]);
    Ok(())
}

fn signal(child: &Child, signal: rustix::process::Signal) -> TestResult {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    Ok(rustix::process::kill_process(pid.ok_or("no process number")?, signal)?)
}

/// Runs `martlet-testnet`, its states in `runtime`; returns what it printed.
fn done(runtime: &Path, args: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = Command::new(PROGRAM).args(args).env("XDG_RUNTIME_DIR", runtime).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{args:?}: {}: {said}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn a_network_by_hand_is_shown_and_its_nodes_start_again_where_they_were() -> TestResult {
    let runtime = tempfile::tempdir()?;
    let runtime = runtime.path();
    let told = done(runtime, &["up", "--nodes", "2", "--name", "shown", "--dashboard"])?;
    struct Down<'a>(&'a Path);
    impl Drop for Down<'_> {
        fn drop(&mut self) {
            let _ = done(self.0, &["down", "--all"]);
        }
    }
    let down = Down(runtime);
    let host = told.lines().find_map(host_in).ok_or_else(|| told.clone())?.to_owned();
    assert!(done(runtime, &["ps"])?.contains(&format!("dashboard: http://{host}/")));

    let mut events = Events::open(&host)?;
    let snapshot = events.next()?;
    assert_eq!((&snapshot["phase"], &snapshot["duration_s"]), (&json!("running"), &Value::Null));
    let send = ["exec", "n1", "--", "martletctl", "send", "n2", "hello", "--wait", "delivered"];
    done(runtime, &send)?;
    events.until("the message is delivered", |change| {
        let message = &change["messages"][0];
        (&message["from"], &message["to"], &message["bytes"]) == (&json!(0), &json!(1), &json!(5))
            && message["delivered_s"].is_f64()
    })?;

    assert_eq!(press(&host, &json!({ "do": "stop", "node": 1 }))?.0, 200);
    events.until("it is off", |change| change["nodes"]["1"]["state"] == "off")?;
    assert!(done(runtime, &["ps"])?.contains("ended"));
    assert_eq!(press(&host, &json!({ "do": "start", "node": 1 }))?.0, 200);
    events.until("it is on again", |change| change["nodes"]["1"]["state"] == "on")?;
    let listed: Value = serde_json::from_str(&done(runtime, &["ps", "--json"])?)?;
    assert_eq!(listed["networks"][0]["status"][1]["lock"], "unlocked", "{listed}");
    done(runtime, &send)?;

    drop(down);
    let end = events.until("it ended", |change| change["phase"] == "ended")?;
    assert_eq!(end["ending"]["words"], "taken down");
    Ok(())
}

#[test]
fn a_dashboard_is_for_this_machine_alone() -> TestResult {
    for args in [
        &["local", "first-contact", "--dashboard=0.0.0.0:0"][..],
        &["up", "--dashboard=[::]:8080"],
        &["local", "first-contact", "--dashboard=8080"],
    ] {
        let output = Command::new(PROGRAM).args(args).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("127.0.0.1"), "{said}");
    }
    Ok(())
}
