//! Which operations count: the rule as it is documented, followed in the plainest way, against the resolver; and what is
//! promised of it.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::room::{Action, Operation};
use martlet_protocol::{IdentityId, OpId};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::hand::{Act, Graph, Person, people};

/// Four people who grant, remove and revoke as it comes: forged, backdated, and against each other.
pub(crate) fn random_graph(seed: u64, len: usize) -> Graph {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut pick = move |below: usize| rng.next_u32() as usize % below;
    let persons: [Person; 4] = people();
    let mut graph = Graph::new(&persons[0]);
    let mut ids = vec![graph.root()];
    let mut fitting = graph.room();
    for _ in 0..len {
        let mut seen: Vec<_> = (0..=pick(3))
            .map(|_| match pick(10) {
                0 | 1 => ids[pick(ids.len())],
                _ => ids[ids.len() - 1 - pick(ids.len().min(12))],
            })
            .collect();
        seen.sort();
        seen.dedup();
        let mut past: BTreeSet<OpId> = seen.iter().copied().collect();
        seen.iter().for_each(|id| past.extend(graph.past(id)));
        let grants: Vec<_> = past.iter().filter_map(|id| granted(graph.get(id)?)).collect();
        let who = match pick(10) {
            0 => pick(4),
            _ => {
                let (_, who) = grants[pick(grants.len())];
                persons.iter().position(|person| person.id() == who).unwrap()
            }
        };
        let own: Vec<_> = grants.iter().filter(|(_, of)| *of == persons[who].id()).collect();
        let by = if own.is_empty() || pick(20) == 0 {
            ids[pick(ids.len())]
        } else {
            own[pick(own.len())].0
        };
        let other = &persons[pick(4)];
        let act = match pick(20) {
            0..=7 => Act::grant(other),
            8..=10 => Act::remove(other),
            11..=13 => {
                let all: Vec<_> = ids.iter().filter_map(|id| granted(graph.get(id)?)).collect();
                Act::revoke(all[pick(all.len())].0)
            }
            14..=16 => Act::add(other),
            17 => Act::name("bridge"),
            18 => Act(77, b"of a later build".to_vec()),
            _ => Act::LEAVE,
        };
        let mut payload = graph.payload(&persons[who], by, &seen, &act);
        if pick(40) == 0 {
            payload.height += 1;
        }
        if pick(40) == 0 {
            payload.n += 1;
        }
        let id = graph.push(&persons[who], &payload);
        let op = graph.ops.last().unwrap().clone();
        // Now and then something rests on what all refuse.
        if fitting.insert(op, crate::hand::NOW).is_ok() || pick(20) == 0 {
            ids.push(id);
        }
    }
    graph
}

fn granted(op: &Operation) -> Option<(OpId, IdentityId)> {
    match op.action() {
        Action::Create(_) => Some((op.id(), op.author())),
        Action::Grant(who) => Some((op.id(), *who)),
        _ => None,
    }
}

/// The rule of seniority by its words alone: recursive, and as slow as that.
struct Rule<'a> {
    graph: &'a Graph,
    ops: BTreeMap<OpId, &'a Operation>,
    known: BTreeMap<OpId, bool>,
    asked: BTreeSet<OpId>,
}

impl<'a> Rule<'a> {
    fn of(graph: &'a Graph, fitting: &[OpId]) -> Self {
        let ops = fitting.iter().map(|id| (*id, graph.get(id).unwrap())).collect();
        Self { graph, ops, known: BTreeMap::new(), asked: BTreeSet::new() }
    }

    fn is_grant(&self, id: &OpId) -> bool {
        granted(self.ops[id]).is_some()
    }

    fn who(&self, grant: &OpId) -> IdentityId {
        granted(self.ops[grant]).unwrap().1
    }

    /// `None`, if it rests on what is no grant.
    fn depth(&self, grant: &OpId) -> Option<u32> {
        let op = self.ops[grant];
        if matches!(op.action(), Action::Create(_)) {
            return Some(0);
        }
        let by = op.by();
        if self.is_grant(&by) { Some(self.depth(&by)? + 1) } else { None }
    }

    fn rank(&self, grant: &OpId) -> (u32, u32, OpId) {
        (self.depth(grant).unwrap_or(u32::MAX), self.ops[grant].height(), *grant)
    }

    fn ends(&self, end: &OpId, grant: &OpId) -> bool {
        match self.ops[end].action() {
            Action::Revoke(of) => of == grant,
            Action::Remove(who) => *who == self.who(grant) && !self.graph.past(grant).contains(end),
            _ => false,
        }
    }

    fn senior_ends(&mut self, grant: &OpId) -> Vec<OpId> {
        let all: Vec<_> = self.ops.keys().copied().collect();
        let ends = all.into_iter().filter(|end| self.ends(end, grant));
        let ends: Vec<_> = ends
            .filter(|end| {
                let by = self.ops[end].by();
                self.is_grant(&by) && self.rank(&by) < self.rank(grant)
            })
            .collect();
        ends.into_iter().filter(|end| self.counts(end)).collect()
    }

    /// Whether its author gives up by it what they do it by.
    fn steps_down(&self, id: &OpId) -> bool {
        let op = self.ops[id];
        let is_own = matches!(op.action(), Action::Revoke(of) if *of == op.by());
        is_own && op.by() != self.graph.root()
    }

    /// Where who has a grant gave it up.
    fn own_ends(&mut self, grant: &OpId) -> Vec<OpId> {
        let all: Vec<_> = self.ops.keys().copied().collect();
        let ends =
            all.into_iter().filter(|end| self.steps_down(end) && self.ops[end].by() == *grant);
        let ends: Vec<_> = ends.collect();
        let senior = self.senior_ends(grant);
        let stands = |end: &OpId| senior.iter().all(|it| self.graph.past(it).contains(end));
        ends.into_iter().filter(stands).collect()
    }

    fn counts(&mut self, id: &OpId) -> bool {
        if let Some(known) = self.known.get(id) {
            return *known;
        }
        assert!(self.asked.insert(*id), "the rule runs in a circle");
        let counts = self.judge(id);
        self.known.insert(*id, counts);
        counts
    }

    fn judge(&mut self, id: &OpId) -> bool {
        let op = self.ops[id];
        if matches!(op.action(), Action::Create(_) | Action::Leave) {
            return true;
        }
        let by = op.by();
        if !self.is_grant(&by) || self.depth(&by).is_none() {
            // What members do, in a room where moderators alone add: nothing but what is not known.
            let is_member = matches!(self.ops[&by].action(), Action::Add(_));
            return is_member
                && matches!(op.action(), Action::Unknown { .. })
                && self.counts(&by)
                && !self.is_member_removed(id);
        }
        if !self.counts(&by) {
            return false;
        }
        let ends = self.senior_ends(&by);
        if ends.iter().any(|end| !self.graph.past(end).contains(id)) {
            return false;
        }
        if self.own_ends(&by).iter().any(|end| self.graph.past(id).contains(end)) {
            return false;
        }
        match op.action() {
            Action::Revoke(_) if self.steps_down(id) => true,
            Action::Revoke(target) => {
                let has_rank = self.is_grant(target) && self.depth(target).is_some();
                has_rank && self.rank(&by) < self.rank(target)
            }
            Action::Remove(who) => {
                let grants: Vec<_> =
                    self.ops.keys().copied().filter(|grant| self.is_grant(grant)).collect();
                !grants.iter().any(|grant| {
                    self.who(grant) == *who
                        && !self.graph.past(grant).contains(id)
                        && self.rank(grant) <= self.rank(&by)
                        && self.counts(grant)
                        && !self
                            .senior_ends(grant)
                            .into_iter()
                            .chain(self.own_ends(grant))
                            .any(|end| self.graph.past(id).contains(&end))
                })
            }
            _ => true,
        }
    }

    fn is_member_removed(&mut self, id: &OpId) -> bool {
        let op = self.ops[id];
        let all: Vec<_> = self.ops.keys().copied().collect();
        all.iter().any(|end| {
            matches!(self.ops[end].action(), Action::Remove(who) if *who == op.author())
                && !self.graph.past(&op.by()).contains(end)
                && !self.graph.past(end).contains(id)
                && self.counts(end)
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_is_followed_and_keeps_its_promises(seed: u64, len in 2usize..61) {
        let graph = random_graph(seed, len);
        let room = graph.room();
        let state = room.state();
        let fitting: Vec<_> = room.set().iter().map(Operation::id).collect();
        let mut rule = Rule::of(&graph, &fitting);
        for id in &fitting {
            prop_assert_eq!(rule.counts(id), state.void(id).is_none(), "{:?}", rule.ops[id].action());
        }
        let counting: Vec<_> =
            fitting.iter().filter(|id| state.void(id).is_none()).copied().collect();
        let ends: Vec<_> = counting
            .iter()
            .filter(|id| matches!(rule.ops[id].action(), Action::Remove(_) | Action::Revoke(_)))
            .collect();
        let grants: Vec<_> = fitting.iter().filter(|id| rule.is_grant(id)).collect();
        for end in &ends {
            // P1: nobody puts the creator out.
            prop_assert!(!rule.ends(end, &graph.root()));
            // P2: what is done beside a senior's word, or is backdated, is void, with all that rests on it.
            for grant in &grants {
                let is_senior = rule.rank(&rule.ops[*end].by()) < rule.rank(grant);
                if !is_senior || !rule.ends(end, grant) {
                    continue;
                }
                for id in &counting {
                    let is_seen = graph.past(end).contains(id) || matches!(rule.ops[id].action(), Action::Leave);
                    prop_assert!(rule.ops[id].by() != **grant || is_seen);
                }
            }
        }
        for id in &counting {
            let by = rule.ops[id].by();
            let rests = matches!(rule.ops[id].action(), Action::Create(_) | Action::Leave) || state.void(&by).is_none();
            prop_assert!(rests, "what counts rests on what does not");
        }
        // P3: of two who put each other out, one stays.
        let of_others: Vec<_> = ends.iter().filter(|id| !rule.steps_down(id)).collect();
        for (at, one) in of_others.iter().enumerate() {
            for other in &of_others[at + 1..] {
                let is_beside = !graph.past(one).contains(**other) && !graph.past(other).contains(**one);
                let is_mutual = rule.ends(one, &rule.ops[*other].by()) && rule.ends(other, &rule.ops[*one].by());
                prop_assert!(!(is_beside && is_mutual));
            }
        }
        let mut creators = room.set().iter().filter(|op| op.author() == state.creator());
        let has_left = creators.any(|op| matches!(op.action(), Action::Leave));
        prop_assert!(has_left || state.person(&state.creator()).unwrap().grant.is_some());
    }
}
