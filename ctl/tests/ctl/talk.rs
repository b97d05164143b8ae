//! The verbs of conversations: replies, reactions, edits, drafts, settings, and the list.

use serde_json::{Value, json};

use crate::fake::{Answer, Fake};
use crate::run::run;
use crate::verbs::{ask, check};

fn message(id: &str, text: &str) -> Value {
    json!({"id": id, "conversation": "bob", "direction": "in", "text": text,
        "sent_at": 1_000_000_000_000_u64, "stored_at": 1_000_000_000_000_u64, "state": "read"})
}

#[test]
fn a_reply_says_to_what() {
    let sent = json!({"id": "aa", "state": "queued"});
    let body = json!({"to": "bob", "text": "At eight", "reply_to": "5f0c1a"});
    let args = ["send", "bob", "At eight", "--reply", "5f0c1a"];
    check(&args, "POST /v1/messages", &body, &sent, "aa\n");
}

#[test]
fn reactions() {
    let answer = message("5f0c1a0011223344", "hello");
    check(
        &["react", "5f0c1a", "👍"],
        "POST /v1/messages/5f0c1a/reaction",
        &json!({"emoji": "👍"}),
        &answer,
        "Reacted to 5f0c1a00 with 👍.\n",
    );
    let fake = Fake::start(|_| Answer::Empty(204));
    for bad in [&["react", "5f0c1a"][..], &["react", "5f0c1a", "x", "--remove"]] {
        assert_eq!(run(fake.socket(), bad).code, 2, "{bad:?}");
    }
    assert!(fake.lines().is_empty());
}

/// It said that a reaction was taken back where there was none, or only one of someone else.
#[test]
fn a_reaction_that_is_not_there_is_not_taken_back() {
    let id = "5f0c1a0011223344";
    for (reactions, lines, human) in [
        (
            json!([{"direction": "in", "emoji": "😮"}, {"direction": "out", "emoji": "👍"}]),
            &["GET /v1/messages/5f0c1a", "DELETE /v1/messages/5f0c1a0011223344/reaction"][..],
            "Took your reaction to 5f0c1a00 back: 👍.\n",
        ),
        (
            json!([{"direction": "in", "emoji": "😮"}]),
            &["GET /v1/messages/5f0c1a"],
            "You have not reacted to 5f0c1a00; there is nothing to take back.\n",
        ),
        (
            json!([]),
            &["GET /v1/messages/5f0c1a"],
            "You have not reacted to 5f0c1a00; there is nothing to take back.\n",
        ),
    ] {
        let mut answer = message(id, "hello");
        answer["reactions"] = reactions;
        let fake = Fake::start(move |asked| match asked.method.as_str() {
            "GET" => Answer::Json(answer.clone()),
            _ => Answer::Empty(204),
        });
        let ran = run(fake.socket(), &["react", "5f0c1a", "--remove"]);
        assert_eq!((ran.code, ran.out.as_str()), (0, human), "{}", ran.err);
        assert_eq!(fake.lines(), lines);
    }
}

#[test]
fn edits() {
    let answer = message("5f0c1a0011223344", "At nine");
    let body = json!({"text": "At nine"});
    let human = "Edited 5f0c1a00.\n";
    check(&["edit", "5f0c1a", "At nine"], "PATCH /v1/messages/5f0c1a", &body, &answer, human);
}

#[test]
fn history_shows_what_became_of_messages() {
    let mut edited = message("5f0c1a0011223344", "At nine");
    edited["edited_at"] = json!(1_000_000_060_000_u64);
    edited["versions"] = json!([{"at": 1_000_000_000_000_u64, "text": "At eight"}]);
    edited["reactions"] = json!([{"direction": "out", "emoji": "👍"}]);
    edited["reply_to"] = json!({"id": "bb", "direction": "out", "excerpt": "When?"});
    let history = json!({"messages": [edited], "more": false});
    let args = ["history", "bob", "--ids", "--edits"];
    let (ran, line, _) = ask(&args, &history);
    assert_eq!(line, "GET /v1/conversations/bob/messages?limit=50&edits=true");
    for part in
        ["bob  5f0c1a00  > you: When?\n", "At nine  (edited) [👍 you]\n", "01:46: At eight\n"]
    {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
}

#[test]
fn drafts() {
    let path = "/v1/conversations/bob/draft";
    let kept = json!({"text": "half a", "at": 1});
    let (post, get, delete) =
        (format!("POST {path}"), format!("GET {path}"), format!("DELETE {path}"));
    let (body, human) = (json!({"text": "half a"}), "Kept a draft for bob.\n");
    check(&["draft", "bob", "half a"], &post, &body, &kept, human);
    check(&["draft", "bob"], &get, &Value::Null, &kept, "half a\n");
    check(&["draft", "bob"], &get, &Value::Null, &json!({}), "No draft for bob.\n");
    let human = "Forgot the draft for bob.\n";
    check(&["draft", "bob", "--remove"], &delete, &Value::Null, &Value::Null, human);
}

#[test]
fn conversations_and_how_they_are_to_be() {
    let settings = json!({"muted": true, "pinned": true, "receipts": "off", "typing": "default"});
    let plain =
        json!({"muted": false, "pinned": false, "receipts": "default", "typing": "default"});
    let last = json!({"direction": "in", "text": "one\ntwo", "state": "delivered"});
    let answer = json!({"conversations": [
        {"name": "bob", "unread": 2, "last": last, "draft": true, "settings": settings},
        {"name": "zoë", "unread": 0, "draft": false, "settings": plain},
    ]});
    let human = "NAME  UNREAD  NEWEST                        MESSAGE\n\
        bob   2       -       pinned, muted, draft  bob: one ⏎ two\n\
        zoë   -       -\n";
    check(&["conversations"], "GET /v1/conversations", &Value::Null, &answer, human);
    let none = json!({"conversations": []});
    let (ran, ..) = ask(&["conversations"], &none);
    assert!(ran.out.starts_with("No conversations yet"), "{}", ran.out);

    let args = ["conversation", "set", "bob", "--mute", "--pin", "--receipts", "off"];
    let body = json!({"muted": true, "pinned": true, "receipts": "off"});
    let human = "Name       bob\nMuted      yes\nPinned     yes\nReceipts   off\n\
        Typing     as for all: martletctl settings\n";
    check(&args, "PATCH /v1/conversations/bob", &body, &settings, human);
    let args = ["conversation", "set", "bob", "--unmute", "--unpin", "--typing", "default"];
    let body = json!({"muted": false, "pinned": false, "typing": "default"});
    let (_, line, sent) = ask(&args, &plain);
    assert_eq!((line.as_str(), sent), ("PATCH /v1/conversations/bob", body));
    // Without an option the timers were not shown.
    let (settings, timers) = (settings.clone(), json!({"expire_seconds": 86_400}));
    let fake = Fake::start(move |asked| match asked.path.ends_with("/timers") {
        true => Answer::Json(timers.clone()),
        false => Answer::Json(settings.clone()),
    });
    let ran = run(fake.socket(), &["conversation", "set", "bob"]);
    let lines = ["GET /v1/conversations/bob/timers", "PATCH /v1/conversations/bob"];
    assert_eq!(fake.lines(), lines, "{}", ran.err);
    let human = "Name       bob\nExpire     1 d after they are sent\nBurn       off\nMuted      yes\nPinned     yes\n\
        Receipts   off\nTyping     as for all: martletctl settings\n";
    assert_eq!(ran.out, human);
    let fake = Fake::start(|_| Answer::Empty(204));
    for bad in [&["--mute", "--unmute"][..], &["--receipts", "maybe"]] {
        let args: Vec<_> = ["conversation", "set", "bob"].iter().chain(bad).copied().collect();
        assert_eq!(run(fake.socket(), &args).code, 2, "{bad:?}");
    }
    check(
        &["conversation", "typing", "bob"],
        "POST /v1/conversations/bob/typing",
        &Value::Null,
        &Value::Null,
        "bob is told that you are writing, if you tell them such things: martletctl conversation set bob\n",
    );
}

#[test]
fn settings() {
    let answer =
        json!({"receipts": false, "typing": true, "snippets": true, "strict_devices": false});
    let human = "receipts   off\ntyping     on\nsnippets   on\nstrict_devices off\n";
    check(&["settings"], "GET /v1/settings", &Value::Null, &answer, human);
    let body = json!({"receipts": false});
    check(&["settings", "receipts=off"], "PATCH /v1/settings", &body, &answer, human);
    let (_, _, body) = ask(&["settings", "strict_devices=on"], &answer);
    assert_eq!(body, json!({"strict_devices": true}));
}

#[test]
fn notes_about_contacts() {
    let contact = json!({"name": "bob", "id": "martlet1x", "added_at": 0, "devices": 1,
        "unread": 0, "note": "met at the pier", "verified": "no"});
    check(
        &["contact", "note", "bob", "met at the pier"],
        "POST /v1/contacts/bob/note",
        &json!({"text": "met at the pier"}),
        &contact,
        "Noted of bob.\n",
    );
    let (ran, ..) = ask(&["contact", "show", "bob"], &contact);
    assert!(ran.out.ends_with("Note       met at the pier\n"), "{}", ran.out);
    let bare = json!({"name": "bob", "id": "martlet1x", "added_at": 0, "devices": 1, "unread": 0});
    let (ran, ..) = ask(&["contact", "note", "bob", ""], &bare);
    assert_eq!(ran.out, "Forgot the note about bob.\n");
}
