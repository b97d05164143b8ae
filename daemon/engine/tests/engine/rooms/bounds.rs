//! What one person can do to a room, or to another's rooms, and how it is undone.

use martlet_engine::command::{
    AddToRoom, ForgetRoom, LeaveRoom, ListRoomOperations, ListRooms, RemoveFromRoom,
};
use martlet_engine::limits::ROOMS_OF_CONTACT_MAX;
use martlet_engine::{CommandError, RoomError};
use martlet_protocol::control::{
    EventBody, ExportLine, RoomMemberRequest, RoomRemoveQuery, RoomRole,
};

use super::{error, pairs};
use crate::world::*;

const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;

impl World {
    /// Alice made the bridge, with Erin in it, and Bob moderates it: he brings in Carol and Dave, his contacts.
    fn flooded(seed: u64) -> Result<Self> {
        let mut world = Self::with_room(seed, 5, 2)?;
        world.bring_in(0, "erin")?;
        for (node, name) in [(CAROL, "carol"), (DAVE, "dave")] {
            let (theirs, bobs) = (world.id_of(node)?, world.id_of(BOB)?);
            world.add(BOB, &theirs, name)?;
            world.add(node, &bobs, "bob")?;
        }
        world.settle()?;
        world.promote(0, "bob")?;
        world.settle()?;
        world.bring_in(BOB, "carol")?;
        world.bring_in(BOB, "dave")?;
        world.settle()?;
        Ok(world)
    }

    fn undo(&mut self, query: RoomRemoveQuery) -> Result {
        self.call(0, RemoveFromRoom { room: "bridge".into(), who: "bob".into(), query })
    }

    fn here(&mut self, node: usize) -> Result<Vec<String>> {
        let room = self.room(node)?;
        let is_in =
            |role| matches!(role, RoomRole::Invited | RoomRole::Member | RoomRole::Moderator);
        let inside = room.members.into_iter().filter(|it| is_in(it.role));
        Ok(inside.map(|it| it.who.id).collect())
    }
}

/// Of a moderator who flooded a room only they were put out: all whom they had added were removed one by one, and those
/// whom such an operation brought in, once it was undone, were never told and saw the room no more.
#[test]
fn a_removal_undoes_a_flood_and_those_whom_it_brought_in_are_told() -> Result {
    let mut world = World::flooded(30)?;
    assert_eq!(world.here(0)?.len(), 5);
    world.undo(RoomRemoveQuery { undo: true, undo_from: None })?;
    world.settle()?;
    let (alice, erin) = (world.id_of(0)?, world.id_of(4)?);
    for node in [0, 4] {
        let mut here = world.here(node)?;
        here.sort();
        let mut wanted = vec![alice.clone(), erin.clone()];
        wanted.sort();
        assert_eq!(here, wanted, "node {node}");
    }
    for node in [BOB, CAROL, DAVE] {
        assert_eq!(world.room(node)?.role, RoomRole::Removed, "node {node}");
        let refused = error(world.send(node, "bridge", "still here?"));
        assert_eq!(refused, Some(RoomError::NotMember.into()));
        let left = |it: &&Event| matches!(it.body, EventBody::RoomLeft { removed: true, .. });
        assert_eq!(world.nodes[node].released.events.iter().filter(left).count(), 1);
    }
    world.send(0, "bridge", "calm again")?;
    world.settle()?;
    assert_eq!(world.said(4)?, pairs(&[("alice", "calm again")]));
    assert!(world.said(CAROL)?.is_empty());
    Ok(())
}

/// Who was away when they were put out by that hears of it all the same, as soon as they ask.
#[test]
fn who_was_away_hears_that_what_brought_them_in_is_undone() -> Result {
    let mut world = World::flooded(31)?;
    world.nodes[CAROL].engine = None;
    world.undo(RoomRemoveQuery { undo: true, undo_from: None })?;
    for _ in 0..8 {
        world.pass(Duration::from_secs(24 * 3600));
        world.settle_but(CAROL)?;
    }
    world.start(CAROL)?;
    world.settle()?;
    world.settle()?;
    assert_eq!(world.room(CAROL)?.role, RoomRole::Removed);
    Ok(())
}

#[test]
fn what_was_done_before_the_flood_can_stay() -> Result {
    let mut world = World::flooded(32)?;
    let ops = world.call(0, ListRoomOperations { room: "bridge".into() })?.operations;
    let dave = world.id_of(DAVE)?;
    let flood = ops.iter().find(|op| op.who.as_ref().is_some_and(|who| who.id == dave));
    let from = flood.ok_or("no operation")?.id.clone();
    let made = ops.first().ok_or("no operation")?.id.clone();
    let query = |from: &str| RoomRemoveQuery { undo: false, undo_from: Some(from.into()) };
    assert_eq!(error(world.undo(query(&made))), Some(RoomError::NotTheirs.into()));
    let unknown = RoomError::UnknownOperation { text: "ffffff".into() };
    assert_eq!(error(world.undo(query("ffffff"))), Some(unknown.into()));
    world.undo(query(&from[..10]))?;
    world.settle()?;
    assert_eq!(world.room(DAVE)?.role, RoomRole::Removed);
    assert_eq!(world.room(CAROL)?.role, RoomRole::Member);
    world.send(0, "bridge", "carol stays")?;
    world.settle()?;
    assert_eq!(world.said(CAROL)?, pairs(&[("alice", "carol stays")]));
    Ok(())
}

/// Rooms that the user had left took up the room for others for ever.
#[test]
fn a_room_that_was_left_can_be_forgotten() -> Result {
    let mut world = World::with_room(33, 4, 4)?;
    world.send(BOB, "bridge", "ahoy")?;
    world.settle()?;
    let forget = |world: &mut World| world.call(CAROL, ForgetRoom { room: "bridge".into() });
    assert_eq!(error(forget(&mut world)), Some(RoomError::StillIn.into()));
    world.call(CAROL, LeaveRoom { room: "bridge".into() })?;
    // At once: others hear all the same that she left.
    forget(&mut world)?;
    assert!(world.call(CAROL, ListRooms {})?.rooms.is_empty());
    assert!(world.said(CAROL).is_err());
    world.settle()?;
    let carol = world.person(0, CAROL)?;
    let is_carol = |it: &martlet_protocol::control::RoomMember| it.who.id == carol;
    let member = world.room(0)?.members.into_iter().find(is_carol);
    assert_eq!(member.map(|it| it.role), Some(RoomRole::Left));
    // Neither what others write nor what they tell of the room brings it back, nor a restart.
    world.send(BOB, "bridge", "where is she?")?;
    world.crash(CAROL)?;
    world.pass(Duration::from_secs(24 * 3600));
    world.settle()?;
    assert!(world.call(CAROL, ListRooms {})?.rooms.is_empty());
    // Who adds her again does, and what was before is not there.
    world.bring_in(0, "carol")?;
    world.settle()?;
    world.send(0, "bridge", "welcome back")?;
    world.settle()?;
    assert_eq!(world.said(CAROL)?, pairs(&[("alice", "welcome back")]));
    Ok(())
}

/// A contact could take all the rooms that there may be: nobody else's were taken then, and the user could make none.
#[test]
fn one_contact_does_not_take_all_rooms() -> Result {
    let mut world = World::with_room(34, 3, 2)?;
    for at in 0..ROOMS_OF_CONTACT_MAX + 6 {
        let room = world.create(BOB, &format!("room {at}"))?.id;
        let request = RoomMemberRequest { who: "alice".into() };
        world.call(BOB, AddToRoom { room, request, as_moderator: false })?;
        if at % 10 == 0 {
            world.settle()?;
        }
    }
    world.settle()?;
    let bobs = |world: &mut World| -> Result<usize> {
        let rooms = world.call(0, ListRooms {})?.rooms;
        Ok(rooms.iter().filter(|room| room.settings.name.starts_with("room ")).count())
    };
    assert_eq!(bobs(&mut world)?, ROOMS_OF_CONTACT_MAX);
    let room = world.create(CAROL, "galley")?.id;
    let request = RoomMemberRequest { who: "alice".into() };
    world.call(CAROL, AddToRoom { room, request, as_moderator: false })?;
    world.settle()?;
    assert!(world.call(0, ListRooms {})?.rooms.iter().any(|room| room.name == "galley"));
    // There is room for one more of his once one of them is forgotten: it waited.
    world.call(0, LeaveRoom { room: "room 0".into() })?;
    world.call(0, ForgetRoom { room: "room 0".into() })?;
    world.settle()?;
    assert_eq!(bobs(&mut world)?, ROOMS_OF_CONTACT_MAX);
    Ok(())
}

/// What waited until someone could be written to was sealed to who was in the room by then: who was new read it.
#[test]
fn what_waits_is_for_those_who_were_in_the_room_when_it_was_written() -> Result {
    let mut world = World::new(4, 35)?;
    let ids: Vec<_> =
        (0..3).map(|node| world.init(node, super::NAMES[node])).collect::<Result<_>>()?;
    // Nobody has heard of Bob's keys.
    world.nodes[BOB].engine = None;
    world.add(0, &ids[BOB], "bob")?;
    world.add(0, &ids[CAROL], "carol")?;
    world.add(CAROL, &ids[0], "alice")?;
    world.settle_but(BOB)?;
    world.create(0, "bridge")?;
    world.bring_in(0, "bob")?;
    world.send(0, "bridge", "for bob alone")?;
    world.settle_but(BOB)?;
    world.bring_in(0, "carol")?;
    world.settle_but(BOB)?;
    world.send(0, "bridge", "for carol, too")?;
    world.settle_but(BOB)?;
    assert_eq!(world.said(CAROL)?, pairs(&[("alice", "for carol, too")]));
    world.start(BOB)?;
    world.add(BOB, &ids[0], "alice")?;
    for _ in 0..3 {
        world.settle()?;
    }
    assert!(world.said(BOB)?.contains(&("alice".into(), "for bob alone".into())));
    assert_eq!(world.said(CAROL)?, pairs(&[("alice", "for carol, too")]));
    let states: Vec<_> = world.messages(0)?.iter().map(|it| it.state).collect();
    assert_eq!(states, [Delivery::Delivered, Delivery::Delivered]);
    Ok(())
}

/// An export left the rooms out, without a word.
#[test]
fn an_export_has_the_rooms() -> Result {
    let mut world = World::with_room(37, 3, 3)?;
    world.send(BOB, "bridge", "ahoy")?;
    world.send(0, "bridge", "aye")?;
    world.settle()?;
    world.put_out(0, "carol")?;
    let (lines, _) = crate::account::export(&mut world, 0)?;
    let at = lines.iter().position(|line| matches!(line, ExportLine::Room { .. }));
    let of_room = &lines[at.ok_or("no room")?..];
    let ExportLine::Room { room, .. } = &of_room[0] else { return Err("no room".into()) };
    assert_eq!((room.name.as_str(), room.members.len()), ("bridge", 3));
    let is_op = |line: &ExportLine| matches!(line, ExportLine::RoomOperation { room: of, .. } if *of == room.id);
    assert!(of_room[1..5].iter().all(is_op), "{of_room:?}");
    let texts = of_room[5..7].iter().filter_map(|line| match line {
        ExportLine::Message { message } => Some(message.text.as_str()),
        _ => None,
    });
    assert_eq!(texts.collect::<std::collections::BTreeSet<_>>().len(), 2);
    let end = of_room.last().ok_or("no end")?;
    assert!(matches!(end, ExportLine::End { messages: 2, .. }), "{end:?}");
    Ok(())
}

/// An error that no command of these gives.
#[test]
fn a_room_that_is_not_there_is_not_forgotten() -> Result {
    let mut world = World::with_room(36, 2, 1)?;
    let found = error(world.call(0, ForgetRoom { room: "galley".into() }));
    assert!(matches!(found, Some(CommandError::Room(RoomError::Unknown { .. }))), "{found:?}");
    Ok(())
}
