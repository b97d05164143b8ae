//! IDs with a secret, and what becomes of a reset.

use martlet_engine::command::{GetContact, ResetId};
use martlet_engine::limits::TOLD_PER_BATCH_MAX;
use martlet_protocol::Id;
use martlet_protocol::bundle::Bundle;
use martlet_protocol::time::Day;
use martlet_store::vault::Key;

use crate::stranger::{in_vault, left_of};
use crate::world::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// Alice with Bob and Carol as contacts, and they with her; all have written.
fn three(seed: u64) -> Result<World> {
    let mut world = World::pair(seed, 3)?;
    let (alice, carol) = (world.id_of(ALICE)?, world.init(CAROL, "carol")?);
    world.add(ALICE, &carol, "carol")?;
    world.add(CAROL, &alice, "alice")?;
    world.settle()?;
    for (from, to) in [(ALICE, "bob"), (ALICE, "carol"), (BOB, "alice"), (CAROL, "alice")] {
        world.send(from, to, "before")?;
    }
    world.settle()?;
    Ok(world)
}

fn contact_id(world: &mut World, node: usize, name: &str) -> Result<String> {
    Ok(world.call(node, GetContact { name: name.into() })?.id)
}

/// The days of the bundles in a node's mailbox that open for who has this ID.
fn days_found(world: &mut World, node: usize, id: &str) -> Result<Vec<Day>> {
    let id: Id = id.parse()?;
    world.elapse(MAILBOX_COMMIT_DELAY);
    world.run(node, vec![]);
    let today = world.now.day();
    let view = world.nodes[node].engine.as_ref().ok_or("not running")?.mailbox().view()?;
    let mut found = Vec::new();
    for day in (today.0 - 12..=today.0 + 1).map(Day) {
        for envelope in view.by_tag(&Bundle::tag(&id, day), usize::MAX)? {
            let header = Header::parse(&envelope.envelope.content)?;
            if Bundle::open(&id, day, &header, &envelope.envelope.content).is_ok() {
                found.push(day);
            }
        }
    }
    Ok(found)
}

/// A day with everyone who is on.
fn live(world: &mut World, days: u32) -> Result {
    for _ in 0..days {
        // By the hour: the bundle of a day comes at a random time of it.
        for _ in 0..24 {
            world.pass(DAY / 24);
            world.settle()?;
        }
    }
    Ok(())
}

fn both_ways(world: &mut World, with: (usize, &str), text: &str) -> Result {
    let (node, name) = with;
    world.send(ALICE, name, text)?;
    world.send(node, "alice", text)?;
    world.settle()?;
    for (reader, of) in [(ALICE, name), (node, "alice")] {
        for direction in [Direction::In, Direction::Out] {
            let texts = world.texts(reader, of, direction)?;
            let last = texts.last().ok_or("no text")?;
            assert_eq!(last, &(text.to_owned(), Delivery::Delivered), "{reader} {direction:?}");
        }
    }
    Ok(())
}

/// The ID was the identity's key, so whoever had once been given it found the bundles of every day for ever.
#[test]
fn who_was_removed_finds_no_bundle_after_a_reset() -> Result {
    let mut world = three(60)?;
    let old = world.id_of(ALICE)?;
    assert_eq!(days_found(&mut world, CAROL, &old)?, [world.now.day()]);
    world.call(ALICE, RemoveContact { name: "carol".into() })?;
    // Without a reset they go on finding them. (The bundle of a day comes at any time of the day.)
    let removed_on = world.now.day();
    live(&mut world, 2)?;
    assert!(days_found(&mut world, CAROL, &old)?.iter().any(|day| *day > removed_on));

    let new = world.call(ALICE, ResetId {})?.id;
    assert_ne!(new, old);
    assert_eq!(world.id_of(ALICE)?, new);
    let reset_on = world.now.day();
    world.settle()?;
    live(&mut world, 3)?;
    let found = days_found(&mut world, CAROL, &old)?;
    assert!(found.iter().all(|day| *day <= reset_on), "{found:?}");
    assert!(days_found(&mut world, CAROL, &new)?.len() >= 3);
    live(&mut world, 6)?;
    assert!(days_found(&mut world, CAROL, &old)?.is_empty());

    // What they write to the last key that they found is for nobody, once that is deleted: twelve days of use.
    live(&mut world, 5)?;
    world.send(CAROL, "alice", "still there?")?;
    live(&mut world, 8)?;
    let sent = world.texts(CAROL, "alice", Direction::Out)?;
    assert_eq!(sent.last(), Some(&("still there?".to_owned(), Delivery::Expired)));
    assert!(world.call(ALICE, ListRequests {})?.requests.is_empty());
    assert_eq!(contact_id(&mut world, CAROL, "alice")?, old);
    Ok(())
}

#[test]
fn kept_contacts_follow_a_reset_by_themselves() -> Result {
    let mut world = three(61)?;
    let new = world.call(ALICE, ResetId {})?.id;
    world.settle()?;
    for (node, name) in [(BOB, "bob"), (CAROL, "carol")] {
        assert_eq!(contact_id(&mut world, node, "alice")?, new);
        // At once, and long after.
        both_ways(&mut world, (node, name), "after")?;
    }
    // Also across restarts, and over a second reset.
    for node in [ALICE, BOB, CAROL] {
        world.crash(node)?;
    }
    live(&mut world, 10)?;
    both_ways(&mut world, (BOB, "bob"), "ten days after")?;
    let newer = world.call(ALICE, ResetId {})?.id;
    live(&mut world, 1)?;
    assert_eq!(contact_id(&mut world, BOB, "alice")?, newer);
    both_ways(&mut world, (CAROL, "carol"), "eleven days after")?;
    Ok(())
}

/// The key by which a contact is told lives for six days. It was made once: who came back later, while the other was
/// off, did not follow.
#[test]
fn a_contact_who_was_away_for_ten_days_follows_a_reset() -> Result {
    let mut world = three(62)?;
    world.nodes[BOB].engine = None;
    live(&mut world, 1)?;
    let new = world.call(ALICE, ResetId {})?.id;
    live(&mut world, 9)?;
    // Alice is off meanwhile: a key that lives is in Carol's mailbox.
    world.nodes[ALICE].engine = None;
    world.start(BOB)?;
    // Written before anything has come.
    world.send(BOB, "alice", "back again")?;
    world.settle()?;
    assert_eq!(contact_id(&mut world, BOB, "alice")?, new);
    world.start(ALICE)?;
    for _ in 0..3 {
        world.settle()?;
    }
    let came = world.texts(ALICE, "bob", Direction::In)?;
    assert_eq!(came, with_state(&["before", "back again"], Delivery::Delivered));
    both_ways(&mut world, (BOB, "bob"), "and on")?;
    // Who knows is told no more.
    live(&mut world, 1)?;
    assert_eq!(outbox_len(&mut world, ALICE)?, 0);
    Ok(())
}

fn outbox_len(world: &mut World, node: usize) -> Result<usize> {
    let mut len = 0;
    in_vault(world, node, |txn| {
        len = txn.scan(&martlet_store::records::OUTBOX)?.len();
        Ok(())
    })?;
    Ok(len)
}

/// Both go by what they last knew of each other, and neither finds a bundle of the other's.
#[test]
fn two_who_reset_while_the_other_was_away_find_each_other() -> Result {
    let mut world = World::pair(63, 3)?;
    world.settle()?;
    both_ways(&mut world, (BOB, "bob"), "before")?;
    world.nodes[BOB].engine = None;
    let alice = world.call(ALICE, ResetId {})?.id;
    live(&mut world, 1)?;
    world.nodes[ALICE].engine = None;
    world.start(BOB)?;
    let bob = world.call(BOB, ResetId {})?.id;
    world.start(ALICE)?;
    live(&mut world, 2)?;
    assert_eq!(contact_id(&mut world, BOB, "alice")?, alice);
    assert_eq!(contact_id(&mut world, ALICE, "bob")?, bob);
    both_ways(&mut world, (BOB, "bob"), "after")
}

#[test]
fn who_has_an_old_id_finds_nobody_and_who_has_the_new_one_asks() -> Result {
    let mut world = World::new(3, 64)?;
    let old = world.init(ALICE, "alice")?;
    world.init(BOB, "bob")?;
    world.init(CAROL, "carol")?;
    let new = world.call(ALICE, ResetId {})?.id;
    live(&mut world, 7)?;
    world.add(BOB, &old, "alice")?;
    // The identity alone is not enough either.
    let short = Id::without_secret(old.parse()?).to_string();
    world.add(CAROL, &short, "alice's key")?;
    for (node, name) in [(BOB, "alice"), (CAROL, "alice's key")] {
        world.send(node, name, "hello")?;
        world.settle()?;
        assert_eq!(
            world.texts(node, name, Direction::Out)?,
            with_state(&["hello"], Delivery::Queued)
        );
        world.call(node, RemoveContact { name: name.into() })?;
    }
    world.add(BOB, &new, "alice")?;
    world.send(BOB, "alice", "hello")?;
    world.settle()?;
    // The request says by what its sender is found, so that nothing is to be typed.
    let requests = world.call(ALICE, ListRequests {})?.requests;
    let bob = world.id_of(BOB)?;
    assert_eq!(requests.iter().map(|request| &request.id).collect::<Vec<_>>(), [&bob]);
    world.call(ALICE, AcceptRequest { id: bob.clone(), name: "bob".into() })?;
    assert_eq!(contact_id(&mut world, ALICE, "bob")?, bob);
    live(&mut world, 8)?;
    both_ways(&mut world, (BOB, "bob"), "later")
}

/// Who had found the user by the old ID and wrote after the reset knew nothing of it, even once accepted.
#[test]
fn who_is_accepted_after_a_reset_is_told() -> Result {
    let mut world = World::new(2, 65)?;
    let old = world.init(ALICE, "alice")?;
    let bob = world.init(BOB, "bob")?;
    world.settle()?;
    world.add(BOB, &old, "alice")?;
    world.settle()?;
    let new = world.call(ALICE, ResetId {})?.id;
    world.send(BOB, "alice", "hello")?;
    world.settle()?;
    world.call(ALICE, AcceptRequest { id: bob, name: "bob".into() })?;
    world.settle()?;
    assert_eq!(contact_id(&mut world, BOB, "alice")?, new);
    live(&mut world, 9)?;
    both_ways(&mut world, (BOB, "bob"), "later")
}

/// Identities of before had no secret: their ID is the short one until they reset it.
#[test]
fn who_has_no_secret_can_reset_it() -> Result {
    let mut world = World::new(2, 66)?;
    for node in [ALICE, BOB] {
        world.init(node, "someone")?;
        in_vault(&mut world, node, |txn| {
            let profile = txn.get(&martlet_store::records::PROFILE, Key::Named(b""))?;
            let mut profile = profile.ok_or("no profile")?;
            profile.rendezvous = martlet_protocol::Rendezvous::default();
            Ok(txn.put(&martlet_store::records::PROFILE, Key::Named(b""), &profile)?)
        })?;
    }
    let (alice, bob) = (world.id_of(ALICE)?, world.id_of(BOB)?);
    assert_eq!((alice.len(), bob.len()), (66, 66));
    world.add(ALICE, &bob, "bob")?;
    world.add(BOB, &alice, "alice")?;
    // Until the next bundle, which is the first without the secret: any time of the next day.
    live(&mut world, 2)?;
    both_ways(&mut world, (BOB, "bob"), "before")?;
    let new = world.call(ALICE, ResetId {})?.id;
    assert_eq!(new.len(), 90);
    live(&mut world, 8)?;
    assert_eq!(contact_id(&mut world, BOB, "alice")?, new);
    assert!(days_found(&mut world, BOB, &alice)?.is_empty());
    both_ways(&mut world, (BOB, "bob"), "after")
}

/// A secret is nowhere but where it belongs: of a contact who was removed none is left.
#[test]
fn of_a_removed_contact_no_secret_is_left() -> Result {
    let mut world = three(67)?;
    let carol: Id = world.id_of(CAROL)?.parse()?;
    let secret = vec![carol.secret.0.to_vec()];
    assert_eq!(left_of(&mut world, ALICE, &secret)?, ["contacts"]);
    world.call(ALICE, RemoveContact { name: "carol".into() })?;
    assert_eq!(left_of(&mut world, ALICE, &secret)?, [""; 0]);
    Ok(())
}

/// A reset with very many contacts must not stop the engine for as long as it takes to seal to all.
#[test]
fn many_contacts_are_told_a_few_at_a_time() -> Result {
    let contacts = TOLD_PER_BATCH_MAX + 3;
    let mut world = World::new(1 + contacts, 68)?;
    let alice = world.init(ALICE, "alice")?;
    for node in 1..=contacts {
        let id = world.init(node, "someone")?;
        world.add(ALICE, &id, &format!("contact {node}"))?;
        world.add(node, &alice, "alice")?;
        world.sync(ALICE, node)?;
    }
    let new = world.call(ALICE, ResetId {})?.id;
    let told = |world: &World| {
        let published = &world.nodes[ALICE].released.publish;
        let headers = published.iter().filter_map(|one| Header::parse(&one.content).ok());
        headers.filter(|header| header.kind == Kind::ToDevice).count()
    };
    assert_eq!(told(&world), TOLD_PER_BATCH_MAX);
    world.pass(Duration::from_secs(1));
    assert_eq!(told(&world), contacts);
    for node in 1..=contacts {
        world.sync(ALICE, node)?;
        assert_eq!(contact_id(&mut world, node, "alice")?, new);
    }
    Ok(())
}
