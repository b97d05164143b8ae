//! Messages of before whose pages, requests or offers end, are late or are lost.

use martlet_engine::limits::{PAST_BYTES_GIVEN_MAX, PAST_BYTES_MAX, PAST_ENDS_LATER};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{ExpiryHour, Kind};
use martlet_store::records::{HISTORY_GIVEN, HistoryGivenRecord, HistoryLineRecord};

use super::*;

/// Another device of Alice's, beside the phone.
const TABLET: usize = 3;

/// Until Alice has answered; what she publishes then, which nobody has yet.
fn answer(world: &mut World) -> Result<Vec<Header>> {
    for _ in 0..60 {
        world.gossip(0.0);
        world.pass(Duration::from_secs(1));
        if given(world)?.is_some_and(|it| it.messages > 0) {
            let published = &world.nodes[ALICE].released.publish;
            let headers = published.iter().map(|it| Header::parse(&it.content));
            return Ok(headers.collect::<std::result::Result<_, _>>()?);
        }
    }
    Err("nothing was answered".into())
}

/// A page with a text that ended in an hour stayed in mailboxes for six days, and with it the text and all that its device needs to read
/// it.
#[test]
fn a_page_ends_with_the_first_of_its_texts_and_what_does_not_end_comes_all_the_same() -> Result {
    let mut world = World::pair(2340, 3)?;
    world.settle()?;
    world.send(BOB, "alice", "stays")?;
    let end = world.now.plus(3 * HOUR);
    for (text, expire) in [("for three hours", 3 * 3600), ("for five days", 5 * 24 * 3600)] {
        world.call(BOB, SendText { request: timed("alice", text, Some(expire), None) })?;
    }
    world.settle()?;
    confirm(&mut world, PHONE, true)?;
    let expiry = ExpiryHour::of_use_until(end, world.now);
    let pages = answer(&mut world)?;
    let to_device = pages.iter().filter(|it| it.kind == Kind::ToDevice);
    let hours: Vec<_> = to_device.map(|it| it.expiry).collect();
    assert_eq!(hours, [expiry]);
    // Nobody takes it until then.
    world.nodes[ALICE].released.publish.clear();
    world.elapse(4 * HOUR);
    take_all(&mut world, PHONE)?;
    assert_eq!(texts(&mut world, PHONE, "bob")?, ["stays", "for five days"]);
    Ok(())
}

/// Two devices that are never on at the same time: what ended soon took away all that was in the same page, each time.
#[test]
fn what_ends_soon_is_left_out_of_what_is_asked_for_again() -> Result {
    let mut world = World::pair(2341, 3)?;
    world.settle()?;
    world.send(BOB, "alice", "stays")?;
    for hours in [3, 30, 100] {
        let text = format!("for {hours} hours");
        world.call(BOB, SendText { request: timed("alice", &text, Some(hours * 3600), None) })?;
    }
    world.settle()?;
    link(&mut world, PHONE)?;
    let (forger, bob) = forger(&mut world)?;
    assert!(PAST_ENDS_LATER > 3 * HOUR && PAST_ENDS_LATER < 29 * HOUR);
    for (tries, wanted) in [(0, 4), (1, 3), (2, 1), (9, 1)] {
        let before = given(&mut world)?.ok_or("nothing was given")?.messages;
        forger.ask(&mut world, bob, 100 + u32::from(tries), HOUR, tries)?;
        let after = given(&mut world)?.ok_or("nothing was given")?.messages;
        assert_eq!(after - before, wanted, "after {tries} tries");
    }
    Ok(())
}

/// The phone's keys, which ask Alice; the phone itself is off.
fn forger(world: &mut World) -> Result<(Forger, IdentityId)> {
    let (bob, alice) = (identity(world, BOB)?, keys(world, ALICE)?.device());
    let forger = Forger { keys: keys(world, PHONE)?, to: bundle(world, ALICE, alice)? };
    world.nodes[PHONE].engine = None;
    Ok((forger, bob))
}

impl Forger {
    /// Asks for the newest of a conversation, so long after the beginning of all.
    fn ask(
        &self,
        world: &mut World,
        conversation: IdentityId,
        number: u32,
        after: Duration,
        tries: u8,
    ) -> Result {
        let lines = vec![WantedLine { conversation, before: None }];
        let asked_at = Some(self.keys.certificate().created_at().plus(after));
        let wanted = HistoryWanted { number, lines, asked_at, tries };
        self.tell(world, ALICE, DeviceMessage::HistoryWanted(wanted))
    }
}

/// An old request that came late was answered, and the answer to the newer one was taken out of the outbox for it.
#[test]
fn a_late_request_is_not_answered_and_one_of_who_counts_anew_is() -> Result {
    let mut world = World::pair(2342, 3)?;
    world.send(ALICE, "bob", "hello")?;
    world.settle()?;
    link(&mut world, PHONE)?;
    let (forger, bob) = forger(&mut world)?;
    let mut told = Vec::new();
    // A newer one, an older one that is late, the same again; then of a copy that was put back; and of a clock that was set back.
    for (number, hours) in [(100, 2), (99, 1), (100, 2), (7, 3), (8, 1)] {
        let before = given(&mut world)?.ok_or("nothing was given")?.messages;
        forger.ask(&mut world, bob, number, hours * HOUR, 0)?;
        told.push(given(&mut world)?.ok_or("nothing was given")?.messages - before);
    }
    assert_eq!(told, [1, 0, 0, 1, 1]);
    Ok(())
}

/// What told the new device that it is one, or that it may ask, was sent once, and was lost if another device was revoked before it had
/// its stamp.
#[test]
fn what_is_for_a_new_device_alone_is_not_lost_if_another_one_is_revoked_meanwhile() -> Result {
    for is_offer in [false, true] {
        let network = NetworkDescriptor { stamp_bits: 4, ..NetworkDescriptor::default() };
        let mut world = World::pair_on(2343, 4, network)?;
        world.send(ALICE, "bob", "hello")?;
        world.settle()?;
        confirm(&mut world, TABLET, false)?;
        for _ in 0..3 {
            world.settle()?;
        }
        compare(&mut world, PHONE)?;
        world.stamps_at_once = is_offer;
        world.call(ALICE, ConfirmLink { equal: true, history: true })?;
        if is_offer {
            // Its keys come, and with the next tick it is told.
            for _ in 0..2 {
                world.gossip(0.0);
            }
            world.stamps_at_once = false;
            world.pass(Duration::from_secs(1));
            assert_eq!(own(&mut world, PHONE)?, None, "it was told before");
        }
        let request = DeviceRevoke::default();
        world.call(ALICE, RevokeDevice { device: "tablet".into(), request })?;
        world.stamps_at_once = true;
        for node in 0..4 {
            while world.stamp(node) {}
        }
        for _ in 0..3 {
            world.settle()?;
        }
        take_all(&mut world, PHONE)?;
        assert_eq!(texts(&mut world, PHONE, "bob")?, ["hello"]);
    }
    Ok(())
}

/// A page that came too soon waited on disk; one with texts that end was there after they had.
#[test]
fn a_page_with_texts_that_end_does_not_wait() -> Result {
    let (mut world, forger, bob) = asking(2344)?;
    let (now, device) = (world.now, forger.keys.device());
    let writers = vec![Writer { identity: bob, device }];
    for (is_timed, waits) in [(true, 0), (false, 1)] {
        let one = past(1, "x", now);
        let mut message = message::Message::decode(&one.message)?;
        message.timers.expire_s = is_timed.then_some(3600);
        let said = vec![Past { message: message.encode(), ..one }];
        let slice = Slice { conversation: bob, before: Some(7), next: None, said };
        let page = Forger::page(vec![slice], writers.clone());
        forger.send(&mut world, History { page: 1, pages: 2, ..page })?;
        let mut waiting = 0;
        in_vault(&mut world, PHONE, |txn| {
            waiting = txn.count(&HISTORY_PAGES)?;
            Ok(())
        })?;
        assert_eq!(waiting, waits, "with texts that end: {is_timed}");
    }
    Ok(())
}

/// Of what came too soon something was left on disk, and it was said for ever that more was to come, once there was as much as may be.
#[test]
fn once_a_device_has_as_much_as_may_be_nothing_waits_and_nothing_is_to_come() -> Result {
    let (mut world, forger, bob) = asking(2345)?;
    let (now, device) = (world.now, forger.keys.device());
    let alice = forger.keys.certificate().identity();
    let writers = vec![Writer { identity: bob, device }];
    let page = |page, before, next| {
        let said = vec![past(page + 1, "x", now)];
        let slice = Slice { conversation: bob, before, next, said };
        History { page, pages: 3, ..Forger::page(vec![slice], writers.clone()) }
    };
    forger.send(&mut world, page(2, Some(5), Some(4)))?;
    in_vault(&mut world, PHONE, |txn| {
        let key = Key::Named(b"");
        let mut taken = txn.get(&HISTORY_TAKEN, key)?.ok_or("nothing was taken")?;
        taken.bytes = PAST_BYTES_MAX - 1;
        assert_eq!(txn.count(&HISTORY_PAGES)?, 1);
        txn.put(&HISTORY_TAKEN, key, &taken)?;
        // Of the notes there is more, too.
        let key = Key::Named(&alice.0);
        let line = txn.get(&HISTORY_LINES, key)?.ok_or("no conversation")?;
        Ok(txn.put(&HISTORY_LINES, key, &HistoryLineRecord { is_done: false, ..line })?)
    })?;
    assert_eq!(own_left(&mut world)?, Some(2));
    forger.send(&mut world, page(0, None, Some(6)))?;
    assert_eq!(own_left(&mut world)?, Some(0));
    in_vault(&mut world, PHONE, |txn| {
        assert_eq!(txn.count(&HISTORY_PAGES)?, 0);
        Ok(())
    })
}

/// A device that asked for more than it may have was answered that there is nothing more, which it took for the end.
#[test]
fn who_was_given_as_much_as_may_be_is_given_nothing_more() -> Result {
    let mut world = World::pair(2346, 3)?;
    world.send(ALICE, "bob", "hello")?;
    world.settle()?;
    link(&mut world, PHONE)?;
    let (forger, bob) = forger(&mut world)?;
    let phone = forger.keys.device();
    let most = PAST_BYTES_GIVEN_MAX;
    for (number, bytes, more) in [(100, most, 0), (101, most - 1, 1)] {
        in_vault(&mut world, ALICE, |txn| {
            let key = Key::Named(&phone.0);
            let given = txn.get(&HISTORY_GIVEN, key)?.ok_or("nothing was given")?;
            Ok(txn.put(&HISTORY_GIVEN, key, &HistoryGivenRecord { bytes, ..given })?)
        })?;
        let before = given(&mut world)?.ok_or("nothing was given")?.messages;
        world.nodes[ALICE].released.publish.clear();
        forger.ask(&mut world, bob, number, HOUR, 0)?;
        let sent = world.nodes[ALICE].released.publish.len();
        let after = given(&mut world)?.ok_or("nothing was given")?.messages;
        assert_eq!((after - before, sent), (more, usize::try_from(more)?));
    }
    Ok(())
}
