//! The agenda and a look at everything agree.

#[path = "../../../tests/engine/world.rs"]
#[expect(dead_code, unused_imports, reason = "the engine's tests use all of it")]
mod world;

use martlet_engine::command::PingContact;
use martlet_protocol::identity::RootKey;
use martlet_protocol::time::Day;
use martlet_protocol::{Id, RendezvousSecret, Shard};

use super::*;
use crate::clock::Times;
use crate::outbox::steps;
use world::*;

const HOUR_MS: i64 = 3_600_000;
/// By how much clocks jump here, milliseconds.
const JUMPS: [i64; 12] = [
    0,
    0,
    1500,
    -1500,
    8 * 60_000,
    -8 * 60_000,
    HOUR_MS,
    -HOUR_MS,
    25 * HOUR_MS,
    -25 * HOUR_MS,
    7 * 24 * HOUR_MS,
    -7 * 24 * HOUR_MS,
];

impl User {
    /// What a look at all that the owners have finds due.
    fn due_by_scan(&self, Times { now, sure, steady, .. }: Times) -> Vec<What> {
        let mut due = Vec::new();
        let is_over = |line: &Line| self.timeline.over_at(line, now).is_some_and(|at| at <= now);
        due.extend(self.timeline.waiting().into_iter().filter(is_over).map(What::Held));
        due.extend((self.agenda.day() != Some(now.day())).then_some(What::Day));
        let is_bundle_due =
            self.counters.next_bundle <= now && Day(self.counters.published_day) != now.day();
        due.extend(is_bundle_due.then_some(What::Bundle));
        let hours = self.outbox.hours().into_iter();
        due.extend(hours.filter(|hour| hour.is_past(sure)).map(What::End));
        due.extend(self.timeline.next_end().filter(|at| *at <= sure).map(|_| What::Ended));
        due.extend(self.pings.next_due().filter(|due| *due < steady).map(|_| What::Pings));
        for identity in self.outbox.waited_for() {
            let bundles = self.directory.bundles_of(&identity);
            let can_be_sent = bundles.is_some_and(|it| it.usable(now).next().is_some());
            due.extend(can_be_sent.then_some(What::Waiting(identity)));
        }
        for identity in self.directory.identities() {
            let is_due = !self.kept.contains(self.shard_of(identity))
                && self.directory.lookup_due(identity, now).is_some_and(|due| due <= now);
            due.extend(is_due.then_some(What::LookUp(*identity)));
        }
        due
    }
}

/// A tick of each node; the agenda leaves nothing undone.
fn tick(world: &mut World, seed: u64) {
    for node in 0..world.nodes.len() {
        world.run(node, vec![Input::Tick]);
        let Some(engine) = &world.nodes[node].engine else { continue };
        let (Some(user), Some(times)) = (&engine.user, engine.clock.times()) else { continue };
        assert_eq!(user.due_by_scan(times), [], "node {node}, seed {seed}");
        let subjects = 5
            + 2 * user.directory.identities().count()
            + user.timeline.iter().count()
            // Each hour in which something ends that was written within a day of jumps.
            + 2 * 24 * 20;
        assert!(user.agenda.len() <= subjects, "node {node}, seed {seed}");
    }
}

fn user(world: &World, node: usize) -> Option<&User> {
    world.nodes[node].engine.as_ref()?.user.as_deref()
}

fn stranger(world: &mut World) -> Id {
    let identity = RootKey::generate(&mut world.rng).identity();
    Id { identity, secret: RendezvousSecret::generate(&mut world.rng) }
}

/// Once, each tick looked at all that waits: at 20,000 messages to 2,000 contacts 4 ms of it, and 40 ms every ten
/// seconds. What a tick does by its agenda is what looking at everything would have found, whatever the clocks do.
#[test]
fn the_agenda_and_a_look_at_everything_agree() -> Result {
    (500..516).try_for_each(at_random)
}

fn at_random(seed: u64) -> Result {
    let shard_bits = if seed.is_multiple_of(2) { 0 } else { 4 };
    let network = NetworkDescriptor { shard_bits, ..Default::default() };
    let mut world = World::pair_on(seed, 3, network)?;
    let mut plan = ChaCha20Rng::seed_from_u64(seed);
    world.tells_time = seed % 4 < 2;
    let mut names = ["bob", "alice"].map(|name| vec![name.to_owned()]);
    let ids: Vec<_> =
        [1, 0].iter().filter_map(|other| Some(user(&world, *other)?.id().to_string())).collect();
    for step in 0..120 {
        let node = plan.random_range(0..2usize);
        match plan.random_range(0..24) {
            0..6 => {
                let to = names[node][plan.random_range(0..names[node].len())].clone();
                world.send(node, &to, &format!("{seed} {step}"))?;
            }
            6 => {
                let id = stranger(&mut world).to_string();
                let name = format!("stranger {step}");
                world.add(node, &id, &name)?;
                names[node].push(name);
            }
            7 => {
                let at = plan.random_range(0..names[node].len());
                world.call(node, RemoveContact { name: names[node].swap_remove(at) })?;
                if names[node].is_empty() {
                    world.add(node, &ids[node], "again")?;
                    names[node].push("again".into());
                }
            }
            8 => {
                let name = names[node][0].clone();
                // Who has no keys yet can't be asked.
                world.call(node, PingContact { name, asker: Box::new(|_| ()) }).unwrap_or(());
            }
            9..11 => world.gossip(0.3),
            11..14 => world.sync(node, 2)?,
            14..18 => {
                let by = JUMPS[plan.random_range(0..JUMPS.len())];
                world.nodes[plan.random_range(0..3)].ahead_ms = by;
            }
            18 => world.crash(plan.random_range(0..3))?,
            19 => world.elapse(Duration::from_secs(3600)),
            20 => world.elapse(Duration::from_secs(24 * 3600)),
            21 => world.elapse(Duration::from_secs(11)),
            _ => world.elapse(Duration::from_millis(1300)),
        }
        if plan.random_bool(0.7) {
            tick(&mut world, seed);
        }
    }
    Ok(())
}

/// A tick looked at each of them once.
#[test]
fn a_tick_looks_at_nothing_that_is_not_due() -> Result {
    const CONTACTS: usize = 100;
    const EACH: usize = 100;
    let mut world = World::on(1, 516, NetworkDescriptor { shard_bits: 4, ..Default::default() })?;
    world.init(0, "alice")?;
    let mut inputs = Vec::new();
    for n in 0..CONTACTS {
        let (id, name) = (stranger(&mut world).to_string(), format!("{n}"));
        let request = ContactAdd { id, name: name.clone() };
        inputs.push(Input::command(AddContact { request }, |result| drop(result.map(drop))));
        for _ in 0..EACH {
            let request =
                SendRequest { to: name.clone(), text: "text".into(), ..SendRequest::default() };
            inputs.push(Input::command(SendText { request }, |result| drop(result.map(drop))));
        }
    }
    world.run(0, inputs);
    assert_eq!(world.call(0, GetStatus {})?.outbox, Some((CONTACTS * EACH) as u64));
    let mut looks = 0;
    for second in 1..=50 {
        world.elapse(Duration::from_secs(1));
        let agenda = &user(&world, 0).ok_or("alice is on")?.agenda;
        looks += agenda.count_due(world.now, world.steady);
        assert_eq!(looks, 0, "second {second}");
        world.run(0, vec![Input::Tick]);
    }
    Ok(())
}

/// With every reconciliation the outbox was walked over, also with a node that keeps other shards, and may tell nothing about it. So each
/// message, report of storing, reconciliation and tick takes as many steps with 2,000 messages for someone who is away as with 100.
#[test]
fn a_message_takes_no_more_steps_the_more_are_in_the_outbox() -> Result {
    let (few, many) = (steps_with(100)?, steps_with(2000)?);
    assert_eq!(few, many);
    // A shard's look for each reconciliation.
    assert!(many <= 40, "{many} steps for 20 messages");
    Ok(())
}

fn steps_with(waiting: usize) -> Result<u64> {
    const MESSAGES: usize = 20;
    let network = NetworkDescriptor { shard_bits: 4, ..Default::default() };
    let mut world = World::pair_on(517, 2, network)?;
    world.settle()?;
    let text = || {
        let request = SendRequest { to: "bob".into(), text: "text".into(), ..Default::default() };
        Input::command(SendText { request }, |result| drop(result.map(drop)))
    };
    world.run(0, (0..waiting).map(|_| text()).collect());
    world.elapse(Duration::from_secs(2));
    world.run(0, vec![Input::Tick]);
    let outbox = &user(&world, 0).ok_or("alice is on")?.outbox;
    let mut ids = outbox.ids();
    assert!(ids.len() >= waiting && outbox.messages() == waiting);
    let bob = *outbox.recipients().next().ok_or("bob")?;
    let other = ShardSet::of([Shard((Shard::of(&bob, 4).0 + 1) % 16)], 4);
    let before = steps::taken();
    for _ in 0..MESSAGES {
        world.elapse(Duration::from_secs(1));
        let peer = peer_key(1);
        let reconciled = FromNet::Reconciled {
            peer,
            shards: Box::new(other.clone()),
            up_to_arrival: u64::MAX,
            after: ExpiryHour(0),
            lacking: Vec::new(),
        };
        let stored = FromNet::StoredBy { from: peer, ids: ids.pop().into_iter().collect() };
        world.run(0, vec![text(), Input::Net(reconciled), Input::Net(stored), Input::Tick]);
    }
    assert_eq!(user(&world, 0).ok_or("alice is on")?.outbox.messages(), waiting + MESSAGES);
    Ok(steps::taken() - before)
}
