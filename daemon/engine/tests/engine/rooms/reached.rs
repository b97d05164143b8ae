//! How many have a message of a room, and whom it mentions.

use martlet_engine::command::{GetInbox, GetNews, ListConversations, MarkRead, SetConversation};
use martlet_protocol::control::{ConversationChange, EventBody, Received};

use crate::siblings::two_devices;
use crate::world::*;

const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;

impl World {
    fn received(&mut self, node: usize) -> Result<Option<Received>> {
        Ok(self.messages(node)?.pop().ok_or("no message")?.received)
    }

    /// Nodes get what is on its way to all, and what they answer comes back, but for those that are off.
    fn settle_without(&mut self, off: &[usize]) -> Result {
        for node in off {
            self.nodes[*node].engine = None;
        }
        for _ in 0..2 {
            for a in 0..self.nodes.len() {
                for b in 0..a {
                    self.sync(a, b)?;
                }
            }
            self.pass(Duration::from_secs(61));
        }
        Ok(())
    }
}

/// Of a room of several people it was told whether all have a message, and nothing before.
#[test]
fn it_is_told_how_many_have_a_message() -> Result {
    let mut world = World::with_room(110, 4, 4)?;
    world.send(0, "bridge", "all hands")?;
    assert_eq!(world.received(0)?, Some(Received { have: 0, of: 3 }));
    world.settle_without(&[CAROL, DAVE])?;
    assert_eq!(world.received(0)?, Some(Received { have: 1, of: 3 }));
    // What was proved stays, whatever is killed.
    world.crash(0)?;
    assert_eq!(world.received(0)?, Some(Received { have: 1, of: 3 }));
    assert_eq!(world.messages(0)?[0].state, Delivery::Sent);
    world.start(CAROL)?;
    world.settle_without(&[DAVE])?;
    assert_eq!(world.received(0)?, Some(Received { have: 2, of: 3 }));
    world.start(DAVE)?;
    world.settle()?;
    assert_eq!(world.received(0)?, Some(Received { have: 3, of: 3 }));
    assert_eq!(world.messages(0)?[0].state, Delivery::Delivered);
    // Of others' it is told to nobody.
    assert_eq!(world.received(BOB)?, None);
    let events = world.nodes[0].released.events.iter();
    let told = events.filter_map(|event| match &event.body {
        EventBody::MessageReached { received, .. } => Some(received.have),
        _ => None,
    });
    // The third is told by that it is delivered.
    assert_eq!(told.collect::<Vec<_>>(), [2]);
    Ok(())
}

/// Who was away until the message's life was over does not have it: what was proved of the others is kept.
#[test]
fn when_its_life_is_over_it_is_told_who_had_it() -> Result {
    let mut world = World::with_room(111, 4, 4)?;
    world.send(0, "bridge", "all hands")?;
    world.settle_without(&[DAVE])?;
    for _ in 0..7 {
        world.pass(Duration::from_secs(24 * 3600));
        world.settle_without(&[DAVE])?;
    }
    assert_eq!(world.received(0)?, Some(Received { have: 2, of: 3 }));
    assert_eq!(world.messages(0)?[0].state, Delivery::Sent);
    Ok(())
}

/// A person with two devices has a message once one of them has, and the user's own other device is nobody.
#[test]
fn people_are_counted_and_not_devices() -> Result {
    const TABLET: usize = 2;
    let mut world = two_devices(112)?;
    world.create(0, "bridge")?;
    world.bring_in(0, "bob")?;
    for _ in 0..3 {
        world.settle()?;
    }
    world.send(0, "bridge", "ahoy")?;
    assert_eq!(world.received(0)?, Some(Received { have: 0, of: 1 }));
    world.settle()?;
    assert_eq!(world.received(0)?, Some(Received { have: 1, of: 1 }));
    world.send(BOB, "bridge", "aye")?;
    world.settle_without(&[TABLET])?;
    assert_eq!(world.received(BOB)?, Some(Received { have: 1, of: 1 }));
    assert_eq!(world.messages(BOB)?.pop().ok_or("no message")?.state, Delivery::Sent);
    Ok(())
}

/// Nobody in a room could be called: whoever muted it missed what was for them.
#[test]
fn whoever_is_mentioned_is_told_by_whatever_name_the_writer_knows_them() -> Result {
    let mut world = World::with_room(113, 4, 4)?;
    // Bob and Carol are no contacts of each other: he knows her as she calls herself.
    world.send(CAROL, "bridge", "here")?;
    world.settle()?;
    for node in [CAROL, DAVE] {
        let change = ConversationChange { muted: Some(true), ..ConversationChange::default() };
        world.call(node, SetConversation { name: "bridge".into(), change })?;
        world.call(node, MarkRead { name: "bridge".into() })?;
    }
    world.send(BOB, "bridge", "@Carol and @nobody: to the bridge")?;
    world.settle()?;
    let carol = world.id_of(CAROL)?;
    for node in [0, BOB, CAROL, DAVE] {
        let last = world.messages(node)?.pop().ok_or("no message")?;
        assert_eq!(last.mentions.len(), 1, "node {node}");
        assert!(carol.starts_with(&last.mentions[0].id[..40]), "node {node}");
        assert_eq!(last.mentions_you, node == CAROL, "node {node}");
    }
    let mentions = |world: &mut World, node: usize| -> Result<(u64, u64)> {
        let inbox = world.call(node, GetInbox {})?.conversations;
        let list = world.call(node, ListConversations {})?.conversations;
        let listed = list.iter().find(|it| it.name == "bridge").map_or(0, |it| it.mentions);
        Ok((inbox.first().map_or(0, |it| it.mentions), listed))
    };
    assert_eq!(mentions(&mut world, CAROL)?, (1, 1));
    assert_eq!(mentions(&mut world, DAVE)?, (0, 0));
    // The event tells it to whoever notifies.
    let told = |it: &&Event| match &it.body {
        EventBody::MessageReceived { message } => message.mentions_you,
        _ => false,
    };
    assert_eq!(world.nodes[CAROL].released.events.iter().filter(told).count(), 1);
    assert_eq!(world.nodes[DAVE].released.events.iter().filter(told).count(), 0);
    assert!(world.call(CAROL, GetNews { name: "bridge".into() })?.is_muted);
    world.crash(CAROL)?;
    assert_eq!(mentions(&mut world, CAROL)?, (1, 1));
    world.call(CAROL, MarkRead { name: "bridge".into() })?;
    assert_eq!(mentions(&mut world, CAROL)?, (0, 0));
    Ok(())
}

/// Of a message that was taken back nobody is told any more that it mentioned them.
#[test]
fn a_recalled_message_mentions_nobody() -> Result {
    let mut world = World::with_room(114, 3, 3)?;
    let id = world.send(0, "bridge", "@bob, come")?;
    world.settle()?;
    assert_eq!(world.call(BOB, GetInbox {})?.conversations[0].mentions, 1);
    world.call(0, martlet_engine::command::RecallMessage { id })?;
    world.settle()?;
    let conversations = world.call(BOB, GetInbox {})?.conversations;
    assert_eq!(conversations.first().map_or(0, |it| it.mentions), 0);
    let last = world.messages(BOB)?.pop().ok_or("no message")?;
    assert!(last.mentions.is_empty());
    Ok(())
}
