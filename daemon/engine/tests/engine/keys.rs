//! Mail that was lost to keys: prekeys that are gone, sessions that were forgotten, clocks that jumped.

use martlet_protocol::Id;
use martlet_protocol::bundle::Bundle;
use martlet_protocol::crypto::body::{self, BaseKey};
use martlet_protocol::time::Day;

use crate::world::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A day passes for some nodes; the others are off.
fn days(world: &mut World, nodes: &[usize], days: u32) {
    for _ in 0..days {
        world.now = world.now.plus(DAY);
        world.steady += DAY;
        for node in nodes {
            world.run(*node, vec![Input::Tick]);
        }
    }
}

/// Who was away for ten days and wrote before syncing sealed to a prekey that was deleted meanwhile, and
/// went on in that session for a day though the new bundle had come: all of it stayed `sent`, then expired.
#[test]
fn who_was_away_for_ten_days_and_writes_first_is_read() -> Result {
    let mut world = World::pair(30, 3)?;
    world.settle()?;
    // Many days, so that the old prekey is surely gone.
    days(&mut world, &[1, 2], 30);
    world.send(0, "bob", "one")?;
    world.send(0, "bob", "two")?;
    world.settle()?;
    world.send(0, "bob", "three")?;
    world.settle()?;
    world.settle()?;
    let expected = with_state(&["one", "two", "three"], Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, expected);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, expected);
    Ok(())
}

/// The same with a daemon started again in between: what the key was sealed to is on disk.
#[test]
fn what_a_session_key_was_sealed_to_survives_a_restart() -> Result {
    let mut world = World::pair(31, 3)?;
    world.settle()?;
    days(&mut world, &[1, 2], 30);
    world.send(0, "bob", "one")?;
    world.crash(0)?;
    world.settle()?;
    world.settle()?;
    let expected = with_state(&["one"], Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, expected);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, expected);
    Ok(())
}

/// One start with the clock in 2001, or 20 days ahead, superseded the live prekey with one that nobody may
/// use, and the right clock (or the wrong one at once) counted it as superseded for more than eight days.
#[test]
fn one_start_with_a_wrong_clock_deletes_no_prekey_in_use() -> Result {
    let wrong = [UnixMillis(983_404_800_000), START.plus(20 * DAY)];
    for (seed, wrong) in (40..).zip(wrong) {
        let mut world = World::pair(seed, 3)?;
        world.settle()?;
        // Sealed to the live prekey, and on its way while its owner is off.
        world.send(0, "bob", "hello")?;
        world.sync(0, 2)?;
        let right = world.now;
        world.now = wrong;
        world.crash(1)?;
        world.now = right.plus(Duration::from_secs(60));
        world.crash(1)?;
        world.settle()?;
        let expected = with_state(&["hello"], Delivery::Delivered);
        assert_eq!(world.texts(1, "alice", Direction::In)?, expected, "seed {seed}");
        assert_eq!(world.texts(0, "bob", Direction::Out)?, expected, "seed {seed}");
    }
    Ok(())
}

/// A jump of the clock forgot the sessions others write in, so that the rest of them could not be read.
#[test]
fn a_clock_that_jumps_forgets_no_session() -> Result {
    let mut world = World::pair(42, 3)?;
    world.settle()?;
    world.send(0, "bob", "one")?;
    world.settle()?;
    let right = world.now;
    world.now = right.plus(20 * DAY);
    world.run(1, vec![Input::Tick]);
    world.now = right.plus(Duration::from_secs(60));
    world.run(1, vec![Input::Tick]);
    world.send(0, "bob", "two")?;
    world.settle()?;
    let received = world.texts(1, "alice", Direction::In)?;
    assert_eq!(received, with_state(&["one", "two"], Delivery::Delivered));
    Ok(())
}

/// What was written while the clock was behind waited for keys that seemed to be from the future, and was
/// looked at only when a newer bundle came, as was all that was written after it.
#[test]
fn what_waited_for_the_clock_is_sent_when_it_is_right() -> Result {
    let mut world = World::pair(43, 2)?;
    world.settle()?;
    let right = world.now;
    world.now = right.minus(3 * DAY);
    world.run(0, vec![Input::Tick]);
    world.send(0, "bob", "early")?;
    world.now = right.plus(Duration::from_secs(60));
    world.send(0, "bob", "late")?;
    world.settle()?;
    let received = world.texts(1, "alice", Direction::In)?;
    assert_eq!(received, with_state(&["early", "late"], Delivery::Delivered));
    Ok(())
}

/// With the contact their sessions were forgotten: what the other wrote in the one they had stayed `sent`
/// for ever, up to 128 messages.
#[test]
fn a_contact_added_again_is_read_in_the_session_that_they_have() -> Result {
    let mut world = World::pair(44, 3)?;
    world.settle()?;
    world.send(0, "bob", "one")?;
    world.settle()?;
    let alice = world.id_of(0)?;
    world.call(1, RemoveContact { name: "alice".into() })?;
    // Written between the two, and after: both in the session whose key bob has acknowledged.
    world.send(0, "bob", "two")?;
    world.settle()?;
    world.crash(1)?;
    assert_eq!(world.call(1, ListRequests {})?.requests.len(), 0);
    world.add(1, &alice, "alice")?;
    world.send(0, "bob", "three")?;
    world.settle()?;
    let received = world.texts(1, "alice", Direction::In)?;
    assert_eq!(received, with_state(&["two", "three"], Delivery::Delivered));
    let sent = world.texts(0, "bob", Direction::Out)?;
    assert_eq!(sent, with_state(&["one", "two", "three"], Delivery::Delivered));
    Ok(())
}

/// The same with a request: nothing of it was acknowledged, so all of it arrives.
#[test]
fn who_was_dropped_and_is_added_is_read_in_the_session_that_they_have() -> Result {
    let mut world = World::half_pair(45, 3)?;
    let alice = world.id_of(0)?;
    world.settle()?;
    world.send(0, "bob", "one")?;
    world.settle()?;
    let id = world.call(1, ListRequests {})?.requests[0].id.clone();
    world.call(1, DropRequest { id })?;
    world.send(0, "bob", "two")?;
    world.settle()?;
    world.add(1, &alice, "alice")?;
    world.send(0, "bob", "three")?;
    world.settle()?;
    world.settle()?;
    let sent = world.texts(0, "bob", Direction::Out)?;
    assert_eq!(sent, with_state(&["one", "two", "three"], Delivery::Delivered));
    let received = world.texts(1, "alice", Direction::In)?;
    assert_eq!(received, with_state(&["one", "two", "three"], Delivery::Delivered));
    Ok(())
}

/// What anyone who knows an ID can publish: a bundle under the tag of `day`.
fn republished(id: &Id, day: Day, header: &Header, bundle: &Bundle) -> Result<Envelope> {
    let secret = [id.identity.0.as_slice(), &id.secret.0].concat();
    let key = blake3::derive_key("martlet 2026 bundle secret v2", &secret);
    let of_day = [b"martlet bundle body v2".as_slice(), &day.0.to_be_bytes()].concat();
    let base = BaseKey(*blake3::keyed_hash(&key, &of_day).as_bytes());
    let Header { network, shard, expiry, .. } = *header;
    let mut to = Header::encode_prefix(Kind::Conversation, network, shard, expiry, 1).to_vec();
    to.extend(Bundle::tag(id, day).0);
    to.extend([0; 16]);
    Ok(Envelope::new(body::seal(&base, to, bundle.as_bytes())?))
}

/// Who knew an ID could publish a bundle of long ago under today's tag. Others sealed to its prekey, which its owner
/// had deleted, and nobody ever read what they wrote.
#[test]
fn an_old_bundle_under_todays_tag_is_not_written_to() -> Result {
    let mut world = World::new(2, 46)?;
    let (alice, bob) = (world.init(0, "alice")?, world.init(1, "bob")?);
    world.add(1, &alice, "alice")?;
    let id: Id = bob.parse()?;
    let opened = |envelope: &Envelope, day| -> Option<(Header, Bundle)> {
        let header = Header::parse(&envelope.content).ok()?;
        let bundle = Bundle::open(&id, day, &header, &envelope.content).ok()?;
        Some((header, bundle))
    };
    let published = std::mem::take(&mut world.nodes[1].released.publish);
    let first_day = world.now.day();
    let old = published.iter().find_map(|envelope| opened(envelope, first_day));
    let (_, old) = old.ok_or("bob's first bundle")?;
    days(&mut world, &[0, 1], 10);
    let newest = world.nodes[1].released.publish.pop().ok_or("bob's newest bundle")?;
    let header = Header::parse(&newest.content)?;
    world.add(0, &bob, "bob")?;
    world.send(0, "bob", "hello")?;
    world.nodes[0].released.publish.clear();

    let today = world.now.day();
    let forged = republished(&id, today, &header, &old)?;
    world.bring(0, &[forged])?;
    assert!(world.nodes[0].released.publish.is_empty(), "nothing is sealed to the old prekey");
    // It is for its day alone that it is refused.
    let forged = republished(&id, first_day, &header, &old)?;
    assert!(opened(&forged, first_day).is_some());
    world.bring(0, &[newest])?;
    assert_eq!(world.nodes[0].released.publish.len(), 2, "a key and a message");
    world.settle()?;
    world.settle()?;
    let expected = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, expected);
    Ok(())
}
