//! Who knows whom.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::seq::index::sample;

use super::chance::{Purpose, chance};
use super::error::{Fault, Faults};
use super::file;
use super::limits::CONTACT_PAIRS_MAX;
use super::roster::Roster;
use super::source::advise;
use super::topology::graph::{self, pair};
use super::values::{Names, WordOr, show};
use crate::plan::{ContactPlan, NodeIndex};

const WORDS: [&str; 3] = ["all", "ring", "random"];

/// All contacts of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    pairs: BTreeMap<(NodeIndex, NodeIndex), Duration>,
}

impl Contacts {
    pub(crate) fn new(
        tables: &[file::Contacts],
        roster: &Roster,
        seed: u64,
        duration: Duration,
    ) -> Result<Self, Vec<Fault>> {
        let mut contacts = Self::default();
        let mut faults = Faults::default();
        for (index, table) in tables.iter().enumerate() {
            faults.keep(contacts.add(table, index, roster, seed, duration));
        }
        faults.unless(contacts)
    }

    /// Those of one table.
    fn add(
        &mut self,
        table: &file::Contacts,
        index: usize,
        roster: &Roster,
        seed: u64,
        duration: Duration,
    ) -> Result<(), Fault> {
        let key = |key: &str| format!("contacts[{index}].{key}");
        if table.at.0 >= duration {
            let message = format!("it is after the end of the run, which is {}", show(duration));
            return Err(Fault::new(key("at"), message));
        }
        for (a, b) in pairs(table, index, roster, seed)? {
            // Who comes later becomes a contact then.
            let joins = |node: NodeIndex| roster.joins[node].unwrap_or_default();
            let at = table.at.0.max(joins(a)).max(joins(b));
            let known = self.pairs.entry(pair(a, b)).or_insert(at);
            *known = at.min(*known);
        }
        if self.pairs.len() > CONTACT_PAIRS_MAX {
            let message =
                format!("there are more than {CONTACT_PAIRS_MAX} pairs; make fewer contacts");
            return Err(Fault::new(key("pairs"), message));
        }
        Ok(())
    }

    /// These are contacts, too: from the start, or when the later of the two joins.
    pub(crate) fn introduce(&mut self, pairs: Vec<(NodeIndex, NodeIndex)>, roster: &Roster) {
        for (a, b) in pairs {
            let joins = |node: NodeIndex| roster.joins[node].unwrap_or_default();
            self.pairs.entry(pair(a, b)).or_insert(joins(a).max(joins(b)));
        }
    }

    /// In order of time.
    pub(crate) fn plans(&self) -> Vec<ContactPlan> {
        let mut plans: Vec<ContactPlan> =
            self.pairs.iter().map(|((a, b), at)| ContactPlan { at: *at, a: *a, b: *b }).collect();
        plans.sort_by_key(|plan| plan.at);
        plans
    }

    /// Since when they know each other.
    pub(crate) fn since(&self, a: NodeIndex, b: NodeIndex) -> Option<Duration> {
        self.pairs.get(&pair(a, b)).copied()
    }

    /// Each node's contacts, and since when.
    pub(crate) fn of_all(&self, nodes: usize) -> Vec<Vec<(NodeIndex, Duration)>> {
        let mut of_all = vec![Vec::new(); nodes];
        for ((a, b), at) in &self.pairs {
            of_all[*a].push((*b, *at));
            of_all[*b].push((*a, *at));
        }
        of_all
    }
}

fn pairs(
    table: &file::Contacts,
    index: usize,
    roster: &Roster,
    seed: u64,
) -> Result<Vec<(NodeIndex, NodeIndex)>, Fault> {
    let key = |key: &str| format!("contacts[{index}].{key}");
    let word = match &table.pairs {
        WordOr::Word(word) => word.as_str(),
        WordOr::List(list) => {
            if table.among.is_some() {
                return Err(Fault::new(key("among"), "the pairs are listed; leave it out"));
            }
            if table.each.is_some() {
                return Err(Fault::new(key("each"), "the pairs are listed; leave it out"));
            }
            return listed(list, &key("pairs"), roster);
        }
    };
    let users = match &table.among {
        None => roster.users(),
        Some(names) => {
            people(names, roster).map_err(|message| Fault::new(key("among"), message))?
        }
    };
    if users.len() < 2 {
        let message =
            format!("of {} users nobody finds a contact; have two, or leave it out", users.len());
        return Err(Fault::new(key("pairs"), message));
    }
    if word != "random" && table.each.is_some() {
        return Err(Fault::new(key("each"), "it goes with pairs = \"random\"; leave it out"));
    }
    match word {
        "all" => {
            if users.len() * (users.len() - 1) / 2 > CONTACT_PAIRS_MAX {
                let message =
                    format!("there are more than {CONTACT_PAIRS_MAX} pairs; take \"random\"");
                return Err(Fault::new(key("pairs"), message));
            }
            Ok(graph::full(users.len())
                .into_iter()
                .map(|(a, b)| pair(users[a], users[b]))
                .collect())
        }
        "ring" => Ok((0..users.len())
            .map(|place| pair(users[place], users[(place + 1) % users.len()]))
            .collect()),
        "random" => {
            let each = table.each.ok_or_else(|| {
                Fault::new(key("each"), "it is missing: how many others each user chooses; add it")
            })?;
            if !(1..users.len()).contains(&each) {
                let most = users.len() - 1;
                return Err(Fault::new(
                    key("each"),
                    format!("{each} is out of bounds; give 1 to {most}"),
                ));
            }
            let mut chance = chance(seed, Purpose::Contacts, index);
            let mut pairs = Vec::with_capacity(users.len() * each);
            for (place, user) in users.iter().enumerate() {
                // Places of the others: itself is passed over.
                let others = sample(&mut chance, users.len() - 1, each).into_iter();
                let others =
                    others.map(|other| users[if other < place { other } else { other + 1 }]);
                pairs.extend(others.map(|other| pair(*user, other)));
            }
            Ok(pairs)
        }
        word => {
            let message =
                format!("there is no {word:?} here; {}, or a list of pairs", advise(word, &WORDS));
            Err(Fault::new(key("pairs"), message))
        }
    }
}

/// Everyone of the one side with everyone of the other.
fn listed(
    list: &[Vec<String>],
    key: &str,
    roster: &Roster,
) -> Result<Vec<(NodeIndex, NodeIndex)>, Fault> {
    let mut pairs = Vec::new();
    for (place, sides) in list.iter().enumerate() {
        let fault = |message: String| Fault::new(format!("{key}[{place}]"), message);
        let [one, other] = &sides[..] else {
            return Err(fault(format!("a pair has two sides, here are {}; name two", sides.len())));
        };
        let side = |name: &String| people(&Names(vec![name.clone()]), roster).map_err(fault);
        let (ones, others) = (side(one)?, side(other)?);
        let before = pairs.len();
        for a in &ones {
            pairs.extend(others.iter().filter(|b| *b != a).map(|b| pair(*a, *b)));
            if pairs.len() > 2 * CONTACT_PAIRS_MAX {
                return Err(fault(format!(
                    "there are more than {CONTACT_PAIRS_MAX} pairs; name fewer"
                )));
            }
        }
        if pairs.len() == before {
            return Err(fault(format!("{one} is no contact of its own; name two nodes")));
        }
    }
    Ok(pairs)
}

/// The people whose nodes have these names.
pub(crate) fn people(names: &Names, roster: &Roster) -> Result<Vec<NodeIndex>, String> {
    Ok(roster.people(with_users(names, roster)?))
}

/// The nodes of these names, all of which must have a user; of "all" those that do.
pub(crate) fn with_users(names: &Names, roster: &Roster) -> Result<Vec<NodeIndex>, String> {
    let mut nodes = roster.select(names)?;
    if names.0.iter().any(|name| name == "all" || name.starts_with("cluster-")) {
        nodes.retain(|node| roster.nodes[*node].user);
    }
    match nodes.iter().find(|node| !roster.nodes[**node].user) {
        Some(node) => {
            let name = &roster.nodes[*node].name;
            Err(format!("{name} has no user; name nodes with users, or set user = true there"))
        }
        None if nodes.is_empty() => Err("none of these nodes has a user; name others".to_owned()),
        None => Ok(nodes),
    }
}
