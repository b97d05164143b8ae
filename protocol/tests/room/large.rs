//! Rooms as large as they may be, and made to be slow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use martlet_protocol::OpId;
use martlet_protocol::limits::{ROOM_HEIGHT_MAX, ROOM_OPS_MAX, ROOM_OPS_RESERVE};
use martlet_protocol::room::{Inserted, Operation, Room};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_bytes::ByteBuf;

use crate::hand::{Act, Graph, NOW, Person, people};

const OPS: usize = ROOM_HEIGHT_MAX as usize;
/// What one look at a room may take where it is compiled for use. A test is not, and the machine may be busy.
const SLOW: Duration = Duration::from_secs(5);

/// Operations that fit, of which those under one right are in one line.
struct Deep {
    graph: Graph,
    room: Room,
    lines: BTreeMap<OpId, (u32, OpId)>,
}

impl Deep {
    fn new(creator: &Person) -> Self {
        let graph = Graph::new(creator);
        Self { room: graph.room(), graph, lines: BTreeMap::new() }
    }

    /// Whether it fits, and which it is.
    fn try_act(&mut self, who: &Person, by: OpId, seen: &[OpId], act: &Act) -> Option<OpId> {
        let (n, last) = self.lines.get(&by).copied().unwrap_or((0, by));
        let seen: BTreeSet<_> = seen.iter().copied().chain([last]).collect();
        let height = |id: &OpId| self.room.set().get(id).unwrap().height() + 1;
        let mut payload = self.graph.payload(who, by, &[self.graph.root()], act);
        payload.previous = seen.iter().map(|id| ByteBuf::from(id.0.to_vec())).collect();
        (payload.height, payload.n) = (seen.iter().map(height).max().unwrap(), n);
        if payload.height > ROOM_HEIGHT_MAX {
            return None;
        }
        let id = self.graph.push_deep(who, &payload);
        self.room.insert(self.graph.ops.pop().unwrap(), NOW).ok()?;
        self.lines.insert(by, (n + 1, id));
        Some(id)
    }

    fn act(&mut self, who: &Person, by: OpId, seen: OpId, act: &Act) -> OpId {
        self.try_act(who, by, &[seen], act).unwrap()
    }
}

fn told(what: &str, room: &Room) {
    let ops: Vec<Operation> = room.set().iter().cloned().collect();
    let begin = Instant::now();
    let mut again = Room::new(ops[0].clone()).unwrap();
    for op in &ops[1..] {
        again.insert(op.clone(), NOW).unwrap();
    }
    let inserted = begin.elapsed();
    let begin = Instant::now();
    let members = again.state().members().count();
    let judged = begin.elapsed();
    let void = again.state().all_void().count();
    println!(
        "{what}: {} operations, {void} void, {members} members: put in {inserted:?}, judged {judged:?}",
        ops.len()
    );
    assert!(judged < SLOW, "{what}: {judged:?}");
    assert!(inserted < SLOW, "{what}: {inserted:?}");
}

/// A line of grants, each under the last: a rule that called itself would overflow its stack.
#[test]
fn a_chain_of_grants_as_long_as_a_room() {
    let [ada] = people();
    let mut deep = Deep::new(&ada);
    let mut last = deep.graph.root();
    for _ in 0..OPS {
        last = deep.act(&ada, last, last, &Act::grant(&ada));
    }
    assert_eq!(deep.room.state().person(&ada.id()).unwrap().grant, Some(deep.graph.root()));
    told("a chain of grants", &deep.room);
}

/// One person is granted, removed and revoked over and over, so that each grant has as many ends as can be.
#[test]
fn one_person_granted_and_removed_as_often_as_can_be() {
    let [ada, bob] = people();
    let mut deep = Deep::new(&ada);
    let root = deep.graph.root();
    // Grants in one line; removals in another beside it, which none of them has seen.
    let mut last = root;
    for _ in 0..OPS / 2 {
        last = deep.act(&ada, root, last, &Act::grant(&bob));
    }
    // As another device of hers would, restored from a copy.
    deep.lines.clear();
    let mut last = root;
    for _ in 0..OPS / 2 {
        last = deep.act(&ada, root, last, &Act::remove(&bob));
    }
    told("grants beside removals", &deep.room);
}

/// Removals that must each be held against every grant, and against what ended it.
#[test]
fn removals_by_juniors_of_someone_often_made_a_moderator() {
    let [ada, bob, cleo] = people();
    let mut deep = Deep::new(&ada);
    let root = deep.graph.root();
    let mut last = root;
    let mut grants = Vec::new();
    for _ in 0..OPS / 3 {
        last = deep.act(&ada, root, last, &Act::grant(&bob));
        grants.push(last);
    }
    let of_cleo = deep.act(&ada, root, last, &Act::grant(&cleo));
    last = of_cleo;
    for grant in &grants {
        last = deep.act(&ada, root, last, &Act::revoke(*grant));
    }
    while deep.room.set().get(&last).unwrap().height() < ROOM_HEIGHT_MAX {
        last = deep.act(&cleo, of_cleo, last, &Act::remove(&bob));
    }
    told("removals against many grants", &deep.room);
}

#[test]
fn a_random_graph_as_large_as_a_room() {
    let persons: Vec<_> = (1..=60).map(Person::new).collect();
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let mut pick = move |below: usize| rng.next_u32() as usize % below;
    let mut deep = Deep::new(&persons[0]);
    let root = deep.graph.root();
    let (mut ids, mut grants) = (vec![root], vec![(root, 0)]);
    while deep.room.set().len() < OPS {
        let (by, who) = grants[pick(grants.len())];
        let seen: Vec<_> = (0..pick(7))
            .map(|_| match pick(10) {
                0 => ids[pick(ids.len())],
                _ => ids[ids.len() - 1 - pick(ids.len().min(40))],
            })
            .collect();
        let other = pick(60);
        let act = match pick(10) {
            0 => Act::grant(&persons[other]),
            1..=3 => Act::remove(&persons[other]),
            4 => Act::revoke(grants[pick(grants.len())].0),
            5 => Act::name("x"),
            _ => Act::add(&persons[other]),
        };
        if let Some(id) = deep.try_act(&persons[who], by, &seen, &act) {
            ids.push(id);
            if act.0 == 3 {
                grants.push((id, other));
            }
        }
    }
    told("a random graph", &deep.room);
}

/// Where there was no reserve, a moderator who filled the set could not be removed any more.
#[test]
fn who_floods_a_room_leaves_space_for_who_can_remove_them() {
    let [ada, bob] = people();
    let mut deep = Deep::new(&ada);
    let root = deep.graph.root();
    let of_bob = deep.act(&ada, root, root, &Act::grant(&bob));
    for line in ["one", "two"] {
        // The second as if he had written nothing yet.
        deep.lines.remove(&of_bob);
        let mut last = of_bob;
        while let Some(next) = deep.try_act(&bob, of_bob, &[last], &Act::name(line)) {
            last = next;
        }
    }
    assert_eq!(deep.room.set().len(), ROOM_OPS_MAX - ROOM_OPS_RESERVE);
    let removal = deep.room.sign_removal_of_all(&ada.keys, bob.id(), None, NOW).unwrap();
    assert!(matches!(deep.room.insert(removal, NOW), Ok(Inserted::New(_))));
    assert_eq!(deep.room.state().members().count(), 1);
    assert_eq!(deep.room.state().all_void().count(), ROOM_OPS_MAX - ROOM_OPS_RESERVE - 2);
    told("a flood that is undone", &deep.room);
}
