//! What `sent` rests on: the word of one peer, which may lie.

use crate::world::*;

/// A peer that says of everything that it is on its disk, and has nothing, gains that the user reads `sent`. Its
/// word must not end the offering to others: they are offered it until the addressee has it.
#[test]
fn who_lies_about_what_is_stored_keeps_it_from_nobody() -> Result {
    let mut world = World::pair(80, 3)?;
    world.settle()?;
    world.nodes[0].released = Released::default();
    world.send(0, "bob", "hello")?;
    // The liar is the only neighbour.
    let ids: Vec<_> =
        std::mem::take(&mut world.nodes[0].released.publish).iter().map(Envelope::id).collect();
    assert_eq!(ids.len(), 2);
    let liar = PeerKey([99; 32]);
    world.run(0, vec![Input::Net(FromNet::StoredBy { from: liar, ids: ids.clone() })]);
    let reconciled = FromNet::Reconciled {
        peer: liar,
        shards: Box::new(ShardSet::ALL),
        up_to_arrival: u64::MAX,
        after: ExpiryHour(0),
        lacking: Vec::new(),
    };
    world.run(0, vec![Input::Net(reconciled)]);
    let texts = |world: &mut World| world.texts(0, "bob", Direction::Out);
    assert_eq!(texts(&mut world)?, with_state(&["hello"], Delivery::Sent));

    // For five days nobody else is met.
    for day in 0..5 {
        world.pass(Duration::from_secs(24 * 3600));
        if day == 2 {
            world.crash(0)?;
        }
        let question = |ticket| FromNet::Outstanding { shards: ShardSet::ALL, ticket };
        let offered = world.ask(0, question)?;
        assert!(ids.iter().all(|id| offered.contains(id)), "day {day}");
    }
    assert_eq!(texts(&mut world)?, with_state(&["hello"], Delivery::Sent));
    // Then one who passes it on.
    world.sync(0, 2)?;
    world.sync(2, 1)?;
    assert_eq!(
        world.texts(1, "alice", Direction::In)?,
        with_state(&["hello"], Delivery::Delivered)
    );
    world.sync(1, 2)?;
    world.sync(2, 0)?;
    world.gossip(0.0);
    assert_eq!(texts(&mut world)?, with_state(&["hello"], Delivery::Delivered));
    Ok(())
}

/// On a LAN of two there is one peer to say it, and that must do.
#[test]
fn one_peer_is_enough_for_sent() -> Result {
    let mut world = World::pair(81, 3)?;
    world.settle()?;
    world.nodes[0].released = Released::default();
    world.send(0, "bob", "hello")?;
    // The key alone, or the message alone, is of no use to anyone.
    let ids: Vec<_> = world.nodes[0].released.publish.iter().map(Envelope::id).collect();
    let from = world.nodes[2].peer;
    for (told, state) in [(&ids[..1], Delivery::Queued), (&ids[..], Delivery::Sent)] {
        world.run(0, vec![Input::Net(FromNet::StoredBy { from, ids: told.to_vec() })]);
        assert_eq!(world.texts(0, "bob", Direction::Out)?, with_state(&["hello"], state));
    }
    Ok(())
}
