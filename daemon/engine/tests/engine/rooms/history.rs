//! What was said in a room before someone came, as who brought them in tells it.

use martlet_engine::RoomError;
use martlet_engine::command::{ChangeRoom, GetInbox, RecallMessage};
use martlet_protocol::control::{Message, RoomChange};

use super::error;
use crate::world::*;

const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;

impl World {
    /// Alice's bridge, with Bob and Carol in it, where who is new is told so many messages.
    fn telling(seed: u64, history: u8) -> Result<Self> {
        let mut world = Self::with_room(seed, 4, 3)?;
        world.tell_last(history)?;
        world.settle()?;
        Ok(world)
    }

    fn tell_last(&mut self, history: u8) -> Result {
        let change = RoomChange { history: Some(history), ..RoomChange::default() };
        self.call(0, ChangeRoom { room: "bridge".into(), change })?;
        Ok(())
    }

    /// What a node shows, and whether it was told of it.
    fn told(&mut self, node: usize) -> Result<Vec<(String, bool)>> {
        let is_told = |it: Message| (it.text, it.told_by.is_some());
        Ok(self.messages(node)?.into_iter().map(is_told).collect())
    }
}

fn told(texts: &[&str]) -> Vec<(String, bool)> {
    texts.iter().map(|text| ((*text).to_owned(), true)).collect()
}

/// Whoever came was told nothing of before, whatever the room said.
#[test]
fn who_comes_is_told_the_last_of_what_was_said() -> Result {
    let mut world = World::telling(120, 3)?;
    for (node, text) in [(0, "one"), (BOB, "two"), (CAROL, "three"), (0, "four")] {
        world.send(node, "bridge", text)?;
        world.settle()?;
    }
    world.bring_in(0, "dave")?;
    world.send(0, "bridge", "welcome")?;
    for _ in 0..3 {
        world.settle()?;
    }
    let mut daves = world.told(DAVE)?;
    daves.sort_by_key(|(_, is_told)| !is_told);
    let mut wanted = told(&["two", "three", "four"]);
    wanted.push(("welcome".into(), false));
    assert_eq!(daves, wanted);
    let messages = world.messages(DAVE)?;
    let two = messages.iter().find(|it| it.text == "two").ok_or("no message")?;
    // Alice told that Bob wrote it.
    let by = two.told_by.as_ref().and_then(|by| by.name.clone());
    let (bob, author) = (world.id_of(BOB)?, two.author.as_ref().ok_or("no author")?);
    assert!(author.id.starts_with(&bob[..40]), "{author:?}");
    assert_eq!(by.as_deref(), Some("alice"));
    assert_eq!(world.call(DAVE, GetInbox {})?.conversations[0].unread, 4);
    // It is told once, and nobody else is told anything.
    for _ in 0..2 {
        world.pass(Duration::from_secs(24 * 3600));
        world.settle()?;
    }
    world.crash(DAVE)?;
    assert_eq!(world.messages(DAVE)?.len(), 4);
    assert_eq!(world.messages(BOB)?.len(), 5);
    // Who wrote it can take it back there, too.
    let id = two.id.clone();
    world.call(BOB, RecallMessage { id })?;
    world.settle()?;
    assert_eq!(world.messages(DAVE)?.iter().filter(|it| it.text == "two").count(), 0);
    Ok(())
}

#[test]
fn nothing_is_told_of_what_is_not_to_last_or_was_long_ago() -> Result {
    let mut world = World::telling(121, 200)?;
    world.send(0, "bridge", "long ago")?;
    for _ in 0..7 {
        world.pass(Duration::from_secs(24 * 3600));
        world.settle()?;
    }
    let burns = crate::timers::timed("bridge", "burns", None, Some(60));
    world.call(0, SendText { request: burns })?;
    let gone = world.send(0, "bridge", "taken back")?;
    world.settle()?;
    world.call(0, RecallMessage { id: gone })?;
    world.send(0, "bridge", "stays")?;
    world.settle()?;
    world.bring_in(0, "dave")?;
    for _ in 0..2 {
        world.settle()?;
    }
    assert_eq!(world.told(DAVE)?, told(&["stays"]));
    Ok(())
}

#[test]
fn by_default_nothing_is_told() -> Result {
    let mut world = World::with_room(122, 4, 3)?;
    assert_eq!(world.room(0)?.settings.history, 0);
    world.send(0, "bridge", "before")?;
    world.settle()?;
    world.bring_in(0, "dave")?;
    for _ in 0..2 {
        world.settle()?;
    }
    assert!(world.messages(DAVE)?.is_empty());
    assert_eq!(error(world.tell_last(201)), Some(RoomError::Value.into()));
    Ok(())
}
