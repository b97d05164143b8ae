//! Two devices of one identity: what is done on one is so on the other.

use martlet_engine::command::{
    Block, EditMessage, GetContact, GetInbox, GetNotes, ListBlocked, ListContacts,
    ListConversations, ListDevices, MarkRead, React, RecallMessage, RenameContact, RevokeDevice,
    SetContactNote, SetConversation, SetSettings, Unblock, VerifyContact, WriteNote,
};
use martlet_protocol::control::{
    ContactNote, ConversationChange, DeviceRevoke, DeviceState, EditRequest, EventBody,
    Message as Shown, NoteRequest, ReactionRequest, SettingsChange, TimerSetting, Verified,
    VerifyRequest,
};
use martlet_protocol::hlc::Hlc;
use martlet_protocol::identity::DeviceKeys;
use martlet_protocol::message::settings::values::{self, Value};
use martlet_protocol::message::{
    Content, Message, Payload, Progress, Reached, ReadUpTo, Sent, Setting, SettingKey, Settings,
    Stamp, Text, Timers,
};
use martlet_protocol::{DeviceId, IdentityId, MessageId};
use martlet_store::records::{OUTBOX, SHARED_SETTINGS, SIBLINGS, SharedSettingRecord};

use crate::stranger::{Stranger, in_vault};
use crate::trust::{recover, root_of};
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
/// A second device of Alice's.
const TABLET: usize = 2;

/// Alice on two devices, and Bob, who have written to each other. The tablet was made from the phrase.
pub(crate) fn two_devices(seed: u64) -> Result<World> {
    let mut world = World::pair(seed, 3)?;
    world.settle()?;
    world.send(ALICE, "bob", "hello")?;
    world.settle()?;
    recover(&mut world, ALICE, TABLET)?;
    for _ in 0..3 {
        world.settle()?;
    }
    Ok(world)
}

fn history(world: &mut World, node: usize, name: &str) -> Result<Vec<Shown>> {
    let query = HistoryQuery { limit: Some(1000), edits: true, ..HistoryQuery::default() };
    Ok(world.call(node, GetHistory { name: name.into(), query })?.messages)
}

/// Direction and text of what a node shows of a conversation.
fn rows(world: &mut World, node: usize, name: &str) -> Result<Vec<(Direction, String)>> {
    let history = history(world, node, name)?.into_iter();
    Ok(history.map(|message| (message.direction, message.text)).collect())
}

fn ids(world: &mut World, node: usize, name: &str) -> Result<Vec<String>> {
    Ok(history(world, node, name)?.into_iter().map(|message| message.id).collect())
}

fn note(world: &mut World, node: usize, text: &str) -> Result<String> {
    Ok(world.call(node, WriteNote { request: NoteRequest { text: text.into() } })?.id)
}

fn notes(world: &mut World, node: usize) -> Result<Vec<String>> {
    let query = HistoryQuery { limit: Some(1000), ..HistoryQuery::default() };
    let notes = world.call(node, GetNotes { query })?;
    assert!(notes.lost.is_empty());
    Ok(notes.messages.into_iter().map(|note| note.text).collect())
}

fn names(world: &mut World, node: usize) -> Result<Vec<String>> {
    let contacts = world.call(node, ListContacts {})?.contacts;
    Ok(contacts.into_iter().map(|contact| contact.name).collect())
}

/// The settings of a node.
fn settings_of(world: &mut World, node: usize) -> Result<Vec<Setting>> {
    let mut found = Vec::new();
    in_vault(world, node, |txn| {
        found = txn.scan(&SHARED_SETTINGS)?;
        Ok(())
    })?;
    let mut found: Vec<_> = found.into_iter().map(SharedSettingRecord::into_setting).collect();
    found.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(found)
}

fn told(world: &mut World, node: usize) -> Result<Vec<EventBody>> {
    let events = world.call(node, ReadEvents { since: 0 })?.events;
    Ok(events.into_iter().map(|event| event.body).collect())
}

#[test]
fn a_device_that_comes_new_is_given_what_the_user_decided_before() -> Result {
    let mut world = World::pair(900, 4)?;
    let carol = world.init(3, "carol")?;
    world.add(ALICE, &carol, "carol")?;
    world.settle()?;
    world
        .call(ALICE, VerifyContact { name: "bob".into(), request: VerifyRequest { code: None } })?;
    let change = ConversationChange { muted: Some(true), ..ConversationChange::default() };
    world.call(ALICE, SetConversation { name: "bob".into(), change })?;
    let request = ContactNote { text: "from the choir".into() };
    world.call(ALICE, SetContactNote { name: "bob".into(), request })?;
    world.call(ALICE, Block { who: "carol".into() })?;
    let change = SettingsChange { typing: Some(false), ..SettingsChange::default() };
    world.call(ALICE, SetSettings { change })?;
    assert!(settings_of(&mut world, ALICE)?.is_empty(), "one device needs none");

    recover(&mut world, ALICE, TABLET)?;
    for _ in 0..3 {
        world.settle()?;
    }
    assert_eq!(names(&mut world, TABLET)?, ["bob", "carol"]);
    let bob = world.call(TABLET, GetContact { name: "bob".into() })?;
    assert_eq!((bob.verified, bob.note.as_deref()), (Verified::Yes, Some("from the choir")));
    assert_eq!(bob.devices, 1);
    let blocked = world.call(TABLET, ListBlocked {})?.blocked;
    assert_eq!(blocked.iter().map(|it| it.name.as_deref()).collect::<Vec<_>>(), [Some("carol")]);
    let conversations = world.call(TABLET, ListConversations {})?.conversations;
    assert!(conversations.iter().any(|it| it.name == "bob" && it.settings.muted));
    assert_eq!(settings_of(&mut world, ALICE)?, settings_of(&mut world, TABLET)?);
    assert_eq!(settings_of(&mut world, ALICE)?.len(), 7);

    // Once: nothing more goes out, also after a crash of either.
    world.crash(ALICE)?;
    world.crash(TABLET)?;
    world.settle()?;
    for node in [ALICE, TABLET] {
        world.nodes[node].released = Released::default();
    }
    for _ in 0..5 {
        world.pass(Duration::from_secs(1));
    }
    for node in [ALICE, TABLET] {
        assert!(world.nodes[node].released.publish.is_empty());
    }
    Ok(())
}

#[test]
fn what_is_written_on_one_device_appears_on_the_other_once_and_in_order() -> Result {
    let mut world = two_devices(901)?;
    let first = world.send(ALICE, "bob", "one")?;
    note(&mut world, ALICE, "buy milk")?;
    world.send(ALICE, "bob", "two")?;
    world.gossip(0.0);
    let out = |text: &str| (Direction::Out, text.to_owned());
    assert_eq!(rows(&mut world, TABLET, "bob")?, [out("one"), out("two")], "as it is sent");
    world.settle()?;
    let (there, here) = (ids(&mut world, TABLET, "bob")?, ids(&mut world, ALICE, "bob")?);
    assert_eq!(there, here[1..], "under the same ids");
    let states = world.texts(TABLET, "bob", Direction::Out)?;
    assert_eq!(states, with_state(&["one", "two"], Delivery::Delivered), "as far as they got");
    assert_eq!(notes(&mut world, TABLET)?, ["buy milk"]);
    assert_eq!(rows(&mut world, BOB, "alice")?.len(), 3);

    // And back, with answers of Bob's between them.
    world.send(BOB, "alice", "three")?;
    world.settle()?;
    world.send(TABLET, "bob", "four")?;
    note(&mut world, TABLET, "and bread")?;
    world.settle()?;
    let all = [out("one"), out("two"), (Direction::In, "three".into()), out("four")];
    assert_eq!(rows(&mut world, TABLET, "bob")?, all);
    assert_eq!(rows(&mut world, ALICE, "bob")?[1..], all);
    assert_eq!(rows(&mut world, BOB, "alice")?.len(), 5);
    assert_eq!(notes(&mut world, ALICE)?, ["buy milk", "and bread"]);

    // Edits, reactions and recalls, of what either wrote.
    let request = EditRequest { text: "ONE".into() };
    world.call(TABLET, EditMessage { id: first.clone(), request })?;
    let theirs = there_of(&mut world, TABLET, "three")?;
    let request = Some(ReactionRequest { emoji: "👍".into() });
    world.call(ALICE, React { id: theirs, request })?;
    let four = there_of(&mut world, TABLET, "four")?;
    world.call(ALICE, RecallMessage { id: four })?;
    world.settle()?;
    for node in [ALICE, TABLET] {
        let history = history(&mut world, node, "bob")?;
        let history = &history[history.len() - 4..];
        assert_eq!(history[0].text, "ONE");
        assert_eq!(history[0].versions.len(), 1);
        assert_eq!(history[2].reactions.len(), 1);
        assert_eq!(history[3].state, Delivery::Recalled);
        let events = told(&mut world, node)?;
        assert!(!events.iter().any(|event| matches!(event, EventBody::MessagesLost { .. })));
    }
    let history = history(&mut world, BOB, "alice")?;
    assert_eq!((history[1].text.as_str(), history[3].reactions.len()), ("ONE", 1));
    assert_eq!(history[4].state, Delivery::Recalled);
    Ok(())
}

fn there_of(world: &mut World, node: usize, text: &str) -> Result<String> {
    let found = history(world, node, "bob")?.into_iter().find(|message| message.text == text);
    Ok(found.ok_or("not there")?.id)
}

#[test]
fn what_is_read_on_one_device_is_read_on_the_other() -> Result {
    let mut world = two_devices(902)?;
    let unread = |world: &mut World, node| -> Result<u64> {
        let inbox = world.call(node, GetInbox {})?.conversations;
        Ok(inbox.first().map_or(0, |conversation| conversation.unread))
    };
    for text in ["one", "two"] {
        world.send(BOB, "alice", text)?;
    }
    world.settle()?;
    assert_eq!((unread(&mut world, ALICE)?, unread(&mut world, TABLET)?), (2, 2));
    world.call(ALICE, MarkRead { name: "bob".into() })?;
    world.settle()?;
    assert_eq!((unread(&mut world, ALICE)?, unread(&mut world, TABLET)?), (0, 0));
    let read = EventBody::ConversationRead { name: "bob".into(), marked: 2 };
    assert_eq!(told(&mut world, TABLET)?.iter().filter(|event| **event == read).count(), 1);

    // What the other device does not have yet is read once it comes.
    let burning = SendRequest {
        to: "alice".into(),
        text: "burns".into(),
        burn_seconds: Some(TimerSetting::Seconds(60)),
        ..SendRequest::default()
    };
    let Some(tablet) = world.nodes[TABLET].engine.take() else { return Err("off".into()) };
    drop(tablet);
    world.call(BOB, SendText { request: burning })?;
    world.settle()?;
    world.call(ALICE, MarkRead { name: "bob".into() })?;
    world.send(BOB, "alice", "three")?;
    world.settle()?;
    world.start(TABLET)?;
    world.sync(ALICE, TABLET)?;
    world.pass(Duration::from_secs(1));
    assert_eq!(unread(&mut world, TABLET)?, 1, "what came after it");
    world.settle()?;
    world.settle()?;
    let texts = rows(&mut world, TABLET, "bob")?;
    assert!(!texts.iter().any(|(_, text)| text == "burns"), "it burned there: {texts:?}");
    Ok(())
}

#[test]
fn what_the_user_decides_on_one_device_holds_on_the_other() -> Result {
    let mut world = two_devices(903)?;
    world.push(tempfile::tempdir()?);
    world.start(3)?;
    let carol = world.init(3, "carol")?;
    world.add(TABLET, &carol, "carol")?;
    world.gossip(0.0);
    assert_eq!(names(&mut world, ALICE)?, ["bob", "carol"]);
    world.call(ALICE, RenameContact { name: "carol".into(), new_name: "caro".into() })?;
    world.call(
        TABLET,
        VerifyContact { name: "bob".into(), request: VerifyRequest { code: None } },
    )?;
    let change = ConversationChange { pinned: Some(true), ..ConversationChange::default() };
    world.call(TABLET, SetConversation { name: "bob".into(), change })?;
    world.settle()?;
    assert_eq!(names(&mut world, TABLET)?, ["bob", "caro"]);
    let bob = world.call(ALICE, GetContact { name: "bob".into() })?;
    assert_eq!(bob.verified, Verified::Yes);
    let conversations = world.call(ALICE, ListConversations {})?.conversations;
    assert!(conversations.iter().any(|it| it.name == "bob" && it.settings.pinned));

    world.call(ALICE, Block { who: "bob".into() })?;
    world.settle()?;
    assert!(world.call(TABLET, GetContact { name: "bob".into() })?.blocked);
    world.call(TABLET, Unblock { who: "bob".into() })?;
    world.settle()?;
    assert!(!world.call(ALICE, GetContact { name: "bob".into() })?.blocked);

    world.call(TABLET, RemoveContact { name: "caro".into() })?;
    world.settle()?;
    assert_eq!(names(&mut world, ALICE)?, ["bob"]);
    assert_eq!(settings_of(&mut world, ALICE)?, settings_of(&mut world, TABLET)?);

    // Someone unknown who is accepted here is accepted there, with what they wrote; and dropped likewise.
    let alice = world.id_of(ALICE)?;
    world.add(3, &alice, "alice")?;
    world.settle()?;
    world.send(3, "alice", "it is me")?;
    world.settle()?;
    for node in [ALICE, TABLET] {
        assert_eq!(world.call(node, ListRequests {})?.requests.len(), 1);
    }
    let id = world.call(TABLET, ListRequests {})?.requests[0].id.clone();
    world.call(TABLET, AcceptRequest { id, name: "carol".into() })?;
    world.settle()?;
    for node in [ALICE, TABLET] {
        assert!(world.call(node, ListRequests {})?.requests.is_empty());
        let texts = rows(&mut world, node, "carol")?;
        assert_eq!(texts, [(Direction::In, "it is me".to_owned())]);
    }
    Ok(())
}

#[test]
fn two_who_are_called_alike_on_two_devices_are_told_apart_on_both() -> Result {
    let mut world = two_devices(904)?;
    for node in [3, 4] {
        world.push(tempfile::tempdir()?);
        world.start(node)?;
    }
    let (carol, other) = (world.init(3, "carol")?, world.init(4, "carol")?);
    world.settle()?;
    world.add(ALICE, &carol, "carol")?;
    world.elapse(Duration::from_secs(1));
    world.add(TABLET, &other, "carol")?;
    world.settle()?;
    let found = names(&mut world, ALICE)?;
    assert_eq!(found, names(&mut world, TABLET)?);
    assert_eq!((found.len(), found[1].as_str()), (3, "carol"));
    assert!(found[2].starts_with("carol-"), "{found:?}");
    for node in [ALICE, TABLET] {
        let first = world.call(node, GetContact { name: "carol".into() })?;
        assert_eq!(first.id, carol, "the first has the name");
    }
    // Once the name is free again the second has it.
    world.call(ALICE, RemoveContact { name: "carol".into() })?;
    world.settle()?;
    for node in [ALICE, TABLET] {
        assert_eq!(names(&mut world, node)?, ["bob", "carol"]);
        assert_eq!(world.call(node, GetContact { name: "carol".into() })?.id, other);
    }
    Ok(())
}

#[test]
fn a_revoked_device_is_sent_nothing_and_is_not_heard() -> Result {
    let mut world = two_devices(905)?;
    let devices = world.call(ALICE, ListDevices {})?.devices;
    let tablet = devices.iter().find(|device| !device.this).ok_or("one device")?.id.clone();
    // The tablet is away when it is revoked, and writes on.
    let tablet_engine = world.nodes[TABLET].engine.take();
    world.send(ALICE, "bob", "on its way")?;
    world.call(ALICE, RevokeDevice { device: tablet, request: DeviceRevoke::default() })?;
    world.nodes[ALICE].released = Released::default();
    world.send(ALICE, "bob", "after")?;
    note(&mut world, ALICE, "a note")?;
    let sent = std::mem::take(&mut world.nodes[ALICE].released.publish);
    assert_eq!(sent.len(), 1, "what goes to Bob, and nothing else");
    let mut left = 0;
    in_vault(&mut world, ALICE, |txn| {
        left = txn.scan(&OUTBOX)?.iter().filter(|it| it.position.is_some()).count();
        Ok(())
    })?;
    assert_eq!(left, 2, "both messages to Bob");
    world.settle()?;

    world.nodes[TABLET].engine = tablet_engine;
    world.send(TABLET, "bob", "I am still here")?;
    note(&mut world, TABLET, "me, too")?;
    let published = std::mem::take(&mut world.nodes[TABLET].released.publish);
    assert!(published.len() >= 2);
    world.bring(ALICE, &published)?;
    world.settle()?;
    assert_eq!(notes(&mut world, ALICE)?, ["a note"]);
    let texts = rows(&mut world, ALICE, "bob")?;
    assert!(!texts.iter().any(|(_, text)| text == "I am still here"), "{texts:?}");
    Ok(())
}

/// It was the one device that nobody told, and what was written there was "sent", and seen by nobody.
#[test]
fn a_device_that_is_revoked_learns_of_it_at_once() -> Result {
    let mut world = two_devices(906)?;
    let devices = world.call(ALICE, ListDevices {})?.devices;
    let tablet = devices.iter().find(|device| !device.this).ok_or("one device")?.id.clone();
    world.send(TABLET, "bob", "of the tablet")?;
    world.call(ALICE, RevokeDevice { device: tablet, request: DeviceRevoke::default() })?;
    world.settle()?;
    let refused = world.send(TABLET, "bob", "no more").err().ok_or("sent")?.to_string();
    assert!(refused.contains("revoked"), "{refused}");
    Ok(())
}

/// A script whose variable was empty revoked the only device, which had no name.
#[test]
fn nothing_is_no_name_of_a_device() -> Result {
    let mut world = World::pair(907, 2)?;
    let request = DeviceRevoke::default();
    assert!(world.call(ALICE, RevokeDevice { device: String::new(), request }).is_err());
    assert_eq!(world.call(ALICE, ListDevices {})?.devices[0].state, DeviceState::Valid);
    Ok(())
}

/// The first copy that a new device got began the line of all that it is told. Gossip brings them in any order: so where the
/// second came first, it stood before the first one for ever.
#[test]
fn the_first_copies_stand_in_order_on_a_new_device_whichever_comes_first() -> Result {
    let mut world = World::pair(909, 3)?;
    world.settle()?;
    recover(&mut world, ALICE, TABLET)?;
    // Alice has the tablet's keys, and has told it nothing yet.
    world.nodes[ALICE].released.publish.clear();
    world.sync(TABLET, ALICE)?;
    for text in ["first", "second", "third"] {
        world.send(ALICE, "bob", text)?;
    }
    let sent = std::mem::take(&mut world.nodes[ALICE].released.publish);
    let (keys, mut copies): (Vec<_>, Vec<_>) = sent.into_iter().partition(|envelope| {
        Header::parse(&envelope.content).is_ok_and(|header| header.kind == Kind::ToDevice)
    });
    copies.reverse();
    world.bring(TABLET, &keys)?;
    world.bring(TABLET, &copies)?;
    for _ in 0..3 {
        world.settle()?;
    }
    let shown = rows(&mut world, TABLET, "bob")?;
    let texts: Vec<_> = shown.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["first", "second", "third"]);
    Ok(())
}

/// Nothing of it costs who has one device.
#[test]
fn one_device_sends_and_keeps_nothing_for_others() -> Result {
    let mut world = World::pair(906, 2)?;
    world.settle()?;
    world.send(ALICE, "bob", "hello")?;
    world.send(BOB, "alice", "hello")?;
    world.settle()?;
    let count = |world: &mut World| std::mem::take(&mut world.nodes[ALICE].released.publish).len();
    count(&mut world);
    let id = world.send(ALICE, "bob", "one")?;
    assert_eq!(count(&mut world), 1);
    let request = EditRequest { text: "two".into() };
    world.call(ALICE, EditMessage { id, request })?;
    assert_eq!(count(&mut world), 1);
    world.call(ALICE, MarkRead { name: "bob".into() })?;
    assert_eq!(count(&mut world), 1, "a receipt");
    note(&mut world, ALICE, "a note")?;
    world.call(ALICE, RenameContact { name: "bob".into(), new_name: "rob".into() })?;
    world
        .call(ALICE, VerifyContact { name: "rob".into(), request: VerifyRequest { code: None } })?;
    let change = ConversationChange { muted: Some(true), ..ConversationChange::default() };
    world.call(ALICE, SetConversation { name: "rob".into(), change })?;
    world.call(ALICE, Block { who: "rob".into() })?;
    world.call(ALICE, Unblock { who: "rob".into() })?;
    world.pass(Duration::from_secs(2));
    assert_eq!(count(&mut world), 0);
    in_vault(&mut world, ALICE, |txn| {
        assert_eq!((txn.count(&SHARED_SETTINGS)?, txn.count(&SIBLINGS)?), (0, 0));
        Ok(())
    })
}

/// Whoever has a session with the user may try: a contact, or someone unknown who becomes one.
#[test]
fn what_only_own_devices_may_say_does_nothing_where_a_contact_says_it() -> Result {
    let mut world = two_devices(907)?;
    let bob: martlet_protocol::Id = world.id_of(BOB)?.parse()?;
    // To the device whose bundle is the newest.
    let mut eve = Stranger::new(&mut world, TABLET)?;
    let key = eve.key(&mut world)?;
    world.bring(TABLET, &[key])?;
    let hello = eve.text(&world, TABLET, "hello")?;
    world.bring(TABLET, &[hello])?;
    let request = world.call(TABLET, ListRequests {})?.requests.pop().ok_or("no request")?;
    world.call(TABLET, AcceptRequest { id: request.id, name: "eve".into() })?;
    let before = (rows(&mut world, TABLET, "bob")?, names(&mut world, TABLET)?);

    let said = Message {
        id: MessageId([7; 16]),
        sent_at: world.now,
        seq: 1,
        timers: Timers::OFF,
        content: Content::Text(Text::new("I never said so")?),
        reply_to: None,
        mentions: Vec::new(),
    };
    let message = Payload(said.encode());
    let stamp = Stamp { hlc: Hlc::LAST, device: DeviceId([1; 32]) };
    let key = SettingKey { what: 1, of: bob.identity.0.to_vec() };
    let removed = Setting { key, value: Payload(Vec::new()), stamp };
    for content in [
        Content::Sent(Sent { conversation: bob.identity, message: message.clone() }),
        Content::Sent(Sent { conversation: eve.identity(), message }),
        Content::ReadUpTo(ReadUpTo { conversation: eve.identity(), message: MessageId([8; 16]) }),
        Content::Settings(Settings(vec![removed])),
        Content::Progress(Progress {
            conversation: bob.identity,
            messages: Vec::new(),
            reached: Reached::DELIVERED,
        }),
    ] {
        let (_, envelope) = eve.says(&world, content)?;
        world.bring(TABLET, &[envelope])?;
    }
    let last = eve.text(&world, TABLET, "that was all")?;
    world.bring(TABLET, &[last])?;
    assert_eq!((rows(&mut world, TABLET, "bob")?, names(&mut world, TABLET)?), before);
    let texts = rows(&mut world, TABLET, "eve")?;
    let texts: Vec<_> = texts.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["hello", "that was all"], "their numbers are used: nothing is waited for");
    Ok(())
}

/// What a device of the user's may send that makes no sense here, and must do no harm.
#[test]
fn a_device_of_ones_own_that_sends_nonsense_does_no_harm() -> Result {
    let mut world = two_devices(908)?;
    let root = root_of(&mut world, TABLET)?;
    let device = DeviceKeys::generate(&mut world.rng, &root, world.now);
    let bob: martlet_protocol::Id = world.id_of(BOB)?.parse()?;
    let mut phone = Stranger::with(&mut world, TABLET, root, device)?;
    let key = phone.key(&mut world)?;
    world.bring(TABLET, &[key])?;
    let message = |world: &World, content| Message {
        id: MessageId([7; 16]),
        sent_at: world.now,
        seq: 1,
        timers: Timers::OFF,
        content,
        reply_to: None,
        mentions: Vec::new(),
    };
    let text = message(&world, Content::Text(Text::new("said elsewhere")?));
    let nested = Sent { conversation: bob.identity, message: Payload(text.encode()) };
    let nested = message(&world, Content::Sent(nested));
    let setting = |what: u16, of: Vec<u8>, value: Vec<u8>| {
        let stamp = Stamp { hlc: Hlc { at: START, count: 1 }, device: DeviceId([1; 32]) };
        Setting { key: SettingKey { what, of }, value: Payload(value), stamp }
    };
    let sent = |conversation, message: &[u8]| {
        Content::Sent(Sent { conversation, message: Payload(message.to_vec()) })
    };
    let nobody = IdentityId([3; 32]);
    let progress = |number, conversation| Progress {
        conversation,
        messages: vec![text.id; 100],
        reached: Reached(number),
    };
    let setting_of_timers = |of: IdentityId, seconds| {
        let (expire_s, author) = (Some(seconds), nobody);
        let (set_at, id) = (START, text.id);
        let set = values::TimersSet { expire_s, burn_s: None, set_at, author, id };
        Content::Settings(Settings(vec![setting(8, of.0.to_vec(), set.encode())]))
    };
    let many = (0..200_u8).map(|number| setting(4, vec![number; 32], vec![0xa1, 0, 1])).collect();
    for content in [
        sent(nobody, &text.encode()),
        sent(bob.identity, b"no message"),
        sent(bob.identity, &nested.encode()),
        sent(bob.identity, &text.encode()),
        sent(bob.identity, &text.encode()),
        Content::ReadUpTo(ReadUpTo { conversation: nobody, message: MessageId([8; 16]) }),
        Content::ReadUpTo(ReadUpTo { conversation: bob.identity, message: MessageId([8; 16]) }),
        Content::Progress(progress(0, nobody)),
        Content::Progress(progress(2, bob.identity)),
        Content::Progress(progress(200, bob.identity)),
        setting_of_timers(bob.identity, 60),
        setting_of_timers(bob.identity, u32::MAX),
        // Malformed, of the user's own identity, without bounds, of numbers that nobody knows.
        Content::Settings(Settings(vec![
            setting(1, vec![5; 32], b"nonsense".to_vec()),
            setting(1, root_identity(&mut world)?.0.to_vec(), vec![0xa0]),
            setting(2, vec![6; 32], vec![0xff; 40]),
            setting(6, vec![6; 32], vec![7; 4600]),
            setting(3, vec![5; 31], vec![0xa0]),
            setting(65535, vec![9; 128], vec![9; 4000]),
        ])),
        Content::Settings(Settings(many)),
        Content::Text(Text::new("not wrapped")?),
        Content::Unknown { kind: 999, bytes: Payload(vec![1, 2, 3]) },
    ] {
        let (_, envelope) = phone.says(&world, content)?;
        world.bring(TABLET, &[envelope])?;
    }
    world.crash(TABLET)?;
    assert_eq!(names(&mut world, TABLET)?, ["bob"]);
    assert_eq!(notes(&mut world, TABLET)?, Vec::<String>::new());
    let texts = rows(&mut world, TABLET, "bob")?;
    assert_eq!(texts.iter().filter(|(_, text)| text == "said elsewhere").count(), 1);
    // What is not known here is kept for devices that may know it.
    world.settle()?;
    let unknown = |setting: &Setting| setting.key.what == 65535;
    assert!(settings_of(&mut world, TABLET)?.iter().any(unknown));
    Ok(())
}

fn root_identity(world: &mut World) -> Result<IdentityId> {
    let id: martlet_protocol::Id = world.id_of(TABLET)?.parse()?;
    Ok(id.identity)
}
