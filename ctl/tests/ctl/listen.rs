//! `listen`: a program for each message.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use martlet_protocol::control::ErrorCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Seen};
use crate::run::{Ran, command, finish, run, wait_until};

fn received(seq: u64, from: &str, text: &str) -> String {
    event(seq, "message_received", from, "in", text)
}

fn event(seq: u64, kind: &str, conversation: &str, direction: &str, text: &str) -> String {
    let message = json!({"id": format!("{seq:032x}"), "conversation": conversation,
        "direction": direction, "text": text, "sent_at": 1, "stored_at": 1, "state": "delivered"});
    let event = json!({"seq": seq, "at": 1, "type": kind, "message": message});
    format!("id: {seq}\nevent: {kind}\ndata: {event}\n\n")
}

/// A daemon with these events, of which each stream begins after the number that was asked for, and goes on without end.
fn daemon(events: Vec<String>) -> Fake {
    let open = std::sync::Mutex::new(Vec::new());
    Fake::start(move |seen: &Seen| match seen.line().as_str() {
        line if line.starts_with("GET /v1/events") => {
            let since = seen.path.split_once("since=").and_then(|(_, since)| since.parse().ok());
            let last = seen.headers.get("last-event-id").and_then(|last| last.parse().ok());
            let after: usize = last.or(since).unwrap_or(0);
            let (sender, receiver) = mpsc::channel();
            for event in &events[after.min(events.len())..] {
                sender.send(event.clone()).unwrap();
            }
            open.lock().unwrap().push(sender);
            Answer::Stream(receiver)
        }
        "POST /v1/messages" => Answer::Json(json!({"id": "cc", "state": "queued"})),
        other => panic!("{other}"),
    })
}

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Begins after event 0, as one that was there before.
    fn begin(&self) {
        std::fs::write(self.path("cursor"), "{\"seen\":0,\"open\":[]}\n").unwrap();
    }

    fn cursor(&self) -> Value {
        let text = std::fs::read_to_string(self.path("cursor")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn start(&self, fake: &Fake, options: &[&str], script: &str) -> Child {
        let cursor = self.path("cursor");
        let mut args = vec!["listen", "--cursor", cursor.to_str().unwrap()];
        args.extend(options);
        args.extend(["--exec", "/bin/sh", "-c", script]);
        let mut command = command(fake.socket(), &args);
        command.env("PATH", "/usr/bin:/bin").current_dir(self.directory.path());
        command.spawn().unwrap()
    }
}

fn stop(child: Child, signal: Signal) -> Ran {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
    finish(child)
}

fn replies(fake: &Fake) -> Vec<(String, String)> {
    let seen = fake.seen();
    let sent = seen.iter().filter(|seen| seen.line() == "POST /v1/messages");
    sent.map(|seen| {
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        let field = |name: &str| body[name].as_str().unwrap().to_owned();
        (field("to"), field("text"))
    })
    .collect()
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_the_program_prints_is_the_answer() {
    let events = vec![
        received(1, "bob b", "-5 degrees\nand falling"),
        event(2, "message_queued", "bob b", "out", "mine"),
        "id: 3\nevent: of_the_future\ndata: {\"seq\":3,\"at\":1,\"type\":\"of_the_future\"}\n\n"
            .to_owned(),
        received(4, "ann", "quiet"),
    ];
    let (fake, place) = (daemon(events), Place::new());
    place.begin();
    let script = "cat >>got; tail -n1 got | grep -q quiet || echo 'so it is'";
    let child = place.start(&fake, &["--jobs", "1"], script);
    wait_until("all handled", || place.cursor() == json!({"seen": 4, "open": []}));
    let ran = stop(child, Signal::TERM);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""), "{ran:?}");
    assert_eq!(replies(&fake), [("bob b".to_owned(), "so it is".to_owned())]);
    let got: Vec<Value> =
        lines(&place.path("got")).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(got.len(), 2);
    let of_bob = got.iter().find(|event| event["seq"] == 1).unwrap();
    assert_eq!(of_bob["type"], "message_received");
    assert_eq!(of_bob["message"]["text"], "-5 degrees\nand falling");
    // Nothing again.
    let child = place.start(&fake, &[], "cat >>got");
    wait_until("it follows", || {
        fake.lines().iter().filter(|line| line.contains("/v1/events")).count() == 2
    });
    assert_eq!(stop(child, Signal::INT).code, 0);
    assert_eq!(lines(&place.path("got")).len(), 2);
}

/// What a room's member told of a message, and then the message itself, were two messages to the program.
#[test]
fn what_someone_else_told_is_not_handled_and_the_message_itself_is() {
    let message = |told: bool| {
        let mut message = json!({"id": "ab".repeat(16), "conversation": "bridge", "direction": "in",
            "text": "at eight", "sent_at": 1, "stored_at": 1, "state": "delivered"});
        if told {
            message["told_by"] = json!({"id": "martlet1x", "you": false});
        }
        message
    };
    let event = |seq: u64, kind: &str, rest: Value| {
        let mut event = json!({"seq": seq, "at": 1, "type": kind});
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        format!("id: {seq}\nevent: {kind}\ndata: {event}\n\n")
    };
    let ended = json!({"id": "ab".repeat(16), "conversation": "bridge", "reason": "replaced"});
    let events = vec![
        event(1, "message_received", json!({"message": message(true)})),
        event(2, "message_ended", ended),
        event(3, "message_received", json!({"message": message(false)})),
    ];
    let (fake, place) = (daemon(events), Place::new());
    place.begin();
    let child = place.start(&fake, &[], "cat >>got");
    wait_until("all handled", || place.cursor() == json!({"seen": 3, "open": []}));
    assert_eq!(stop(child, Signal::TERM).code, 0);
    let got = lines(&place.path("got"));
    assert!(got.len() == 1 && got[0].contains("\"seq\":3"), "{got:?}");
}

#[test]
fn the_first_start_begins_with_what_comes_and_remembers_where_that_was() {
    let fake = Fake::start(|seen: &Seen| match seen.line().as_str() {
        "GET /v1/events" => {
            let (sender, receiver) = mpsc::channel();
            // As the daemon tells where a stream starts.
            sender.send("id: 41\n\n".to_owned()).unwrap();
            std::mem::forget(sender);
            Answer::Stream(receiver)
        }
        other => panic!("{other}"),
    });
    let place = Place::new();
    let child = place.start(&fake, &[], "true");
    wait_until("a cursor", || place.cursor() == json!({"seen": 41, "open": []}));
    assert_eq!(stop(child, Signal::TERM).code, 0);
}

#[test]
fn a_program_that_hangs_floods_or_dies_answers_nothing_and_stops_nobody() {
    let texts = ["hang", "flood", "die", "garbage", "well"];
    let events: Vec<_> = (1..).zip(texts).map(|(seq, text)| received(seq, "bob", text)).collect();
    let (fake, place) = (daemon(events), Place::new());
    place.begin();
    let script = "read -r line; case $line in
        *hang*) sleep 100 & sleep 100 ;; *flood*) yes ;; *die*) echo x; exit 3 ;;
        *garbage*) printf '\\377' ;; *) echo fine ;; esac";
    let child = place.start(&fake, &["--timeout", "0.5"], script);
    wait_until("all handled", || place.cursor() == json!({"seen": 5, "open": []}));
    let ran = stop(child, Signal::TERM);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(replies(&fake), [("bob".to_owned(), "fine".to_owned())]);
    for (seq, told) in [
        (1, "did not end within 0.5 s and was killed"),
        (2, "more than a message holds"),
        (3, "it failed: exit status: 3"),
        (4, "not UTF-8"),
    ] {
        let line = ran.err.lines().find(|line| line.contains(&format!("event {seq}, from bob")));
        assert!(line.is_some() && ran.err.contains(told), "{told}: {}", ran.err);
    }
}

/// Two runs of one conversation at a time would answer out of order; one that is slow holds up no other.
#[test]
fn one_run_for_each_conversation_and_several_at_a_time() {
    let mut events = Vec::new();
    for number in 1..=12_u64 {
        let from = ["ann", "bob", "carol"][usize::try_from(number % 3).unwrap()];
        events.push(received(number, from, &number.to_string()));
    }
    let (fake, place) = (daemon(events), Place::new());
    place.begin();
    let script = r#"read -r line
        from=$(printf '%s' "$line" | sed 's/.*"conversation":"\([a-z]*\)".*/\1/')
        mkdir "busy-$from" || echo twice >>faults
        ls -d busy-* | wc -l >>widths
        sleep 0.2
        rmdir "busy-$from"
        printf '%s\n' "$line" | sed 's/.*"text":"\([0-9]*\)".*/\1/' | tee -a "of-$from""#;
    let child = place.start(&fake, &["--jobs", "2"], script);
    wait_until("all handled", || place.cursor() == json!({"seen": 12, "open": []}));
    stop(child, Signal::TERM);
    assert_eq!(lines(&place.path("faults")), [""; 0]);
    for (from, numbers) in
        [("ann", [3, 6, 9, 12]), ("bob", [1, 4, 7, 10]), ("carol", [2, 5, 8, 11])]
    {
        let expected = numbers.map(|number| number.to_string());
        assert_eq!(lines(&place.path(&format!("of-{from}"))), expected);
        let sent: Vec<String> = replies(&fake)
            .into_iter()
            .filter_map(|(to, text)| (to == from).then_some(text))
            .collect();
        assert_eq!(sent, expected);
    }
    let widths = lines(&place.path("widths"));
    let widths: Vec<u32> = widths.iter().map(|width| width.trim().parse().unwrap()).collect();
    assert_eq!(widths.iter().max(), Some(&2), "as many as it may, and no more");
}

#[test]
fn after_a_crash_what_was_not_finished_is_handled_again() {
    let texts = ["quick", "slow", "quick too"];
    let from = ["ann", "bob", "carol"];
    let events: Vec<_> = (1..)
        .zip(from.iter().zip(texts))
        .map(|(seq, (from, text))| received(seq, from, text))
        .collect();
    let (fake, place) = (daemon(events), Place::new());
    place.begin();
    let script = "read -r line; printf '%s\\n' \"$line\" >>got; case $line in
        *slow*) i=0; while ! [ -e again ] && [ $i -lt 300 ]; do i=$((i + 1)); sleep 0.1; done ;;
        esac; echo done";
    let mut child = place.start(&fake, &[], script);
    wait_until("the quick ones", || place.cursor() == json!({"seen": 3, "open": [2]}));
    // The run that it leaves behind holds its standard error: only its own end is waited for.
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(place.path("again"), "").unwrap();
    let child = place.start(&fake, &[], script);
    wait_until("the slow one", || place.cursor() == json!({"seen": 3, "open": []}));
    stop(child, Signal::TERM);
    assert_eq!(lines(&place.path("got")).len(), 4);
    let mut to: Vec<String> = replies(&fake).into_iter().map(|(to, _)| to).collect();
    to.sort();
    assert_eq!(to, from);
}

/// That someone types has the number of the event before: a message whose run was under way counted as handled by it, and
/// was lost in a crash.
#[test]
fn that_someone_types_ends_no_run() {
    let typing = json!({"seq": 1, "at": 1, "type": "typing", "conversation": "ann"});
    let typing = format!("event: typing\ndata: {typing}\n\n");
    let events = vec![received(1, "ann", "slow"), typing + &received(2, "bob", "quick")];
    let (fake, place) = (daemon(events), Place::new());
    place.begin();
    let script = "read -r line; case $line in
        *slow*) i=0; while ! [ -e again ] && [ $i -lt 300 ]; do i=$((i + 1)); sleep 0.1; done ;;
        esac; echo done";
    let child = place.start(&fake, &[], script);
    wait_until("the quick one", || place.cursor()["seen"] == 2 && replies(&fake).len() == 1);
    wait_until("the slow one is open", || place.cursor() == json!({"seen": 2, "open": [1]}));
    std::fs::write(place.path("again"), "").unwrap();
    wait_until("the slow one", || place.cursor() == json!({"seen": 2, "open": []}));
    stop(child, Signal::TERM);
}

#[test]
fn an_answer_waits_for_a_locked_vault_and_is_given_up_where_nobody_would_get_it() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let events = [received(1, "ann", "x"), received(2, "bob", "y")];
    let fake = Fake::start(move |seen: &Seen| match seen.line().as_str() {
        line if line.starts_with("GET /v1/events") => {
            let (sender, receiver) = mpsc::channel();
            for event in &events {
                sender.send(event.clone()).unwrap();
            }
            std::mem::forget(sender);
            Answer::Stream(receiver)
        }
        _ if seen.body.contains("bob") => Answer::Problem(ErrorCode::Blocked, "bob is blocked"),
        _ if counted.fetch_add(1, Ordering::SeqCst) == 0 => {
            Answer::Problem(ErrorCode::Locked, "the vault is locked")
        }
        _ => Answer::Json(json!({"id": "cc", "state": "queued"})),
    });
    let place = Place::new();
    place.begin();
    let child = place.start(&fake, &[], "echo hello");
    wait_until("all handled", || place.cursor() == json!({"seen": 2, "open": []}));
    let ran = stop(child, Signal::TERM);
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    assert!(ran.err.contains("no answer to bob was sent: bob is blocked"), "{}", ran.err);
}

#[test]
fn what_cannot_work_is_told_at_once() {
    let (fake, place) = (daemon(vec![received(1, "bob", "x")]), Place::new());
    place.begin();
    let cursor = place.path("cursor");
    let listen = ["listen", "--cursor", cursor.to_str().unwrap()];
    let of = |more: &[&str]| run(fake.socket(), &[&listen[..], more].concat());
    for bad in [
        [].as_slice(),
        &["--exec"],
        &["--jobs", "0", "--exec", "true"],
        &["--jobs", "65", "--exec", "true"],
        &["--timeout", "-1", "--exec", "true"],
        &["--timeout", "0", "--exec", "true"],
    ] {
        assert_eq!(of(bad).code, 2, "{bad:?}");
    }
    // Such a bot once waited in silence until the first message came.
    let asked = fake.lines().len();
    for bad in ["/no/such/program", "no-such-program", "/", cursor.to_str().unwrap()] {
        let ran = of(&["--exec", bad, "--flag"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(&format!("cannot run {bad}")), "{}", ran.err);
    }
    assert_eq!(fake.lines().len(), asked);
    // Two would both answer.
    let child = place.start(&fake, &[], "sleep 100");
    wait_until("it follows", || fake.lines().len() > asked);
    let ran = of(&["--exec", "true"]);
    assert!(ran.code == 2 && ran.err.contains("another martletctl listen"), "{ran:?}");
    stop(child, Signal::TERM);
    std::fs::write(&cursor, "what?").unwrap();
    let ran = of(&["--exec", "true"]);
    assert!(ran.code == 2 && ran.err.contains("is no cursor"), "{ran:?}");
}
