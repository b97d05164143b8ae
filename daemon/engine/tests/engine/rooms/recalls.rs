//! Moderators take back what others wrote, in whatever order it comes.

use martlet_engine::RoomError;
use martlet_engine::command::{ChangeRoom, RecallMessage, RemoveModerator};
use martlet_protocol::MessageId;
use martlet_protocol::control::{EndedReason, EventBody, Message, RoomChange, RoomRole};
use martlet_store::records::{ROOMS, RoomRecallRecord};
use martlet_store::vault::Key;

use super::error;
use crate::stranger::in_vault;
use crate::world::*;

const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;

impl World {
    /// Alice made the bridge, Bob moderates it, Carol and Dave are in it.
    fn moderated(seed: u64) -> Result<Self> {
        let mut world = Self::with_room(seed, 4, 4)?;
        world.promote(0, "bob")?;
        world.settle()?;
        Ok(world)
    }

    fn recall(&mut self, node: usize, id: &str) -> Result {
        self.call(node, RecallMessage { id: id.into() })?;
        Ok(())
    }

    fn only(&mut self, node: usize) -> Result<Message> {
        let mut messages = self.messages(node)?;
        assert_eq!(messages.len(), 1, "node {node}: {messages:?}");
        Ok(messages.remove(0))
    }

    fn is_removed_by_bob(&mut self, node: usize) -> Result<bool> {
        let (message, bob) = (self.only(node)?, self.id_of(BOB)?);
        // Who is no contact is known by the beginning of the ID.
        let by = message.recalled_by.map(|by| by.id);
        let is_bobs = by.is_some_and(|by| by.starts_with(&bob[..40]));
        Ok(message.state == Delivery::Recalled && message.text.is_empty() && is_bobs)
    }
}

#[test]
fn what_a_moderator_takes_back_is_gone_at_all_members() -> Result {
    let mut world = World::moderated(50)?;
    let id = world.send(CAROL, "bridge", "unseemly")?;
    world.settle()?;
    assert_eq!(error(world.recall(DAVE, &id)), Some(RoomError::NotModerator.into()));
    world.recall(BOB, &id)?;
    // Once more changes nothing.
    world.recall(BOB, &id)?;
    world.settle()?;
    for node in 0..4 {
        assert!(world.is_removed_by_bob(node)?, "node {node}");
    }
    let told = |it: &&Event| match &it.body {
        EventBody::MessageEnded { reason: EndedReason::Recalled, by, .. } => by.is_some(),
        _ => false,
    };
    for node in [0, CAROL, DAVE] {
        assert_eq!(world.nodes[node].released.events.iter().filter(told).count(), 1);
    }
    world.crash(DAVE)?;
    assert!(world.is_removed_by_bob(DAVE)?);
    Ok(())
}

/// Who has not got the message before its recall never shows it, and misses nothing.
#[test]
fn a_moderators_recall_may_come_before_its_message() -> Result {
    let mut world = World::moderated(51)?;
    let warm = world.send(BOB, "bridge", "good morning")?;
    world.send(CAROL, "bridge", "good morning")?;
    world.settle()?;
    let _ = warm;
    let id = world.send(CAROL, "bridge", "unseemly")?;
    let message = std::mem::take(&mut world.nodes[CAROL].released.publish);
    world.bring(BOB, &message)?;
    world.recall(BOB, &id)?;
    let recall = std::mem::take(&mut world.nodes[BOB].released.publish);
    world.bring(DAVE, &recall)?;
    world.bring(DAVE, &message)?;
    let texts: Vec<_> = world.messages(DAVE)?.into_iter().map(|it| it.text).collect();
    assert_eq!(texts, ["good morning", "good morning"]);
    world.settle()?;
    assert_eq!(world.messages(DAVE)?.len(), 2);
    let lost = |it: &&Event| matches!(it.body, EventBody::MessagesLost { .. });
    assert_eq!(world.nodes[DAVE].released.events.iter().filter(lost).count(), 0);
    Ok(())
}

/// A moderator's recall came where nobody knew yet that they moderate: it was lost there, and elsewhere it was not.
#[test]
fn a_recall_counts_once_it_is_known_that_its_writer_moderates() -> Result {
    let mut world = World::with_room(52, 4, 4)?;
    // Their sessions are begun.
    world.send(BOB, "bridge", "one")?;
    let id = world.send(CAROL, "bridge", "unseemly")?;
    world.settle()?;
    world.promote(0, "bob")?;
    let grant = std::mem::take(&mut world.nodes[0].released.publish);
    world.bring(BOB, &grant)?;
    world.recall(BOB, &id)?;
    let recall = std::mem::take(&mut world.nodes[BOB].released.publish);
    world.bring(DAVE, &recall)?;
    let is_there = |world: &mut World| -> Result<bool> {
        Ok(world.messages(DAVE)?.iter().any(|it| it.text == "unseemly"))
    };
    assert!(is_there(&mut world)?, "nobody told Dave that Bob moderates");
    world.crash(DAVE)?;
    world.bring(DAVE, &grant)?;
    assert!(!is_there(&mut world)?);
    Ok(())
}

/// What was done before the right was taken back stays done, also where that is heard of first.
#[test]
fn a_recall_of_before_the_right_was_taken_back_counts_in_any_order() -> Result {
    let mut world = World::moderated(53)?;
    let id = world.send(CAROL, "bridge", "unseemly")?;
    let kept = world.send(CAROL, "bridge", "seemly")?;
    world.settle()?;
    world.recall(BOB, &id)?;
    let recall = std::mem::take(&mut world.nodes[BOB].released.publish);
    world.call(0, RemoveModerator { room: "bridge".into(), who: "bob".into() })?;
    let revoke = std::mem::take(&mut world.nodes[0].released.publish);
    world.bring(DAVE, &revoke)?;
    world.bring(DAVE, &recall)?;
    let gone = |world: &mut World| -> Result<Vec<bool>> {
        Ok(world.messages(DAVE)?.iter().map(|it| it.state == Delivery::Recalled).collect())
    };
    assert_eq!(gone(&mut world)?, [true, false]);
    // Who knows that they are none any more can't.
    world.bring(BOB, &revoke)?;
    assert_eq!(error(world.recall(BOB, &kept)), Some(RoomError::NotModerator.into()));
    Ok(())
}

/// A moderator who had been made a member again took back others' messages for six days more, in a strict room too, by saying that
/// they had not heard.
#[test]
fn in_a_strict_room_nothing_is_taken_back_by_who_moderates_no_more() -> Result {
    for is_strict in [false, true] {
        let mut world = World::moderated(54 + u64::from(is_strict))?;
        let change = RoomChange { strict: Some(is_strict), ..RoomChange::default() };
        if is_strict {
            world.call(0, ChangeRoom { room: "bridge".into(), change })?;
        }
        let id = world.send(CAROL, "bridge", "seemly")?;
        world.settle()?;
        world.call(0, RemoveModerator { room: "bridge".into(), who: "bob".into() })?;
        world.settle_but(BOB)?;
        world.recall(BOB, &id)?;
        world.settle()?;
        let is_gone = world.only(DAVE)?.state == Delivery::Recalled;
        assert_eq!(is_gone, !is_strict, "strict: {is_strict}");
    }
    Ok(())
}

/// Recalls that wait for operations were kept together, the newest alone: one member pushed out a moderator's by some of their own.
#[test]
fn nobody_pushes_out_a_moderators_recall() -> Result {
    let mut world = World::with_room(56, 4, 4)?;
    world.promote(0, "carol")?;
    world.settle()?;
    // Their sessions are begun.
    for node in [BOB, CAROL] {
        world.send(node, "bridge", "good morning")?;
    }
    let id = world.send(DAVE, "bridge", "unseemly")?;
    let others: Vec<_> =
        (0..3).map(|_| world.send(DAVE, "bridge", "seemly")).collect::<Result<_>>()?;
    world.settle()?;
    for node in 0..4 {
        world.nodes[node].released = Released::default();
    }
    world.promote(0, "bob")?;
    let grant = std::mem::take(&mut world.nodes[0].released.publish);
    world.bring(BOB, &grant)?;
    world.bring(CAROL, &grant)?;
    world.recall(BOB, &id)?;
    let recall = std::mem::take(&mut world.nodes[BOB].released.publish);
    world.bring(DAVE, &recall)?;
    // Carol takes back what nobody wrote: by what Dave knows nothing of it counts yet.
    let (room, carol) = (world.room_id(DAVE)?, world.identity_of(CAROL)?);
    in_vault(&mut world, DAVE, |txn| {
        let mut record = txn.get(&ROOMS, Key::Named(&room.0))?.ok_or("no room")?;
        let bobs = record.recalls.clone();
        assert_eq!(bobs.len(), 1);
        let made_up = |at: u16| RoomRecallRecord {
            by: carol,
            heads: vec![0xff; 8],
            message: MessageId([u8::try_from(at % 251).unwrap_or(0); 16]),
            ..bobs[0].clone()
        };
        record.recalls.extend((0..511).map(made_up));
        txn.put(&ROOMS, Key::Named(&room.0), &record)?;
        Ok(())
    })?;
    let known = world.room(DAVE)?.operations;
    for other in &others {
        world.recall(CAROL, other)?;
        let recall = std::mem::take(&mut world.nodes[CAROL].released.publish);
        world.bring(DAVE, &recall)?;
    }
    let texts = |world: &mut World| -> Result<Vec<String>> {
        Ok(world.messages(DAVE)?.into_iter().map(|it| it.text).collect())
    };
    assert_eq!(world.room(DAVE)?.operations, known, "he has not heard that Bob moderates");
    assert!(texts(&mut world)?.contains(&"unseemly".to_owned()));
    world.bring(DAVE, &grant)?;
    assert_eq!(world.room(DAVE)?.operations, known + 1);
    assert!(!texts(&mut world)?.contains(&"unseemly".to_owned()), "the moderator's recall counts");
    Ok(())
}

/// Whoever moderated could give that up only by leaving.
#[test]
fn a_moderator_steps_down() -> Result {
    let mut world = World::moderated(57)?;
    let id = world.send(CAROL, "bridge", "seemly")?;
    world.settle()?;
    let own = world.id_of(BOB)?;
    world.call(BOB, RemoveModerator { room: "bridge".into(), who: own })?;
    world.settle()?;
    for node in 0..4 {
        let moderators = world.room(node)?.members;
        let moderators = moderators.iter().filter(|it| it.role == RoomRole::Moderator);
        assert_eq!(moderators.count(), 1, "node {node}");
    }
    assert_eq!(error(world.recall(BOB, &id)), Some(RoomError::NotModerator.into()));
    assert_eq!(world.room(BOB)?.role, RoomRole::Member);
    world.promote(0, "bob")?;
    world.settle()?;
    assert_eq!(world.room(BOB)?.role, RoomRole::Moderator);
    Ok(())
}
