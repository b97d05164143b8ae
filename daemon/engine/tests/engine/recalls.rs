//! Messages that are taken back.

use martlet_engine::command::{
    DeleteMessage, GetContact, GetInbox, GetMessage, RecallMessage, WriteNote,
};
use martlet_protocol::control::{EndedReason, EventBody, NoteRequest};

use crate::timers::{couple, ended, read, seen, texts, timed};
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
const MAILBOX: usize = 2;

fn recall(world: &mut World, id: &str) -> Result<Delivery> {
    Ok(world.call(ALICE, RecallMessage { id: id.into() })?.state)
}

/// What Alice released and the network has not carried yet, taken away.
fn take(world: &mut World) -> Vec<Envelope> {
    std::mem::take(&mut world.nodes[ALICE].released.publish)
}

fn lost(world: &mut World, node: usize) -> Result<usize> {
    let events = world.call(node, ReadEvents { since: 0 })?.events;
    let lost = events.iter().filter(|event| matches!(event.body, EventBody::MessagesLost { .. }));
    Ok(lost.count())
}

#[test]
fn before_delivery_it_leaves_all_mailboxes_and_nobody_misses_it() -> Result {
    let mut world = couple(110)?;
    let id = world.send(ALICE, "bob", "secret")?;
    world.sync(ALICE, MAILBOX)?;
    assert_eq!(texts(&mut world, ALICE, "bob")?, ["secret"]);
    world.nodes[ALICE].released = Released::default();
    let before = world.call(MAILBOX, GetStatus {})?.mailbox.envelopes;
    assert_eq!(recall(&mut world, &id)?, Delivery::Recalled);
    // Its acks leave, and the recall itself.
    assert!(!world.nodes[ALICE].released.acks.is_empty());
    assert_eq!(world.nodes[ALICE].released.publish.len(), 1);
    world.sync(ALICE, MAILBOX)?;
    assert_eq!(
        world.call(MAILBOX, GetStatus {})?.mailbox.envelopes,
        before,
        "the recall is there in the message's place"
    );
    let message = world.call(ALICE, GetMessage { id: id.clone() })?;
    assert_eq!((message.state, message.text.as_str()), (Delivery::Recalled, ""));
    let after = world.send(ALICE, "bob", "after")?;
    world.settle()?;
    world.gossip(0.0);
    assert_eq!(texts(&mut world, BOB, "alice")?, ["after"]);
    assert_eq!(lost(&mut world, BOB)?, 0, "it is not told as lost");
    assert!(ended(&mut world, BOB)?.is_empty(), "nothing tells that there was one");
    assert_eq!(world.call(ALICE, GetMessage { id: after })?.state, Delivery::Delivered);
    assert_eq!(world.call(ALICE, GetMessage { id: id.clone() })?.state, Delivery::Recalled);
    assert_eq!(world.call(ALICE, GetStatus {})?.outbox, Some(0));
    assert_eq!(ended(&mut world, ALICE)?, [(id, EndedReason::Recalled)]);
    Ok(())
}

#[test]
fn after_delivery_the_other_side_has_a_place_without_content() -> Result {
    let mut world = couple(111)?;
    let id = world.send(ALICE, "bob", "oops")?;
    world.send(ALICE, "bob", "after")?;
    world.settle()?;
    world.gossip(0.0);
    assert_eq!(world.call(ALICE, GetMessage { id: id.clone() })?.state, Delivery::Delivered);
    recall(&mut world, &id)?;
    world.settle()?;
    world.gossip(0.0);
    for (node, name) in [(ALICE, "bob"), (BOB, "alice")] {
        let all = seen(&mut world, node, name)?;
        let shown: Vec<_> =
            all.iter().map(|message| (message.text.as_str(), message.state)).collect();
        assert_eq!(shown[0], ("", Delivery::Recalled), "node {node}");
        assert_eq!(shown[1].0, "after");
        assert_eq!(shown.len(), 2);
        assert_eq!(ended(&mut world, node)?, [(id.clone(), EndedReason::Recalled)]);
        world.crash(node)?;
        assert_eq!(seen(&mut world, node, name)?, all);
    }
    // Twice, and deleted here.
    assert_eq!(recall(&mut world, &id)?, Delivery::Recalled);
    world.settle()?;
    assert_eq!(ended(&mut world, BOB)?.len(), 1);
    world.call(BOB, DeleteMessage { id: id.clone() })?;
    assert_eq!(texts(&mut world, BOB, "alice")?, ["after"]);
    Ok(())
}

/// Its envelope was on the way when it was taken back, and comes after the recall.
/// It was counted as unread for ever, and the inbox had a line without a text.
#[test]
fn what_was_taken_back_is_unread_no_more() -> Result {
    let mut world = couple(131)?;
    let id = world.send(ALICE, "bob", "oops")?;
    world.send(ALICE, "bob", "hello")?;
    world.settle()?;
    let unread = |world: &mut World| -> Result<u64> {
        Ok(world.call(BOB, GetContact { name: "alice".into() })?.unread)
    };
    assert_eq!(unread(&mut world)?, 2);
    recall(&mut world, &id)?;
    world.settle()?;
    assert_eq!(unread(&mut world)?, 1);
    let inbox = world.call(BOB, GetInbox {})?.conversations;
    let shown: Vec<_> = inbox[0].messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(shown, ["hello"]);
    read(&mut world, BOB, "alice")?;
    assert_eq!(unread(&mut world)?, 0);
    Ok(())
}

#[test]
fn a_recall_that_comes_first_is_kept_for_its_message() -> Result {
    let mut world = couple(112)?;
    let id = world.send(ALICE, "bob", "slow")?;
    let message = take(&mut world);
    assert_eq!(message.len(), 1);
    recall(&mut world, &id)?;
    let recall = take(&mut world);
    world.send(ALICE, "bob", "after")?;
    let after = take(&mut world);
    for envelopes in [recall, after] {
        world.bring(BOB, &envelopes)?;
    }
    assert_eq!(texts(&mut world, BOB, "alice")?, ["after"], "nothing is waited for");
    world.crash(BOB)?;
    world.bring(BOB, &message)?;
    assert_eq!(texts(&mut world, BOB, "alice")?, ["after"]);
    assert!(world.call(BOB, GetMessage { id }).is_err());
    assert_eq!(world.call(BOB, GetStatus {})?.unread, Some(1));
    Ok(())
}

/// Whoever took back more than 64 messages before they came was shown with the first of them.
#[test]
fn many_recalls_that_come_first_are_all_kept_for_their_messages() -> Result {
    let mut world = couple(132)?;
    let mut ids = Vec::new();
    // Fewer than a session has: its key is there already.
    for number in 0..100 {
        ids.push(world.send(ALICE, "bob", &format!("slow {number}"))?);
    }
    let slow = take(&mut world);
    for id in &ids {
        recall(&mut world, id)?;
    }
    let recalls = take(&mut world);
    world.bring(BOB, &recalls)?;
    world.crash(BOB)?;
    world.bring(BOB, &slow)?;
    world.pass(Duration::from_secs(120));
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    world.send(ALICE, "bob", "after")?;
    let after = take(&mut world);
    world.bring(BOB, &after)?;
    assert_eq!(texts(&mut world, BOB, "alice")?, ["after"]);
    assert_eq!(lost(&mut world, BOB)?, 0, "the recalls have their numbers");
    Ok(())
}

/// Some are held back when it comes, the recalled one among them.
#[test]
fn a_message_that_is_held_back_is_taken_back_too() -> Result {
    let mut world = couple(113)?;
    world.send(ALICE, "bob", "first")?;
    let first = take(&mut world);
    let id = world.send(ALICE, "bob", "second")?;
    let second = take(&mut world);
    world.bring(BOB, &second)?;
    assert!(texts(&mut world, BOB, "alice")?.is_empty(), "it is held back");
    recall(&mut world, &id)?;
    let recall = take(&mut world);
    world.bring(BOB, &recall)?;
    world.bring(BOB, &first)?;
    let shown = texts(&mut world, BOB, "alice")?;
    assert!(shown == ["first", ""] || shown == ["first"], "{shown:?}");
    assert_eq!(lost(&mut world, BOB)?, 0);
    Ok(())
}

#[test]
fn after_it_has_burned_there_is_nothing_to_take_back() -> Result {
    let mut world = couple(114)?;
    let id = world.call(ALICE, SendText { request: timed("bob", "burn", None, Some(60)) })?.id;
    let burns = take(&mut world);
    world.bring(BOB, &burns)?;
    // Alice's own copy is there still: nobody told her that Bob has it.
    world.nodes[BOB].released = Released::default();
    read(&mut world, BOB, "alice")?;
    world.pass(Duration::from_secs(62));
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    recall(&mut world, &id)?;
    world.settle()?;
    world.gossip(0.0);
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    assert_eq!(ended(&mut world, BOB)?, [(id, EndedReason::Burned)]);
    Ok(())
}

#[test]
fn a_recalled_messages_place_ends_with_its_timer() -> Result {
    let mut world = couple(115)?;
    let id = world.call(ALICE, SendText { request: timed("bob", "timed", Some(600), None) })?.id;
    world.gossip(0.0);
    world.gossip(0.0);
    recall(&mut world, &id)?;
    world.gossip(0.0);
    world.gossip(0.0);
    assert_eq!(texts(&mut world, BOB, "alice")?, [""]);
    world.pass(Duration::from_secs(610));
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    assert!(texts(&mut world, ALICE, "bob")?.is_empty());
    Ok(())
}

#[test]
fn only_who_wrote_it_may_take_it_back() -> Result {
    let mut world = couple(116)?;
    let theirs = world.send(BOB, "alice", "bob's")?;
    world.settle()?;
    world.gossip(0.0);
    assert!(recall(&mut world, &theirs).is_err());
    assert!(recall(&mut world, &"00".repeat(16)).is_err());
    assert!(recall(&mut world, "nothing").is_err());
    let note = world.call(ALICE, WriteNote { request: NoteRequest { text: "note".into() } })?.id;
    assert!(recall(&mut world, &note).is_err());
    assert_eq!(texts(&mut world, ALICE, "bob")?, ["bob's"]);
    assert_eq!(texts(&mut world, BOB, "alice")?, ["bob's"]);
    Ok(())
}

/// What never left leaves nothing but the recall, which has its number.
#[test]
fn a_message_that_waits_for_keys_is_taken_back_before_it_is_sent() -> Result {
    let mut world = World::new(3, 117)?;
    let (alice, bob) = (world.init(0, "alice")?, world.init(1, "bob")?);
    world.add(0, &bob, "bob")?;
    world.add(1, &alice, "alice")?;
    let id = world.send(ALICE, "bob", "too early")?;
    world.send(ALICE, "bob", "after")?;
    assert_eq!(recall(&mut world, &id)?, Delivery::Recalled);
    assert_eq!(world.call(ALICE, GetMessage { id })?.state, Delivery::Recalled);
    world.settle()?;
    world.settle()?;
    world.gossip(0.0);
    assert_eq!(texts(&mut world, BOB, "alice")?, ["after"]);
    assert_eq!(lost(&mut world, BOB)?, 0);
    assert_eq!(world.call(ALICE, GetStatus {})?.outbox, Some(0));
    Ok(())
}

/// Someone unknown took back what was kept of theirs in a request.
#[test]
fn what_an_unknown_person_wrote_is_taken_back_and_ends_too() -> Result {
    let mut world = World::half_pair(118, 3)?;
    world.settle()?;
    let id = world.send(ALICE, "bob", "taken back")?;
    world.call(ALICE, SendText { request: timed("bob", "for an hour", Some(3600), None) })?;
    world.send(ALICE, "bob", "stays")?;
    world.settle()?;
    let requests = world.call(BOB, ListRequests {})?;
    assert_eq!(requests.requests[0].preview.as_deref(), Some("taken back"));
    recall(&mut world, &id)?;
    world.settle()?;
    let requests = world.call(BOB, ListRequests {})?;
    assert_eq!(requests.requests[0].preview.as_deref(), Some("for an hour"));
    world.pass(Duration::from_secs(3600));
    world.settle()?;
    let requests = world.call(BOB, ListRequests {})?;
    assert_eq!(requests.requests[0].preview.as_deref(), Some("stays"));
    let sender = requests.requests[0].id.clone();
    world.call(BOB, AcceptRequest { id: sender, name: "alice".into() })?;
    world.settle()?;
    assert_eq!(texts(&mut world, BOB, "alice")?, ["stays"]);
    Ok(())
}

/// On a network that is `mixed`, what is taken back may be on the stem.
#[test]
fn what_is_on_the_stem_is_taken_back() -> Result {
    let network = NetworkDescriptor { privacy: Some(Privacy::Mixed), ..Default::default() };
    let mut world = World::pair_on(119, 3, network)?;
    for _ in 0..3 {
        world.settle()?;
        world.gossip(0.0);
    }
    let id = world.send(ALICE, "bob", "oops")?;
    recall(&mut world, &id)?;
    for _ in 0..4 {
        world.gossip(0.0);
        world.settle()?;
    }
    let shown = texts(&mut world, BOB, "alice")?;
    assert!(shown.iter().all(String::is_empty), "{shown:?}");
    assert_eq!(world.call(ALICE, GetStatus {})?.outbox, Some(0));
    Ok(())
}
