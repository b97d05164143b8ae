//! `chat --plain`: what it asks and prints, line by line.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use martlet_protocol::control::ErrorCode;
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Seen};
use crate::run::{DEADLINE, command, run_with_input, wait_until};

/// A chat with bob, and the daemon behind it.
struct Chat {
    fake: Fake,
    child: std::process::Child,
    input: ChildStdin,
    lines: Receiver<String>,
    events: Sender<String>,
    seq: u64,
}

fn message(id: &str, direction: &str, text: &str) -> Value {
    json!({"id": id.repeat(16), "conversation": "bob", "direction": direction, "text": text,
        "sent_at": 1_000_000_000_000_u64, "stored_at": 1_000_000_000_000_u64, "state": "delivered"})
}

impl Chat {
    /// Of which the newest page has these messages; if there are none, it never comes.
    fn start(page: Vec<Value>) -> Self {
        let (events, to_tell) = mpsc::channel();
        let to_tell = std::sync::Mutex::new(Some(to_tell));
        let fake = Fake::start(move |seen| answer(seen, &page, &to_tell));
        let mut child = command(fake.socket(), &["chat", "--plain", "bob"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        let input = child.stdin.take().unwrap();
        let chat = Self { fake, child, input, lines, events, seq: 0 };
        chat.wait_line("To bob:");
        chat
    }

    fn event(&mut self, mut body: Value) {
        self.seq += 1;
        (body["seq"], body["at"]) = (self.seq.into(), 1_000_000_000_000_u64.into());
        let kind = body["type"].as_str().unwrap().to_owned();
        self.events.send(format!("id: {}\nevent: {kind}\ndata: {body}\n\n", self.seq)).unwrap();
    }

    fn write(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn wait_line(&self, end: &str) {
        let mut all = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            if line.ends_with(end) {
                return;
            }
            all.push(line);
        }
        panic!("{end:?} did not come: {all:#?}");
    }

    /// Waits for a request; its body.
    fn wait_asked(&self, line: &str) -> Value {
        let find = || self.fake.seen().into_iter().rev().find(|seen| seen.line() == line);
        wait_until(line, || find().is_some());
        serde_json::from_str(&find().unwrap().body).unwrap_or_default()
    }

    /// Lets go of it; its exit code, and what it complained of.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.input);
        let mut complaints = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        (self.child.wait().unwrap().code(), complaints)
    }

    /// The texts that were to be sent, in order.
    fn sent(&self) -> Vec<String> {
        let seen = self.fake.seen().into_iter().filter(|seen| seen.line() == "POST /v1/messages");
        let body = |seen: Seen| serde_json::from_str::<Value>(&seen.body).unwrap();
        seen.map(|seen| body(seen)["text"].as_str().unwrap().to_owned()).collect()
    }

    fn quit(mut self) {
        self.write("/quit");
        assert!(self.child.wait().unwrap().success());
    }
}

type ToTell = std::sync::Mutex<Option<Receiver<String>>>;

fn answer(seen: &Seen, page: &[Value], to_tell: &ToTell) -> Answer {
    let (path, _) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
    let timers = json!({"expire_seconds": 3600});
    Answer::Json(match (seen.method.as_str(), path) {
        ("GET", "/v1/events") => match to_tell.lock().unwrap().take() {
            Some(events) => return Answer::Stream(events),
            None => return Answer::Empty(404),
        },
        ("GET", "/v1/contacts") => json!({"contacts": [{"name": "bob", "id": "martlet1bob",
            "added_at": 0, "devices": 1, "unread": 0, "blocked": false}]}),
        ("GET", "/v1/requests") => json!({"requests": []}),
        ("GET", "/v1/conversations") => json!({"conversations": []}),
        ("GET", "/v1/doctor") => json!({"findings": []}),
        ("GET", "/v1/conversations/bob/messages") if page.is_empty() => return Answer::Empty(404),
        ("GET", "/v1/conversations/bob/messages") => json!({"messages": page, "more": false}),
        ("GET" | "PATCH", "/v1/conversations/bob/timers") => timers,
        ("PATCH", "/v1/conversations/bob") => {
            json!({"muted": true, "pinned": false, "receipts": "default", "typing": "default"})
        }
        ("GET", "/v1/search") => json!({"results": [{"id": "aa".repeat(16), "conversation": "bob",
            "direction": "in", "sent_at": 1_000_000_000_000_u64,
            "stored_at": 1_000_000_000_000_u64, "before": "To the ", "found": "harbour",
            "after": "\n?"}], "more": false}),
        ("POST", "/v1/messages") if seen.body.contains("refused") => {
            return Answer::Problem(ErrorCode::ContactTerminated, "nobody is there any more");
        }
        ("POST", "/v1/messages") => json!({"id": "ee".repeat(16), "state": "queued"}),
        ("POST", path) if path.ends_with("/recall") && is_cut(page) => return Answer::Raw(b""),
        ("PATCH", _) => message("bb", "out", "edited"),
        ("POST", "/v1/contacts") => json!({"name": "Carol B.", "id": "martlet1carol",
            "added_at": 0, "devices": 0, "unread": 0, "blocked": false}),
        ("POST", _) => message("aa", "in", "x"),
        _ => return Answer::Empty(204),
    })
}

/// Whether the daemon ends as it is asked to recall something.
fn is_cut(page: &[Value]) -> bool {
    page.iter().any(|message| message["text"] == "cut")
}

/// Where the conversation's messages had not come yet, it said `delivered to bob:`, and not which message.
#[test]
fn what_is_delivered_is_named_whatever_is_loaded() {
    let mut chat = Chat::start(Vec::new());
    chat.write("Is the ferry late?");
    chat.wait_asked("POST /v1/messages");
    let queued = message("ee", "out", "Is the ferry late?");
    chat.event(json!({"type": "message_queued", "message": queued}));
    chat.event(json!({"type": "message_state", "id": "ee".repeat(16), "conversation": "bob",
        "state": "delivered"}));
    chat.wait_line("delivered to bob: Is the ferry late?");
    chat.quit();
}

#[test]
fn commands_are_about_the_last_messages() {
    let mut chat = Chat::start(vec![
        message("aa", "in", "first"),
        message("bb", "out", "mine"),
        message("cc", "in", "last"),
        message("dd", "out", "mine, too"),
    ]);
    chat.wait_line("mine, too");
    chat.write("/reply At noon");
    let asked = chat.wait_asked("POST /v1/messages");
    assert_eq!(asked, json!({"to": "bob", "text": "At noon", "reply_to": "cc".repeat(16)}));
    // The answer is the last one, though no event has told of it.
    chat.write("/edit 3 not mine");
    let asked = chat.wait_asked(&format!("PATCH /v1/messages/{}", "bb".repeat(16)));
    assert_eq!(asked, json!({"text": "not mine"}));
    chat.wait_line("Edited.");
    chat.write("/react 2 👍");
    let asked = chat.wait_asked(&format!("POST /v1/messages/{}/reaction", "aa".repeat(16)));
    assert_eq!(asked, json!({"emoji": "👍"}));
    chat.write("/react off");
    chat.wait_asked(&format!("DELETE /v1/messages/{}/reaction", "cc".repeat(16)));
    chat.write("/reply 9 too far back");
    chat.wait_line("There is no such message to answer.");
    // It was gone, and the exit code was 0.
    chat.write("/quit");
    let (code, complaints) = chat.end();
    assert!(code == Some(1) && complaints.contains("too far back"), "{code:?} {complaints}");
}

/// A reply that came before the history was answered with "no such message".
#[test]
fn a_reply_waits_for_the_history() {
    let mut chat = Chat::start(vec![message("aa", "in", "first")]);
    write!(chat.input, "/reply At noon\n/quit\n").unwrap();
    let asked = chat.wait_asked("POST /v1/messages");
    assert_eq!(asked, json!({"to": "bob", "text": "At noon", "reply_to": "aa".repeat(16)}));
    assert_eq!(chat.end().0, Some(0));
}

#[test]
fn conversations_are_set_searched_and_added() {
    let mut chat = Chat::start(vec![message("aa", "in", "first")]);
    chat.wait_line("first");
    chat.write("/timers 1h");
    let asked = chat.wait_asked("PATCH /v1/conversations/bob/timers");
    assert_eq!(asked, json!({"expire_seconds": 3600, "burn_seconds": "off"}));
    chat.wait_line("Messages with bob end after 1 h.");
    chat.write("/timers 1y");
    chat.wait_line("or off");
    chat.write("/mute");
    assert_eq!(chat.wait_asked("PATCH /v1/conversations/bob"), json!({"muted": true}));
    chat.wait_line("bob is muted and not pinned.");
    chat.write("/search harb");
    chat.wait_line("To the harbour ⏎ ?");
    chat.write("/add martlet1carol Carol B.");
    let asked = chat.wait_asked("POST /v1/contacts");
    assert_eq!(asked, json!({"id": "martlet1carol", "name": "Carol B."}));
    chat.wait_line("To Carol B.:");
    chat.quit();
}

/// A line before `/quit` was lost where the daemon had not taken the one before, and the exit code was 0.
#[test]
fn quit_waits_for_what_was_typed_before() {
    let mut chat = Chat::start(vec![message("aa", "in", "first")]);
    chat.wait_line("first");
    let lines: Vec<String> = (1..=6).map(|number| format!("line {number}")).collect();
    write!(chat.input, "{}\n/react off\n/quit\n", lines.join("\n")).unwrap();
    let status = chat.child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(chat.sent(), lines);
    let reacted = format!("DELETE /v1/messages/{}/reaction", "aa".repeat(16));
    assert!(chat.fake.seen().iter().any(|seen| seen.line() == reacted));
}

/// More than may wait were read at once, and what found no room was not sent.
#[test]
fn a_long_pipe_is_sent_whole() {
    let mut chat = Chat::start(vec![message("aa", "in", "first")]);
    let lines: Vec<String> = (1..=300).map(|number| format!("line {number}")).collect();
    write!(chat.input, "{}\n/quit\n", lines.join("\n")).unwrap();
    let status = chat.child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(chat.sent(), lines);
}

#[test]
fn what_is_refused_is_told_at_the_end() {
    let mut chat = Chat::start(vec![message("aa", "in", "first")]);
    write!(chat.input, "one\nrefused\ntwo\n/quit\n").unwrap();
    let sent = |chat: &Chat| chat.sent() == ["one", "refused", "two"];
    wait_until("all three", || sent(&chat));
    let (code, complaints) = chat.end();
    assert_eq!(code, Some(1), "{complaints}");
    assert!(complaints.contains("not sent, to bob: refused"), "{complaints}");
    assert!(complaints.contains("1 message was not sent"), "{complaints}");
    assert!(!complaints.contains("two"), "{complaints}");
}

#[test]
fn what_waits_for_a_daemon_that_does_not_come_back_is_told() {
    let mut chat = Chat::start(vec![message("aa", "in", "first")]);
    chat.wait_line("first");
    chat.fake = Fake::start(|_| Answer::Empty(404));
    chat.wait_line("What you type is kept.");
    write!(chat.input, "one\ntwo\n/quit\n").unwrap();
    let (code, complaints) = chat.end();
    assert_eq!(code, Some(1), "{complaints}");
    for line in ["not sent, to bob: one", "not sent, to bob: two", "2 messages were not sent"] {
        assert!(complaints.contains(line), "{complaints}");
    }
}

/// They were about the message before, if the daemon had not answered the last one yet.
#[test]
fn recall_and_edit_are_about_the_last_line_whether_it_is_answered_or_not() {
    let last = "ee".repeat(16);
    let recalled = format!("POST /v1/messages/{last}/recall");
    for (line, asked) in [
        ("/recall", recalled.clone()),
        ("/edit the right one", format!("PATCH /v1/messages/{last}")),
    ] {
        let mut chat =
            Chat::start(vec![message("aa", "in", "first"), message("dd", "out", "mine")]);
        write!(chat.input, "second one, wrong\n{line}\n/quit\n").unwrap();
        chat.wait_asked(&asked);
        assert_eq!(chat.end(), (Some(0), String::new()));
    }
}

/// The second was about the same message as the first.
#[test]
fn recall_twice_takes_back_two_messages() {
    let mut chat = Chat::start(vec![message("cc", "out", "one"), message("dd", "out", "two")]);
    write!(chat.input, "/recall\n/recall\n/quit\n").unwrap();
    for id in ["dd", "cc"] {
        chat.wait_asked(&format!("POST /v1/messages/{}/recall", id.repeat(16)));
    }
    assert_eq!(chat.end().0, Some(0));
}

impl Chat {
    /// The daemon goes away, for good.
    fn daemon_goes(&mut self) {
        self.fake = Fake::start(|_| Answer::Empty(404));
        self.wait_line("What you type is kept.");
    }
}

/// It was sent once the daemon was back, and the message before it was recalled.
#[test]
fn what_waits_for_the_daemon_can_be_taken_back_and_edited() {
    let mut chat = Chat::start(vec![message("dd", "out", "mine")]);
    chat.wait_line("mine");
    chat.daemon_goes();
    write!(chat.input, "wrong\n/edit still wrong\n/recall\n/quit\n").unwrap();
    chat.wait_line("Edited before it was sent.");
    chat.wait_line("Taken back before it was sent: still wrong");
    assert_eq!(chat.end(), (Some(0), String::new()));
}

/// They were lost without a word, and the exit code was 0.
#[test]
fn commands_while_the_daemon_is_away_are_refused_and_told() {
    let mut chat = Chat::start(vec![message("aa", "in", "first"), message("dd", "out", "mine")]);
    chat.wait_line("mine");
    chat.daemon_goes();
    for (line, what) in [
        ("/recall", "the recall"),
        ("/edit not mine", "the edit"),
        ("/react 👍", "the reaction"),
        ("/timers 1h", "setting the timers"),
        ("/mute", "changing the conversation"),
        ("/timers", "that"),
    ] {
        chat.write(line);
        chat.wait_line(&format!("{what} was not done. Try again when it is back."));
    }
    chat.write("/quit");
    let (code, complaints) = chat.end();
    assert_eq!(code, Some(1), "{complaints}");
    assert!(complaints.contains("not edited, to bob: not mine"), "{complaints}");
    assert!(complaints.contains("6 commands were not done"), "{complaints}");
}

/// The same of a daemon that went away before it had answered.
#[test]
fn a_command_that_is_not_answered_is_told() {
    let mut chat = Chat::start(vec![message("dd", "out", "cut")]);
    write!(chat.input, "/recall\n/quit\n").unwrap();
    chat.wait_line("perhaps the recall was not done. Try again when it is back.");
    let (code, complaints) = chat.end();
    assert!(code == Some(1) && complaints.contains("1 command was not done"), "{complaints}");
}

/// It ended with 1, and what the pipe had brought was gone.
#[test]
fn a_pipe_without_a_daemon_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    let ran = run_with_input(&socket, &["chat", "--plain", "bob"], b"one\n/recall\n");
    assert_eq!(ran.code, 3, "{ran:?}");
    for line in ["not sent, to bob: one", "not sent, to bob: /recall", "isn't running"] {
        assert!(ran.err.contains(line), "{ran:?}");
    }
}

/// It ended with 2, was gone, and the advice named options that the chat has not.
#[test]
fn a_pipe_to_a_locked_vault_is_given_back() {
    let fake = Fake::start(|seen| match seen.path.starts_with("/v1/events") {
        true => Answer::Problem(ErrorCode::Locked, "the vault is locked"),
        false => Answer::Empty(404),
    });
    let ran = run_with_input(fake.socket(), &["chat", "--plain", "bob"], b"one\n");
    assert_eq!(ran.code, 4, "{ran:?}");
    for line in ["not sent, to bob: one", "martletctl unlock"] {
        assert!(ran.err.contains(line), "{ran:?}");
    }
    assert!(!ran.err.contains("--old-file"), "{ran:?}");
}
