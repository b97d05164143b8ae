//! Blocking: what the other side, and who carries envelopes, sees of it.

use martlet_engine::command::{
    Block, EditMessage, GetContact, GetInbox, GetMessage, GetTimers, ListBlocked, MarkRead,
    PingContact, React, ResetId, SetTimers, TypeTo, Unblock,
};
use martlet_protocol::Id;
use martlet_protocol::bundle::Bundle;
use martlet_protocol::control::{
    Delivery, EditRequest, EventBody, ReactionRequest, TimerSetting, TimersRequest,
};
use martlet_protocol::time::Day;
use martlet_store::records::{BLOCKED, INBOUND_SESSIONS};
use martlet_store::vault::Collection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::stranger::{in_vault, left_of};
use crate::world::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const ALICE: usize = 0;
const BOB: usize = 1;
const RELAY: usize = 2;

fn block(world: &mut World, node: usize, who: &str) -> Result {
    world.call(node, Block { who: who.into() })?;
    Ok(())
}

fn unblock(world: &mut World, node: usize, who: &str) -> Result {
    world.call(node, Unblock { who: who.into() })
}

fn ping(world: &mut World, node: usize, name: &str) -> Result<mpsc::Receiver<Duration>> {
    let (asker, answer) = mpsc::channel();
    let asker = Box::new(move |took| asker.send(took).unwrap_or_default());
    world.call(node, PingContact { name: name.into(), asker })?;
    Ok(answer)
}

fn last_event(world: &mut World, node: usize) -> Result<u64> {
    Ok(world.call(node, ReadEvents { since: 0 })?.last_seq)
}

fn received(world: &mut World, node: usize, from: &str) -> Result<Vec<String>> {
    let texts = world.texts(node, from, Direction::In)?;
    Ok(texts.into_iter().map(|(text, _)| text).collect())
}

/// How many records a collection of the vault has; the node is started again for that.
fn count<T: DeserializeOwned + Serialize>(
    world: &mut World,
    node: usize,
    collection: &Collection<T>,
) -> Result<usize> {
    let mut count = 0;
    in_vault(world, node, |txn| {
        count = txn.scan(collection)?.len();
        Ok(())
    })?;
    Ok(count)
}

fn has_lost(world: &mut World, node: usize) -> Result<bool> {
    let events = world.call(node, ReadEvents { since: 0 })?.events;
    Ok(events.iter().any(|event| matches!(event.body, EventBody::MessagesLost { .. })))
}

/// Envelopes that leave a node, other than its user's bundles.
fn left(world: &World, node: usize, user: &Id) -> Result<usize> {
    let mut count = 0;
    for envelope in &world.nodes[node].released.publish {
        let header = Header::parse(&envelope.content)?;
        let today = world.now.day();
        let days = [Day(today.0 - 1), today, Day(today.0 + 1)];
        let is_of = |day: &Day| Bundle::open(user, *day, &header, &envelope.content).is_ok();
        count += usize::from(!days.iter().any(is_of));
    }
    Ok(count)
}

/// What Bob is to Alice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BobIs {
    Away,
    Blocking,
    /// On, and Alice sends nothing.
    LeftAlone,
}

/// What Alice was told: her messages' texts and states, events, and whether a ping was answered.
type Told = (Vec<(String, Delivery)>, u64, bool);

/// What was seen in a week, day by day.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    by_alice: Vec<Told>,
    /// Acks that left Bob's node, and envelopes other than his bundles.
    left_bob: (usize, usize),
    /// Envelopes of Alice's that the relay still holds: neither acknowledged nor dropped.
    held_by_relay: Vec<bool>,
}

/// A week in which Alice writes to Bob and pings him each day, while nodes gossip and sync.
fn a_week(bob_is: BobIs) -> Result<Seen> {
    let mut world = World::pair(90, 3)?;
    let bob = world.id_of(BOB)?;
    world.settle()?;
    world.send(ALICE, "bob", "before")?;
    world.send(BOB, "alice", "from bob, before")?;
    world.settle()?;
    assert_eq!(received(&mut world, BOB, "alice")?, ["before"]);
    match bob_is {
        BobIs::Away => world.nodes[BOB].engine = None,
        BobIs::Blocking => block(&mut world, BOB, "alice")?,
        BobIs::LeftAlone => {}
    }
    let mut seen = Seen::default();
    // What is due of before.
    world.gossip(0.0);
    world.gossip(0.0);
    let acks_before = world.nodes[BOB].acks_released;
    let bob = bob.parse()?;
    let told_before = last_event(&mut world, ALICE)?;
    let mut written = Vec::new();
    for day in 0..7 {
        let mut answer = None;
        if bob_is != BobIs::LeftAlone {
            world.send(ALICE, "bob", &format!("day {day}"))?;
            // Once Bob's keys are too old, nobody can be asked.
            answer = ping(&mut world, ALICE, "bob").ok();
            written = world.nodes[ALICE].released.publish.iter().map(Envelope::id).collect();
        }
        for _ in 0..2 {
            world.gossip(0.0);
            seen.left_bob.1 += left(&world, BOB, &bob)?;
        }
        world.settle()?;
        let answered = answer.is_some_and(|answer| answer.try_recv().is_ok());
        let told = last_event(&mut world, ALICE)? - told_before;
        let texts = world.texts(ALICE, "bob", Direction::Out)?;
        seen.by_alice.push((texts, told, answered));
        if let Some(relay) = &world.nodes[RELAY].engine {
            let view = relay.mailbox().view()?;
            seen.held_by_relay.push(view.lacking(&written)?.0.is_empty());
        }
        // In steps, as a machine that is on lives it.
        for _ in 0..24 {
            world.pass(DAY / 24);
            seen.left_bob.1 += left(&world, BOB, &bob)?;
            world.gossip(0.0);
        }
    }
    seen.left_bob.0 = world.nodes[BOB].acks_released - acks_before;
    // By now the first has expired.
    seen.by_alice.push((
        world.texts(ALICE, "bob", Direction::Out)?,
        last_event(&mut world, ALICE)? - told_before,
        false,
    ));
    if bob_is == BobIs::Blocking {
        assert_eq!(received(&mut world, BOB, "alice")?, ["before"]);
        let traces: Vec<Vec<u8>> = (0..7).map(|day| format!("day {day}").into_bytes()).collect();
        assert_eq!(left_of(&mut world, BOB, &traces)?, [""; 0]);
    }
    Ok(seen)
}

#[test]
fn a_blocked_sender_sees_what_an_absent_contact_shows_and_so_does_a_relay() -> Result {
    let (away, blocking) = (a_week(BobIs::Away)?, a_week(BobIs::Blocking)?);
    let alone = a_week(BobIs::LeftAlone)?;
    for (day, (one, other)) in away.by_alice.iter().zip(&blocking.by_alice).enumerate() {
        // An absent one's keys are too old at last, and what is written waits for new ones. That is not for a block to
        // pretend: who has the ID sees that bundles are published.
        let known = if day < 6 { one.0.len() } else { 1 };
        assert_eq!(one.0[..known], other.0[..known], "day {day}");
        assert!(!one.2 && !other.2, "day {day}: a ping was answered");
        let states: Vec<_> = other.0.iter().map(|(_, state)| *state).collect();
        assert!(states[1..].iter().all(|state| *state != Delivery::Delivered), "{states:?}");
    }
    let last = blocking.by_alice.last().ok_or("no day")?;
    assert_eq!(last.0[1], ("day 0".to_owned(), Delivery::Expired));
    assert_eq!(last.0.last(), Some(&("day 6".to_owned(), Delivery::Sent)));
    assert_eq!(away.held_by_relay, blocking.held_by_relay);
    assert!(blocking.held_by_relay.iter().all(|is_held| *is_held));
    // Nothing leaves Bob's node because of what Alice does: a bundle a day, as if she were silent.
    assert_eq!(blocking.left_bob, alone.left_bob);
    assert_eq!(blocking.left_bob.0, 0);
    Ok(())
}

/// Locked and blocked look alike too: no ack, no event, no row.
#[test]
fn nothing_of_what_a_blocked_contact_sends_is_kept() -> Result {
    let mut world = World::pair(91, 3)?;
    world.settle()?;
    world.send(ALICE, "bob", "before")?;
    world.settle()?;
    block(&mut world, BOB, "alice")?;
    // Twice is as good as once.
    block(&mut world, BOB, "alice")?;
    assert!(world.call(BOB, GetContact { name: "alice".into() })?.blocked);
    let blocked = world.call(BOB, ListBlocked {})?.blocked;
    assert_eq!(blocked.len(), 1);
    assert_eq!(blocked[0].name.as_deref(), Some("alice"));
    let (events, sessions) =
        (last_event(&mut world, BOB)?, count(&mut world, BOB, &INBOUND_SESSIONS)?);
    for round in 0..5 {
        world.send(ALICE, "bob", &format!("blocked {round}"))?;
        world.gossip(0.0);
        world.settle()?;
        if round == 2 {
            world.crash(BOB)?;
        }
    }
    let states = world.texts(ALICE, "bob", Direction::Out)?;
    assert!(states[1..].iter().all(|(_, state)| *state == Delivery::Sent), "{states:?}");
    assert_eq!(last_event(&mut world, BOB)?, events);
    assert_eq!(count(&mut world, BOB, &INBOUND_SESSIONS)?, sessions);
    assert_eq!(received(&mut world, BOB, "alice")?, ["before"]);
    assert!(world.call(BOB, ListRequests {})?.requests.is_empty());
    let unread = world.call(BOB, GetInbox {})?.conversations[0].unread;
    assert_eq!(unread, 1);
    Ok(())
}

#[test]
fn a_blocked_contact_is_not_written_to_and_their_request_is_refused() -> Result {
    let mut world = World::pair(92, 2)?;
    world.settle()?;
    let alice = world.id_of(ALICE)?;
    let bob = world.id_of(BOB)?;
    for bad in ["nobody", "martlet1qqqq", ""] {
        assert!(world.call(BOB, Block { who: bad.into() }).is_err(), "{bad}");
    }
    let own = world.call(BOB, Block { who: bob }).err().ok_or("blocked")?;
    assert!(own.to_string().contains("own ID"), "{own}");
    let not = unblock(&mut world, BOB, "alice").err().ok_or("unblocked")?;
    assert!(not.to_string().contains("not blocked"), "{not}");
    block(&mut world, BOB, "alice")?;
    let send = world.send(BOB, "alice", "x").err().ok_or("sent")?;
    assert!(send.to_string().contains("alice is blocked"), "{send}");
    let pinged = ping(&mut world, BOB, "alice").err().ok_or("pinged")?;
    assert!(pinged.to_string().contains("alice is blocked"), "{pinged}");
    // Removed, they stay blocked; and they are not added by mistake.
    world.call(BOB, RemoveContact { name: "alice".into() })?;
    world.settle()?;
    let add = world.add(BOB, &alice, "alice").err().ok_or("added")?;
    assert!(add.to_string().contains("is blocked"), "{add}");
    world.send(ALICE, "bob", "still there?")?;
    world.settle()?;
    assert!(world.call(BOB, ListRequests {})?.requests.is_empty());
    let blocked = world.call(BOB, ListBlocked {})?.blocked;
    assert_eq!((blocked[0].name.as_deref(), blocked[0].id.as_str()), (None, alice.as_str()));
    unblock(&mut world, BOB, &alice)?;
    world.add(BOB, &alice, "alice")?;
    world.settle()?;
    assert_eq!(received(&mut world, BOB, "alice")?, [""; 0]);
    world.send(ALICE, "bob", "and now?")?;
    world.settle()?;
    assert_eq!(received(&mut world, BOB, "alice")?, ["and now?"]);
    Ok(())
}

/// Edits, reactions, timers and receipts would tell them that the user is there, now or once they are blocked no more.
#[test]
fn a_blocked_contact_gets_no_edit_no_reaction_no_timers_and_no_receipt() -> Result {
    let mut world = World::pair(97, 2)?;
    world.settle()?;
    let from_bob = world.send(BOB, "alice", "hello")?;
    let from_alice = world.send(ALICE, "bob", "hello back")?;
    world.settle()?;
    block(&mut world, BOB, "alice")?;
    world.nodes[BOB].released.publish.clear();
    let refused =
        |call: Result<()>| -> Result<String> { Ok(call.err().ok_or("done")?.to_string()) };
    let request = EditRequest { text: "hi".into() };
    let edit = world.call(BOB, EditMessage { id: from_bob.clone(), request }).map(drop);
    let request = Some(ReactionRequest { emoji: "👍".into() });
    let react = world.call(BOB, React { id: from_alice.clone(), request }).map(drop);
    let request =
        TimersRequest { expire_seconds: Some(TimerSetting::Seconds(60)), burn_seconds: None };
    let timers = world.call(BOB, SetTimers { name: "alice".into(), request }).map(drop);
    let typing = world.call(BOB, TypeTo { name: "alice".into() });
    for call in [edit, react, timers, typing] {
        assert!(refused(call)?.contains("alice is blocked"));
    }
    world.call(BOB, MarkRead { name: "alice".into() })?;
    world.settle()?;
    unblock(&mut world, BOB, "alice")?;
    world.send(BOB, "alice", "again")?;
    world.settle()?;
    let state = world.call(ALICE, GetMessage { id: from_alice })?.state;
    assert_eq!(state, Delivery::Delivered, "not read, as far as she is told");
    Ok(())
}

/// Timers that were set while the other side had blocked the user never came: the two sides had different ones for good.
#[test]
fn timers_that_were_set_while_blocked_come_once_that_is_lifted() -> Result {
    for (seed, days) in [(191, 0), (192, 3), (193, 8)] {
        let mut world = World::pair(seed, 3)?;
        world.settle()?;
        world.send(ALICE, "bob", "before")?;
        world.settle()?;
        block(&mut world, BOB, "alice")?;
        let request =
            TimersRequest { expire_seconds: Some(TimerSetting::Seconds(7200)), burn_seconds: None };
        world.call(ALICE, SetTimers { name: "bob".into(), request })?;
        for _ in 0..days {
            world.pass(DAY);
            world.settle()?;
        }
        world.settle()?;
        unblock(&mut world, BOB, "alice")?;
        world.settle()?;
        assert_eq!(world.call(BOB, GetTimers { name: "alice".into() })?.expire_seconds, None);
        world.send(ALICE, "bob", "after")?;
        for _ in 0..3 {
            world.settle()?;
            world.gossip(0.0);
        }
        let set = "set messages to end after 2 h".to_owned();
        let shown = received(&mut world, BOB, "alice")?;
        assert_eq!(shown.iter().filter(|text| **text == set).count(), 1, "{days}: {shown:?}");
        assert!(shown.contains(&"after".to_owned()), "{days}: {shown:?}");
        for (node, name) in [(ALICE, "bob"), (BOB, "alice")] {
            let timers = world.call(node, GetTimers { name: name.into() })?;
            assert_eq!(timers.expire_seconds, Some(7200), "{days}: {node}");
        }
        // They were received: they are sent no more.
        world.nodes[ALICE].released = Released::default();
        world.pass(Duration::from_secs(120));
        world.send(ALICE, "bob", "and more")?;
        let published = world.nodes[ALICE].released.publish.len();
        world.settle()?;
        world.gossip(0.0);
        assert_eq!(published, 1, "{days}");
        assert_eq!(world.nodes[ALICE].released.publish.len(), 0, "{days}");
    }
    Ok(())
}

/// What is sent afterwards goes on in sessions that began before, or while they were blocked.
#[test]
fn what_was_sent_while_blocked_stays_unread_and_what_comes_after_is_shown() -> Result {
    for (seed, begins_meanwhile, crashes) in
        [(93, false, false), (94, true, false), (95, false, true), (96, true, true)]
    {
        let mut world = World::pair(seed, 3)?;
        world.settle()?;
        if !begins_meanwhile {
            world.send(ALICE, "bob", "before")?;
            world.settle()?;
        }
        block(&mut world, BOB, "alice")?;
        for text in ["one", "two"] {
            world.send(ALICE, "bob", text)?;
            world.gossip(0.0);
            world.settle()?;
        }
        let answer = ping(&mut world, ALICE, "bob")?;
        world.gossip(0.0);
        unblock(&mut world, BOB, "alice")?;
        if crashes {
            world.crash(BOB)?;
        }
        world.gossip(0.0);
        world.settle()?;
        assert!(answer.try_recv().is_err(), "what was asked while blocked is not answered");
        world.send(ALICE, "bob", "after")?;
        world.gossip(0.0);
        world.settle()?;
        let expected: &[&str] = if begins_meanwhile { &["after"] } else { &["before", "after"] };
        assert_eq!(received(&mut world, BOB, "alice")?, expected, "seed {seed}");
        assert!(!has_lost(&mut world, BOB)?, "seed {seed}");
        // And it is answered.
        let answer = ping(&mut world, ALICE, "bob")?;
        world.gossip(0.0);
        world.gossip(0.0);
        assert!(answer.try_recv().is_ok(), "seed {seed}");
        world.send(BOB, "alice", "hello again")?;
        world.settle()?;
        assert_eq!(received(&mut world, ALICE, "bob")?, ["hello again"]);
        // Looked at again, it is not shown either.
        world.crash(BOB)?;
        world.settle()?;
        assert_eq!(received(&mut world, BOB, "alice")?, expected, "seed {seed}");
        world.pass(8 * DAY);
        world.settle()?;
        let states = world.texts(ALICE, "bob", Direction::Out)?;
        for (text, state) in states {
            let is_of_meanwhile = ["one", "two"].contains(&text.as_str());
            let expected = if is_of_meanwhile { Delivery::Expired } else { Delivery::Delivered };
            assert_eq!(state, expected, "seed {seed}: {text}");
        }
        // What is remembered of it ends.
        for _ in 0..5 {
            world.pass(4 * DAY);
            world.settle()?;
        }
        assert_eq!(count(&mut world, BOB, &BLOCKED)?, 0);
    }
    Ok(())
}

#[test]
fn a_blocked_stranger_makes_no_request() -> Result {
    let mut world = World::half_pair(97, 2)?;
    world.settle()?;
    let alice = world.id_of(ALICE)?;
    world.send(ALICE, "bob", "who are you?")?;
    world.settle()?;
    assert_eq!(world.call(BOB, ListRequests {})?.requests.len(), 1);
    block(&mut world, BOB, &alice)?;
    assert!(world.call(BOB, ListRequests {})?.requests.is_empty());
    let traces = [b"who are you?".to_vec(), b"are you there?".to_vec()];
    for crashes in [false, true] {
        world.send(ALICE, "bob", "are you there?")?;
        world.settle()?;
        if crashes {
            world.crash(BOB)?;
            world.settle()?;
        }
        assert!(world.call(BOB, ListRequests {})?.requests.is_empty());
        assert_eq!(left_of(&mut world, BOB, &traces)?, [""; 0]);
    }
    unblock(&mut world, BOB, &alice)?;
    world.settle()?;
    assert!(world.call(BOB, ListRequests {})?.requests.is_empty());
    world.send(ALICE, "bob", "last try")?;
    world.settle()?;
    let requests = world.call(BOB, ListRequests {})?.requests;
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].messages, requests[0].preview.as_deref()), (1, Some("last try")));
    Ok(())
}

/// Blocked, they don't learn by what the user is found from now on; unblocked, they do.
#[test]
fn a_blocked_contact_does_not_learn_of_another_id() -> Result {
    let mut world = World::pair(98, 2)?;
    world.settle()?;
    block(&mut world, BOB, "alice")?;
    world.call(BOB, ResetId {})?;
    world.settle()?;
    let known = |world: &mut World| Ok(world.call(ALICE, GetContact { name: "bob".into() })?.id);
    let now = world.id_of(BOB)?;
    let of_before: Result<String> = known(&mut world);
    assert_ne!(of_before?, now);
    unblock(&mut world, BOB, "alice")?;
    world.settle()?;
    let of_now: Result<String> = known(&mut world);
    assert_eq!(of_now?, now);
    Ok(())
}
