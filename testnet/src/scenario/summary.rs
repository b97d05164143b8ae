//! What a plan comes to, in a few lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use martlet_protocol::control::Role;
use serde::Serialize;

use super::memory::memory_bytes;
use super::topology::graph::{distances, neighbours};
use super::values::show;
use crate::plan::{
    Addressee, Event, FilePlan, Membership, NodeIndex, Plan, Runner, Way, memberships,
};

/// From how many nodes ways are looked for: from each of 10,000 they would take half a minute.
pub const DIAMETER_NODES_MAX: usize = 1000;

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The scenario's name.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// What chance it was made with.
    pub seed: u64,
    /// How long it runs, seconds.
    pub duration_s: f64,
    /// Nodes.
    pub nodes: usize,
    /// Of those, with a user.
    pub users: usize,
    /// Links.
    pub links: usize,
    /// Links of the node that has the most.
    pub links_per_node_max: usize,
    /// Links on the longest of all shortest ways; of a large network, of those from
    /// [`DIAMETER_NODES_MAX`] nodes.
    pub diameter: usize,
    /// Clusters or LANs; 0 if the topology has none.
    pub clusters: usize,
    /// Pairs of contacts.
    pub contacts: usize,
    /// Messages, those that are files too.
    pub messages: usize,
    /// Bytes of their texts.
    pub text_bytes: u64,
    /// Files.
    pub files: Files,
    /// Events, by their kind.
    pub events: BTreeMap<&'static str, usize>,
    /// Expectations.
    pub expectations: usize,
    /// What a simulation takes of memory, bytes, as estimated.
    pub sim_memory_bytes: u64,
    /// What a run with processes takes.
    pub local_memory_bytes: u64,
    /// What is probably not meant.
    pub warnings: Vec<String>,
}

/// The files of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Files {
    /// How many there are.
    pub count: usize,
    /// Bytes of all, each counted once.
    pub bytes: u64,
}

impl Summary {
    /// Of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let neighbours =
            neighbours(plan.nodes.len(), plan.links.iter().map(|link| (link.a, link.b)));
        let farthest = |node| distances(&neighbours, node).into_iter().flatten().max().unwrap_or(0);
        let step = plan.nodes.len().div_ceil(DIAMETER_NODES_MAX).max(1);
        let mut events = BTreeMap::new();
        for event in &plan.events {
            *events.entry(word(&event.event)).or_default() += 1;
        }
        let cluster = |node: &crate::plan::NodePlan| node.cluster.map_or(0, |cluster| cluster + 1);
        Self {
            name: plan.name.clone(),
            description: plan.description.clone(),
            seed: plan.seed,
            duration_s: plan.duration.as_secs_f64(),
            nodes: plan.nodes.len(),
            users: plan.nodes.iter().filter(|node| node.user).count(),
            links: plan.links.len(),
            links_per_node_max: neighbours.iter().map(Vec::len).max().unwrap_or(0),
            diameter: (0..plan.nodes.len()).step_by(step).map(farthest).max().unwrap_or(0),
            clusters: plan.nodes.iter().map(cluster).max().unwrap_or(0),
            contacts: plan.contacts.len(),
            messages: plan.messages.len(),
            text_bytes: plan.messages.iter().map(|message| message.bytes as u64).sum(),
            files: files_of(plan),
            events,
            expectations: plan.expectations.len(),
            sim_memory_bytes: memory_bytes(plan, Runner::Sim),
            local_memory_bytes: memory_bytes(plan, Runner::Local),
            warnings: cut_off(plan, &neighbours).into_iter().chain(far_away(plan)).collect(),
        }
    }
}

fn files_of(plan: &Plan) -> Files {
    let files = plan.messages.iter().filter_map(|message| message.file);
    let of =
        |all: Files, file: FilePlan| Files { count: all.count + 1, bytes: all.bytes + file.bytes };
    files.fold(Files::default(), of)
}

/// Says which contacts have only edge nodes between them, if there are such.
fn cut_off(plan: &Plan, neighbours: &[Vec<usize>]) -> Option<String> {
    let forwards = |node: usize| plan.nodes[node].role != Role::Edge;
    if (0..plan.nodes.len()).all(forwards) {
        return None;
    }
    let mut pairs: Vec<_> = plan.contacts.iter().map(|pair| (pair.a, pair.b)).collect();
    pairs.sort_unstable();
    let mut passed_to = neighbours.to_vec();
    for (_, none) in passed_to.iter_mut().enumerate().filter(|(node, _)| !forwards(*node)) {
        none.clear();
    }
    let mut cut_off = Vec::new();
    for from_one in pairs.chunk_by(|(a, _), (b, _)| a == b) {
        let [(from, _), ..] = from_one else { continue };
        // What is its own an edge node sends as well.
        let passes = std::mem::replace(&mut passed_to[*from], neighbours[*from].clone());
        let ways = distances(&passed_to, *from);
        passed_to[*from] = passes;
        cut_off.extend(from_one.iter().filter(|(_, to)| ways[*to].is_none()));
    }
    let (from, to) = cut_off.first()?;
    Some(format!(
        "{} of {} pairs of contacts, the first {} and {}, have no way to each other but through edge nodes, which \
         forward nothing",
        cut_off.len(),
        pairs.len(),
        plan.nodes[*from].name,
        plan.nodes[*to].name,
    ))
}

/// Says which files are to be fetched by who is not linked with who sends them, if there are such: simulated nodes meet over links alone.
fn far_away(plan: &Plan) -> Option<String> {
    let linked: BTreeSet<(NodeIndex, NodeIndex)> =
        plan.links.iter().flat_map(|link| [(link.a, link.b), (link.b, link.a)]).collect();
    let mut devices: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
    for node in 0..plan.nodes.len() {
        devices.entry(plan.person(node)).or_default().push(node);
    }
    let is_linked = |from: NodeIndex, person: NodeIndex| {
        devices[&person].iter().any(|node| linked.contains(&(from, *node)))
    };
    let memberships = memberships(&plan.events);
    let (mut seen, mut far) = (BTreeSet::new(), BTreeSet::new());
    for message in &plan.messages {
        let Some(file) = message.file else { continue };
        if plan.network.way_of(file.bytes) != Way::Direct {
            continue;
        }
        let to: Vec<NodeIndex> = match message.to {
            Addressee::Person(person) => vec![person],
            Addressee::Room(room) => {
                let is_in = |one: &&Membership| one.room == room && one.is_in(message.at);
                memberships.iter().filter(is_in).map(|one| one.person).collect()
            }
        };
        let author = plan.person(message.from);
        let pairs = to.into_iter().filter(|to| *to != author).map(|to| (message.from, to));
        let new: Vec<_> = pairs.filter(|pair| seen.insert(*pair)).collect();
        far.extend(new.into_iter().filter(|(from, to)| !is_linked(*from, *to)));
    }
    let (from, to) = far.first()?;
    Some(format!(
        "files go directly from {} to {}, and in {} pairs in all, without a link between them: sim fetches over links \
         alone; link them, or send files that go through mailboxes",
        plan.nodes[*from].name,
        plan.nodes[*to].name,
        far.len(),
    ))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = std::time::Duration::from_secs_f64(self.duration_s);
        match self.description.as_str() {
            "" => writeln!(f, "{}", self.name)?,
            description => writeln!(f, "{}: {description}", self.name)?,
        }
        writeln!(f, "  runs {}, seed {}", show(seconds), self.seed)?;
        write!(f, "  nodes     {} ({} users)", self.nodes, self.users)?;
        if self.clusters > 0 {
            write!(f, " in {} clusters", self.clusters)?;
        }
        let (links, most, diameter) = (self.links, self.links_per_node_max, self.diameter);
        writeln!(f, "\n  links     {links}, at most {most} at a node, diameter {diameter}")?;
        writeln!(f, "  contacts  {} pairs", self.contacts)?;
        writeln!(f, "  messages  {}, {} bytes of text", self.messages, self.text_bytes)?;
        if self.files.count > 0 {
            writeln!(f, "  files     {}, {} bytes", self.files.count, self.files.bytes)?;
        }
        let events: Vec<String> =
            self.events.iter().map(|(word, count)| format!("{count} {word}")).collect();
        writeln!(
            f,
            "  events    {}",
            if events.is_empty() { "none".to_owned() } else { events.join(", ") }
        )?;
        writeln!(f, "  expects   {}", self.expectations)?;
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        write!(
            f,
            "  memory    about {} MiB in sim, {} MiB with processes",
            mib(self.sim_memory_bytes),
            mib(self.local_memory_bytes)
        )?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\n  warning   {warning}"))
    }
}

fn word(event: &Event) -> &'static str {
    match event {
        Event::Stop(_) => "stop",
        Event::Crash(_) => "crash",
        Event::Start(_) => "start",
        Event::Leave(_) => "leave",
        Event::Partition(_) => "partition",
        Event::Heal => "heal",
        Event::Flood { .. } => "flood",
        Event::ClockJump { .. } => "clock-jump",
        Event::DiskFull(_) => "disk-full",
        Event::DiskFree(_) => "disk-free",
        Event::Link(_) => "link",
        Event::Revoke(_) => "revoke",
        Event::Room { deed, .. } => deed.word(),
    }
}
