//! Metrics, on the control socket and by TCP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use martletd::limits::METRICS_CONNECTIONS_MAX;

use crate::client::Response;
use crate::daemon::{DEADLINE, Daemon, command, until};

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A daemon that serves metrics by TCP, and where.
fn serving() -> (Daemon, SocketAddr) {
    let more = ["--metrics-listen", "127.0.0.1:0"];
    let daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &more);
    let status = daemon.connect().get("/v1/status").json();
    let address: SocketAddr = status["metrics_listen"].as_str().unwrap().parse().unwrap();
    assert!(address.ip().is_loopback() && address.port() != 0, "{address}");
    assert!(daemon.log().contains(&address.to_string()), "{}", daemon.log());
    (daemon, address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends a request and reads until the daemon closes the connection.
fn ask(address: SocketAddr, request: &str) -> Response {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|first| first.split(' ').nth(1)).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Response { status, headers, body: body.into() }
}

fn text(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("content-type"), Some(CONTENT_TYPE));
    let text = String::from_utf8(response.body.clone()).unwrap();
    assert!(text.starts_with("# HELP ") && text.ends_with('\n'), "{text}");
    text
}

#[test]
fn the_control_socket_serves_metrics() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let metrics = text(&client.get("/v1/metrics"));
    for line in [
        concat!("martlet_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "martlet_mailbox_quota_bytes 1073741824",
        "martlet_peers{state=\"connected\"} 0",
        "martlet_topics{topic=\"envelopes\"} 1",
        "martlet_queue_limit{queue=\"engine\"} 8192",
        "martlet_vault_unlocked 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    assert!(client.get("/v1/status").json().get("metrics_listen").is_none());
    assert_eq!(client.call("POST", "/v1/metrics", &serde_json::json!({})).status, 405);
    assert!(!metrics.contains("12D3Koo") && !metrics.contains("127.0.0.1"), "{metrics}");
}

#[test]
fn a_loopback_port_serves_metrics_and_nothing_else() {
    let (daemon, address) = serving();
    let get = |path: &str| ask(address, &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n"));
    let metrics = text(&get("/metrics"));
    assert!(metrics.contains("\nprocess_resident_memory_bytes "), "{metrics}");
    for path in ["/", "/v1/status", "/v1/metrics", "/metrics/", "/openapi.json"] {
        assert_eq!(get(path).status, 404, "{path}");
    }
    let post = format!("POST /metrics HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n");
    let refused = ask(address, &post);
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header("allow"), Some("GET,HEAD"));
    assert_eq!(ask(address, "nonsense\r\n\r\n").status, 400);
    // Two requests at once get one answer: a connection is good for one.
    let one = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let once = ask(address, &format!("{one}{one}"));
    assert_eq!(once.header("connection"), Some("close"));
    assert_eq!(String::from_utf8(once.body).unwrap().matches("HELP martlet_build_info").count(), 1);
    // A page whose name was made to resolve to this machine.
    let rebound = ask(address, "GET /metrics HTTP/1.1\r\nhost: evil.example:9464\r\n\r\n");
    assert_eq!(rebound.status, 403);
    drop(daemon);
}

#[test]
fn slow_clients_are_let_go_and_bar_nobody_for_long() {
    let (_daemon, address) = serving();
    let mut slow: Vec<TcpStream> = (0..METRICS_CONNECTIONS_MAX)
        .map(|_| {
            let mut stream = connect(address);
            stream.write_all(b"GET /metrics HTTP/1.1\r\nx: ").unwrap();
            stream
        })
        .collect();
    // Waits until the slow ones are gone.
    let get = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\n\r\n");
    text(&ask(address, &get));
    for stream in &mut slow {
        let mut answer = Vec::new();
        // Closed, or reset because it was still sending.
        stream.read_to_end(&mut answer).unwrap_or_default();
        assert_eq!(answer, b"");
    }
}

#[test]
fn only_a_loopback_address_is_taken_and_a_taken_port_is_named() {
    for address in ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464", "localhost:9464"] {
        let refused = command().args(["--metrics-listen", address]).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let error = String::from_utf8(refused.stderr).unwrap();
        assert!(error.contains("127.0.0.1:9464"), "{error}");
    }
    let (_daemon, address) = serving();
    let home = tempfile::tempdir().unwrap();
    let taken = address.to_string();
    let mut second = crate::daemon::spawn(home.path(), &["--metrics-listen", &taken]);
    assert_eq!(crate::daemon::wait(&mut second).code(), Some(1));
    let log = std::fs::read_to_string(home.path().join("log")).unwrap();
    assert!(log.contains(&taken) && log.contains("metrics_listen"), "{log}");
}

/// Waits for a state that the engine sets once a second.
#[test]
fn the_vaults_state_is_told() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let body = serde_json::json!({ "name": "ann", "passphrase": null });
    assert_eq!(client.call("POST", "/v1/identity", &body).status, 201);
    until(|| text(&client.get("/v1/metrics")).contains("\nmartlet_vault_unlocked 1\n"));
    let metrics = text(&client.get("/v1/metrics"));
    let commits = "martlet_commit_duration_seconds_count{database=\"vault\"} ";
    let commits = metrics.lines().find_map(|line| line.strip_prefix(commits)).unwrap();
    assert!(commits.parse::<u64>().unwrap() > 0, "{metrics}");
}
