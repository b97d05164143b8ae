//! Room for connections: no process takes that of the others, and nobody is waited for who sends or reads nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use martlet_protocol::control::ErrorCode;
use martletd::limits::{
    CONTROL_CONNECTIONS_MAX, CONTROL_CONNECTIONS_OF_PROCESS_MAX, CONTROL_STOP_MAX,
    FILE_TRANSFERS_MAX, FILE_TRANSFERS_OF_PROCESS_MAX,
};
use rustix::process::Signal;
use serde_json::json;

use crate::client::Client;
use crate::daemon::{Daemon, until};

/// Tells the test's own executable to be another client of this socket.
const SOCKET_VARIABLE: &str = "MARTLET_TEST_OTHER_PROCESS_SOCKET";
/// To whom it sends files, if to anyone.
const CONTACT_VARIABLE: &str = "MARTLET_TEST_OTHER_PROCESS_CONTACT";
/// The head of a request whose body is still to come.
const HEAD: &str = "content-type: application/json\r\ncontent-length: 30\r\n";

/// Another process, which holds all the connections that it may have until this is dropped.
struct OtherProcess(Child);

impl OtherProcess {
    /// Starts it; returns how many connections it has got, too.
    fn start(socket: &Path) -> (Self, usize) {
        Self::start_with(socket, "")
    }

    /// One that sends files to this contact instead; returns how many at a time.
    fn start_with(socket: &Path, contact: &str) -> (Self, usize) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["room::as_another_process", "--exact", "--nocapture"])
            .env(SOCKET_VARIABLE, socket)
            .env(CONTACT_VARIABLE, contact)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut counts = lines.map_while(Result::ok).filter_map(|line| line.parse().ok());
        let count = counts.next().unwrap();
        (Self(child), count)
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does nothing but in the processes that the tests start.
#[test]
fn as_another_process() {
    let Some(socket) = std::env::var_os(SOCKET_VARIABLE) else { return };
    let contact = std::env::var(CONTACT_VARIABLE).unwrap_or_default();
    let held = match contact.is_empty() {
        true => hold(socket.as_ref()),
        false => hold_uploads(socket.as_ref(), &contact).0,
    };
    println!("\n{}", held.len());
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}

/// As many answered connections as there is room for.
fn hold(socket: &Path) -> Vec<Client> {
    let connect = |_| {
        let mut client = Client::connect(socket).ok()?;
        (client.try_get("/v1/status")? == 200).then_some(client)
    };
    (0..CONTROL_CONNECTIONS_MAX).map_while(connect).collect()
}

/// Begins to send a file of a MiB; returns the status: 100 if it is being read.
fn begin_upload(socket: &Path, contact: &str) -> (u16, Client) {
    let mut client = Client::connect(socket).unwrap();
    let headers = "content-length: 1048576\r\nexpect: 100-continue\r\n";
    client.send_head("POST", &format!("/v1/files?to={contact}&name=film"), headers);
    (client.response_head().unwrap().0, client)
}

/// As many files being sent as there is room for, and what the next one is told.
fn hold_uploads(socket: &Path, contact: &str) -> (Vec<Client>, u16) {
    let mut held = Vec::new();
    loop {
        match begin_upload(socket, contact) {
            (100, client) => held.push(client),
            (refused, _) => return (held, refused),
        }
    }
}

/// All the connections that a process may have. Those of before may take a moment to end.
fn hold_share(socket: &Path) -> Vec<Client> {
    let mut held = Vec::new();
    until(|| {
        held.extend(hold(socket));
        held.len() >= CONTROL_CONNECTIONS_OF_PROCESS_MAX
    });
    held
}

#[test]
fn a_process_has_at_most_its_share_of_the_connections_and_all_together_have_theirs() {
    let daemon = Daemon::start();
    let held = hold_share(&daemon.socket());
    assert_eq!(held.len(), CONTROL_CONNECTIONS_OF_PROCESS_MAX);
    let mut client = daemon.connect();
    let refused = client.response().unwrap();
    assert_eq!(refused.code(), ErrorCode::LimitReached);
    assert!(refused.problem().detail.starts_with("this process has"), "{refused:?}");
    assert!(client.is_closed());

    let (first, count) = OtherProcess::start(&daemon.socket());
    assert_eq!(count, CONTROL_CONNECTIONS_MAX - CONTROL_CONNECTIONS_OF_PROCESS_MAX);
    let (_second, count) = OtherProcess::start(&daemon.socket());
    assert_eq!(count, 0);

    drop((held, first));
    until(|| daemon.connect().try_get("/v1/status") == Some(200));
}

/// 256 requests whose body never ended kept everyone else out (429) until their client closed them.
#[test]
fn bodies_that_never_end_keep_nobody_else_out_and_are_not_waited_for() {
    let daemon = Daemon::start();
    let mut never_ending = hold_share(&daemon.socket());
    for (at, client) in never_ending.iter_mut().enumerate() {
        // By those who ask for a body, and by those who don't.
        let path = ["/v1/messages", "/v1/identity/reset", "/v1/nothing"][at % 3];
        client.send_head("POST", path, HEAD);
        client.send(b"{");
    }
    let (other, count) = OtherProcess::start(&daemon.socket());
    assert_eq!(count, CONTROL_CONNECTIONS_MAX - CONTROL_CONNECTIONS_OF_PROCESS_MAX);
    drop(other);
    for client in &mut never_ending {
        assert_eq!(client.response().unwrap().code(), ErrorCode::RequestTimeout);
        assert!(client.is_closed());
    }
    until(|| daemon.connect().try_get("/v1/status") == Some(200));
}

/// One client sent as many files at a time as it wanted, each with a thread of the daemon's.
#[test]
fn a_process_sends_at_most_its_share_of_files_at_a_time_and_leaves_room_for_others() {
    let (daemon, other) = (Daemon::start(), Daemon::start());
    let bob = other.connect().call("POST", "/v1/identity", &json!({}));
    let mut client = daemon.connect();
    assert_eq!(client.call("POST", "/v1/identity", &json!({})).status, 201);
    let bob = json!({ "id": bob.json()["id"], "name": "bob" });
    assert_eq!(client.call("POST", "/v1/contacts", &bob).status, 201);

    let (held, refused) = hold_uploads(&daemon.socket(), "bob");
    assert_eq!((held.len(), refused), (FILE_TRANSFERS_OF_PROCESS_MAX, 429));
    let small = client.call_raw("POST", "/v1/files?to=bob&name=x", "text/plain", b"small");
    assert_eq!(small.status, 201, "it needs no thread");
    let rest = FILE_TRANSFERS_MAX - FILE_TRANSFERS_OF_PROCESS_MAX;
    let (second, count) = OtherProcess::start_with(&daemon.socket(), "bob");
    assert_eq!(count, rest);

    drop((held, second));
    until(|| begin_upload(&daemon.socket(), "bob").0 == 100);
}

/// Streams of events that nobody read, bodies that didn't end and pings made a stop take five seconds.
#[test]
fn a_stop_waits_for_nobody_who_neither_reads_nor_sends() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    assert_eq!(client.call("POST", "/v1/identity", &json!({ "name": "Ann" })).status, 201);
    let text = "x".repeat(16_384);
    // More than the system holds for a reader, several times.
    for _ in 0..100 {
        assert_eq!(client.call("POST", "/v1/notes", &json!({ "text": text })).status, 201);
    }
    let mut unread: Vec<_> = (0..3).map(|_| daemon.connect()).collect();
    for follower in &mut unread {
        follower.follow("/v1/events?since=0", "");
    }
    let mut never_ending = daemon.connect();
    never_ending.send_head("POST", "/v1/messages", HEAD);
    // Whoever reads gets all of the answer, though the daemon stops.
    let mut slow = daemon.connect();
    slow.send_head("GET", "/v1/notes?limit=100", "");
    let (status, headers) = slow.response_head().unwrap();
    assert_eq!(status, 200);

    let begun = Instant::now();
    daemon.signal(Signal::TERM);
    let length = headers.iter().find(|(name, _)| name == "content-length").unwrap();
    let history = slow.read_slowly(length.1.parse().unwrap(), Duration::from_millis(10));
    let history: serde_json::Value = serde_json::from_slice(&history).unwrap();
    assert_eq!(history["messages"].as_array().unwrap().len(), 100);
    assert_eq!(never_ending.response().unwrap().code(), ErrorCode::Stopping);
    let (status, _) = daemon.wait();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < CONTROL_STOP_MAX, "{:?}", begun.elapsed());
}
