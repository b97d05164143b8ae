//! Two daemons in conversation: delivery, histories, the inbox, events, strangers.

use std::time::Duration;

use martlet_protocol::control::{
    Contact, ContactList, Delivery, Direction, EventBody, History, Inbox, Message, ReadResponse,
    RequestAccept, RequestList,
};
use martlet_testnet::cluster::{Cluster, ClusterError, Node, introduce, next_event, until};

use crate::{TestResult, cluster};

const DEADLINE: Duration = Duration::from_secs(30);

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

/// What is found, where it stands, and that what is gone is not found.
#[tokio::test]
async fn messages_are_searched() -> TestResult {
    let cluster = cluster()?;
    let (alice, mut bob) = pair(&cluster).await?;
    for text in
        ["Where does the ferry leave?", "From the café at the HARBOUR", "東京で会いましょう"]
    {
        let sent = alice.send("bob", text).await?;
        alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    }
    run(&bob, &["note", "harbour: bring the tickets"]).await?;
    let found = run(&bob, &["search", "cafe", "harb"]).await?;
    let id = found.split_whitespace().find(|word| word.len() == 32).ok_or("no id")?.to_owned();
    assert!(
        found.starts_with("alice  ") && found.ends_with("alice: From the café at the HARBOUR\n")
    );
    let around = run(&bob, &["history", "alice", "--around", &id]).await?;
    assert!(around.contains("ferry") && around.contains("HARBOUR"), "{around}");
    assert!(run(&bob, &["search", "会い"]).await?.contains("東京で会いましょう"));
    assert_eq!(run(&bob, &["search", "harbour"]).await?.matches("  today ").count(), 2);
    let notes = run(&bob, &["search", "harbour", "--notes"]).await?;
    assert!(notes.starts_with("notes  ") && !notes.contains("HARBOUR"), "{notes}");
    bob.restart().await?;
    assert!(run(&bob, &["search", "harbour", "--in", "alice"]).await?.contains(&id));
    run(&bob, &["delete", &id]).await?;
    assert_eq!(run(&bob, &["search", "cafe"]).await?, "No message has cafe.\n");
    for (words, status, why) in
        [("", 1, "no word"), (".*", 0, ""), (&"x".repeat(10_240), 1, "1024")]
    {
        let refused = bob.ctl(&["search", words]).await?;
        assert_eq!(refused.status.code(), Some(status), "{refused:?}");
        assert!(String::from_utf8(refused.stderr)?.contains(why));
    }
    Ok(())
}

/// Runs `martletctl`; returns what it printed.
async fn run(node: &Node, args: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = node.ctl(args).await?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "martletctl {args:?}: {} {error}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Blocked and away look alike to the sender; what comes after the block is lifted is delivered.
#[tokio::test]
async fn who_is_blocked_sees_what_they_would_see_if_the_other_were_away() -> TestResult {
    let cluster = cluster()?;
    let (alice, bob) = pair(&cluster).await?;
    let mut carol = cluster.user("carol", &[&alice]).await?;
    introduce(&alice, &carol).await?;
    carol.wait_connected(&[&alice], DEADLINE).await?;
    for name in ["bob", "carol"] {
        let sent = alice.send(name, "before").await?;
        alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    }
    let blocked = bob.ctl(&["block", "alice"]).await?;
    assert_eq!(String::from_utf8(blocked.stdout)?, "alice is blocked.\n");
    carol.stop().await?;
    let held_before = alice.status().await?.mailbox.envelopes;
    let mut ids = Vec::new();
    for name in ["bob", "carol"] {
        for number in 0..3 {
            ids.push(alice.send(name, &format!("{number}")).await?.id);
        }
    }
    // Bob's node has them on disk, as any node would. Carol's are with Bob's node, too.
    for id in &ids {
        alice.wait_state(id, Delivery::Sent, DEADLINE).await?;
    }
    let ping = alice.ctl(&["ping", "bob", "--timeout", "2"]).await?;
    let away = alice.ctl(&["ping", "carol", "--timeout", "2"]).await?;
    assert_eq!(ping.status.code(), away.status.code());
    let worded = |text: Vec<u8>| String::from_utf8(text).map(|text| text.replace("carol", "bob"));
    assert_eq!(worded(ping.stderr)?, worded(away.stderr)?);
    for id in &ids {
        assert_eq!(alice.message(id).await?.state, Delivery::Sent);
    }
    // What is acknowledged leaves every mailbox.
    let held = alice.status().await?.mailbox.envelopes;
    assert!(held >= held_before + 6, "{held} envelopes, {held_before} before");
    assert_eq!(bob.received("alice").await?, ["before"]);
    let refused = bob.ctl(&["send", "alice", "x"]).await?;
    assert_eq!(refused.status.code(), Some(1));
    let listed = bob.ctl(&["blocked"]).await?;
    assert!(String::from_utf8(listed.stdout)?.contains("alice"));

    let lifted = bob.ctl(&["unblock", "alice"]).await?;
    assert_eq!(lifted.status.code(), Some(0));
    let after = alice.send("bob", "after").await?;
    alice.wait_state(&after.id, Delivery::Delivered, DEADLINE).await?;
    bob.wait_received("alice", 2, DEADLINE).await?;
    assert_eq!(bob.received("alice").await?, ["before", "after"]);
    for id in &ids[..3] {
        assert_eq!(alice.message(id).await?.state, Delivery::Sent);
    }
    Ok(())
}

/// The examples of `packaging/examples`, with daemons: an echo, and a bridge that crashes with its messages half done.
#[tokio::test]
async fn a_bot_answers_and_a_bridge_writes_down_what_comes() -> TestResult {
    if std::process::Command::new("jq").arg("--version").output().is_err() {
        println!("skipped: there is no jq");
        return Ok(());
    }
    let cluster = cluster()?;
    let (alice, bob) = pair(&cluster).await?;
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/examples");
    let log = cluster.path().join("messages.log");
    let listen = |name: &str, args: &[&str]| {
        let mut command = std::process::Command::new(cluster.program());
        command.arg("ctl").arg("--socket").arg(bob.socket()).arg("listen");
        command.arg("--cursor").arg(cluster.path().join(name));
        command.arg("--exec").arg(examples.join(name)).args(args).spawn()
    };
    let started = async |name: &str| {
        let has_begun = async || Ok(cluster.path().join(name).exists().then_some(()));
        until("a cursor", DEADLINE, has_begun).await
    };
    let mut echo = listen("echo-bot", &[])?;
    let path = log.display().to_string();
    let mut bridge = listen("log-bridge", &[&path])?;
    started("echo-bot").await?;
    started("log-bridge").await?;
    let texts: Vec<String> = (0..20).map(|number| format!("message {number}\nof alice")).collect();
    for (number, text) in texts.iter().enumerate() {
        alice.send("bob", text).await?;
        if number == 10 {
            bridge.kill()?;
            bridge.wait()?;
            bridge = listen("log-bridge", &[&path])?;
        }
    }
    let echoed = alice.wait_received("bob", texts.len(), DEADLINE).await?;
    assert_eq!(echoed, texts);
    let written = || -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let mut written: Vec<String> = Vec::new();
        for line in std::fs::read_to_string(&log)?.lines() {
            let line: serde_json::Value = serde_json::from_str(line)?;
            assert_eq!(line["conversation"], "alice");
            let text = line["text"].as_str().ok_or("no text")?.to_owned();
            // At least once: twice perhaps, where it was killed.
            if written.last() != Some(&text) {
                written.push(text);
            }
        }
        Ok(written)
    };
    let is_all = || written().is_ok_and(|all| all.len() >= texts.len()).then_some(());
    until("all written", DEADLINE, async || Ok(is_all())).await?;
    assert_eq!(written()?, texts);
    for child in [&mut echo, &mut bridge] {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}
