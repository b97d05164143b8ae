//! Messages that end: by their timers, whatever the clocks do.

use martlet_engine::command::{
    Block, ClearConversation, DeleteMessage, GetMessage, GetTimers, MarkRead, SetTimers, Unblock,
};
use martlet_engine::limits::UNFINISHED_PER_BATCH_MAX;
use martlet_protocol::control::{
    ConversationTimers, EndedReason, EventBody, Message, Off, TimerSetting, TimersRequest,
};

use martlet_protocol::message::{Content, Timers};

use crate::world::*;

const HOUR: Duration = Duration::from_secs(3600);
const HOUR_MS: i64 = 3_600_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

const ALICE: usize = 0;
const BOB: usize = 1;

pub(crate) fn timed(to: &str, text: &str, expire: Option<i64>, burn: Option<i64>) -> SendRequest {
    let mut request = SendRequest { to: to.into(), text: text.into(), ..SendRequest::default() };
    request.expire_seconds = expire.map(TimerSetting::Seconds);
    request.burn_seconds = burn.map(TimerSetting::Seconds);
    request
}

fn send(world: &mut World, text: &str, expire: Option<i64>, burn: Option<i64>) -> Result<String> {
    Ok(world.call(ALICE, SendText { request: timed("bob", text, expire, burn) })?.id)
}

pub(crate) fn read(world: &mut World, node: usize, name: &str) -> Result {
    world.call(node, MarkRead { name: name.into() })?;
    Ok(())
}

/// Everything that is to be seen of a conversation.
pub(crate) fn seen(world: &mut World, node: usize, name: &str) -> Result<Vec<Message>> {
    let query = HistoryQuery { limit: Some(1000), ..HistoryQuery::default() };
    Ok(world.call(node, GetHistory { name: name.into(), query })?.messages)
}

pub(crate) fn texts(world: &mut World, node: usize, name: &str) -> Result<Vec<String>> {
    Ok(seen(world, node, name)?.into_iter().map(|message| message.text).collect())
}

/// Why messages ended, in order.
pub(crate) fn ended(world: &mut World, node: usize) -> Result<Vec<(String, EndedReason)>> {
    let events = world.call(node, ReadEvents { since: 0 })?.events;
    let ended = events.into_iter().filter_map(|event| match event.body {
        EventBody::MessageEnded { id, reason, .. } => Some((id, reason)),
        _ => None,
    });
    Ok(ended.collect())
}

/// Alice and Bob, who have each other's keys, and a node between them.
pub(crate) fn couple(seed: u64) -> Result<World> {
    let mut world = World::pair(seed, 3)?;
    world.settle()?;
    world.send(ALICE, "bob", "hello")?;
    world.settle()?;
    world.gossip(0.0);
    for (node, name) in [(ALICE, "bob"), (BOB, "alice")] {
        world.call(node, ClearConversation { name: name.into() })?;
    }
    Ok(world)
}

#[test]
fn a_message_ends_on_both_sides_when_its_time_is_over() -> Result {
    let mut world = couple(70)?;
    let id = send(&mut world, "for an hour", Some(3600), None)?;
    let stays = send(&mut world, "for ever", None, None)?;
    world.settle()?;
    world.gossip(0.0);
    for (node, name) in [(ALICE, "bob"), (BOB, "alice")] {
        let all = seen(&mut world, node, name)?;
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!((all[0].expire_seconds, all[0].burn_seconds), (Some(3600), None));
        assert_eq!(all[0].ends_at, Some(all[0].sent_at.plus(HOUR)));
        assert_eq!(all[1].ends_at, None);
    }
    world.pass(Duration::from_secs(3400));
    assert_eq!(texts(&mut world, BOB, "alice")?.len(), 2);
    world.pass(Duration::from_secs(120));
    world.settle()?;
    for (node, name) in [(ALICE, "bob"), (BOB, "alice")] {
        assert_eq!(texts(&mut world, node, name)?, ["for ever"], "node {node}");
        assert!(world.call(node, GetMessage { id: id.clone() }).is_err());
        assert_eq!(ended(&mut world, node)?, [(id.clone(), EndedReason::Expired)]);
        world.crash(node)?;
        assert_eq!(texts(&mut world, node, name)?, ["for ever"]);
    }
    assert_eq!(world.call(BOB, GetStatus {})?.unread, Some(1), "what is gone counts no more");
    // Told as what it was: it can't be told any more.
    let told = world.call(BOB, ReadEvents { since: 0 })?.events;
    let received: Vec<_> = told
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::MessageReceived { message } => Some(message.id.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(received, [stays]);
    Ok(())
}

#[test]
fn a_message_burns_from_when_it_is_read_and_not_before() -> Result {
    let mut world = couple(71)?;
    let id = send(&mut world, "burn", None, Some(30))?;
    world.settle()?;
    world.gossip(0.0);
    // Alice's own copy burns from when it is delivered: it is not needed any more.
    world.pass(Duration::from_secs(31));
    assert!(texts(&mut world, ALICE, "bob")?.is_empty());
    world.pass(10 * DAY);
    assert_eq!(seen(&mut world, BOB, "alice")?[0].ends_at, None);
    read(&mut world, BOB, "alice")?;
    let ends = seen(&mut world, BOB, "alice")?[0].ends_at;
    assert_eq!(ends, Some(world.now.plus(Duration::from_secs(30))));
    world.pass(Duration::from_secs(20));
    // When it was read is kept, and reading it again changes nothing.
    world.crash(BOB)?;
    read(&mut world, BOB, "alice")?;
    world.sync(BOB, 2)?;
    assert_eq!(texts(&mut world, BOB, "alice")?, ["burn"]);
    world.pass(Duration::from_secs(11));
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    assert_eq!(ended(&mut world, BOB)?, [(id, EndedReason::Burned)]);
    Ok(())
}

#[test]
fn a_message_never_burns_later_than_it_expires() -> Result {
    let mut world = couple(72)?;
    send(&mut world, "soon", Some(60), Some(3600))?;
    world.gossip(0.0);
    read(&mut world, BOB, "alice")?;
    assert_eq!(texts(&mut world, BOB, "alice")?, ["soon"]);
    world.pass(Duration::from_secs(62));
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    assert_eq!(ended(&mut world, BOB)?[0].1, EndedReason::Expired);
    Ok(())
}

/// What nobody has got when its time is over is sent no more, and no mailbox has it after its hour.
#[test]
fn a_message_that_is_not_delivered_in_time_expires_and_leaves_the_mailboxes() -> Result {
    let mut world = couple(73)?;
    let before = world.call(2, GetStatus {})?.mailbox.envelopes;
    send(&mut world, "for a minute", Some(60), None)?;
    send(&mut world, "for six days", Some(518_400), None)?;
    world.sync(ALICE, 2)?;
    assert!(world.call(2, GetStatus {})?.mailbox.envelopes >= before + 2);
    assert_eq!(world.call(ALICE, GetStatus {})?.outbox, Some(2));
    world.pass(Duration::from_secs(62));
    assert_eq!(texts(&mut world, ALICE, "bob")?, ["for six days"]);
    assert_eq!(world.call(ALICE, GetStatus {})?.outbox, Some(1));
    let events = world.call(ALICE, ReadEvents { since: 0 })?.events;
    let told = |event: &&martlet_protocol::control::Event| {
        matches!(event.body, EventBody::MessageEnded { reason: EndedReason::Expired, .. })
    };
    assert_eq!(events.iter().filter(told).count(), 1);
    let with = world.call(2, GetStatus {})?.mailbox.envelopes;
    world.pass(HOUR);
    world.sync(ALICE, 2)?;
    world.pass(Duration::from_secs(61));
    assert_eq!(world.call(2, GetStatus {})?.mailbox.envelopes, with - 1, "its hour is over");
    // Bob comes, and gets what is left.
    world.settle()?;
    world.gossip(0.0);
    assert_eq!(texts(&mut world, BOB, "alice")?, ["for six days"]);
    Ok(())
}

/// It comes when it is over: it is acknowledged, and never shown.
#[test]
fn what_comes_too_late_is_acknowledged_and_not_shown() -> Result {
    let mut world = couple(74)?;
    let id = send(&mut world, "late", Some(600), None)?;
    world.sync(ALICE, 2)?;
    // Alice is off: nothing tells her that it has expired before the ack comes.
    world.elapse(Duration::from_secs(700));
    world.run(BOB, vec![Input::Tick]);
    world.run(2, vec![Input::Tick]);
    let last = world.call(BOB, ReadEvents { since: 0 })?.last_seq;
    let acks = world.nodes[BOB].released.acks.len();
    world.sync(BOB, 2)?;
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    assert!(world.call(BOB, GetMessage { id }).is_err());
    assert_eq!(world.call(BOB, GetStatus {})?.unread, Some(0));
    assert_eq!(world.call(BOB, ReadEvents { since: 0 })?.last_seq, last, "nothing is told");
    assert!(world.nodes[BOB].released.acks.len() > acks, "it is acknowledged");
    world.crash(BOB)?;
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    Ok(())
}

#[test]
fn timers_out_of_bounds_are_refused_and_nothing_is_sent() -> Result {
    let mut world = couple(75)?;
    for seconds in [0, -1, 518_401, i64::MAX, i64::MIN] {
        for (expire, burn) in [(Some(seconds), None), (None, Some(seconds))] {
            let refused = send(&mut world, "x", expire, burn).expect_err("refused").to_string();
            assert!(refused.contains("must be 1 to 518400"), "{refused}");
            let request = TimersRequest {
                expire_seconds: expire.map(TimerSetting::Seconds),
                burn_seconds: burn.map(TimerSetting::Seconds),
            };
            let refused = world.call(ALICE, SetTimers { name: "bob".into(), request });
            assert!(refused.is_err());
        }
    }
    assert!(texts(&mut world, ALICE, "bob")?.is_empty());
    Ok(())
}

fn set(world: &mut World, node: usize, name: &str, expire: TimerSetting) -> Result {
    let request = TimersRequest { expire_seconds: Some(expire), burn_seconds: None };
    world.call(node, SetTimers { name: name.into(), request })?;
    Ok(())
}

fn timers(world: &mut World, node: usize, name: &str) -> Result<ConversationTimers> {
    world.call(node, GetTimers { name: name.into() })
}

#[test]
fn a_conversations_timers_hold_for_both_and_each_message_may_have_others() -> Result {
    let mut world = couple(76)?;
    set(&mut world, ALICE, "bob", TimerSetting::Seconds(3600))?;
    world.settle()?;
    world.gossip(0.0);
    let hour = ConversationTimers { expire_seconds: Some(3600), burn_seconds: None };
    for (node, name) in [(ALICE, "bob"), (BOB, "alice")] {
        assert_eq!(timers(&mut world, node, name)?, hour);
        let all = seen(&mut world, node, name)?;
        assert_eq!(all.len(), 1, "both see the change");
        assert_eq!(all[0].text, "set messages to end after 1 h");
        assert_eq!((all[0].sets_timers, all[0].ends_at), (Some(hour), None));
    }
    world.send(BOB, "alice", "as it is set")?;
    world.call(
        BOB,
        SendText {
            request: SendRequest {
                expire_seconds: Some(TimerSetting::OFF),
                burn_seconds: Some(TimerSetting::Seconds(3600)),
                ..timed("alice", "of its own", None, None)
            },
        },
    )?;
    world.settle()?;
    world.gossip(0.0);
    let all = seen(&mut world, ALICE, "bob")?;
    assert_eq!((all[1].expire_seconds, all[1].burn_seconds), (Some(3600), None));
    assert_eq!((all[2].expire_seconds, all[2].burn_seconds), (None, Some(3600)));
    // The same again says nothing.
    set(&mut world, BOB, "alice", TimerSetting::Seconds(3600))?;
    assert_eq!(seen(&mut world, BOB, "alice")?.len(), 3);
    world.crash(ALICE)?;
    assert_eq!(timers(&mut world, ALICE, "bob")?, hour);
    Ok(())
}

/// Both set them while they don't see each other.
#[test]
fn both_sides_agree_whoever_set_the_timers() -> Result {
    for (seed, ahead_ms) in [(77, 0), (78, HOUR_MS), (79, -HOUR_MS)] {
        let mut world = couple(seed)?;
        world.nodes[BOB].ahead_ms = ahead_ms;
        set(&mut world, ALICE, "bob", TimerSetting::Seconds(60))?;
        set(&mut world, BOB, "alice", TimerSetting::Seconds(120))?;
        world.settle()?;
        world.gossip(0.0);
        let first = timers(&mut world, ALICE, "bob")?;
        assert_eq!(first, timers(&mut world, BOB, "alice")?, "{ahead_ms}");
        // Whoever sets them now has the last word, though the other's clock was ahead.
        for (node, name, seconds) in [(ALICE, "bob", 180), (BOB, "alice", 240)] {
            set(&mut world, node, name, TimerSetting::Seconds(seconds))?;
            world.settle()?;
            world.gossip(0.0);
            for (node, name) in [(ALICE, "bob"), (BOB, "alice")] {
                let are = timers(&mut world, node, name)?.expire_seconds;
                assert_eq!(are.map(i64::from), Some(seconds), "{ahead_ms}");
            }
        }
    }
    Ok(())
}

/// Both set them within a second, before they see what the other did.
#[test]
fn both_sides_agree_on_timers_that_were_set_within_a_second() -> Result {
    for seed in 0..30 {
        let mut world = couple(1000 + seed)?;
        for _ in 0..world.rng.random_range(2..7) {
            let seconds = 60 * world.rng.random_range(1..5);
            match world.rng.random_bool(0.5) {
                true => set(&mut world, ALICE, "bob", TimerSetting::Seconds(seconds))?,
                false => set(&mut world, BOB, "alice", TimerSetting::Seconds(seconds))?,
            }
            match world.rng.random_range(0..8) {
                0 => world.gossip(0.3),
                1 => world.sync(ALICE, BOB)?,
                2 => world.crash(ALICE)?,
                _ => {}
            }
            let elapsed = Duration::from_millis(world.rng.random_range(0..200));
            world.elapse(elapsed);
        }
        for _ in 0..2 {
            world.settle()?;
            world.gossip(0.0);
        }
        let at_alices = timers(&mut world, ALICE, "bob")?;
        assert_eq!(at_alices, timers(&mut world, BOB, "alice")?, "seed {seed}");
        let sets = |messages: Vec<Message>| {
            let mut texts: Vec<_> = messages.into_iter().map(|message| message.text).collect();
            texts.sort();
            texts
        };
        let shown = sets(seen(&mut world, ALICE, "bob")?);
        assert_eq!(shown, sets(seen(&mut world, BOB, "alice")?), "seed {seed}");
    }
    Ok(())
}

/// Clocks are off by hours, and jump; people block each other, crash, and are away for longer than a session or an envelope
/// lasts; what is written in the same millisecond crosses.
#[test]
fn both_sides_agree_on_timers_whatever_the_clocks() -> Result {
    for seed in 0..24 {
        agree_at_random(2000 + seed).map_err(|error| format!("seed {seed}: {error}"))?;
    }
    Ok(())
}

fn agree_at_random(seed: u64) -> Result {
    const SIDES: [(usize, &str); 2] = [(ALICE, "bob"), (BOB, "alice")];
    let mut world = couple(seed)?;
    let mut plan = ChaCha20Rng::seed_from_u64(seed);
    let clocks =
        [0, 0, HOUR_MS, -HOUR_MS, 110 * 60_000, 5 * HOUR_MS, -5 * HOUR_MS, 400 * 24 * HOUR_MS];
    for _ in 0..30 {
        let (node, name) = SIDES[plan.random_range(0..2)];
        match plan.random_range(0..20) {
            0..7 => {
                let seconds = 60 * plan.random_range(1..9);
                // Who is blocked is not written to.
                let _ = set(&mut world, node, name, TimerSetting::Seconds(seconds));
            }
            7 => {
                let _ = world.send(node, name, "hello");
            }
            8 => world.nodes[node].ahead_ms = clocks[plan.random_range(0..clocks.len())],
            9 => {
                // With the clock set anew, as after a start with a battery that was empty.
                world.nodes[node].ahead_ms = clocks[plan.random_range(0..clocks.len())];
                world.crash(node)?;
            }
            10 => world.crash(node)?,
            11 => {
                world.call(node, Block { who: name.into() })?;
            }
            12 | 13 => {
                let _ = world.call(node, Unblock { who: name.into() });
            }
            14 => world.gossip(0.5),
            15 => world.sync(node, 2)?,
            16 => world.sync(ALICE, BOB)?,
            17 => world.pass(Duration::from_secs(plan.random_range(1..100))),
            18 => world.pass(plan.random_range(1..8) * DAY),
            _ => world.elapse(Duration::from_millis(plan.random_range(0..3))),
        }
    }
    for (node, name) in SIDES {
        world.nodes[node].ahead_ms = 0;
        let _ = world.call(node, Unblock { who: name.into() });
        world.crash(node)?;
    }
    // What was sent to who had blocked its author is never delivered: it ends.
    let mut days = 0;
    loop {
        for (node, name) in SIDES {
            // One that may end before it is delivered tells nobody anything.
            let mut request = timed(name, "all is well again", None, None);
            request.expire_seconds = Some(TimerSetting::Off(Off::Off));
            world.call(node, SendText { request })?;
        }
        (0..3).try_for_each(|_| world.settle())?;
        let left = SIDES.map(|(node, _)| world.call(node, GetStatus {}).map(|it| it.outbox));
        if left.into_iter().all(|left| left.ok() == Some(Some(0))) {
            break;
        }
        assert!(days < 9, "seed {seed}: something is never delivered");
        days += 1;
        world.pass(DAY);
    }
    let at_alices = timers(&mut world, ALICE, "bob")?;
    assert_eq!(at_alices, timers(&mut world, BOB, "alice")?, "seed {seed}");
    // Whoever sets them now has the last word.
    for (at, (node, name)) in (0..).zip(SIDES) {
        set(&mut world, node, name, TimerSetting::Seconds(1000 + at))?;
        world.settle()?;
        for (node, name) in SIDES {
            let are = timers(&mut world, node, name)?.expire_seconds;
            assert_eq!(are.map(i64::from), Some(1000 + at), "seed {seed}: {name}");
        }
    }
    Ok(())
}

/// Who says that they set timers at the end of time has no last word on this side.
#[test]
fn timers_from_the_end_of_time_can_be_set_anew() -> Result {
    let (mut world, mut eve, _) = crate::talk::hostile(193)?;
    let forever = Content::Timers(Timers { expire_s: Some(9), burn_s: None });
    let (_, envelope) = eve.says_at(&world, UnixMillis(u64::MAX), forever)?;
    world.bring(0, &[envelope])?;
    assert_eq!(timers(&mut world, 0, "eve")?.expire_seconds, Some(9));
    for seconds in [100, 200] {
        set(&mut world, 0, "eve", TimerSetting::Seconds(seconds))?;
        let are = timers(&mut world, 0, "eve")?.expire_seconds;
        assert_eq!(are.map(i64::from), Some(seconds));
        world.crash(0)?;
        assert_eq!(timers(&mut world, 0, "eve")?.expire_seconds.map(i64::from), Some(seconds));
    }
    Ok(())
}

/// A timed message that waited behind a gap ended before it was shown: its sender saw `delivered`, and nobody ever saw it.
#[test]
fn a_message_that_is_held_back_is_shown_before_it_ends() -> Result {
    for (seed, expire_s, waits_s) in [(190, 3, 0), (191, 8, 4), (192, 3600, 10)] {
        let mut world = couple(seed)?;
        world.nodes[ALICE].released = Released::default();
        send(&mut world, "lost on the way", None, None)?;
        world.nodes[ALICE].released.publish.clear();
        send(&mut world, "in a hurry", Some(expire_s), None)?;
        let envelopes = std::mem::take(&mut world.nodes[ALICE].released.publish);
        world.bring(BOB, &envelopes)?;
        for waited in 0..waits_s {
            assert!(texts(&mut world, BOB, "alice")?.is_empty(), "{expire_s} s: after {waited} s");
            world.pass(TICK);
        }
        assert_eq!(texts(&mut world, BOB, "alice")?, ["in a hurry"], "{expire_s} s");
        let events = world.call(BOB, ReadEvents { since: 0 })?.events;
        let is_lost =
            |event: &Event| matches!(event.body, EventBody::MessagesLost { count: 1, .. });
        assert_eq!(events.iter().filter(|event| is_lost(event)).count(), 1);
    }
    Ok(())
}

/// A clock that jumps ahead deleted what was unread; one that jumped back brought it back.
#[test]
fn a_clock_that_jumps_ends_nothing_early_and_brings_nothing_back() -> Result {
    let jumps =
        [HOUR_MS, -HOUR_MS, 25 * HOUR_MS, -25 * HOUR_MS, 10 * 24 * HOUR_MS, 87_600 * HOUR_MS];
    for (seed, by_ms) in (80..).zip(jumps) {
        let mut world = couple(seed)?;
        send(&mut world, "unread", Some(6 * 3600), None)?;
        send(&mut world, "burns", None, Some(600))?;
        world.settle()?;
        world.gossip(0.0);
        world.nodes[BOB].ahead_ms = by_ms;
        world.pass(TICK);
        assert_eq!(texts(&mut world, BOB, "alice")?.len(), 2, "{by_ms}");
        read(&mut world, BOB, "alice")?;
        world.pass(Duration::from_secs(500));
        assert_eq!(texts(&mut world, BOB, "alice")?.len(), 2, "{by_ms}");
        world.pass(Duration::from_secs(120));
        assert_eq!(texts(&mut world, BOB, "alice")?, ["unread"], "it burned in time: {by_ms}");
        for _ in 0..6 {
            world.pass(HOUR);
        }
        assert!(texts(&mut world, BOB, "alice")?.is_empty(), "{by_ms}");
        world.nodes[BOB].ahead_ms = -9 * 24 * HOUR_MS;
        world.pass(TICK);
        world.crash(BOB)?;
        world.settle()?;
        assert!(texts(&mut world, BOB, "alice")?.is_empty(), "{by_ms}");
    }
    Ok(())
}

/// What was over was hidden at once, and deleted by the next tick. A node that was stopped between the two, and started with
/// its clock behind, went by the moment that is kept on disk each hour: it showed the message again, for up to an hour.
#[test]
fn what_was_over_is_not_shown_again_after_a_start_with_the_clock_behind() -> Result {
    for (seed, expire, burn) in [(620, Some(600), None), (621, None, Some(600))] {
        for (is_orderly, is_deleted) in [(true, false), (false, false), (true, true), (false, true)]
        {
            let mut world = couple(seed)?;
            world.pass(HOUR / 2);
            world.settle()?;
            send(&mut world, "over", expire, burn)?;
            world.settle()?;
            world.gossip(0.0);
            read(&mut world, BOB, "alice")?;
            assert_eq!(texts(&mut world, BOB, "alice")?, ["over"]);
            world.elapse(Duration::from_secs(601));
            assert!(texts(&mut world, BOB, "alice")?.is_empty());
            if is_deleted {
                world.pass(TICK);
            }
            world.nodes[BOB].ahead_ms = -200 * HOUR_MS;
            let Node { engine, released, .. } = &mut world.nodes[BOB];
            if let Some(engine) = engine.take().filter(|_| is_orderly) {
                engine.close(released);
            }
            // Also before the first tick.
            world.open(BOB)?;
            let case = format!("{expire:?} {burn:?}: {is_orderly} {is_deleted}");
            assert!(texts(&mut world, BOB, "alice")?.is_empty(), "{case}");
            for _ in 0..5 {
                world.pass(TICK);
                assert!(texts(&mut world, BOB, "alice")?.is_empty(), "{case}");
            }
            assert_eq!(ended(&mut world, BOB)?.len(), 1, "it is deleted: {case}");
            // What others have of it does not bring it back.
            world.crash(BOB)?;
            world.settle()?;
            world.gossip(0.0);
            assert!(texts(&mut world, BOB, "alice")?.is_empty(), "{case}");
        }
    }
    Ok(())
}

/// The same where more is over than one batch deletes.
#[test]
fn many_messages_that_were_over_are_not_shown_again() -> Result {
    const MANY: usize = 3 * UNFINISHED_PER_BATCH_MAX;
    let mut world = couple(622)?;
    world.pass(HOUR / 2);
    world.settle()?;
    for n in 0..MANY {
        let timers = if n.is_multiple_of(2) { (Some(600), None) } else { (None, Some(600)) };
        send(&mut world, &format!("{n}"), timers.0, timers.1)?;
    }
    world.settle()?;
    world.gossip(0.0);
    read(&mut world, BOB, "alice")?;
    assert_eq!(texts(&mut world, BOB, "alice")?.len(), MANY);
    world.elapse(Duration::from_secs(601));
    let (now, steady) = (world.now, world.steady);
    let Node { engine, released, .. } = &mut world.nodes[BOB];
    let engine = engine.as_mut().ok_or("bob is on")?;
    engine.run_batch([Input::Tick], now, steady, &mut world.rng, released);
    assert!(engine.is_behind(), "some are left");
    world.nodes[BOB].ahead_ms = -200 * HOUR_MS;
    world.nodes[BOB].engine = None;
    world.open(BOB)?;
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    world.pass(TICK);
    assert_eq!(ended(&mut world, BOB)?.len(), MANY);
    // From then on the node goes by its clocks again: what comes now lives.
    world.crash(BOB)?;
    send(&mut world, "new", None, Some(60))?;
    world.settle()?;
    world.gossip(0.0);
    read(&mut world, BOB, "alice")?;
    assert_eq!(texts(&mut world, BOB, "alice")?, ["new"]);
    world.pass(Duration::from_secs(50));
    assert_eq!(texts(&mut world, BOB, "alice")?, ["new"]);
    Ok(())
}

/// After a start at which nobody told the time, what burned was hidden by when it was read, and deleted by the moment that was
/// kept on disk, up to an hour later. Another start in between showed it again.
#[test]
fn what_burned_after_a_start_alone_is_deleted_and_not_only_hidden() -> Result {
    let mut world = couple(623)?;
    world.pass(HOUR / 2);
    world.settle()?;
    send(&mut world, "burns", None, Some(600))?;
    world.settle()?;
    world.gossip(0.0);
    world.pass(TICK);
    read(&mut world, BOB, "alice")?;
    world.crash(BOB)?;
    world.pass(Duration::from_secs(590));
    assert_eq!(texts(&mut world, BOB, "alice")?, ["burns"]);
    world.pass(Duration::from_secs(11));
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    assert_eq!(ended(&mut world, BOB)?.len(), 1, "it is deleted");
    world.crash(BOB)?;
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    Ok(())
}

/// What is true of timers after anything that may happen.
#[derive(Default)]
struct Model {
    /// Texts, when the steady clock showed what they were sent at, and their timers.
    sent: Vec<(String, Duration, Option<u64>, Option<u64>)>,
    /// When they were first read.
    read: std::collections::BTreeMap<String, Duration>,
    gone: std::collections::BTreeSet<String>,
}

/// No message is there for longer than its timers say, none ends sooner, and none comes back; whatever the wall clock
/// does, as long as a peer tells the time now and then.
#[test]
fn timers_hold_whatever_happens() -> Result {
    (600..624).try_for_each(at_random)
}

fn at_random(seed: u64) -> Result {
    let mut world = couple(seed)?;
    let mut plan = ChaCha20Rng::seed_from_u64(seed);
    let mut model = Model::default();
    let mut was_behind = false;
    for step in 0..80 {
        match plan.random_range(0..16) {
            0..5 => {
                let times = [1, 30, 600, 3600, 24 * 3600, 518_400];
                let mut time =
                    || plan.random_bool(0.6).then(|| times[plan.random_range(0..times.len())]);
                let (expire, burn) = (time(), time());
                let text = format!("{step}");
                send(&mut world, &text, expire, burn)?;
                let unsigned = |time: Option<i64>| time.and_then(|time| u64::try_from(time).ok());
                model.sent.push((text, world.steady, unsigned(expire), unsigned(burn)));
            }
            5..7 => {
                for text in texts(&mut world, BOB, "alice")? {
                    model.read.entry(text).or_insert(world.steady);
                }
                read(&mut world, BOB, "alice")?;
            }
            7 => world.gossip(0.3),
            8..10 => {
                world.sync(ALICE, 2)?;
                world.sync(BOB, 2)?;
            }
            10 => {
                let jumps = [0, HOUR_MS, -HOUR_MS, 30 * HOUR_MS, -30 * HOUR_MS, 9000 * HOUR_MS];
                world.nodes[BOB].ahead_ms = jumps[plan.random_range(0..jumps.len())];
                world.pass(TICK);
            }
            11 => {
                was_behind |= world.nodes[BOB].ahead_ms < 0;
                world.crash(BOB)?;
                world.sync(BOB, 2)?;
            }
            12 => world.pass(Duration::from_secs(plan.random_range(1..100))),
            13 => world.pass(Duration::from_secs(plan.random_range(1..7200))),
            14 => world.pass(Duration::from_secs(plan.random_range(1..100_000))),
            _ => world.pass(TICK),
        }
        world.pass(TICK);
        world.pass(TICK);
        // Rounding to seconds, and what passes until the next tick. A node that is started with its clock behind goes
        // by the moment that is kept on disk each hour, until the clock is right.
        let slack = Duration::from_secs(if was_behind { 3700 } else { 90 });
        let there = texts(&mut world, BOB, "alice")?;
        for (text, sent, expire, burn) in &model.sent {
            let is_there = there.contains(text);
            let over = |from: Duration, seconds: &Option<u64>| {
                seconds.map(|seconds| from + Duration::from_secs(seconds))
            };
            let end =
                [over(*sent, expire), model.read.get(text).and_then(|read| over(*read, burn))];
            let end = end.into_iter().flatten().min();
            if let Some(end) = end {
                assert!(
                    !is_there || world.steady <= end + slack,
                    "{text} is there too long: {seed}, {step}"
                );
            }
            assert!(!(is_there && model.gone.contains(text)), "{text} came back: {seed}, {step}");
            let was_there = model.read.contains_key(text);
            if was_there && !is_there {
                model.gone.insert(text.clone());
                assert!(
                    end.is_some_and(|end| world.steady + slack >= end),
                    "{text} ended too soon: {seed}, {step}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_message_is_deleted_here_and_its_copy_does_not_bring_it_back() -> Result {
    let mut world = couple(90)?;
    let on_its_way = send(&mut world, "on its way", None, None)?;
    assert!(world.call(ALICE, DeleteMessage { id: on_its_way.clone() }).is_err());
    world.gossip(0.0);
    world.gossip(0.0);
    world.call(BOB, DeleteMessage { id: on_its_way.clone() })?;
    assert!(world.call(BOB, DeleteMessage { id: on_its_way.clone() }).is_err(), "twice");
    assert_eq!(world.call(BOB, GetStatus {})?.unread, Some(0));
    assert_eq!(texts(&mut world, ALICE, "bob")?, ["on its way"], "the other side keeps it");
    world.crash(BOB)?;
    world.settle()?;
    assert!(texts(&mut world, BOB, "alice")?.is_empty());
    world.call(ALICE, DeleteMessage { id: on_its_way.clone() })?;
    for node in [ALICE, BOB] {
        assert_eq!(ended(&mut world, node)?, [(on_its_way.clone(), EndedReason::Deleted)]);
    }
    assert!(world.call(ALICE, DeleteMessage { id: "zz".into() }).is_err());
    assert!(world.call(ALICE, DeleteMessage { id: "00".repeat(16) }).is_err());
    Ok(())
}

#[test]
fn a_cleared_conversation_is_empty_and_goes_on() -> Result {
    const MANY: usize = 300;
    let mut world = couple(91)?;
    for n in 0..MANY {
        send(&mut world, &format!("{n}"), None, None)?;
    }
    world.settle()?;
    world.gossip(0.0);
    assert_eq!(texts(&mut world, BOB, "alice")?.len(), MANY);
    send(&mut world, "on its way", None, None)?;
    for (node, name) in [(ALICE, "bob"), (BOB, "alice")] {
        world.call(node, ClearConversation { name: name.into() })?;
        assert!(texts(&mut world, node, name)?.is_empty());
        world.crash(node)?;
        assert!(texts(&mut world, node, name)?.is_empty());
    }
    world.settle()?;
    world.gossip(0.0);
    assert_eq!(texts(&mut world, BOB, "alice")?, ["on its way"], "it went on");
    assert_eq!(world.call(ALICE, GetStatus {})?.outbox, Some(0));
    send(&mut world, "again", None, None)?;
    world.settle()?;
    assert_eq!(texts(&mut world, BOB, "alice")?, ["on its way", "again"]);
    assert_eq!(texts(&mut world, ALICE, "bob")?, ["again"]);
    Ok(())
}
