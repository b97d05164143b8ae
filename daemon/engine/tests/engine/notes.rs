//! Notes: what the user writes to themselves.

use martlet_engine::command::{
    FindFrom, FindMessage, FoundMessage, GetInbox, GetMessage, GetNotes, WriteNote,
};
use martlet_engine::limits::ID_SEARCH_MAX;
use martlet_protocol::control::{EventBody, History, NoteRequest};

use crate::world::*;

fn write(world: &mut World, text: &str) -> Result<String> {
    let written = world.call(0, WriteNote { request: NoteRequest { text: text.into() } })?;
    assert_eq!(written.state, Delivery::Delivered, "all devices that it is for have it");
    Ok(written.id)
}

fn notes(world: &mut World, before: Option<&str>, limit: u32) -> Result<History> {
    let query = HistoryQuery {
        limit: Some(limit),
        before: before.map(str::to_owned),
        ..HistoryQuery::default()
    };
    world.call(0, GetNotes { query })
}

#[test]
fn notes_are_kept_in_order_and_found_by_id() -> Result {
    let mut world = World::new(1, 40)?;
    let id = world.init(0, "alice")?;
    assert!(notes(&mut world, None, 10)?.messages.is_empty());
    let first = write(&mut world, "buy milk")?;
    let second = write(&mut world, "and bread")?;
    world.crash(0)?;
    // Chores that clear away what strangers wrote leave them alone.
    world.pass(Duration::from_secs(2 * 24 * 3600));
    let all = notes(&mut world, None, 10)?.messages;
    let texts: Vec<_> = all.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(texts, ["buy milk", "and bread"]);
    for note in &all {
        assert_eq!((note.direction, note.state), (Direction::Note, Delivery::Delivered));
        assert_eq!(note.conversation, id);
    }
    let page = notes(&mut world, Some(&second), 10)?;
    assert_eq!(page.messages, all[..1]);
    assert!(notes(&mut world, None, 1)?.more);
    assert_eq!(world.call(0, GetMessage { id: first })?, all[0]);
    Ok(())
}

#[test]
fn a_note_is_told_and_goes_nowhere() -> Result {
    let mut world = World::pair(41, 2)?;
    world.settle()?;
    world.nodes[0].released = Released::default();
    let before = world.call(0, GetStatus {})?;
    let last = world.call(0, ReadEvents { since: 0 })?.last_seq;
    let id = write(&mut world, "only for me")?;
    let events = world.call(0, ReadEvents { since: last })?.events;
    assert!(
        matches!(&events[..], [event] if matches!(&event.body,
            EventBody::MessageQueued { message } if message.id == id && message.direction == Direction::Note)),
        "{events:?}"
    );
    assert!(world.nodes[0].released.publish.is_empty());
    let after = world.call(0, GetStatus {})?;
    assert_eq!((after.outbox, after.unread), (Some(0), Some(0)));
    assert_eq!(after.mailbox.envelopes, before.mailbox.envelopes);
    assert!(world.call(0, GetInbox {})?.conversations.is_empty());
    assert!(world.texts(0, "bob", Direction::Note)?.is_empty());
    Ok(())
}

/// A contact may have any name, the user's own ID too: their messages and the notes are kept apart.
#[test]
fn no_contacts_name_collides_with_the_notes() -> Result {
    let mut world = World::new(2, 42)?;
    let (alice, bob) = (world.init(0, "alice")?, world.init(1, "bob")?);
    for name in ["note", "notes", "me", alice.get(..60).ok_or("a short ID")?] {
        world.add(0, &bob, name)?;
        world.send(0, name, "to bob")?;
        write(&mut world, "to me")?;
        let sent = world.texts(0, name, Direction::Out)?;
        assert!(sent.iter().all(|(text, _)| text == "to bob"), "{sent:?}");
        assert!(notes(&mut world, None, 10)?.messages.iter().all(|note| note.text == "to me"));
        world.call(0, RemoveContact { name: name.into() })?;
    }
    assert_eq!(notes(&mut world, None, 10)?.messages.len(), 4);
    Ok(())
}

/// The id of the message whose id begins so, and how many batches it took to find.
fn find(world: &mut World, beginning: &str) -> Result<(String, usize)> {
    let mut from = FindFrom::Beginning(beginning.to_owned());
    for batches in 1.. {
        match world.call(0, FindMessage { from })? {
            FoundMessage::Id(id) => return Ok((id.to_string(), batches)),
            FoundMessage::Next(cursor) => from = FindFrom::Cursor(cursor),
        }
    }
    Err("it looks for ever".into())
}

/// What is looked at was cut to the newest 1,000 of a conversation, 20,000 in all, before it was known what was meant: whatever was older
/// had to be named by its whole id.
#[test]
fn however_many_came_after_it_a_message_is_found_by_the_beginning_of_its_id() -> Result {
    let mut world = World::new(1, 45)?;
    world.init(0, "alice")?;
    let first = write(&mut world, "the first")?;
    // More than one batch looks at.
    for number in 0..ID_SEARCH_MAX + 100 {
        write(&mut world, &number.to_string())?;
    }
    let last = write(&mut world, "the last")?;
    assert_eq!(find(&mut world, &last[..12])?, (last, 1), "the newest are found at once");
    let (found, batches) = find(&mut world, &first[..12].to_ascii_uppercase())?;
    assert_eq!(found, first);
    assert_eq!(batches, 2, "some in each batch, so that nothing else waits, and each once");
    assert_eq!(find(&mut world, &first)?, (first.clone(), 1));
    let other = if first.starts_with('0') { "1" } else { "0" };
    for unknown in [&format!("{other}{}", &first[1..20])[..], &first[..5], "", "no hexadecimal"] {
        assert!(find(&mut world, unknown).is_err(), "{unknown:?}");
    }
    Ok(())
}
