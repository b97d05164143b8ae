//! Mailboxes that are not the one that the vault, or a file beside them, is of.

use std::fs;

use martlet_engine::command::OpenVault;

use crate::world::*;

/// Arrival numbers begin again in a new mailbox. Where they had passed those that the vault knew before it was
/// unlocked, what came first was never looked at: a mailbox moved away, as the documents advise for a damaged one,
/// cost mail.
#[test]
fn a_mailbox_begun_anew_while_the_vault_is_locked_loses_no_mail() -> Result {
    let mut world = World::new(2, 41)?;
    let alice = world.init(0, "alice")?;
    let directory = world.nodes[1].dir.path().to_path_buf();
    let path = key_file_path(&directory);
    let (key_file, key) = KeyFile::make(&path, Some(b"correct horse"), &mut world.rng)?;
    let create = CreateUser { key_file, key: key.clone(), name: None };
    let bob = world.call(1, create)?.id;
    world.add(0, &bob, "bob")?;
    world.add(1, &alice, "alice")?;
    let first: Vec<String> = (0..5).map(|number| format!("first {number}")).collect();
    for text in &first {
        world.send(0, "bob", text)?;
        world.settle()?;
    }

    // Once with a new one, once with a copy of before.
    let mut expected = first;
    let mailbox = directory.join("mailbox.redb");
    let mut copy = None;
    for round in 0..2 {
        world.nodes[1].engine = None;
        let now = fs::read(&mailbox)?;
        match copy.replace(now) {
            None => fs::remove_file(&mailbox)?,
            Some(before) => fs::write(&mailbox, before)?,
        }
        world.start(1)?;
        for number in 0..60 {
            let text = format!("round {round}, {number}");
            world.send(0, "bob", &text)?;
            expected.push(text);
        }
        world.gossip(0.0);
        world.call(1, OpenVault { key: key.clone() })?;
        world.settle()?;
        let texts: Vec<String> =
            world.texts(1, "alice", Direction::In)?.into_iter().map(|(text, _)| text).collect();
        assert_eq!(texts, expected, "round {round}");
    }
    Ok(())
}

/// Which network a mailbox is of stood in a file beside it: without that it was taken to be of the present one, and
/// what it held offered to neighbours that cut off who offers it; with another's it was emptied.
#[test]
fn a_mailbox_knows_itself_which_network_it_is_of() -> Result {
    let mut world = World::pair(42, 3)?;
    world.send(0, "bob", "one")?;
    world.settle()?;
    world.nodes[2].engine = None;
    let directory = world.nodes[2].dir.path().to_path_buf();
    assert!(!directory.join("mailbox.network").exists());
    fs::write(directory.join("mailbox.network"), "0011223344556677 0 0\n")?;
    world.start(2)?;
    assert!(!directory.join("mailbox.network").exists());
    let before = world.call(2, GetStatus {})?.mailbox.envelopes;
    assert!(before > 0);

    world.network.name = "ship".into();
    world.crash(2)?;
    assert_eq!(world.call(2, GetStatus {})?.mailbox.envelopes, 0);
    Ok(())
}
