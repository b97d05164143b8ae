//! Strangers, and contacts that were removed.

use crate::world::*;

#[test]
fn a_strangers_messages_wait_for_a_decision() -> Result {
    let mut world = World::new(2, 4)?;
    world.init(0, "alice")?;
    let bob = world.init(1, "bob")?;
    world.add(0, &bob, "bob")?;
    world.settle()?;
    world.send(0, "bob", "hello, stranger")?;
    world.send(0, "bob", "are you there?")?;
    world.settle()?;
    let requests = world.call(1, ListRequests {})?.requests;
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].messages, 2);
    assert_eq!(requests[0].suggested_name.as_deref(), Some("alice"));
    assert_eq!(requests[0].preview.as_deref(), Some("hello, stranger"));

    let id = requests[0].id.clone();
    world.call(1, AcceptRequest { id, name: "Alice".into() })?;
    assert_eq!(world.texts(1, "Alice", Direction::In)?.len(), 2);
    world.settle()?;
    world.send(1, "Alice", "welcome")?;
    world.settle()?;
    let expected = with_state(&["welcome"], Delivery::Delivered);
    assert_eq!(world.texts(0, "bob", Direction::In)?, expected);
    Ok(())
}

#[test]
fn a_dropped_request_leaves_nothing_and_may_be_made_again() -> Result {
    let mut world = World::new(2, 5)?;
    world.init(0, "alice")?;
    let bob = world.init(1, "bob")?;
    world.add(0, &bob, "bob")?;
    world.settle()?;
    world.send(0, "bob", "buy this")?;
    world.settle()?;
    let id = world.call(1, ListRequests {})?.requests[0].id.clone();
    world.call(1, DropRequest { id })?;
    world.settle()?;
    assert!(world.call(1, ListRequests {})?.requests.is_empty());
    assert_eq!(world.call(1, GetStatus {})?.lock, LockState::Unlocked);
    Ok(())
}

/// What is over a request's bound is not acknowledged, so its sender is not told that it was
/// delivered; once accepted, the rest arrives.
#[test]
fn a_flood_from_a_stranger_is_bounded_and_not_lost() -> Result {
    let mut world = World::new(2, 6)?;
    world.init(0, "alice")?;
    let bob = world.init(1, "bob")?;
    world.add(0, &bob, "bob")?;
    world.settle()?;
    let texts: Vec<_> = (0..REQUEST_MESSAGES_MAX + 10).map(|n| n.to_string()).collect();
    for text in &texts {
        world.send(0, "bob", text)?;
    }
    world.settle()?;
    let requests = world.call(1, ListRequests {})?.requests;
    assert_eq!(requests[0].messages, u64::try_from(REQUEST_MESSAGES_MAX)?);
    let delivered = |states: Vec<(String, Delivery)>| {
        states.iter().filter(|(_, state)| *state == Delivery::Delivered).count()
    };
    assert_eq!(delivered(world.texts(0, "bob", Direction::Out)?), REQUEST_MESSAGES_MAX);

    let id = requests[0].id.clone();
    world.call(1, AcceptRequest { id, name: "alice".into() })?;
    world.settle()?;
    let received = world.texts(1, "alice", Direction::In)?;
    let mut received: Vec<_> = received.into_iter().map(|(text, _)| text).collect();
    received.sort_by_key(|text| text.parse::<usize>().ok());
    assert_eq!(received, texts);
    world.settle()?;
    assert_eq!(delivered(world.texts(0, "bob", Direction::Out)?), texts.len());
    Ok(())
}

#[test]
fn a_contact_removed_and_added_again_is_written_to_and_read() -> Result {
    let mut world = World::pair(7, 2)?;
    world.settle()?;
    world.send(0, "bob", "one")?;
    world.settle()?;
    world.call(0, RemoveContact { name: "bob".into() })?;
    let bob = world.call(1, GetStatus {})?.identity.ok_or("bob has no identity")?.id;
    world.add(0, &bob, "bob")?;
    world.send(0, "bob", "two")?;
    world.send(1, "alice", "three")?;
    world.settle()?;
    let received = world.texts(1, "alice", Direction::In)?;
    assert_eq!(received, with_state(&["one", "two"], Delivery::Delivered));
    let received = world.texts(0, "bob", Direction::In)?;
    assert_eq!(received, with_state(&["three"], Delivery::Delivered));
    Ok(())
}
