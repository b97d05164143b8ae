//! The most that honest use asks of a bound, tried. What was measured stands at the bounds.

use std::time::Instant;

use martlet_engine::command::{AddToRoom, CreateRoom, EditMessage, GetIdentity, ResetId};
use martlet_engine::limits::{
    CONTACTS_MAX, ROOM_GREETED, ROOMS_GREETED_PER_TICK_MAX, ROOMS_MAX, TOLD_PER_BATCH_MAX,
    UNTOLD_WRITTEN_PER_BATCH_MAX,
};
use martlet_protocol::bundle::Bundle;
use martlet_protocol::control::{EditRequest, RoomCreate, RoomMemberRequest};
use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::seal::{DetectionSecret, PrekeySecret};
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::{Id, RendezvousSecret, Shard};

use crate::parts::{call_in_one_batch, is_behind, one_batch};
use crate::siblings::two_devices;
use crate::world::*;

const ALICE: usize = 0;

/// So many contacts of Alice's, whose bundles are in her mailbox.
fn contacts(world: &mut World, count: usize) -> Result {
    let prekey = PrekeySecret::generate(&mut world.rng);
    let detection = DetectionSecret::generate(&mut world.rng).public();
    let inputs = (0..count).flat_map(|number| {
        let root = RootKey::generate(&mut world.rng);
        let device = DeviceKeys::generate(&mut world.rng, &root, world.now);
        let secret = RendezvousSecret::generate(&mut world.rng);
        let addressing = Addressing {
            network: world.network.tag(),
            shard: Shard::of(&root.identity(), world.network.shard_bits),
            expiry: ExpiryHour::latest(world.now),
        };
        let bundle = Bundle::issue(&device, &prekey, detection, Vec::new(), world.now);
        let sealed = bundle.seal(&mut world.rng, &addressing, &secret).ok();
        let found = sealed.and_then(|content| brought(peer_key(1), Envelope::new(content)));
        let id = Id { identity: root.identity(), secret }.to_string();
        let request = ContactAdd { id, name: format!("contact {number}") };
        let added = Input::command(AddContact { request }, drop);
        found.into_iter().chain([added]).collect::<Vec<_>>()
    });
    let inputs: Vec<Input> = inputs.collect();
    let mut inputs = inputs.into_iter();
    loop {
        let batch: Vec<Input> = inputs.by_ref().take(1024).collect();
        if batch.is_empty() {
            return Ok(());
        }
        world.run(ALICE, batch);
    }
}

fn told(world: &World) -> usize {
    let published = &world.nodes[ALICE].released.publish;
    let headers = published.iter().filter_map(|one| Header::parse(&one.content).ok());
    headers.filter(|header| header.kind == Kind::ToDevice).count()
}

/// Alice's tablet edits what her phone wrote in a week without a network, and reacts to what Bob wrote. Her phone's messages come
/// to Bob last. Of 200 edits only 32 were done.
#[test]
fn many_deeds_of_one_device_wait_for_the_messages_of_another() -> Result {
    const TABLET: usize = 2;
    const BOB: usize = 1;
    let mut world = two_devices(95)?;
    let number = 200;
    let mut ids = Vec::new();
    for number in 0..number {
        ids.push(world.send(ALICE, "bob", &format!("message {number}"))?);
    }
    let phones = std::mem::take(&mut world.nodes[ALICE].released.publish);
    world.bring(TABLET, &phones)?;
    for (number, id) in ids.iter().enumerate() {
        let request = EditRequest { text: format!("edited {number}") };
        world.call(TABLET, EditMessage { id: id.clone(), request })?;
    }
    let tablets = std::mem::take(&mut world.nodes[TABLET].released.publish);
    let began = Instant::now();
    world.bring(BOB, &tablets)?;
    println!("{number} deeds wait after {:?}", began.elapsed());
    world.crash(BOB)?;
    world.bring(BOB, &phones)?;
    let shown = world.texts(BOB, "alice", Direction::In)?;
    let edited = shown.iter().filter(|(text, _)| text.starts_with("edited")).count();
    assert_eq!(edited, number);
    Ok(())
}

/// A vault that is opened 200 times while the other is away: as many session keys, in seven Olm sessions. A device kept four of
/// those, and 26 messages stayed *sent* for good.
#[test]
fn keys_of_very_many_sessions_open_in_any_order_after_an_absence() -> Result {
    const BOB: usize = 1;
    let mut world = World::pair(96, 3)?;
    for (node, name) in [(ALICE, "bob"), (BOB, "alice"), (ALICE, "bob")] {
        world.settle()?;
        world.send(node, name, "hello")?;
    }
    for _ in 0..2 {
        world.settle()?;
    }
    let number = 200;
    let mut waiting = Vec::new();
    for number in 0..number {
        world.send(ALICE, "bob", &format!("message {number}"))?;
        waiting.append(&mut world.nodes[ALICE].released.publish);
        world.crash(ALICE)?;
    }
    shuffle(&mut world.rng, &mut waiting);
    world.bring(BOB, &waiting)?;
    world.gossip(0.0);
    world.settle()?;
    let shown = world.texts(BOB, "alice", Direction::In)?;
    let shown = shown.iter().filter(|(text, _)| text.starts_with("message")).count();
    assert_eq!(shown, number);
    assert_eq!(world.call(ALICE, GetStatus {})?.outbox, Some(0));
    Ok(())
}

/// Of 10,000 contacts the last was told of a reset after more than ten minutes. By then a laptop may be closed.
#[test]
fn all_contacts_that_there_may_be_are_told_of_a_reset_within_six_minutes() -> Result {
    assert!(CONTACTS_MAX.div_ceil(TOLD_PER_BATCH_MAX) <= 360);
    let mut world = World::new(1, 91)?;
    world.init(ALICE, "alice")?;
    contacts(&mut world, 3 * TOLD_PER_BATCH_MAX + 1)?;
    world.call(ALICE, ResetId {})?;
    for seconds in 1..=3 {
        assert_eq!(told(&world), seconds * TOLD_PER_BATCH_MAX);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(told(&world), 3 * TOLD_PER_BATCH_MAX + 1);
    Ok(())
}

/// All contacts were marked in one batch: of 10,000 nothing else was done for 208 ms. Now a crash may come between.
#[test]
fn a_reset_marks_contacts_in_parts_and_a_crash_between_leaves_nobody_untold() -> Result {
    let mut world = World::new(1, 94)?;
    world.init(ALICE, "alice")?;
    let count = UNTOLD_WRITTEN_PER_BATCH_MAX + TOLD_PER_BATCH_MAX;
    contacts(&mut world, count)?;
    let id = call_in_one_batch(&mut world, ALICE, ResetId {})?.id;
    assert!(is_behind(&world, ALICE));
    world.crash(ALICE)?;
    assert_eq!(world.call(ALICE, GetIdentity {})?.id, id);
    for _ in 0..count.div_ceil(TOLD_PER_BATCH_MAX) {
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(told(&world), count);
    assert!(!is_behind(&world, ALICE));
    Ok(())
}

/// How long a batch takes that tells contacts of a reset, with as many of them as `MARTLET_CONTACTS` says (10,000).
#[test]
#[ignore = "measures: cargo test -- --ignored --nocapture how_long_a_reset"]
fn how_long_a_reset_takes_with_all_contacts_that_there_may_be() -> Result {
    let count =
        std::env::var("MARTLET_CONTACTS").map_or(Ok(CONTACTS_MAX), |count| count.parse())?;
    let mut world = World::new(1, 92)?;
    world.init(ALICE, "alice")?;
    let begun = Instant::now();
    contacts(&mut world, count)?;
    println!("{count} contacts made in {:?}", begun.elapsed());
    // What is left of that is no part of the reset.
    // Their bundles come to disk with the next batch, which is no part of the reset.
    world.elapse(MAILBOX_COMMIT_DELAY);
    one_batch(&mut world, ALICE, vec![]);
    world.pass(Duration::from_secs(1));
    let begun = Instant::now();
    call_in_one_batch(&mut world, ALICE, ResetId {})?;
    let took = begun.elapsed();
    let (mut longest, mut batches) = (took, 1);
    while is_behind(&world, ALICE) {
        let begun = Instant::now();
        one_batch(&mut world, ALICE, vec![]);
        longest = longest.max(begun.elapsed());
        batches += 1;
    }
    println!(
        "the batch with the reset: {took:?}; the longest of {batches}: {longest:?}; {} told",
        told(&world)
    );
    let (mut works, mut all) = (Vec::new(), told(&world));
    while all < count {
        world.nodes[ALICE].released = Released::default();
        world.elapse(Duration::from_secs(1));
        let worked = processor_time()?;
        world.run(ALICE, vec![Input::Tick]);
        works.push(processor_time()? - worked);
        all += told(&world);
        if works.len() > count {
            return Err(format!("only {all} are told").into());
        }
    }
    let seconds = works.len();
    works.sort_unstable();
    let most = &works[seconds.saturating_sub(4)..];
    println!(
        "{seconds} s; of work a batch: half below {:?}, the most {most:?}",
        works[seconds / 2]
    );
    Ok(())
}

/// How long the engine takes for all that may wait for it: gossip of `MARTLET_MIB` (32) in texts, as one peer after another
/// brings it, in batches as the engine's thread makes them. What a sync asks then is answered after that.
#[test]
#[ignore = "measures: cargo test -- --ignored --nocapture how_long_a_full_queue"]
fn how_long_a_full_queue_takes() -> Result {
    let mib: usize = std::env::var("MARTLET_MIB").map_or(Ok(32), |mib| mib.parse())?;
    for body in [512, 16 * 1024] {
        let mut world = World::new(1, 93)?;
        world.init(ALICE, "alice")?;
        let count = mib * (1 << 20) / (body + 49);
        let prefix = Header::encode_prefix(
            Kind::Conversation,
            world.network.tag(),
            Shard(0),
            ExpiryHour::latest(world.now),
            1,
        );
        let envelopes: Vec<Envelope> = (0..count)
            .map(|_| {
                let mut content = prefix.to_vec();
                content.resize(prefix.len() + 32 + body, 0);
                world.rng.fill(&mut content[prefix.len()..]);
                Envelope::new(content)
            })
            .collect();
        let written = bytes_written()?;
        let (begun, worked) = (Instant::now(), processor_time()?);
        let mut longest = Duration::ZERO;
        // A batch of gossip has 512 envelopes at most, a batch of the engine 1,024 inputs.
        for batch in envelopes.chunks(512) {
            let began = Instant::now();
            let inputs = batch.iter().filter_map(|one| brought(peer_key(1), one.clone())).collect();
            world.run(ALICE, inputs);
            longest = longest.max(began.elapsed());
        }
        world.elapse(MAILBOX_COMMIT_DELAY);
        world.run(ALICE, vec![Input::Tick]);
        let (took, work) = (begun.elapsed(), processor_time()? - worked);
        let kept = world.call(ALICE, GetStatus {})?.mailbox.envelopes;
        println!(
            "{count} envelopes of {body} bytes, {kept} kept: {took:?}, of work {work:?}, the longest batch {longest:?}, {} MiB \
             written",
            (bytes_written()? - written) >> 20
        );
    }
    Ok(())
}

/// Of this thread, as Linux tells it: however busy the machine is.
fn processor_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = stat.split(' ').next().ok_or("no time")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}

/// By this process, to files.
fn bytes_written() -> Result<u64> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).ok_or("no line")?;
    Ok(line.parse()?)
}

/// Alice makes rooms, and brings three others into each, of whom she then hears nothing. Of each batch until a minute or two after the
/// next midnight: how much work it was, and how many envelopes left.
fn a_day_with_rooms(seed: u64, rooms: usize) -> Result<Vec<(Duration, usize)>> {
    let mut world = World::new(4, seed)?;
    world.init(ALICE, "alice")?;
    for (node, name) in [(1, "bob"), (2, "carol"), (3, "dave")] {
        let id = world.init(node, name)?;
        world.add(ALICE, &id, name)?;
    }
    world.settle()?;
    for number in 0..rooms {
        let name = format!("room {number}");
        world.call(ALICE, CreateRoom { request: RoomCreate { name: name.clone() } })?;
        for who in ["bob", "carol", "dave"] {
            let request = RoomMemberRequest { who: who.into() };
            world.call(ALICE, AddToRoom { room: name.clone(), request, as_moderator: false })?;
        }
    }
    let mut batches = Vec::new();
    let hours = [Duration::from_secs(3600); 25];
    for step in hours.into_iter().chain([Duration::from_secs(1); 100]) {
        world.elapse(step);
        let mut inputs = vec![Input::Tick];
        while !inputs.is_empty() || is_behind(&world, ALICE) {
            world.nodes[ALICE].released = Released::default();
            let worked = processor_time()?;
            one_batch(&mut world, ALICE, std::mem::take(&mut inputs));
            let work = processor_time()? - worked;
            batches.push((work, world.nodes[ALICE].released.publish.len()));
        }
    }
    Ok(batches)
}

/// All members of all rooms who are told of them each day were told in one batch: of 256 rooms, for 1.8 s nothing else was done.
#[test]
fn the_members_of_rooms_are_greeted_in_parts() -> Result {
    let rooms = ROOMS_GREETED_PER_TICK_MAX;
    let batches = a_day_with_rooms(96, rooms)?;
    // The day's bundle and the like go besides.
    let most = batches.iter().map(|(_, envelopes)| *envelopes).max();
    assert!(most.is_some_and(|most| most <= ROOMS_GREETED_PER_TICK_MAX + 4), "{most:?}");
    let all: usize = batches.iter().map(|(_, envelopes)| *envelopes).sum();
    assert!(all >= rooms * (ROOM_GREETED + 3), "{all}");
    Ok(())
}

/// How much work the batch is that has most of it on a day of a user who is in as many rooms as there may be.
#[test]
#[ignore = "measures: cargo test -- --ignored --nocapture how_much_work_all_rooms"]
fn how_much_work_all_rooms_that_there_may_be_are() -> Result {
    let count = std::env::var("MARTLET_ROOMS").map_or(Ok(ROOMS_MAX), |count| count.parse())?;
    let mut batches = a_day_with_rooms(95, count)?;
    let all: usize = batches.iter().map(|(_, envelopes)| *envelopes).sum();
    batches.sort_unstable();
    println!(
        "{count} rooms: {} batches, {all} envelopes, the most work {:?}",
        batches.len(),
        batches.last()
    );
    Ok(())
}
