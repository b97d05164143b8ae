//! What is too much for one batch is done in parts, and nothing else waits for it.

use std::time::Instant;

use martlet_engine::command::GetMessage;
use martlet_engine::limits::UNFINISHED_PER_BATCH_MAX;
use martlet_store::Vault;
use martlet_store::records::{HELD, MESSAGE_INDEX, MESSAGES, OUTBOX, REMOVALS, UNKNOWN, WAITING};

use crate::world::*;

/// More than one batch handles, several times.
const MANY: usize = 5 * UNFINISHED_PER_BATCH_MAX + 7;

/// One batch, and no more.
pub(crate) fn one_batch(world: &mut World, node: usize, inputs: Vec<Input>) {
    let (now, steady) = (world.now, world.steady);
    let Node { engine, released, .. } = &mut world.nodes[node];
    if let Some(engine) = engine {
        engine.run_batch(inputs, now, steady, &mut world.rng, released);
    }
}

/// One batch with a command in it, and its answer.
pub(crate) fn call_in_one_batch<C: Command>(
    world: &mut World,
    node: usize,
    command: C,
) -> Result<C::Reply> {
    let (reply, answer) = mpsc::channel();
    let input = Input::command(command, move |result| reply.send(result).unwrap_or_default());
    one_batch(world, node, vec![input]);
    Ok(answer.try_recv()??)
}

pub(crate) fn is_behind(world: &World, node: usize) -> bool {
    world.nodes[node].engine.as_ref().is_some_and(Engine::is_behind)
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("message {number}")).collect()
}

/// All of a removed conversation was read and deleted in one batch: of 36,000 messages of 15 kB the engine did nothing
/// else for 2.8 s, and 669 MB stayed in memory.
#[test]
fn a_conversation_is_removed_in_parts_and_nothing_of_it_is_shown_meanwhile() -> Result {
    let mut world = World::pair(51, 2)?;
    world.settle()?;
    // Some delivered, some that wait for acks.
    let mut ids = Vec::new();
    for text in texts(MANY) {
        ids.push(world.send(0, "bob", &text)?);
    }
    world.settle()?;
    for text in texts(MANY) {
        ids.push(world.send(0, "bob", &text)?);
    }
    let bob = world.id_of(1)?;
    let remove = |name: &str| RemoveContact { name: name.to_owned() };
    call_in_one_batch(&mut world, 0, remove("bob"))?;
    let mut batches = 1;
    assert!(is_behind(&world, 0));

    // Added again at once: nothing of before is there.
    let request = ContactAdd { id: bob.clone(), name: "bob".into() };
    call_in_one_batch(&mut world, 0, AddContact { request })?;
    let query = HistoryQuery { limit: Some(1000), before: None, ..HistoryQuery::default() };
    let history = GetHistory { name: "bob".into(), query };
    assert!(call_in_one_batch(&mut world, 0, history)?.messages.is_empty());
    for id in [ids.first(), ids.last()].into_iter().flatten() {
        assert!(call_in_one_batch(&mut world, 0, GetMessage { id: id.clone() }).is_err());
    }
    assert!(is_behind(&world, 0));
    let request = SendRequest { to: "bob".into(), text: "again".into(), ..SendRequest::default() };
    call_in_one_batch(&mut world, 0, SendText { request })?;
    call_in_one_batch(&mut world, 0, remove("bob"))?;

    // A crash in the middle of it.
    world.nodes[0].engine = None;
    world.open(0)?;
    while is_behind(&world, 0) {
        one_batch(&mut world, 0, vec![]);
        batches += 1;
    }
    assert!(batches > MANY / UNFINISHED_PER_BATCH_MAX, "{batches} batches");
    world.nodes[0].engine = None;
    let left = records(&world, 0)?;
    assert!(left.iter().all(|(_, count)| *count == 0), "{left:?}");
    world.start(0)?;

    // And the two can talk again.
    world.add(0, &bob, "bob")?;
    world.settle()?;
    world.send(0, "bob", "hello again")?;
    world.settle()?;
    let received = world.texts(1, "alice", Direction::In)?;
    assert_eq!(received.last().map(|(text, _)| text.as_str()), Some("hello again"));
    Ok(())
}

/// How many records a vault has of what belongs to conversations.
fn records(world: &World, node: usize) -> Result<Vec<(&'static str, u64)>> {
    let dir = world.nodes[node].dir.path();
    let key = KeyFile::read(&key_file_path(dir))?.ok_or("no key file")?.unwrap(None)?;
    let vault = Vault::open(&dir.join("vault.redb"), &key, 1 << 20)?;
    let txn = vault.begin([0; 32])?;
    Ok(vec![
        ("messages", txn.count(&MESSAGES)?),
        ("index", txn.count(&MESSAGE_INDEX)?),
        ("held", txn.count(&HELD)?),
        ("outbox", txn.count(&OUTBOX)?),
        ("waiting", txn.count(&WAITING)?),
        ("unknown", txn.count(&UNKNOWN)?),
        ("removals", txn.count(&REMOVALS)?),
    ])
}

/// 50,000 messages that waited for a contact's keys went out in one batch: memory rose from 34 to 332 MiB, and nothing
/// else was answered for 1.8 s.
#[test]
fn what_waited_for_keys_goes_out_in_parts_and_in_order() -> Result {
    let mut world = World::new(2, 52)?;
    let (alice, bob) = (world.init(0, "alice")?, world.init(1, "bob")?);
    world.add(0, &bob, "bob")?;
    world.add(1, &alice, "alice")?;
    let mut expected = texts(MANY);
    for text in &expected {
        world.send(0, "bob", text)?;
    }
    world.nodes[0].released.publish.clear();

    let bundle = std::mem::take(&mut world.nodes[1].released.publish);
    let peer = world.nodes[1].peer;
    let inputs = bundle.into_iter().filter_map(|envelope| brought(peer, envelope)).collect();
    one_batch(&mut world, 0, inputs);
    let mut most = world.nodes[0].released.publish.len();
    let mut out = std::mem::take(&mut world.nodes[0].released.publish);
    // Written meanwhile, and not sent before the others.
    let request =
        SendRequest { to: "bob".into(), text: "the last".into(), ..SendRequest::default() };
    call_in_one_batch(&mut world, 0, SendText { request })?;
    expected.push("the last".into());
    most = most.max(world.nodes[0].released.publish.len());
    out.append(&mut world.nodes[0].released.publish);
    while is_behind(&world, 0) {
        one_batch(&mut world, 0, vec![]);
        most = most.max(world.nodes[0].released.publish.len());
        out.append(&mut world.nodes[0].released.publish);
    }
    // One, or the first of a session and its key.
    assert!(most <= UNFINISHED_PER_BATCH_MAX + 8, "{most} envelopes in one batch");
    assert!(out.len() >= expected.len());
    world.settle()?;
    let received: Vec<_> =
        world.texts(1, "alice", Direction::In)?.into_iter().map(|(text, _)| text).collect();
    assert_eq!(received, expected);
    Ok(())
}

/// What expires in one hour was ended in one batch, its messages rewritten.
#[test]
fn messages_expire_in_parts() -> Result {
    let mut world = World::pair(53, 2)?;
    world.settle()?;
    for text in texts(MANY) {
        world.send(0, "bob", &text)?;
    }
    world.nodes[0].released = Released::default();
    // Two sources say that it is so late.
    for _ in 0..7 {
        world.elapse(Duration::from_secs(24 * 3600));
        let theirs = world.now;
        one_batch(&mut world, 0, vec![Input::Net(FromNet::PeersTime { theirs })]);
    }
    one_batch(&mut world, 0, vec![Input::Tick]);
    assert!(is_behind(&world, 0));
    let expired = |world: &mut World| -> Result<usize> {
        let texts = world.texts(0, "bob", Direction::Out)?;
        Ok(texts.iter().filter(|(_, state)| *state == Delivery::Expired).count())
    };
    let status = call_in_one_batch(&mut world, 0, GetStatus {})?;
    assert!(status.outbox.is_some_and(|left| left > 0));
    while is_behind(&world, 0) {
        one_batch(&mut world, 0, vec![]);
    }
    assert_eq!(expired(&mut world)?, MANY);
    assert_eq!(world.call(0, GetStatus {})?.outbox, Some(0));
    Ok(())
}

/// All that was under way was addressed anew in one batch when the network was another.
#[test]
fn what_is_under_way_moves_to_another_network_in_parts_and_in_order() -> Result {
    let mut world = World::pair(54, 2)?;
    world.settle()?;
    let mut expected = texts(MANY);
    for text in &expected {
        world.send(0, "bob", text)?;
    }
    world.network.name = "ship".into();
    world.nodes[0].released = Released::default();
    world.nodes[0].engine = None;
    world.open(0)?;
    one_batch(&mut world, 0, vec![Input::Tick]);
    assert!(is_behind(&world, 0));
    let request =
        SendRequest { to: "bob".into(), text: "the last".into(), ..SendRequest::default() };
    call_in_one_batch(&mut world, 0, SendText { request })?;
    expected.push("the last".into());
    // Crashes, again and again, a batch or two later each time.
    for batches in 1..4 {
        world.nodes[0].engine = None;
        world.nodes[0].released = Released::default();
        world.open(0)?;
        for _ in 0..batches {
            one_batch(&mut world, 0, vec![Input::Tick]);
        }
    }
    world.crash(1)?;
    world.run(0, vec![Input::Tick]);
    world.settle()?;
    world.settle()?;
    let received: Vec<_> =
        world.texts(1, "alice", Direction::In)?.into_iter().map(|(text, _)| text).collect();
    assert_eq!(received, expected);
    let sent = world.texts(0, "bob", Direction::Out)?;
    assert!(sent.iter().all(|(_, state)| *state == Delivery::Delivered), "{:?}", sent.last());
    Ok(())
}

/// The longest batch while a conversation of as many messages as `MARTLET_MESSAGES` says (36,000) of 15 kB is removed,
/// and while as many are sent that waited for keys; and the memory that is left.
#[test]
#[ignore = "measures; a minute and a gigabyte of disk: cargo test -- --ignored --nocapture how_long"]
fn how_long_batches_take() -> Result {
    let count = std::env::var("MARTLET_MESSAGES").map_or(Ok(36_000), |count| count.parse())?;
    let mut world = World::new(2, 55)?;
    let (_, bob) = (world.init(0, "alice")?, world.init(1, "bob")?);
    world.add(0, &bob, "bob")?;
    let text = "x".repeat(15_000);
    for chunk in 0..count / 100 {
        let inputs = (0..100).map(|number| {
            let text = format!("{chunk} {number} {text}");
            let request = SendRequest { to: "bob".into(), text, ..SendRequest::default() };
            Input::command(SendText { request }, drop)
        });
        one_batch(&mut world, 0, inputs.collect());
    }
    println!("{count} messages wait: {} MiB", resident_mib()?);
    let bundle = std::mem::take(&mut world.nodes[1].released.publish);
    let peer = world.nodes[1].peer;
    let inputs = bundle.into_iter().filter_map(|envelope| brought(peer, envelope)).collect();
    measured("sent", &mut world, inputs)?;
    let remove = RemoveContact { name: "bob".into() };
    let input = Input::command(remove, drop);
    measured("removed", &mut world, vec![input])?;
    for _ in 0..7 {
        world.elapse(Duration::from_secs(24 * 3600));
        let theirs = world.now;
        one_batch(&mut world, 0, vec![Input::Net(FromNet::PeersTime { theirs })]);
    }
    measured("swept", &mut world, vec![Input::Tick])
}

/// How much memory a start takes where as many messages as `MARTLET_MESSAGES` says (4,000), of as many bytes as `MARTLET_TEXT_BYTES`
/// says (15,000), are under way.
#[test]
#[ignore = "measures; run alone: cargo test -- --ignored --nocapture how_much_memory_a_start"]
fn how_much_memory_a_start_takes() -> Result {
    let count = std::env::var("MARTLET_MESSAGES").map_or(Ok(4000), |count| count.parse())?;
    let bytes = std::env::var("MARTLET_TEXT_BYTES").map_or(Ok(15_000), |bytes| bytes.parse())?;
    let mut world = World::pair(56, 2)?;
    world.settle()?;
    let text = "x".repeat(bytes);
    for chunk in 0..count / 100 {
        let inputs = (0..100).map(|number| {
            let text = format!("{chunk} {number} {text}");
            let request = SendRequest { to: "bob".into(), text, ..SendRequest::default() };
            Input::command(SendText { request }, drop)
        });
        one_batch(&mut world, 0, inputs.collect());
        world.nodes[0].released = Released::default();
    }
    while is_behind(&world, 0) {
        one_batch(&mut world, 0, vec![]);
        world.nodes[0].released = Released::default();
    }
    world.nodes[0].engine = None;
    let before = resident_mib()?;
    // The peak is counted from here.
    std::fs::write("/proc/self/clear_refs", "5")?;
    world.crash(0)?;
    one_batch(&mut world, 0, vec![Input::Tick]);
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).ok_or("no peak")?;
    println!(
        "{count} messages under way: {before} MiB before the start, {} after it; {peak}",
        resident_mib()?
    );
    Ok(())
}

fn measured(what: &str, world: &mut World, inputs: Vec<Input>) -> Result {
    let (mut inputs, mut longest, mut batches) = (Some(inputs), Duration::ZERO, 0);
    let mut most_work = Duration::ZERO;
    let begun = Instant::now();
    while inputs.is_some() || is_behind(world, 0) {
        let (at, worked) = (Instant::now(), processor_time()?);
        one_batch(world, 0, inputs.take().unwrap_or_default());
        longest = longest.max(at.elapsed());
        most_work = most_work.max(processor_time()? - worked);
        batches += 1;
        world.nodes[0].released = Released::default();
    }
    let took = begun.elapsed();
    let mib = resident_mib()?;
    println!(
        "{what}: {batches} batches, {took:?}, the longest {longest:?}, the most work {most_work:?}; {mib} MiB"
    );
    Ok(())
}

/// Of this thread, as Linux tells it: however busy the machine is.
pub(crate) fn processor_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = stat.split(' ').next().ok_or("no time")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}

pub(crate) fn resident_mib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split(' ').nth(1).ok_or("no pages")?.parse()?;
    Ok(pages * 4096 / (1 << 20))
}
