//! Events: followed as they happen, and resumed without loss or repetition.

use martlet_protocol::control::ErrorCode;
use rustix::process::Signal;
use serde_json::json;

use crate::client::Client;
use crate::daemon::Daemon;

/// A daemon with an identity and one contact, whose conversation makes events.
fn daemon_with_contact() -> (Daemon, Client) {
    let daemon = Daemon::start();
    let other = Daemon::start();
    let init = json!({ "name": "Ann", "passphrase": "secret" });
    let mut client = daemon.connect();
    assert_eq!(client.call("POST", "/v1/identity", &init).status, 201);
    let id = other.connect().call("POST", "/v1/identity", &json!({})).json()["id"].clone();
    let contact = json!({ "id": id, "name": "Ben" });
    assert_eq!(client.call("POST", "/v1/contacts", &contact).status, 201);
    (daemon, client)
}

fn send(client: &mut Client, text: &str) {
    let sent = client.call("POST", "/v1/messages", &json!({ "to": "Ben", "text": text }));
    assert_eq!(sent.status, 201, "{sent:?}");
}

/// The texts of the messages queued, up to and with `last`; checks that no number is missing.
fn texts_until(follower: &mut Client, since: &mut u64, last: &str) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.last().map(String::as_str) != Some(last) {
        let event = follower.next_event().expect("an event");
        *since += 1;
        assert_eq!(event.id, *since);
        assert_eq!(event.data["seq"], event.id);
        assert_eq!(event.data["type"], event.name);
        if event.name == "message_queued" {
            texts.push(event.data["message"]["text"].as_str().unwrap().to_owned());
        }
    }
    texts
}

#[test]
fn resume_after_a_disconnection_and_after_a_restart() {
    let (daemon, mut client) = daemon_with_contact();
    let mut since = 0;
    let mut follower = daemon.connect();
    follower.follow("/v1/events?since=0", "");
    send(&mut client, "one");
    assert_eq!(texts_until(&mut follower, &mut since, "one"), ["one"]);
    drop(follower);

    send(&mut client, "two");
    send(&mut client, "three");
    let mut follower = daemon.connect();
    // The header wins over the query.
    follower.follow("/v1/events?since=0", &format!("last-event-id: {since}\r\n"));
    send(&mut client, "four");
    assert_eq!(texts_until(&mut follower, &mut since, "four"), ["two", "three", "four"]);

    send(&mut client, "five");
    daemon.signal(Signal::KILL);
    let (_, home) = daemon.wait();
    let daemon = Daemon::start_in(home, &[]);
    let mut client = daemon.connect();
    let unlock = json!({ "passphrase": "secret" });
    assert_eq!(client.call("POST", "/v1/unlock", &unlock).status, 204);
    let mut follower = daemon.connect();
    follower.follow(&format!("/v1/events?since={since}"), "");
    assert_eq!(texts_until(&mut follower, &mut since, "five"), ["five"]);

    let refused = client.get("/v1/events?since=1000000");
    assert_eq!(refused.code(), ErrorCode::BadRequest);
}

#[test]
fn without_a_number_only_events_to_come() {
    let (daemon, mut client) = daemon_with_contact();
    send(&mut client, "before");
    let mut follower = daemon.connect();
    follower.follow("/v1/events", "");
    send(&mut client, "after");
    let event = std::iter::from_fn(|| follower.next_event())
        .find(|event| event.name == "message_queued")
        .unwrap();
    assert_eq!(event.data["message"]["text"], "after");
}

#[test]
fn streams_end_when_the_vault_is_locked_and_when_the_daemon_stops() {
    let (daemon, mut client) = daemon_with_contact();
    let mut follower = daemon.connect();
    follower.follow("/v1/events?since=0", "");
    assert_eq!(client.call("POST", "/v1/lock", &json!({})).status, 204);
    while follower.next_event().is_some() {}

    let unlock = json!({ "passphrase": "secret" });
    assert_eq!(client.call("POST", "/v1/unlock", &unlock).status, 204);
    let mut follower = daemon.connect();
    follower.follow("/v1/events?since=0", "");
    daemon.signal(Signal::TERM);
    while follower.next_event().is_some() {}
    assert_eq!(daemon.wait().0.code(), Some(0));
}
