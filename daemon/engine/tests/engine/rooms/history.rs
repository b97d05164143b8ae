//! What was said in a room before someone came, as who brought them in tells it.

use martlet_engine::RoomError;
use martlet_engine::command::{ChangeRoom, GetInbox, RecallMessage};
use martlet_protocol::control::{EndedReason, EventBody, Message, RoomChange};

use martlet_protocol::crypto::seal;
use martlet_protocol::identity::DeviceKeys;
use martlet_protocol::message::{DeviceMessage, RoomHistory, Said};
use martlet_protocol::{ConversationId, ExpiryHour, IdentityId, Kind, MessageId};
use martlet_store::records::PROFILE;
use martlet_store::vault::Key;

use super::error;
use crate::stranger::{addressing, bundle_of, in_olm, in_vault};
use crate::world::*;

const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;
const DAY: Duration = Duration::from_secs(24 * 3600);

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

    /// The keys of a node's device: with them a changed program tells what it likes.
    fn keys(&mut self, node: usize) -> Result<DeviceKeys> {
        let mut keys = None;
        in_vault(self, node, |txn| {
            let profile = txn.get(&PROFILE, Key::Named(b""))?.ok_or("no profile")?;
            keys = Some(DeviceKeys::from_parts(&profile.device_seed.0, &profile.certificate)?);
            Ok(())
        })?;
        Ok(keys.ok_or("no keys")?)
    }

    /// A device tells a node what was said in the bridge.
    fn tell(&mut self, from: &DeviceKeys, to: usize, said: Vec<Said>) -> Result {
        let (room, who, bundle) = (self.room_id(0)?, self.identity_of(to)?, bundle_of(self, to)?);
        let message = DeviceMessage::RoomHistory(RoomHistory { room, said });
        let with = ConversationId::direct(&from.certificate().identity(), &who);
        let (payload, addressing) = (in_olm(from, &bundle, message)?, addressing(self, &who));
        let recipients = [bundle.recipient()];
        let content =
            seal::seal(&mut self.rng, &addressing, from, &who, &recipients, &with, &payload)?;
        self.bring(to, &[Envelope::new(content)])
    }

    /// What someone is made to have said then.
    fn made_up(&mut self, author: IdentityId, sent_at: UnixMillis, text: &str) -> Said {
        let id = MessageId::random(&mut self.rng);
        Said { id, author, sent_at, text: text.into(), expire_s: None }
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

/// What was told with a text that ended soon was in mailboxes for six days, as long as any.
#[test]
fn what_is_told_of_a_text_that_ends_is_in_no_mailbox_after_that() -> Result {
    let mut world = World::telling(127, 200)?;
    let mut ends = Vec::new();
    for (text, hours) in [("for two hours", 2), ("for a day", 24), ("for a day, too", 25)] {
        let request = crate::timers::timed("bridge", text, Some(hours * 3600), None);
        ends.push(world.now.plus(Duration::from_secs(hours.unsigned_abs() * 3600)));
        world.call(0, SendText { request })?;
        world.send(0, "bridge", "stays")?;
    }
    world.settle()?;
    world.bring_in(0, "dave")?;
    let mut hours = Vec::new();
    for _ in 0..20 {
        let published = &world.nodes[0].released.publish;
        for envelope in published {
            let header = Header::parse(&envelope.content)?;
            let is_to_device = header.kind == Kind::ToDevice;
            hours.extend(Some(header.expiry).filter(|_| is_to_device));
        }
        let found = |end: &UnixMillis| hours.contains(&ExpiryHour::of_use_until(*end, world.now));
        if ends[..2].iter().all(found) {
            // Dave is off by then.
            world.nodes[0].released.publish.clear();
            world.elapse(3 * Duration::from_secs(3600));
            for _ in 0..3 {
                world.settle()?;
            }
            let mut daves = world.told(DAVE)?;
            daves.sort();
            let wanted = ["for a day", "for a day, too", "stays", "stays", "stays"];
            assert_eq!(daves, told(&wanted));
            return Ok(());
        }
        world.gossip(0.0);
        world.pass(Duration::from_secs(1));
    }
    Err(format!("{hours:?} are not {ends:?}").into())
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

/// A changed program may make up what was said before someone came. It is shown as its user's word, and is bounded.
#[test]
fn who_makes_up_what_was_said_is_bounded() -> Result {
    let mut world = World::telling(123, 2)?;
    let (alice, bob) = (world.keys(0)?, world.keys(BOB)?);
    let [bobs, carols, daves] =
        [world.identity_of(BOB)?, world.identity_of(CAROL)?, world.identity_of(DAVE)?];
    world.bring_in(0, "dave")?;
    for _ in 0..2 {
        world.settle()?;
    }
    let now = world.now;
    // By a member who did not bring him in.
    let one = world.made_up(carols, now, "by bob");
    world.tell(&bob, DAVE, vec![one])?;
    // What he wrote himself; of who is not in the room; of long ago; of what is to come; with a life that there is not.
    let nobody = IdentityId([7; 32]);
    let mut refused = vec![
        world.made_up(daves, now, "his own"),
        world.made_up(nobody, now, "nobody's"),
        world.made_up(bobs, now.minus(8 * DAY), "of last week"),
        world.made_up(bobs, now.plus(DAY), "of tomorrow"),
        world.made_up(bobs, now, "for ever"),
    ];
    refused[4].expire_s = Some(u32::MAX);
    world.tell(&alice, DAVE, refused)?;
    assert!(world.messages(DAVE)?.is_empty(), "{:?}", world.told(DAVE)?);

    // More than the room says, at once and later.
    for round in 0..2 {
        let texts = ["one", "two", "three"].into_iter().zip([bobs, carols, bobs]);
        let said = texts.map(|(text, author)| world.made_up(author, now, text)).collect();
        world.tell(&alice, DAVE, said)?;
        assert_eq!(world.told(DAVE)?, told(&["one", "two"]), "round {round}");
    }
    for message in world.messages(DAVE)? {
        let by = message.told_by.and_then(|by| by.name);
        assert_eq!(by.as_deref(), Some("alice"), "{}", message.text);
    }
    // To whom she brought in and is out again.
    world.put_out(0, "carol")?;
    world.settle()?;
    let one = world.made_up(bobs, now, "still here?");
    world.tell(&alice, CAROL, vec![one])?;
    assert!(world.messages(CAROL)?.is_empty());
    Ok(())
}

/// Who had brought someone in told them what they liked after they had been put out themselves.
#[test]
fn who_was_put_out_tells_nothing() -> Result {
    let mut world = World::telling(124, 5)?;
    let (bobs, daves) = (world.id_of(BOB)?, world.id_of(DAVE)?);
    world.add(BOB, &daves, "dave")?;
    world.add(DAVE, &bobs, "bob")?;
    world.promote(0, "bob")?;
    world.settle()?;
    world.bring_in(BOB, "dave")?;
    for _ in 0..2 {
        world.settle()?;
    }
    let (bob, carols, now) = (world.keys(BOB)?, world.identity_of(CAROL)?, world.now);
    for (text, is_in) in [("a member's word", true), ("an outsider's word", false)] {
        if !is_in {
            world.put_out(0, "bob")?;
            world.settle()?;
        }
        let one = world.made_up(carols, now, text);
        world.tell(&bob, DAVE, vec![one])?;
        assert_eq!(world.told(DAVE)?, told(&["a member's word"]));
    }
    Ok(())
}

/// Who told another text under the id of a message that was on its way kept that message from being shown, for ever.
#[test]
fn what_is_told_gives_way_to_the_message_itself() -> Result {
    let mut world = World::telling(125, 5)?;
    let (alice, bobs) = (world.keys(0)?, world.identity_of(BOB)?);
    world.bring_in(0, "dave")?;
    for _ in 0..2 {
        world.settle()?;
    }
    world.nodes[BOB].released.publish.clear();
    let ids = [world.send(BOB, "bridge", "at eight")?, world.send(BOB, "bridge", "at nine")?];
    let sent = std::mem::take(&mut world.nodes[BOB].released.publish);
    let mut said = Vec::new();
    for id in &ids {
        said.push(Said { id: id.parse()?, ..world.made_up(bobs, world.now, "at midnight") });
    }
    world.tell(&alice, DAVE, said)?;
    assert_eq!(world.told(DAVE)?, told(&["at midnight", "at midnight"]));
    // One is taken back before it comes.
    world.call(BOB, RecallMessage { id: ids[1].clone() })?;
    let recall = std::mem::take(&mut world.nodes[BOB].released.publish);
    world.bring(DAVE, &sent[..sent.len() - 1])?;
    world.bring(DAVE, &recall)?;
    world.bring(DAVE, &sent[sent.len() - 1..])?;
    let shown: Vec<_> = world.messages(DAVE)?.into_iter().map(|it| (it.text, it.state)).collect();
    let wanted = [("", Delivery::Recalled), ("at eight", Delivery::Delivered)];
    assert_eq!(shown, wanted.map(|(text, state)| (text.to_owned(), state)));
    assert!(world.messages(DAVE)?.iter().all(|it| it.text.is_empty() || it.told_by.is_none()));
    assert_eq!(world.call(DAVE, GetInbox {})?.conversations[0].unread, 1);
    // Whoever follows what happens was told: clients showed both.
    let events = world.call(DAVE, ReadEvents { since: 0 })?.events;
    let of_it = events.iter().filter_map(|it| match &it.body {
        EventBody::MessageEnded { id, reason: EndedReason::Replaced, .. } => Some((id, false)),
        EventBody::MessageReceived { message } => Some((&message.id, true)),
        _ => None,
    });
    let of_it = of_it.filter(|(id, _)| **id == ids[0]).map(|(_, is_there)| is_there);
    assert_eq!(of_it.collect::<Vec<_>>(), [false, true]);
    for _ in 0..2 {
        world.settle()?;
    }
    world.crash(DAVE)?;
    assert_eq!(world.messages(DAVE)?.len(), 2);
    Ok(())
}
