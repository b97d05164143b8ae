//! Vaults put back from a copy.

use std::fs;
use std::path::Path;

use martlet_engine::command::GetPutBack;

use crate::world::*;

const VAULT: [&str; 3] = ["vault.redb", "vault.key", "vault.keys"];
const ALL: [&str; 4] = ["vault.redb", "vault.key", "vault.keys", "mailbox.redb"];

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
