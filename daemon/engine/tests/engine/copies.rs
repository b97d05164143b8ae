//! Two devices of one identity: what is sent and read while the second one is linked, and how far messages got, whatever is
//! killed or locked in between.

use martlet_engine::command::{
    ConfirmLink, GetNotes, GetTimers, MarkRead, RemoveContact, SetTimers, StartJoin, StartLink,
    WriteNote,
};
use martlet_protocol::Id;
use martlet_protocol::control::{NoteRequest, TimerSetting, TimersRequest};
use martlet_protocol::identity::RootKey;
use martlet_store::records::{EARLY_COPIES, UNTOLD_PROGRESS};

use crate::stranger::in_vault;
use crate::trust::recover;
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
/// A second device of Alice's.
const PHONE: usize = 2;

/// Alice and Bob, who have written to each other, and a node without an identity.
fn ready(seed: u64) -> Result<World> {
    let mut world = World::pair(seed, 3)?;
    world.send(ALICE, "bob", "hello")?;
    world.settle()?;
    Ok(world)
}

/// Alice says that the numbers are the same. The phone has not heard of it yet.
fn confirm(world: &mut World) -> Result {
    let code = world.call(ALICE, StartLink {})?.code.ok_or("no code")?.parse()?;
    let path = key_file_path(world.nodes[PHONE].dir.path());
    let (key_file, key) = KeyFile::make(&path, None, &mut world.rng)?;
    world.call(PHONE, StartJoin { code, key_file, key, name: Some("phone".to_owned()) })?;
    for _ in 0..3 {
        world.gossip(0.0);
    }
    world.call(ALICE, ConfirmLink { equal: true, history: false })?;
    Ok(())
}

/// Alice on two devices that know each other and Bob.
fn two_devices(seed: u64) -> Result<World> {
    let mut world = ready(seed)?;
    recover(&mut world, ALICE, PHONE)?;
    for _ in 0..3 {
        world.settle()?;
    }
    Ok(world)
}

fn out(world: &mut World, node: usize) -> Result<Vec<(String, Delivery)>> {
    world.texts(node, "bob", Direction::Out)
}

fn texts(world: &mut World, node: usize, name: &str) -> Result<Vec<String>> {
    let texts = world.texts(node, name, Direction::Out)?;
    Ok(texts.into_iter().map(|(text, _)| text).collect())
}

fn notes(world: &mut World, node: usize) -> Result<Vec<String>> {
    let query = HistoryQuery { limit: Some(1000), ..HistoryQuery::default() };
    let notes = world.call(node, GetNotes { query })?.messages;
    Ok(notes.into_iter().map(|note| note.text).collect())
}

fn note(world: &mut World, node: usize, text: &str) -> Result {
    world.call(node, WriteNote { request: NoteRequest { text: text.into() } })?;
    Ok(())
}

fn early_copies(world: &mut World, node: usize) -> Result<u64> {
    let mut count = 0;
    in_vault(world, node, |txn| {
        count = txn.count(&EARLY_COPIES)?;
        Ok(())
    })?;
    Ok(count)
}

/// Someone whom nobody ever met, as a contact.
fn add_stranger(world: &mut World, node: usize, name: &str) -> Result<Id> {
    let root = RootKey::generate(&mut world.rng);
    let id = Id::without_secret(root.identity());
    world.add(node, &id.to_string(), name)?;
    Ok(id)
}

/// What was sent before the keys of the new device had come was never seen there: nobody was told.
#[test]
fn what_is_sent_before_the_keys_of_a_new_device_are_there_waits_for_them() -> Result {
    let mut world = ready(1601)?;
    confirm(&mut world)?;
    world.send(ALICE, "bob", "at once")?;
    note(&mut world, ALICE, "a note")?;
    world.crash(ALICE)?;
    world.send(ALICE, "bob", "a little later")?;
    for _ in 0..4 {
        world.settle()?;
    }
    assert_eq!(texts(&mut world, PHONE, "bob")?, ["at once", "a little later"]);
    assert_eq!(notes(&mut world, PHONE)?, ["a note"]);
    Ok(())
}

/// A device that was linked and never came kept all that was for the others.
#[test]
fn a_new_device_whose_keys_never_come_is_waited_for_an_hour() -> Result {
    let mut world = ready(1602)?;
    confirm(&mut world)?;
    world.nodes[ALICE].released = Released::default();
    world.nodes[PHONE].engine = None;
    note(&mut world, ALICE, "nobody will read it")?;
    assert!(world.nodes[ALICE].released.publish.is_empty());
    world.pass(Duration::from_secs(3601));
    world.pass(Duration::from_secs(1));
    assert!(world.nodes[ALICE].released.publish.is_empty());
    let mut waiting = 0;
    in_vault(&mut world, ALICE, |txn| {
        waiting = txn.count(&martlet_store::records::DEEDS)?;
        Ok(())
    })?;
    assert_eq!(waiting, 0);
    Ok(())
}

/// The copy comes before the contact: it was dropped.
#[test]
fn what_comes_of_someone_who_is_no_contact_yet_waits_for_the_contact() -> Result {
    let mut world = two_devices(1603)?;
    // Carol is one on one device, and the message that says so to the other comes last.
    let carol = add_stranger(&mut world, ALICE, "carol")?;
    let told = std::mem::take(&mut world.nodes[ALICE].released.publish);
    world.send(ALICE, "carol", "one")?;
    world.send(ALICE, "carol", "two")?;
    world.gossip(0.0);
    // What is missing before it is waited for, for a minute.
    world.pass(Duration::from_secs(61));
    assert_eq!(early_copies(&mut world, PHONE)?, 2);
    world.crash(PHONE)?;
    world.bring(PHONE, &told)?;
    assert_eq!(texts(&mut world, PHONE, "carol")?, ["one", "two"]);
    assert_eq!(early_copies(&mut world, PHONE)?, 0);
    // Once she is removed nothing of before comes back.
    let told = world.send(ALICE, "carol", "three")?;
    assert!(!told.is_empty());
    let late = std::mem::take(&mut world.nodes[ALICE].released.publish);
    world.elapse(Duration::from_secs(1));
    world.call(ALICE, RemoveContact { name: "carol".into() })?;
    world.gossip(0.0);
    world.pass(Duration::from_secs(61));
    world.bring(PHONE, &late)?;
    assert_eq!(early_copies(&mut world, PHONE)?, 0);
    assert_ne!(carol.to_string(), "");
    Ok(())
}

/// Who never becomes a contact is not waited for without end.
#[test]
fn copies_that_wait_for_too_long_are_forgotten() -> Result {
    let mut world = two_devices(1604)?;
    add_stranger(&mut world, ALICE, "carol")?;
    world.nodes[ALICE].released = Released::default();
    world.send(ALICE, "carol", "one")?;
    world.gossip(0.0);
    world.pass(Duration::from_secs(61));
    assert_eq!(early_copies(&mut world, PHONE)?, 1);
    // Nobody tells of her again: the other device is gone for good.
    world.nodes[ALICE].engine = None;
    for _ in 0..13 {
        world.settle()?;
        world.pass(Duration::from_secs(24 * 3600));
    }
    assert_eq!(early_copies(&mut world, PHONE)?, 0);
    Ok(())
}

/// The honest extreme: of a thousand contacts the new device is told for some seconds, and all the while someone writes.
#[test]
fn who_has_a_thousand_contacts_and_writes_while_linking_loses_nothing() -> Result {
    let mut world = ready(1605)?;
    for number in 0..1000 {
        add_stranger(&mut world, ALICE, &format!("c{number}"))?;
    }
    confirm(&mut world)?;
    // The phone joins, and its keys come.
    for _ in 0..4 {
        world.gossip(0.0);
    }
    for number in 0..100 {
        world.send(ALICE, &format!("c{number}"), "first")?;
        world.send(ALICE, "bob", &number.to_string())?;
    }
    world.gossip(0.0);
    assert!(early_copies(&mut world, PHONE)? >= 200, "they are early");
    world.call(ALICE, MarkRead { name: "bob".into() })?;
    for tick in 0..20 {
        world.pass(Duration::from_secs(1));
        world.gossip(0.0);
        if tick == 5 {
            world.crash(PHONE)?;
        }
    }
    world.settle()?;
    let texts_to_bob = texts(&mut world, PHONE, "bob")?;
    let mut numbers: Vec<u32> = texts_to_bob.iter().flat_map(|text| text.parse()).collect();
    // Where a new device's line begins is told by what comes first, so one before it is late there.
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    for number in 0..100 {
        assert_eq!(texts(&mut world, PHONE, &format!("c{number}"))?, ["first"]);
    }
    assert_eq!(early_copies(&mut world, PHONE)?, 0);
    Ok(())
}

/// It was shown as sent from the start, and what expired stayed so for ever.
#[test]
fn a_message_has_the_state_on_all_devices_that_it_has_where_it_was_sent() -> Result {
    let mut world = two_devices(1606)?;
    world.nodes[BOB].engine = None;
    world.send(ALICE, "bob", "one")?;
    world.gossip(0.0);
    world.pass(Duration::from_secs(1));
    world.gossip(0.0);
    for node in [ALICE, PHONE] {
        let last = out(&mut world, node)?.pop();
        assert_eq!(last, Some(("one".into(), Delivery::Queued)), "{node}");
    }
    world.sync(ALICE, PHONE)?;
    world.pass(Duration::from_secs(1));
    world.gossip(0.0);
    for node in [ALICE, PHONE] {
        let last = out(&mut world, node)?.pop();
        assert_eq!(last, Some(("one".into(), Delivery::Sent)), "{node}");
    }
    for _ in 0..7 {
        world.pass(Duration::from_secs(24 * 3600));
        world.settle()?;
    }
    for node in [ALICE, PHONE] {
        let last = out(&mut world, node)?.pop();
        assert_eq!(last, Some(("one".into(), Delivery::Expired)), "{node}");
    }
    Ok(())
}

/// What was gathered in the second before a crash was in memory alone.
#[test]
fn that_a_message_was_delivered_is_told_after_a_crash_in_the_second_before() -> Result {
    let mut world = two_devices(1607)?;
    world.send(ALICE, "bob", "one")?;
    for _ in 0..3 {
        world.gossip(0.0);
    }
    assert_eq!(out(&mut world, ALICE)?.pop(), Some(("one".into(), Delivery::Delivered)));
    world.crash(ALICE)?;
    for _ in 0..2 {
        world.settle()?;
    }
    assert_eq!(out(&mut world, PHONE)?.pop(), Some(("one".into(), Delivery::Delivered)));
    in_vault(&mut world, ALICE, |txn| {
        assert_eq!(txn.count(&UNTOLD_PROGRESS)?, 0);
        Ok(())
    })
}

/// Of more than 4,096 that were delivered within a second the oldest stayed as sent.
#[test]
fn any_number_of_messages_that_are_delivered_at_once_are_so_on_all_devices() -> Result {
    let mut world = two_devices(1608)?;
    let many = 4200;
    world.nodes[BOB].engine = None;
    for number in 0..many {
        world.send(ALICE, "bob", &number.to_string())?;
    }
    world.start(BOB)?;
    for _ in 0..5 {
        world.settle()?;
    }
    let query = HistoryQuery { limit: Some(1000), ..HistoryQuery::default() };
    let mut before = None;
    let mut left = many;
    while left > 0 {
        let query = HistoryQuery { before: before.take(), ..query.clone() };
        let page = world.call(PHONE, GetHistory { name: "bob".into(), query })?;
        for message in page.messages.iter().filter(|it| it.direction == Direction::Out) {
            assert_eq!(message.state, Delivery::Delivered, "{}", message.text);
        }
        left -= page.messages.len().min(left);
        before = page.messages.first().map(|first| first.id.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!(left, 0);
    Ok(())
}

/// Timers that were set before a device came were not those of what it sent.
#[test]
fn the_timers_of_a_conversation_are_those_of_a_device_that_comes_later() -> Result {
    let mut world = ready(1609)?;
    let seconds = |seconds| Some(TimerSetting::Seconds(seconds));
    let request = TimersRequest { expire_seconds: seconds(3600), burn_seconds: seconds(60) };
    world.call(ALICE, SetTimers { name: "bob".into(), request })?;
    world.settle()?;
    confirm(&mut world)?;
    for _ in 0..4 {
        world.settle()?;
    }
    let timers = |world: &mut World, node| -> Result<_> {
        let name = if node == BOB { "alice" } else { "bob" };
        let timers = world.call(node, GetTimers { name: name.into() })?;
        Ok((timers.expire_seconds, timers.burn_seconds))
    };
    assert_eq!(timers(&mut world, PHONE)?, (Some(3600), Some(60)));
    world.send(PHONE, "bob", "for an hour")?;
    world.settle()?;
    // Those that Bob sets afterwards count on both, and what is told again changes nothing.
    let request = TimersRequest { expire_seconds: seconds(7200), burn_seconds: None };
    world.call(BOB, SetTimers { name: "alice".into(), request })?;
    for _ in 0..3 {
        world.settle()?;
    }
    for node in [ALICE, PHONE] {
        assert_eq!(timers(&mut world, node)?.0, Some(7200), "{node}");
    }
    Ok(())
}

/// Each of the two proved that it has the message, and each proof reached another node: it stayed sent for ever.
#[test]
fn a_message_to_two_devices_is_delivered_though_no_node_heard_both_say_so() -> Result {
    let mut world = two_devices(1610)?;
    world.send(BOB, "alice", "to both")?;
    let sent = std::mem::take(&mut world.nodes[BOB].released.publish);
    world.bring(ALICE, &sent)?;
    // Nobody hears it, and the other device comes once this one is off.
    world.nodes[ALICE].released = Released::default();
    world.bring(PHONE, &sent)?;
    world.nodes[PHONE].released = Released::default();
    for node in [ALICE, PHONE] {
        let texts = world.texts(node, "bob", Direction::In)?;
        assert_eq!(texts.last().map(|(text, _)| text.as_str()), Some("to both"), "{node}");
    }
    let state = |world: &mut World| -> Result<_> {
        Ok(world.texts(BOB, "alice", Direction::Out)?.pop().ok_or("none")?.1)
    };
    assert_ne!(state(&mut world)?, Delivery::Delivered);
    world.settle()?;
    assert_eq!(state(&mut world)?, Delivery::Delivered);
    Ok(())
}
