//! In whatever order operations come, and whoever has which of them first: all who have the same agree.

use martlet_protocol::room::AddBy;
use martlet_protocol::room::{Operation, Room};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::hand::{Act, Graph, NOW, people, take};
use crate::rule::random_graph;

fn same(one: &Room, other: &Room) {
    assert_eq!(one.set().digest(), other.set().digest());
    assert!(one.set().heads().eq(other.set().heads()));
    assert_eq!(one.state(), other.state());
}

fn shuffle(ops: &mut [Operation], rng: &mut ChaCha20Rng) {
    for at in (1..ops.len()).rev() {
        ops.swap(at, rng.next_u32() as usize % (at + 1));
    }
}

/// All orders of so many things, by Heap's algorithm.
fn permutations(ops: &mut [Operation], count: usize, check: &mut impl FnMut(&[Operation])) {
    if count <= 1 {
        return check(ops);
    }
    for at in 0..count {
        permutations(ops, count - 1, check);
        ops.swap(if count.is_multiple_of(2) { at } else { 0 }, count - 1);
    }
}

/// Two moderators who remove each other, one of whom had made a third; an addition under each, and a setting.
fn quarrel() -> Graph {
    let [ada, bob, cleo, dan, eve] = people();
    let mut graph = Graph::with(&ada, AddBy::Members);
    let root = graph.root();
    let of_bob = graph.act(&ada, root, &[root], &Act::grant(&bob));
    let of_cleo = graph.act(&ada, root, &[of_bob], &Act::grant(&cleo));
    let dan_by_bob = graph.act(&bob, of_bob, &[of_cleo], &Act::add(&dan));
    graph.act(&bob, of_bob, &[dan_by_bob], &Act::remove(&cleo));
    graph.act(&cleo, of_cleo, &[of_cleo], &Act::remove(&bob));
    graph.act(&dan, dan_by_bob, &[dan_by_bob], &Act::add(&eve));
    graph.act(&cleo, of_cleo, &[dan_by_bob], &Act::add_by_members(false));
    graph
}

#[test]
fn all_orders_and_all_splits_of_a_quarrel_give_one_state() {
    let graph = quarrel();
    let whole = graph.room();
    assert_eq!(whole.set().len(), 8);
    let mut orders = 0;
    permutations(&mut graph.ops.clone(), graph.ops.len(), &mut |ops| {
        orders += 1;
        let room = graph.room_of(ops);
        assert_eq!((room.set().waiting(), room.set().awaited().count()), (0, 0));
        same(&room, &whole);
    });
    assert_eq!(orders, 5040);
    for split in 0..1 << graph.ops.len() {
        let in_first = |(at, op): (usize, _)| (split >> at & 1 == 1).then_some(op);
        let in_second = |(at, op): (usize, _)| (split >> at & 1 == 0).then_some(op);
        let mut first = graph.room_of(graph.ops.iter().enumerate().filter_map(in_first));
        let mut second = graph.room_of(graph.ops.iter().enumerate().filter_map(in_second));
        let told: Vec<_> = first.set().iter().cloned().collect();
        // What waits in one part is not passed on by it: both parts get the rest from who wrote it.
        take(&mut first, second.set().iter());
        take(&mut first, &graph.ops);
        take(&mut second, &told);
        take(&mut second, &graph.ops);
        same(&first, &whole);
        same(&second, &whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_order_and_any_split_gives_one_state(seed: u64, len in 2usize..60) {
        let graph = random_graph(seed, len);
        let whole = graph.room();
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 1);
        let mut ops = graph.ops.clone();
        for _ in 0..4 {
            shuffle(&mut ops, &mut rng);
            same(&graph.room_of(&ops), &whole);
            let (first, second) = ops.split_at(rng.next_u32() as usize % (ops.len() + 1));
            let (mut first, mut second) = (graph.room_of(first), graph.room_of(second));
            take(&mut first, second.set().iter());
            take(&mut first, &ops);
            take(&mut second, first.set().iter());
            same(&first, &whole);
            same(&second, &whole);
        }
    }

    /// Who tells their heads is given what they lack, and nothing else, in an order in which nothing waits.
    #[test]
    fn what_is_missing_makes_two_sets_equal(seed: u64, len in 2usize..60) {
        let graph = random_graph(seed, len);
        let whole = graph.room();
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 2);
        let mut ops = graph.ops.clone();
        shuffle(&mut ops, &mut rng);
        ops.truncate(ops.len() / 2);
        let mut part = graph.room_of(&ops);
        let heads: Vec<_> = part.set().heads().copied().collect();
        let missing = whole.set().missing_to(&heads);
        prop_assert_eq!(missing.len(), whole.set().len() - part.set().len());
        let kept = part.set().waiting();
        part.forget_waiting(martlet_protocol::UnixMillis(u64::MAX));
        prop_assert!(kept <= ops.len());
        for op in missing {
            prop_assert!(!part.set().has(&op.id()));
            part.insert(op.clone(), NOW).unwrap();
            prop_assert_eq!(part.set().waiting(), 0);
        }
        same(&part, &whole);
    }
}
