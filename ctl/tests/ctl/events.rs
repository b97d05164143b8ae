//! `watch`: events, one line each, across restarts of the daemon.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use martlet_protocol::control::ErrorCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Seen};
use crate::run::{command, finish, run, wait_until};

/// An event as the daemon writes it.
pub(crate) fn event(seq: u64, mut body: Value) -> String {
    body["seq"] = json!(seq);
    body["at"] = json!(1_000_000_000_000_u64 + seq * 1000);
    let name = body["type"].as_str().unwrap();
    format!("id: {seq}\nevent: {name}\ndata: {body}\n\n")
}

fn reachable(seq: u64) -> String {
    event(seq, json!({"type": "contact_reachable", "name": format!("n{seq}")}))
}

/// Answers the next event streams by these, in order.
pub(crate) fn streams(streams: Vec<Receiver<String>>) -> impl Fn(&Seen) -> Answer + Send + Sync {
    let streams = Mutex::new(streams.into_iter());
    move |_| match streams.lock().unwrap().next() {
        Some(stream) => Answer::Stream(stream),
        None => Answer::Problem(ErrorCode::Stopping, "no more"),
    }
}

/// A stream with these chunks in it, which stays open while the sender lives.
fn stream(chunks: &[String]) -> (Sender<String>, Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    chunks.iter().for_each(|chunk| sender.send(chunk.clone()).unwrap());
    (sender, receiver)
}

struct Watching {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(fake: &Fake, args: &[&str]) -> Self {
        let mut child = command(fake.socket(), args).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// Ctrl-C; gives the exit code and what was on standard error.
    fn interrupt(self) -> (i32, String) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let ran = finish(self.child);
        (ran.code, ran.err)
    }
}

#[test]
fn events_are_lines_whatever_the_chunks() {
    let text = reachable(1) + ": keep-alive\n\n" + &reachable(2) + &reachable(3);
    let chunks: Vec<String> = text.chars().map(String::from).collect();
    let (_open, receiver) = stream(&chunks);
    let fake = Fake::start(streams(vec![receiver]));
    let mut watching = Watching::start(&fake, &["watch", "--since", "0"]);
    assert_eq!(watching.line(), "1  01:46:41  found the keys of n1");
    assert_eq!(watching.line(), "2  01:46:42  found the keys of n2");
    assert_eq!(watching.line(), "3  01:46:43  found the keys of n3");
    assert_eq!(watching.interrupt(), (0, String::new()));
    assert_eq!(fake.lines(), ["GET /v1/events?since=0"]);
    assert_eq!(fake.seen()[0].headers["accept"], "text/event-stream");
}

#[test]
fn data_in_several_lines_is_one_event() {
    let chunk = "id: 5\r\ndata: {\"seq\":5,\r\ndata: \"at\":0,\"type\":\"contact_removed\",\r\ndata: \"name\":\"x\"}\r\n\r\n";
    let (_open, receiver) = stream(&[chunk.to_owned()]);
    let fake = Fake::start(streams(vec![receiver]));
    let mut watching = Watching::start(&fake, &["--json", "watch"]);
    let shown: Value = serde_json::from_str(&watching.line()).unwrap();
    assert_eq!(shown, json!({"seq": 5, "at": 0, "type": "contact_removed", "name": "x"}));
    assert_eq!(watching.interrupt(), (0, String::new()));
    assert_eq!(fake.lines(), ["GET /v1/events"]);
}

#[test]
fn after_a_restart_events_go_on_after_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    let (_open, receiver) = stream(&[reachable(8)]);
    let fake = Fake::start_at(&socket, streams(vec![receiver]));
    let mut watching = Watching::start(&fake, &["watch"]);
    assert!(watching.line().ends_with("n8"));
    drop(fake);
    let (_open, receiver) = stream(&[reachable(9), reachable(10)]);
    let fake = Fake::start_at(&socket, streams(vec![receiver]));
    assert!(watching.line().ends_with("n9"));
    assert!(watching.line().ends_with("n10"));
    let seen = fake.seen();
    assert_eq!(seen[0].line(), "GET /v1/events");
    assert_eq!(seen[0].headers["last-event-id"], "8");
    let (code, err) = watching.interrupt();
    assert_eq!(code, 0);
    assert!(err.contains("waiting") && err.contains("back"), "{err}");
}

/// A watch that had seen no event yet began anew after a restart, and missed what happened
/// between. The daemon tells the start of a stream by a number without an event.
#[test]
fn a_restart_before_the_first_event_loses_nothing() {
    let (first, receiver) = stream(&["id: 41\n\n".to_owned()]);
    let (_open, second) = stream(&[reachable(42)]);
    let fake = Fake::start(streams(vec![receiver, second]));
    let mut watching = Watching::start(&fake, &["watch"]);
    wait_until("the first stream", || !fake.lines().is_empty());
    drop(first);
    assert!(watching.line().ends_with("n42"));
    assert_eq!(fake.seen()[1].headers["last-event-id"], "41");
    assert_eq!(watching.interrupt().0, 0);
}

#[test]
fn a_gap_in_the_numbers_is_told() {
    let (_open, receiver) = stream(&[reachable(3), reachable(7)]);
    let fake = Fake::start(streams(vec![receiver]));
    let mut watching = Watching::start(&fake, &["watch", "--since", "2"]);
    assert!(watching.line().ends_with("n3"));
    assert!(watching.line().ends_with("n7"));
    assert_eq!(
        watching.interrupt(),
        (0, "3 events before this one are no longer kept.\n".to_owned())
    );
}

#[test]
fn an_event_of_an_unknown_kind_is_told_and_passed_over() {
    let unknown = "id: 2\nevent: moon_landed\ndata: {\"type\":\"moon_landed\"}\n\n".to_owned();
    let (_open, receiver) = stream(&[reachable(1), unknown, reachable(3)]);
    let fake = Fake::start(streams(vec![receiver]));
    let mut watching = Watching::start(&fake, &["watch"]);
    assert!(watching.line().ends_with("n1"));
    assert!(watching.line().ends_with("n3"));
    let (code, err) = watching.interrupt();
    assert_eq!(code, 0);
    assert!(err.contains("event 2 (moon_landed)") && !err.contains("no longer kept"), "{err}");
}

#[test]
fn a_locked_vault_is_waited_for_once_the_watch_has_begun() {
    let fake = Fake::start(|_| Answer::Problem(ErrorCode::Locked, "locked"));
    assert_eq!(run(fake.socket(), &["watch"]).code, 4);

    let (first, receiver) = stream(&[reachable(1)]);
    let (_open, second) = stream(&[reachable(2)]);
    let answers = Mutex::new(
        vec![
            Answer::Stream(receiver),
            Answer::Problem(ErrorCode::Locked, "locked"),
            Answer::Problem(ErrorCode::Locked, "locked"),
            Answer::Stream(second),
        ]
        .into_iter(),
    );
    let fake = Fake::start(move |_| {
        let next = answers.lock().unwrap().next();
        next.unwrap_or(Answer::Problem(ErrorCode::Stopping, "no more"))
    });
    let mut watching = Watching::start(&fake, &["watch"]);
    assert!(watching.line().ends_with("n1"));
    drop(first);
    assert!(watching.line().ends_with("n2"));
    let (code, err) = watching.interrupt();
    assert_eq!(code, 0);
    assert_eq!(err.matches("locked").count(), 1, "{err}");
}

#[test]
fn a_reader_that_goes_away_ends_the_watch_quietly() {
    let (open, receiver) = stream(&[reachable(1)]);
    let fake = Fake::start(streams(vec![receiver]));
    let mut watching = Watching::start(&fake, &["watch"]);
    assert!(watching.line().ends_with("n1"));
    drop(watching.lines);
    // A process that another test begins at this moment has our end of the pipe too, until it is its own
    // program: what is written meanwhile goes nowhere, and is no error. So there is more to write.
    thread::spawn(move || {
        for seq in 2.. {
            if open.send(reachable(seq)).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
    let ran = finish(watching.child);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}
