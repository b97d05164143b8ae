//! When bundles leave.

use crate::world::*;

const MINUTES: Duration = Duration::from_secs(600);
const DAY_MS: u64 = 24 * 3600 * 1000;

/// Passes time until the node publishes something or `max` is over; when it did.
fn published_within(world: &mut World, max: Duration) -> Option<UnixMillis> {
    let end = world.now.plus(max);
    while world.now < end {
        world.pass(MINUTES);
        if !std::mem::take(&mut world.nodes[0].released.publish).is_empty() {
            return Some(world.now);
        }
    }
    None
}

/// Bundles left at midnight and at each start: who knew an ID saw which node had just come, and who came
/// first with it.
#[test]
fn a_bundle_leaves_once_a_day_at_a_random_time_and_not_at_a_start() -> Result {
    let mut world = World::new(1, 71)?;
    world.init(0, "alice")?;
    world.pass(MINUTES);
    assert_eq!(world.nodes[0].released.publish.len(), 1, "the first bundle leaves at once");
    world.nodes[0].released.publish.clear();
    let first_day = world.now.day().0;

    let mut times = Vec::new();
    for day in 1..=6 {
        // The mailbox is committed: else the bundle would have to leave again.
        world.pass(Duration::from_secs(1));
        world.crash(0)?;
        assert!(world.nodes[0].released.publish.is_empty(), "a bundle left at a start");
        let at = published_within(&mut world, Duration::from_secs(48 * 3600)).ok_or("none")?;
        assert_eq!(at.day().0, first_day + day, "one on each day");
        times.push(at.0 % DAY_MS);
    }
    let (first, last) = (times.iter().min(), times.iter().max());
    assert!(last > first.map(|first| first + DAY_MS / 4).as_ref(), "all at one time: {times:?}");
    Ok(())
}

#[test]
fn a_node_that_was_off_publishes_within_an_hour_but_not_at_its_start() -> Result {
    let mut world = World::new(1, 72)?;
    world.init(0, "alice")?;
    world.pass(MINUTES);
    world.elapse(Duration::from_secs(2 * 24 * 3600));
    world.crash(0)?;
    assert!(world.nodes[0].released.publish.is_empty(), "a bundle left at a start");
    let started = world.now;
    let at = published_within(&mut world, 8 * MINUTES).ok_or("none")?;
    assert!(at.since(started) <= 7 * MINUTES);

    // With one that is nearly at its end nobody could write to the user: there is no time to wait.
    world.elapse(Duration::from_secs(4 * 24 * 3600));
    world.crash(0)?;
    assert_eq!(world.nodes[0].released.publish.len(), 1);
    Ok(())
}
