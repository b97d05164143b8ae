//! Clocks that are wrong, for three seconds or for a day.

use crate::world::*;

const HOUR: Duration = Duration::from_secs(3600);
const HOUR_MS: i64 = 3_600_000;

/// By how much clocks jump here, milliseconds.
const JUMPS: [i64; 7] = [
    HOUR_MS,
    -HOUR_MS,
    25 * HOUR_MS,
    -25 * HOUR_MS,
    7 * 24 * HOUR_MS,
    -7 * 24 * HOUR_MS,
    87_600 * HOUR_MS,
];

const SENDER: usize = 0;
const RECIPIENT: usize = 1;
const MAILBOX: usize = 2;

/// A clock that jumps.
#[derive(Debug, Clone, Copy)]
struct Jump {
    /// Whose.
    node: usize,
    by_ms: i64,
    /// Hours that it lasts; 0 for three seconds.
    hours: u32,
    /// Whether someone writes meanwhile.
    is_writing: bool,
    /// Whether peers had told the time before.
    is_vouched: bool,
}

/// Alice writes before, after, and perhaps while a clock is wrong, and only the mailbox node is there. Bob
/// gets everything once the clock is right again.
fn run(jump: Jump) -> Result {
    let Jump { node, by_ms, hours, is_writing, is_vouched } = jump;
    let mut world = World::pair(40, 3)?;
    world.tells_time = is_vouched;
    world.settle()?;
    let mut texts = vec!["before"];
    world.send(SENDER, "bob", "before")?;
    world.sync(SENDER, MAILBOX)?;
    world.nodes[node].ahead_ms = by_ms;
    world.pass(TICK);
    let warnings = world.call(node, GetClockDoubt {})?;
    assert!(warnings.is_some_and(|doubt| doubt.jumped_ms == by_ms), "told at once: {jump:?}");
    if is_writing {
        texts.push("during");
        world.send(SENDER, "bob", "during")?;
        world.sync(SENDER, MAILBOX)?;
    }
    world.pass(Duration::from_secs(2));
    for _ in 0..hours / 6 {
        world.pass(6 * HOUR);
        world.sync(SENDER, MAILBOX)?;
    }
    world.nodes[node].ahead_ms = 0;
    world.pass(TICK);
    for (text, state) in world.texts(SENDER, "bob", Direction::Out)? {
        assert!(
            state == Delivery::Queued || state == Delivery::Sent,
            "{text}: {state:?}: {jump:?}"
        );
    }
    texts.push("after");
    world.send(SENDER, "bob", "after")?;
    world.sync(SENDER, MAILBOX)?;
    let states = world.texts(SENDER, "bob", Direction::Out)?;
    assert!(states.iter().all(|(_, state)| *state == Delivery::Sent), "{states:?}: {jump:?}");
    world.nodes[SENDER].released = Released::default();
    world.sync(RECIPIENT, MAILBOX)?;
    world.settle()?;
    world.gossip(0.0);
    let expected = with_state(&texts, Delivery::Delivered);
    assert_eq!(world.texts(RECIPIENT, "alice", Direction::In)?, expected, "{jump:?}");
    assert_eq!(world.texts(SENDER, "bob", Direction::Out)?, expected, "{jump:?}");
    Ok(())
}

fn run_all(hours: u32, is_writing: bool, is_vouched: bool) -> Result {
    for node in [SENDER, RECIPIENT, MAILBOX] {
        for by_ms in JUMPS {
            run(Jump { node, by_ms, hours, is_writing, is_vouched })?;
        }
    }
    Ok(())
}

/// Three seconds with the clock 25 hours ahead, and what was written in them stayed `sent` and was never
/// shown; with the clock 7 days ahead, all that was written for a week expired, and a mailbox node deleted all
/// that it kept.
#[test]
fn a_clock_that_is_wrong_for_seconds_while_one_writes_costs_no_message() -> Result {
    run_all(0, true, true)?;
    run_all(0, true, false)
}

#[test]
fn a_clock_that_is_wrong_for_seconds_costs_no_message() -> Result {
    run_all(0, false, true)?;
    run_all(0, false, false)
}

#[test]
fn a_clock_that_is_wrong_for_a_day_while_one_writes_costs_no_message() -> Result {
    run_all(24, true, true)?;
    run_all(24, true, false)
}

#[test]
fn a_clock_that_is_wrong_for_a_day_costs_no_message() -> Result {
    run_all(24, false, true)?;
    run_all(24, false, false)
}

/// A small computer before it has the time: more than a day behind, one message was written, and it and
/// each later one to that contact stayed `queued`, after the clock was right and both had restarted.
#[test]
fn what_was_written_before_the_computer_had_the_time_is_sent_once_it_has() -> Result {
    for by_ms in [-30 * HOUR_MS, -9 * 24 * HOUR_MS, -200_000 * HOUR_MS] {
        let mut world = World::pair(41, 3)?;
        world.tells_time = false;
        world.settle()?;
        world.nodes[SENDER].ahead_ms = by_ms;
        world.crash(SENDER)?;
        world.send(SENDER, "bob", "one")?;
        world.sync(SENDER, MAILBOX)?;
        world.nodes[SENDER].ahead_ms = 0;
        for _ in 0..2 {
            world.crash(SENDER)?;
            world.settle()?;
        }
        world.send(SENDER, "bob", "two")?;
        world.settle()?;
        world.gossip(0.0);
        let expected = with_state(&["one", "two"], Delivery::Delivered);
        assert_eq!(world.texts(RECIPIENT, "alice", Direction::In)?, expected, "{by_ms}");
        assert_eq!(world.texts(SENDER, "bob", Direction::Out)?, expected, "{by_ms}");
    }
    Ok(())
}

/// Six days stay six days where the clock jumped and nobody tells the time: the steady clock counts.
#[test]
fn a_clock_that_nobody_believes_keeps_nothing_longer() -> Result {
    for by_ms in JUMPS {
        let mut world = World::pair(42, 3)?;
        world.settle()?;
        world.send(SENDER, "bob", "late")?;
        world.sync(SENDER, MAILBOX)?;
        world.nodes[MAILBOX].ahead_ms = by_ms;
        for _ in 0..6 * 24 {
            world.pass(HOUR);
        }
        world.pass(HOUR);
        let left = world.call(MAILBOX, GetStatus {})?.mailbox.envelopes;
        assert_eq!(left, 0, "{by_ms}");
        assert_eq!(
            world.texts(SENDER, "bob", Direction::Out)?,
            with_state(&["late"], Delivery::Expired)
        );
    }
    Ok(())
}

/// A mailbox node whose clock was 7 days ahead for 3.5 s deleted all that it kept, 22 of 22 envelopes. The sender
/// brings its own again; of anyone who is off, they were lost.
#[test]
fn a_mailbox_whose_clock_jumps_deletes_nothing() -> Result {
    for (by_ms, is_vouched) in JUMPS.into_iter().flat_map(|by| [(by, false), (by, true)]) {
        let mut world = World::pair(44, 3)?;
        world.tells_time = is_vouched;
        world.settle()?;
        world.send(SENDER, "bob", "hello")?;
        world.sync(SENDER, MAILBOX)?;
        world.pass(TICK);
        let kept =
            |world: &mut World| world.call(MAILBOX, GetStatus {}).map(|it| it.mailbox.envelopes);
        let before = kept(&mut world)?;
        assert!(before >= 4, "two bundles, a key and a message");
        world.nodes[MAILBOX].ahead_ms = by_ms;
        if is_vouched {
            // What a second source vouched for is known after a start, too.
            world.crash(MAILBOX)?;
        }
        world.pass(TICK);
        assert_eq!(kept(&mut world)?, before, "{by_ms}, {is_vouched}");
        world.nodes[MAILBOX].ahead_ms = 0;
        world.pass(TICK);
        assert_eq!(kept(&mut world)?, before, "{by_ms}, {is_vouched}");
    }
    Ok(())
}

/// The clock of a recipient or a mailbox went back a week, and the same batch brought a message that the network
/// had checked by the time before. It was kept as if it had come a week ago. Once the clock was right it was dropped, and
/// its tombstone kept it from coming again: it stayed `sent`, and six days later it expired.
#[test]
fn what_comes_while_a_clock_goes_back_is_not_dropped_once_it_is_right() -> Result {
    for (node, is_restarted) in
        [RECIPIENT, MAILBOX].into_iter().flat_map(|it| [(it, true), (it, false)])
    {
        let mut world = World::pair(47, 4)?;
        // Where peers had told the time, the clock would not be followed.
        world.tells_time = false;
        world.settle()?;
        world.send(SENDER, "bob", "hello")?;
        let published = std::mem::take(&mut world.nodes[SENDER].released.publish);
        let message = published.last().ok_or("nothing was published")?;
        let header = Header::parse(&message.content)?;
        assert_eq!(header.kind, Kind::Conversation, "the message, without the key that opens it");
        world.nodes[node].ahead_ms = -7 * 24 * HOUR_MS;
        let from = world.nodes[SENDER].peer;
        let brought = brought(from, message.clone()).ok_or("no header")?;
        world.run(node, vec![brought]);
        world.elapse(MAILBOX_COMMIT_DELAY);
        world.run(node, vec![]);
        world.nodes[node].ahead_ms = 0;
        if is_restarted {
            world.crash(node)?;
        }
        // A peer tells the time, and nothing else.
        world.tells_time = true;
        world.sync(node, 3)?;
        world.pass(HOUR);
        for (one, other) in
            [(SENDER, MAILBOX), (MAILBOX, RECIPIENT), (MAILBOX, RECIPIENT), (SENDER, MAILBOX)]
        {
            world.sync(one, other)?;
            world.pass(HOUR);
        }
        let expected = with_state(&["hello"], Delivery::Delivered);
        assert_eq!(
            world.texts(RECIPIENT, "alice", Direction::In)?,
            expected,
            "{node}, {is_restarted}"
        );
        assert_eq!(world.texts(SENDER, "bob", Direction::Out)?, expected, "{node}, {is_restarted}");
    }
    Ok(())
}

/// A clock that was a minute off was set, and what was held back was shown at once: out of order, though what was sent
/// before it was a moment away.
#[test]
fn a_clock_that_is_set_by_a_minute_ends_no_wait_for_earlier_messages() -> Result {
    for by_ms in [-66_000, 66_000] {
        let mut world = World::pair(49, 3)?;
        world.settle()?;
        world.nodes[SENDER].released = Released::default();
        for text in ["one", "two"] {
            world.send(SENDER, "bob", text)?;
        }
        let [key, one, two] = &std::mem::take(&mut world.nodes[SENDER].released.publish)[..] else {
            return Err("a key and two messages were expected".into());
        };
        world.bring(RECIPIENT, &[key.clone(), two.clone()])?;
        world.nodes[RECIPIENT].ahead_ms = by_ms;
        world.pass(TICK);
        assert_eq!(world.texts(RECIPIENT, "alice", Direction::In)?, [], "{by_ms}");
        world.bring(RECIPIENT, std::slice::from_ref(one))?;
        let expected = with_state(&["one", "two"], Delivery::Delivered);
        assert_eq!(world.texts(RECIPIENT, "alice", Direction::In)?, expected, "{by_ms}");
    }
    Ok(())
}

/// A request ends when its time is surely over, not when a clock says so that nobody agrees with.
#[test]
fn a_request_outlasts_a_clock_that_jumps() -> Result {
    for by_ms in JUMPS {
        let mut world = World::new(2, 45)?;
        let (_, bob) = (world.init(0, "alice")?, world.init(1, "bob")?);
        world.tells_time = false;
        world.add(0, &bob, "bob")?;
        world.settle()?;
        world.send(0, "bob", "hello")?;
        world.sync(0, 1)?;
        for ahead_ms in [0, by_ms, 0] {
            world.nodes[1].ahead_ms = ahead_ms;
            world.pass(TICK);
            assert_eq!(world.call(1, ListRequests {})?.requests.len(), 1, "{by_ms}, {ahead_ms}");
        }
    }
    Ok(())
}

/// Jumps at random of random clocks, at random moments, with writing, syncs and crashes in between.
#[test]
fn whatever_the_clocks_do_everything_is_delivered_once_and_in_order() -> Result {
    (300..316).try_for_each(|seed| at_random(seed, false))
}

/// The same over hours, in which a message is shown though an earlier one is still on its way.
#[test]
fn whatever_the_clocks_do_for_hours_everything_is_delivered_once() -> Result {
    (320..336).try_for_each(|seed| at_random(seed, true))
}

/// Two things are left out, since nothing tells them from the truth: where peers tell the time, that more than one
/// clock is ahead; and where nobody ever did, a start with a clock that is ahead.
fn at_random(seed: u64, takes_hours: bool) -> Result {
    let mut world = World::pair(seed, 3)?;
    let mut plan = ChaCha20Rng::seed_from_u64(seed);
    world.tells_time = seed.is_multiple_of(2);
    world.settle()?;
    let mut ahead = None;
    let mut sent = [Vec::new(), Vec::new()];
    for step in 0..60 {
        let node = plan.random_range(0..2usize);
        match plan.random_range(0..20) {
            0..6 => {
                let text = format!("{seed} {step}");
                world.send(node, ["bob", "alice"][node], &text)?;
                sent[node].push(text);
            }
            6..8 => world.gossip(0.3),
            8..11 => world.sync(node, MAILBOX)?,
            11..14 => {
                let by = JUMPS[plan.random_range(0..JUMPS.len())];
                let by = if plan.random_bool(0.5) { 0 } else { by };
                let whose = plan.random_range(0..3usize);
                if by > 0 {
                    ahead.get_or_insert(whose);
                }
                // What one that is ahead tells is known for an hour: with another they would be two sources.
                let is_second = world.tells_time && by > 0 && ahead != Some(whose);
                if !is_second {
                    world.nodes[whose].ahead_ms = by;
                }
            }
            14..15 => {
                let whose = plan.random_range(0..3);
                if world.tells_time || world.nodes[whose].ahead_ms <= 0 {
                    world.crash(whose)?;
                }
            }
            15..19 => world.pass(Duration::from_millis(300)),
            _ if takes_hours => world.pass(HOUR),
            _ => world.pass(Duration::from_millis(300)),
        }
    }
    world.nodes.iter_mut().for_each(|node| node.ahead_ms = 0);
    world.pass(TICK);
    world.tells_time = true;
    for _ in 0..4 {
        world.settle()?;
        world.gossip(0.0);
    }
    for (node, name) in [(0, "bob"), (1, "alice")] {
        let texts: Vec<_> = sent[node].iter().map(String::as_str).collect();
        let expected = with_state(&texts, Delivery::Delivered);
        let other = ["alice", "bob"][node];
        assert_eq!(world.texts(node, name, Direction::Out)?, expected, "seed {seed}");
        let mut received = world.texts(1 - node, other, Direction::In)?;
        if takes_hours {
            received.sort_by_key(|(text, _)| texts.iter().position(|one| one == text));
        }
        assert_eq!(received, expected, "seed {seed}");
    }
    Ok(())
}

/// A LAN without a time server for three months, with the worst of crystals (200 millionths off, one ahead, one
/// behind): from the 18th day on, the clocks don't agree by ten minutes. That costs no message, and nobody is told
/// of a jump.
#[test]
fn clocks_that_drift_apart_cost_no_message() -> Result {
    let mut world = World::pair(43, 3)?;
    world.settle()?;
    let mut sent = Vec::new();
    for day in 1..=90 {
        world.nodes[SENDER].ahead_ms += 17_280;
        world.nodes[RECIPIENT].ahead_ms -= 17_280;
        world.pass(24 * HOUR);
        if day % 5 == 0 {
            let text = format!("day {day}");
            world.send(SENDER, "bob", &text)?;
            world.sync(SENDER, MAILBOX)?;
            world.settle()?;
            world.gossip(0.0);
            sent.push(text);
        }
        for node in [SENDER, RECIPIENT] {
            let doubt = world.call(node, GetClockDoubt {})?;
            assert!(doubt.is_none_or(|doubt| doubt.jumped_ms == 0), "{day}: {doubt:?}");
        }
    }
    let texts: Vec<_> = sent.iter().map(String::as_str).collect();
    let expected = with_state(&texts, Delivery::Delivered);
    assert_eq!(world.texts(RECIPIENT, "alice", Direction::In)?, expected);
    assert_eq!(world.texts(SENDER, "bob", Direction::Out)?, expected);
    Ok(())
}
