//! `device link` and `device join`: what they ask, print, and how they end.

use std::sync::atomic::{AtomicUsize, Ordering};

use martlet_protocol::NetworkTag;
use martlet_protocol::control::ErrorCode;
use martlet_protocol::identity::RootKey;
use martlet_protocol::link::{LinkCode, LinkSecret};
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Seen};
use crate::run::{run, run_with_input};

fn code() -> String {
    let identity = RootKey::from_seed([1; 32]).identity();
    let code = LinkCode { network: NetworkTag([5; 8]), secret: LinkSecret([6; 16]), identity };
    code.to_text().to_string()
}

fn state(state: &str, more: &Value) -> Value {
    let mut shown = json!({"state": state, "expires_at": 1_900_000_000_000_u64});
    for (key, value) in more.as_object().unwrap() {
        shown[key] = value.clone();
    }
    shown
}

/// A daemon that shows one state after the other, each time it is asked; the last one stays.
fn daemon(lock: &'static str, states: Vec<Value>) -> Fake {
    let asked = AtomicUsize::new(0);
    Fake::start(move |seen: &Seen| {
        if seen.path == "/v1/status" {
            return Answer::Json(json!({"version": "0", "pid": 1, "lock": lock, "network": "lan",
                "peer_id": "x", "listen": [], "peers_connected": 0, "warnings": [],
                "mailbox": {"envelopes": 0, "bytes": 0, "bytes_max": 0}}));
        }
        if seen.method == "DELETE" {
            return Answer::Empty(204);
        }
        let at = asked.fetch_add(1, Ordering::SeqCst).min(states.len() - 1);
        Answer::Json(states[at].clone())
    })
}

const PHONE: fn() -> Value = || json!({"id": "ab".repeat(32), "name": "phone"});

#[test]
fn that_another_code_ends_the_one_before_is_said() {
    let fake =
        daemon("unlocked", vec![state("offered", &json!({"code": code(), "replaced": true}))]);
    let ran = run(fake.socket(), &["device", "link", "--no-wait"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, "The code of before is good no more.\n"));
}

#[test]
fn a_code_is_shown_then_the_numbers_then_what_came_of_it() {
    let compare = json!({"numbers": "1234 5678 9012", "device": PHONE()});
    let states = vec![
        state("offered", &json!({"code": code()})),
        state("offered", &json!({})),
        state("compare", &compare),
        state("compare", &compare),
        state("linked", &json!({"device": PHONE()})),
    ];
    let fake = daemon("unlocked", states.clone());
    let ran = run(fake.socket(), &["device", "link"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.lines().any(|line| line == code()), "whole, to be copied: {}", ran.out);
    assert_eq!(ran.out.matches("1234 5678 9012").count(), 1, "{}", ran.out);
    assert!(ran.out.contains("phone is linked."), "{}", ran.out);
    assert!(
        ran.err.contains("martletctl device link --confirm"),
        "nobody can be asked: {}",
        ran.err
    );
    let lines = fake.lines();
    assert_eq!(lines[0], "POST /v1/link");
    assert!(lines[1..].iter().all(|line| line == "GET /v1/link"), "{lines:?}");

    let fake = daemon("unlocked", states);
    let ran = run(fake.socket(), &["--json", "device", "link"]);
    let lines: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<_> = lines.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["offered", "compare", "linked"]);
    assert_eq!(lines[0]["code"], json!(code()));
}

#[test]
fn a_linking_of_which_nothing_comes_ends_with_why() {
    for (reason, says) in [
        ("numbers_differ", "the numbers differed"),
        ("cancelled", "it was broken off on the new device"),
        ("disturbed", "two devices came by the code"),
    ] {
        let refused = json!({"reason": reason, "by_other": reason == "cancelled"});
        let fake = daemon(
            "unlocked",
            vec![state("offered", &json!({"code": code()})), state("refused", &refused)],
        );
        let ran = run(fake.socket(), &["device", "link"]);
        assert!(ran.code == 1 && ran.err.contains(says), "{ran:?}");
    }
    let fake = daemon("unlocked", vec![state("offered", &json!({})), state("expired", &json!({}))]);
    let ran = run(fake.socket(), &["device", "link"]);
    assert!(ran.code == 5 && ran.err.contains("ten minutes are over"), "{ran:?}");
    let fake = Fake::start(|_| Answer::Problem(ErrorCode::NoRoot, "no root here"));
    let ran = run(fake.socket(), &["device", "link"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "martletctl: no root here\n"));
}

#[test]
fn it_can_be_done_in_several_calls() {
    let linked = state("linked", &json!({"device": PHONE()}));
    let fake = daemon("unlocked", vec![linked.clone()]);
    let ran = run(fake.socket(), &["device", "link", "--confirm"]);
    assert!(ran.code == 0 && ran.out.starts_with("phone is linked."), "{ran:?}");
    let seen = &fake.seen()[0];
    assert_eq!(
        (seen.line().as_str(), seen.body.as_str()),
        ("POST /v1/link/confirm", "{\"equal\":true}")
    );
    let refused = state("refused", &json!({"reason": "numbers_differ"}));
    let fake = daemon("unlocked", vec![refused]);
    let ran = run(fake.socket(), &["device", "link", "--refuse"]);
    assert!(ran.code == 0 && ran.out.contains("the numbers differed"), "as asked: {ran:?}");
    assert_eq!(fake.seen()[0].body, "{\"equal\":false}");
    let fake = daemon("unlocked", vec![state("offered", &json!({"code": code()}))]);
    assert_eq!(run(fake.socket(), &["device", "link", "--no-wait"]).code, 0);
    assert_eq!(fake.lines(), ["POST /v1/link"]);
    for (verb, path) in [("link", "/v1/link"), ("join", "/v1/join")] {
        let fake = daemon("unlocked", vec![linked.clone()]);
        assert_eq!(run(fake.socket(), &["device", verb, "--cancel"]).code, 0);
        assert_eq!(fake.lines(), [format!("DELETE {path}")]);
        assert_eq!(run(fake.socket(), &["device", verb, "--cancel", "--status"]).code, 2);
    }
}

#[test]
fn messages_of_before_are_given_where_the_user_says_so() {
    let linked = state("linked", &json!({"device": PHONE()}));
    let fake = daemon("unlocked", vec![linked]);
    let ran = run(fake.socket(), &["device", "link", "--confirm", "--history"]);
    assert!(ran.code == 0 && ran.err.contains("Your messages of before follow"), "{ran:?}");
    assert_eq!(fake.seen()[0].body, "{\"equal\":true,\"history\":true}");
    // Where there is nothing to confirm it would say nothing.
    for also in ["--refuse", "--cancel", "--status", "--no-wait"] {
        assert_eq!(run(fake.socket(), &["device", "link", also, "--history"]).code, 2);
    }

    let device = |history: Value, this| {
        json!({"id": "ab".repeat(32), "created_at": 1_790_000_000_000_u64, "state": "valid",
            "this": this, "history": history})
    };
    for (history, this, says) in [
        (
            json!({"messages": 1200, "conversations_left": 2}),
            true,
            "valid, has 1200 messages of before, more of 2 conversations to come",
        ),
        (json!({"messages": 1, "conversations_left": 0}), true, "valid, has 1 message of before"),
        (json!({"messages": 1200}), false, "valid, was given 1200 messages of before"),
    ] {
        let devices = json!({"devices": [device(history, this)]});
        let fake = Fake::start(move |_| Answer::Json(devices.clone()));
        let ran = run(fake.socket(), &["device", "list"]);
        let row = ran.out.lines().nth(1).unwrap_or_default();
        assert!(ran.code == 0 && row.contains(&format!("{says}  ")), "{ran:?}");
    }
}

#[test]
fn a_new_device_joins_by_the_code() {
    let states = || {
        vec![
            state("joining", &json!({})),
            state("compare", &json!({"numbers": "1234 5678 9012"})),
            state("joined", &json!({"id": "martlet1x"})),
        ]
    };
    let fake = daemon("no_identity", states());
    let args = ["device", "join", "-", "--name", "phone", "--no-passphrase"];
    let ran = run_with_input(fake.socket(), &args, format!("{}\n", code()).as_bytes());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("1234 5678 9012") && ran.out.contains("  martlet1x"), "{}", ran.out);
    let seen = fake.seen();
    let asked = seen.iter().find(|seen| seen.method == "POST").unwrap();
    assert_eq!(asked.path, "/v1/join");
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body, json!({"code": code(), "name": "phone"}));

    let refused = json!({"reason": "used", "by_other": true});
    let fake =
        daemon("no_identity", vec![state("joining", &json!({})), state("refused", &refused)]);
    let ran = run(fake.socket(), &["device", "join", &code(), "--no-passphrase"]);
    assert!(ran.code == 1 && ran.err.contains("the code had been used"), "{ran:?}");
    let fake =
        daemon("no_identity", vec![state("joining", &json!({})), state("expired", &json!({}))]);
    let ran = run(fake.socket(), &["device", "join", &code(), "--no-passphrase"]);
    assert!(ran.code == 5 && ran.err.contains("nobody answered in ten minutes"), "{ran:?}");
}

#[test]
fn what_is_no_code_costs_no_passphrase_and_reaches_no_daemon() {
    let fake = daemon("no_identity", vec![json!({})]);
    let typo = code().replacen('q', "p", 1);
    for (given, says) in [(typo.as_str(), "a typing error"), ("martlet1x", "not a code of")] {
        let ran = run(fake.socket(), &["device", "join", given]);
        assert!(ran.code == 1 && ran.err.contains(says) && !ran.err.contains(given), "{ran:?}");
    }
    let ran = run(fake.socket(), &["device", "join"]);
    assert!(ran.code == 2 && ran.err.contains("not a terminal"), "{ran:?}");
    let fake = daemon("unlocked", vec![json!({})]);
    let ran = run(fake.socket(), &["device", "join", &code()]);
    assert!(ran.code == 1 && ran.err.contains("an identity already"), "{ran:?}");
    assert!(fake.lines().iter().all(|line| line == "GET /v1/status"), "{:?}", fake.lines());
}
