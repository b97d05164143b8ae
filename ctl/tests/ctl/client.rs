//! The client as a library.

use std::sync::mpsc;

use martlet_protocol::control::{ErrorCode, Inbox};
use martletctl::client::{Client, ClientError, Tried};
use serde_json::json;

use crate::events::{event, streams};
use crate::fake::{Answer, Fake};
use crate::run::wait_until;

fn empty_inbox() -> serde_json::Value {
    json!({"conversations": [], "requests": 0})
}

#[tokio::test]
async fn requests_share_a_connection() {
    let fake = Fake::start(|seen| match seen.method.as_str() {
        "GET" => Answer::Json(empty_inbox()),
        "DELETE" => Answer::Empty(204),
        _ => Answer::Problem(ErrorCode::BadRequest, "no"),
    });
    let client = Client::new(fake.socket().to_owned());
    for _ in 0..3 {
        client.get::<Inbox>("/v1/inbox").await.unwrap();
        client.delete("/v1/contacts/x").await.unwrap();
        let refused = client.post::<_, ()>("/v1/messages", &json!({"a": 1})).await;
        assert!(matches!(refused, Err(ClientError::Problem(_))));
    }
    let seen = fake.seen();
    assert_eq!(seen.len(), 9);
    assert!(seen.iter().all(|seen| seen.connection == 0));
    // Sized, not chunked.
    assert_eq!(seen[2].headers["content-length"], "7");
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_is_replaced() {
    let fake = Fake::start(|_| Answer::LastJson(empty_inbox()));
    let client = Client::new(fake.socket().to_owned());
    for connection in 0..20 {
        client.get::<Inbox>("/v1/inbox").await.unwrap();
        assert_eq!(fake.seen().last().unwrap().connection, connection);
        // Without letting the runtime see it before the next request.
        wait_until("the close", || fake.closed() == connection + 1);
    }
}

/// A request that may have arrived must not be repeated: a message would be sent twice.
#[tokio::test]
async fn a_request_that_was_read_is_not_repeated() {
    let fake = Fake::start(|_| Answer::Raw(b""));
    let client = Client::new(fake.socket().to_owned());
    let result = client.post::<_, ()>("/v1/messages", &json!({})).await;
    assert!(matches!(result, Err(ClientError::Disconnected { .. })), "{result:?}");
    assert_eq!(fake.seen().len(), 1);
}

/// The kept connection of a request that was given up has its answer still to come; the next
/// request must not take that for its own.
#[tokio::test]
async fn an_answer_nobody_waited_for_is_not_given_to_the_next() {
    let (gate, opened) = mpsc::channel::<()>();
    let opened = std::sync::Mutex::new(opened);
    let fake = Fake::start(move |seen| {
        if seen.path == "/slow" {
            let _ = opened.lock().unwrap().recv();
        }
        Answer::Json(json!(seen.path))
    });
    let client = Client::new(fake.socket().to_owned());
    assert_eq!(client.get::<String>("/first").await.unwrap(), "/first");
    {
        let slow = client.get::<String>("/slow");
        tokio::pin!(slow);
        while fake.seen().len() < 2 {
            tokio::select! {
                _ = &mut slow => panic!("answered"),
                () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
            }
        }
    }
    assert_eq!(client.get::<String>("/next").await.unwrap(), "/next");
    drop(gate);
}

#[tokio::test]
async fn a_client_can_be_shared() {
    let fake = Fake::start(|seen| Answer::Json(json!(seen.path)));
    let client = Client::new(fake.socket().to_owned());
    let (a, b, c) = tokio::join!(
        client.get::<String>("/a"),
        client.get::<String>("/b"),
        client.get::<String>("/c")
    );
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), ("/a".into(), "/b".into(), "/c".into()));
}

#[tokio::test]
async fn events_come_over_a_connection_of_their_own() {
    let (sender, receiver) = mpsc::channel();
    let fake = Fake::start(streams(vec![receiver]));
    let client = Client::new(fake.socket().to_owned());
    let mut events = client.events(Some(6)).await.unwrap();
    assert_eq!(events.last_seq(), None);
    sender.send(event(7, json!({"type": "contact_removed", "name": "x"}))).unwrap();
    drop(sender);
    assert_eq!(events.next().await.unwrap().unwrap().seq, 7);
    assert_eq!(events.last_seq(), Some(7));
    assert!(events.next().await.unwrap().is_none());
    assert_eq!(fake.lines(), ["GET /v1/events?since=6"]);
}

#[tokio::test]
async fn a_dead_socket_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let client = Client::new(socket.clone());
    let tried = async || match client.get::<Inbox>("/v1/inbox").await {
        Err(ClientError::NotRunning { tried }) => tried,
        other => panic!("{other:?}"),
    };
    assert_eq!(tried().await, [Tried { socket: socket.clone(), is_stale: false }]);
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert_eq!(tried().await, [Tried { socket: socket.clone(), is_stale: true }]);
}
