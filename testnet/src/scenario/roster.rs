//! The nodes, and the names by which a scenario speaks of them.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use martlet_protocol::control::Role;

use super::error::{Fault, Faults};
use super::file;
use super::limits::NAME_CHARS_MAX;
use super::source::advise;
use super::values::{Names, show};
use crate::plan::{NodeIndex, NodePlan};

mod size;

use size::counts;

/// Words that are no names of nodes.
const RESERVED: [&str; 4] = ["all", "rest", "contacts", "rooms"];
/// How many names an error lists.
const LISTED_MAX: usize = 8;

/// The nodes.
#[derive(Debug)]
pub(crate) struct Roster {
    pub(crate) nodes: Vec<NodePlan>,
    /// When each joins that is not there from the start.
    pub(crate) joins: Vec<Option<Duration>>,
    /// The cluster that each was put into by the scenario, from 0.
    pub(crate) assigned: Vec<Option<usize>>,
    pub(crate) groups: Vec<Group>,
    by_name: HashMap<String, NodeIndex>,
    clusters: usize,
}

/// The nodes of one `[[nodes]]`; of people with several devices, a group for the first of each, one for the second, and
/// so on.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) members: Range<NodeIndex>,
    /// The `[[nodes]]`, from 0.
    pub(crate) table: usize,
    /// What the names of its nodes begin with, and end with behind their number: `user`, and `-d2`.
    stem: String,
    end: String,
    /// How many the scenario speaks of, before `--nodes` made them more or fewer.
    written: usize,
}

impl Group {
    /// The nodes that stand for the one that the scenario calls by a number from 1 on: as many as the
    /// group was made larger by. In a group that was made smaller several numbers may stand for the same,
    /// and of a range that is empty its first node is taken.
    fn block(&self, number: usize) -> Range<NodeIndex> {
        let now = self.members.len();
        let upto = |number: usize| number * now / self.written.max(1);
        let (first, end) = (upto(number - 1), upto(number));
        self.members.start + first..self.members.start + end.max(first + 1).min(now)
    }
}

impl Roster {
    /// All nodes that `tables` speak of. With `total`, groups of several are made larger or smaller
    /// until there are so many; those of one stay.
    pub(crate) fn new(
        tables: &[file::Nodes],
        total: Option<usize>,
        shard_bits: u8,
        duration: Duration,
    ) -> Result<Self, Vec<Fault>> {
        let counts = counts(tables, total).map_err(|fault| vec![fault])?;
        let mut faults = Faults::default();
        let mut roster = Self {
            nodes: Vec::new(),
            joins: Vec::new(),
            assigned: Vec::new(),
            groups: Vec::new(),
            by_name: HashMap::new(),
            clusters: 0,
        };
        for (index, (table, count)) in tables.iter().zip(counts).enumerate() {
            let key = |key: &str| format!("nodes[{index}].{key}");
            faults.keep(
                check_name(&table.name)
                    .and_then(|()| roster.add(index, table, count))
                    .map_err(|message| Fault::new(key("name"), message)),
            );
            faults.keep(
                check_table(table, shard_bits, duration)
                    .map_err(|fault| Fault::new(key(&fault.key), fault.message)),
            );
        }
        faults.unless(roster)
    }

    /// Says which cluster each node is in.
    pub(crate) fn put_into_clusters(&mut self, clusters: &[Vec<NodeIndex>]) {
        self.clusters = clusters.len();
        for (cluster, members) in clusters.iter().enumerate() {
            for member in members {
                self.nodes[*member].cluster = Some(cluster);
            }
        }
    }

    pub(crate) fn clusters(&self) -> usize {
        self.clusters
    }

    /// The nodes of these names, in the order of the scenario, each once. At least one.
    pub(crate) fn select(&self, names: &Names) -> Result<Vec<NodeIndex>, String> {
        let mut chosen = self.select_each(names)?;
        chosen.sort_unstable();
        chosen.dedup();
        Ok(chosen)
    }

    /// The nodes of these names, in their order, each as often as it is named. At least one.
    pub(crate) fn select_each(&self, names: &Names) -> Result<Vec<NodeIndex>, String> {
        if names.0.is_empty() {
            return Err("no node is named; name some, or \"all\"".to_owned());
        }
        let mut chosen = Vec::new();
        for name in &names.0 {
            chosen.extend(self.named(name)?);
        }
        Ok(chosen)
    }

    /// Whether `--nodes` made any group larger or smaller.
    pub(crate) fn is_scaled(&self) -> bool {
        self.groups.iter().any(|group| group.written != group.members.len())
    }

    /// The nodes that a name of one stands for: several, where `--nodes` made its group larger.
    pub(crate) fn stand_for(&self, name: &str) -> Result<Range<NodeIndex>, String> {
        match self.scaled(name) {
            Some(block) => Ok(block),
            None => self.one(name).map(|node| node..node + 1),
        }
    }

    /// The node of this name.
    pub(crate) fn one(&self, name: &str) -> Result<NodeIndex, String> {
        // The first device of a person is called as all of theirs are.
        if let Some(node) = self.by_name.get(name) {
            return Ok(self.scaled(name).map_or(*node, |block| block.start));
        }
        match self.named(name)?[..] {
            [node] => Ok(node),
            ref several => Err(format!("{name:?} are {} nodes; name one of them", several.len())),
        }
    }

    /// "user-1, user-2 and 3 others".
    pub(crate) fn list(&self, nodes: &[NodeIndex]) -> String {
        let names: Vec<&str> =
            nodes.iter().take(LISTED_MAX).map(|node| self.nodes[*node].name.as_str()).collect();
        let more = nodes.len().saturating_sub(LISTED_MAX);
        let list = names.join(", ");
        if more == 0 { list } else { format!("{list} and {more} others") }
    }

    /// All people, by their first devices.
    pub(crate) fn users(&self) -> Vec<NodeIndex> {
        let is_user =
            |node: &NodeIndex| self.nodes[*node].user && self.nodes[*node].device_of.is_none();
        (0..self.nodes.len()).filter(is_user).collect()
    }

    /// The person whose device a node is, by their first one.
    pub(crate) fn person(&self, node: NodeIndex) -> NodeIndex {
        self.nodes[node].device_of.unwrap_or(node)
    }

    /// The people whose devices these are, in the order of the scenario, each once.
    pub(crate) fn people(&self, nodes: Vec<NodeIndex>) -> Vec<NodeIndex> {
        let mut people: Vec<NodeIndex> = nodes.into_iter().map(|node| self.person(node)).collect();
        people.sort_unstable();
        people.dedup();
        people
    }

    fn named(&self, name: &str) -> Result<Vec<NodeIndex>, String> {
        if name == "all" {
            return Ok((0..self.nodes.len()).collect());
        }
        let with_devices = |group: &&Group| group.name == name || group.stem == name;
        let members: Vec<NodeIndex> = self
            .groups
            .iter()
            .filter(with_devices)
            .flat_map(|group| group.members.clone())
            .collect();
        if !members.is_empty() {
            return Ok(members);
        }
        if let Some(block) = self.scaled(name) {
            return Ok(vec![block.start]);
        }
        if let Some(node) = self.by_name.get(name) {
            return Ok(vec![*node]);
        }
        if let Some((first, last)) = name.split_once("..") {
            return self.range(first.trim(), last.trim());
        }
        if let Some(number) = name.strip_prefix("cluster-").filter(|_| self.clusters > 0) {
            let number: Option<usize> = number.parse().ok();
            let Some(cluster) = number.filter(|number| (1..=self.clusters).contains(number)) else {
                return Err(format!(
                    "there is no {name:?}; there are cluster-1 to cluster-{}",
                    self.clusters
                ));
            };
            let within = |node: &NodeIndex| self.nodes[*node].cluster == Some(cluster - 1);
            return Ok((0..self.nodes.len()).filter(within).collect());
        }
        Err(self.unknown(name))
    }

    fn range(&self, first: &str, last: &str) -> Result<Vec<NodeIndex>, String> {
        let end = |name: &str| match self.scaled(name) {
            Some(block) => Ok(block),
            None => {
                let node = self.by_name.get(name).copied().ok_or_else(|| self.unknown(name));
                node.map(|node| node..node + 1)
            }
        };
        let (first_block, last_block) = (end(first)?, end(last)?);
        if first_block.start > last_block.start {
            return Err(format!("{first:?} comes after {last:?}; change their order"));
        }
        Ok((first_block.start..last_block.end).collect())
    }

    /// What a name stands for in a group that `--nodes` made larger or smaller.
    fn scaled(&self, name: &str) -> Option<Range<NodeIndex>> {
        let (group, number) = self.numbered(name)?;
        let is_scaled = group.written != group.members.len();
        (is_scaled && (1..=group.written).contains(&number)).then(|| group.block(number))
    }

    /// The group that a name is of which ends with a number, and the number: `user-3`, `user-3-d2`.
    fn numbered(&self, name: &str) -> Option<(&Group, usize)> {
        self.groups.iter().find_map(|group| {
            let (stem, number) = name.strip_suffix(group.end.as_str())?.rsplit_once('-')?;
            Some((group, (stem == group.stem).then(|| number.parse().ok())??))
        })
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<&str> = self.groups.iter().map(|group| group.name.as_str()).collect();
        // A node of a known group, but beyond its end.
        if let Some((stem, _)) = name.rsplit_once('-')
            && let Some(group) = self.groups.iter().find(|group| group.name == stem)
        {
            let count = group.written;
            return match count {
                1 => format!("there is no node {name:?}; {stem} is a single one, of that name"),
                _ if group.end.is_empty() => {
                    format!("there is no node {name:?}; there are {stem}-1 to {stem}-{count}")
                }
                _ => {
                    let (stem, end) = (&group.stem, &group.end);
                    format!(
                        "there is no node {name:?}; there are {stem}-1{end} to {stem}-{count}{end}"
                    )
                }
            };
        }
        let known = &known[..known.len().min(LISTED_MAX)];
        format!("there is no node {name:?}; {}", advise(name, known))
    }

    fn add(&mut self, index: usize, table: &file::Nodes, count: usize) -> Result<(), String> {
        // People who have each other's devices beside each other could not be named by a range.
        let people = self.nodes.len();
        for device in 1..=table.devices.unwrap_or(1) {
            let end = if device == 1 { String::new() } else { format!("-d{device}") };
            let first_one = (device > 1).then_some(people);
            self.add_group(index, table, count, end, first_one)?;
        }
        Ok(())
    }

    /// One device of each of `count` people; the first of them have those from `first_one` on for their first ones.
    fn add_group(
        &mut self,
        index: usize,
        table: &file::Nodes,
        count: usize,
        end: String,
        first_one: Option<NodeIndex>,
    ) -> Result<(), String> {
        let first = self.nodes.len();
        // A mailbox for others has no user, as the daemon has it.
        let user = table.user.unwrap_or(table.role != Role::Mailbox);
        for number in 0..count {
            let name = if count == 1 {
                format!("{}{end}", table.name)
            } else {
                format!("{}-{}{end}", table.name, number + 1)
            };
            if self.by_name.insert(name.clone(), first + number).is_some() {
                return Err(format!(
                    "there are two nodes {name:?}; give one of the groups another name"
                ));
            }
            self.nodes.push(NodePlan {
                name,
                cluster: None,
                role: table.role,
                user,
                device_of: first_one.map(|first| first + number),
                clock_offset_ms: table.clock_offset.0,
                shards: table.shards.clone(),
                starts: table.joins.is_none(),
            });
            self.joins.push(join_time(table, number, count));
            self.assigned.push(table.cluster.map(|cluster| cluster - 1));
        }
        let name = format!("{}{end}", table.name);
        if self.groups.iter().any(|group| group.name == name) {
            return Err(format!("there are two groups {name:?}; give one another name"));
        }
        let (written, stem) = (table.count.unwrap_or(1), table.name.clone());
        let members = first..first + count;
        self.groups.push(Group { name, members, table: index, stem, end, written });
        Ok(())
    }
}

/// Evenly over `joins_over`, the first at `joins`.
fn join_time(table: &file::Nodes, number: usize, count: usize) -> Option<Duration> {
    let over = table.joins_over.map_or(Duration::ZERO, |over| over.0);
    table.joins.map(|joins| joins.0 + spread(over, number, count))
}

/// When the `number`th of `count` comes, which come evenly within `over`.
pub(crate) fn spread(over: Duration, number: usize, count: usize) -> Duration {
    let ms = over.as_millis() * number as u128 / count.max(1) as u128;
    Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
}

pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || !name.chars().all(letters) || name.ends_with('-') || name.len() > NAME_CHARS_MAX {
        return Err(format!(
            "{name:?} is no name here; use small letters, digits and dashes, a letter first, at most {NAME_CHARS_MAX}"
        ));
    }
    if RESERVED.contains(&name) || name.starts_with("cluster-") {
        return Err(format!(
            "{name:?} means something else in lists of nodes; choose another name"
        ));
    }
    Ok(())
}

fn check_table(table: &file::Nodes, shard_bits: u8, duration: Duration) -> Result<(), Fault> {
    if table.role == Role::Mailbox && table.user == Some(true) {
        let message = "a node with the role mailbox has no user; leave user = true out, or take the role full";
        return Err(Fault::new("user", message));
    }
    if table.devices.is_some_and(|devices| devices > 1) {
        if table.user == Some(false) || table.role == Role::Mailbox {
            let message = "only people have devices; leave it out, or take user = false or the role mailbox away";
            return Err(Fault::new("devices", message));
        }
        if shard_bits > 0 && table.shards.is_some() {
            let message = "each device keeps the shard of its person; leave shards out";
            return Err(Fault::new("shards", message));
        }
    }
    if let Some(shards) = &table.shards {
        if table.role != Role::Full {
            return Err(Fault::new(
                "shards",
                "only nodes with the role full choose shards; leave it out",
            ));
        }
        let count = 1_u32 << shard_bits;
        if let Some(shard) = shards.iter().find(|shard| u32::from(**shard) >= count) {
            let message = format!(
                "there is no shard {shard}; with shard_bits = {shard_bits} there are 0 to {}",
                count - 1
            );
            return Err(Fault::new("shards", message));
        }
    }
    if table.cluster == Some(0) {
        return Err(Fault::new("cluster", "clusters are counted from 1; give 1 or more"));
    }
    if table.joins_over.is_some() && table.joins.is_none() {
        return Err(Fault::new(
            "joins_over",
            "it needs joins: when the first of them joins; add it",
        ));
    }
    let over = table.joins_over.map_or(Duration::ZERO, |over| over.0);
    if let Some(joins) = table.joins
        && joins.0 + over >= duration
    {
        let key = if joins.0 >= duration { "joins" } else { "joins_over" };
        let message = format!(
            "they join after the end of the run, which is {}; join earlier",
            show(duration)
        );
        return Err(Fault::new(key, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_hosts() {
        for name in ["a", "user-1", "n2"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "1a", "A", "a_b", "a-", "ä", "all", "rest", "contacts", "cluster-1"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_nodes_of_a_scaled_group_stand_for_those_that_the_scenario_names() {
        for (written, now) in [(16, 32), (16, 8), (16, 20), (2, 7), (5, 2), (3, 3)] {
            let (name, stem) = ("user".to_owned(), "user".to_owned());
            let (members, end) = (10..10 + now, String::new());
            let group = Group { name, members, table: 0, stem, end, written };
            let blocks: Vec<_> = (1..=written).map(|number| group.block(number)).collect();
            assert_eq!(blocks[0].start, 10);
            assert_eq!(blocks[written - 1].end, 10 + now);
            for pair in blocks.windows(2) {
                assert!(
                    pair[0].start <= pair[1].start && pair[1].start <= pair[0].end,
                    "{blocks:?}"
                );
            }
            if now >= written {
                assert_eq!(blocks.iter().map(Range::len).sum::<usize>(), now, "{blocks:?}");
            }
            // Halves stay halves.
            if written % 2 == 0 && now % 2 == 0 {
                assert_eq!(blocks[written / 2 - 1].end.max(10 + now / 2), 10 + now / 2);
                assert_eq!(blocks[written / 2].start, 10 + now / 2);
            }
        }
    }
}
