//! Other networks and shards.

use crate::world::*;

/// Who joined another network offered its neighbours there what was addressed in the one before,
/// and was cut off by them as hostile.
#[test]
fn another_network_begins_with_an_empty_mailbox_and_what_was_not_delivered_is_sent_there() -> Result
{
    let mut world = World::pair(23, 3)?;
    world.settle()?;
    world.send(0, "bob", "delivered")?;
    world.settle()?;
    world.send(0, "bob", "one")?;
    world.send(0, "bob", "two")?;
    world.nodes[0].released = Released::default();
    world.network = NetworkDescriptor {
        name: "ship".into(),
        shard_bits: 4,
        key: Some(NetworkKey::from_bytes([7; 32])),
        ..NetworkDescriptor::default()
    };
    for node in 0..3 {
        world.crash(node)?;
    }
    for node in 0..2 {
        assert!(!world.nodes[node].released.publish.is_empty());
        for envelope in &world.nodes[node].released.publish {
            envelope.check(&envelope.id(), &world.network, world.now)?;
        }
    }
    assert_eq!(world.call(2, GetStatus {})?.mailbox.envelopes, 0);
    world.settle()?;
    world.settle()?;
    let expected = with_state(&["delivered", "one", "two"], Delivery::Delivered);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, expected);
    assert_eq!(world.texts(1, "alice", Direction::In)?, expected);
    Ok(())
}

/// The keys of a contact in another shard are looked up until they are found; what was written to
/// them then goes to their shard, and only a node that keeps it can be said to have it.
#[test]
fn a_contact_in_another_shard_is_looked_up_and_written_to() -> Result {
    const BITS: u8 = 4;
    let mut world = World::on(2, 31, NetworkDescriptor { shard_bits: BITS, ..Default::default() })?;
    let (_, bob) = (world.init(0, "alice")?, world.init(1, "bob")?);
    let shard_of = |world: &mut World, node: usize| {
        world.run(node, vec![Input::Tick]);
        let interest = world.nodes[node].released.interest.clone();
        interest.map(|interest| interest.user).ok_or("the user's shard is not told")
    };
    let (own, theirs) = (shard_of(&mut world, 0)?, shard_of(&mut world, 1)?);
    assert_ne!(own, theirs, "choose another seed");

    world.add(0, &bob, "bob")?;
    let contacts = world.nodes[0].released.interest.clone().map(|interest| interest.contacts);
    assert_eq!(contacts, Some(ShardSet::of([theirs], BITS)));
    let asked = std::mem::take(&mut world.nodes[0].released.lookups);
    assert!(asked.len() == 1 && asked[0].shard == theirs && asked[0].tags.len() == 9, "{asked:?}");
    world.send(0, "bob", "hello")?;
    world.pass(Duration::from_secs(30));
    assert!(world.nodes[0].released.lookups.is_empty());
    world.pass(Duration::from_secs(40));
    assert_eq!(std::mem::take(&mut world.nodes[0].released.lookups).len(), 1, "asked again");

    let bundles = std::mem::take(&mut world.nodes[1].released.publish);
    let found = bundles.into_iter().filter_map(|envelope| {
        let header = Header::parse(&envelope.content).ok()?;
        let is_asked =
            header.tag(&envelope.content).is_some_and(|tag| asked[0].tags.contains(&tag));
        is_asked.then(|| Received { id: envelope.id(), envelope, header })
    });
    let envelopes: Vec<Received> = found.collect();
    let bundle = envelopes.first().ok_or("bob's bundle is not published")?.id;
    world.nodes[0].released.publish.clear();
    world.run(0, vec![Input::Net(FromNet::Found { envelopes })]);
    world.pass(MAILBOX_COMMIT_DELAY);
    let sent: Vec<Header> = world.nodes[0]
        .released
        .publish
        .iter()
        .map(|envelope| Header::parse(&envelope.content))
        .collect::<std::result::Result<_, _>>()?;
    assert!(sent.len() == 2 && sent.iter().all(|header| header.shard == theirs), "{sent:?}");
    let engine = world.nodes[0].engine.as_ref().ok_or("alice is on")?;
    assert!(engine.mailbox().view()?.get(&bundle)?.is_none(), "what was looked up is not kept");

    let peer = world.nodes[1].peer;
    // What ends by an hour that was not compared was once taken for held there.
    let both = ShardSet::of([own, theirs], BITS);
    for (shards, after, state) in [
        (ShardSet::of([own], BITS), ExpiryHour(0), Delivery::Queued),
        (both.clone(), sent[0].expiry, Delivery::Queued),
        (both, ExpiryHour(sent[0].expiry.0 - 1), Delivery::Sent),
    ] {
        let (shards, lacking) = (Box::new(shards), Vec::new());
        let up_to_arrival = u64::MAX;
        let event = FromNet::Reconciled { peer, shards, up_to_arrival, after, lacking };
        world.run(0, vec![Input::Net(event)]);
        let texts = world.texts(0, "bob", Direction::Out)?;
        assert_eq!(texts, [("hello".to_owned(), state)]);
    }
    for (shard, count) in [(theirs, 2), (own, 1)] {
        let shards = ShardSet::of([shard], BITS);
        let ids = world.ask(0, |ticket| FromNet::Outstanding { shards, ticket })?;
        assert_eq!(ids.len(), count, "own envelopes of shard {}", shard.0);
    }

    // With today's bundle known, tomorrow's is looked up once it is tomorrow.
    world.pass(Duration::from_secs(2 * 3600));
    assert!(world.nodes[0].released.lookups.is_empty());
    world.pass(Duration::from_secs(24 * 3600));
    let asked = std::mem::take(&mut world.nodes[0].released.lookups);
    assert!(asked.len() == 1 && asked[0].tags.len() < 8, "{asked:?}");
    Ok(())
}
