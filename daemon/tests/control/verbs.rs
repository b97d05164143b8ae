//! The endpoints, each with the engine behind it.

use martlet_protocol::control::ErrorCode;
use serde_json::json;

use crate::client::Client;
use crate::daemon::Daemon;

#[test]
fn a_new_daemon_has_a_status_and_no_identity() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let status = client.get("/v1/status").json();
    assert_eq!(status["pid"], daemon.pid());
    assert_eq!(status["lock"], "no_identity");
    assert_eq!((&status["network"], &status["privacy"]), (&json!("lan"), &json!("fast")));
    assert_eq!(status["peers_connected"], 0);
    let listen = status["listen"][0].as_str().unwrap();
    assert!(listen.ends_with(status["peer_id"].as_str().unwrap()), "{listen}");
    for path in ["/v1/identity", "/v1/contacts", "/v1/requests", "/v1/inbox", "/v1/events"] {
        assert_eq!(client.get(path).code(), ErrorCode::NoIdentity, "{path}");
    }
    let text = json!({ "to": "Ben", "text": "hello" });
    assert_eq!(client.call("POST", "/v1/messages", &text).code(), ErrorCode::NoIdentity);
}

#[test]
fn from_init_to_a_first_message() {
    let daemon = Daemon::start();
    let other = Daemon::start();
    let mut client = daemon.connect();
    let init = client.call("POST", "/v1/identity", &json!({ "name": "Ann", "passphrase": null }));
    assert_eq!(init.status, 201);
    let own_id = init.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(init.json()["recovery_phrase"].as_str().unwrap().split(' ').count(), 24);
    assert_eq!(client.get("/v1/identity").json()["id"], own_id);
    assert_eq!(own_id.len(), 90);
    let reset = client.call("POST", "/v1/identity/reset", &json!({}));
    assert_eq!(reset.status, 200);
    let reset_id = reset.json()["id"].as_str().unwrap().to_owned();
    // The identity, in the first part, is the same.
    assert!(reset_id != own_id && reset_id[..59] == own_id[..59]);
    assert_eq!(client.get("/v1/identity").json()["id"], reset_id);
    let again = client.call("POST", "/v1/identity", &json!({ "passphrase": null }));
    assert_eq!(again.code(), ErrorCode::IdentityExists);

    let init = other.connect().call("POST", "/v1/identity", &json!({ "name": "Ben" }));
    let id = init.json()["id"].as_str().unwrap().to_owned();
    let add = |id: &str, name: &str| json!({ "id": id, "name": name });
    for (request, code) in [
        (add("martlet1nonsense", "Ben"), ErrorCode::InvalidId),
        (add(&own_id, "Me"), ErrorCode::OwnId),
        (add(&id, ""), ErrorCode::InvalidName),
    ] {
        assert_eq!(client.call("POST", "/v1/contacts", &request).code(), code);
    }
    let added = client.call("POST", "/v1/contacts", &add(&id, "Ben & Zoë?"));
    assert_eq!((added.status, &added.json()["id"]), (201, &json!(id)));
    let path = "/v1/contacts/Ben%20%26%20Zo%C3%AB%3F";
    assert_eq!(client.get(path).json()["name"], "Ben & Zoë?");
    let renamed = client.call("PATCH", path, &json!({ "name": "Ben" }));
    assert_eq!(renamed.json()["name"], "Ben");
    assert_eq!(client.get(path).code(), ErrorCode::UnknownContact);
    let detail = client.get("/v1/contacts/ben").problem().detail;
    assert!(detail.contains("did you mean \"Ben\"?"), "{detail}");
    let detail = client.get("/v1/contacts/Xy").problem().detail;
    assert!(!detail.contains("did you mean"), "{detail}");

    let send = |to: &str, text: &str| json!({ "to": to, "text": text });
    assert_eq!(
        client.call("POST", "/v1/messages", &send("Eve", "hi")).code(),
        ErrorCode::UnknownContact
    );
    assert_eq!(client.call("POST", "/v1/messages", &send("Ben", "")).code(), ErrorCode::EmptyText);
    // White space alone was sent, and an empty line came.
    let first = client.call("POST", "/v1/messages", &send("Ben", " first "));
    assert_eq!(first.status, 201, "{first:?}");
    let first = first.json()["id"].as_str().unwrap().to_owned();
    for blank in [" ", "\n\t ", "\u{200b}", "\u{3164}"] {
        let text = json!({ "text": blank });
        for (method, path, body) in [
            ("POST", "/v1/messages".to_owned(), send("Ben", blank)),
            ("POST", "/v1/notes".to_owned(), text.clone()),
            ("PATCH", format!("/v1/messages/{first}"), text.clone()),
        ] {
            let refused = client.call(method, &path, &body);
            assert_eq!(refused.code(), ErrorCode::EmptyText, "{path} {blank:?}");
        }
    }
    assert_eq!(client.get(&format!("/v1/messages/{first}")).json()["text"], " first ");
    // What no screen shows, and nobody typed.
    let path = format!("/v1/messages/{first}/reaction");
    let refused = client.call("POST", &path, &json!({ "emoji": "+".repeat(10 * 1024) }));
    assert_eq!(refused.code(), ErrorCode::InvalidReaction, "{refused:?}");
    let path = "/v1/conversations/Ben/draft";
    let refused = client.call("POST", path, &json!({ "text": "x".repeat(16_385) }));
    assert_eq!(refused.code(), ErrorCode::TextTooLong, "{refused:?}");
    assert_eq!(client.get(path).json()["text"], serde_json::Value::Null);
    for (query, status) in [("", 400), ("%20", 400), ("%00", 200), (".*", 200), ("%5Bf", 200)] {
        let found = client.get(&format!("/v1/search?words={query}"));
        assert_eq!(found.status, status, "{query:?}: {found:?}");
        assert!(status != 200 || found.json()["results"] == json!([]), "{query:?}: {found:?}");
    }
    let long = "x".repeat(16_385);
    let refused = client.call("POST", "/v1/messages", &send("Ben", &long));
    assert_eq!(refused.code(), ErrorCode::TextTooLong);
    // The longest text fits, even with every byte of it escaped.
    let longest = "\u{1}".repeat(16_384);
    assert_eq!(client.call("POST", "/v1/messages", &send("Ben", &longest)).status, 201);
    let sent = client.call("POST", "/v1/messages", &send("Ben", "hello")).json();
    let message = client.get(&format!("/v1/messages/{}", sent["id"].as_str().unwrap())).json();
    assert_eq!(message["text"], "hello");
    let history = client.get("/v1/conversations/Ben/messages?limit=1").json();
    assert_eq!((&history["messages"][0], &history["more"]), (&message, &json!(true)));

    assert_eq!(client.call("DELETE", "/v1/contacts/Ben", &json!(null)).status, 204);
    assert_eq!(client.get("/v1/contacts").json()["contacts"], json!([]));
}

/// A refused name left a key file behind, and with it no second `init` could succeed.
#[test]
fn a_refused_init_leaves_nothing_behind() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let long = "x".repeat(1025);
    for (request, code) in [
        (json!({ "name": "" }), ErrorCode::InvalidName),
        (json!({ "name": "a\u{7}b" }), ErrorCode::InvalidName),
        (json!({ "name": ".." }), ErrorCode::InvalidName),
        (json!({ "name": "\u{3164}" }), ErrorCode::InvalidName),
        (json!({ "passphrase": "" }), ErrorCode::InvalidPassphrase),
        (json!({ "passphrase": long }), ErrorCode::InvalidPassphrase),
        (json!({ "pasphrase": "typo" }), ErrorCode::BadRequest),
    ] {
        assert_eq!(client.call("POST", "/v1/identity", &request).code(), code, "{request}");
        assert!(!daemon.home().join("vault.key").exists(), "{request}");
    }
    assert_eq!(client.call("POST", "/v1/identity", &json!({ "name": "Ann" })).status, 201);
}

#[test]
fn a_vault_with_a_passphrase_locks_and_unlocks() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let init = json!({ "name": "Ann", "passphrase": "correct horse" });
    assert_eq!(client.call("POST", "/v1/identity", &init).status, 201);
    assert_eq!(client.call("POST", "/v1/lock", &json!({})).status, 204);
    assert_eq!(client.get("/v1/status").json()["lock"], "locked");
    assert_eq!(client.get("/v1/contacts").code(), ErrorCode::Locked);
    assert_eq!(client.get("/v1/events?since=0").code(), ErrorCode::Locked);
    let unlock = |passphrase: &str| json!({ "passphrase": passphrase });
    let refused = client.call("POST", "/v1/unlock", &unlock("wrong horse"));
    assert_eq!(refused.code(), ErrorCode::WrongPassphrase);
    assert_eq!(client.call("POST", "/v1/unlock", &unlock("correct horse")).status, 204);
    assert_eq!(client.get("/v1/status").json()["lock"], "unlocked");
}

#[test]
fn a_mailbox_node_has_no_user() {
    let daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &["--user", "false"]);
    let refused = daemon.connect().call("POST", "/v1/identity", &json!({ "passphrase": null }));
    assert_eq!(refused.code(), ErrorCode::Forbidden);
    assert!(refused.problem().detail.contains("user = false"));
}

#[test]
fn peers_are_dialled_and_listed() {
    let daemon = Daemon::start();
    let other = Daemon::start();
    let mut client = daemon.connect();
    let own = client.get("/v1/status").json()["listen"][0].as_str().unwrap().to_owned();
    for bad in ["", "10.0.0.1:", "/ip4/10.0.0.1", "/ip4/10.0.0.1/udp/1", "/unix/x", &own] {
        let refused = client.call("POST", "/v1/peers", &json!({ "address": bad }));
        assert_eq!(refused.code(), ErrorCode::InvalidAddress, "{bad}");
    }
    let status = other.connect().get("/v1/status").json();
    let address = status["listen"][0].clone();
    assert_eq!(client.call("POST", "/v1/peers", &json!({ "address": address })).status, 202);
    crate::daemon::until(|| daemon.connect().get("/v1/status").json()["peers_connected"] == 1);
    let peers = client.get("/v1/peers").json();
    assert_eq!(peers["peers"][0]["peer_id"], status["peer_id"]);
    assert_eq!(peers["peers"][0]["connected"], true);
    assert_eq!(peers["peers"][0]["transport"], "tcp");
}

/// A dial that failed ended with 0, and was seen nowhere.
#[test]
fn who_dials_and_waits_is_told_what_came_of_it() {
    let daemon = Daemon::start();
    let other = Daemon::start();
    let mut client = daemon.connect();
    let dial = |client: &mut Client, address: &str| {
        let answer = client.call("POST", "/v1/peers", &json!({ "address": address, "wait": true }));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    // Free a moment ago; nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = dial(&mut client, &format!("127.0.0.1:{port}"));
    assert_eq!(refused["connected"], false);
    assert!(refused["reason"].as_str().unwrap().contains("refused"), "{refused}");
    let failed = client.get("/v1/peers").json()["failed"][0].clone();
    assert_eq!(failed["address"], format!("/ip4/127.0.0.1/tcp/{port}"));
    assert!(failed["reason"].as_str().unwrap().contains("refused"), "{failed}");

    let status = other.connect().get("/v1/status").json();
    let port = status["listen"][0].as_str().unwrap().split('/').nth(4).unwrap();
    let dialled = dial(&mut client, &format!("127.0.0.1:{port}"));
    assert_eq!(dialled, json!({ "connected": true, "peer_id": status["peer_id"] }));
    let again = dial(&mut client, status["listen"][0].as_str().unwrap());
    assert_eq!(again, dialled);
}

#[test]
fn peers_that_come_and_go_are_told_as_it_happens() {
    let daemon = Daemon::start();
    let other = Daemon::start();
    let mut follower = daemon.connect();
    follower.follow("/v1/peers/events", "");
    let status = other.connect().get("/v1/status").json();
    let dial = json!({ "address": status["listen"][0] });
    assert_eq!(daemon.connect().call("POST", "/v1/peers", &dial).status, 202);
    let (name, event) = follower.next_unnumbered();
    assert_eq!((name.as_str(), &event["peer_id"]), ("peer_connected", &status["peer_id"]));
    drop(other);
    let (name, event) = follower.next_unnumbered();
    assert_eq!((name.as_str(), &event["peer_id"]), ("peer_disconnected", &status["peer_id"]));
    assert_eq!(event["silent"], false);
}

/// Where a conversation had more than 1,000 messages after it, only the whole id of a message was taken.
#[test]
fn an_old_message_is_named_by_the_beginning_of_its_id() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    assert_eq!(client.call("POST", "/v1/identity", &json!({})).status, 201);
    let mut write = |text: &str| {
        let written = client.call("POST", "/v1/notes", &json!({ "text": text }));
        written.json()["id"].as_str().unwrap().to_owned()
    };
    let first = write("the first");
    for number in 0..1000 {
        write(&number.to_string());
    }
    let beginning = &first[..12];
    assert_eq!(client.get(&format!("/v1/messages/{beginning}")).json()["text"], "the first");
    let emoji = json!({ "emoji": "👍" });
    let path = format!("/v1/messages/{beginning}/reaction");
    assert_eq!(client.call("POST", &path, &emoji).json()["id"], first);
    let unknown = if first.starts_with('0') { "1" } else { "0" }.repeat(12);
    let refused = client.get(&format!("/v1/messages/{unknown}"));
    assert_eq!(refused.code(), ErrorCode::UnknownMessage);
}

/// Who waited for a millisecond was told that somebody had not answered whom there is not.
#[test]
fn who_is_unknown_is_not_said_to_have_given_no_answer() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    assert_eq!(client.call("POST", "/v1/identity", &json!({})).status, 201);
    for _ in 0..100 {
        let refused = client.call("POST", "/v1/contacts/nobody/ping", &json!({ "timeout_ms": 1 }));
        assert_eq!(refused.code(), ErrorCode::UnknownContact);
    }
}
