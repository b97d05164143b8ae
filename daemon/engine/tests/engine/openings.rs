//! Garbage addressed to a device: bounded, and in nobody's way.

use std::sync::atomic::{AtomicUsize, Ordering};

use martlet_engine::limits::FAILED_OPENINGS_AT_ONCE_PER_PEER;
use martlet_engine::observer::{Database, Dropped, Opening, State};
use martlet_store::mailbox::{Acknowledged, Inserted};

use crate::stranger::Stranger;
use crate::world::*;

/// Who floods.
const FLOODER: PeerKey = PeerKey([66; 32]);
/// Envelopes of a flood.
const FLOOD: u32 = 300;

/// Counts openings.
#[derive(Debug, Default)]
struct Counts {
    opened: AtomicUsize,
    failed: AtomicUsize,
    waits: AtomicUsize,
    refused: AtomicUsize,
}

impl Observer for Counts {
    fn envelope(&self, _: Inserted, _: usize) {}
    fn opening(&self, outcome: Opening) {
        match outcome {
            Opening::Opened => &self.opened,
            Opening::Failed => &self.failed,
            Opening::Waits => &self.waits,
            Opening::Refused => &self.refused,
        }
        .fetch_add(1, Ordering::Relaxed);
    }
    fn deed_dropped(&self, _: Dropped) {}
    fn statements_invalid(&self, _: usize) {}
    fn ack(&self, _: Acknowledged) {}
    fn quota(&self, _: u64) {}
    fn state(&self, _: &State) {}
    fn commit_begins(&self, _: Database) {}
    fn commit_ended(&self, _: Database, _: bool) {}
}

impl Counts {
    fn opened(&self) -> u32 {
        u32::try_from(self.opened.load(Ordering::Relaxed)).unwrap_or(u32::MAX)
    }

    fn failed(&self) -> u32 {
        u32::try_from(self.failed.load(Ordering::Relaxed)).unwrap_or(u32::MAX)
    }
}

/// A pair; Bob's openings are counted.
fn counted(seed: u64) -> Result<(World, Arc<Counts>)> {
    let mut world = World::pair(seed, 2)?;
    world.settle()?;
    let counts = Arc::new(Counts::default());
    world.observer = Arc::clone(&counts) as Arc<dyn Observer>;
    world.crash(1)?;
    Ok((world, counts))
}

/// The same; and envelopes that have his view tag, a right hint, and garbage behind it.
fn flooded(seed: u64) -> Result<(World, Arc<Counts>, Vec<Input>)> {
    let (mut world, counts) = counted(seed)?;
    let key = Stranger::new(&mut world, 1)?.key(&mut world)?;
    let flood = (1..=FLOOD).filter_map(|number| {
        // In the encapsulation of the first slot: whatever is there is one, of another key.
        let mut content = key.content.to_vec();
        content[200..204].copy_from_slice(&number.to_be_bytes());
        brought(FLOODER, Envelope::new(content))
    });
    let flood = flood.collect();
    Ok((world, counts, flood))
}

/// Each garbage envelope with a right view tag cost decapsulations at once, however many one peer brought,
/// and whatever came after them waited for that.
#[test]
fn a_flood_of_garbage_by_one_peer_is_bounded_and_an_honest_one_by_another_is_opened_at_once()
-> Result {
    let (mut world, counts, flood) = flooded(90)?;
    world.run(1, flood);
    assert_eq!(counts.failed(), FAILED_OPENINGS_AT_ONCE_PER_PEER);
    world.send(0, "bob", "hello")?;
    world.gossip(0.0);
    let hello = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, hello);
    assert_eq!(counts.failed(), FAILED_OPENINGS_AT_ONCE_PER_PEER);

    // The rest is tried in its turn.
    let second = Duration::from_secs(1);
    let per_second = u32::try_from(second.as_nanos() / FAILED_OPENING_COST_PER_PEER.as_nanos())?;
    while counts.failed() < FLOOD {
        let before = counts.failed();
        world.pass(second);
        let tried = counts.failed() - before;
        assert!(tried >= per_second.min(FLOOD - before) && tried <= per_second + 1, "{tried}");
    }
    world.pass(10 * second);
    assert_eq!(counts.failed(), FLOOD);
    Ok(())
}

/// What is over the bound is not dropped: it is opened later, after a restart as well.
#[test]
fn an_honest_envelope_behind_a_flood_by_the_same_peer_is_opened_later() -> Result {
    for crashes in [false, true] {
        let (mut world, counts, flood) = flooded(91)?;
        world.run(1, flood);
        world.send(0, "bob", "hello")?;
        let published = std::mem::take(&mut world.nodes[0].released.publish);
        let honest = published.into_iter().filter_map(|envelope| brought(FLOODER, envelope));
        let honest = honest.collect();
        world.run(1, honest);
        assert_eq!(world.texts(1, "alice", Direction::In)?, []);
        assert!(counts.waits.load(Ordering::Relaxed) > 0);
        // Some of it is tried, and how far the mailbox was looked at is written.
        (0..2).for_each(|_| world.pass(Duration::from_secs(1)));
        assert_eq!(counts.opened(), 0);
        if crashes {
            world.crash(1)?;
        }
        for _ in 0..FLOOD {
            world.pass(Duration::from_secs(1));
            if !world.texts(1, "alice", Direction::In)?.is_empty() {
                break;
            }
        }
        let hello = with_state(&["hello"], Delivery::Delivered);
        assert_eq!(world.texts(1, "alice", Direction::In)?, hello, "crashes: {crashes}");
        assert_eq!(counts.opened(), 1);
    }
    Ok(())
}

/// Keys of unknown people were opened without a bound, though anyone can have any number of identities.
#[test]
fn keys_of_unknown_people_are_bounded_like_garbage() -> Result {
    let (mut world, counts) = counted(92)?;
    let more = 20;
    let mut keys = Vec::new();
    for _ in 0..FAILED_OPENINGS_AT_ONCE_PER_PEER + more {
        let key = Stranger::new(&mut world, 1)?.key(&mut world)?;
        keys.extend(brought(FLOODER, key));
    }
    world.run(1, keys);
    assert_eq!(counts.opened(), FAILED_OPENINGS_AT_ONCE_PER_PEER);
    // A contact's by another peer is opened at once.
    world.send(0, "bob", "hello")?;
    world.gossip(0.0);
    let hello = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, hello);
    // The rest in its turn, and the contact's key before.
    for _ in 0..more {
        assert!(counts.opened() <= FAILED_OPENINGS_AT_ONCE_PER_PEER + 1 + more);
        world.pass(FAILED_OPENING_COST_PER_PEER);
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(counts.opened(), FAILED_OPENINGS_AT_ONCE_PER_PEER + 1 + more);
    assert_eq!(counts.failed(), 0);
    Ok(())
}
