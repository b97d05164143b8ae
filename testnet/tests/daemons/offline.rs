//! Messages to who is away: they wait in any node, arrive in order, once, though the sender is off.

use std::time::{Duration, UNIX_EPOCH};

use martlet_protocol::control::{Delivery, PeerList};
use martlet_testnet::cluster::{ClusterError, Node, NodeOptions, introduce, until};
use martletd::limits::DUPLICATE_CONNECTION_GRACE;

use crate::{TestResult, cluster};

const DEADLINE: Duration = Duration::from_secs(30);

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("message {number}")).collect()
}

/// Sends `texts` and waits until each is at least `state`.
async fn send(from: &Node, to: &str, texts: &[String], state: Delivery) -> TestResult {
    let mut ids = Vec::new();
    for text in texts {
        ids.push(from.send(to, text).await?.id);
    }
    for id in ids {
        from.wait_state(&id, state, DEADLINE).await?;
    }
    Ok(())
}

async fn all_delivered(from: &Node, to: &str) -> Result<(), ClusterError> {
    until(format!("{}'s messages should be delivered", from.name()), DEADLINE, async || {
        let history = from.history(to).await?;
        Ok(history.iter().all(|message| message.state == Delivery::Delivered).then_some(()))
    })
    .await
}

#[tokio::test]
async fn what_waits_in_a_mailbox_node_arrives_though_the_sender_is_off() -> TestResult {
    let cluster = cluster()?;
    let mailbox = cluster.start("mailbox", &[]).await?;
    let mut alice = cluster.user("alice", &[&mailbox]).await?;
    let mut bob = cluster.user("bob", &[&mailbox, &alice]).await?;
    introduce(&alice, &bob).await?;
    send(&alice, "bob", &["before".to_owned()], Delivery::Delivered).await?;

    bob.stop().await?;
    let texts = texts(50);
    send(&alice, "bob", &texts, Delivery::Sent).await?;
    assert!(alice.history("bob").await?[1..].iter().all(|m| m.state == Delivery::Sent));
    alice.stop().await?;

    bob.start().await?;
    let received = bob.wait_received("alice", 1 + texts.len(), DEADLINE).await?;
    assert_eq!(received[1..], texts);
    assert_eq!(bob.connected_peers().await?, [mailbox.status().await?.peer_id]);
    // Nothing comes a second time, not even when the sender is back and publishes again.
    alice.start().await?;
    all_delivered(&alice, "bob").await?;
    bob.restart().await?;
    bob.wait_connected(&[&mailbox, &alice], DEADLINE).await?;
    send(&alice, "bob", &["after".to_owned()], Delivery::Delivered).await?;
    assert_eq!(bob.received("alice").await?.len(), texts.len() + 2);
    Ok(())
}

/// The keys, the first message and the answer all go by the mailbox node.
#[tokio::test]
async fn two_users_talk_who_are_never_on_at_the_same_time() -> TestResult {
    let cluster = cluster()?;
    let mailbox = cluster.start("mailbox", &[]).await?;
    let mut alice = cluster.user("alice", &[&mailbox]).await?;
    alice.wait_connected(&[&mailbox], DEADLINE).await?;
    let alice_id = alice.id().await?;
    until("alice's keys should be in the mailbox node", DEADLINE, async || {
        Ok((mailbox.status().await?.mailbox.envelopes > 0).then_some(()))
    })
    .await?;
    alice.stop().await?;

    let mut bob = cluster.user("bob", &[&mailbox]).await?;
    bob.add_contact("alice", &alice_id).await?;
    send(&bob, "alice", &["Are you ever on?".to_owned()], Delivery::Sent).await?;
    let bob_id = bob.id().await?;
    bob.stop().await?;

    alice.start().await?;
    alice.add_contact("bob", &bob_id).await?;
    assert_eq!(alice.wait_received("bob", 1, DEADLINE).await?, ["Are you ever on?"]);
    send(&alice, "bob", &["Only at night.".to_owned()], Delivery::Sent).await?;
    alice.stop().await?;

    bob.start().await?;
    assert_eq!(bob.wait_received("alice", 1, DEADLINE).await?, ["Only at night."]);
    all_delivered(&bob, "alice").await?;
    Ok(())
}

/// The mailbox node was nearly full: it took some of the long messages and a short one that was written after them. The
/// recipient was shown the short one ten seconds after it came, and the others up to a minute later.
#[tokio::test]
async fn what_a_full_mailbox_node_refused_comes_in_its_order() -> TestResult {
    let cluster = cluster()?;
    let mut mailbox = cluster.node("mailbox", NodeOptions::default());
    mailbox.options_mut().config = vec!["mailbox_bytes_max = 1048576".to_owned()];
    mailbox.start().await?;
    let alice = cluster.user("alice", &[&mailbox]).await?;
    let mut bob = cluster.user("bob", &[&mailbox]).await?;
    introduce(&alice, &bob).await?;
    send(&alice, "bob", &["before".to_owned()], Delivery::Delivered).await?;
    bob.stop().await?;
    let long = (0..80).map(|number| format!("{number:16384}"));
    let texts: Vec<String> = long.chain(["short".to_owned()]).collect();
    for text in &texts {
        alice.send("bob", text).await?;
    }
    // One neighbour may fill half of it, and a long one takes 33 KB.
    until("the mailbox node should have refused what is too much", DEADLINE, async || {
        let refused = "martlet_envelopes_refused_total{reason=\"over_share\"}";
        Ok((mailbox.metrics().await?.get(refused)? >= 64.0).then_some(()))
    })
    .await?;

    bob.start().await?;
    let received = bob.wait_received("alice", 1 + texts.len(), DEADLINE).await?;
    assert!(received[1..] == texts, "out of order");
    all_delivered(&alice, "bob").await?;
    Ok(())
}

#[tokio::test]
async fn the_outbox_survives_restarts_of_the_sender() -> TestResult {
    let cluster = cluster()?;
    let mut alice = cluster.user("alice", &[]).await?;
    let mut bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    send(&alice, "bob", &["before".to_owned()], Delivery::Delivered).await?;
    bob.stop().await?;

    let texts = texts(20);
    for text in &texts[..10] {
        alice.send("bob", text).await?;
    }
    alice.restart().await?;
    for text in &texts[10..] {
        alice.send("bob", text).await?;
    }
    alice.kill()?;
    alice.start().await?;
    assert_eq!(alice.status().await?.outbox, Some(20));
    assert!(alice.history("bob").await?[1..].iter().all(|m| m.state == Delivery::Queued));

    bob.start().await?;
    let received = bob.wait_received("alice", 1 + texts.len(), DEADLINE).await?;
    assert_eq!(received[1..], texts);
    all_delivered(&alice, "bob").await?;
    assert_eq!(alice.status().await?.outbox, Some(0));
    Ok(())
}

#[tokio::test]
async fn a_first_message_waits_for_the_recipients_keys() -> TestResult {
    let cluster = cluster()?;
    let alice = cluster.user("alice", &[]).await?;
    // Bob's keys have never been on the network when Alice writes.
    let mut bob = cluster.user("bob", &[]).await?;
    introduce(&alice, &bob).await?;
    let texts = texts(5);
    for text in &texts {
        alice.send("bob", text).await?;
    }
    bob.options_mut().peers = vec![alice.address()?];
    bob.restart().await?;
    assert_eq!(bob.wait_received("alice", texts.len(), DEADLINE).await?, texts);
    all_delivered(&alice, "bob").await?;
    Ok(())
}

#[tokio::test]
async fn an_unnoticed_death_of_the_recipient_loses_nothing() -> TestResult {
    let cluster = cluster()?;
    let alice = cluster.user("alice", &[]).await?;
    let mut bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    send(&alice, "bob", &["before".to_owned()], Delivery::Delivered).await?;
    bob.kill()?;
    let texts = texts(100);
    for text in &texts {
        alice.send("bob", text).await?;
    }
    bob.start().await?;
    let received = bob.wait_received("alice", 1 + texts.len(), DEADLINE).await?;
    assert_eq!(received[1..], texts);
    all_delivered(&alice, "bob").await?;
    Ok(())
}

/// A process that is killed says no word on QUIC. When it was back, a neighbour with the larger id, which had dialled,
/// closed its dead connection beside the new one; but to gossip the peer had never been gone, so that it was not told
/// what is taken there: what it sent waited for the next sync, up to a minute.
#[tokio::test]
async fn who_was_killed_on_quic_and_is_back_is_heard_at_once() -> TestResult {
    let cluster = cluster()?;
    let (one, other) = (cluster.user("one", &[]).await?, cluster.user("other", &[]).await?);
    let is_smaller = one.status().await?.peer_id < other.status().await?.peer_id;
    let (mut killed, mut dials) = if is_smaller { (one, other) } else { (other, one) };
    dials.options_mut().peers = vec![killed.quic_address()?];
    dials.restart().await?;
    introduce(&killed, &dials).await?;
    killed.wait_connected(&[&dials], DEADLINE).await?;
    send(&killed, dials.name(), &["before".to_owned()], Delivery::Delivered).await?;
    no_longer_dials(&dials, &killed).await?;
    killed.kill()?;
    // The neighbour does not dial: its connection lives.
    killed.options_mut().peers = vec![dials.quic_address()?];
    killed.start().await?;
    // One after another: two may be brought by the syncs that follow a connection.
    for text in texts(4) {
        send(&killed, dials.name(), &[text], Delivery::Delivered).await?;
    }
    Ok(())
}

/// Waits until they have been connected for so long that, as far as `node` knows, `peer` can't have dialled it before it
/// knew of that.
async fn no_longer_dials(node: &Node, peer: &Node) -> Result<(), ClusterError> {
    let peer_id = peer.status().await?.peer_id;
    until(format!("{} should be long connected", node.name()), DEADLINE, async || {
        let list: PeerList = node.get("/v1/peers").await?;
        let peer = list.peers.into_iter().find(|peer| peer.peer_id == peer_id);
        Ok(peer.and_then(|peer| {
            let latency = Duration::from_secs_f64(peer.latency_ms? / 1000.0);
            let since = UNIX_EPOCH + Duration::from_millis(peer.details?.since.0);
            let age = since.elapsed().unwrap_or_default();
            (age > DUPLICATE_CONNECTION_GRACE + 10 * latency).then_some(())
        }))
    })
    .await
}
