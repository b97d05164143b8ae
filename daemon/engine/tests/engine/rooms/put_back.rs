//! Rooms where a member's vault was put back from a copy, or was away for long.

use std::fs;

use martlet_engine::RoomError;
use martlet_engine::command::{ChangeRoom, GetPutBack, ListRooms};
use martlet_protocol::control::{EventBody, RoomChange};

use super::{error, pairs};
use crate::put_back::{ALL, backup, restore};
use crate::world::*;

const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;
const VAULT: [&str; 3] = ["vault.redb", "vault.key", "vault.keys"];

impl World {
    /// A node's vault, copied now.
    fn copy_vault(&mut self, node: usize) -> Result<tempfile::TempDir> {
        self.nodes[node].engine = None;
        let copy = tempfile::tempdir()?;
        for file in VAULT {
            fs::copy(self.nodes[node].dir.path().join(file), copy.path().join(file))?;
        }
        self.start(node)?;
        Ok(copy)
    }

    fn put_vault_back(&mut self, node: usize, copy: &tempfile::TempDir) -> Result {
        self.nodes[node].engine = None;
        self.nodes[node].released = Released::default();
        for file in VAULT {
            fs::copy(copy.path().join(file), self.nodes[node].dir.path().join(file))?;
        }
        self.start(node)?;
        assert!(self.call(node, GetPutBack {})?.is_some());
        Ok(())
    }

    fn rename(&mut self, node: usize, name: &str) -> Result {
        let change = RoomChange { name: Some(name.into()), ..RoomChange::default() };
        let room = self.call(node, ListRooms {})?.rooms[0].id.clone();
        self.call(node, ChangeRoom { room, change })?;
        Ok(())
    }

    fn published(&mut self, node: usize) -> Vec<Envelope> {
        std::mem::take(&mut self.nodes[node].released.publish)
    }

    fn texts_of(&mut self, node: usize) -> Result<Vec<String>> {
        let mut texts: Vec<_> = self.messages(node)?.into_iter().map(|it| it.text).collect();
        texts.sort();
        Ok(texts)
    }
}

/// What a moderator changed after the copy was made, and changed otherwise once it was put back, was shown to all as that they tell
/// different people different things.
#[test]
fn who_was_put_back_changes_nothing_before_they_know_what_they_did() -> Result {
    let mut world = World::with_room(90, 3, 3)?;
    let copy = world.copy_vault(0)?;
    world.settle()?;
    world.rename(0, "galley")?;
    world.settle()?;
    world.put_vault_back(0, &copy)?;
    assert_eq!(error(world.rename(0, "mess")), Some(RoomError::NeedsState.into()));
    // Not after ten minutes either, while nobody is on.
    world.pass(Duration::from_secs(700));
    assert_eq!(error(world.rename(0, "mess")), Some(RoomError::NeedsState.into()));
    world.settle()?;
    world.settle()?;
    assert_eq!(world.call(0, ListRooms {})?.rooms[0].name, "galley");
    world.rename(0, "mess")?;
    world.settle()?;
    let equivocation = |it: &&Event| matches!(it.body, EventBody::RoomEquivocation { .. });
    for node in 0..3 {
        assert_eq!(world.call(node, ListRooms {})?.rooms[0].name, "mess");
        assert_eq!(world.nodes[node].released.events.iter().filter(equivocation).count(), 0);
    }
    Ok(())
}

/// What was written right after the vault was put back went to whom the user had removed since the copy was made.
#[test]
fn who_was_removed_since_the_copy_reads_nothing() -> Result {
    let mut world = World::with_room(91, 4, 4)?;
    let copy = world.copy_vault(0)?;
    world.settle()?;
    world.put_out(0, "dave")?;
    world.settle()?;
    world.put_vault_back(0, &copy)?;
    let id = world.send(0, "bridge", "not for dave")?;
    let shown = world.messages(0)?.pop().ok_or("no message")?;
    assert_eq!((shown.id, shown.state), (id, Delivery::NeedsState));
    for _ in 0..3 {
        world.settle()?;
    }
    assert_eq!(world.said(BOB)?, pairs(&[("alice", "not for dave")]));
    assert!(world.said(DAVE)?.is_empty());
    assert_eq!(world.messages(0)?.pop().ok_or("no message")?.state, Delivery::Delivered);
    Ok(())
}

/// What members who are no contacts wrote after the copy was made was missing without a word, and so was what they wrote until
/// their next session.
#[test]
fn a_vault_put_back_is_sent_again_what_was_written_in_its_rooms() -> Result {
    let mut world = World::with_room(92, 3, 3)?;
    world.send(CAROL, "bridge", "c before")?;
    world.send(0, "bridge", "a before")?;
    world.settle()?;
    let copy = world.copy_vault(BOB)?;
    world.pass(Duration::from_secs(25 * 3600));
    world.settle()?;
    world.send(CAROL, "bridge", "c lost")?;
    world.send(0, "bridge", "a lost")?;
    world.send(BOB, "bridge", "b lost")?;
    world.settle()?;
    world.put_vault_back(BOB, &copy)?;
    world.send(CAROL, "bridge", "c after")?;
    world.send(BOB, "bridge", "b after")?;
    for _ in 0..4 {
        world.settle()?;
    }
    world.send(BOB, "bridge", "b after that")?;
    for _ in 0..2 {
        world.settle()?;
    }
    let theirs = ["a before", "a lost", "b after", "b after that", "c after", "c before", "c lost"];
    assert_eq!(world.texts_of(BOB)?, theirs);
    let mut all = theirs.to_vec();
    all.insert(4, "b lost");
    for node in [0, CAROL] {
        assert_eq!(world.texts_of(node)?, all, "node {node}");
    }
    Ok(())
}

/// Who had been away wrote to whom others had removed meanwhile.
#[test]
fn who_was_away_for_long_writes_once_they_know_what_became_of_the_room() -> Result {
    let mut world = World::with_room(93, 4, 4)?;
    world.nodes[BOB].engine = None;
    world.put_out(0, "carol")?;
    for _ in 0..8 {
        world.pass(Duration::from_secs(24 * 3600));
        world.settle_but(BOB)?;
    }
    world.start(BOB)?;
    world.send(BOB, "bridge", "not for carol")?;
    assert_eq!(world.messages(BOB)?.pop().ok_or("no message")?.state, Delivery::NeedsState);
    for _ in 0..3 {
        world.settle()?;
    }
    for node in [0, DAVE] {
        assert_eq!(world.said(node)?, pairs(&[("bob", "not for carol")]), "node {node}");
    }
    assert!(world.said(CAROL)?.is_empty());
    Ok(())
}

/// Where nothing changed a member says so; and what nobody answers waits ten minutes, not longer.
#[test]
fn what_waits_for_an_answer_goes_with_it_or_after_ten_minutes() -> Result {
    for is_answered in [true, false] {
        let mut world = World::with_room(94 + u64::from(is_answered), 3, 3)?;
        world.settle()?;
        world.nodes[BOB].engine = None;
        for _ in 0..8 {
            world.pass(Duration::from_secs(24 * 3600));
            world.settle_but(BOB)?;
        }
        world.start(BOB)?;
        let needs_state = |world: &mut World| -> Result<bool> {
            let last = world.messages(BOB)?.pop().ok_or("no message")?;
            Ok(last.state == Delivery::NeedsState)
        };
        world.send(BOB, "bridge", "ahoy")?;
        assert!(needs_state(&mut world)?);
        if is_answered {
            for _ in 0..2 {
                world.settle()?;
            }
        } else {
            world.pass(Duration::from_secs(590));
            assert!(needs_state(&mut world)?);
            world.pass(Duration::from_secs(20));
        }
        assert!(!needs_state(&mut world)?, "answered: {is_answered}");
        for _ in 0..2 {
            world.settle()?;
        }
        assert_eq!(world.said(CAROL)?, pairs(&[("bob", "ahoy")]));
    }
    Ok(())
}

/// What was written in a room longer than six days before was not sent again; nor was anything to whom the vault was put back a second
/// time within the hour.
#[test]
fn what_was_written_in_a_room_long_ago_is_sent_again_too() -> Result {
    let mut world = World::with_room(96, 3, 3)?;
    world.send(BOB, "bridge", "b before")?;
    world.settle()?;
    let copy = world.copy_vault(BOB)?;
    world.settle()?;
    world.send(CAROL, "bridge", "c lost")?;
    world.send(0, "bridge", "a lost")?;
    world.settle()?;
    for _ in 0..9 {
        world.pass(Duration::from_secs(24 * 3600));
        world.settle()?;
    }
    for round in 0..2 {
        world.put_vault_back(BOB, &copy)?;
        for _ in 0..4 {
            world.settle()?;
        }
        assert_eq!(world.texts_of(BOB)?, ["a lost", "b before", "c lost"], "round {round}");
    }
    Ok(())
}

/// A copy of the whole data directory can't know that it is one: members did not look at the numbers that it used again in rooms.
#[test]
fn a_whole_data_directory_put_back_is_sent_again_what_was_written_in_its_rooms() -> Result {
    let mut world = World::with_room(97, 3, 3)?;
    world.send(BOB, "bridge", "b before")?;
    world.settle()?;
    let copy = backup(&mut world, BOB, &ALL)?;
    world.pass(Duration::from_secs(25 * 3600));
    world.settle()?;
    world.send(CAROL, "bridge", "c lost")?;
    world.send(0, "bridge", "a lost")?;
    world.settle()?;
    world.pass(Duration::from_secs(5 * 3600));
    world.send(BOB, "bridge", "b lost")?;
    world.settle()?;
    for round in 0..2 {
        restore(&mut world, BOB, &ALL, &copy)?;
        assert_eq!(world.call(BOB, GetPutBack {})?, None);
        world.send(BOB, "bridge", &format!("b after {round}"))?;
        for _ in 0..4 {
            world.settle()?;
        }
        let after = format!("b after {round}");
        assert_eq!(world.texts_of(BOB)?, ["a lost", &after, "b before", "c lost"]);
    }
    for node in [0, CAROL] {
        assert_eq!(world.texts_of(node)?.len(), 6, "node {node}");
    }
    Ok(())
}

/// A room that the copy does not have comes back with what a contact writes there, and so does what was written in it.
#[test]
fn a_room_that_the_copy_does_not_have_comes_back_with_what_was_written_there() -> Result {
    let mut world = World::with_room(98, 3, 1)?;
    let copy = world.copy_vault(BOB)?;
    world.settle()?;
    world.bring_in(0, "bob")?;
    world.bring_in(0, "carol")?;
    world.settle()?;
    world.settle()?;
    world.send(CAROL, "bridge", "c lost")?;
    world.send(BOB, "bridge", "b lost")?;
    world.send(0, "bridge", "a lost")?;
    world.settle()?;
    assert_eq!(world.texts_of(BOB)?, ["a lost", "b lost", "c lost"]);
    world.put_vault_back(BOB, &copy)?;
    world.settle()?;
    world.send(0, "bridge", "a after")?;
    for _ in 0..5 {
        world.settle()?;
    }
    assert_eq!(world.texts_of(BOB)?, ["a after", "a lost", "c lost"]);
    Ok(())
}

/// What was on its way in a room when the vault was put back, and no other node was known to have yet, was in a session that the
/// copy does not have, and was not sent again.
#[test]
fn what_is_on_its_way_in_a_room_when_a_vault_is_put_back_comes_too() -> Result {
    let mut world = World::with_room(99, 3, 3)?;
    let copy = world.copy_vault(BOB)?;
    world.settle()?;
    world.send(CAROL, "bridge", "c lost")?;
    world.settle()?;
    world.send(CAROL, "bridge", "c on its way")?;
    world.put_vault_back(BOB, &copy)?;
    for _ in 0..3 {
        world.settle()?;
    }
    assert_eq!(world.texts_of(BOB)?, ["c lost", "c on its way"]);
    Ok(())
}

/// A room's key that was on its way when the copy was made told of no loss. Members whose receipts of it came later, or who had not got
/// it yet, were taken for told: nothing was sent again.
#[test]
fn a_key_that_was_on_its_way_when_the_copy_was_made_tells_of_no_loss() -> Result {
    for is_received in [true, false] {
        let mut world = World::with_room(130 + u64::from(is_received), 3, 3)?;
        // A session begins with it, and nobody has its key yet.
        world.send(BOB, "bridge", "b before")?;
        let copy = world.copy_vault(BOB)?;
        if is_received {
            world.settle()?;
        }
        for (node, text) in [(CAROL, "c lost"), (0, "a lost")] {
            world.send(node, "bridge", text)?;
        }
        let lost: Vec<_> = [0, CAROL].into_iter().flat_map(|node| world.published(node)).collect();
        world.bring(BOB, &lost)?;
        assert_eq!(world.texts_of(BOB)?, ["a lost", "b before", "c lost"]);
        world.put_vault_back(BOB, &copy)?;
        for _ in 0..3 {
            world.settle()?;
        }
        for node in 0..3 {
            let texts = world.texts_of(node)?;
            assert_eq!(texts, ["a lost", "b before", "c lost"], "{is_received}: node {node}");
        }
    }
    Ok(())
}

/// What can't be told from a device that tells different people different things: a copy of the whole data directory changes the room
/// before it has heard what it did. Once a member has answered its greeting nothing clashes.
#[test]
fn a_whole_data_directory_put_back_clashes_with_what_it_has_not_heard_alone() -> Result {
    for has_heard in [false, true] {
        let mut world = World::with_room(132 + u64::from(has_heard), 3, 3)?;
        let copy = backup(&mut world, 0, &ALL)?;
        world.settle()?;
        world.rename(0, "galley")?;
        world.settle()?;
        restore(&mut world, 0, &ALL, &copy)?;
        if has_heard {
            // Nothing that it says opens at first: its sessions of Olm are of before.
            for _ in 0..2 {
                world.settle()?;
            }
        }
        world.rename(0, "mess")?;
        for _ in 0..2 {
            world.settle()?;
        }
        let equivocation = |it: &&Event| matches!(it.body, EventBody::RoomEquivocation { .. });
        let mut names = Vec::new();
        for node in 0..3 {
            let told = world.nodes[node].released.events.iter().filter(equivocation).count();
            assert_eq!(told == 1, !has_heard, "{has_heard}: node {node}: {told}");
            names.push(world.call(node, ListRooms {})?.rooms[0].name.clone());
        }
        // All see the same in any case.
        names.dedup();
        assert_eq!(names.len(), 1);
    }
    Ok(())
}
