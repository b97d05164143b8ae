//! Profiles: who is told what of the user, and what becomes of what contacts say.

use martlet_engine::command::{
    Block, ClearProfile, GetContact, GetContactPicture, GetPicture, GetProfile, SetPicture,
    SetProfile, Unblock,
};
use martlet_protocol::control::{Contact, EventBody, OwnProfile, ProfileChange};
use martlet_protocol::message::profile::PICTURE_BYTES_MAX;

use crate::world::*;

/// What a picture may be, as far as the engine looks.
fn picture(fill: u8) -> Vec<u8> {
    let mut picture = vec![fill; PICTURE_BYTES_MAX];
    picture[..3].copy_from_slice(&[0xff, 0xd8, 0xff]);
    picture
}

fn set(world: &mut World, name: Option<&str>, shared: Option<bool>) -> Result<OwnProfile> {
    let change = ProfileChange { name: name.map(str::to_owned), shared };
    world.call(0, SetProfile { change })
}

fn contact(world: &mut World, node: usize, name: &str) -> Result<Contact> {
    world.call(node, GetContact { name: name.into() })
}

fn picture_of(world: &mut World, node: usize, name: &str) -> Result<Option<Vec<u8>>> {
    world.call(node, GetContactPicture { name: name.into() })
}

/// Alice and Bob, who have talked.
fn talking(seed: u64) -> Result<World> {
    let mut world = World::pair(seed, 2)?;
    world.settle()?;
    world.send(0, "bob", "hello")?;
    settle(&mut world)?;
    Ok(world)
}

/// Until all that is due in a few seconds is done and has come.
fn settle(world: &mut World) -> Result {
    for _ in 0..3 {
        world.elapse(TICK);
        for node in 0..world.nodes.len() {
            world.run(node, vec![Input::Tick]);
        }
        world.settle()?;
    }
    Ok(())
}

#[test]
fn nothing_is_told_before_it_is_shared_and_all_is_forgotten_after() -> Result {
    let mut world = talking(3600)?;
    set(&mut world, Some("Alice Lee"), None)?;
    world.call(0, SetPicture { picture: picture(1) })?;
    settle(&mut world)?;
    let seen = contact(&mut world, 1, "alice")?;
    assert_eq!((seen.calls_themselves, seen.picture_bytes), (None, None));
    assert_eq!(world.call(0, GetProfile {})?.told, 0);

    set(&mut world, None, Some(true))?;
    settle(&mut world)?;
    let seen = contact(&mut world, 1, "alice")?;
    assert_eq!(seen.calls_themselves.as_deref(), Some("Alice Lee"));
    assert_eq!(seen.name, "alice", "the user's own name for them stays");
    assert_eq!(picture_of(&mut world, 1, "alice")?, Some(picture(1)));
    assert_eq!(world.call(0, GetProfile {})?.told, 1);
    // It is told, and it is no message.
    let events = world.call(1, ReadEvents { since: 0 })?.events;
    let told = events.iter().filter(|event| matches!(&event.body,
        EventBody::ContactProfile { name, calls_themselves: Some(own) } if name == "alice" && own == "Alice Lee"));
    assert_eq!(told.count(), 1, "{events:?}");
    assert_eq!(world.texts(1, "alice", Direction::In)?.len(), 1);

    // A change is told, and what did not change is not.
    set(&mut world, Some("Ada"), Some(true))?;
    set(&mut world, Some("Ada"), Some(true))?;
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "alice")?.calls_themselves.as_deref(), Some("Ada"));
    // After a crash on both sides it is so still, and nothing is told again.
    world.crash(0)?;
    world.crash(1)?;
    world.nodes[0].released = Released::default();
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "alice")?.calls_themselves.as_deref(), Some("Ada"));
    assert_eq!(world.call(0, GetStatus {})?.outbox, Some(0));

    set(&mut world, None, Some(false))?;
    settle(&mut world)?;
    let seen = contact(&mut world, 1, "alice")?;
    assert_eq!((seen.calls_themselves, seen.picture_bytes), (None, None));
    assert_eq!(picture_of(&mut world, 1, "alice")?, None);
    assert_eq!(world.call(0, GetPicture {})?, Some(picture(1)), "the user has it still");
    // Shared again, it is told again; cleared, it is gone here and there.
    set(&mut world, None, Some(true))?;
    settle(&mut world)?;
    assert_eq!(picture_of(&mut world, 1, "alice")?, Some(picture(1)));
    world.call(0, ClearProfile {})?;
    settle(&mut world)?;
    assert_eq!(picture_of(&mut world, 1, "alice")?, None);
    let left = world.call(0, GetProfile {})?;
    assert_eq!((left.name, left.picture_bytes, left.shared, left.told), (None, None, false, 0));
    Ok(())
}

/// Adding someone sends them nothing; once there is a conversation, they are told.
#[test]
fn a_contact_is_told_once_there_is_a_conversation() -> Result {
    let mut world = World::pair(3601, 2)?;
    set(&mut world, Some("Alice Lee"), Some(true))?;
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "alice")?.calls_themselves, None);
    world.send(1, "alice", "hello")?;
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "alice")?.calls_themselves.as_deref(), Some("Alice Lee"));
    Ok(())
}

/// To someone who does not know the user it is a part of the request, which shows nothing of it.
#[test]
fn a_stranger_is_shown_it_once_they_accept() -> Result {
    let mut world = World::half_pair(3602, 2)?;
    world.settle()?;
    set(&mut world, Some("Alice Lee"), Some(true))?;
    world.send(0, "bob", "hello")?;
    settle(&mut world)?;
    let requests = world.call(1, ListRequests {})?.requests;
    assert_eq!(requests[0].preview.as_deref(), Some("hello"));
    let id = requests[0].id.clone();
    world.call(1, AcceptRequest { id, name: "al".into() })?;
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "al")?.calls_themselves.as_deref(), Some("Alice Lee"));
    assert_eq!(world.texts(1, "al", Direction::In)?.len(), 1);
    Ok(())
}

/// Who is blocked gets nothing, neither a change nor a withdrawal; once the block is lifted, they get what is so then.
#[test]
fn a_blocked_contact_gets_nothing() -> Result {
    let mut world = talking(3603)?;
    world.call(0, Block { who: "bob".into() })?;
    set(&mut world, Some("Alice Lee"), Some(true))?;
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "alice")?.calls_themselves, None);
    assert_eq!(world.call(0, GetProfile {})?.told, 0);
    assert_eq!(world.call(0, GetStatus {})?.outbox, Some(0));
    world.crash(0)?;
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "alice")?.calls_themselves, None);
    world.call(0, Unblock { who: "bob".into() })?;
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "alice")?.calls_themselves.as_deref(), Some("Alice Lee"));
    // What someone says whom this user blocked is not taken.
    world.call(1, Block { who: "alice".into() })?;
    set(&mut world, Some("Mallory"), None)?;
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "alice")?.calls_themselves.as_deref(), Some("Alice Lee"));
    Ok(())
}

/// Someone who was away for longer than a message lives is told when they are back.
#[test]
fn who_was_away_for_a_week_is_told_all_the_same() -> Result {
    let mut world = talking(3604)?;
    world.nodes[1].engine = None;
    set(&mut world, Some("Alice Lee"), Some(true))?;
    for _ in 0..8 {
        world.elapse(Duration::from_secs(24 * 3600));
        world.run(0, vec![Input::Tick]);
        world.elapse(TICK);
        world.run(0, vec![Input::Tick]);
    }
    world.start(1)?;
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "alice")?.calls_themselves.as_deref(), Some("Alice Lee"));
    // The same of what is withdrawn.
    world.nodes[1].engine = None;
    set(&mut world, None, Some(false))?;
    for _ in 0..8 {
        world.elapse(Duration::from_secs(24 * 3600));
        world.run(0, vec![Input::Tick]);
        world.elapse(TICK);
        world.run(0, vec![Input::Tick]);
    }
    world.start(1)?;
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "alice")?.calls_themselves, None);
    Ok(())
}

/// What a contact said goes with them.
#[test]
fn what_a_removed_contact_said_is_gone() -> Result {
    let mut world = talking(3605)?;
    set(&mut world, Some("Alice Lee"), Some(true))?;
    settle(&mut world)?;
    let alice = world.id_of(0)?;
    world.call(1, RemoveContact { name: "alice".into() })?;
    settle(&mut world)?;
    world.add(1, &alice, "al")?;
    settle(&mut world)?;
    assert_eq!(contact(&mut world, 1, "al")?.calls_themselves, None);
    Ok(())
}

#[test]
fn what_is_no_name_or_no_picture_is_refused() -> Result {
    let mut world = talking(3606)?;
    for name in ["", "a".repeat(10_000).as_str(), "\u{200b}\u{2060}", "a\nb", "..", "a/b"] {
        assert!(set(&mut world, Some(name), None).is_err(), "{name:?}");
    }
    let mut large = picture(1);
    large.push(1);
    for bytes in [large, Vec::new(), b"\x89PNG\r\n\x1a\n".to_vec()] {
        assert!(world.call(0, SetPicture { picture: bytes }).is_err());
    }
    let profile = world.call(0, GetProfile {})?;
    assert_eq!((profile.name, profile.picture_bytes, profile.changed_at), (None, None, None));
    Ok(())
}
