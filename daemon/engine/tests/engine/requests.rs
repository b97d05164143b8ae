//! Strangers, and contacts that were removed.

use martlet_engine::command::{EditMessage, GetContact, SetProfile};
use martlet_engine::limits::{
    REQUEST_DEEDS_MAX, REQUEST_EARLY_DEEDS_MAX, REQUEST_KEYS_MAX, REQUEST_SESSIONS_MAX,
    REQUESTS_MAX,
};
use martlet_protocol::control::{EditRequest, EventBody, ProfileChange};
use martlet_protocol::message::{Content, Edit, Profile, Reaction, Read, Recall, Text, Timers};
use martlet_protocol::{DeviceId, Id, IdentityId, MessageId, Rendezvous};
use martlet_store::records::*;
use martlet_store::vault::Key;

use crate::stranger::{Stranger, in_vault, left_of};
use crate::world::*;

#[test]
fn a_strangers_messages_wait_for_a_decision() -> Result {
    let mut world = World::half_pair(4, 2)?;
    world.settle()?;
    world.send(0, "bob", "hello, stranger")?;
    world.send(0, "bob", "are you there?")?;
    world.settle()?;
    let requests = world.call(1, ListRequests {})?.requests;
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].messages, 2);
    assert_eq!(requests[0].suggested_name.as_deref(), Some("alice"));
    assert_eq!(requests[0].preview.as_deref(), Some("hello, stranger"));

    let id = requests[0].id.clone();
    world.call(1, AcceptRequest { id, name: "Alice".into() })?;
    assert_eq!(world.texts(1, "Alice", Direction::In)?.len(), 2);
    world.settle()?;
    world.send(1, "Alice", "welcome")?;
    world.settle()?;
    let expected = with_state(&["welcome"], Delivery::Delivered);
    assert_eq!(world.texts(0, "bob", Direction::In)?, expected);
    Ok(())
}

/// Alice, whom Bob does not know, writes so many messages; once he has accepted her, all are shown, in order.
fn all_of_a_flood_is_shown(seed: u64, messages: usize) -> Result {
    let mut world = World::half_pair(seed, 2)?;
    world.settle()?;
    let texts: Vec<_> = (0..messages).map(|n| n.to_string()).collect();
    for text in &texts {
        world.send(0, "bob", text)?;
    }
    world.settle()?;
    let requests = world.call(1, ListRequests {})?.requests;
    assert_eq!(requests[0].messages, u64::try_from(REQUEST_MESSAGES_MAX)?);

    let id = requests[0].id.clone();
    world.call(1, AcceptRequest { id, name: "alice".into() })?;
    world.settle()?;
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let delivered = with_state(&texts, Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, delivered);
    world.settle()?;
    assert_eq!(world.texts(0, "bob", Direction::Out)?, delivered);
    Ok(())
}

/// A profile that was shared counted as a message of the request, and took the place of one.
#[test]
fn what_does_something_takes_no_place_of_what_says_something() -> Result {
    let mut world = World::half_pair(40, 2)?;
    world.settle()?;
    let change = ProfileChange { name: Some("Alice Lee".into()), shared: Some(true) };
    world.call(0, SetProfile { change })?;
    // Fewer than there is room for, and with the edits more.
    let texts: Vec<_> = (0..20).map(|n| format!("{n}, edited")).collect();
    for text in &texts {
        let said = text.trim_end_matches(", edited");
        let id = world.send(0, "bob", said)?;
        let request = EditRequest { text: text.clone() };
        world.call(0, EditMessage { id, request })?;
        world.pass(TICK);
    }
    world.settle()?;
    let requests = world.call(1, ListRequests {})?.requests;
    assert_eq!(requests[0].messages, 20);
    assert_eq!(requests[0].preview.as_deref(), Some("0"));
    let id = requests[0].id.clone();
    world.call(1, AcceptRequest { id, name: "alice".into() })?;
    world.settle()?;
    let shown = world.texts(1, "alice", Direction::In)?;
    let shown: Vec<_> = shown.into_iter().map(|(text, _)| text).collect();
    assert_eq!(shown, texts);
    let alice = world.call(1, GetContact { name: "alice".into() })?;
    assert_eq!(alice.calls_themselves.as_deref(), Some("Alice Lee"));
    Ok(())
}

/// Whoever edits each message three times does more than is kept of a request. The rest, messages among it, waits in the mailbox.
#[test]
fn of_who_edits_more_than_is_kept_nothing_is_missing_once_they_are_accepted() -> Result {
    let mut world = World::half_pair(42, 2)?;
    world.settle()?;
    let count = 20;
    for number in 0..count {
        let id = world.send(0, "bob", &format!("{number}"))?;
        for edit in 1..=3 {
            let request = EditRequest { text: format!("{number}, {edit}") };
            world.call(0, EditMessage { id: id.clone(), request })?;
        }
        world.pass(TICK);
    }
    world.settle()?;
    let requests = world.call(1, ListRequests {})?.requests;
    assert!(requests[0].messages <= u64::try_from(REQUEST_DEEDS_MAX / 3 + 1)?);
    let id = requests[0].id.clone();
    world.call(1, AcceptRequest { id, name: "alice".into() })?;
    for _ in 0..3 {
        world.settle()?;
    }
    let shown = world.texts(1, "alice", Direction::In)?;
    let shown: Vec<_> = shown.into_iter().map(|(text, _)| text).collect();
    let expected: Vec<_> = (0..count).map(|number| format!("{number}, 3")).collect();
    assert_eq!(shown, expected);
    Ok(())
}

/// Someone unknown who says nothing is no request, keeps nobody's place, and little of theirs is kept.
#[test]
fn who_only_does_something_is_no_request() -> Result {
    let mut world = World::new(1, 41)?;
    world.init(0, "bob")?;
    let mut eve = Stranger::new(&mut world, 0)?;
    let key = eve.key(&mut world)?;
    world.bring(0, &[key])?;
    let name = Some("Eve".to_owned());
    let target = MessageId([1; 16]);
    for _ in 0..3 {
        for content in [
            Content::Profile(Profile { name: name.clone(), picture: None }),
            Content::Timers(Timers { expire_s: Some(60), burn_s: None }),
            Content::Recall(Recall { message: target }),
            Content::Read(Read { up_to: target }),
            Content::Reaction(Reaction { target, emoji: None }),
            Content::Edit(Edit { target, text: Text::new("x")? }),
        ] {
            let envelope = eve.says(&world, content)?.1;
            world.bring(0, &[envelope])?;
        }
    }
    assert!(world.call(0, ListRequests {})?.requests.is_empty());
    let events = world.call(0, ReadEvents { since: 0 })?.events;
    assert!(!events.iter().any(|it| matches!(it.body, EventBody::RequestReceived { .. })));
    let id = Id { identity: eve.identity(), secret: Default::default() }.to_string();
    assert!(world.call(0, DropRequest { id }).is_err(), "there is none to drop");
    let mut kept = 0;
    in_vault(&mut world, 0, |txn| {
        kept = txn.count(&REQUEST_MESSAGES)?;
        Ok(())
    })?;
    assert_eq!(kept, u64::try_from(REQUEST_EARLY_DEEDS_MAX)?);

    // What they say is seen, also after a start.
    world.crash(0)?;
    let hello = eve.text(&world, 0, "hello")?;
    world.bring(0, &[hello])?;
    let requests = world.call(0, ListRequests {})?.requests;
    assert_eq!((requests[0].messages, requests[0].preview.as_deref()), (1, Some("hello")));
    let events = world.call(0, ReadEvents { since: 0 })?.events;
    let told = events.iter().filter(|it| matches!(it.body, EventBody::RequestReceived { .. }));
    assert_eq!(told.count(), 1);
    world.add(0, &eve.identity().to_string(), "eve")?;
    world.pass(Duration::from_secs(61));
    assert_eq!(world.texts(0, "eve", Direction::In)?.len(), 2, "the timers, and what was said");
    Ok(())
}

/// What is over a request's bound stays in the mailbox; once the sender is a contact, all of it is shown in
/// order.
#[test]
fn a_flood_from_a_stranger_is_bounded_and_not_lost() -> Result {
    all_of_a_flood_is_shown(6, REQUEST_MESSAGES_MAX + 10)
}

/// Whoever wrote to someone who didn't know them was told at once that it was delivered: so anyone could
/// test whether someone was on. Now nothing is acknowledged before the request is accepted, and then all
/// that was sent is, also what came before a restart.
#[test]
fn nothing_is_acknowledged_to_a_stranger_before_the_request_is_accepted() -> Result {
    let mut world = World::half_pair(40, 3)?;
    world.settle()?;
    let texts = ["one", "two", "three"];
    for (sent, text) in (1..).zip(texts) {
        world.send(0, "bob", text)?;
        world.settle()?;
        world.gossip(0.0);
        assert!(world.nodes[1].acks_released == 0, "an ack left");
        let sent = with_state(&texts[..sent], Delivery::Sent);
        assert_eq!(world.texts(0, "bob", Direction::Out)?, sent);
        world.crash(1)?;
    }
    // They are on the disks of others for as long as they live: a device that comes later can have them.
    world.settle()?;
    let requests = world.call(1, ListRequests {})?.requests;
    assert_eq!((requests.len(), requests[0].messages), (1, 3));
    assert_eq!(requests[0].preview.as_deref(), Some("one"));

    let id = requests[0].id.clone();
    world.call(1, AcceptRequest { id, name: "alice".into() })?;
    world.crash(1)?;
    world.settle()?;
    let delivered = with_state(&texts, Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, delivered);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, delivered);
    let events = world.call(1, ReadEvents { since: 0 })?.events;
    let received =
        events.iter().filter(|event| matches!(event.body, EventBody::MessageReceived { .. }));
    assert_eq!(received.count(), texts.len());
    Ok(())
}

/// A request that was dropped came back with the sender's next session. Now whoever was dropped stays
/// dropped, until they are added: then what they wrote meanwhile arrives.
#[test]
fn whoever_was_dropped_stays_dropped_until_added() -> Result {
    let mut world = World::half_pair(41, 2)?;
    let alice = world.id_of(0)?;
    world.settle()?;
    world.send(0, "bob", "one")?;
    world.settle()?;
    world.call(1, DropRequest { id: alice.clone() })?;
    for text in ["two", "three", "four"] {
        // A session lasts a day.
        world.pass(Duration::from_secs(25 * 3600));
        world.send(0, "bob", text)?;
        world.settle()?;
        world.crash(1)?;
        world.settle()?;
        assert!(world.call(1, ListRequests {})?.requests.is_empty(), "{text}");
    }
    let texts = ["one", "two", "three", "four"];
    assert_eq!(world.texts(0, "bob", Direction::Out)?, with_state(&texts, Delivery::Sent));
    world.add(1, &alice, "alice")?;
    world.settle()?;
    let delivered = with_state(&texts, Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, delivered);
    world.settle()?;
    assert_eq!(world.texts(0, "bob", Direction::Out)?, delivered);
    Ok(())
}

/// A hundred identities that had sent a session's key and no message filled the requests: they were not
/// listed, could not be dropped, and never ended. An honest stranger then stayed `sent`.
#[test]
fn keys_without_a_message_take_nobodys_place() -> Result {
    let mut world = World::half_pair(42, 2)?;
    world.settle()?;
    for _ in 0..REQUEST_KEYS_MAX + 10 {
        let envelope = Stranger::new(&mut world, 1)?.key(&mut world)?;
        world.bring(1, &[envelope])?;
    }
    assert!(world.call(1, ListRequests {})?.requests.is_empty());
    world.send(0, "bob", "hello")?;
    world.settle()?;
    let requests = world.call(1, ListRequests {})?.requests;
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].preview.as_deref(), Some("hello"));
    Ok(())
}

/// Of someone unknown who wrote 768 messages the oldest session went when a fifth began. Its key was acknowledged once
/// they were a contact, and 128 messages of it stayed `sent` until they expired.
#[test]
fn of_an_unknown_person_who_writes_in_many_sessions_nothing_is_lost() -> Result {
    // A session is of 128 messages.
    all_of_a_flood_is_shown(43, 128 * (REQUEST_SESSIONS_MAX + 2))
}

/// The extreme of honest use: more people write at once than there is room for, some of them before the flood
/// pushed out their keys. Nobody is lost: they come in as there is room.
#[test]
fn strangers_for_whom_there_was_no_room_are_seen_when_there_is() -> Result {
    let mut world = World::new(2, 43)?;
    world.init(1, "bob")?;
    let mut strangers = Vec::new();
    for _ in 0..REQUESTS_MAX + 5 {
        let mut stranger = Stranger::new(&mut world, 1)?;
        let key = stranger.key(&mut world)?;
        let message = stranger.text(&world, 1, "hello")?;
        world.bring(1, &[key, message])?;
        strangers.push(stranger);
    }
    // One whose key is pushed out by a flood before the message comes.
    let mut unlucky = Stranger::new(&mut world, 1)?;
    let key = unlucky.key(&mut world)?;
    world.bring(1, &[key])?;
    for _ in 0..REQUEST_KEYS_MAX {
        let key = Stranger::new(&mut world, 1)?.key(&mut world)?;
        world.bring(1, &[key])?;
    }
    let message = unlucky.text(&world, 1, "hello")?;
    world.bring(1, &[message])?;
    let mut seen = std::collections::BTreeSet::new();
    world.pass(MAILBOX_COMMIT_DELAY);
    world.crash(1)?;
    for left in (0..REQUESTS_MAX + 6).rev() {
        let requests = world.call(1, ListRequests {})?.requests;
        assert_eq!(requests.len(), REQUESTS_MAX.min(left + 1));
        let id = requests[0].id.clone();
        seen.insert(id.clone());
        world.call(1, DropRequest { id })?;
    }
    assert_eq!(seen.len(), REQUESTS_MAX + 6);
    Ok(())
}

/// Requests never ended.
#[test]
fn a_request_ends_a_month_after_its_last_message() -> Result {
    let mut world = World::new(1, 44)?;
    world.init(0, "bob")?;
    let mut stranger = Stranger::new(&mut world, 0)?;
    let (key, text) = (stranger.key(&mut world)?, stranger.text(&world, 0, "hello")?);
    world.bring(0, &[key, text])?;
    let silent = Stranger::new(&mut world, 0)?.key(&mut world)?;
    world.bring(0, &[silent])?;
    let mut days = 0;
    while !world.call(0, ListRequests {})?.requests.is_empty() {
        world.pass(Duration::from_secs(24 * 3600));
        days += 1;
        assert!(days < 40);
    }
    assert_eq!(days, 30);
    // That a request came is in the event log, for as long as it goes back.
    assert_eq!(left_of(&mut world, 0, &[stranger.identity().0.to_vec()])?, ["events"]);
    Ok(())
}

/// The session's key of a contact may come again in another envelope, if its sender could not know that it
/// had arrived: it is acknowledged. Of an unknown person it is not: else anyone could test, as often as they
/// like, whether someone is on.
#[test]
fn a_known_key_is_acknowledged_again_to_contacts_alone() -> Result {
    let mut world = World::new(1, 45)?;
    world.init(0, "bob")?;
    let mut stranger = Stranger::new(&mut world, 0)?;
    for _ in 0..3 {
        let key = stranger.key(&mut world)?;
        world.bring(0, &[key])?;
    }
    let text = stranger.text(&world, 0, "hello")?;
    world.bring(0, &[text])?;
    assert_eq!(world.nodes[0].released.acks.len(), 0);
    let id = stranger.identity().to_string();
    world.call(0, AcceptRequest { id, name: "carol".into() })?;
    assert_eq!(world.nodes[0].released.acks.len(), 4);
    let key = stranger.key(&mut world)?;
    world.bring(0, &[key])?;
    assert_eq!(world.nodes[0].released.acks.len(), 5);
    Ok(())
}

/// An earlier version kept what unknown people wrote among the conversations: such a vault's requests are
/// still there, are shown once when accepted, and what dropped ones left goes.
#[test]
fn requests_of_an_earlier_version_are_taken_along() -> Result {
    let mut world = World::new(1, 48)?;
    world.init(0, "bob")?;
    let (waiting, dropped) = (Stranger::new(&mut world, 0)?, Stranger::new(&mut world, 0)?);
    let now = world.now;
    in_vault(&mut world, 0, |txn| {
        for (identity, received) in [(waiting.identity(), 1), (dropped.identity(), 0)] {
            let conversation = ConversationRecord {
                conversation: ConversationRef::direct(&identity),
                last_position: 1,
                read_position: 0,
                unread: received,
                received,
                last_sent_seq: 0,
                due: vec![(DeviceId([1; 32]), 2)],
                lost: Vec::new(),
                unheard: None,
                manner: Manner::default(),
                their_read: 0,
                mentioned: Vec::new(),
                timers: None,
                read_at: UnixMillis(0),
                recalls: Vec::new(),
            };
            txn.put(&CONVERSATIONS, Key::Named(&identity.0), &conversation)?;
        }
        let identity = waiting.identity();
        let request = RequestRecord {
            identity,
            suggested_name: Some("carol".into()),
            first_at: now,
            last_at: UnixMillis(0),
            rendezvous: Rendezvous::default(),
        };
        txn.put(&REQUESTS, Key::Named(&identity.0), &request)?;
        let message = MessageRecord {
            id: MessageId([1; 16]),
            own: false,
            seq: 1,
            sent_at: now,
            stored_at: now,
            state: State::Delivered,
            body: Body::Text("an old hello".into()),
            author: None,
            reply_to: None,
            is_marked: false,
            is_late: false,
            mentions: Vec::new(),
            mentions_user: false,
            told_by: None,
            timers: Timers::OFF,
            burns_from: None,
        };
        Ok(txn.put(&MESSAGES, Key::Scoped(&identity.0, 1), &message)?)
    })?;
    let requests = world.call(0, ListRequests {})?.requests;
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].preview.as_deref(), Some("an old hello"));
    assert_eq!(left_of(&mut world, 0, &[dropped.identity().0.to_vec()])?, [""; 0]);
    world.call(0, AcceptRequest { id: requests[0].id.clone(), name: "carol".into() })?;
    let expected = with_state(&["an old hello"], Delivery::Delivered);
    assert_eq!(world.texts(0, "carol", Direction::In)?, expected);
    Ok(())
}

/// Of dropped strangers conversation counters, sessions and more stayed in the vault.
#[test]
fn of_a_dropped_stranger_only_that_they_were_dropped_is_left() -> Result {
    let mut world = World::new(1, 46)?;
    world.init(0, "bob")?;
    let mut stranger = Stranger::new(&mut world, 0)?;
    let key = stranger.key(&mut world)?;
    let texts = [stranger.text(&world, 0, "first words")?, {
        stranger.skip();
        stranger.text(&world, 0, "last words")?
    }];
    world.bring(0, &[key])?;
    world.bring(0, &texts)?;
    let id = stranger.identity().to_string();
    let traces = [
        stranger.identity().0.to_vec(),
        id.as_bytes().to_vec(),
        b"first words".to_vec(),
        b"last words".to_vec(),
    ];
    let found = left_of(&mut world, 0, &traces)?;
    assert!(found.len() >= 3, "the search finds what is there: {found:?}");
    world.call(0, DropRequest { id })?;
    // And that a request came, in the event log, for as long as it goes back.
    assert_eq!(left_of(&mut world, 0, &traces)?, ["dropped", "events"]);
    Ok(())
}

/// Of a removed contact only the counters stay: should the two talk again, the other side expects the next
/// number. And for a fortnight the sessions that were not received in full: who is added again goes on in them.
#[test]
fn of_a_removed_contact_only_the_counters_are_left() -> Result {
    let mut world = World::pair(47, 2)?;
    world.settle()?;
    for text in ["first words", "more words"] {
        world.send(0, "bob", text)?;
        world.send(1, "alice", text)?;
        world.settle()?;
    }
    world.send(0, "bob", "last words")?;
    let bob = world.id_of(1)?;
    let identity: IdentityId = bob.parse()?;
    let words = [b"first words".to_vec(), b"more words".to_vec(), b"last words".to_vec()];
    let mut traces = words.to_vec();
    traces.push(identity.0.to_vec());
    let found = left_of(&mut world, 0, &traces)?;
    assert!(found.len() >= 7, "the search finds what is there: {found:?}");
    world.call(0, RemoveContact { name: "bob".into() })?;
    let left = left_of(&mut world, 0, &traces)?;
    assert_eq!(left, ["conversations", "events", "sessions_of_others"]);
    for _ in 0..14 {
        world.pass(Duration::from_secs(24 * 3600));
    }
    let left = left_of(&mut world, 0, &traces)?;
    assert!(!left.iter().any(|collection| collection.contains("sessions")), "{left:?}");
    Ok(())
}

#[test]
fn a_contact_removed_and_added_again_is_written_to_and_read() -> Result {
    let mut world = World::pair(7, 2)?;
    world.settle()?;
    world.send(0, "bob", "one")?;
    world.settle()?;
    world.call(0, RemoveContact { name: "bob".into() })?;
    let bob = world.id_of(1)?;
    world.add(0, &bob, "bob")?;
    world.send(0, "bob", "two")?;
    world.send(1, "alice", "three")?;
    world.settle()?;
    let received = world.texts(1, "alice", Direction::In)?;
    assert_eq!(received, with_state(&["one", "two"], Delivery::Delivered));
    let received = world.texts(0, "bob", Direction::In)?;
    assert_eq!(received, with_state(&["three"], Delivery::Delivered));
    Ok(())
}
