//! The scripts in `packaging/examples` do what they say. They need `jq`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};

use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Seen};
use crate::run::{Ran, finish, wait_until};

/// Whether what the scripts need is there; says so if not.
fn can_run() -> bool {
    let has_jq = Command::new("jq").arg("--version").output().is_ok();
    if !has_jq {
        println!("skipped: there is no jq");
    }
    has_jq
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/examples").join(name)
}

/// The script, not yet run, with `martletctl` and what is in `programs` first in its PATH.
fn command(name: &str, args: &[&str], fake: &Fake, programs: Option<&Path>) -> Command {
    let own = Path::new(env!("CARGO_BIN_EXE_martletctl")).parent().unwrap();
    let mut paths = vec![own.to_owned()];
    paths.extend(programs.map(Path::to_owned));
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let mut command = Command::new(script(name));
    command.args(args).env_clear().env("PATH", std::env::join_paths(paths).unwrap());
    command.env("MARTLET_SOCKET", fake.socket());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(name: &str, args: &[&str], fake: &Fake) -> Ran {
    finish(command(name, args, fake, None).spawn().unwrap())
}

fn message(id: &str, direction: &str, text: &str) -> Value {
    json!({"id": id, "conversation": "bob b", "direction": direction, "text": text, "sent_at": 1,
        "stored_at": 1, "state": "delivered"})
}

/// A daemon whose events are one own message and one received.
fn daemon_with_events() -> Fake {
    let event = |seq: u64, kind: &str, message: Value| {
        let event = json!({"seq": seq, "at": 1, "type": kind, "message": message});
        format!("id: {seq}\nevent: {kind}\ndata: {event}\n\n")
    };
    let events = [
        event(1, "message_queued", message("aa", "out", "mine")),
        event(2, "message_received", message("bb", "in", "-5 degrees\nand falling")),
    ];
    let open = Mutex::new(Vec::new());
    Fake::start(move |seen: &Seen| match seen.line().as_str() {
        "GET /v1/events?since=0" => {
            let (sender, receiver) = mpsc::channel();
            for event in &events {
                sender.send(event.clone()).unwrap();
            }
            open.lock().unwrap().push(sender);
            Answer::Stream(receiver)
        }
        "POST /v1/messages" => Answer::Json(json!({"id": "cc", "state": "queued"})),
        other => panic!("{other}"),
    })
}

/// `listen` with a script, against the daemon with events, until it ends.
fn listen(fake: &Fake, directory: &Path, name: &str, args: &[&str]) {
    let cursor = directory.join("cursor");
    fs::write(&cursor, "{\"seen\":0,\"open\":[]}").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_martletctl"));
    command.arg("--socket").arg(fake.socket()).args(["listen", "--cursor"]).arg(&cursor);
    command.arg("--exec").arg(script(name)).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait_until("both events", || {
        fs::read_to_string(&cursor).unwrap() == "{\"seen\":2,\"open\":[]}\n"
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_bot_answers_what_it_receives() {
    if !can_run() {
        return;
    }
    let (fake, directory) = (daemon_with_events(), tempfile::tempdir().unwrap());
    listen(&fake, directory.path(), "echo-bot", &[]);
    let sent: Vec<Value> = fake
        .seen()
        .iter()
        .filter(|seen| seen.line() == "POST /v1/messages")
        .map(|seen| serde_json::from_str(&seen.body).unwrap())
        .collect();
    assert_eq!(sent, [json!({"to": "bob b", "text": "-5 degrees\nand falling"})]);
}

#[test]
fn the_bridge_writes_what_it_receives_into_a_file() {
    if !can_run() {
        return;
    }
    let (fake, directory) = (daemon_with_events(), tempfile::tempdir().unwrap());
    let log = directory.path().join("messages.log");
    listen(&fake, directory.path(), "log-bridge", &[log.to_str().unwrap()]);
    let written = fs::read_to_string(&log).unwrap();
    let line: Value = serde_json::from_str(&written).unwrap();
    let expected = json!({"id": "bb", "sent_at": 1, "conversation": "bob b",
        "text": "-5 degrees\nand falling"});
    assert_eq!(line, expected);
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o077, 0);
    assert!(fake.seen().iter().all(|seen| seen.line() != "POST /v1/messages"));
}

#[test]
fn received_messages_are_shown_on_the_desktop() {
    if !can_run() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let shown = directory.path().join("shown");
    let notify = directory.path().join("notify-send");
    fs::write(&notify, format!("#!/bin/sh\nprintf '%s|' \"$@\" >>{}\n", shown.display())).unwrap();
    fs::set_permissions(&notify, fs::Permissions::from_mode(0o755)).unwrap();
    let fake = Fake::start(|_| Answer::Empty(204));
    let mut command = command("notify", &[], &fake, Some(directory.path()));
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let given = json!({"title": "bob b", "body": "-5 degrees\nand falling"}).to_string();
    child.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let ran = finish(child);
    assert_eq!(ran.code, 0, "{ran:?}");
    let expected = "--app-name|Martlet|--|bob b|-5 degrees\nand falling|";
    assert_eq!(fs::read_to_string(&shown).unwrap(), expected);
}

#[test]
fn a_command_that_fails_is_reported_and_one_that_does_not_is_not() {
    let fake = Fake::start(|_| Answer::Json(json!({"id": "cc", "state": "queued"})));
    let ran = run("report-failure", &["ann", "sh", "-c", "echo one; echo two >&2; exit 3"], &fake);
    assert_eq!(ran.code, 3, "{ran:?}");
    let body: Value = serde_json::from_str(&fake.seen()[0].body).unwrap();
    let text = body["text"].as_str().unwrap();
    assert!(
        body["to"] == "ann" && text.contains("ended with 3") && text.ends_with("one\ntwo"),
        "{text}"
    );
    assert_eq!(run("report-failure", &["ann", "true"], &fake).code, 0);
    assert_eq!(fake.lines().len(), 1);
}

#[test]
fn unread_messages_are_counted() {
    if !can_run() {
        return;
    }
    let conversation = |unread: u64| json!({"name": "bob", "unread": unread, "messages": []});
    let all = json!({"conversations": [conversation(2), conversation(3)], "requests": 0});
    let fake = Fake::start(move |_| Answer::Json(all.clone()));
    assert_eq!(run("unread-count", &[], &fake).out, "5\n");
    let fake = Fake::start(|_| Answer::Json(json!({"conversations": [], "requests": 0})));
    assert_eq!(run("unread-count", &[], &fake).out, "0\n");
    let fake = Fake::start(|_| {
        Answer::Problem(martlet_protocol::control::ErrorCode::Locked, "the vault is locked")
    });
    assert_eq!(run("unread-count", &[], &fake).out, "");
}

#[test]
fn a_conversation_is_written_whole_and_in_order() {
    if !can_run() {
        return;
    }
    let fake = Fake::start(|seen| {
        let (messages, more) = match seen.path.as_str() {
            "/v1/conversations/bob%20b/messages?limit=500" => (["c3", "d4"], true),
            "/v1/conversations/bob%20b/messages?limit=500&before=c3" => (["a1", "b2"], false),
            other => panic!("{other}"),
        };
        let messages = messages.map(|id| message(id, "in", "x"));
        Answer::Json(json!({"messages": messages, "more": more}))
    });
    let ran = run("export-history", &["bob b"], &fake);
    let ids: Vec<String> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, ["a1", "b2", "c3", "d4"], "{ran:?}");
}
