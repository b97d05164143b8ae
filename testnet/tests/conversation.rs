//! Two daemons in conversation: delivery, histories, the inbox, events, strangers.

use std::time::Duration;

use martlet_protocol::control::{
    Contact, ContactList, Delivery, Direction, EventBody, History, Inbox, Message, ReadResponse,
    RequestAccept, RequestList,
};
use martlet_testnet::cluster::{Cluster, ClusterError, Node, introduce, next_event, until};

const DEADLINE: Duration = Duration::from_secs(30);

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn cluster() -> Result<Cluster, ClusterError> {
    Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))
}

/// Two connected users, contacts of each other.
async fn pair(cluster: &Cluster) -> Result<(Node, Node), ClusterError> {
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    Ok((alice, bob))
}

#[tokio::test]
async fn messages_are_delivered_both_ways_and_read() -> TestResult {
    let cluster = cluster()?;
    let (alice, bob) = pair(&cluster).await?;

    let question = alice.send("bob", "How is the weather?").await?;
    assert_eq!(question.state, Delivery::Queued);
    alice.wait_state(&question.id, Delivery::Delivered, DEADLINE).await?;
    let answer = bob.send("alice", "Grüße aus dem Regen ☔").await?;
    bob.wait_state(&answer.id, Delivery::Delivered, DEADLINE).await?;

    for (node, other, directions) in [
        (&alice, "bob", [Direction::Out, Direction::In]),
        (&bob, "alice", [Direction::In, Direction::Out]),
    ] {
        let history = node.history(other).await?;
        let texts: Vec<&str> = history.iter().map(|message| message.text.as_str()).collect();
        assert_eq!(texts, ["How is the weather?", "Grüße aus dem Regen ☔"]);
        let found: Vec<Direction> = history.iter().map(|message| message.direction).collect();
        assert_eq!(found, directions);
        assert!(history.iter().all(|message| message.conversation == other));
        assert!(history.iter().all(|message| message.state == Delivery::Delivered));
    }
    // The same message has the same id on both sides.
    assert_eq!(bob.history("alice").await?[0].id, question.id);

    let inbox: Inbox = bob.get("/v1/inbox").await?;
    assert_eq!(inbox.conversations.len(), 1);
    assert_eq!((inbox.conversations[0].name.as_str(), inbox.conversations[0].unread), ("alice", 1));
    assert_eq!(inbox.conversations[0].messages[0].text, "How is the weather?");
    assert_eq!(bob.status().await?.unread, Some(1));
    let read: ReadResponse = bob.post_empty("/v1/conversations/alice/read").await?;
    assert_eq!(read.marked, 1);
    let inbox: Inbox = bob.get("/v1/inbox").await?;
    assert!(inbox.conversations.is_empty());
    assert_eq!(bob.status().await?.unread, Some(0));
    assert_eq!(bob.message(&question.id).await?.state, Delivery::Read);
    let read: ReadResponse = bob.post_empty("/v1/conversations/alice/read").await?;
    assert_eq!(read.marked, 0);
    Ok(())
}

#[tokio::test]
async fn messages_cross_by_quic() -> TestResult {
    let cluster = cluster()?;
    let alice = cluster.user("alice", &[]).await?;
    let mut bob = cluster.node("bob", martlet_testnet::cluster::NodeOptions::default());
    bob.options_mut().peers = vec![alice.quic_address()?];
    bob.start().await?;
    bob.init().await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    let peers: martlet_protocol::control::PeerList = bob.get("/v1/peers").await?;
    let transports: Vec<_> = peers.peers.iter().filter_map(|peer| peer.transport).collect();
    assert_eq!(transports, [martlet_protocol::control::Transport::Quic]);
    let sent = bob.send("alice", "over UDP").await?;
    bob.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    assert_eq!(alice.received("bob").await?, ["over UDP"]);
    Ok(())
}

#[tokio::test]
async fn many_messages_keep_their_order() -> TestResult {
    let cluster = cluster()?;
    let (alice, bob) = pair(&cluster).await?;
    // More than two sessions of 128 messages, and each longest text is on another rung.
    let texts: Vec<String> =
        (0..300).map(|n| format!("{n:03} {}", "x".repeat((n % 7) * 400))).collect();
    for text in &texts {
        alice.send("bob", text).await?;
    }
    let received = bob.wait_received("alice", texts.len(), DEADLINE).await?;
    assert!(received == texts, "out of order, or changed");
    until("all should be delivered", DEADLINE, async || {
        let history = alice.history("bob").await?;
        Ok(history.iter().all(|message| message.state == Delivery::Delivered).then_some(()))
    })
    .await?;
    assert_eq!(alice.status().await?.outbox, Some(0));
    Ok(())
}

#[tokio::test]
async fn events_resume_without_loss() -> TestResult {
    let cluster = cluster()?;
    let (alice, mut bob) = pair(&cluster).await?;
    let start = {
        let mut events = bob.events(Some(0)).await?;
        alice.send("bob", "one").await?;
        next_event(&bob, &mut events, DEADLINE, |event| match event.body {
            EventBody::MessageReceived { .. } => Some(event.seq),
            _ => None,
        })
        .await?
        // Here the stream is dropped: the client is away.
    };
    alice.send("bob", "two").await?;
    bob.wait_received("alice", 2, DEADLINE).await?;
    bob.restart().await?;
    alice.send("bob", "three").await?;

    for by_header in [false, true] {
        let client = bob.client();
        let resumed = if by_header {
            client.resume_events(start).await
        } else {
            client.events(Some(start)).await
        };
        let mut events = resumed.map_err(|source| bob.error(source))?;
        let (mut last, mut texts) = (start, Vec::new());
        while texts.len() < 2 {
            let event = next_event(&bob, &mut events, DEADLINE, Some).await?;
            assert_eq!(event.seq, last + 1, "an event is missing or came twice");
            last = event.seq;
            if let EventBody::MessageReceived { message } = event.body {
                texts.push(message.text);
            }
        }
        assert_eq!(texts, ["two", "three"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_stranger_waits_for_a_decision() -> TestResult {
    let cluster = cluster()?;
    let alice = cluster.user("alice", &[]).await?;
    let carol = cluster.user("carol", &[&alice]).await?;
    let dave = cluster.user("dave", &[&alice]).await?;
    for stranger in [&carol, &dave] {
        stranger.wait_connected(&[&alice], DEADLINE).await?;
        stranger.add_contact("alice", &alice.id().await?).await?;
        stranger.send("alice", "Hello, you don't know me.").await?;
        stranger.send("alice", "May I?").await?;
    }
    let requests = until("two requests should wait", DEADLINE, async || {
        let list: RequestList = alice.get("/v1/requests").await?;
        let whole = list.requests.iter().filter(|request| request.messages == 2).count();
        Ok((whole == 2).then_some(list.requests))
    })
    .await?;
    let contacts: ContactList = alice.get("/v1/contacts").await?;
    assert!(contacts.contacts.is_empty());
    let inbox: Inbox = alice.get("/v1/inbox").await?;
    assert_eq!(inbox.requests, 2);

    for request in requests {
        assert_eq!(request.preview.as_deref(), Some("Hello, you don't know me."));
        let path = format!("/v1/requests/{}", request.id);
        if request.id == carol.id().await? {
            assert_eq!(request.suggested_name.as_deref(), Some("carol"));
            let accept = RequestAccept { name: "Carol B.".into() };
            let contact: Contact = alice.post(&format!("{path}/accept"), &accept).await?;
            assert_eq!((contact.name.as_str(), contact.id), ("Carol B.", request.id));
        } else {
            alice.shared_client().delete(&path).await?;
        }
    }
    let list: RequestList = alice.get("/v1/requests").await?;
    assert!(list.requests.is_empty());
    assert_eq!(alice.received("Carol B.").await?, ["Hello, you don't know me.", "May I?"]);
    // The conversation goes on, both ways.
    let sent = alice.send("Carol B.", "Welcome.").await?;
    alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    assert_eq!(carol.received("alice").await?, ["Welcome."]);
    let sent = carol.send("alice", "Thank you.").await?;
    carol.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    Ok(())
}

#[tokio::test]
async fn the_command_does_it_all() -> TestResult {
    let cluster = cluster()?;
    let alice = cluster.start("alice", &[]).await?;
    let bob = cluster.start("bob", &[&alice]).await?;
    let mut ids = Vec::new();
    for node in [&alice, &bob] {
        run(node, &["init", "--name", node.name(), "--no-passphrase"]).await?;
        ids.push(run(node, &["id"]).await?.trim().to_owned());
    }
    run(&alice, &["contact", "add", &ids[1], "--name", "bob"]).await?;
    run(&bob, &["contact", "add", &ids[0], "--name", "alice"]).await?;
    run(&alice, &["send", "bob", "Hi Bob", "--wait", "delivered", "--timeout", "30"]).await?;
    for args in [["history", "alice"].as_slice(), &["inbox"]] {
        let output = run(&bob, args).await?;
        assert!(output.contains("Hi Bob"), "{args:?} printed {output}");
    }
    run(&bob, &["read", "alice"]).await?;
    let json: serde_json::Value = serde_json::from_str(&run(&bob, &["--json", "status"]).await?)?;
    assert_eq!(json["unread"], 0);
    Ok(())
}

#[tokio::test]
async fn notes_need_no_network_and_survive_a_restart() -> TestResult {
    let cluster = cluster()?;
    let mut alice = cluster.user("alice", &[]).await?;
    let id = run(&alice, &["note", "buy", "milk"]).await?;
    alice.restart().await?;
    let shown = run(&alice, &["history", "--notes"]).await?;
    assert!(shown.ends_with("you  buy milk\n"), "{shown}");
    let notes: History = alice.get("/v1/notes").await?;
    assert_eq!(notes.messages[0].id, id.trim());
    assert_eq!(notes.messages[0].direction, Direction::Note);
    let found: Message = alice.get(&format!("/v1/messages/{}", id.trim())).await?;
    assert_eq!(found, notes.messages[0]);
    assert_eq!(alice.status().await?.outbox, Some(0));
    Ok(())
}

/// Runs `martletctl`; returns what it printed.
async fn run(node: &Node, args: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = node.ctl(args).await?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "martletctl {args:?}: {} {error}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
