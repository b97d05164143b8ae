//! `send --wait`.

use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};

use serde_json::{Value, json};

use crate::events::event;
use crate::fake::{Answer, Fake, Seen};
use crate::run::run;

const ID: &str = "00112233445566778899aabbccddeeff";

fn state(seq: u64, id: &str, state: &str) -> String {
    event(seq, json!({"type": "message_state", "id": id, "conversation": "bob", "state": state}))
}

/// A daemon that accepts a message as queued, and then has these events to tell.
fn daemon(events: Vec<String>) -> Fake {
    let open: Mutex<Option<Sender<String>>> = Mutex::new(None);
    Fake::start(move |seen: &Seen| {
        let mut open = open.lock().unwrap();
        if seen.line() == "GET /v1/events" {
            let (sender, receiver) = mpsc::channel();
            *open = Some(sender);
            return Answer::Stream(receiver);
        }
        for event in &events {
            open.as_ref().unwrap().send(event.clone()).unwrap();
        }
        Answer::Json(json!({"id": ID, "state": "queued"}))
    })
}

#[test]
fn events_are_followed_before_the_message_is_sent() {
    let other = "ff".repeat(16);
    let fake = daemon(vec![
        state(1, &other, "delivered"),
        state(2, ID, "sent"),
        state(3, ID, "delivered"),
    ]);
    let ran = run(fake.socket(), &["send", "bob", "x", "--wait", "delivered"]);
    assert_eq!((ran.code, ran.out, ran.err), (0, format!("{ID}\n"), String::new()));
    assert_eq!(fake.lines(), ["GET /v1/events", "POST /v1/messages"]);
}

#[test]
fn json_has_the_state_reached() {
    let fake = daemon(vec![state(1, ID, "sent"), state(2, ID, "delivered")]);
    let ran = run(fake.socket(), &["--json", "send", "bob", "x", "--wait", "sent"]);
    assert_eq!(ran.code, 0);
    assert_eq!(
        serde_json::from_str::<Value>(&ran.out).unwrap(),
        json!({"id": ID, "state": "sent"})
    );
}

#[test]
fn a_state_beyond_the_one_wanted_will_do() {
    let fake = daemon(vec![state(1, ID, "delivered")]);
    assert_eq!(run(fake.socket(), &["send", "bob", "x", "--wait", "sent"]).code, 0);
}

#[test]
fn a_time_out_tells_where_the_message_stands() {
    let fake = daemon(vec![state(1, ID, "sent")]);
    let args = ["send", "bob", "x", "--wait", "delivered", "--timeout", "0.4"];
    let ran = run(fake.socket(), &args);
    assert_eq!((ran.code, ran.out), (5, format!("{ID}\n")));
    assert!(ran.err.contains("is sent so far"), "{}", ran.err);
    let mut args = args.to_vec();
    args.push("--json");
    let ran = run(daemon(vec![]).socket(), &args);
    assert_eq!(ran.code, 5);
    assert_eq!(
        serde_json::from_str::<Value>(&ran.out).unwrap(),
        json!({"id": ID, "state": "queued"})
    );
}

#[test]
fn an_expired_message_is_not_waited_for() {
    let fake = daemon(vec![state(1, ID, "expired")]);
    let ran = run(fake.socket(), &["send", "bob", "x", "--wait", "delivered"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("expired"), "{}", ran.err);
}

/// What happens while the daemon restarts may be no event after it: the message itself is asked.
#[test]
fn a_restart_while_waiting_is_no_end() {
    let streams = Mutex::new(0);
    let fake = Fake::start(move |seen: &Seen| match seen.line().as_str() {
        "GET /v1/events" => {
            let mut count = streams.lock().unwrap();
            *count += 1;
            let (sender, receiver) = mpsc::channel();
            if *count == 1 {
                drop(sender);
            } else {
                // Left open.
                std::mem::forget(sender);
            }
            Answer::Stream(receiver)
        }
        "POST /v1/messages" => Answer::Json(json!({"id": ID, "state": "queued"})),
        _ => Answer::Json(json!({"id": ID, "conversation": "bob", "direction": "out", "text": "x",
            "sent_at": 0, "stored_at": 0, "state": "delivered"})),
    });
    let ran = run(fake.socket(), &["send", "bob", "x", "--wait", "delivered"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("waiting"), "{}", ran.err);
    assert_eq!(fake.lines().last().unwrap(), &format!("GET /v1/messages/{ID}"));
}

#[test]
fn nothing_is_sent_if_it_cannot_be_waited_for() {
    let fake = Fake::start(|_| {
        Answer::Problem(martlet_protocol::control::ErrorCode::Locked, "the vault is locked")
    });
    assert_eq!(run(fake.socket(), &["send", "bob", "x", "--wait", "sent"]).code, 4);
    assert_eq!(fake.lines(), ["GET /v1/events"]);
}

/// That the vault is locked was told, and not what to do.
#[test]
fn who_waits_while_the_vault_is_locked_is_told_how_to_open_it() {
    let streams = Mutex::new(0);
    let fake = Fake::start(move |seen: &Seen| match seen.line().as_str() {
        "GET /v1/events" => {
            let mut count = streams.lock().unwrap();
            *count += 1;
            if *count == 2 {
                let code = martlet_protocol::control::ErrorCode::Locked;
                return Answer::Problem(code, "the vault is locked");
            }
            let (sender, receiver) = mpsc::channel();
            if *count > 2 {
                // Left open.
                std::mem::forget(sender);
            }
            Answer::Stream(receiver)
        }
        "POST /v1/messages" => Answer::Json(json!({"id": ID, "state": "queued"})),
        _ => Answer::Json(json!({"id": ID, "conversation": "bob", "direction": "out", "text": "x",
            "sent_at": 0, "stored_at": 0, "state": "delivered"})),
    });
    let ran = run(fake.socket(), &["send", "bob", "x", "--wait", "delivered"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("waiting for: martletctl unlock"), "{}", ran.err);
}
