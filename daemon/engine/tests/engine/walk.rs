//! What may come together: locks and timers, edits and recalls of one message on two devices, and reactions without end.

use std::time::Instant;

use martlet_engine::command::{
    CommandError, EditMessage, ExportPage, FilesFrom, FilesPage, GetMessage, ListConversations,
    ListFiles, Lock, MarkRead, OpenVault, React, RecallMessage, SearchMessages, SendFile,
};
use martlet_engine::limits::UNFINISHED_PER_BATCH_MAX;
use martlet_protocol::control::{
    EditRequest, EndedReason, ExportLine, FileSend, FilesQuery, Message, ReactionRequest,
    SearchQuery, SearchResults, TimerSetting,
};

use crate::siblings::two_devices;
use crate::talk::{emoji, hostile};
use crate::timers::{ended, seen, texts, timed};
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
const TABLET: usize = 2;

const PASSPHRASE: Option<&[u8]> = Some(b"a passphrase");

/// Alice and Bob, whose vault has a passphrase, and a node between them.
fn who_can_lock(seed: u64) -> Result<World> {
    let mut world = World::new(3, seed)?;
    let alice = world.init(ALICE, "alice")?;
    let path = key_file_path(world.nodes[BOB].dir.path());
    let (key_file, key) = KeyFile::make(&path, PASSPHRASE, &mut world.rng)?;
    let bob = world.call(BOB, CreateUser { key_file, key, name: Some("bob".into()) })?.id;
    world.add(ALICE, &bob, "bob")?;
    world.add(BOB, &alice, "alice")?;
    world.settle()?;
    Ok(world)
}

/// Bob reads the conversation and locks in one batch: no message is told yet that it burns.
fn read_and_lock(world: &mut World) {
    let read = MarkRead { name: "alice".into() };
    world.run(BOB, vec![Input::command(read, drop), Input::command(Lock {}, |_| ())]);
}

/// Opens Bob's vault, and asks in the same batch: nobody is quicker.
fn unlock_and_ask(world: &mut World, asks: Vec<Input>) -> Result {
    let path = key_file_path(world.nodes[BOB].dir.path());
    let key = KeyFile::read(&path)?.ok_or("no key file")?.unwrap(PASSPHRASE)?;
    let open = Input::command(OpenVault { key }, |opened| assert_eq!(opened, Ok(())));
    world.run(BOB, std::iter::once(open).chain(asks).collect());
    Ok(())
}

/// A command as an input, and what takes its answer.
fn asked<C: Command>(
    command: C,
) -> (Input, mpsc::Receiver<std::result::Result<C::Reply, CommandError>>) {
    let (reply, answer) = mpsc::channel();
    (Input::command(command, move |result| reply.send(result).unwrap_or_default()), answer)
}

fn all_of_alice() -> GetHistory {
    let query = HistoryQuery { limit: Some(1000), ..HistoryQuery::default() };
    GetHistory { name: "alice".into(), query }
}

/// A locked vault can't be written to, so what ends meanwhile is there until it is opened. Nobody sees it.
#[test]
fn what_ends_while_the_vault_is_locked_is_not_shown_when_it_is_opened() -> Result {
    for (seed, crashes) in [(150, false), (151, true)] {
        let mut world = who_can_lock(seed)?;
        for (text, expire, burn) in [
            ("burns", None, Some(30)),
            ("expires", Some(300), None),
            ("unread burns", None, Some(30)),
            ("stays", None, None),
        ] {
            if text == "unread burns" {
                world.settle()?;
                read_and_lock(&mut world);
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
        let (history, shown) = asked(all_of_alice());
        unlock_and_ask(&mut world, vec![history])?;
        let shown: Vec<_> =
            shown.try_recv()??.messages.into_iter().map(|message| message.text).collect();
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

/// The list of files, a search, the beginning of a message that was answered, that of the last one in the list of
/// conversations, and an export had what burned while the vault was locked, in the batches after it was opened.
#[test]
fn what_burned_while_the_vault_was_locked_is_shown_nowhere() -> Result {
    let mut world = who_can_lock(177)?;
    // More than are told in a batch that they burn, or deleted: what follows is there for some batches more.
    for number in 0..3 * UNFINISHED_PER_BATCH_MAX {
        let request = timed("bob", &format!("harbour {number}"), None, Some(30));
        world.call(ALICE, SendText { request })?;
    }
    let burns = Some(TimerSetting::Seconds(30));
    let request = FileSend {
        to: "bob".into(),
        name: "harbour.txt".into(),
        burn_seconds: burns,
        ..FileSend::default()
    };
    let media_type = "text/plain".into();
    let file = world.call(ALICE, SendFile { request, media_type, bytes: b"x".to_vec() })?.id;
    let answer = SendRequest { reply_to: Some(file.clone()), ..timed("bob", "stays", None, None) };
    world.call(ALICE, SendText { request: answer })?;
    let last = timed("bob", "at the harbour", None, Some(30));
    world.call(ALICE, SendText { request: last })?;
    world.settle()?;
    read_and_lock(&mut world);
    world.pass(Duration::from_secs(31));
    let (list, files) = asked(ListFiles { from: FilesFrom::Start(FilesQuery::default()) });
    let (found, results) = mpsc::channel();
    let query = SearchQuery { words: "harbour".into(), ..SearchQuery::default() };
    let answer = Box::new(move |it: SearchResults| found.send(it).unwrap_or_default());
    let search =
        Input::command(SearchMessages { query, answer }, |begun| assert_eq!(begun, Ok(())));
    let (history, messages) = asked(all_of_alice());
    let (list_all, conversations) = asked(ListConversations {});
    let (get, message) = asked(GetMessage { id: file });
    let (export, page) = asked(ExportPage { cursor: None });
    let asks = vec![list, search, history, list_all, get, export];
    unlock_and_ask(&mut world, asks)?;
    let FilesPage::Last(files) = files.try_recv()?? else { return Err("not in one batch".into()) };
    assert!(files.files.is_empty());
    assert!(results.try_recv()?.results.is_empty());
    let messages = messages.try_recv()??.messages;
    let texts: Vec<_> = messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["stays"]);
    assert_eq!(messages[0].reply_to.as_ref().ok_or("an answer")?.excerpt, None);
    assert_eq!(conversations.try_recv()??.conversations[0].last, None);
    assert!(message.try_recv()?.is_err());
    let lines = page.try_recv()??.0;
    assert!(!lines.iter().any(|line| matches!(line, ExportLine::File { .. })));
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

/// Reactions to one message that whoever is hostile sends.
const REACTIONS: usize = 10_000;
/// As many come in one batch, so that the test waits less for the disk.
const AT_ONCE: usize = 50;

/// Of one person, one after the other: each takes the place of the one before, and none costs more than the first.
#[test]
fn very_many_reactions_to_one_message_are_one() -> Result {
    let (mut world, mut eve, own) = hostile(152)?;
    let (mut first, mut began) = (Duration::ZERO, Instant::now());
    for batch in 0..REACTIONS / AT_ONCE {
        if batch % 2 == 1 {
            eve.begin_session(&mut world)?;
            let key = eve.key(&mut world)?;
            world.bring(ALICE, &[key])?;
        }
        let mut inputs = Vec::new();
        for number in 0..AT_ONCE {
            let number = batch * AT_ONCE + number;
            let envelope = eve.says(&world, emoji(own, &format!("{number}"))?)?.1;
            inputs.extend(brought(PeerKey([99; 32]), envelope));
        }
        world.run(ALICE, inputs);
        if batch == REACTIONS / AT_ONCE / 10 {
            first = began.elapsed();
        }
        if batch == REACTIONS / AT_ONCE * 9 / 10 {
            began = Instant::now();
        }
    }
    let last = began.elapsed();
    println!("the first tenth took {first:?}, the last {last:?}");
    let message = last_of(&mut world, ALICE, "eve")?;
    assert_eq!(message.reactions.len(), 1);
    assert_eq!(message.reactions[0].emoji, format!("{}", REACTIONS - 1));
    assert_eq!(world.call(ALICE, ListConversations {})?.conversations[0].unread, 0);
    Ok(())
}

/// The user's own, while the other is away: they come in order, and the last one counts.
#[test]
fn very_many_own_reactions_wait_for_the_other_and_the_last_counts() -> Result {
    let mut world = crate::timers::couple(153)?;
    let id = world.send(BOB, "alice", "a message")?;
    world.settle()?;
    world.nodes[ALICE].released = Released::default();
    for batch in 0..REACTIONS / AT_ONCE {
        let inputs = (0..AT_ONCE).map(|number| {
            let emoji = format!("{}", batch * AT_ONCE + number);
            let react = React { id: id.clone(), request: Some(ReactionRequest { emoji }) };
            Input::command(react, |reacted| assert!(reacted.is_ok()))
        });
        world.run(ALICE, inputs.collect());
    }
    for _ in 0..6 {
        world.settle()?;
    }
    let reactions = last_of(&mut world, BOB, "alice")?.reactions;
    assert_eq!(reactions.len(), 1);
    assert_eq!(reactions[0].emoji, format!("{}", REACTIONS - 1));
    assert_eq!(world.call(ALICE, GetStatus {})?.outbox, Some(0));
    Ok(())
}
