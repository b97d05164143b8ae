//! Whatever is written in a room reaches all who are in it, whoever was off, came late, or comes back.

use martlet_engine::RoomError;
use martlet_engine::command::{
    Block, ChangeRoom, CloseRoom, LeaveRoom, ListDevices, React, RecallMessage, RemoveModerator,
    ResetId, RevokeDevice, Unblock,
};
use martlet_engine::limits::HOLD_BACK_MIN;
use martlet_protocol::control::{
    DeviceRevoke, EventBody, ReactionRequest, RoomChange, RoomRole, TimerSetting,
};
use martlet_protocol::limits::BUNDLE_AGE_MAX;

use super::{NAMES, error, pairs};
use crate::world::*;

const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;

/// The key of the room's session came before the room was known, and the room was asked for at once: that went on in the Olm session,
/// so the key could not be opened again. All that was written right after an invitation was lost, without a word.
#[test]
fn what_is_written_right_after_an_invitation_arrives_in_whatever_order_it_comes() -> Result {
    for is_reversed in [false, true] {
        let mut world = World::with_room(60 + u64::from(is_reversed), 3, 1)?;
        world.nodes[BOB].engine = None;
        let _ = std::mem::take(&mut world.nodes[0].released.publish);
        world.bring_in(0, "bob")?;
        for text in ["one", "two", "three"] {
            world.send(0, "bridge", text)?;
        }
        let mut sent = std::mem::take(&mut world.nodes[0].released.publish);
        if is_reversed {
            sent.reverse();
        }
        world.start(BOB)?;
        world.bring(BOB, &sent)?;
        world.settle()?;
        let wanted = pairs(&[("alice", "one"), ("alice", "two"), ("alice", "three")]);
        assert_eq!(world.said(BOB)?, wanted, "reversed: {is_reversed}");
        let states: Vec<_> = world.messages(0)?.iter().map(|it| it.state).collect();
        assert_eq!(states, [Delivery::Delivered; 3]);
    }
    Ok(())
}

/// The same of who adds the one that brought them in only later.
#[test]
fn what_is_written_before_the_invitation_can_be_taken_arrives() -> Result {
    let mut world = World::new(3, 62)?;
    let ids: Vec<_> = (0..2).map(|node| world.init(node, NAMES[node])).collect::<Result<_>>()?;
    world.add(0, &ids[BOB], "bob")?;
    world.settle()?;
    world.create(0, "bridge")?;
    world.bring_in(0, "bob")?;
    world.send(0, "bridge", "early")?;
    world.settle()?;
    world.add(BOB, &ids[0], "alice")?;
    for _ in 0..3 {
        world.settle()?;
    }
    assert_eq!(world.said(BOB)?, pairs(&[("alice", "early")]));
    Ok(())
}

/// Who left and was invited again had no keys of members who are no contacts, for ever: what they wrote was shown as delivered, and
/// those members never got it. And whoever left was taken for heard of, so that they were not told of the invitation.
#[test]
fn who_comes_back_writes_to_all() -> Result {
    let mut world = World::with_room(63, 4, 4)?;
    for node in 0..4 {
        world.send(node, "bridge", "here")?;
        world.settle()?;
    }
    world.call(BOB, LeaveRoom { room: "bridge".into() })?;
    world.settle()?;
    world.bring_in(0, "bob")?;
    assert_eq!(world.room(0)?.members.iter().filter(|it| it.role == RoomRole::Invited).count(), 1);
    world.settle()?;
    world.settle()?;
    assert!(world.room(BOB)?.members.iter().all(|it| it.devices > 0));
    world.send(BOB, "bridge", "back again")?;
    world.settle()?;
    for node in [0, CAROL, DAVE] {
        let last = world.said(node)?.pop();
        assert_eq!(last, Some(("bob".into(), "back again".into())), "node {node}");
    }
    Ok(())
}

/// What was written while a member's keys were not known went to the others, was shown as delivered, and never reached them.
#[test]
fn who_could_not_be_written_to_gets_it_later_and_nothing_is_called_delivered_before() -> Result {
    let mut world = World::new(4, 64)?;
    let ids: Vec<_> = (0..3).map(|node| world.init(node, NAMES[node])).collect::<Result<_>>()?;
    world.nodes[BOB].engine = None;
    world.add(0, &ids[BOB], "bob")?;
    world.add(0, &ids[CAROL], "carol")?;
    world.add(CAROL, &ids[0], "alice")?;
    world.settle_but(BOB)?;
    world.create(0, "bridge")?;
    world.bring_in(0, "bob")?;
    world.bring_in(0, "carol")?;
    world.settle_but(BOB)?;
    world.send(0, "bridge", "for both")?;
    world.settle_but(BOB)?;
    assert_eq!(world.said(CAROL)?, pairs(&[("alice", "for both")]));
    assert_eq!(world.messages(0)?[0].state, Delivery::Sent);
    world.crash(0)?;
    world.start(BOB)?;
    world.add(BOB, &ids[0], "alice")?;
    for _ in 0..3 {
        world.settle()?;
    }
    assert_eq!(world.said(BOB)?, pairs(&[("alice", "for both")]));
    assert_eq!(world.said(CAROL)?, pairs(&[("alice", "for both")]), "once");
    assert_eq!(world.messages(0)?[0].state, Delivery::Delivered);
    Ok(())
}

/// Each time that something was said again which was so already used up one of the changes that a room can have.
#[test]
fn what_would_change_nothing_is_no_operation() -> Result {
    let mut world = World::with_room(65, 3, 3)?;
    world.promote(0, "bob")?;
    world.settle()?;
    let expire =
        RoomChange { expire_seconds: Some(TimerSetting::Seconds(3600)), ..RoomChange::default() };
    let set = |change: RoomChange| ChangeRoom { room: "bridge".into(), change };
    world.call(0, set(expire.clone()))?;
    let before = world.room(0)?.operations;
    let again = error(world.call(0, set(expire.clone())));
    assert_eq!(again, Some(RoomError::NoChange.into()));
    world.call(0, set(RoomChange { strict: Some(true), ..expire }))?;
    assert_eq!(world.room(0)?.operations, before + 1);
    world.settle()?;
    world.call(BOB, CloseRoom { room: "bridge".into() })?;
    let again = error(world.call(BOB, CloseRoom { room: "bridge".into() }));
    assert_eq!(again, Some(RoomError::NoChange.into()));
    let own = RemoveModerator { room: "bridge".into(), who: "alice".into() };
    assert_eq!(error(world.call(0, own)), Some(RoomError::OwnRight.into()));
    Ok(())
}

/// Of a writer's first messages the one that came first was taken for the first: those before it were shown after it.
#[test]
fn the_first_messages_of_a_writer_are_shown_in_order_in_whatever_order_they_come() -> Result {
    let mut world = World::with_room(68, 3, 3)?;
    let _ = std::mem::take(&mut world.nodes[BOB].released.publish);
    for text in ["one", "two", "three"] {
        world.send(BOB, "bridge", text)?;
    }
    let mut sent = std::mem::take(&mut world.nodes[BOB].released.publish);
    // The keys of the session stay first.
    let at = sent.len() - 3;
    sent[at..].reverse();
    world.bring(CAROL, &sent)?;
    let texts: Vec<_> = world.messages(CAROL)?.into_iter().map(|it| it.text).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    Ok(())
}

/// A device that was revoked went on to be written to in rooms, by members who are no contacts.
#[test]
fn members_who_are_no_contacts_hear_of_a_revocation_at_once() -> Result {
    const TABLET: usize = 3;
    let mut world = World::new(5, 66)?;
    let ids: Vec<_> = (0..3).map(|node| world.init(node, NAMES[node])).collect::<Result<_>>()?;
    // Bob makes the room; Alice and Carol are no contacts of each other.
    for (node, other) in [(BOB, 0), (BOB, CAROL), (0, BOB), (CAROL, BOB)] {
        world.add(node, &ids[other], NAMES[other])?;
    }
    world.settle()?;
    crate::trust::recover(&mut world, 0, TABLET)?;
    for _ in 0..3 {
        world.settle()?;
    }
    world.create(BOB, "bridge")?;
    world.bring_in(BOB, "alice")?;
    world.bring_in(BOB, "carol")?;
    world.settle()?;
    world.settle()?;
    let of_alice = |world: &mut World| -> Result<u32> {
        let alice = world.person(CAROL, 0)?;
        let room = world.room(CAROL)?;
        Ok(room.members.iter().find(|it| it.who.id == alice).map_or(0, |it| it.devices))
    };
    assert_eq!(of_alice(&mut world)?, 2);
    let devices = world.call(0, ListDevices {})?.devices;
    let tablet = devices.iter().find(|it| !it.this).ok_or("no tablet")?.id.clone();
    let request = DeviceRevoke::default();
    world.call(0, RevokeDevice { device: tablet, request })?;
    world.settle()?;
    assert_eq!(of_alice(&mut world)?, 1);
    world.send(CAROL, "bridge", "for one device")?;
    world.settle()?;
    let last = world.messages(CAROL)?.pop().ok_or("no message")?;
    assert_eq!(last.state, Delivery::Delivered);
    Ok(())
}

/// What was written before a room was closed could not be taken back any more.
#[test]
fn what_was_written_in_a_closed_room_can_be_taken_back() -> Result {
    let mut world = World::with_room(67, 3, 3)?;
    world.promote(0, "bob")?;
    world.settle()?;
    let own = world.send(BOB, "bridge", "own")?;
    let other = world.send(CAROL, "bridge", "other")?;
    world.settle()?;
    world.call(0, CloseRoom { room: "bridge".into() })?;
    world.settle()?;
    world.call(BOB, RecallMessage { id: own })?;
    world.call(0, RecallMessage { id: other })?;
    world.settle()?;
    for node in 0..3 {
        let messages = world.messages(node)?;
        assert!(messages.iter().all(|it| it.state == Delivery::Recalled), "{node}: {messages:?}");
    }
    world.call(0, RemoveModerator { room: "bridge".into(), who: "bob".into() })?;
    assert_eq!(
        world.room(0)?.members.iter().filter(|it| it.role == RoomRole::Moderator).count(),
        1
    );
    Ok(())
}

/// What was written while a member was blocked, and waited, was sent to them once they were unblocked.
#[test]
fn what_was_written_while_someone_was_blocked_never_reaches_them() -> Result {
    let mut world = World::with_room(70, 2, 2)?;
    world.call(0, Block { who: "bob".into() })?;
    world.send(0, "bridge", "not for bob")?;
    world.settle()?;
    world.call(0, Unblock { who: "bob".into() })?;
    world.send(0, "bridge", "for bob")?;
    world.settle()?;
    assert_eq!(world.said(BOB)?, pairs(&[("alice", "for bob")]));
    Ok(())
}

impl World {
    /// Alice writes in a room of two while Bob is blocked there, and again once he is not. That comes to Bob.
    fn bob_was_blocked(seed: u64) -> Result<Self> {
        let mut world = Self::with_room(seed, 2, 2)?;
        world.send(0, "bridge", "before")?;
        world.settle()?;
        world.call(0, Block { who: "bob".into() })?;
        world.send(0, "bridge", "not for bob")?;
        world.settle()?;
        world.call(0, Unblock { who: "bob".into() })?;
        world.nodes[0].released = Released::default();
        world.send(0, "bridge", "for bob")?;
        let sent = std::mem::take(&mut world.nodes[0].released.publish);
        world.bring(BOB, &sent)?;
        Ok(world)
    }
}

/// In a room of two nobody had the keys of what was written meanwhile, and the session of before went on: he was told that a message
/// was lost.
#[test]
fn who_was_blocked_in_a_room_of_two_is_told_of_nothing_missing() -> Result {
    let mut world = World::bob_was_blocked(73)?;
    world.settle()?;
    assert_eq!(world.said(BOB)?, pairs(&[("alice", "before"), ("alice", "for bob")]));
    let query = HistoryQuery::default();
    let history = world.call(BOB, GetHistory { name: "bridge".into(), query })?;
    assert!(history.lost.is_empty(), "{:?}", history.lost);
    Ok(())
}

/// The next message was held back for what was not for him, as long as for one that is on its way.
#[test]
fn what_is_written_after_a_block_is_not_held_back_for_what_was_written_meanwhile() -> Result {
    let mut world = World::bob_was_blocked(74)?;
    world.pass(HOLD_BACK_MIN);
    assert_eq!(world.said(BOB)?, pairs(&[("alice", "before"), ("alice", "for bob")]));
    Ok(())
}

/// What waited for a member's keys while the room was closed was dropped by them, and called delivered.
#[test]
fn what_was_written_before_a_room_was_closed_reaches_who_could_not_be_written_to() -> Result {
    let mut world = World::new(4, 71)?;
    let ids: Vec<_> = (0..3).map(|node| world.init(node, NAMES[node])).collect::<Result<_>>()?;
    world.nodes[BOB].engine = None;
    world.add(0, &ids[BOB], "bob")?;
    world.add(0, &ids[CAROL], "carol")?;
    world.add(CAROL, &ids[0], "alice")?;
    world.settle_but(BOB)?;
    world.create(0, "bridge")?;
    world.bring_in(0, "bob")?;
    world.bring_in(0, "carol")?;
    world.settle_but(BOB)?;
    let id = world.send(0, "bridge", "for both")?;
    world.settle_but(BOB)?;
    let emoji = ReactionRequest { emoji: "👍".into() };
    world.call(0, React { id, request: Some(emoji) })?;
    world.call(0, CloseRoom { room: "bridge".into() })?;
    world.settle_but(BOB)?;
    world.start(BOB)?;
    world.add(BOB, &ids[0], "alice")?;
    for _ in 0..3 {
        world.settle()?;
    }
    let messages = world.messages(BOB)?;
    assert_eq!(messages.iter().map(|it| it.text.as_str()).collect::<Vec<_>>(), ["for both"]);
    assert_eq!(messages[0].reactions.len(), 1, "what is done to it reaches him, too");
    assert_eq!(world.messages(0)?[0].state, Delivery::Delivered);
    Ok(())
}

impl World {
    /// Carol, who is no contact of Bob's, writes once all that she knew of his keys is over: by the former secret she would find no
    /// others. Whether he reads it.
    fn carol_finds_bob(&mut self) -> Result<bool> {
        self.pass(BUNDLE_AGE_MAX + Duration::from_secs(24 * 3600));
        for _ in 0..3 {
            self.settle()?;
        }
        self.send(CAROL, "bridge", "still there?")?;
        for _ in 0..2 {
            self.settle()?;
        }
        Ok(self.said(BOB)?.pop() == Some(("carol".into(), "still there?".into())))
    }
}

/// A member who only reads, and is no contact, heard of a new ID with the next message alone.
#[test]
fn members_who_are_no_contacts_are_told_of_a_new_id() -> Result {
    let mut world = World::with_room(72, 3, 3)?;
    world.call(BOB, ResetId {})?;
    for _ in 0..2 {
        world.settle()?;
    }
    assert!(world.carol_finds_bob()?);
    Ok(())
}

/// A room's key with the former ID that was on its way then was taken for one that tells the new one.
#[test]
fn a_key_that_was_on_its_way_tells_no_new_id() -> Result {
    let mut world = World::with_room(77, 3, 3)?;
    world.send(BOB, "bridge", "before")?;
    world.call(BOB, ResetId {})?;
    for _ in 0..2 {
        world.settle()?;
    }
    assert!(world.carol_finds_bob()?);
    Ok(())
}

/// Who was away then is told once they are back.
#[test]
fn who_was_away_hears_of_a_new_id() -> Result {
    let mut world = World::with_room(73, 3, 3)?;
    world.nodes[CAROL].engine = None;
    world.call(BOB, ResetId {})?;
    for _ in 0..5 {
        world.pass(Duration::from_secs(24 * 3600));
        world.settle_but(CAROL)?;
    }
    world.crash(BOB)?;
    world.start(CAROL)?;
    for _ in 0..3 {
        world.settle()?;
    }
    assert!(world.carol_finds_bob()?);
    Ok(())
}

/// A device that was recovered from the phrase heard of its rooms when someone wrote there, or a day later.
#[test]
fn a_recovered_device_is_told_of_its_rooms() -> Result {
    const NEW: usize = 3;
    let mut world = World::with_room(74, 3, 3)?;
    let alice = world.id_of(0)?;
    crate::trust::recover(&mut world, BOB, NEW)?;
    world.nodes[BOB].engine = None;
    world.settle_but(BOB)?;
    world.add(NEW, &alice, "alice")?;
    world.settle_but(BOB)?;
    world.settle_but(BOB)?;
    assert_eq!(world.room(NEW)?.members.len(), 3);
    world.send(CAROL, "bridge", "welcome back")?;
    world.settle_but(BOB)?;
    world.settle_but(BOB)?;
    let said = world.said(NEW)?;
    assert_eq!(said.last().map(|(_, text)| text.as_str()), Some("welcome back"));
    Ok(())
}

/// What was written by who had been removed, and had not heard, was lost where it was the first of a session.
#[test]
fn what_is_late_is_shown_in_a_new_session_too() -> Result {
    let mut world = World::with_room(75, 4, 4)?;
    world.put_out(0, "dave")?;
    world.settle_but(DAVE)?;
    // Dave has never written before.
    world.send(DAVE, "bridge", "am I late?")?;
    let late = std::mem::take(&mut world.nodes[DAVE].released.publish);
    for node in [0, BOB] {
        world.bring(node, &late)?;
        let messages = world.messages(node)?;
        let last = messages.last().ok_or("no message")?;
        let shown = (last.text.as_str(), last.sent_before_removal_was_known);
        assert_eq!(shown, ("am I late?", true), "node {node}");
    }
    Ok(())
}

/// Who was blocked, and is not any more, was told that so many messages were missing.
#[test]
fn who_was_blocked_is_not_told_of_what_is_missing() -> Result {
    let mut world = World::with_room(76, 3, 3)?;
    world.send(0, "bridge", "for all")?;
    world.settle()?;
    world.call(0, Block { who: "bob".into() })?;
    for text in ["one", "two", "three"] {
        world.send(0, "bridge", text)?;
        world.settle()?;
    }
    world.call(0, Unblock { who: "bob".into() })?;
    world.send(0, "bridge", "for all again")?;
    for _ in 0..2 {
        world.settle()?;
    }
    world.send(0, "bridge", "and again")?;
    world.settle()?;
    let wanted = [("alice", "for all"), ("alice", "for all again"), ("alice", "and again")];
    assert_eq!(world.said(BOB)?, pairs(&wanted));
    let lost = |it: &&Event| matches!(it.body, EventBody::MessagesLost { .. });
    assert_eq!(world.nodes[BOB].released.events.iter().filter(lost).count(), 0);
    Ok(())
}
