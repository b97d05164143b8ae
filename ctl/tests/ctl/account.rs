//! `account`: what is written, and that nothing is where it was not whole.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Seen};
use crate::run::{command, finish, run, wait_until};

fn message(number: u64, direction: &str, text: &str) -> Value {
    json!({"type": "message", "message": {
        "id": format!("{number:032x}"), "conversation": "bob", "direction": direction, "text": text,
        "sent_at": 1_793_500_000_000u64 + number, "stored_at": 1_793_500_000_000u64 + number, "state": "read",
    }})
}

fn head() -> Vec<Value> {
    vec![
        json!({"type": "export", "format": 1, "at": 1_793_500_000_000u64, "program": "martletd 0.1.0"}),
        json!({"type": "account", "id": "martlet1alice",
            "settings": {"receipts": false, "typing": false, "snippets": true},
            "profile": {"shared": false, "told": 0}}),
    ]
}

fn contact(name: &str) -> Value {
    json!({"type": "contact",
        "contact": {"name": name, "id": "martlet1bob", "added_at": 1, "devices": 1, "unread": 0},
        "settings": {"muted": false, "pinned": false, "receipts": "default", "typing": "default"},
        "timers": {}})
}

fn end(lines: usize, messages: u64) -> Value {
    json!({"type": "end", "lines": lines, "messages": messages, "unreadable": 0})
}

/// A daemon that answers with these lines, in two pieces that end anywhere.
fn exporting(lines: &[Value]) -> Fake {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Fake::start(move |seen: &Seen| {
        assert_eq!(seen.line(), "GET /v1/account/export");
        let (sender, chunks) = mpsc::channel();
        let (one, two) = text.split_at(text.len() / 3);
        sender.send(one.to_owned()).unwrap();
        sender.send(two.to_owned()).unwrap();
        Answer::Stream(chunks)
    })
}

fn small() -> Vec<Value> {
    let mut lines = head();
    lines.push(contact("bob & co."));
    lines.push(message(1, "in", "hello\u{202e}\u{1b}[2J"));
    lines.push(json!({"type": "lost", "conversation": "bob", "before": "2", "count": 3}));
    lines.push(message(2, "out", "hello, too"));
    lines.push(contact("carol"));
    lines.push(message(3, "note", "milk"));
    lines.push(end(lines.len(), 3));
    lines
}

fn lines_of(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_export_is_files_that_say_what_they_are() {
    let lines = small();
    let fake = exporting(&lines);
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("deep/export");
    let ran = run(fake.socket(), &["account", "export", to.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("3 messages, 6 files in"), "{}", ran.out);
    assert_eq!(names(to.parent().unwrap()), ["export"]);
    assert_eq!(names(&to), ["README.txt", "account.jsonl", "conversations", "schema.json"]);
    let conversations = to.join("conversations");
    assert_eq!(names(&conversations), ["0001-bob___co_.jsonl", "0002-carol.jsonl", "notes.jsonl"]);
    // Each line once, in order, where it belongs.
    let account = lines_of(&to.join("account.jsonl"));
    let of_account = [&lines[0], &lines[1], &lines[2], &lines[6], &lines[8]];
    assert_eq!(account.iter().collect::<Vec<_>>(), of_account);
    assert_eq!(lines_of(&conversations.join("0001-bob___co_.jsonl")), lines[3..6]);
    assert!(lines_of(&conversations.join("0002-carol.jsonl")).is_empty());
    assert_eq!(lines_of(&conversations.join("notes.jsonl")), [lines[7].clone()]);
    // Nothing in it does anything to a terminal.
    let text = fs::read_to_string(conversations.join("0001-bob___co_.jsonl")).unwrap();
    assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'), "{text}");
    // For the user alone.
    for directory in [&to, &conversations] {
        assert_eq!(fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
        for name in names(directory) {
            let path = directory.join(name);
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                wanted,
                "{path:?}"
            );
        }
    }
    // The schema has every type of line.
    let schema = fs::read_to_string(to.join("schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["$ref"], "#/components/schemas/ExportLine");
    let types = schema["components"]["schemas"]["ExportLine"].to_string();
    let readme = fs::read_to_string(to.join("README.txt")).unwrap();
    for kind in ["export", "account", "blocked", "request", "request_message", "contact", "message"]
    {
        assert!(types.contains(&format!("\"{kind}\"")), "{kind}: {types}");
        assert!(readme.contains(&format!("\n{kind} ")), "{kind}");
    }
    assert!(schema["components"]["schemas"]["Message"].is_object(), "{schema}");
}

#[test]
fn one_stream_has_the_same_lines() {
    let lines = small();
    let fake = exporting(&lines);
    let ran = run(fake.socket(), &["account", "export", "-"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let found: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found, lines);
    assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
}

#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let fake = exporting(&small());
    let place = tempfile::tempdir().unwrap();
    let (full, empty) = (place.path().join("full"), place.path().join("empty"));
    fs::create_dir(&full).unwrap();
    fs::write(full.join("mine"), "mine").unwrap();
    fs::create_dir(&empty).unwrap();
    let ran = run(fake.socket(), &["account", "export", full.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("is not empty"), "{}", ran.err);
    assert!(fake.lines().is_empty(), "the daemon was asked");
    let file = full.join("mine");
    let ran = run(fake.socket(), &["account", "export", file.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_eq!(
        (names(&full), fs::read_to_string(&file).unwrap()),
        (vec!["mine".into()], "mine".into())
    );
    let ran = run(fake.socket(), &["account", "export", empty.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&answer["messages"], &answer["files"]), (&json!(3), &json!(6)));
    assert!(names(&empty).contains(&"account.jsonl".to_owned()));
    assert_eq!(names(place.path()), ["empty", "full"]);
}

/// The vault was locked, say, or the daemon stopped.
#[test]
fn what_ends_early_leaves_nothing() {
    let mut lines = small();
    lines.pop();
    let fake = exporting(&lines);
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("export");
    let ran = run(fake.socket(), &["account", "export", to.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.err.contains("before its last line"), "{}", ran.err);
    assert!(names(place.path()).is_empty(), "{:?}", names(place.path()));
    let ran = run(fake.socket(), &["account", "export", "-"]);
    assert_eq!(ran.code, 1);
}

/// Ctrl-C takes away what was written; what a kill leaves is no export, and the next one takes its place.
#[test]
fn what_is_interrupted_is_no_export() {
    let text: String = small().iter().take(4).map(|line| format!("{line}\n")).collect();
    let (hold, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(Some(held));
    let fake = Fake::start(move |_: &Seen| {
        let (sender, chunks) = mpsc::channel();
        sender.send(text.clone()).unwrap();
        if let Some(held) = held.lock().unwrap().take() {
            thread::spawn(move || (held.recv(), drop(sender)));
        } else {
            std::mem::forget(sender);
        }
        Answer::Stream(chunks)
    });
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("export");
    let unfinished = place.path().join(".export.martlet-export");
    let start = || command(fake.socket(), &["account", "export", to.to_str().unwrap()]).spawn();
    let is_begun = || unfinished.join("conversations/0001-bob___co_.jsonl").exists();

    let mut child = start().unwrap();
    wait_until("the export is begun", is_begun);
    // Another one does not take it for what is left of one.
    let ran = run(fake.socket(), &["account", "export", to.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("another export"), "{}", ran.err);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(place.path()), [".export.martlet-export"]);
    drop(hold);

    // So that it shows when the next one has begun.
    fs::remove_dir_all(&unfinished).unwrap();
    let child = start().unwrap();
    wait_until("the export is begun", is_begun);
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(finish(child).code, 130);
    assert!(names(place.path()).is_empty(), "{:?}", names(place.path()));

    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("README.txt"), "left of a crash").unwrap();
    let fake = exporting(&small());
    let ran = run(fake.socket(), &["account", "export", to.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(names(place.path()), ["export"]);
}

/// 200 MB of messages go through a process that may not have so much memory.
#[test]
fn messages_are_not_held_in_memory() {
    let fake = Fake::start(move |_: &Seen| {
        let (sender, chunks) = mpsc::sync_channel(4);
        thread::spawn(move || {
            let head: String =
                head().iter().chain([&contact("bob")]).map(|line| format!("{line}\n")).collect();
            let text = "all work and no play ".repeat(700);
            let mut sent = sender.send(head).is_ok();
            for number in 0..13_000 {
                sent = sent && sender.send(format!("{}\n", message(number, "in", &text))).is_ok();
            }
            let _ = sender.send(format!("{}\n", end(13_003, 13_000)));
        });
        Answer::Stream(chunks)
    });
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("export");
    let mut limited = Command::new("sh");
    limited.env_clear().args(["-c", "ulimit -v 120000; exec \"$@\"", "sh"]);
    limited.arg(env!("CARGO_BIN_EXE_martletctl")).arg("--socket").arg(fake.socket());
    limited.args(["account", "export"]).arg(&to);
    limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ran = finish(limited.spawn().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let written = fs::metadata(to.join("conversations/0001-bob.jsonl")).unwrap().len();
    assert!(written > 180_000_000, "{written}");
}

#[test]
fn erasing_wants_the_words() {
    let fake = Fake::start(|seen: &Seen| match seen.line().as_str() {
        "GET /v1/status" => Answer::Json(serde_json::from_str(STATUS).unwrap()),
        "POST /v1/account/erase" => Answer::Json(json!({"copies": ["vault.redb.bak"]})),
        other => panic!("{other}"),
    });
    for args in [&["account", "erase"][..], &["account", "erase", "--yes", "yes"]] {
        let ran = run(fake.socket(), args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert!(ran.err.contains("erase this account"), "{}", ran.err);
    }
    assert!(!fake.lines().contains(&"POST /v1/account/erase".to_owned()));
    let ran = run(fake.socket(), &["account", "erase", "--yes", "erase this account"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for said in ["no user any more", "not terminated", "vault.redb.bak"] {
        assert!(ran.out.contains(said), "{said}: {}", ran.out);
    }
    let sent = fake.seen().pop().unwrap();
    assert_eq!(sent.body, "{\"confirm\":\"erase this account\"}");
}

const STATUS: &str = r#"{"version": "0.1.0", "pid": 1, "lock": "locked", "network": "lan", "closed": false,
    "peer_id": "x", "listen": [], "peers_connected": 0, "mailbox": {"envelopes": 0, "bytes": 0, "bytes_max": 1},
    "warnings": []}"#;

/// Where there is no passphrase that could be asked for, nothing is shown by accident.
#[test]
fn the_phrases_are_shown_once_more() {
    let words = "abandon ability able ".repeat(8);
    let made =
        json!({"id": "martlet1x", "recovery_phrase": words.trim(), "kill_phrase": "zoo zone"});
    let answer = move |passphrase: bool| {
        let made = made.clone();
        Fake::start(move |seen: &Seen| match seen.path.as_str() {
            "/v1/status" => Answer::Json(json!({"version": "0", "pid": 1, "lock": "unlocked",
                "passphrase": passphrase, "network": "lan", "peer_id": "x", "listen": [],
                "peers_connected": 0, "warnings": [],
                "mailbox": {"envelopes": 0, "bytes": 0, "bytes_max": 0}})),
            _ => Answer::Json(made.clone()),
        })
    };
    let fake = answer(false);
    let ran = run(fake.socket(), &["account", "phrase"]);
    assert!(ran.code == 2 && ran.err.contains("give --yes to do it"), "{ran:?}");
    assert_eq!(fake.lines(), ["GET /v1/status"]);
    let ran = run(fake.socket(), &["account", "phrase", "--yes"]);
    for says in ["martlet1x", "abandon ability able abandon", "zoo zone", "▄"] {
        assert!(ran.out.contains(says), "{says}: {ran:?}");
    }
    assert_eq!(fake.seen()[2].body, "{\"passphrase\":null}");
    // --yes stands in for the words, and for no passphrase.
    let fake = answer(true);
    let ran = run(fake.socket(), &["account", "phrase", "--yes"]);
    assert!(ran.code == 2 && ran.err.contains("--passphrase-file"), "{ran:?}");
    assert_eq!(fake.lines(), ["GET /v1/status"]);
}

#[test]
fn the_root_is_locked_by_the_last_words_and_the_shred_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("last");
    fs::write(&file, "one two three four\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let shred = |running| json!({"running": running, "waiting": 0, "keys": 1024, "resealed": 7});
    let fake = Fake::start(move |seen: &Seen| Answer::Json(shred(seen.method == "POST")));
    let lock = ["account", "lock-root", "--last-words-file", file.to_str().unwrap()];
    let ran = run(fake.socket(), &lock);
    assert!(ran.code == 0 && ran.out.starts_with("Done: the root"), "{ran:?}");
    assert_eq!(fake.lines(), ["POST /v1/account/lock-root", "GET /v1/shred"]);
    assert_eq!(fake.seen()[0].body, "{\"last_words\":\"one two three four\"}");
    let ran = run(fake.socket(), &lock[..2]);
    assert!(ran.code == 2 && ran.err.contains("--last-words-file"), "{ran:?}");
    assert_eq!(fake.lines().len(), 2);
}
