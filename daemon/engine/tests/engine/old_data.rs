//! Data directories that older builds wrote: real files, see `tests/data/README.md`.

use std::fs;
use std::path::Path;

use martlet_engine::command::{
    GetContact, GetInbox, ListContacts, OpenVault, RenameContact, ResetId,
};
use martlet_protocol::control::{Event, EventBody, Message};
use martlet_store::records::CONTACTS;
use martlet_store::vault::Key;

use crate::stranger::in_vault;
use crate::world::*;

const PASSPHRASE: &[u8] = b"correct horse battery staple";
const FILES: [&str; 4] = ["vault.redb", "vault.key", "mailbox.redb", "mailbox.network"];
/// When they were written.
const WRITTEN: UnixMillis = UnixMillis(1_795_883_319_000);
const ALICE: usize = 0;
const BOB: usize = 1;
const DAVE: usize = 2;

/// Alice, Bob and Dave on the data directories of version 1, not connected yet, an hour later.
fn old_users(seed: u64) -> Result<World> {
    let mut world = World::new(0, seed)?;
    for (node, name) in ["alice", "bob", "dave"].into_iter().enumerate() {
        let dir = tempfile::tempdir()?;
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v1").join(name);
        for file in FILES {
            fs::copy(from.join(file), dir.path().join(file))?;
        }
        world.push(dir);
        world.now = WRITTEN.plus(Duration::from_secs(3600));
        world.start(node)?;
    }
    unlock(&mut world, BOB)?;
    Ok(world)
}

fn unlock(world: &mut World, node: usize) -> Result {
    let file = KeyFile::read(&key_file_path(world.nodes[node].dir.path()))?;
    let key = file.ok_or("no key file")?.unwrap(Some(PASSPHRASE))?;
    world.call(node, OpenVault { key })?;
    Ok(())
}

fn history(world: &mut World, node: usize, with: &str) -> Result<Vec<Message>> {
    let query = HistoryQuery { limit: Some(1000), before: None, ..HistoryQuery::default() };
    Ok(world.call(node, GetHistory { name: with.into(), query })?.messages)
}

/// Who wrote (`<` another), what, and how far it is.
fn lines(world: &mut World, node: usize, with: &str) -> Result<Vec<String>> {
    let history = history(world, node, with)?;
    Ok(history
        .iter()
        .map(|message| match message.direction {
            Direction::In => format!("< {}", message.text),
            Direction::Out | Direction::Note => format!("> {} {:?}", message.text, message.state),
        })
        .collect())
}

#[test]
fn what_an_old_build_wrote_is_all_there() -> Result {
    let mut world = old_users(1)?;
    // Twice: as the old build left it, and as this one did.
    for _ in 0..2 {
        let contacts = world.call(ALICE, ListContacts {})?.contacts;
        let names: Vec<_> = contacts.iter().map(|contact| contact.name.as_str()).collect();
        assert_eq!(names, ["bob", "dave"]);
        let states = |line: String| {
            let cut = line.rfind(' ').filter(|_| line.starts_with('>'));
            cut.map_or(line.clone(), |cut| line[..cut].to_owned())
        };
        let with_bob = lines(&mut world, ALICE, "bob")?;
        let delivered = ["> Hello Bob", "> How is the weather?", "> Grüße ☔"];
        for (line, text) in with_bob.iter().zip(delivered) {
            assert_eq!(line, &format!("{text} Delivered"));
        }
        let with_bob: Vec<_> = with_bob.into_iter().map(states).collect();
        assert_eq!(with_bob[..3], delivered);
        assert_eq!(
            with_bob[3..],
            ["< It rains.", "< Are you there?", "< Call me.", "> Sent 1", "> Sent 2", "> Queued 3"],
        );
        assert_eq!(
            lines(&mut world, ALICE, "dave")?,
            ["> First to Dave Queued", "> Second to Dave Queued"]
        );
        let inbox = world.call(ALICE, GetInbox {})?.conversations;
        let unread: Vec<_> = inbox.iter().flat_map(|one| &one.messages).map(|m| &m.text).collect();
        assert_eq!(unread, ["Are you there?", "Call me."]);
        let requests = world.call(ALICE, ListRequests {})?.requests;
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].suggested_name.as_deref(), Some("Carol"));
        let events = world.call(ALICE, ReadEvents { since: 0 })?.events;
        // The old log held texts and names, of what was removed since too: it went, and the numbers go on.
        let received = |event: &&Event| matches!(event.body, EventBody::MessageReceived { .. });
        assert_eq!(events.iter().filter(received).count(), 0);
        assert!(events.iter().all(|event| event.seq > 3), "{events:?}");

        let with_alice: Vec<_> = lines(&mut world, BOB, "alice")?.into_iter().map(states).collect();
        assert_eq!(
            with_alice,
            [
                "< Hello Bob",
                "< How is the weather?",
                "< Grüße ☔",
                "> It rains.",
                "> Are you there?",
                "> Call me.",
                "> Bob's queued 1",
                "> Bob's queued 2",
            ]
        );
        assert_eq!(world.call(BOB, GetInbox {})?.conversations.len(), 0);
        for node in [ALICE, BOB, DAVE] {
            world.crash(node)?;
        }
        unlock(&mut world, BOB)?;
    }
    Ok(())
}

#[test]
fn what_an_old_build_could_not_deliver_is_delivered_under_the_same_ids() -> Result {
    let mut world = old_users(2)?;
    let of = |messages: Vec<Message>, direction| -> Vec<(String, String)> {
        let messages = messages.into_iter().filter(|message| message.direction == direction);
        messages.map(|message| (message.id, message.text)).collect()
    };
    let written = [
        of(history(&mut world, ALICE, "bob")?, Direction::Out),
        of(history(&mut world, ALICE, "dave")?, Direction::Out),
        of(history(&mut world, BOB, "alice")?, Direction::Out),
    ];
    for _ in 0..3 {
        world.settle()?;
    }
    for (writer, to, reader, from, written) in [
        (ALICE, "bob", BOB, "alice", &written[0]),
        (ALICE, "dave", DAVE, "alice", &written[1]),
        (BOB, "alice", ALICE, "bob", &written[2]),
    ] {
        let states = world.texts(writer, to, Direction::Out)?;
        assert!(states.iter().all(|(_, state)| *state == Delivery::Delivered), "{states:?}");
        assert_eq!(&of(history(&mut world, reader, from)?, Direction::In), written);
    }
    // And on from there, in both directions.
    world.send(BOB, "alice", "after")?;
    world.send(DAVE, "alice", "after")?;
    world.settle()?;
    for (node, to) in [(BOB, "alice"), (DAVE, "alice")] {
        let states = world.texts(node, to, Direction::Out)?;
        assert!(states.contains(&("after".to_owned(), Delivery::Delivered)), "{states:?}");
    }
    assert_eq!(world.call(ALICE, ListRequests {})?.requests.len(), 1);
    Ok(())
}

/// An ID had no secret: with that of zeros both sides find each other, until one resets theirs.
#[test]
fn who_is_of_an_old_build_has_the_id_of_before_and_can_reset_it() -> Result {
    let mut world = old_users(4)?;
    for _ in 0..3 {
        world.settle()?;
    }
    let id = world.id_of(ALICE)?;
    let known = |world: &mut World| -> Result<String> {
        Ok(world.call(BOB, GetContact { name: "alice".into() })?.id)
    };
    assert_eq!((id.len(), known(&mut world)?), (66, id));
    let id = world.call(ALICE, ResetId {})?.id;
    for _ in 0..8 {
        world.settle()?;
        world.pass(Duration::from_secs(24 * 3600));
    }
    world.settle()?;
    assert_eq!((id.len(), known(&mut world)?), (90, id));
    for (from, to) in [(ALICE, "bob"), (BOB, "alice")] {
        world.send(from, to, "after")?;
        world.settle()?;
        let states = world.texts(from, to, Direction::Out)?;
        assert_eq!(states.last(), Some(&("after".to_owned(), Delivery::Delivered)));
    }
    Ok(())
}

#[test]
fn who_asked_before_can_be_accepted_after() -> Result {
    let mut world = old_users(3)?;
    let id = world.call(ALICE, ListRequests {})?.requests[0].id.clone();
    world.call(ALICE, AcceptRequest { id, name: "carol".into() })?;
    assert_eq!(lines(&mut world, ALICE, "carol")?, ["< Hello, it is Carol."]);
    Ok(())
}

/// Names were taken that can't be seen, or not be part of a path. They are no more; who has one opens still.
#[test]
fn contacts_with_names_of_before_the_rules_are_there_and_can_be_renamed() -> Result {
    for name in ["..", "\u{3164}"] {
        let mut world = World::pair(71, 2)?;
        in_vault(&mut world, 0, |txn| {
            let mut record = txn.scan(&CONTACTS)?.remove(0);
            record.name = name.to_owned();
            Ok(txn.put(&CONTACTS, Key::Named(&record.identity.0), &record)?)
        })?;
        assert_eq!(world.call(0, GetContact { name: name.into() })?.name, name);
        world.send(0, name, "a text")?;
        let rename =
            |from: &str, to: &str| RenameContact { name: from.into(), new_name: to.into() };
        assert_eq!(world.call(0, rename(name, "bob"))?.name, "bob");
        assert_eq!(history(&mut world, 0, "bob")?.len(), 1);
        assert!(world.call(0, rename("bob", name)).is_err());
    }
    Ok(())
}
