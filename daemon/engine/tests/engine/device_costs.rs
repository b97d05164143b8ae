//! What each device more costs: of who is written to, and of who writes.

use crate::trust::recover;
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;

/// How many envelopes a node made, and their bytes.
type Cost = (usize, usize);

/// Alice with so many devices, and Bob with so many, who have written to each other.
fn with_devices(seed: u64, alices: usize, bobs: usize) -> Result<World> {
    let mut world = World::pair(seed, alices + bobs)?;
    world.settle()?;
    for (of, more) in [(ALICE, alices - 1), (BOB, bobs - 1)] {
        for _ in 0..more {
            let free = world.nodes.len() - 1;
            let node = (2..=free).find(|node| world.id_of(*node).is_err());
            recover(&mut world, of, node.ok_or("no node")?)?;
            for _ in 0..3 {
                world.settle()?;
            }
        }
    }
    world.send(BOB, "alice", "hello")?;
    world.settle()?;
    Ok(world)
}

/// What Alice makes for one text of 50 bytes.
fn cost(world: &mut World) -> Result<Cost> {
    world.nodes[ALICE].released.publish.clear();
    world.send(ALICE, "bob", &"x".repeat(50))?;
    let made = std::mem::take(&mut world.nodes[ALICE].released.publish);
    let bytes = made.iter().map(|envelope| envelope.content.len()).sum();
    // Everyone has it.
    world.nodes[ALICE].released.publish = made.clone();
    world.gossip(0.0);
    world.settle()?;
    Ok((made.len(), bytes))
}

/// The first text in new sessions, and the next one in the same.
fn costs(alices: usize, bobs: usize) -> Result<[Cost; 2]> {
    let mut world = with_devices(2400, alices, bobs)?;
    // The sessions of before end with their day.
    world.elapse(Duration::from_secs(25 * 3600));
    for _ in 0..2 {
        world.settle()?;
    }
    Ok([cost(&mut world)?, cost(&mut world)?])
}

/// For docs/performance.md: `cargo test -p martlet-engine --test engine -- --ignored --nocapture what_each_device_costs`.
#[test]
#[ignore = "prints figures"]
fn what_each_device_costs() -> Result {
    println!("devices of the writer, of the reader: first text, next text (envelopes, bytes)");
    for (alices, bobs) in [(1, 1), (1, 2), (1, 3), (1, 5), (1, 8), (2, 1), (3, 1), (3, 3)] {
        let [first, next] = costs(alices, bobs)?;
        println!("{alices}, {bobs}: {first:?}, {next:?}");
    }
    Ok(())
}

/// A text is one envelope for all devices of who reads it, and one more for those of who wrote it.
#[test]
fn a_text_is_one_envelope_however_many_devices_read_it() -> Result {
    let [_, (_, one)] = costs(1, 1)?;
    for (alices, bobs) in [(1, 3), (2, 3)] {
        let [(first, _), (next, bytes)] = costs(alices, bobs)?;
        // A key for each device, and the text.
        assert_eq!((first, next), (bobs + alices - 1 + alices.min(2), alices.min(2)));
        assert!(bytes <= 2 * alices * one, "{bytes} {one}");
    }
    Ok(())
}
