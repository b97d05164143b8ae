//! Networks that ask for stamps.

use crate::world::*;

fn stamped(stamp_bits: u8) -> NetworkDescriptor {
    NetworkDescriptor { stamp_bits, ..NetworkDescriptor::default() }
}

#[test]
fn an_envelope_leaves_only_with_its_stamp_and_a_restart_makes_it_again() -> Result {
    let mut world = World::pair_on(20, 3, stamped(8))?;
    world.settle()?;
    world.gossip(0.0);
    world.stamps_at_once = false;
    let texts: Vec<_> = (0..40).map(|n| format!("{n}")).collect();
    for text in &texts {
        world.send(0, "bob", text)?;
    }
    // The session's key and the messages; of the jobs no more are out than may be.
    assert_eq!(world.call(0, GetStatus {})?.stamping, 41);
    assert_eq!(world.nodes[0].released.stamp.len(), STAMP_JOBS_MAX);
    assert!(world.nodes[0].released.publish.is_empty());
    world.stamp(0);
    world.stamp(0);
    assert_eq!(world.nodes[0].released.publish.len(), 2);
    assert_eq!(world.call(0, GetStatus {})?.stamping, 39);
    for envelope in &world.nodes[0].released.publish {
        assert!(stamp::check(&envelope.id(), envelope.nonce, 8));
    }

    world.crash(0)?;
    assert_eq!(world.call(0, GetStatus {})?.stamping, 39);
    while world.stamp(0) {}
    assert_eq!(world.call(0, GetStatus {})?.stamping, 0);
    // The two that were stamped before the crash had not been gossiped, or not for sure.
    let published = world.nodes[0].released.publish.iter();
    assert!(published.filter(|e| stamp::check(&e.id(), e.nonce, 8)).count() >= 39);
    world.stamps_at_once = true;
    world.settle()?;
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let expected = with_state(&texts, Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, expected);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, expected);
    Ok(())
}

#[test]
fn a_stamp_that_nobody_waits_for_any_more_is_cancelled() -> Result {
    let mut world = World::pair_on(21, 2, stamped(4))?;
    world.settle()?;
    world.stamps_at_once = false;
    // Of the contact removed, of a message expired, of a vault locked.
    for number in 0..3 {
        world.send(0, "bob", "never to leave")?;
        let jobs = std::mem::take(&mut world.nodes[0].released.stamp);
        assert!(!jobs.is_empty());
        match number {
            0 => {
                world.call(0, RemoveContact { name: "bob".into() })?;
            }
            1 => world.pass(Duration::from_secs(7 * 24 * 3600)),
            _ => world.nodes[0].engine = None,
        }
        world.nodes[0].released.stamp.clear();
        world.nodes[0].released.publish.clear();
        let results = jobs.into_iter().map(|job| Input::Stamped(job.run())).collect();
        world.run_batches(0, results);
        assert!(world.nodes[0].released.publish.is_empty(), "{number}");
        if number == 0 {
            assert_eq!(world.call(0, GetStatus {})?.stamping, 0);
            let bob = world.id_of(1)?;
            world.add(0, &bob, "bob")?;
        }
    }
    Ok(())
}

/// A stamp was asked for more bits than the descriptor had asked before: what was stamped for
/// fewer is stamped again, and nobody is offered the envelope with the poor stamp.
#[test]
fn more_bits_make_stamps_anew() -> Result {
    let mut world = World::pair_on(22, 3, stamped(2))?;
    world.settle()?;
    world.send(0, "bob", "hello")?;
    world.nodes[0].released = Released::default();
    world.network = stamped(12);
    world.stamps_at_once = false;
    for node in 0..3 {
        world.crash(node)?;
        assert_eq!(world.call(node, GetStatus {})?.mailbox.envelopes, 0);
    }
    // The bundle, the session's key, the message.
    assert_eq!(world.call(0, GetStatus {})?.stamping, 3);
    world.stamps_at_once = true;
    world.settle()?;
    world.settle()?;
    let expected = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, expected);
    Ok(())
}
