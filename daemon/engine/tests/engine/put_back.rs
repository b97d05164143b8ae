//! Vaults put back from a copy.

use std::fs;
use std::path::Path;

use martlet_engine::command::{GetNotes, GetPutBack, MarkRead, React, WriteNote};
use martlet_protocol::control::{NoteRequest, ReactionRequest};

use crate::siblings::two_devices;
use crate::world::*;

pub(crate) const VAULT: [&str; 3] = ["vault.redb", "vault.key", "vault.keys"];
pub(crate) const ALL: [&str; 4] = ["vault.redb", "vault.key", "vault.keys", "mailbox.redb"];

fn copy(files: &[&str], from: &Path, to: &Path) -> Result {
    for file in files {
        fs::copy(from.join(file), to.join(file))?;
    }
    Ok(())
}

fn only_texts(
    world: &mut World,
    node: usize,
    with: &str,
    direction: Direction,
) -> Result<Vec<String>> {
    Ok(world.texts(node, with, direction)?.into_iter().map(|(text, _)| text).collect())
}

/// What becomes of Alice's and Bob's messages where Alice's files were copied, both wrote on, and the copy was put back,
/// with or without her mailbox. Whether Alice's node noticed by itself.
fn put_back(seed: u64, files: &[&str], is_other_machine: bool) -> Result<bool> {
    let mut world = World::pair(seed, 3)?;
    world.send(0, "bob", "a before")?;
    world.send(1, "alice", "b before")?;
    world.settle()?;
    world.nodes[0].engine = None;
    let home = world.nodes[0].dir.path().to_path_buf();
    let backup = tempfile::tempdir()?;
    copy(files, &home, backup.path())?;
    world.start(0)?;

    // Days later, in sessions that the copy does not have.
    world.pass(Duration::from_secs(25 * 3600));
    world.settle()?;
    for number in 1..=3 {
        world.send(0, "bob", &format!("a lost {number}"))?;
        world.send(1, "alice", &format!("b lost {number}"))?;
    }
    world.settle()?;
    assert_eq!(world.texts(1, "alice", Direction::Out)?.len(), 4);
    world.nodes[0].engine = None;
    if is_other_machine {
        world.nodes[0].dir = tempfile::tempdir()?;
    }
    let home = world.nodes[0].dir.path().to_path_buf();
    copy(files, backup.path(), &home)?;
    world.start(0)?;
    let has_noticed = world.call(0, GetPutBack {})?.is_some();
    // Some before they meet, some after.
    world.send(1, "alice", "b after 1")?;
    for number in 1..=5 {
        world.send(0, "bob", &format!("a after {number}"))?;
    }
    for _ in 0..3 {
        world.settle()?;
    }
    world.send(1, "alice", "b after 2")?;
    world.settle()?;

    let a = ["a before", "a lost 1", "a lost 2", "a lost 3"].map(String::from);
    let after = (1..=5).map(|number| format!("a after {number}"));
    let expected: Vec<_> = a.into_iter().chain(after).collect();
    let mut received = only_texts(&mut world, 1, "alice", Direction::In)?;
    // Under numbers used again they are shown as they come.
    received.sort_by_key(|text| expected.iter().position(|it| it == text));
    assert_eq!(received, expected);
    let sent = world.texts(0, "bob", Direction::Out)?;
    assert_eq!(sent.len(), 6);
    let expected = ["b before", "b lost 1", "b lost 2", "b lost 3", "b after 1", "b after 2"]
        .map(String::from);
    let mut received = only_texts(&mut world, 0, "bob", Direction::In)?;
    // What was written before Bob knew that Alice's vault is a copy may come before what he sent again.
    received.sort_by_key(|text| expected.iter().position(|it| it == text));
    assert_eq!(received, expected);
    for (node, with) in [(0, "bob"), (1, "alice")] {
        let sent = world.texts(node, with, Direction::Out)?;
        assert!(sent.iter().all(|(_, state)| *state == Delivery::Delivered), "{sent:?}");
    }
    // And nothing goes round for ever.
    world.settle()?;
    assert_eq!(world.call(1, GetStatus {})?.outbox, Some(0));
    Ok(has_noticed)
}

/// A vault put back from a copy used positions of its session again, which the recipient had seen: the first three of five
/// messages stayed `sent` and were never shown. What others sent in sessions that the copy did not have was lost, too.
#[test]
fn a_vault_put_back_loses_no_mail_and_shows_none_twice() -> Result {
    assert!(put_back(71, &VAULT, false)?, "the mailbox knows better");
    Ok(())
}

#[test]
fn a_vault_put_back_on_another_machine_loses_no_mail() -> Result {
    assert!(put_back(72, &VAULT, true)?, "there is no mailbox that it knew");
    Ok(())
}

/// With its mailbox nothing tells here that it is a copy: the other side sees its numbers used again.
#[test]
fn a_whole_data_directory_put_back_loses_no_mail() -> Result {
    assert!(!put_back(73, &ALL, false)?);
    Ok(())
}

#[test]
fn a_vault_that_goes_on_is_no_copy() -> Result {
    let mut world = World::pair(74, 2)?;
    for round in 0..3 {
        world.send(0, "bob", &format!("round {round}"))?;
        world.settle()?;
        world.crash(0)?;
        world.crash(1)?;
        assert_eq!(world.call(0, GetPutBack {})?, None);
        assert_eq!(world.call(1, GetPutBack {})?, None);
    }
    Ok(())
}

/// A copy of a node's files, made while it is off.
pub(crate) fn backup(world: &mut World, node: usize, files: &[&str]) -> Result<tempfile::TempDir> {
    world.nodes[node].engine = None;
    let backup = tempfile::tempdir()?;
    copy(files, world.nodes[node].dir.path(), backup.path())?;
    world.start(node)?;
    Ok(backup)
}

pub(crate) fn restore(
    world: &mut World,
    node: usize,
    files: &[&str],
    backup: &tempfile::TempDir,
) -> Result {
    world.nodes[node].engine = None;
    world.nodes[node].released = Released::default();
    copy(files, backup.path(), world.nodes[node].dir.path())?;
    world.start(node)
}

fn settle_well(world: &mut World) -> Result {
    for _ in 0..3 {
        world.settle()?;
    }
    Ok(())
}

/// A vault that was put back a second time within the hour was sent nothing again, and nobody tried later.
#[test]
fn a_vault_put_back_again_within_the_hour_loses_no_mail() -> Result {
    for (seed, files) in [(75, &VAULT[..]), (76, &ALL[..])] {
        let mut world = World::pair(seed, 3)?;
        world.send(0, "bob", "a before")?;
        world.send(1, "alice", "b before")?;
        world.settle()?;
        let backup = backup(&mut world, 0, files)?;
        world.settle()?;
        world.send(1, "alice", "b lost")?;
        world.send(0, "bob", "a lost")?;
        world.settle()?;
        for round in 0..2 {
            restore(&mut world, 0, files, &backup)?;
            world.send(0, "bob", &format!("a after {round}"))?;
            settle_well(&mut world)?;
            let received = only_texts(&mut world, 0, "bob", Direction::In)?;
            assert_eq!(received, ["b before", "b lost"], "round {round} of {files:?}");
        }
    }
    Ok(())
}

/// Whoever puts back copies in a loop is sent all again four times at once, then once the hour is over: not never.
#[test]
fn a_vault_put_back_time_and_again_is_sent_all_after_the_hour() -> Result {
    let mut world = World::pair(77, 3)?;
    world.send(1, "alice", "b before")?;
    world.settle()?;
    let backup = backup(&mut world, 0, &VAULT)?;
    world.send(1, "alice", "b lost")?;
    settle_well(&mut world)?;
    for round in 1..=6 {
        restore(&mut world, 0, &VAULT, &backup)?;
        world.settle()?;
        world.settle()?;
        let received = only_texts(&mut world, 0, "bob", Direction::In)?;
        assert_eq!(received.len(), if round <= 4 { 2 } else { 1 }, "round {round}");
    }
    // It is not forgotten by a crash either.
    world.crash(1)?;
    world.pass(Duration::from_secs(3600));
    settle_well(&mut world)?;
    assert_eq!(only_texts(&mut world, 0, "bob", Direction::In)?, ["b before", "b lost"]);
    Ok(())
}

/// What a contact had sent longer before than two hours than a copy that does not know that it is one wrote was not sent again; nor
/// anything, where a reaction had the number that it used again.
#[test]
fn what_came_long_before_a_number_is_used_again_is_sent_again_too() -> Result {
    for reacts in [false, true] {
        let mut world = World::pair(78 + u64::from(reacts), 3)?;
        world.send(0, "bob", "a before")?;
        let id = world.send(1, "alice", "b before")?;
        world.settle()?;
        let backup = backup(&mut world, 0, &ALL)?;
        world.send(1, "alice", "b lost")?;
        world.settle()?;
        world.pass(Duration::from_secs(5 * 3600));
        match reacts {
            true => {
                let request = ReactionRequest { emoji: "👍".into() };
                world.call(0, React { id, request: Some(request) })?;
            }
            false => {
                world.send(0, "bob", "a lost")?;
            }
        }
        world.settle()?;
        restore(&mut world, 0, &ALL, &backup)?;
        assert_eq!(world.call(0, GetPutBack {})?, None);
        world.send(0, "bob", "a after")?;
        settle_well(&mut world)?;
        let received = only_texts(&mut world, 0, "bob", Direction::In)?;
        assert_eq!(received, ["b before", "b lost"], "reacts: {reacts}");
    }
    Ok(())
}

fn notes(world: &mut World, node: usize) -> Result<Vec<String>> {
    let query = HistoryQuery { limit: Some(1000), ..HistoryQuery::default() };
    let notes = world.call(node, GetNotes { query })?.messages;
    Ok(notes.into_iter().map(|note| note.text).collect())
}

fn note(world: &mut World, node: usize, text: &str) -> Result {
    world.call(node, WriteNote { request: NoteRequest { text: text.into() } })?;
    Ok(())
}

/// What the user wrote on another device after the copy was made never came to the one that was put back: neither messages, nor
/// notes, nor what was read. Nor did what it had written itself, which the other has.
#[test]
fn a_device_put_back_is_told_by_the_users_other_ones_what_the_user_did() -> Result {
    const TABLET: usize = 2;
    let mut world = two_devices(79)?;
    note(&mut world, TABLET, "note before")?;
    world.send(1, "alice", "b before")?;
    settle_well(&mut world)?;
    let backup = backup(&mut world, 0, &VAULT)?;
    world.settle()?;
    world.send(TABLET, "bob", "of the tablet")?;
    note(&mut world, TABLET, "note of the tablet")?;
    world.send(0, "bob", "lost here")?;
    note(&mut world, 0, "note lost here")?;
    world.send(1, "alice", "b lost")?;
    settle_well(&mut world)?;
    world.call(TABLET, MarkRead { name: "bob".into() })?;
    settle_well(&mut world)?;

    for round in 0..2 {
        restore(&mut world, 0, &VAULT, &backup)?;
        assert!(world.call(0, GetPutBack {})?.is_some());
        for _ in 0..3 {
            settle_well(&mut world)?;
        }
        let mut sent = world.texts(0, "bob", Direction::Out)?;
        sent.retain(|(text, _)| text.starts_with("of") || text.starts_with("lost"));
        sent.sort();
        assert_eq!(sent, with_state(&["lost here", "of the tablet"], Delivery::Delivered));
        let mut found = notes(&mut world, 0)?;
        found.sort();
        assert_eq!(found, ["note before", "note lost here", "note of the tablet"], "round {round}");
        let received = world.texts(0, "bob", Direction::In)?;
        assert_eq!(received.last(), Some(&("b lost".into(), Delivery::Read)));
        // Nothing is shown twice, there or here.
        assert_eq!(notes(&mut world, TABLET)?.len(), 3);
        assert_eq!(world.texts(TABLET, "bob", Direction::Out)?.len(), 2);
        assert_eq!(world.texts(0, "bob", Direction::Out)?.len(), 3, "one is of before");
    }
    // What is written now comes as ever.
    world.send(TABLET, "bob", "after")?;
    world.send(0, "bob", "after that")?;
    settle_well(&mut world)?;
    for (node, text) in [(0, "after"), (TABLET, "after that")] {
        let texts = only_texts(&mut world, node, "bob", Direction::Out)?;
        assert_eq!(texts.iter().filter(|it| *it == text).count(), 1);
    }
    // And nothing goes round for ever.
    for node in 0..3 {
        assert_eq!(world.call(node, GetStatus {})?.outbox, Some(0));
        world.nodes[node].released = Released::default();
    }
    for _ in 0..5 {
        world.pass(Duration::from_secs(1));
    }
    assert!((0..3).all(|node| world.nodes[node].released.publish.is_empty()));
    Ok(())
}

/// Contacts whom the user added since then are there again, with what was written to them: more than one tick tells.
#[test]
fn a_device_put_back_is_told_of_contacts_who_came_since() -> Result {
    const TABLET: usize = 2;
    let mut world = two_devices(80)?;
    world.push(tempfile::tempdir()?);
    world.start(3)?;
    let carol = world.init(3, "carol")?;
    let alice = world.id_of(0)?;
    let backup = backup(&mut world, 0, &VAULT)?;
    world.add(TABLET, &carol, "carol")?;
    world.add(3, &alice, "alice")?;
    settle_well(&mut world)?;
    for number in 0..100 {
        world.send(TABLET, "carol", &format!("to carol {number}"))?;
    }
    world.send(3, "alice", "of carol")?;
    settle_well(&mut world)?;
    assert_eq!(world.texts(3, "alice", Direction::In)?.len(), 100);
    restore(&mut world, 0, &VAULT, &backup)?;
    // The other device ends in the midst of it.
    world.settle()?;
    world.crash(TABLET)?;
    for _ in 0..4 {
        settle_well(&mut world)?;
    }
    let sent = only_texts(&mut world, 0, "carol", Direction::Out)?;
    let expected: Vec<_> = (0..100).map(|number| format!("to carol {number}")).collect();
    assert_eq!(sent, expected);
    assert_eq!(only_texts(&mut world, 0, "carol", Direction::In)?, ["of carol"]);
    Ok(())
}
