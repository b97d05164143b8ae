//! The user's own on the stem, on a network that is `mixed`.

use martlet_engine::limits::{LATE_ACK_MAX, LATE_ACKS_MAX, STEM_OWN_MAX};
use martlet_store::records::LATE_ACKS;

use crate::stranger::in_vault;
use crate::world::*;

fn mixed() -> NetworkDescriptor {
    NetworkDescriptor { privacy: Some(Privacy::Mixed), ..NetworkDescriptor::default() }
}

/// Alice, Bob, who have each other's keys, and one more.
fn world(seed: u64) -> Result<World> {
    let mut world = World::pair_on(seed, 3, mixed())?;
    world.settle()?;
    for node in &mut world.nodes {
        node.released = Released::default();
    }
    Ok(world)
}

fn held(world: &World, node: usize) -> Result<u64> {
    let engine = world.nodes[node].engine.as_ref().ok_or("off")?;
    Ok(engine.mailbox().view()?.stats()?.envelopes)
}

/// What the user wrote was in the mailbox at once, and so the first neighbour that synced knew whose it was.
#[test]
fn what_is_on_the_stem_is_told_to_no_neighbour() -> Result {
    let mut world = world(90)?;
    let before = held(&world, 2)?;
    world.send(0, "bob", "hello")?;
    assert_eq!(world.nodes[0].released.stem.len(), 2, "a key and a message");
    assert!(world.nodes[0].released.publish.is_empty());
    world.sync(0, 2)?;
    world.sync(2, 0)?;
    assert_eq!(held(&world, 2)?, before, "sync told");
    let question = |ticket| FromNet::Outstanding { shards: ShardSet::ALL, ticket };
    let offered = world.ask(0, question)?;
    let on_stem = world.nodes[0].released.stem.clone();
    for stemmed in &on_stem {
        let Stemmed::Envelope(envelope) = stemmed else { return Err("an ack".into()) };
        assert!(!offered.contains(&envelope.id()), "offered unseen");
    }
    let texts = |world: &mut World| world.texts(0, "bob", Direction::Out);
    assert_eq!(texts(&mut world)?, with_state(&["hello"], Delivery::Queued));

    // It comes back like any envelope, and is told from then on.
    world.stem(0);
    assert!(world.nodes[0].released.publish.is_empty(), "it is published by another");
    world.sync(0, 2)?;
    assert_eq!(texts(&mut world)?, with_state(&["hello"], Delivery::Sent));
    assert_eq!(world.texts(1, "alice", Direction::In)?.len(), 1);
    Ok(())
}

#[test]
fn what_the_stem_loses_is_published_from_here() -> Result {
    let mut world = world(91)?;
    world.send(0, "bob", "hello")?;
    world.lose_stem(0);
    assert_eq!(world.nodes[0].released.publish.len(), 2);
    world.gossip(0.0);
    assert_eq!(world.texts(1, "alice", Direction::In)?.len(), 1);
    // Said twice, it is published once.
    let again = world.nodes[0].released.publish.len();
    world.lose_stem(0);
    assert_eq!(world.nodes[0].released.publish.len(), again);
    Ok(())
}

/// It is in memory alone on the way: a crash of its author must not lose it.
#[test]
fn what_was_on_the_stem_at_a_crash_begins_its_way_anew() -> Result {
    let mut world = world(92)?;
    world.send(0, "bob", "hello")?;
    world.crash(0)?;
    assert!(world.nodes[0].released.stem.len() >= 2);
    assert!(world.nodes[0].released.publish.is_empty());
    world.gossip(0.0);
    assert_eq!(world.texts(1, "alice", Direction::In)?.len(), 1);

    // An ack likewise.
    world.pass(Duration::from_secs(40));
    assert!(world.nodes[1].released.stem.iter().any(|it| matches!(it, Stemmed::Ack(_))));
    world.crash(1)?;
    world.pass(Duration::from_secs(40));
    world.gossip(0.0);
    let told = world.texts(0, "bob", Direction::Out)?;
    assert_eq!(told, with_state(&["hello"], Delivery::Delivered));
    Ok(())
}

/// The ack's envelope was purged when the ack left, so that a sync told it before gossip did.
#[test]
fn an_ack_on_the_stem_is_told_in_no_sync() -> Result {
    let mut world = world(93)?;
    world.send(0, "bob", "hello")?;
    world.gossip(0.0);
    world.pass(Duration::from_secs(40));
    assert!(!world.nodes[1].released.stem.is_empty());
    for _ in 0..2 {
        world.sync(0, 1)?;
        world.sync(2, 1)?;
    }
    let told = world.texts(0, "bob", Direction::Out)?;
    assert_eq!(told, with_state(&["hello"], Delivery::Sent));
    world.gossip(0.0);
    let told = world.texts(0, "bob", Direction::Out)?;
    assert_eq!(told, with_state(&["hello"], Delivery::Delivered));
    Ok(())
}

#[test]
fn what_finds_no_place_on_the_stem_waits_and_follows_in_order() -> Result {
    let mut world = world(94)?;
    let count = STEM_OWN_MAX + 60;
    for number in 0..count {
        world.send(0, "bob", &format!("{number}"))?;
    }
    assert_eq!(world.nodes[0].released.stem.len(), STEM_OWN_MAX);
    for _ in 0..4 {
        world.gossip(0.0);
        world.pass(Duration::from_secs(1));
    }
    let texts = world.texts(1, "alice", Direction::In)?;
    let read: Vec<String> = texts.into_iter().map(|(text, _)| text).collect();
    let all: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    assert_eq!(read, all);
    Ok(())
}

/// Who came back to 20,000 messages acknowledged the first 9,000 by the stem, and all others at once, by which any
/// neighbour saw whose they were.
#[test]
fn acks_of_many_messages_wait_for_a_place_on_the_stem() -> Result {
    let mut world = world(95)?;
    let count = 2 * STEM_OWN_MAX + 20;
    for number in 0..count {
        world.send(0, "bob", &format!("{number}"))?;
    }
    for _ in 0..4 {
        world.gossip(0.0);
        world.pass(Duration::from_millis(1));
    }
    assert_eq!(world.texts(1, "alice", Direction::In)?.len(), count);
    let left = world.nodes[1].acks_released;
    assert!(left < 20, "{left} left, though hardly any time passed");
    world.pass(LATE_ACK_MAX);
    loop {
        let released = &world.nodes[1].released;
        assert!(released.acks.is_empty(), "some left without the stem");
        assert!(released.stem.len() <= STEM_OWN_MAX);
        let told = world.texts(0, "bob", Direction::Out)?;
        if told.iter().all(|(_, state)| *state == Delivery::Delivered) {
            return Ok(());
        }
        assert!(!world.nodes[1].released.stem.is_empty(), "some don't leave");
        world.gossip(0.0);
    }
}

// Whatever one device may have written for six days finds a place: with fewer, the rest leaves without the stem.
const _: () = assert!(LATE_ACKS_MAX >= 250_000);

/// With each start the acks of the last commit waited for their time once more, and left by the stem once more.
#[test]
fn a_start_has_no_ack_wait_again_that_is_on_disk() -> Result {
    let mut world = world(99)?;
    world.send(0, "bob", "hello")?;
    for _ in 0..3 {
        world.gossip(0.0);
        world.pass(LATE_ACK_MAX);
    }
    world.gossip(0.0);
    let hello = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, hello);
    for _ in 0..3 {
        world.elapse(MAILBOX_COMMIT_DELAY);
        world.run(1, vec![]);
        world.crash(1)?;
        let mut waiting = usize::MAX;
        in_vault(&mut world, 1, |txn| {
            waiting = txn.range(&LATE_ACKS, None, 0..=u64::MAX, usize::MAX)?.len();
            Ok(())
        })?;
        assert_eq!(waiting, 0);
        world.pass(LATE_ACK_MAX);
        assert!(world.nodes[1].released.stem.is_empty());
    }
    Ok(())
}
