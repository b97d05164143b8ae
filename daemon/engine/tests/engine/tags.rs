//! What tags mean, and sessions that are forgotten.

use martlet_engine::limits::INBOUND_SESSIONS_PER_DEVICE_MAX;
use martlet_protocol::control::EventBody;

use crate::stranger::Stranger;
use crate::world::*;

/// Bob, and unknown people who are his contacts.
fn contacts<const N: usize>(seed: u64) -> Result<(World, [Stranger; N])> {
    let mut world = World::new(1, seed)?;
    world.init(0, "bob")?;
    let mut all = Vec::new();
    for number in 0..N {
        let stranger = Stranger::new(&mut world, 0)?;
        world.add(0, &stranger.identity().to_string(), &format!("contact {number}"))?;
        all.push(stranger);
    }
    Ok((world, all.try_into().map_err(|_| "another number of them")?))
}

/// Sessions were known by their id alone, which is that of the Megolm key in them: who had been granted a
/// session and granted it again as their own, and was first, had the true one taken for known. Its messages were
/// never read.
#[test]
fn nobody_takes_the_place_of_anothers_session() -> Result {
    let (mut world, [mut carol, thief]) = contacts(70)?;
    let (stolen, key) = (thief.stolen_key(&mut world, &carol)?, carol.key(&mut world)?);
    let text = carol.text(&world, 0, "hello")?;
    world.bring(0, &[stolen, text, key])?;
    let expected = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(0, "contact 0", Direction::In)?, expected);
    assert_eq!(world.texts(0, "contact 1", Direction::In)?, []);
    Ok(())
}

/// Whoever sees an envelope can publish others with its tag, before the addressee has it. Each is tried until one
/// opens.
#[test]
fn a_copied_tag_hides_no_message() -> Result {
    let (mut world, [mut carol]) = contacts(71)?;
    let key = carol.key(&mut world)?;
    let text = carol.text(&world, 0, "hello")?;
    let copies = (0..3).map(|number| {
        let mut content = text.content.to_vec();
        let last = content.len() - 1 - number;
        content[last] ^= 1;
        Envelope::new(content)
    });
    let copies: Vec<_> = copies.collect();
    // Before the key has come, and after.
    world.bring(0, &copies[..2])?;
    world.bring(0, &[key])?;
    world.bring(0, &copies[2..])?;
    world.bring(0, &[text.clone(), text])?;
    let expected = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(0, "contact 0", Direction::In)?, expected);
    Ok(())
}

/// A device that begins more sessions than are kept loses its oldest. What is written in that one is not
/// acknowledged, so its sender reads `expired` in the end, and the user is told that it never came.
#[test]
fn what_is_lost_with_a_forgotten_session_is_told() -> Result {
    let (mut world, [mut carol]) = contacts(72)?;
    let mut texts = Vec::new();
    for number in 0..=INBOUND_SESSIONS_PER_DEVICE_MAX {
        if number > 0 {
            carol.begin_session(&mut world)?;
        }
        let key = carol.key(&mut world)?;
        if number < 2 {
            texts.push(carol.text(&world, 0, &number.to_string())?);
        }
        world.bring(0, &[key])?;
    }
    let forgotten = texts[0].id();
    world.bring(0, &texts)?;
    world.pass(Duration::from_secs(11));
    let expected = with_state(&["1"], Delivery::Delivered);
    assert_eq!(world.texts(0, "contact 0", Direction::In)?, expected);
    let acks = &world.nodes[0].released.acks;
    assert!(!acks.iter().any(|ack| ack.envelope == forgotten), "nobody has it");
    let events = world.call(0, ReadEvents { since: 0 })?.events;
    let lost = EventBody::MessagesLost { conversation: "contact 0".into(), count: 1 };
    assert!(events.iter().any(|event| event.body == lost));
    Ok(())
}
