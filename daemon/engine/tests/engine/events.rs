//! The event log: what it tells, and what it must not.

use martlet_engine::command::{GetInbox, GetMessage, MarkRead, RenameContact};
use martlet_protocol::control::{EventBody, GoneReason};
use martlet_store::records::{EVENTS, EventRecord, MESSAGES};
use martlet_store::vault::{Collection, Key};

use crate::stranger::{Stranger, in_vault, left_of};
use crate::world::*;

fn events(world: &mut World, node: usize) -> Result<Vec<EventBody>> {
    let page = world.call(node, ReadEvents { since: 0 })?;
    assert!(page.events.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    Ok(page.events.into_iter().map(|event| event.body).collect())
}

/// The log held texts and names: after `contact remove` they could be read in the events from 0 on.
#[test]
fn what_is_removed_is_nowhere() -> Result {
    let mut world = World::pair(60, 2)?;
    world.settle()?;
    let written = world.send(1, "alice", "out of bob")?;
    world.settle()?;
    world.send(0, "bob", "what alice says")?;
    world.send(0, "bob", "held back")?;
    world.settle()?;
    let received = world.call(1, GetInbox {})?.conversations[0].messages[0].id.clone();
    world.call(1, MarkRead { name: "alice".into() })?;
    world.call(1, RenameContact { name: "alice".into(), new_name: "ally-mcname".into() })?;
    let before = format!("{:?}", events(&mut world, 1)?);
    for text in ["out of bob", "what alice says", "held back", "ally-mcname"] {
        assert!(before.contains(text), "{before}");
    }

    world.call(1, RemoveContact { name: "ally-mcname".into() })?;
    let alice = world.id_of(0)?;
    for is_added_again in [false, true] {
        let told = format!("{:?}", events(&mut world, 1)?);
        for text in ["out of bob", "what alice says", "held back", "ally-mcname", &received] {
            assert!(!told.contains(text), "{text}: {told}");
        }
        for id in [&written, &received] {
            assert!(world.call(1, GetMessage { id: id.clone() }).is_err());
        }
        assert!(world.call(1, GetInbox {})?.conversations.is_empty());
        let traces = ["out of bob", "what alice says", "held back", "ally-mcname"];
        let traces = traces.map(|trace| trace.as_bytes().to_vec());
        assert_eq!(left_of(&mut world, 1, &traces)?, [""; 0]);
        if !is_added_again {
            world.add(1, &alice, "someone")?;
            assert!(world.texts(1, "someone", Direction::In)?.is_empty());
        }
    }
    let gone = EventBody::Gone { reason: GoneReason::Removed };
    assert!(events(&mut world, 1)?.contains(&gone));
    Ok(())
}

/// One event that could not be read failed the whole batch, and with it everything that was asked for.
#[test]
fn a_damaged_event_is_told_as_such_and_stops_nothing() -> Result {
    let mut world = World::pair(61, 2)?;
    world.settle()?;
    world.send(0, "bob", "first")?;
    world.send(0, "bob", "second")?;
    world.settle()?;
    let whole = events(&mut world, 1)?;
    let place = whole
        .iter()
        .position(|body| matches!(body, EventBody::MessageReceived { .. }))
        .ok_or("no message")?;
    in_vault(&mut world, 1, |txn| {
        // Something else under the event's key, and under a message's.
        let damaged: Collection<String> = Collection::new(EVENTS.name());
        txn.put(&damaged, Key::Ordinal(1), &"?".to_owned())?;
        let damaged: Collection<String> = Collection::new(MESSAGES.name());
        let EventRecord { what, .. } =
            txn.get(&EVENTS, Key::Ordinal(u64::try_from(place)? + 1))?.ok_or("no event")?;
        let martlet_store::records::Happened::MessageReceived(at) = what else {
            return Err("another event".into());
        };
        Ok(txn.put(&damaged, Key::Scoped(&at.conversation.0, at.position), &"?".to_owned())?)
    })?;
    let told = events(&mut world, 1)?;
    let unreadable = EventBody::Gone { reason: GoneReason::Unreadable };
    assert_eq!((&told[0], &told[place]), (&unreadable, &unreadable));
    assert_eq!(told.len(), whole.len());
    let readable = told.iter().filter(|body| **body != unreadable);
    assert!(readable.count() >= whole.len() - 3);
    // The other message is read as before, and more can come.
    assert_eq!(world.texts(1, "alice", Direction::In)?.len(), 1);
    world.send(0, "bob", "third")?;
    world.settle()?;
    assert_eq!(world.texts(1, "alice", Direction::In)?.len(), 2);
    Ok(())
}

/// Recipients were not told of messages that never came.
#[test]
fn messages_that_never_came_are_told() -> Result {
    let mut world = World::pair(62, 2)?;
    world.settle()?;
    world.send(0, "bob", "one")?;
    world.settle()?;
    world.nodes[0].released = Released::default();
    for text in ["two", "three", "four"] {
        world.send(0, "bob", text)?;
    }
    let sent = std::mem::take(&mut world.nodes[0].released.publish);
    let from = world.nodes[0].peer;
    let carry = |world: &mut World, which: usize| {
        let input = brought(from, sent[which].clone());
        world.run(1, input.into_iter().collect());
        world.pass(Duration::from_secs(11));
    };
    carry(&mut world, 2);
    let lost = EventBody::MessagesLost { conversation: "alice".into(), count: 2 };
    assert!(events(&mut world, 1)?.contains(&lost));
    let history = |world: &mut World| {
        let query = HistoryQuery::default();
        world.call(1, GetHistory { name: "alice".into(), query })
    };
    let shown = history(&mut world)?;
    assert_eq!(shown.messages.len(), 2);
    assert_eq!((&shown.lost[0].before, shown.lost[0].count), (&shown.messages[1].id, 2));
    assert_eq!(world.call(1, MarkRead { name: "alice".into() })?.lost, 2);
    // What comes after all is shown, and missing no more.
    carry(&mut world, 0);
    carry(&mut world, 1);
    let shown = history(&mut world)?;
    assert_eq!(shown.messages.len(), 4);
    assert!(shown.lost.is_empty());
    Ok(())
}

/// What is told as lost in a conversation: by events, and in its history.
fn lost(world: &mut World, with: &str) -> Result<(Vec<u64>, u64)> {
    // Long enough for what is held back.
    world.pass(Duration::from_secs(61));
    let told = events(world, 0)?.into_iter().filter_map(|event| match event {
        EventBody::MessagesLost { count, .. } => Some(count),
        _ => None,
    });
    let told = told.collect();
    let query = HistoryQuery::default();
    let shown = world.call(0, GetHistory { name: with.into(), query })?.lost;
    Ok((told, shown.iter().map(|lost| lost.count).sum()))
}

/// Of a stranger whose first messages had ended before the request was accepted, or before the first that came,
/// those were told as lost: the user had not been meant to have them yet. What is lost later is told.
#[test]
fn what_a_stranger_wrote_before_being_accepted_is_not_told_as_lost() -> Result {
    let mut world = World::new(1, 63)?;
    world.init(0, "bob")?;
    let mut stranger = Stranger::new(&mut world, 0)?;
    let key = stranger.key(&mut world)?;
    (0..3).for_each(|_| stranger.skip());
    let text = stranger.text(&world, 0, "the fourth")?;
    world.bring(0, &[key, text])?;
    let id = stranger.identity().to_string();
    world.call(0, AcceptRequest { id, name: "carol".into() })?;
    assert_eq!(lost(&mut world, "carol")?, (vec![], 0));
    let fifth = stranger.text(&world, 0, "the fifth")?;
    stranger.skip();
    let seventh = stranger.text(&world, 0, "the seventh")?;
    world.bring(0, &[fifth, seventh])?;
    assert_eq!(lost(&mut world, "carol")?, (vec![1], 1));
    let texts = ["the fourth", "the fifth", "the seventh"];
    let expected = with_state(&texts, Delivery::Delivered);
    assert_eq!(world.texts(0, "carol", Direction::In)?, expected);
    Ok(())
}

/// What a stranger wrote while dropped, also one who had been a contact before, was told as lost when they were
/// added.
#[test]
fn what_someone_wrote_while_dropped_is_not_told_as_lost() -> Result {
    let mut world = World::new(1, 64)?;
    world.init(0, "bob")?;
    let mut stranger = Stranger::new(&mut world, 0)?;
    let id = stranger.identity().to_string();
    let week = Duration::from_secs(7 * 24 * 3600);
    for is_known in [false, true] {
        stranger.look_up(&mut world, 0)?;
        let key = stranger.key(&mut world)?;
        let dropped = stranger.text(&world, 0, "dropped")?;
        world.bring(0, &[key, dropped])?;
        world.call(0, DropRequest { id: id.clone() })?;
        stranger.skip();
        // All of it ends.
        world.pass(week);
        world.add(0, &id, "carol")?;
        let key = stranger.key(&mut world)?;
        let first = stranger.text(&world, 0, "hello")?;
        stranger.skip();
        let third = stranger.text(&world, 0, "hello?")?;
        world.bring(0, &[key, first])?;
        let told = usize::from(is_known);
        assert_eq!(lost(&mut world, "carol")?, (vec![1; told], 0), "known: {is_known}");
        world.bring(0, &[third])?;
        assert_eq!(lost(&mut world, "carol")?, (vec![1; told + 1], 1), "known: {is_known}");
        world.call(0, RemoveContact { name: "carol".into() })?;
        // The sessions that they had are kept for a fortnight.
        world.pass(week);
        world.pass(week);
    }
    Ok(())
}
