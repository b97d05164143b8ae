//! What may come together: locks and timers, edits and recalls of one message on two devices, and reactions without end.

use std::time::Instant;

use martlet_engine::command::{
    EditMessage, ListConversations, Lock, MarkRead, OpenVault, React, RecallMessage,
};
use martlet_protocol::control::{EditRequest, EndedReason, Message, ReactionRequest};

use crate::siblings::two_devices;
use crate::talk::{emoji, hostile};
use crate::timers::{ended, seen, texts, timed};
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
const TABLET: usize = 2;

const PASSPHRASE: Option<&[u8]> = Some(b"a passphrase");

/// Opens Bob's vault and reads the conversation in the same batch: nobody is quicker.
fn unlock_and_read(world: &mut World) -> Result<Vec<String>> {
    let path = key_file_path(world.nodes[BOB].dir.path());
    let key = KeyFile::read(&path)?.ok_or("no key file")?.unwrap(PASSPHRASE)?;
    let (reply, answer) = mpsc::channel();
    let query = HistoryQuery { limit: Some(1000), ..HistoryQuery::default() };
    let history = GetHistory { name: "alice".into(), query };
    let inputs = vec![
        Input::command(OpenVault { key }, |opened| assert_eq!(opened, Ok(()))),
        Input::command(history, move |result| reply.send(result).unwrap_or_default()),
    ];
    world.run(BOB, inputs);
    let messages = answer.try_recv()??.messages;
    Ok(messages.into_iter().map(|message| message.text).collect())
}

/// A locked vault can't be written to, so what ends meanwhile is there until it is opened. Nobody sees it.
#[test]
fn what_ends_while_the_vault_is_locked_is_not_shown_when_it_is_opened() -> Result {
    for (seed, crashes) in [(150, false), (151, true)] {
        let mut world = World::new(3, seed)?;
        let alice = world.init(ALICE, "alice")?;
        let path = key_file_path(world.nodes[BOB].dir.path());
        let (key_file, key) = KeyFile::make(&path, PASSPHRASE, &mut world.rng)?;
        let bob = world.call(BOB, CreateUser { key_file, key, name: Some("bob".into()) })?.id;
        world.add(ALICE, &bob, "bob")?;
        world.add(BOB, &alice, "alice")?;
        world.settle()?;
        for (text, expire, burn) in [
            ("burns", None, Some(30)),
            ("expires", Some(300), None),
            ("unread burns", None, Some(30)),
            ("stays", None, None),
        ] {
            if text == "unread burns" {
                world.settle()?;
                // Read and locked in one batch: no message has been told yet that it burns.
                let read = MarkRead { name: "alice".into() };
                let inputs = vec![Input::command(read, drop), Input::command(Lock {}, |_| ())];
                world.run(BOB, inputs);
            }
            world.call(ALICE, SendText { request: timed("bob", text, expire, burn) })?;
        }
        world.settle()?;
        world.pass(Duration::from_secs(31));
        if crashes {
            world.crash(BOB)?;
        }
        world.pass(Duration::from_secs(300));
        world.settle()?;
        let shown = unlock_and_read(&mut world)?;
        let ended_ones = ["burns", "expires"];
        assert!(!shown.iter().any(|text| ended_ones.contains(&text.as_str())), "{shown:?}");
        world.settle()?;
        assert_eq!(texts(&mut world, BOB, "alice")?, ["unread burns", "stays"]);
        let mut reasons: Vec<_> =
            ended(&mut world, BOB)?.into_iter().map(|(_, reason)| reason).collect();
        reasons.sort_by_key(|reason| *reason == EndedReason::Expired);
        assert_eq!(reasons, [EndedReason::Burned, EndedReason::Expired]);
    }
    Ok(())
}

fn last_of(world: &mut World, node: usize, name: &str) -> Result<Message> {
    Ok(seen(world, node, name)?.pop().ok_or("no message")?)
}

/// What a message says, and what it said: the same for all who see it.
fn said(message: &Message) -> (String, Vec<String>, bool) {
    let versions = message.versions.iter().map(|version| version.text.clone()).collect();
    (message.text.clone(), versions, message.state == Delivery::Recalled)
}

#[test]
fn edits_and_recalls_of_one_message_on_two_devices_at_once_end_the_same_everywhere() -> Result {
    for seed in 160..176 {
        let mut world = two_devices(seed)?;
        let mut plan = ChaCha20Rng::seed_from_u64(seed);
        let id = world.send(ALICE, "bob", "at first")?;
        world.settle()?;
        let mut is_recalled = false;
        for step in 0..24 {
            let node = if plan.random_bool(0.5) { ALICE } else { TABLET };
            match plan.random_range(0..12) {
                0..5 => {
                    let request = EditRequest { text: format!("{node} {step}") };
                    // It may have been taken back here.
                    let _ = world.call(node, EditMessage { id: id.clone(), request });
                }
                5 if step > 12 => {
                    is_recalled |= world.call(node, RecallMessage { id: id.clone() }).is_ok();
                }
                6..9 => world.gossip(0.3),
                9 => world.crash(node)?,
                10 => world.sync(node, BOB)?,
                _ => world.pass(Duration::from_millis(300)),
            }
        }
        for _ in 0..4 {
            world.settle()?;
        }
        let phone = said(&last_of(&mut world, ALICE, "bob")?);
        let tablet = said(&last_of(&mut world, TABLET, "bob")?);
        let bob = said(&last_of(&mut world, BOB, "alice")?);
        assert_eq!(phone, tablet, "seed {seed}");
        assert_eq!(phone, bob, "seed {seed}");
        assert_eq!(phone.2, is_recalled, "seed {seed}");
        for node in [ALICE, TABLET, BOB] {
            assert_eq!(world.call(node, GetStatus {})?.outbox, Some(0), "seed {seed}, {node}");
        }
    }
    Ok(())
}

/// Of one person, one after the other: each takes the place of the one before, and none costs more than the first. As many as
/// `MARTLET_REACTIONS` says.
#[test]
fn very_many_reactions_to_one_message_are_one() -> Result {
    let count = std::env::var("MARTLET_REACTIONS").map_or(Ok(1000), |count| count.parse())?;
    let (mut world, mut eve, own) = hostile(152)?;
    let mut first = Duration::ZERO;
    let mut began = Instant::now();
    for number in 0..count {
        if number % 100 == 99 {
            eve.begin_session(&mut world)?;
            let key = eve.key(&mut world)?;
            world.bring(ALICE, &[key])?;
        }
        let envelope = eve.says(&world, emoji(own, &format!("{number}"))?)?.1;
        world.bring(ALICE, &[envelope])?;
        if number == count / 10 {
            first = began.elapsed();
        }
        if number == count - count / 10 {
            began = Instant::now();
        }
    }
    let last = began.elapsed();
    println!("the first tenth took {first:?}, the last {last:?}");
    let message = last_of(&mut world, ALICE, "eve")?;
    assert_eq!(message.reactions.len(), 1);
    assert_eq!(message.reactions[0].emoji, format!("{}", count - 1));
    assert_eq!(world.call(ALICE, ListConversations {})?.conversations[0].unread, 0);
    Ok(())
}

/// The user's own, while the other is away: they come in order, and the last one counts.
#[test]
fn a_thousand_own_reactions_wait_for_the_other_and_the_last_counts() -> Result {
    let mut world = crate::timers::couple(153)?;
    let id = world.send(BOB, "alice", "a message")?;
    world.settle()?;
    world.nodes[ALICE].released = Released::default();
    for number in 0..1000 {
        let request = Some(ReactionRequest { emoji: format!("{number}") });
        world.call(ALICE, React { id: id.clone(), request })?;
    }
    for _ in 0..6 {
        world.settle()?;
    }
    let reactions = last_of(&mut world, BOB, "alice")?.reactions;
    assert_eq!(reactions.len(), 1);
    assert_eq!(reactions[0].emoji, "999");
    assert_eq!(world.call(ALICE, GetStatus {})?.outbox, Some(0));
    Ok(())
}
