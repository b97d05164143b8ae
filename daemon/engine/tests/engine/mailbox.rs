//! Mailboxes without room.

use crate::world::*;

/// A pair whose mailboxes have no room for what is not their own, and an envelope of others.
fn full() -> Result<(World, Envelope)> {
    let mut world = World::pair(9, 2)?;
    world.settle()?;
    world.mailbox_bytes_max = 1;
    for node in 0..2 {
        world.crash(node)?;
    }
    let strangers = World::pair(10, 2)?;
    Ok((world, strangers.nodes[0].released.publish[0].clone()))
}

#[test]
fn a_mailbox_that_strangers_filled_still_takes_the_users_own_mail() -> Result {
    let (mut world, envelope) = full()?;
    let peer = world.nodes[0].peer;
    world.run(1, vec![brought(peer, envelope.clone()).ok_or("no header")?]);
    world.send(0, "bob", "hello")?;
    // The session's key is recognized by the detection key, then the message by its tag; if it came
    // before the key it was refused, and comes again with the next sync.
    world.gossip(0.0);
    world.sync(0, 1)?;
    world.gossip(0.0);
    let delivered = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, delivered);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, delivered);
    world.elapse(MAILBOX_COMMIT_DELAY);
    world.run(1, vec![]);
    let bob = world.nodes[1].engine.as_ref().ok_or("not running")?;
    assert_eq!(bob.mailbox().view()?.get(&envelope.id())?, None);
    Ok(())
}

/// Sync fetched the same envelopes each time there was no room for, and came to no others. Now they
/// are remembered; but a message that came before its session's key must then still be fetched
/// again.
#[test]
fn what_was_refused_is_not_fetched_again_unless_it_is_the_users_after_all() -> Result {
    let (mut world, foreign) = full()?;
    world.nodes[0].released.publish.clear();
    world.send(0, "bob", "hello")?;
    let sent = std::mem::take(&mut world.nodes[0].released.publish);
    let has_tag = |envelope: &Envelope| {
        let header = Header::parse(&envelope.content);
        header.is_ok_and(|header| header.tag(&envelope.content).is_some())
    };
    let (messages, keys): (Vec<_>, Vec<_>) = sent.into_iter().partition(has_tag);
    assert_eq!((messages.len(), keys.len()), (1, 1));
    let (message, peer) = (&messages[0], world.nodes[0].peer);
    let held = [message.id(), foreign.id()];
    assert_eq!(world.sift(1, peer, &held)?, held, "nothing is known of them yet");
    for envelope in [message, &foreign] {
        world.run(1, vec![brought(peer, envelope.clone()).ok_or("no header")?]);
    }
    assert!(world.sift(1, peer, &held)?.is_empty());
    world.run(1, vec![brought(peer, keys[0].clone()).ok_or("no header")?]);
    assert_eq!(world.sift(1, peer, &held)?, [message.id()]);
    world.run(1, vec![brought(peer, message.clone()).ok_or("no header")?]);
    let delivered = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, delivered);
    // Whoever unlocks the vault next may be waiting for any of it.
    world.crash(1)?;
    assert_eq!(world.sift(1, peer, &[foreign.id()])?, [foreign.id()]);
    Ok(())
}

/// Own mail that the mailbox had no room for was gossiped once and then not tried again until a
/// restart or the next day, while later messages passed it: 3,539 of 25,000 were still `queued` long after the
/// contact was back.
#[test]
fn own_mail_beyond_the_quota_goes_in_in_order_as_soon_as_there_is_room() -> Result {
    let mut world = World::pair(12, 2)?;
    world.settle()?;
    world.mailbox_bytes_max = 1;
    world.crash(0)?;
    // More than the reserve for the user's own mail takes.
    let size = 16 * 1024;
    let count = usize::try_from(MAILBOX_RESERVE_BYTES)? / size * 6 / 5;
    let text = |number: usize| format!("{number:size$}");
    for number in 0..count {
        world.send(0, "bob", &text(number))?;
    }
    let gossiped = std::mem::take(&mut world.nodes[0].released.publish).len();
    assert!(gossiped < count, "{gossiped} of {count} went into a mailbox without room for them");
    world.crash(0)?;
    world.nodes[0].released.publish.clear();
    let mut rounds = 0;
    loop {
        world.sync(0, 1)?;
        // Acks make room.
        world.gossip(0.0);
        world.send(0, "bob", &text(count + rounds))?;
        world.nodes[0].released.publish.clear();
        rounds += 1;
        let states = world.call(0, GetStatus {})?.outbox;
        if states == Some(0) || rounds == 30 {
            break;
        }
        world.pass(TICK);
        world.nodes[0].released.publish.clear();
    }
    world.settle()?;
    world.gossip(0.0);
    let mut received = Vec::new();
    let mut before = None;
    loop {
        let query =
            HistoryQuery { limit: Some(200), before: before.take(), ..HistoryQuery::default() };
        let page = world.call(1, GetHistory { name: "alice".into(), query })?;
        before = page.messages.first().map(|message| message.id.clone());
        received.splice(0..0, page.messages.into_iter().map(|message| message.text));
        if !page.more {
            break;
        }
    }
    assert!(received.iter().eq(&(0..count + rounds).map(text).collect::<Vec<_>>()));
    assert_eq!(world.call(0, GetStatus {})?.outbox, Some(0), "after {rounds} rounds");
    Ok(())
}

/// What a peer brought and this node had deleted, since it was acknowledged, was told as stored here: so the
/// peer's user read `sent` of what nobody held.
#[test]
fn what_was_deleted_here_is_not_told_as_stored() -> Result {
    let mut world = World::pair(13, 2)?;
    world.settle()?;
    world.nodes[0].released.publish.clear();
    world.send(0, "bob", "hello")?;
    let sent = world.nodes[0].released.publish.clone();
    let ids: Vec<_> = sent.iter().map(Envelope::id).collect();
    let told = |world: &World| {
        let stored = &world.nodes[1].released.stored;
        ids.iter().filter(|id| stored.contains(id)).count()
    };
    world.bring(1, &sent)?;
    world.elapse(MAILBOX_COMMIT_DELAY);
    world.run(1, vec![]);
    assert_eq!(told(&world), ids.len());
    assert!(!world.nodes[1].released.acks.is_empty(), "bob has acknowledged them");
    world.nodes[1].released.stored.clear();
    world.bring(1, &sent)?;
    world.elapse(MAILBOX_COMMIT_DELAY);
    world.run(1, vec![]);
    assert_eq!(told(&world), 0);
    Ok(())
}

/// A short message found the room that a long one before it had not, and passed it: the recipient was shown it ten
/// seconds later without the other, and that one as lost.
#[test]
fn a_short_message_does_not_pass_a_long_one_that_finds_no_room() -> Result {
    let mut world = World::pair(14, 2)?;
    world.settle()?;
    world.mailbox_bytes_max = 1;
    world.crash(0)?;
    world.nodes[0].released.publish.clear();
    // The session's key and a message go in.
    world.send(0, "bob", "first")?;
    let mut sent = vec!["first".to_owned()];
    while !std::mem::take(&mut world.nodes[0].released.publish).is_empty() {
        sent.push(format!("{:16384}", sent.len()));
        world.send(0, "bob", &sent[sent.len() - 1])?;
    }
    for restarts in 0..2 {
        sent.push(format!("short {restarts}"));
        world.send(0, "bob", &sent[sent.len() - 1])?;
        world.pass(TICK);
        assert!(world.nodes[0].released.publish.is_empty(), "{restarts}: it passed the long one");
        world.crash(0)?;
        // The key of a new session may.
        let is_message = |envelope: &Envelope| {
            Header::parse(&envelope.content).is_ok_and(|header| header.kind == Kind::Conversation)
        };
        let published = std::mem::take(&mut world.nodes[0].released.publish);
        assert!(!published.iter().any(is_message), "{restarts}: it passed it at a start");
    }
    // Bob gets what is there, and his acks make room.
    world.sync(0, 1)?;
    world.gossip(0.0);
    world.pass(TICK);
    let published = std::mem::take(&mut world.nodes[0].released.publish);
    let sizes: Vec<_> = published.iter().map(|envelope| envelope.content.len()).collect();
    assert!(sizes.len() == 3 && sizes[0] > 8 * sizes[1] && sizes[1] == sizes[2], "{sizes:?}");
    world.settle()?;
    world.gossip(0.0);
    let texts = world.texts(1, "alice", Direction::In)?;
    assert!(texts.iter().map(|(text, _)| text).eq(&sent));
    Ok(())
}

/// A neighbour's mailbox was nearly full. It refused long messages and took a short one that was written after them:
/// the recipient was shown that one first, ten seconds after it came, and told that the others were lost.
#[test]
fn a_short_message_does_not_pass_long_ones_that_a_neighbour_refused() -> Result {
    // The mailbox is full, or the neighbour's share of it.
    for (seed, bytes_max) in [(15, 1 << 20), (16, 1 << 30)] {
        let mut world = World::pair(seed, 3)?;
        world.settle()?;
        (world.mailbox_bytes_max, world.mailbox_peer_bytes_max) = (bytes_max, 1 << 20);
        world.crash(2)?;
        let (alice, bob, mailbox) = (0, 1, 2);
        world.nodes[bob].engine = None;

        let mut sent: Vec<_> = (0..50).map(|number| format!("{number:16384}")).collect();
        sent.push("short".to_owned());
        let mut last = Vec::new();
        for text in &sent {
            world.nodes[alice].released.publish.clear();
            world.send(alice, "bob", text)?;
            last = world.nodes[alice].released.publish.iter().map(Envelope::id).collect();
            world.gossip(0.0);
        }
        let from = world.nodes[alice].peer;
        assert_eq!(world.sift(mailbox, from, &last)?, [], "there is no room for it");

        // Alice goes, and Bob comes and finds what there was room for.
        world.nodes[alice].engine = None;
        world.start(bob)?;
        world.sync(bob, mailbox)?;
        world.pass(HOLD_BACK_IDLE_MAX * 2);
        let received = |world: &mut World| -> Result<Vec<String>> {
            let texts = world.texts(bob, "alice", Direction::In)?;
            Ok(texts.into_iter().map(|(text, _)| text).collect())
        };
        let first = received(&mut world)?;
        assert!((20..50).contains(&first.len()), "{}", first.len());
        assert!(sent.starts_with(&first), "the short one passed others");

        // Bob's acks make room, and who brought what was refused is to be asked for it.
        assert!(world.nodes[mailbox].released.has_room.is_empty());
        world.gossip(0.0);
        assert_eq!(std::mem::take(&mut world.nodes[mailbox].released.has_room), [from]);
        assert_eq!(world.sift(mailbox, from, &last)?, last);
        world.start(alice)?;
        for _ in 0..5 {
            world.sync(alice, mailbox)?;
            world.sync(mailbox, bob)?;
            world.gossip(0.0);
            world.pass(TICK);
        }
        assert!(received(&mut world)? == sent);
        let query = HistoryQuery { limit: None, before: None, ..HistoryQuery::default() };
        let history = world.call(bob, GetHistory { name: "alice".into(), query })?;
        assert!(history.lost.is_empty(), "nothing was told as lost");
        let expected = Delivery::Delivered;
        let states = world.texts(alice, "bob", Direction::Out)?;
        assert!(states.iter().all(|(_, state)| *state == expected));
    }
    Ok(())
}
