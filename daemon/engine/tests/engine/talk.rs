//! What becomes of messages after they were written: replies, reactions, edits, read receipts; and conversations as a
//! whole.

use martlet_engine::command::{
    EditMessage, GetDraft, GetMessage, ListConversations, MarkRead, React, RecallMessage,
    SetContactNote, SetConversation, SetDraft, SetSettings, TypeTo,
};
use martlet_engine::observer::{Database, Dropped, Opening, State};
use martlet_protocol::MessageId;
use martlet_protocol::control::{
    ContactNote, ConversationChange, DraftRequest, EditRequest, Event, EventBody, Message,
    ReactionRequest, SettingsChange, Switch, TimerSetting,
};
use martlet_protocol::message::{Content, Edit, Emoji, Reaction, Read, Recall, Text};
use martlet_store::mailbox::{Acknowledged, Inserted};

use std::sync::{Mutex, PoisonError};

use crate::stranger::Stranger;
use crate::world::*;

const NAMES: [&str; 2] = ["bob", "alice"];

/// All that a node shows of the conversation with the other, with what edited messages said before.
fn history(world: &mut World, node: usize, with: &str) -> Result<Vec<Message>> {
    let query = HistoryQuery { limit: Some(1000), edits: true, ..HistoryQuery::default() };
    Ok(world.call(node, GetHistory { name: with.into(), query })?.messages)
}

fn react(world: &mut World, node: usize, id: &str, emoji: Option<&str>) -> Result<Message> {
    let request = emoji.map(|emoji| ReactionRequest { emoji: emoji.into() });
    world.call(node, React { id: id.into(), request })
}

fn edit(world: &mut World, node: usize, id: &str, text: &str) -> Result<Message> {
    let request = EditRequest { text: text.into() };
    world.call(node, EditMessage { id: id.into(), request })
}

fn reply(world: &mut World, node: usize, to: &str, text: &str, id: &str) -> Result<String> {
    let reply_to = Some(id.to_owned());
    let request =
        SendRequest { to: to.into(), text: text.into(), reply_to, ..SendRequest::default() };
    Ok(world.call(node, SendText { request })?.id)
}

fn last_seq(world: &mut World, node: usize) -> Result<u64> {
    Ok(world.call(node, ReadEvents { since: 0 })?.last_seq)
}

fn events_since(world: &mut World, node: usize, since: u64) -> Result<Vec<EventBody>> {
    let events = world.call(node, ReadEvents { since })?.events;
    Ok(events.into_iter().map(|event: Event| event.body).collect())
}

/// What both sides show alike: of each message the text, what it said before, and the reactions by who wrote them.
fn shown_to_both(messages: &[Message], is_mirrored: bool) -> Vec<String> {
    let mirror = |direction: Direction| match (direction, is_mirrored) {
        (Direction::In, true) => Direction::Out,
        (Direction::Out, true) => Direction::In,
        (direction, _) => direction,
    };
    let mut shown: Vec<String> = messages
        .iter()
        .map(|message| {
            let Message { id, text, edited_at, .. } = message;
            let before: Vec<_> = message.versions.iter().map(|it| (it.at, &it.text)).collect();
            let mut reactions: Vec<_> = message
                .reactions
                .iter()
                .map(|it| format!("{:?} {}", mirror(it.direction), it.emoji))
                .collect();
            reactions.sort();
            let reply = message.reply_to.as_ref().map(|reply| &reply.id);
            let direction = mirror(message.direction);
            format!("{id} {direction:?} {text} {edited_at:?} {before:?} {reactions:?} {reply:?}")
        })
        .collect();
    shown.sort();
    shown
}

#[test]
fn replies_reactions_and_edits_reach_the_other_side() -> Result {
    let mut world = World::pair(701, 3)?;
    world.settle()?;
    let question = world.send(0, "bob", "at seven?")?;
    world.settle()?;
    let since = [last_seq(&mut world, 0)?, last_seq(&mut world, 1)?];

    let answer = reply(&mut world, 1, "alice", "at eight", &question)?;
    react(&mut world, 1, &question, Some("👍"))?;
    let edited = edit(&mut world, 0, &question, "at nine?")?;
    assert_eq!((edited.text.as_str(), edited.edited_at), ("at nine?", Some(world.now)));
    world.settle()?;

    let alices = history(&mut world, 0, "bob")?;
    let bobs = history(&mut world, 1, "alice")?;
    assert_eq!(shown_to_both(&alices, false), shown_to_both(&bobs, true));
    assert_eq!(bobs.len(), 2, "deeds are no rows");
    let question_at_bobs = &bobs[0];
    assert_eq!(question_at_bobs.text, "at nine?");
    assert_eq!(question_at_bobs.versions[0].text, "at seven?");
    assert_eq!(question_at_bobs.reactions[0].emoji, "👍");
    assert_eq!(question_at_bobs.reactions[0].direction, Direction::Out);
    let quoted = alices[1].reply_to.clone().ok_or("an answer")?;
    assert_eq!((quoted.id.as_str(), quoted.direction), (question.as_str(), Some(Direction::Out)));
    assert_eq!(quoted.excerpt.as_deref(), Some("at nine?"), "as it is now");
    assert_eq!(alices[1].id, answer);
    assert!(alices.iter().all(|message| message.state != Delivery::Queued));

    let told = events_since(&mut world, 0, since[0])?;
    let is_reaction = |event: &&EventBody| {
        matches!(event, EventBody::MessageReaction { id, conversation, direction: Direction::In, emoji: Some(emoji), .. }
            if *id == question && conversation == "bob" && emoji == "👍")
    };
    assert_eq!(told.iter().filter(is_reaction).count(), 1, "{told:?}");
    let told = events_since(&mut world, 1, since[1])?;
    let is_edit = |event: &&EventBody| matches!(event, EventBody::MessageEdited { message } if message.text == "at nine?");
    assert_eq!(told.iter().filter(is_edit).count(), 1, "{told:?}");
    assert!(!told.iter().any(|event| matches!(event, EventBody::MessagesLost { .. })), "{told:?}");

    // Another reaction takes its place, none takes it away; without the edits the page is small.
    react(&mut world, 1, &question, Some("👎"))?;
    world.settle()?;
    assert_eq!(history(&mut world, 0, "bob")?[0].reactions[0].emoji, "👎");
    react(&mut world, 1, &question, None)?;
    world.settle()?;
    assert!(history(&mut world, 0, "bob")?[0].reactions.is_empty());
    let page = world.call(0, GetHistory { name: "bob".into(), query: HistoryQuery::default() })?;
    assert!(page.messages.iter().all(|message| message.versions.is_empty()));
    // All of it is delivered, and nothing is kept of how.
    assert_eq!(world.call(0, GetStatus {})?.outbox, Some(0));
    assert_eq!(world.call(1, GetStatus {})?.outbox, Some(0));
    Ok(())
}

#[test]
fn what_the_user_may_not_is_refused() -> Result {
    let mut world = World::pair(702, 2)?;
    world.settle()?;
    let mine = world.send(0, "bob", "mine")?;
    let theirs = world.send(1, "alice", "theirs")?;
    world.settle()?;
    assert!(edit(&mut world, 0, &theirs, "not theirs").is_err());
    assert!(edit(&mut world, 0, &mine, "").is_err());
    assert!(edit(&mut world, 0, &mine, &"x".repeat(20_000)).is_err());
    assert!(edit(&mut world, 0, &"ab".repeat(16), "nobody's").is_err());
    for bad in ["", " ", "a\nb", &"x".repeat(10_000)] {
        assert!(react(&mut world, 0, &mine, Some(bad)).is_err(), "{bad:?}");
    }
    for bad in ["", "zz", "xyzxyzxyz", "00000000", &mine[..5]] {
        assert!(react(&mut world, 0, bad, Some("+")).is_err(), "{bad:?}");
    }
    assert!(reply(&mut world, 0, "bob", "to nothing", &"ab".repeat(16)).is_err());
    assert!(history(&mut world, 0, "bob")?.iter().all(|message| message.reactions.is_empty()));
    // What changes nothing is told to nobody.
    let since = last_seq(&mut world, 0)?;
    edit(&mut world, 0, &mine, "mine")?;
    react(&mut world, 0, &mine, None)?;
    assert_eq!(events_since(&mut world, 0, since)?, []);
    assert_eq!(world.call(0, GetMessage { id: mine.clone() })?.text, "mine");
    Ok(())
}

/// Notes are edited and reacted to like anything, and nobody is told.
#[test]
fn notes_may_be_edited() -> Result {
    use martlet_engine::command::WriteNote;
    use martlet_protocol::control::NoteRequest;
    let mut world = World::pair(703, 2)?;
    world.settle()?;
    world.nodes[0].released = Released::default();
    let request = NoteRequest { text: "buy milk".into() };
    let id = world.call(0, WriteNote { request })?.id;
    assert_eq!(edit(&mut world, 0, &id, "buy bread")?.versions.len(), 0);
    let note = react(&mut world, 0, &id, Some("✓"))?;
    assert_eq!((note.text.as_str(), note.reactions[0].direction), ("buy bread", Direction::Note));
    assert!(world.nodes[0].released.publish.is_empty());
    assert_eq!(world.call(0, GetStatus {})?.outbox, Some(0));
    Ok(())
}

/// A reaction, an edit or a receipt on its way was counted among the messages that are not delivered.
#[test]
fn what_only_does_something_is_no_message_that_is_not_delivered() -> Result {
    let mut world = World::pair(706, 2)?;
    world.settle()?;
    let theirs = world.send(1, "alice", "theirs")?;
    world.settle()?;
    let mine = world.send(0, "bob", "mine")?;
    edit(&mut world, 0, &mine, "mine, edited")?;
    react(&mut world, 0, &theirs, Some("+"))?;
    react(&mut world, 0, &theirs, None)?;
    let outbox = |world: &mut World| {
        Ok::<_, Box<dyn std::error::Error>>(world.call(0, GetStatus {})?.outbox)
    };
    assert_eq!(outbox(&mut world)?, Some(1));
    world.crash(0)?;
    assert_eq!(outbox(&mut world)?, Some(1), "so it is when it is loaded");
    world.send(0, "bob", "another")?;
    assert_eq!(outbox(&mut world)?, Some(2));
    world.settle()?;
    assert_eq!(outbox(&mut world)?, Some(0));
    assert_eq!(world.call(1, GetStatus {})?.outbox, Some(0));
    Ok(())
}

/// A contact whose program sends what it likes, and the user's message in the conversation with them.
pub(crate) fn hostile(seed: u64) -> Result<(World, Stranger, MessageId)> {
    let mut world = World::new(1, seed)?;
    world.init(0, "bob")?;
    let stranger = Stranger::new(&mut world, 0)?;
    world.add(0, &stranger.identity().to_string(), "eve")?;
    let key = stranger.key(&mut world)?;
    world.bring(0, &[key])?;
    let own = world.send(0, "eve", "own")?.parse::<MessageId>()?;
    Ok((world, stranger, own))
}

pub(crate) fn emoji(target: MessageId, emoji: &str) -> Result<Content> {
    Ok(Content::Reaction(Reaction { target, emoji: Some(Emoji::new(emoji)?) }))
}

fn another(target: MessageId, text: &str) -> Result<Content> {
    Ok(Content::Edit(Edit { target, text: Text::new(text)? }))
}

#[test]
fn who_may_not_edit_changes_nothing() -> Result {
    let (mut world, mut eve, own) = hostile(704)?;
    let (_, hello) = eve.says(&world, Content::Text(Text::new("hello")?))?;
    let since = last_seq(&mut world, 0)?;
    let nobody = MessageId([9; 16]);
    let mut envelopes = vec![hello];
    for content in [
        another(own, "not by eve")?,
        another(nobody, "of nothing")?,
        emoji(nobody, "+")?,
        Content::Read(Read { up_to: nobody }),
        Content::Read(Read { up_to: MessageId([0xee; 16]) }),
    ] {
        envelopes.push(eve.says(&world, content)?.1);
    }
    world.bring(0, &envelopes)?;
    world.pass(Duration::from_secs(61));
    let told = events_since(&mut world, 0, since)?;
    assert!(matches!(&told[..], [EventBody::MessageReceived { .. }]), "{told:?}");
    let shown = history(&mut world, 0, "eve")?;
    let texts: Vec<_> = shown.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["own", "hello"]);
    assert!(shown.iter().all(|message| message.edited_at.is_none()));
    assert_eq!(world.call(0, ListConversations {})?.conversations[0].unread, 1);
    Ok(())
}

#[test]
fn what_comes_before_its_message_waits_for_it() -> Result {
    let (mut world, mut eve, _) = hostile(705)?;
    let (target, late) = eve.says(&world, Content::Text(Text::new("first")?))?;
    let edited = eve.says(&world, another(target, "second")?)?.1;
    let reacted = eve.says(&world, emoji(target, "+")?)?.1;
    let after = eve.says(&world, Content::Text(Text::new("after")?))?.1;
    // The message itself is lost on the way.
    world.bring(0, &[edited, reacted, after])?;
    world.pass(Duration::from_secs(61));
    let shown = history(&mut world, 0, "eve")?;
    assert_eq!(shown.last().map(|message| message.text.as_str()), Some("after"));
    let query = HistoryQuery::default();
    let lost = world.call(0, GetHistory { name: "eve".into(), query })?.lost;
    assert_eq!((lost[0].before.as_str(), lost[0].count), (shown[1].id.as_str(), 1));
    // It waits on disk, and through the day's chores.
    world.crash(0)?;
    world.pass(Duration::from_secs(2 * 24 * 3600));
    world.bring(0, &[late])?;
    let shown = history(&mut world, 0, "eve")?;
    let found = shown.iter().find(|message| message.id == target.to_string());
    let found = found.ok_or("it came")?;
    assert_eq!((found.text.as_str(), found.versions[0].text.as_str()), ("second", "first"));
    assert_eq!(found.reactions[0].emoji, "+");
    Ok(())
}

#[test]
fn what_never_gets_its_message_is_bounded_and_ends() -> Result {
    let (mut world, mut eve, _) = hostile(706)?;
    for number in 0..martlet_engine::limits::EARLY_MAX + 20 {
        // A session lasts for 128.
        if number % 100 == 99 {
            eve.begin_session(&mut world)?;
            let key = eve.key(&mut world)?;
            world.bring(0, &[key])?;
        }
        let mut target = [0xab; 16];
        target[..8].copy_from_slice(&u64::try_from(number)?.to_be_bytes());
        let envelope = eve.says(&world, another(MessageId(target), "another text")?)?.1;
        world.bring(0, &[envelope])?;
    }
    let waiting = |world: &mut World| -> Result<usize> {
        use martlet_store::records::EARLY;
        let mut count = 0;
        crate::stranger::in_vault(world, 0, |txn| {
            txn.for_each(&EARLY, |early| count += early.deeds.len())?;
            Ok(())
        })?;
        Ok(count)
    };
    assert_eq!(waiting(&mut world)?, martlet_engine::limits::EARLY_MAX);
    world.pass(Duration::from_secs(8 * 24 * 3600));
    world.pass(Duration::from_secs(24 * 3600));
    assert_eq!(waiting(&mut world)?, 0);
    Ok(())
}

/// A reaction of invisible characters alone was shown as nothing at all, between brackets.
#[test]
fn a_reaction_of_which_nothing_can_be_seen_is_refused_and_dropped() -> Result {
    let (mut world, mut eve, own) = hostile(709)?;
    for blank in ["\u{200b}", "\u{200d}\u{fe0f}", "\u{2800}", "\u{3164}", "\u{e0001} \u{ad}"] {
        let envelope = eve.says(&world, emoji(own, blank)?)?.1;
        world.bring(0, &[envelope])?;
        assert!(history(&mut world, 0, "eve")?[0].reactions.is_empty(), "{blank:?}");
        let refused = react(&mut world, 0, &own.to_string(), Some(blank)).err().ok_or("taken")?;
        assert!(refused.to_string().contains("can be seen"), "{refused}");
    }
    for seen in ["\u{2764}\u{fe0f}", "\u{1f468}\u{200d}\u{1f469}", "+1"] {
        let envelope = eve.says(&world, emoji(own, seen)?)?.1;
        world.bring(0, &[envelope])?;
        assert_eq!(history(&mut world, 0, "eve")?[0].reactions[0].emoji, seen);
        react(&mut world, 0, &own.to_string(), Some(seen))?;
    }
    Ok(())
}

/// Whoever edited a message that had been recalled was told that it was someone else's, and that they could react to it.
/// Reactions and replies were taken.
#[test]
fn what_is_to_be_done_with_a_recalled_message_is_refused() -> Result {
    let mut world = World::pair(710, 2)?;
    world.settle()?;
    let id = world.send(0, "bob", "oops")?;
    world.settle()?;
    world.call(0, RecallMessage { id: id.clone() })?;
    world.settle()?;
    for node in [0, 1] {
        let refused = [
            edit(&mut world, node, &id, "better").err().ok_or("edited")?,
            react(&mut world, node, &id, Some("+")).err().ok_or("reacted")?,
            reply(&mut world, node, NAMES[node], "what was it?", &id).err().ok_or("answered")?,
        ];
        for refused in refused {
            assert!(refused.to_string().contains("was recalled"), "{node}: {refused}");
        }
        assert!(react(&mut world, node, &id, None)?.reactions.is_empty(), "there is none");
        assert_eq!(history(&mut world, node, NAMES[node])?.len(), 1);
    }
    Ok(())
}

/// A reply says something: it is shown, whatever became of what it answers.
#[test]
fn a_reply_to_what_was_recalled_is_shown_without_it() -> Result {
    let mut world = World::pair(711, 2)?;
    world.settle()?;
    let id = world.send(0, "bob", "oops")?;
    world.settle()?;
    world.call(0, RecallMessage { id: id.clone() })?;
    // Bob has not heard of it.
    reply(&mut world, 1, "alice", "what?", &id)?;
    react(&mut world, 1, &id, Some("?"))?;
    world.settle()?;
    world.settle()?;
    for (node, name) in NAMES.into_iter().enumerate() {
        let shown = history(&mut world, node, name)?;
        let texts: Vec<_> = shown.iter().map(|message| message.text.as_str()).collect();
        assert_eq!(texts, ["", "what?"], "{node}");
        assert!(shown[0].reactions.is_empty(), "{node}");
        let quoted = shown[1].reply_to.clone().ok_or("a reply")?;
        let by = [Direction::Out, Direction::In][node];
        assert_eq!((quoted.direction, quoted.excerpt), (Some(by), None), "{node}");
    }
    Ok(())
}

/// What did nothing, and why.
#[derive(Debug, Default)]
struct DeedsDropped(Mutex<Vec<Dropped>>);

impl DeedsDropped {
    fn take(&self) -> Vec<Dropped> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for DeedsDropped {
    fn deed_dropped(&self, why: Dropped) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(why);
    }
    fn envelope(&self, _: Inserted, _: usize) {}
    fn opening(&self, _: Opening) {}
    fn statements_invalid(&self, _: usize) {}
    fn ack(&self, _: Acknowledged) {}
    fn quota(&self, _: u64) {}
    fn state(&self, _: &State) {}
    fn commit_begins(&self, _: Database) {}
    fn commit_ended(&self, _: Database, _: bool) {}
}

/// The message, its recall, a reaction and an edit, in each of the 24 orders.
#[test]
fn what_is_done_with_a_recalled_message_is_dropped_and_counted_in_any_order() -> Result {
    let mut orders = Vec::new();
    for a in 0..4 {
        for b in (0..4).filter(|b| *b != a) {
            let [c, d] = (0..4).filter(|c| *c != a && *c != b).collect::<Vec<_>>()[..] else {
                return Err("two are left".into());
            };
            orders.extend([[a, b, c, d], [a, b, d, c]]);
        }
    }
    const TEXT: usize = 0;
    const RECALL: usize = 1;
    const REACTION: usize = 2;
    for order in orders {
        let (mut world, mut eve, own) = hostile(712)?;
        let counts = Arc::new(DeedsDropped::default());
        world.observer = counts.clone();
        world.crash(0)?;
        let at = |what: usize| order.iter().position(|it| *it == what).ok_or("it is there");
        // Its id has its number, as all of Eve's.
        let mut target = [0xee; 16];
        target[8..].copy_from_slice(&(at(TEXT)? as u64 + 1).to_be_bytes());
        let target = MessageId(target);
        for what in order {
            let content = match what {
                TEXT => Content::Text(Text::new("secret")?),
                RECALL => Content::Recall(Recall { message: target }),
                REACTION => emoji(target, "+")?,
                _ => another(target, "another secret")?,
            };
            let envelope = eve.says(&world, content)?.1;
            world.bring(0, &[envelope])?;
            world.pass(TICK);
        }
        let shown = history(&mut world, 0, "eve")?;
        assert!(shown.iter().all(|it| ["own", ""].contains(&it.text.as_str())), "{order:?}");
        assert!(shown.iter().all(|it| it.reactions.is_empty() && it.versions.is_empty()));
        let is_late = |what: &usize| {
            let after =
                order.iter().position(|it| it == what) > order.iter().position(|it| *it == RECALL);
            *what > RECALL && (after || at(RECALL).ok() < at(TEXT).ok())
        };
        let late = order.iter().filter(|what| is_late(what)).count();
        let dropped = counts.take();
        assert_eq!(dropped.len(), late, "{order:?}: {dropped:?}");
        assert!(dropped.iter().all(|why| matches!(why, Dropped::Recalled | Dropped::Gone)));
        let count = |left: (usize, usize, usize)| (left.0, left.2);
        assert_eq!(count(left(&mut world, 0)?), (0, 0), "{order:?}: nothing of it is kept");

        // Bob takes back what he wrote.
        world.call(0, RecallMessage { id: own.to_string() })?;
        let envelope = eve.says(&world, emoji(own, "+")?)?.1;
        world.bring(0, &[envelope])?;
        assert!(history(&mut world, 0, "eve")?[0].reactions.is_empty());
        assert_eq!(counts.take(), [Dropped::Recalled]);
    }
    Ok(())
}

#[test]
fn a_hundred_reactions_of_one_are_one() -> Result {
    let (mut world, mut eve, own) = hostile(707)?;
    for n in 0..100 {
        let envelope = eve.says(&world, emoji(own, &format!("{n}"))?)?.1;
        world.bring(0, &[envelope])?;
    }
    let shown = history(&mut world, 0, "eve")?;
    assert_eq!(shown[0].reactions.len(), 1);
    assert_eq!(shown[0].reactions[0].emoji, "99");
    assert_eq!(world.call(0, ListConversations {})?.conversations[0].unread, 0);
    Ok(())
}

#[test]
fn who_reads_tells_once_and_only_if_it_is_on() -> Result {
    let mut world = World::pair(708, 3)?;
    world.settle()?;
    for text in ["one", "two", "three"] {
        world.send(0, "bob", text)?;
    }
    let bobs = world.send(1, "alice", "from bob")?;
    world.settle()?;
    let since = last_seq(&mut world, 0)?;
    world.nodes[1].released = Released::default();
    let read = |world: &mut World, node: usize, name: &str| {
        world.call(node, MarkRead { name: name.into() })
    };
    assert_eq!(read(&mut world, 1, "alice")?.marked, 3);
    let conversations = |envelope: &&Envelope| {
        Header::parse(&envelope.content).is_ok_and(|header| header.kind == Kind::Conversation)
    };
    let sent = world.nodes[1].released.publish.iter().filter(conversations).count();
    assert_eq!(sent, 1, "one receipt for all of them");
    // Nothing is unread: nothing is told.
    assert_eq!(read(&mut world, 1, "alice")?.marked, 0);
    world.settle()?;
    let expected = with_state(&["one", "two", "three"], Delivery::Read);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, expected);
    let told = events_since(&mut world, 0, since)?;
    let receipts = told.iter().filter(|event| matches!(event, EventBody::MessageRead { .. }));
    assert_eq!(receipts.count(), 1, "{told:?}");
    assert_eq!(world.call(0, ListConversations {})?.conversations[0].unread, 1, "only bob's text");

    // Alice does not tell, in this conversation, and is not told.
    let change = ConversationChange { receipts: Some(Switch::Off), ..Default::default() };
    let settings = world.call(0, SetConversation { name: "bob".into(), change })?;
    assert_eq!((settings.receipts, settings.typing), (Switch::Off, Switch::Default));
    world.send(0, "bob", "four")?;
    world.settle()?;
    read(&mut world, 0, "bob")?;
    read(&mut world, 1, "alice")?;
    world.settle()?;
    let last = world.texts(0, "bob", Direction::Out)?.pop();
    assert_eq!(last, Some(("four".into(), Delivery::Delivered)));
    assert_eq!(world.call(1, GetMessage { id: bobs })?.state, Delivery::Delivered);
    // Nor, by their settings for all, does bob.
    let change = SettingsChange { receipts: Some(false), ..Default::default() };
    assert!(!world.call(1, SetSettings { change })?.receipts);
    let change = ConversationChange { receipts: Some(Switch::Default), ..Default::default() };
    world.call(0, SetConversation { name: "bob".into(), change })?;
    world.send(0, "bob", "five")?;
    world.settle()?;
    world.crash(1)?;
    world.nodes[1].released = Released::default();
    read(&mut world, 1, "alice")?;
    assert!(world.nodes[1].released.publish.is_empty());
    Ok(())
}

/// A deed that waits for keys goes with the messages, in their order, and after a crash.
#[test]
fn deeds_wait_for_keys_as_messages_do() -> Result {
    let mut world = World::pair(709, 3)?;
    let id = world.send(0, "bob", "one")?;
    edit(&mut world, 0, &id, "two")?;
    react(&mut world, 0, &id, Some("+"))?;
    world.send(0, "bob", "three")?;
    world.crash(0)?;
    world.settle()?;
    world.settle()?;
    let bobs = history(&mut world, 1, "alice")?;
    let texts: Vec<_> = bobs.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["two", "three"]);
    assert_eq!(bobs[0].versions[0].text, "one");
    assert_eq!(bobs[0].reactions.len(), 1);
    let alices = history(&mut world, 0, "bob")?;
    assert!(alices.iter().all(|message| message.state == Delivery::Delivered));
    Ok(())
}

/// Whatever both do, and whatever the network loses: once all has come both see the same.
#[test]
fn both_sides_end_with_the_same_conversation() -> Result {
    for seed in 720..732 {
        let mut world = World::pair(seed, 3)?;
        let mut plan = ChaCha20Rng::seed_from_u64(seed);
        let mut ids: Vec<(usize, String)> = Vec::new();
        for step in 0..120 {
            let node = plan.random_range(0..2usize);
            let which = plan.random_range(0..ids.len().max(1));
            match (plan.random_range(0..20), ids.get(which).cloned()) {
                (0..4, _) | (4..12, None) => {
                    ids.push((node, world.send(node, NAMES[node], &format!("{seed} {step}"))?));
                }
                (4..7, Some((by, id))) => {
                    edit(&mut world, by, &id, &format!("{seed} {step}"))?;
                }
                (7..11, Some((_, id))) => {
                    let emoji = ["+", "-", "x"][plan.random_range(0..3)];
                    let emoji = plan.random_bool(0.7).then_some(emoji);
                    // It may not have come to this side.
                    let _ = react(&mut world, node, &id, emoji);
                }
                (11, _) => {
                    world.call(node, MarkRead { name: NAMES[node].into() })?;
                }
                (12..16, _) => world.gossip(0.3),
                (16, _) => world.sync(node, 2)?,
                (17, _) => world.crash(plan.random_range(0..3))?,
                (18, _) => world.pass(Duration::from_secs(15)),
                _ => world.pass(Duration::from_millis(300)),
            }
        }
        for _ in 0..3 {
            world.settle()?;
        }
        let alices = history(&mut world, 0, "bob")?;
        let bobs = history(&mut world, 1, "alice")?;
        assert_eq!(shown_to_both(&alices, false), shown_to_both(&bobs, true), "seed {seed}");
        assert_eq!(alices.len(), ids.len(), "seed {seed}");
        assert_eq!(world.call(0, GetStatus {})?.outbox, Some(0), "seed {seed}");
        for (node, name) in NAMES.into_iter().enumerate() {
            world.call(node, MarkRead { name: name.into() })?;
        }
        world.settle()?;
        for (node, name) in NAMES.into_iter().enumerate() {
            let states = world.texts(node, name, Direction::Out)?;
            assert!(states.iter().all(|(_, state)| *state == Delivery::Read), "seed {seed}");
        }
    }
    Ok(())
}

#[test]
fn conversations_are_listed_with_the_newest_first() -> Result {
    let mut world = World::new(4, 710)?;
    let bob = world.init(0, "bob")?;
    for (node, name) in [(1, "ann"), (2, "cleo"), (3, "dora")] {
        let id = world.init(node, name)?;
        world.add(0, &id, name)?;
        world.add(node, &bob, "bob")?;
    }
    world.settle()?;
    world.send(1, "bob", &"long ".repeat(100))?;
    world.settle()?;
    world.send(2, "bob", "from cleo")?;
    world.settle()?;
    let list = |world: &mut World| world.call(0, ListConversations {});
    let names = |world: &mut World| -> Result<Vec<String>> {
        Ok(list(world)?.conversations.into_iter().map(|it| it.name).collect())
    };
    assert_eq!(names(&mut world)?, ["cleo", "ann", "dora"]);
    let shown = list(&mut world)?.conversations;
    let last = shown[1].last.as_ref().ok_or("a message")?;
    assert_eq!((last.direction, last.text.chars().count()), (Direction::In, 80));
    assert_eq!((shown[1].unread, &shown[2].last, shown[2].last_at), (1, &None, None));

    let pin = ConversationChange { pinned: Some(true), muted: Some(true), ..Default::default() };
    world.call(0, SetConversation { name: "dora".into(), change: pin })?;
    let request = Some(DraftRequest { text: "half a".into() });
    world.call(0, SetDraft { name: "dora".into(), request })?;
    let request = Some(DraftRequest { text: "x".repeat(1 << 20) });
    assert!(world.call(0, SetDraft { name: "dora".into(), request }).is_err());
    let request = ContactNote { text: "met at the pier".into() };
    let noted = world.call(0, SetContactNote { name: "dora".into(), request })?;
    assert_eq!(noted.note.as_deref(), Some("met at the pier"));
    let request = ContactNote { text: "x".repeat(4097) };
    assert!(world.call(0, SetContactNote { name: "dora".into(), request }).is_err());
    let change = SettingsChange { snippets: Some(false), ..Default::default() };
    world.call(0, SetSettings { change })?;
    world.crash(0)?;
    let shown = list(&mut world)?.conversations;
    assert_eq!(names(&mut world)?, ["dora", "cleo", "ann"]);
    assert!(shown[0].settings.muted && shown[0].settings.pinned && shown[0].draft);
    assert!(shown.iter().all(|conversation| conversation.last.is_none()), "snippets are off");
    let draft = world.call(0, GetDraft { name: "dora".into() })?;
    assert_eq!(draft.text.as_deref(), Some("half a"));

    // Whoever is removed and added again is someone new.
    let dora = world.id_of(3)?;
    world.call(0, RemoveContact { name: "dora".into() })?;
    world.add(0, &dora, "dora")?;
    let shown = list(&mut world)?.conversations;
    let dora = shown.iter().find(|it| it.name == "dora").ok_or("dora")?;
    assert!(!dora.draft && !dora.settings.pinned && !dora.settings.muted);
    assert_eq!(world.call(0, GetDraft { name: "dora".into() })?.text, None);
    Ok(())
}

#[test]
fn of_a_removed_conversation_nothing_is_left() -> Result {
    use martlet_store::records::{DEEDS, MARKS};
    let mut world = World::pair(711, 2)?;
    world.settle()?;
    let id = world.send(0, "bob", "one")?;
    world.settle()?;
    edit(&mut world, 0, &id, "two")?;
    react(&mut world, 0, &id, Some("+"))?;
    let count = |world: &mut World| -> Result<(usize, usize)> {
        let mut found = (0, 0);
        crate::stranger::in_vault(world, 0, |txn| {
            found = (txn.scan(&MARKS)?.len(), txn.scan(&DEEDS)?.len());
            Ok(())
        })?;
        Ok(found)
    };
    assert_eq!(count(&mut world)?, (1, 2));
    world.call(0, RemoveContact { name: "bob".into() })?;
    world.pass(Duration::from_secs(1));
    assert_eq!(count(&mut world)?, (0, 0));
    Ok(())
}

#[test]
fn typing_is_told_in_passing() -> Result {
    let mut world = World::pair(712, 2)?;
    world.settle()?;
    world.nodes[1].released = Released::default();
    let before = last_seq(&mut world, 0)?;
    for _ in 0..10 {
        world.call(1, TypeTo { name: "alice".into() })?;
    }
    assert_eq!(world.nodes[1].released.publish.len(), 1, "one in five seconds");
    world.gossip(0.0);
    assert_eq!(last_seq(&mut world, 0)?, before, "it is in no log");
    let told = std::mem::take(&mut world.nodes[0].released.events);
    let typing = EventBody::Typing { conversation: "bob".into() };
    assert!(told.iter().any(|event| event.body == typing && event.seq == before), "{told:?}");
    assert!(history(&mut world, 0, "bob")?.is_empty());
    assert_eq!(world.call(1, GetStatus {})?.outbox, Some(0));

    let change = SettingsChange { typing: Some(false), ..Default::default() };
    world.call(0, SetSettings { change })?;
    world.elapse(Duration::from_secs(6));
    world.call(1, TypeTo { name: "alice".into() })?;
    world.gossip(0.0);
    let told = std::mem::take(&mut world.nodes[0].released.events);
    assert!(told.iter().all(|event| event.body != typing), "{told:?}");
    world.call(0, TypeTo { name: "bob".into() })?;
    assert!(world.nodes[0].released.publish.is_empty(), "who does not want to know does not tell");
    Ok(())
}

/// What a node's vault has of marks, own deeds, and deeds that wait for their message.
fn left(world: &mut World, node: usize) -> Result<(usize, usize, usize)> {
    use martlet_store::records::{DEEDS, EARLY, MARKS};
    let mut found = (0, 0, 0);
    crate::stranger::in_vault(world, node, |txn| {
        found = (txn.scan(&MARKS)?.len(), txn.scan(&DEEDS)?.len(), txn.scan(&EARLY)?.len());
        Ok(())
    })?;
    Ok(found)
}

/// What a message that is taken back said before, or was to say, is nowhere any more; and nobody waits for the numbers of
/// edits that were on their way.
#[test]
fn edits_go_with_a_message_that_is_taken_back() -> Result {
    for (seed, is_delivered) in [(713, true), (714, false)] {
        let mut world = World::pair(seed, 3)?;
        world.settle()?;
        world.send(0, "bob", "first")?;
        let id = world.send(0, "bob", "one")?;
        if is_delivered {
            world.settle()?;
            edit(&mut world, 0, &id, "two")?;
            react(&mut world, 1, &id, Some("+"))?;
            world.settle()?;
        }
        // This one is on its way.
        edit(&mut world, 0, &id, "three")?;
        react(&mut world, 0, &id, Some("-"))?;
        world.call(0, RecallMessage { id: id.clone() })?;
        world.send(0, "bob", "last")?;
        world.settle()?;
        world.settle()?;
        assert!(edit(&mut world, 0, &id, "four").is_err());
        let shown = history(&mut world, 0, "bob")?;
        let recalled = shown.iter().find(|message| message.id == id).ok_or("its place")?;
        assert_eq!((recalled.state, recalled.text.as_str()), (Delivery::Recalled, ""));
        assert!(recalled.versions.is_empty() && recalled.edited_at.is_none(), "{recalled:?}");
        let shown = history(&mut world, 1, "alice")?;
        let texts: Vec<_> = shown.iter().map(|message| message.text.as_str()).collect();
        let expected: &[_] = if is_delivered { &["first", "", "last"] } else { &["first", "last"] };
        assert_eq!(texts, expected, "seed {seed}");
        for node in 0..2 {
            let told = events_since(&mut world, node, 0)?;
            let is_lost = |event: &&EventBody| matches!(event, EventBody::MessagesLost { .. });
            assert_eq!(told.iter().filter(is_lost).count(), 0, "seed {seed}");
        }
        // A reaction of after the recall stays at most, and no text.
        let (_, deeds, early) = left(&mut world, 0)?;
        assert_eq!((deeds, early), (0, 0), "seed {seed}");
        assert_eq!(world.call(0, GetStatus {})?.outbox, Some(0), "seed {seed}");
    }
    Ok(())
}

#[test]
fn edits_end_with_their_message() -> Result {
    let mut world = World::pair(715, 3)?;
    world.settle()?;
    let expire_seconds = Some(TimerSetting::Seconds(3600));
    let (to, text) = ("bob".into(), "one".into());
    let request = SendRequest { to, text, expire_seconds, ..SendRequest::default() };
    let id = world.call(0, SendText { request })?.id;
    world.settle()?;
    edit(&mut world, 0, &id, "two")?;
    react(&mut world, 1, &id, Some("+"))?;
    world.settle()?;
    assert_eq!(history(&mut world, 1, "alice")?[0].versions[0].text, "one");
    assert_eq!(left(&mut world, 1)?.0, 1);
    // One more that nobody gets in time.
    edit(&mut world, 0, &id, "three")?;
    for _ in 0..3 {
        world.pass(Duration::from_secs(3600));
    }
    for (node, name) in NAMES.into_iter().enumerate() {
        assert!(history(&mut world, node, name)?.is_empty(), "{name}");
        assert_eq!(left(&mut world, node)?, (0, 0, 0), "{name}");
    }
    world.settle()?;
    assert!(history(&mut world, 1, "alice")?.is_empty());
    Ok(())
}
