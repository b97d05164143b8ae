//! Messages of before, which a device that is linked gets if the user wishes so.

mod lost;

use martlet_engine::command::{
    ClearConversation, ConfirmLink, DeleteMessage, EditMessage, GetNotes, ListConversations,
    ListDevices, MarkRead, React, RecallMessage, RevokeDevice, SendFile, StartJoin, StartLink,
    WriteNote,
};
use martlet_engine::limits::{PAST_ASKED_AGAIN_AFTER, PAST_GIVEN_FOR, PAST_LOOKED_AT_MAX};
use martlet_protocol::bundle::Bundle;
use martlet_protocol::control::{
    DeviceHistory, DeviceRevoke, EditRequest, EventBody, FileSend, FileState, Message as Shown,
    NoteRequest, ReactionRequest,
};
use martlet_protocol::crypto::seal;
use martlet_protocol::identity::DeviceKeys;
use martlet_protocol::message::history::{PastReaction, PastVersion, Slice, Writer};
use martlet_protocol::message::{
    self, Content, DeviceMessage, History, HistoryWanted, Past, Read, Text, Timers, WantedLine,
};
use martlet_protocol::time::Day;
use martlet_protocol::{ConversationId, DeviceId, Id, IdentityId, MessageId};
use martlet_store::records::{HISTORY_LINES, HISTORY_PAGES, HISTORY_TAKEN, OUTBOX, PROFILE};
use martlet_store::vault::Key;

use crate::stranger::{addressing, in_olm, in_vault};
use crate::timers::timed;
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
/// A second device of Alice's.
const PHONE: usize = 2;
const HOUR: Duration = Duration::from_secs(3600);

/// Alice says that a node is another device of hers. It has not heard of it yet.
fn confirm(world: &mut World, phone: usize, history: bool) -> Result {
    compare(world, phone)?;
    world.call(ALICE, ConfirmLink { equal: true, history })?;
    Ok(())
}

/// Alice and a node have the same numbers.
fn compare(world: &mut World, phone: usize) -> Result {
    let code = world.call(ALICE, StartLink {})?.code.ok_or("no code")?.parse()?;
    let path = key_file_path(world.nodes[phone].dir.path());
    let (key_file, key) = KeyFile::make(&path, None, &mut world.rng)?;
    let name = Some(if phone == PHONE { "phone" } else { "tablet" }.to_owned());
    world.call(phone, StartJoin { code, key_file, key, name })?;
    for _ in 0..3 {
        world.gossip(0.0);
    }
    Ok(())
}

/// Until a node has taken all that there is.
fn take_all(world: &mut World, phone: usize) -> Result {
    for _ in 0..60 {
        world.settle()?;
        if own(world, phone)?.is_some_and(|it| it.conversations_left == Some(0)) {
            return Ok(());
        }
    }
    Err(format!("{:?}", own(world, phone)?).into())
}

fn link(world: &mut World, phone: usize) -> Result {
    confirm(world, phone, true)?;
    take_all(world, phone)
}

/// How far a node is.
fn own(world: &mut World, node: usize) -> Result<Option<DeviceHistory>> {
    let devices = world.call(node, ListDevices {})?.devices;
    Ok(devices.iter().find(|device| device.this).and_then(|device| device.history))
}

/// How much Alice gave.
fn given(world: &mut World) -> Result<Option<DeviceHistory>> {
    let devices = world.call(ALICE, ListDevices {})?.devices;
    Ok(devices.iter().find(|device| !device.this).and_then(|device| device.history))
}

fn shown(world: &mut World, node: usize, name: &str) -> Result<Vec<Shown>> {
    let query = HistoryQuery { limit: Some(1000), edits: true, ..HistoryQuery::default() };
    Ok(world.call(node, GetHistory { name: name.into(), query })?.messages)
}

fn texts(world: &mut World, node: usize, name: &str) -> Result<Vec<String>> {
    Ok(shown(world, node, name)?.into_iter().map(|message| message.text).collect())
}

/// The same message on both devices; what was unread on the first is read on the other.
fn same(mut one: Shown) -> Shown {
    if one.state == Delivery::Read && one.direction == Direction::In {
        one.state = Delivery::Delivered;
    }
    one
}

fn identity(world: &mut World, node: usize) -> Result<IdentityId> {
    Ok(world.id_of(node)?.parse::<Id>()?.identity)
}

#[test]
fn a_linked_device_gets_what_was_said_and_done_before_in_order_and_as_read() -> Result {
    let mut world = World::pair(2301, 3)?;
    world.settle()?;
    let first = world.send(ALICE, "bob", "first")?;
    world.settle()?;
    // Several answers of several pages.
    for number in 0..PAST_LOOKED_AT_MAX + 100 {
        world.send(ALICE, "bob", &format!("{number} {}", "x".repeat(300)))?;
    }
    world.settle()?;
    world.send(BOB, "alice", "hello, too")?;
    let edited = world.send(ALICE, "bob", "a tpyo")?;
    let request = EditRequest { text: "a typo".into() };
    world.call(ALICE, EditMessage { id: edited.clone(), request })?;
    let reply = SendRequest {
        to: "bob".into(),
        text: "I answer".into(),
        reply_to: Some(first.clone()),
        ..SendRequest::default()
    };
    world.call(ALICE, SendText { request: reply })?;
    let recalled = world.send(ALICE, "bob", "by mistake")?;
    world.settle()?;
    world.call(ALICE, RecallMessage { id: recalled })?;
    world.call(BOB, React { id: edited, request: Some(ReactionRequest { emoji: "+1".into() }) })?;
    world.call(BOB, MarkRead { name: "alice".into() })?;
    let deleted = world.send(ALICE, "bob", "deleted")?;
    world.settle()?;
    world.call(ALICE, DeleteMessage { id: deleted })?;
    let request = FileSend { to: "bob".into(), name: "minutes.pdf".into(), ..FileSend::default() };
    let (media_type, bytes) = ("application/pdf".to_owned(), vec![7; 2048]);
    world.call(ALICE, SendFile { request, media_type, bytes })?;
    world.call(ALICE, WriteNote { request: NoteRequest { text: "buy milk".into() } })?;
    world.settle()?;
    world.settle()?;

    link(&mut world, PHONE)?;
    world.send(BOB, "alice", "to both")?;
    world.settle()?;
    let alice = shown(&mut world, ALICE, "bob")?;
    let phone = shown(&mut world, PHONE, "bob")?;
    assert_eq!(alice.len(), phone.len());
    for (one, other) in alice.into_iter().zip(phone) {
        if let Some(file) = &one.file {
            assert_eq!((file.state, &other.file), (FileState::Complete, &None));
            assert_eq!(other.text, "[file \"minutes.pdf\", 2 KiB, on your other device]");
            continue;
        }
        let (one, mut other) = (same(one), same(other));
        if one.text == "to both" {
            other.stored_at = one.stored_at;
        }
        assert_eq!(one, other);
    }
    let query = HistoryQuery::default();
    let notes = world.call(PHONE, GetNotes { query })?.messages;
    assert_eq!(notes.iter().map(|note| &note.text[..]).collect::<Vec<_>>(), ["buy milk"]);
    let conversations = world.call(PHONE, ListConversations {})?.conversations;
    assert_eq!(conversations.iter().map(|it| it.unread).sum::<u64>(), 1, "what came to both");
    // Nobody is notified of them.
    let events = world.call(PHONE, ReadEvents { since: 0 })?.events;
    let received = events.iter().filter(|it| matches!(it.body, EventBody::MessageReceived { .. }));
    assert_eq!(received.count(), 1);
    // Both say how many there were.
    let taken = own(&mut world, PHONE)?.ok_or("nothing was taken")?.messages;
    assert_eq!(given(&mut world)?.ok_or("nothing was given")?.messages, taken);
    Ok(())
}

#[test]
fn without_the_wish_nothing_of_before_comes() -> Result {
    let mut world = World::pair(2302, 3)?;
    world.send(ALICE, "bob", "before")?;
    world.settle()?;
    confirm(&mut world, PHONE, false)?;
    for _ in 0..4 {
        world.settle()?;
    }
    assert!(texts(&mut world, PHONE, "bob")?.is_empty());
    assert_eq!((own(&mut world, PHONE)?, given(&mut world)?), (None, None));
    Ok(())
}

/// Whatever is lost, repeated, late or killed: each message is there once, and in order.
#[test]
fn what_comes_by_both_ways_is_shown_once_whatever_is_killed() -> Result {
    for seed in 2310..2313 {
        let mut world = World::pair(seed, 3)?;
        world.settle()?;
        for number in 0..150 {
            let text = format!("{number} {}", "x".repeat(400));
            world.send(ALICE, "bob", &text)?;
            world.send(BOB, "alice", &text)?;
            if number % 40 == 0 {
                world.settle()?;
            }
        }
        world.settle()?;
        confirm(&mut world, PHONE, true)?;
        world.gossip(0.0);
        for number in 150..190 {
            for (node, to) in [(ALICE, "bob"), (BOB, "alice")] {
                world.send(node, to, &number.to_string())?;
            }
            world.gossip(0.3);
            world.pass(Duration::from_millis(700));
            let killed = world.rng.random_range(0..12);
            if killed == ALICE || killed == PHONE {
                world.crash(killed)?;
            }
        }
        // What was asked or answered may have been lost with a node's memory of the network.
        for _ in 0..4 {
            world.settle()?;
        }
        take_all(&mut world, PHONE)?;
        for direction in [Direction::In, Direction::Out] {
            let in_that = |it: &Shown| it.direction == direction;
            let alice = shown(&mut world, ALICE, "bob")?.into_iter().filter(in_that);
            let phone = shown(&mut world, PHONE, "bob")?.into_iter().filter(in_that);
            let alice: Vec<_> = alice.map(|it| (it.id, it.text)).collect();
            let phone: Vec<_> = phone.map(|it| (it.id, it.text)).collect();
            assert_eq!(alice, phone, "seed {seed}");
        }
        let query = HistoryQuery { limit: Some(1000), ..HistoryQuery::default() };
        let lost = world.call(PHONE, GetHistory { name: "bob".into(), query })?.lost;
        assert!(lost.is_empty(), "{lost:?}");
    }
    Ok(())
}

#[test]
fn what_has_a_timer_ends_when_it_would_have_and_what_has_ended_does_not_come_back() -> Result {
    let mut world = World::pair(2303, 3)?;
    world.settle()?;
    for (text, expire, burn) in [
        ("for an hour", Some(3600), None),
        ("for three hours", Some(3 * 3600), None),
        ("burns unread", None, Some(7200)),
    ] {
        world.call(BOB, SendText { request: timed("alice", text, expire, burn) })?;
    }
    world.settle()?;
    world.call(BOB, SendText { request: timed("alice", "burns", None, Some(7200)) })?;
    world.settle()?;
    world.elapse(HOUR);
    confirm(&mut world, PHONE, true)?;
    // The device is off while it is told.
    world.gossip(0.0);
    take_all(&mut world, PHONE)?;
    // What burns and was not read is for the device where it is read.
    assert_eq!(texts(&mut world, PHONE, "bob")?, ["for three hours"]);
    assert_eq!(
        shown(&mut world, PHONE, "bob")?[0].ends_at,
        shown(&mut world, ALICE, "bob")?[0].ends_at
    );
    world.pass(2 * HOUR);
    world.pass(Duration::from_secs(2));
    assert!(texts(&mut world, PHONE, "bob")?.is_empty());

    // What was read before burns on.
    let mut world = World::pair(2304, 3)?;
    world.settle()?;
    world.call(BOB, SendText { request: timed("alice", "burns", None, Some(7200)) })?;
    world.settle()?;
    world.call(ALICE, MarkRead { name: "bob".into() })?;
    world.pass(HOUR);
    link(&mut world, PHONE)?;
    let ends = |world: &mut World, node| -> Result<_> {
        Ok(shown(world, node, "bob")?.into_iter().map(|it| it.ends_at).collect::<Vec<_>>())
    };
    let (alice, phone) = (ends(&mut world, ALICE)?, ends(&mut world, PHONE)?);
    assert!(alice == phone && alice.len() == 1, "{alice:?} {phone:?}");
    world.pass(HOUR);
    world.pass(Duration::from_secs(2));
    assert!(texts(&mut world, PHONE, "bob")?.is_empty());
    Ok(())
}

#[test]
fn what_was_said_in_a_room_comes_too() -> Result {
    let mut world = World::with_room(2305, 3, 3)?;
    let phone = 3;
    for (node, text) in [(0, "one"), (1, "two @alice"), (2, "three")] {
        world.send(node, "bridge", text)?;
        world.settle()?;
    }
    link(&mut world, phone)?;
    world.send(0, "bridge", "four")?;
    world.settle()?;
    world.send(1, "bridge", "five")?;
    for _ in 0..3 {
        world.settle()?;
    }
    let rows = |world: &mut World, node| -> Result<Vec<_>> {
        let rows = shown(world, node, "bridge")?.into_iter();
        Ok(rows.map(|it| (it.id, it.text, it.author, it.mentions_you)).collect())
    };
    let (alice, phones) = (rows(&mut world, 0)?, rows(&mut world, phone)?);
    assert!(alice == phones && alice.len() == 5, "{alice:?} {phones:?}");
    Ok(())
}

#[test]
fn a_device_that_was_revoked_or_comes_too_late_gets_nothing_more() -> Result {
    for is_revoked in [true, false] {
        let mut world = World::pair(2306, 3)?;
        world.settle()?;
        for number in 0..300 {
            world.send(ALICE, "bob", &format!("{number} {}", "x".repeat(1000)))?;
        }
        world.settle()?;
        confirm(&mut world, PHONE, true)?;
        while given(&mut world)?.is_none_or(|it| it.messages == 0) {
            world.gossip(0.0);
            world.pass(Duration::from_secs(1));
        }
        let before = given(&mut world)?;
        assert!(before.is_some_and(|it| it.messages < 300), "{before:?}");
        if is_revoked {
            let request = DeviceRevoke::default();
            world.call(ALICE, RevokeDevice { device: "phone".into(), request })?;
        } else {
            // What is under way ends meanwhile.
            world.elapse(PAST_GIVEN_FOR);
        }
        world.pass(Duration::from_secs(1));
        assert_eq!(given(&mut world)?, None);
        for _ in 0..3 {
            world.settle()?;
        }
        assert_eq!(given(&mut world)?, None);
        let there = texts(&mut world, PHONE, "bob")?.len();
        assert!(there < 300, "{there}");
    }
    Ok(())
}

#[test]
fn a_conversation_that_was_cleared_meanwhile_stays_empty() -> Result {
    let mut world = World::pair(2307, 3)?;
    world.settle()?;
    for number in 0..300 {
        world.send(ALICE, "bob", &format!("{number} {}", "x".repeat(1000)))?;
    }
    world.settle()?;
    confirm(&mut world, PHONE, true)?;
    while own(&mut world, PHONE).ok().flatten().is_none_or(|it| it.messages == 0) {
        world.gossip(0.0);
        world.pass(Duration::from_secs(1));
    }
    assert!(texts(&mut world, PHONE, "bob")?.len() < 300);
    world.call(PHONE, ClearConversation { name: "bob".into() })?;
    take_all(&mut world, PHONE)?;
    assert!(texts(&mut world, PHONE, "bob")?.is_empty());
    assert_eq!(texts(&mut world, ALICE, "bob")?.len(), 300);
    Ok(())
}

/// The keys of a node's device.
fn keys(world: &mut World, node: usize) -> Result<DeviceKeys> {
    let mut keys = None;
    in_vault(world, node, |txn| {
        let profile = txn.get(&PROFILE, Key::Named(b""))?.ok_or("no profile")?;
        keys = Some(DeviceKeys::from_parts(&profile.device_seed.0, &profile.certificate)?);
        Ok(())
    })?;
    keys.ok_or_else(|| "no keys".into())
}

/// The bundle of a device, as a node's mailbox has it.
fn bundle(world: &mut World, node: usize, device: DeviceId) -> Result<Bundle> {
    let id: Id = world.id_of(node)?.parse()?;
    let today = world.now.day();
    let view = world.nodes[node].engine.as_ref().ok_or("not running")?.mailbox().view()?;
    for digest in view.digests()? {
        let (envelopes, _) = view.fetch(&view.bucket_ids(digest.bucket)?, usize::MAX)?;
        for envelope in envelopes {
            let header = Header::parse(&envelope.content)?;
            let days = (0..3).map(|back| Day(today.0 - back));
            let mut opened =
                days.filter_map(|day| Bundle::open(&id, day, &header, &envelope.content).ok());
            if let Some(bundle) = opened.find(|it| it.certificate().device() == device) {
                return Ok(bundle);
            }
        }
    }
    Err("no bundle".into())
}

/// A device of Alice's, as whoever has its keys.
struct Forger {
    keys: DeviceKeys,
    to: Bundle,
}

/// Of the request that the phone is said to have made.
const NUMBER: u32 = 9;

/// Alice's phone, which asks the device that linked it, and has heard nothing yet; and that device, which is off.
fn asking(seed: u64) -> Result<(World, Forger, IdentityId)> {
    let mut world = World::pair(seed, 3)?;
    world.send(ALICE, "bob", "hello")?;
    world.settle()?;
    link(&mut world, PHONE)?;
    let bob = identity(&mut world, BOB)?;
    let phone = keys(&mut world, PHONE)?.device();
    let forger = Forger { keys: keys(&mut world, ALICE)?, to: bundle(&mut world, PHONE, phone)? };
    world.nodes[ALICE].engine = None;
    let now = world.now;
    in_vault(&mut world, PHONE, |txn| {
        let key = Key::Named(b"");
        let mut taken = txn.get(&HISTORY_TAKEN, key)?.ok_or("nothing was taken")?;
        (taken.number, taken.next_page, taken.heard_at) = (NUMBER, Some(0), now);
        txn.put(&HISTORY_TAKEN, key, &taken)?;
        let key = Key::Named(&bob.0);
        let mut line = txn.get(&HISTORY_LINES, key)?.ok_or("no conversation")?;
        (line.before, line.is_done) = (None, false);
        Ok(txn.put(&HISTORY_LINES, key, &line)?)
    })?;
    Ok((world, forger, bob))
}

impl Forger {
    fn send(&self, world: &mut World, history: History) -> Result {
        self.tell(world, PHONE, DeviceMessage::History(Box::new(history)))
    }

    fn tell(&self, world: &mut World, node: usize, message: DeviceMessage) -> Result {
        let own = self.keys.certificate().identity();
        let payload = in_olm(&self.keys, &self.to, message)?;
        let addressing = addressing(world, &own);
        let content = seal::seal(
            &mut world.rng,
            &addressing,
            &self.keys,
            &own,
            &[self.to.recipient()],
            &ConversationId::direct(&own, &own),
            &payload,
        )?;
        world.bring(node, &[Envelope::new(content)])
    }

    fn page(slices: Vec<Slice>, writers: Vec<Writer>) -> History {
        History { number: NUMBER, page: 0, pages: 1, writers, slices }
    }
}

fn past(id: u8, text: &str, sent_at: UnixMillis) -> Past {
    let content = Content::Text(Text::new(text).expect("a text"));
    of_content(id, content, sent_at)
}

fn of_content(id: u8, content: Content, sent_at: UnixMillis) -> Past {
    let message = message::Message {
        id: MessageId([id; 16]),
        sent_at,
        seq: u64::from(id) + 1,
        timers: Timers::OFF,
        content,
        reply_to: None,
        mentions: Vec::new(),
    };
    Past {
        message: message.encode(),
        writer: 0,
        stored_at: sent_at,
        state: None,
        burns_from: None,
        flags: 0,
        recalled_by: None,
        told_by: None,
        versions: Vec::new(),
        reactions: Vec::new(),
    }
}

#[test]
fn of_what_is_told_badly_each_message_is_left_out_and_the_others_count() -> Result {
    let (mut world, forger, bob) = asking(2320)?;
    let (now, alice) = (world.now, forger.keys.certificate().identity());
    let stranger = IdentityId([7; 32]);
    let device = forger.keys.device();
    let writers = [bob, alice, stranger].map(|identity| Writer { identity, device }).to_vec();
    let version = |text: &str| PastVersion { at: now, id: MessageId([99; 16]), text: text.into() };
    let reaction = |by, emoji: &str| PastReaction {
        by,
        at: now,
        id: MessageId([98; 16]),
        emoji: emoji.into(),
    };
    let said = vec![
        past(1, "newest", now),
        Past { writer: 2, ..past(2, "of who is not in the conversation", now) },
        Past { writer: 900, ..past(3, "of nobody", now) },
        past(4, "of a time to come", now.plus(3 * HOUR)),
        Past { message: vec![0xff; 300], ..past(5, "garbage", now) },
        Past { message: past(6, "cut off", now).message[..20].to_vec(), ..past(6, "cut off", now) },
        past(1, "the id of another", now),
        Past { writer: 1, state: Some(200), ..past(7, "nobody knows how far it got", now) },
        of_content(8, Content::Read(Read { up_to: MessageId([1; 16]) }), now),
        // A text that is longer than any may be.
        Past {
            message: of_content(
                9,
                Content::Unknown { kind: 1, bytes: message::Payload(vec![b'x'; 17_000]) },
                now,
            )
            .message,
            ..past(9, "too long", now)
        },
        Past {
            versions: vec![version(&"y".repeat(30)); 17],
            // Of one person one, and no control characters.
            reactions: vec![
                reaction(bob, "+1"),
                reaction(bob, "-1"),
                reaction(stranger, "!"),
                reaction(alice, "\n"),
            ],
            ..past(10, "too many versions", now)
        },
        Past { stored_at: now.plus(100 * HOUR), ..past(11, "stored in a time to come", now) },
        Past { writer: 1, flags: 0xff, ..past(12, "oldest", now) },
    ];
    let slices = vec![
        Slice { conversation: stranger, before: None, next: None, said: vec![past(20, "no", now)] },
        // Not what was asked for.
        Slice { conversation: bob, before: Some(4), next: None, said: vec![past(21, "no", now)] },
        Slice { conversation: bob, before: None, next: None, said },
    ];
    let page = Forger::page(slices, writers);
    // Of another request, or another page.
    for page in [
        History { number: NUMBER - 1, ..page.clone() },
        History { number: NUMBER + 1, ..page.clone() },
        History { number: 0, ..page.clone() },
        History { page: 4, pages: 5, ..page.clone() },
        History { pages: 0, ..page.clone() },
    ] {
        forger.send(&mut world, page)?;
        assert_eq!(texts(&mut world, PHONE, "bob")?, ["hello"]);
    }
    forger.send(&mut world, page.clone())?;
    let wanted = ["oldest", "stored in a time to come", "too many versions", "newest", "hello"];
    let rows = shown(&mut world, PHONE, "bob")?;
    assert_eq!(rows.iter().map(|row| &row.text[..]).collect::<Vec<_>>(), wanted);
    assert!(rows.iter().all(|row| row.stored_at <= world.now && row.edited_at.is_none()));
    assert_eq!(rows.iter().map(|row| row.reactions.len()).sum::<usize>(), 1);
    assert_eq!((rows[0].direction, rows[0].state), (Direction::Out, Delivery::Read));
    // It comes to an end there: once more is nothing.
    forger.send(&mut world, page)?;
    assert_eq!(texts(&mut world, PHONE, "bob")?, wanted);
    Ok(())
}

#[test]
fn only_the_device_that_linked_it_tells_a_device_of_before() -> Result {
    let (mut world, mut forger, bob) = asking(2321)?;
    let now = world.now;
    let page = |device| {
        let said = vec![past(1, "made up", now)];
        let slice = Slice { conversation: bob, before: None, next: None, said };
        Forger::page(vec![slice], vec![Writer { identity: bob, device }])
    };
    // Another device of Alice's, which is as valid as that one.
    world.start(ALICE)?;
    let root = crate::trust::root_of(&mut world, ALICE)?;
    world.nodes[ALICE].engine = None;
    let linked =
        std::mem::replace(&mut forger.keys, DeviceKeys::generate(&mut world.rng, &root, now));
    forger.send(&mut world, page(linked.device()))?;
    // Nor does a contact.
    forger.keys = keys(&mut world, BOB)?;
    forger.send(&mut world, page(linked.device()))?;
    assert_eq!(texts(&mut world, PHONE, "bob")?, ["hello"]);
    forger.keys = linked;
    let device = forger.keys.device();
    forger.send(&mut world, page(device))?;
    assert_eq!(texts(&mut world, PHONE, "bob")?, ["made up", "hello"]);
    Ok(())
}

/// A page that came before another was forgotten with a crash: nobody sent it again.
#[test]
fn pages_that_come_in_the_wrong_order_wait_for_each_other_also_on_disk() -> Result {
    let (mut world, forger, bob) = asking(2322)?;
    let (now, device) = (world.now, forger.keys.device());
    let page = |page: u8| {
        let text = format!("page {page}");
        let (before, next) = (u64::from(page).checked_sub(1), u64::from(3 - page).checked_sub(1));
        let before = before.map(|it| 100 - it);
        let next = next.map(|_| 100 - u64::from(page));
        let slice =
            Slice { conversation: bob, before, next, said: vec![past(page + 1, &text, now)] };
        let writers = vec![Writer { identity: bob, device }];
        History { number: NUMBER, page, pages: 4, writers, slices: vec![slice] }
    };
    for number in [3, 1, 2] {
        forger.send(&mut world, page(number))?;
        assert_eq!(texts(&mut world, PHONE, "bob")?, ["hello"]);
        world.crash(PHONE)?;
    }
    forger.send(&mut world, page(0))?;
    let wanted = ["page 3", "page 2", "page 1", "page 0", "hello"];
    assert_eq!(texts(&mut world, PHONE, "bob")?, wanted);
    assert_eq!(own(&mut world, PHONE)?.and_then(|it| it.conversations_left), Some(0));
    Ok(())
}

/// What the user wrote and deleted on the new device came back, since nobody knew its id any more.
#[test]
fn what_was_deleted_on_the_new_device_does_not_come_back() -> Result {
    let (mut world, forger, bob) = asking(2323)?;
    let id = world.send(PHONE, "bob", "deleted")?;
    for _ in 0..2 {
        world.sync(PHONE, BOB)?;
        world.pass(Duration::from_secs(61));
    }
    world.call(PHONE, DeleteMessage { id: id.clone() })?;
    assert_eq!(texts(&mut world, PHONE, "bob")?, ["hello"]);
    let (now, own) = (world.now, forger.keys.certificate().identity());
    let device = forger.to.certificate().device();
    let message = message::Message {
        id: id.parse()?,
        ..message::Message::decode(&past(1, "deleted", now).message)?
    };
    let said = vec![Past { message: message.encode(), ..past(1, "deleted", now) }];
    let slice = Slice { conversation: bob, before: None, next: None, said };
    forger.send(&mut world, Forger::page(vec![slice], vec![Writer { identity: own, device }]))?;
    assert_eq!(own_left(&mut world)?, Some(0), "it was taken");
    assert_eq!(texts(&mut world, PHONE, "bob")?, ["hello"]);
    Ok(())
}

/// Of how many conversations the phone waits for more.
fn own_left(world: &mut World) -> Result<Option<u64>> {
    Ok(own(world, PHONE)?.and_then(|it| it.conversations_left))
}

/// The number of the phone's last request, if it takes anything; and how many records it has for that.
fn records(world: &mut World) -> Result<(Option<u32>, u64)> {
    let mut found = (None, 0);
    in_vault(world, PHONE, |txn| {
        found.0 = txn.get(&HISTORY_TAKEN, Key::Named(b""))?.map(|taken| taken.number);
        found.1 = txn.count(&HISTORY_TAKEN)? + txn.count(&HISTORY_LINES)?;
        found.1 += txn.count(&HISTORY_PAGES)?;
        Ok(())
    })?;
    Ok(found)
}

/// After a while off the phone asked anew at once, and threw away the answer that waited for it.
#[test]
fn an_answer_that_waits_is_looked_at_before_it_is_asked_for_again_and_all_ends_in_time() -> Result {
    let (mut world, forger, bob) = asking(2324)?;
    let (now, device) = (world.now, forger.keys.device());
    let slice =
        Slice { conversation: bob, before: None, next: None, said: vec![past(1, "x", now)] };
    let page = Forger::page(vec![slice], vec![Writer { identity: bob, device }]);
    forger.send(&mut world, History { page: 1, pages: 2, ..page.clone() })?;
    world.nodes[PHONE].engine = None;
    world.elapse(HOUR);
    world.start(PHONE)?;
    world.pass(Duration::from_secs(1));
    assert_eq!(records(&mut world)?.0, Some(NUMBER));
    world.pass(PAST_ASKED_AGAIN_AFTER / 2);
    assert_eq!(records(&mut world)?.0, Some(NUMBER));
    // `records` starts it anew.
    world.pass(PAST_ASKED_AGAIN_AFTER + Duration::from_secs(1));
    assert_eq!(records(&mut world)?.0, Some(NUMBER + 1));
    // In the end nothing of it is left.
    world.pass(PAST_GIVEN_FOR);
    world.pass(Duration::from_secs(1));
    assert_eq!(records(&mut world)?, (None, 0));
    assert_eq!(own(&mut world, PHONE)?, None);
    world.call(PHONE, ClearConversation { name: "bob".into() })?;
    assert_eq!(records(&mut world)?, (None, 0));
    Ok(())
}

/// What answered earlier requests stayed in the outbox, however many there were.
#[test]
fn an_answer_takes_the_place_of_the_one_before() -> Result {
    let mut world = World::pair(2325, 3)?;
    world.settle()?;
    for number in 0..100 {
        world.send(ALICE, "bob", &format!("{number} {}", "x".repeat(1000)))?;
    }
    world.settle()?;
    link(&mut world, PHONE)?;
    let (bob, alice) = (identity(&mut world, BOB)?, keys(&mut world, ALICE)?.device());
    let forger = Forger { keys: keys(&mut world, PHONE)?, to: bundle(&mut world, ALICE, alice)? };
    world.nodes[PHONE].engine = None;
    let lines = vec![WantedLine { conversation: bob, before: None }];
    let mut counts = Vec::new();
    for number in 100..105 {
        let lines = lines.clone();
        let wanted = HistoryWanted { number, lines, asked_at: Some(world.now), tries: 0 };
        forger.tell(&mut world, ALICE, DeviceMessage::HistoryWanted(wanted))?;
        in_vault(&mut world, ALICE, |txn| {
            counts.push(txn.count(&OUTBOX)?);
            Ok(())
        })?;
    }
    assert!(counts[0] >= 4 && counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    Ok(())
}

/// What a contact wrote to the first device alone, since they had not heard of the new one, was there as read.
#[test]
fn what_came_since_the_linking_and_was_not_read_is_new() -> Result {
    let mut world = World::pair(2326, 3)?;
    world.send(ALICE, "bob", "before")?;
    world.settle()?;
    world.send(BOB, "alice", "unread before")?;
    world.settle()?;
    confirm(&mut world, PHONE, true)?;
    world.elapse(Duration::from_secs(1));
    for text in ["new", "newer"] {
        world.send(BOB, "alice", text)?;
    }
    world.sync(ALICE, BOB)?;
    take_all(&mut world, PHONE)?;
    assert_eq!(texts(&mut world, PHONE, "bob")?, ["before", "unread before", "new", "newer"]);
    let conversations = world.call(PHONE, ListConversations {})?.conversations;
    assert_eq!(conversations.iter().map(|it| it.unread).sum::<u64>(), 2);
    world.send(BOB, "alice", "to both")?;
    world.settle()?;
    assert_eq!(texts(&mut world, PHONE, "bob")?.len(), 5);
    Ok(())
}
