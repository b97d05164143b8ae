//! Pings: engine to engine, and nothing of it to be seen.

use martlet_engine::command::{GetInbox, PingContact};
use martlet_engine::limits::PING_ANSWERED_MAX;
use martlet_protocol::control::EventBody;

use crate::world::*;

fn ping(world: &mut World, node: usize, name: &str) -> Result<mpsc::Receiver<Duration>> {
    let (asker, answer) = mpsc::channel();
    let asker = Box::new(move |took| asker.send(took).unwrap_or_default());
    world.call(node, PingContact { name: name.into(), asker })?;
    Ok(answer)
}

/// Pings, pongs and keys that left and were not carried yet.
fn to_device(world: &World, node: usize) -> usize {
    let is_to_device = |envelope: &&Envelope| {
        Header::parse(&envelope.content).is_ok_and(|header| header.kind == Kind::ToDevice)
    };
    world.nodes[node].released.publish.iter().filter(is_to_device).count()
}

fn last_event(world: &mut World, node: usize) -> Result<u64> {
    Ok(world.call(node, ReadEvents { since: 0 })?.last_seq)
}

#[test]
fn a_ping_is_answered_and_nobody_sees_it() -> Result {
    let mut world = World::pair(50, 3)?;
    world.settle()?;
    let events = [last_event(&mut world, 0)?, last_event(&mut world, 1)?];
    let answer = ping(&mut world, 0, "bob")?;
    assert_eq!(world.call(0, GetStatus {})?.outbox, Some(0), "it is no message");
    world.elapse(Duration::from_secs(1));
    assert!(answer.try_recv().is_err());
    world.gossip(0.0);
    assert_eq!(answer.try_recv()?, Duration::from_secs(1));
    world.gossip(0.0);
    for (node, other) in [(0, "bob"), (1, "alice")] {
        assert!(world.texts(node, other, Direction::In)?.is_empty());
        assert!(world.texts(node, other, Direction::Out)?.is_empty());
        assert_eq!(last_event(&mut world, node)?, events[node]);
        let status = world.call(node, GetStatus {})?;
        assert_eq!((status.outbox, status.unread), (Some(0), Some(0)));
        assert!(world.call(node, GetInbox {})?.conversations.is_empty());
    }
    // Both were acknowledged, as any envelope: what is left are the two bundles.
    assert_eq!(world.call(2, GetStatus {})?.mailbox.envelopes, 2);
    Ok(())
}

#[test]
fn without_keys_a_ping_is_refused_at_once() -> Result {
    let mut world = World::half_pair(51, 2)?;
    let error = ping(&mut world, 0, "bob").err().ok_or("it was sent")?;
    assert!(error.to_string().contains("keys"), "{error}");
    let error = ping(&mut world, 0, "nobody").err().ok_or("it was sent")?;
    assert!(error.to_string().contains("no contact"), "{error}");
    Ok(())
}

/// Nobody who isn't a contact learns whether the user is on: neither by a pong nor by an ack.
#[test]
fn only_contacts_are_answered() -> Result {
    let mut world = World::pair(52, 2)?;
    world.settle()?;
    world.call(1, RemoveContact { name: "alice".into() })?;
    world.gossip(0.0);
    let acks = world.nodes[1].acks_released;
    let answer = ping(&mut world, 0, "bob")?;
    world.gossip(0.0);
    assert_eq!(to_device(&world, 1), 0);
    world.settle()?;
    assert!(answer.try_recv().is_err());
    assert_eq!(world.nodes[1].acks_released, acks);
    Ok(())
}

/// A ping lies in mailboxes for up to six days. Who is back then must not answer it: nobody waits any more.
#[test]
fn an_old_ping_is_acknowledged_and_not_answered() -> Result {
    let mut world = World::pair(53, 3)?;
    world.settle()?;
    let answer = ping(&mut world, 0, "bob")?;
    world.sync(0, 2)?;
    world.nodes[0].released = Released::default();
    world.pass(PING_ANSWERED_MAX + Duration::from_secs(1));
    let envelopes = world.call(2, GetStatus {})?.mailbox.envelopes;
    world.sync(1, 2)?;
    assert_eq!(to_device(&world, 1), 0, "a pong");
    world.gossip(0.0);
    assert_eq!(world.call(2, GetStatus {})?.mailbox.envelopes, envelopes - 1);
    assert!(answer.try_recv().is_err());
    Ok(())
}

#[test]
fn a_contact_is_answered_twice_a_second() -> Result {
    let mut world = World::pair(54, 2)?;
    world.settle()?;
    // What the bound's reason says of an answer.
    ping(&mut world, 0, "bob")?;
    let bytes = world.nodes[0].released.publish.last().map(|ping| ping.content.len());
    assert!(bytes.is_some_and(|bytes| bytes < 2560), "{bytes:?}");
    world.gossip(0.0);
    world.pass(Duration::from_secs(60));
    let mut answered = 0;
    for minute in 1..=2 {
        let mut answers = Vec::new();
        for _ in 0..125 {
            answers.push(ping(&mut world, 0, "bob")?);
        }
        world.gossip(0.0);
        world.gossip(0.0);
        answered += answers.iter().filter(|answer| answer.try_recv().is_ok()).count();
        assert_eq!(answered, 120 * minute);
        world.pass(Duration::from_secs(60));
    }
    Ok(())
}

/// Neither has a number among messages. So one that is lost, or ends unseen, leaves no gap: nothing is held back
/// for it, and no message is told to be lost.
#[test]
fn a_lost_ping_leaves_no_gap_among_messages() -> Result {
    let mut world = World::pair(55, 2)?;
    world.settle()?;
    for n in 0..3 {
        world.send(0, "bob", &format!("{n}"))?;
        world.gossip(0.0);
        let answer = ping(&mut world, 0, "bob")?;
        // It leaves, and is lost.
        world.nodes[0].released.publish.clear();
        assert!(answer.try_recv().is_err());
    }
    // At once, with no time to wait for anything.
    let expected = with_state(&["0", "1", "2"], Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, expected);
    world.pass(Duration::from_secs(7 * 24 * 3600));
    world.settle()?;
    let events = world.call(1, ReadEvents { since: 0 })?.events;
    assert!(!events.iter().any(|event| matches!(event.body, EventBody::MessagesLost { .. })));
    let events = world.call(0, ReadEvents { since: 0 })?.events;
    let is_expiry =
        |body: &EventBody| matches!(body, EventBody::MessageState { state: Delivery::Expired, .. });
    assert!(!events.iter().any(|event| is_expiry(&event.body)), "an expiry notice");
    Ok(())
}

/// Nobody waits after a crash: what is left of a ping in the outbox is forgotten, and not sent again. And removing
/// a contact ends the wait for them.
#[test]
fn a_ping_does_not_outlive_its_asker() -> Result {
    let mut world = World::pair(56, 2)?;
    world.settle()?;
    let answer = ping(&mut world, 0, "bob")?;
    assert_eq!(to_device(&world, 0), 1);
    world.crash(0)?;
    assert_eq!(answer.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    assert_eq!(to_device(&world, 0), 0);
    world.crash(0)?;
    assert_eq!(world.call(0, GetStatus {})?.outbox, Some(0));

    let answer = ping(&mut world, 0, "bob")?;
    world.call(0, RemoveContact { name: "bob".into() })?;
    assert_eq!(answer.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    Ok(())
}

/// A session for messages is not begun for a ping, and none ends for it.
#[test]
fn messages_go_on_beside_pings() -> Result {
    let network = NetworkDescriptor { stamp_bits: 6, ..NetworkDescriptor::default() };
    let mut world = World::pair_on(57, 2, network)?;
    world.settle()?;
    for n in 0..5 {
        let answer = ping(&mut world, 1, "alice")?;
        world.send(0, "bob", &format!("{n}"))?;
        world.gossip(0.0);
        world.gossip(0.0);
        assert!(answer.try_recv().is_ok(), "{n}");
        // Also over midnight, when what others refuse is addressed anew.
        world.pass(Duration::from_secs(20 * 3600));
        world.settle()?;
    }
    let texts = world.texts(1, "alice", Direction::In)?;
    assert_eq!(texts, with_state(&["0", "1", "2", "3", "4"], Delivery::Delivered));
    Ok(())
}
