//! Rooms: who reads what, whatever is lost, killed or split.

mod bounds;
mod forgotten;
mod history;
mod put_back;
mod reach;
mod reached;
mod recalls;

use std::collections::BTreeSet;

use martlet_engine::command::{
    AddToRoom, Block, ChangeRoom, CloseRoom, CreateRoom, EditMessage, ForgetRoom, GetInbox,
    GetRoom, LeaveRoom, ListBlocked, ListConversations, ListRoomOperations, ListRooms, React,
    RecallMessage, RemoveFromRoom, RemoveModerator, SetConversation, TerminateAccount, Unblock,
};
use martlet_engine::limits::ROOMS_FOREIGN_MAX;
use martlet_engine::{CommandError, DirectoryError, NameError, RoomError};
use martlet_protocol::control::{
    ConversationChange, EditRequest, EventBody, Message, ReactionRequest, Room as ShownRoom,
    RoomChange, RoomCreate, RoomMemberRequest, RoomRemoveQuery, RoomRole, Switch,
};
use martlet_protocol::crypto::seal;
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::message::{DeviceMessage, RoomOps};
use martlet_protocol::room::{Create, Room, Settings};
use martlet_protocol::{ConversationId, Id, IdentityId, RoomId};
use martlet_store::records::ROOMS;

use crate::siblings::two_devices;
use crate::stranger::{addressing, bundle_of, in_olm, in_vault};
use crate::timers::timed;
use crate::world::*;

/// Alice knows all others, and they know her; nobody else knows anybody.
const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
const BOB: usize = 1;
const CAROL: usize = 2;
/// Alice's other device, where she has one.
const TABLET: usize = 2;

impl World {
    /// The first `users` of the names, and a node without a user.
    pub(crate) fn with_room(seed: u64, users: usize, members: usize) -> Result<Self> {
        let mut world = Self::new(users + 1, seed)?;
        let ids: Vec<_> =
            (0..users).map(|node| world.init(node, NAMES[node])).collect::<Result<_>>()?;
        for node in 1..users {
            world.add(0, &ids[node], NAMES[node])?;
            world.add(node, &ids[0], "alice")?;
        }
        world.settle()?;
        world.create(0, "bridge")?;
        for name in &NAMES[1..members] {
            world.bring_in(0, name)?;
        }
        world.settle()?;
        Ok(world)
    }

    fn create(&mut self, node: usize, name: &str) -> Result<ShownRoom> {
        self.call(node, CreateRoom { request: RoomCreate { name: name.into() } })
    }

    fn bring_in(&mut self, node: usize, who: &str) -> Result<ShownRoom> {
        let request = RoomMemberRequest { who: who.into() };
        self.call(node, AddToRoom { room: "bridge".into(), request, as_moderator: false })
    }

    fn promote(&mut self, node: usize, who: &str) -> Result<ShownRoom> {
        let request = RoomMemberRequest { who: who.into() };
        self.call(node, AddToRoom { room: "bridge".into(), request, as_moderator: true })
    }

    fn put_out(&mut self, node: usize, who: &str) -> Result {
        self.call(
            node,
            RemoveFromRoom {
                room: "bridge".into(),
                who: who.into(),
                query: RoomRemoveQuery::default(),
            },
        )
    }

    fn room(&mut self, node: usize) -> Result<ShownRoom> {
        self.call(node, GetRoom { room: "bridge".into() })
    }

    /// What is in the room, and who wrote it, as a node shows it.
    fn said(&mut self, node: usize) -> Result<Vec<(String, String)>> {
        Ok(self.messages(node)?.into_iter().map(|it| (author(&it), it.text)).collect())
    }

    fn messages(&mut self, node: usize) -> Result<Vec<Message>> {
        let query = HistoryQuery { limit: Some(1000), ..HistoryQuery::default() };
        Ok(self.call(node, GetHistory { name: "bridge".into(), query })?.messages)
    }

    fn refused(&mut self, node: usize, who: &str) -> Option<CommandError> {
        let request = RoomMemberRequest { who: who.into() };
        let command = AddToRoom { room: "bridge".into(), request, as_moderator: false };
        error(self.call(node, command))
    }

    fn room_id(&mut self, node: usize) -> Result<RoomId> {
        let id = self.room(node)?.id;
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&id[2 * at..2 * at + 2], 16)?;
        }
        Ok(RoomId(bytes))
    }

    fn identity_of(&mut self, node: usize) -> Result<IdentityId> {
        Ok(self.id_of(node)?.parse::<Id>()?.identity)
    }

    fn digests(&mut self, nodes: &[usize]) -> Result<BTreeSet<String>> {
        nodes.iter().map(|node| Ok(self.room(*node)?.digest)).collect()
    }
}

fn author(message: &Message) -> String {
    let Some(author) = &message.author else { return "nobody".into() };
    if author.you {
        return "me".into();
    }
    author.name.clone().or(author.calls_themselves.clone()).unwrap_or_else(|| "?".into())
}

fn error<T>(result: Result<T>) -> Option<CommandError> {
    result.err().and_then(|error| error.downcast::<CommandError>().ok()).map(|error| *error)
}

fn pairs(said: &[(&str, &str)]) -> Vec<(String, String)> {
    said.iter().map(|(who, what)| ((*who).to_owned(), (*what).to_owned())).collect()
}

#[test]
fn members_who_are_no_contacts_of_each_other_read_each_other() -> Result {
    let mut world = World::with_room(1, 4, 4)?;
    for node in 1..4 {
        assert_eq!(world.room(node)?.members.len(), 4);
    }
    world.send(1, "bridge", "ahoy")?;
    world.settle()?;
    world.send(2, "bridge", "aye")?;
    world.settle()?;
    assert_eq!(world.said(0)?, pairs(&[("bob", "ahoy"), ("carol", "aye")]));
    assert_eq!(world.said(1)?, pairs(&[("me", "ahoy"), ("carol", "aye")]));
    assert_eq!(world.said(2)?, pairs(&[("bob", "ahoy"), ("me", "aye")]));
    assert_eq!(world.said(3)?, pairs(&[("bob", "ahoy"), ("carol", "aye")]));
    // All proved that they have it, and nothing of it is left on the network.
    assert!(world.messages(1)?.iter().all(|it| it.state == Delivery::Delivered));
    let inbox = world.call(3, GetInbox {})?;
    let room = inbox.conversations.first().ok_or("no conversation")?;
    assert_eq!((room.name.as_str(), room.unread, room.room.is_some()), ("bridge", 2, true));
    assert!(inbox.requests == 0, "members are no requests");
    Ok(())
}

#[test]
fn who_is_removed_hears_of_it_and_reads_nothing_more() -> Result {
    let mut world = World::with_room(2, 4, 4)?;
    world.send(3, "bridge", "before")?;
    world.settle()?;
    world.put_out(0, "dave")?;
    world.send(0, "bridge", "after")?;
    world.settle()?;
    world.send(1, "bridge", "after, too")?;
    world.settle()?;
    assert_eq!(world.said(3)?, pairs(&[("me", "before")]));
    let all = pairs(&[("dave", "before"), ("alice", "after"), ("me", "after, too")]);
    assert_eq!(world.said(1)?, all);
    assert_eq!(world.room(3)?.role, RoomRole::Removed);
    assert_eq!(error(world.send(3, "bridge", "still here?")), Some(RoomError::NotMember.into()));
    let left = |it: &Event| matches!(it.body, EventBody::RoomLeft { removed: true, .. });
    assert_eq!(world.nodes[3].released.events.iter().filter(|it| left(it)).count(), 1);
    Ok(())
}

/// What anyone is told who is not to be in a room: nothing is changed by it.
#[test]
fn who_cannot_be_added_is_refused_with_a_reason() -> Result {
    let mut world = World::with_room(3, 4, 2)?;
    let own = world.id_of(0)?;
    assert_eq!(world.refused(0, &own), Some(RoomError::Oneself.into()));
    assert!(matches!(world.refused(0, "nobody"), Some(CommandError::Directory(_))));
    assert_eq!(world.refused(0, "bob"), Some(RoomError::NoChange.into()));
    assert_eq!(world.refused(1, "alice"), Some(RoomError::NotModerator.into()));
    world.call(0, Block { who: "carol".into() })?;
    assert!(matches!(world.refused(0, "carol"), Some(CommandError::Directory(_))));
    let max = RoomChange { members_max: Some(2), ..RoomChange::default() };
    world.call(0, ChangeRoom { room: "bridge".into(), change: max })?;
    assert_eq!(world.refused(0, "dave"), Some(RoomError::Full { max: 2 }.into()));
    // As of contacts: a room called `..` could be asked for by no client that makes paths of names.
    for (name, reason) in [
        ("x".repeat(10_000), NameError::TooLong),
        ("..".to_owned(), NameError::Dots),
        ("\u{3164}".to_owned(), NameError::Invisible),
        ("x\u{202e}gnp".to_owned(), NameError::Turning),
    ] {
        let refused = Some(DirectoryError::Name(reason).into());
        let request = RoomCreate { name: name.clone() };
        assert_eq!(error(world.call(0, CreateRoom { request })), refused);
        let change = RoomChange { name: Some(name), ..RoomChange::default() };
        assert_eq!(error(world.call(0, ChangeRoom { room: "bridge".into(), change })), refused);
    }
    assert_eq!(error(world.put_out(1, "alice")), Some(RoomError::NotModerator.into()));
    let unknown = error(world.call(0, GetRoom { room: "brigde".into() }));
    let nearest = Some("bridge".to_owned());
    assert_eq!(unknown, Some(RoomError::Unknown { name: "brigde".into(), nearest }.into()));
    assert_eq!(world.room(0)?.members.len(), 2);
    assert_eq!(world.call(0, ListRooms {})?.rooms.len(), 1);
    Ok(())
}

#[test]
fn a_room_goes_on_after_all_of_it_was_killed() -> Result {
    let mut world = World::with_room(4, 4, 4)?;
    world.send(1, "bridge", "one")?;
    world.settle()?;
    for node in 0..4 {
        world.crash(node)?;
    }
    world.send(2, "bridge", "two")?;
    world.settle()?;
    assert_eq!(world.said(3)?, pairs(&[("bob", "one"), ("carol", "two")]));
    assert_eq!(world.said(0)?, pairs(&[("bob", "one"), ("carol", "two")]));
    assert_eq!(world.digests(&[0, 1, 2, 3])?.len(), 1);
    Ok(())
}

/// Whatever is killed between a removal and what is written next: who is removed reads nothing of it. (Test 7 of the design.)
#[test]
fn after_a_removal_nothing_goes_under_the_former_session_whatever_is_killed() -> Result {
    for round in 0..20 {
        let mut world = World::with_room(100 + round, 3, 3)?;
        world.send(0, "bridge", "before")?;
        if round % 2 == 0 {
            world.settle()?;
        }
        let inputs = round % 5;
        world.put_out(0, "carol")?;
        if inputs > 0 {
            world.gossip(0.5);
        }
        if inputs > 1 {
            world.crash(0)?;
        }
        world.send(0, "bridge", "after")?;
        if inputs > 2 {
            world.crash(0)?;
        }
        if inputs > 3 {
            world.gossip(0.3);
            world.send(0, "bridge", "after that")?;
        }
        world.settle()?;
        world.settle()?;
        assert_eq!(world.said(2)?, pairs(&[("alice", "before")]), "round {round}");
        let bobs = world.said(1)?;
        assert!(bobs.contains(&("alice".into(), "after".into())), "round {round}: {bobs:?}");
        assert_eq!(world.room(2)?.role, RoomRole::Removed, "round {round}");
    }
    Ok(())
}

#[test]
fn parts_of_a_network_that_change_a_room_beside_each_other_agree_when_they_meet() -> Result {
    let mut world = World::with_room(5, 5, 4)?;
    world.promote(0, "bob")?;
    world.promote(0, "carol")?;
    world.settle()?;
    // Bob removes Carol, who is his junior; Carol sets something, Alice adds Erin; nobody hears of the others.
    let carols_bob = world.person(2, 1)?;
    assert_eq!(error(world.put_out(2, &carols_bob)), Some(RoomError::Senior.into()));
    let bobs_carol = world.person(1, 2)?;
    world.put_out(1, &bobs_carol)?;
    let change = RoomChange { strict: Some(true), ..RoomChange::default() };
    world.call(2, ChangeRoom { room: "bridge".into(), change })?;
    world.bring_in(0, "erin")?;
    for node in 0..5 {
        world.nodes[node].released = Released::default();
    }
    world.settle()?;
    world.settle()?;
    assert_eq!(world.digests(&[0, 1, 3, 4])?.len(), 1);
    // What Carol did does not count any more, and she is told.
    let roles: Vec<_> =
        [1, 2].into_iter().map(|node| Ok(world.room(node)?.role)).collect::<Result<_>>()?;
    assert_eq!(roles.iter().filter(|role| **role == RoomRole::Moderator).count(), 1, "{roles:?}");
    assert_eq!(roles.iter().filter(|role| **role == RoomRole::Removed).count(), 1, "{roles:?}");
    let undone = |it: &&Event| matches!(it.body, EventBody::RoomUndone { .. });
    let loser = if roles[0] == RoomRole::Removed { 1 } else { 2 };
    assert_eq!(world.nodes[loser].released.events.iter().filter(undone).count(), 1);
    let ops = world.call(0, ListRoomOperations { room: "bridge".into() })?.operations;
    assert_eq!(ops.iter().filter(|op| !op.counts).count(), 1);
    assert_eq!(world.room(4)?.role, RoomRole::Member);
    Ok(())
}

#[test]
fn who_was_away_for_a_week_learns_what_became_of_the_room() -> Result {
    let mut world = World::with_room(6, 5, 4)?;
    world.nodes[3].engine = None;
    world.bring_in(0, "erin")?;
    world.put_out(0, "carol")?;
    for _ in 0..7 {
        world.pass(Duration::from_secs(24 * 3600));
        world.settle_but(3)?;
    }
    world.send(0, "bridge", "nobody home")?;
    world.settle_but(3)?;
    world.start(3)?;
    world.settle()?;
    world.settle()?;
    assert_eq!(world.digests(&[0, 1, 3, 4])?.len(), 1);
    world.send(3, "bridge", "back again")?;
    world.settle()?;
    let last =
        |world: &mut World, node| Ok::<_, Box<dyn std::error::Error>>(world.said(node)?.pop());
    assert_eq!(last(&mut world, 0)?, Some(("dave".into(), "back again".into())));
    assert_eq!(last(&mut world, 4)?, Some(("dave".into(), "back again".into())));
    assert!(last(&mut world, 2)?.is_none(), "Carol was removed meanwhile");
    Ok(())
}

#[test]
fn who_was_removed_while_away_is_told_and_can_only_read() -> Result {
    let mut world = World::with_room(7, 4, 4)?;
    world.nodes[3].engine = None;
    world.put_out(0, "dave")?;
    for _ in 0..8 {
        world.pass(Duration::from_secs(24 * 3600));
        world.settle_but(3)?;
    }
    world.start(3)?;
    world.settle()?;
    world.settle()?;
    assert_eq!(world.room(3)?.role, RoomRole::Removed);
    let after = world.room(3)?.operations;
    assert_eq!(after, world.room(0)?.operations, "the removal was the last there was");
    world.bring_in(0, "dave")?;
    world.settle()?;
    assert_eq!(world.room(3)?.role, RoomRole::Member, "added again");
    world.send(0, "bridge", "welcome back")?;
    world.settle()?;
    assert_eq!(world.said(3)?, pairs(&[("alice", "welcome back")]));
    Ok(())
}

#[test]
fn what_was_sent_before_a_removal_was_known_is_shown_as_that() -> Result {
    let mut world = World::with_room(8, 4, 4)?;
    world.send(3, "bridge", "first")?;
    world.settle()?;
    // Dave writes, and has not heard that he is out.
    world.send(3, "bridge", "am I late?")?;
    let late = std::mem::take(&mut world.nodes[3].released.publish);
    world.put_out(0, "dave")?;
    world.settle_but(3)?;
    world.bring(1, &late)?;
    let messages = world.messages(1)?;
    let last = messages.last().ok_or("no message")?;
    assert_eq!((last.text.as_str(), last.sent_before_removal_was_known), ("am I late?", true));
    // Where the room is strict, nothing is.
    let mut world = World::with_room(9, 4, 4)?;
    let strict = RoomChange { strict: Some(true), ..RoomChange::default() };
    world.call(0, ChangeRoom { room: "bridge".into(), change: strict })?;
    world.settle()?;
    world.send(3, "bridge", "am I late?")?;
    let late = std::mem::take(&mut world.nodes[3].released.publish);
    world.put_out(0, "dave")?;
    world.settle_but(3)?;
    world.bring(1, &late)?;
    assert!(world.messages(1)?.is_empty());
    Ok(())
}

#[test]
fn moderators_come_and_go_and_a_room_can_be_set_left_and_closed() -> Result {
    let mut world = World::with_room(10, 4, 4)?;
    world.promote(0, "bob")?;
    world.settle()?;
    assert_eq!(world.room(1)?.role, RoomRole::Moderator);
    let change = RoomChange { name: Some("engine room".into()), ..RoomChange::default() };
    world.call(1, ChangeRoom { room: "bridge".into(), change })?;
    world.settle()?;
    for node in 0..4 {
        assert_eq!(world.call(node, ListRooms {})?.rooms[0].name, "engine room");
    }
    let back = RoomChange { name: Some("bridge".into()), ..RoomChange::default() };
    world.call(1, ChangeRoom { room: "engine room".into(), change: back })?;
    world.settle()?;
    world.call(0, RemoveModerator { room: "bridge".into(), who: "bob".into() })?;
    world.settle()?;
    assert_eq!(world.room(1)?.role, RoomRole::Member);
    assert_eq!(error(world.put_out(1, "alice")), Some(RoomError::NotModerator.into()));
    world.call(2, LeaveRoom { room: "bridge".into() })?;
    world.settle()?;
    let left = |world: &mut World, node| -> Result<bool> {
        Ok(world.room(node)?.members.iter().any(|it| it.role == RoomRole::Left))
    };
    assert!(left(&mut world, 0)? && left(&mut world, 3)?);
    assert_eq!(error(world.send(2, "bridge", "hello?")), Some(RoomError::NotMember.into()));
    world.call(0, CloseRoom { room: "bridge".into() })?;
    world.settle()?;
    assert!(world.room(3)?.closed);
    assert_eq!(error(world.send(3, "bridge", "hello?")), Some(RoomError::Closed.into()));
    Ok(())
}

#[test]
fn messages_of_a_room_are_answered_edited_reacted_to_and_recalled() -> Result {
    let mut world = World::with_room(11, 4, 4)?;
    let first = world.send(1, "bridge", "at eihgt")?;
    world.settle()?;
    world.call(
        1,
        EditMessage { id: first.clone(), request: EditRequest { text: "at eight".into() } },
    )?;
    let emoji = ReactionRequest { emoji: "👍".into() };
    world.call(2, React { id: first.clone(), request: Some(emoji) })?;
    let request = SendRequest {
        to: "bridge".into(),
        text: "fine".into(),
        reply_to: Some(first.clone()),
        ..SendRequest::default()
    };
    world.call(3, SendText { request })?;
    world.settle()?;
    let messages = world.messages(0)?;
    assert_eq!(messages[0].text, "at eight");
    let reaction = messages[0].reactions.first().ok_or("no reaction")?;
    assert_eq!(reaction.by.as_ref().and_then(|by| by.name.as_deref()), Some("carol"));
    let reply = messages[1].reply_to.as_ref().ok_or("no reply")?;
    assert_eq!(reply.excerpt.as_deref(), Some("at eight"));
    assert_eq!(reply.author.as_ref().and_then(|by| by.name.as_deref()), Some("bob"));
    world.call(1, RecallMessage { id: first })?;
    world.settle()?;
    for node in 0..4 {
        assert_eq!(world.messages(node)?[0].state, Delivery::Recalled, "node {node}");
    }
    Ok(())
}

/// More devices than an envelope has slots read it all the same; who wrote it is told that it is sent.
#[test]
fn more_than_eight_devices_read_one_envelope() -> Result {
    let mut world = World::new(12, 12)?;
    let ids: Vec<_> =
        (0..11).map(|node| world.init(node, &format!("user{node}"))).collect::<Result<_>>()?;
    for node in 1..11 {
        world.add(0, &ids[node], &format!("user{node}"))?;
        world.add(node, &ids[0], "alice")?;
    }
    world.settle()?;
    world.create(0, "bridge")?;
    for node in 1..11 {
        world.bring_in(0, &format!("user{node}"))?;
    }
    world.settle()?;
    world.settle()?;
    world.send(4, "bridge", "all hands")?;
    world.gossip(0.0);
    let before = world.nodes[4].released.publish.len();
    world.send(4, "bridge", "again")?;
    assert_eq!(world.nodes[4].released.publish.len(), before + 1, "one envelope for all");
    world.settle()?;
    for node in (0..11).filter(|node| *node != 4) {
        assert_eq!(world.said(node)?.len(), 2, "node {node}");
    }
    let states: BTreeSet<_> = world.messages(4)?.iter().map(|it| it.state).collect();
    assert_eq!(states, BTreeSet::from([Delivery::Sent]));
    Ok(())
}

/// A member named a room as another's id, or as that is shown: what the user wrote into one went to the other.
#[test]
fn a_name_does_not_stand_for_the_id_of_another_room() -> Result {
    let mut world = World::with_room(13, 3, 2)?;
    let bridge = world.room(0)?.id;
    let shown = format!("bridge ({})", &bridge[..6]);
    for name in [bridge.clone(), shown.clone(), " Bridge".to_owned(), bridge[..8].to_owned()] {
        let id = world.create(2, &name)?.id;
        let request = RoomMemberRequest { who: "alice".into() };
        world.call(2, AddToRoom { room: id, request, as_moderator: false })?;
        world.settle()?;
    }
    let rooms = world.call(0, ListRooms {})?.rooms;
    let names: BTreeSet<_> = rooms.iter().map(|room| room.name.clone()).collect();
    assert_eq!((rooms.len(), names.len()), (5, 5));
    for room in rooms {
        for text in [&room.id, &room.name] {
            assert_eq!(world.call(0, GetRoom { room: text.clone() })?.id, room.id, "{text}");
        }
    }
    assert_eq!(world.call(0, GetRoom { room: shown })?.id, bridge);
    let prefix = bridge[..8].to_owned();
    let ambiguous = RoomError::Ambiguous { name: prefix.clone() };
    assert_eq!(error(world.call(0, GetRoom { room: prefix })), Some(ambiguous.into()));
    world.send(0, &bridge, "for the bridge")?;
    world.settle()?;
    assert_eq!(world.said(1)?, pairs(&[("alice", "for the bridge")]));
    Ok(())
}

/// The key of a session that began while its writer was blocked was refused for ever: nothing of theirs was read until the next.
#[test]
fn who_is_unblocked_is_read_again() -> Result {
    let mut world = World::with_room(14, 3, 3)?;
    world.call(0, Block { who: "bob".into() })?;
    world.send(1, "bridge", "unheard")?;
    world.settle()?;
    assert!(world.said(0)?.is_empty());
    world.call(0, Unblock { who: "bob".into() })?;
    world.settle()?;
    world.send(1, "bridge", "heard")?;
    world.settle()?;
    assert_eq!(world.said(0)?, pairs(&[("bob", "heard")]));
    Ok(())
}

/// Each device kept for itself which rooms are muted and pinned: only contacts' were taken of another.
#[test]
fn a_room_is_muted_and_pinned_on_all_devices() -> Result {
    let mut world = two_devices(16)?;
    world.create(0, "bridge")?;
    world.bring_in(0, "bob")?;
    let muted = ConversationChange { muted: Some(true), ..ConversationChange::default() };
    let pinned = ConversationChange { pinned: Some(true), ..ConversationChange::default() };
    let name = || "bridge".to_owned();
    // Before the other device has heard that there is the room, and after.
    world.call(0, SetConversation { name: name(), change: muted })?;
    world.settle()?;
    world.settle()?;
    world.call(0, SetConversation { name: name(), change: pinned })?;
    world.settle()?;
    let shown = world.call(TABLET, ListConversations {})?.conversations;
    let bridge = shown.iter().find(|it| it.name == "bridge").ok_or("no room")?;
    assert!(bridge.settings.muted && bridge.settings.pinned, "{:?}", bridge.settings);
    // Who forgets a room there forgets it there alone.
    world.call(0, LeaveRoom { room: name() })?;
    world.settle()?;
    world.call(0, ForgetRoom { room: name() })?;
    world.settle()?;
    let shown = world.call(TABLET, ListConversations {})?.conversations;
    assert!(shown.iter().any(|it| it.name == "bridge" && it.settings.muted));
    Ok(())
}

/// A member whose account has ended was shown as one whose keys are still to come.
#[test]
fn a_member_whose_account_was_terminated_is_shown_as_that() -> Result {
    let mut world = World::with_room(19, 3, 3)?;
    let id = world.id_of(BOB)?;
    world.call(BOB, TerminateAccount { id, kill_phrase: None })?;
    world.settle()?;
    world.settle()?;
    let members = world.room(0)?.members;
    let ended = members.into_iter().filter(|it| it.terminated_at.is_some());
    let names: Vec<_> = ended.filter_map(|member| member.who.name).collect();
    assert_eq!(names, ["bob"]);
    Ok(())
}

/// It was said to be on, and nothing came of it.
#[test]
fn a_room_has_no_receipts_and_nobody_types_there() -> Result {
    let mut world = World::with_room(18, 2, 2)?;
    let on = Some(Switch::On);
    let receipts = ConversationChange { receipts: on, ..ConversationChange::default() };
    let typing = ConversationChange { typing: on, ..ConversationChange::default() };
    for change in [receipts, typing] {
        let refused = error(world.call(0, SetConversation { name: "bridge".into(), change }));
        assert_eq!(refused, Some(RoomError::OfTwo.into()));
    }
    Ok(())
}

/// Bob, who has no contact called so, was told that there is none by what `room show` had shown him.
#[test]
fn a_member_is_called_as_they_are_shown() -> Result {
    let mut world = World::with_room(17, 3, 3)?;
    world.promote(0, "bob")?;
    world.send(CAROL, "bridge", "hello")?;
    world.settle()?;
    let (alice, carol) = (world.id_of(0)?, world.id_of(CAROL)?);
    let start = carol["martlet1".len()..][..6].to_owned();
    let ways = [
        start.clone(),
        start.to_uppercase(),
        format!("({start})"),
        format!("carol ({start})"),
        format!("martlet1{start}"),
        carol[..20].to_owned(),
        "carol".to_owned(),
    ];
    for who in &ways {
        world.call(BOB, Block { who: who.clone() })?;
        let blocked = world.call(BOB, ListBlocked {})?.blocked;
        assert_eq!(blocked.len(), 1, "{who}");
        world.call(BOB, Unblock { who: who.clone() })?;
    }
    for who in &ways {
        world.promote(BOB, who)?;
        world.call(BOB, RemoveModerator { room: "bridge".into(), who: who.clone() })?;
    }
    for who in ["zzzzzz", "(zzzzzz)", "dave (zzzzzz)", "martlet1", &alice[..8], "m", "mar"] {
        let refused = error(world.call(BOB, Block { who: who.into() }));
        assert!(refused.is_some(), "{who}");
    }
    // The name is to be theirs.
    let wrong = format!("dave ({start})");
    assert!(world.put_out(BOB, &wrong).is_err());
    world.put_out(BOB, &start)?;
    Ok(())
}

/// The user's other devices kept what was recalled and what was to burn, and stayed in the room that was left.
#[test]
fn on_all_devices_of_the_user_messages_end_and_rooms_are_left() -> Result {
    let mut world = two_devices(15)?;
    world.create(0, "bridge")?;
    world.bring_in(0, "bob")?;
    world.settle()?;
    world.settle()?;
    let recalled = world.send(0, "bridge", "taken back")?;
    let request = timed("bridge", "burns", None, Some(3600));
    world.call(0, SendText { request })?;
    world.settle()?;
    assert_eq!(world.said(TABLET)?, pairs(&[("me", "taken back"), ("me", "burns")]));
    world.call(0, RecallMessage { id: recalled })?;
    world.settle()?;
    world.pass(Duration::from_secs(2 * 3600));
    world.settle()?;
    let messages = world.messages(TABLET)?;
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0].state, Delivery::Recalled);
    let last = world.send(0, "bridge", "stays")?;
    world.settle()?;
    world.call(0, LeaveRoom { room: "bridge".into() })?;
    world.settle()?;
    assert_eq!(world.room(TABLET)?.role, RoomRole::Left);
    let refused = error(world.call(0, RecallMessage { id: last }));
    assert_eq!(refused, Some(RoomError::NotMember.into()), "nobody would take it back");
    Ok(())
}

/// A contact could use up all rooms that there may be, with such as the user was not in and never saw.
#[test]
fn rooms_that_are_none_of_the_users_use_up_nothing() -> Result {
    let mut world = World::pair(16, 3)?;
    world.settle()?;
    let root = RootKey::generate(&mut world.rng);
    let device = DeviceKeys::generate(&mut world.rng, &root, world.now);
    world.add(0, &Id::without_secret(root.identity()).to_string(), "mallory")?;
    world.settle()?;
    let (to, bundle) = (world.id_of(0)?.parse::<Id>()?.identity, bundle_of(&mut world, 0)?);
    for at in 0..40 {
        let settings = Settings { name: "hidden".into(), ..Settings::default() };
        let room = Room::create(&device, Create { salt: [at; 16], settings }, world.now)?;
        let ops = room.set().iter().map(|op| op.as_bytes().to_vec()).collect();
        let message = DeviceMessage::RoomOps(RoomOps { room: room.id(), ops, people: vec![] });
        let (addressing, with) =
            (addressing(&world, &to), ConversationId::direct(&root.identity(), &to));
        let payload = in_olm(&device, &bundle, message)?;
        let recipients = [bundle.recipient()];
        let content =
            seal::seal(&mut world.rng, &addressing, &device, &to, &recipients, &with, &payload)?;
        world.bring(0, &[Envelope::new(content)])?;
        world.pass(Duration::from_secs(1));
    }
    let mut kept = 0;
    in_vault(&mut world, 0, |txn| {
        kept = txn.scan(&ROOMS)?.len();
        Ok(())
    })?;
    assert_eq!(kept, ROOMS_FOREIGN_MAX);
    assert!(world.call(0, ListRooms {})?.rooms.is_empty());
    Ok(())
}

#[test]
fn who_writes_on_in_a_closed_room_can_be_put_out() -> Result {
    let mut world = World::with_room(17, 3, 3)?;
    world.call(0, CloseRoom { room: "bridge".into() })?;
    world.settle()?;
    world.put_out(0, "carol")?;
    world.settle()?;
    assert_eq!(world.room(2)?.role, RoomRole::Removed);
    assert_eq!(world.refused(0, "carol"), Some(RoomError::Closed.into()));
    Ok(())
}

impl World {
    /// What a node calls another's user in the room.
    fn person(&mut self, node: usize, other: usize) -> Result<String> {
        let id = self.id_of(other)?;
        let room = self.room(node)?;
        let member = room.members.iter().find(|it| it.who.id == id).ok_or("not in the room")?;
        Ok(member.who.id.clone())
    }

    /// The same as `settle`, without one node, which is not on.
    fn settle_but(&mut self, off: usize) -> Result {
        for _ in 0..2 {
            let nodes: Vec<_> = (0..self.nodes.len()).filter(|node| *node != off).collect();
            nodes.iter().for_each(|node| self.lose_stem(*node));
            for a in &nodes {
                for b in nodes.iter().filter(|b| *b < a) {
                    self.sync(*a, *b)?;
                }
            }
            self.pass(Duration::from_secs(61));
        }
        Ok(())
    }
}
