//! What is so now, as pages are told: all of it (`snapshot`), or what changed (`change`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;
use serde_json::{Value, json};

use super::limits::LOG_MAX;
use super::messages::{Fresh, Messages};
use super::scene::Scene;
use crate::plan::{Event, NodeIndex};
use crate::report::recorder::event_words;

/// Whether a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Liveness {
    /// It does not.
    Off,
    /// It is about to.
    Starting,
    /// It does.
    On,
    /// It is about to end.
    Stopping,
    /// It never will again, and its disk is erased.
    Left,
}

/// How far the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Phase {
    /// The first nodes are started.
    Starting,
    Running,
    Ended,
}

/// What a node counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Counts {
    pub(super) mailbox_envelopes: u64,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
}

/// What a node is like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct NodeNow {
    state: Liveness,
    /// Whether it answered when it was last asked.
    answers: bool,
    #[serde(flatten)]
    counts: Counts,
    connections: usize,
    /// The group it is in, while the network is split.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<usize>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disk_full: bool,
    /// Until when it is flooded, seconds of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    flooded_until_s: Option<f64>,
}

/// A link, or a connection of two that have none.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Link {
    a: NodeIndex,
    b: NodeIndex,
    /// Whether it is one that the network was made with.
    planned: bool,
    /// Cut by itself, or by a split.
    cut: bool,
    /// What the connection runs on; none: there is no connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
}

/// A line of the event log.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Line {
    n: u64,
    at_s: f64,
    kind: &'static str,
    what: String,
    /// Whether a button did it.
    by_hand: bool,
}

/// What is so.
#[derive(Debug)]
pub(super) struct State {
    scene: Scene,
    phase: Phase,
    /// How it ended: whether as it should, and in words.
    ending: Option<(bool, String)>,
    now_s: f64,
    nodes: Vec<NodeNow>,
    /// The connected peers that each node told of, and by what.
    peers: Vec<BTreeMap<NodeIndex, &'static str>>,
    cuts: BTreeSet<(NodeIndex, NodeIndex)>,
    links: Vec<Link>,
    pub(super) messages: Messages,
    log: VecDeque<Line>,
    lines: u64,
    changed: Changed,
}

#[derive(Debug, Default)]
struct Changed {
    nodes: BTreeSet<NodeIndex>,
    links: bool,
    lines: usize,
    phase: bool,
}

impl State {
    pub(super) fn new(scene: Scene) -> Self {
        let node = NodeNow {
            state: Liveness::Off,
            answers: true,
            counts: Counts::default(),
            connections: 0,
            group: None,
            disk_full: false,
            flooded_until_s: None,
        };
        let mut state = Self {
            nodes: vec![node; scene.nodes.len()],
            peers: vec![BTreeMap::new(); scene.nodes.len()],
            scene,
            phase: Phase::Starting,
            ending: None,
            now_s: 0.0,
            cuts: BTreeSet::new(),
            links: Vec::new(),
            messages: Messages::default(),
            log: VecDeque::new(),
            lines: 0,
            changed: Changed::default(),
        };
        state.relink();
        state
    }

    pub(super) fn scene(&self) -> &Scene {
        &self.scene
    }

    pub(super) fn node(&self, node: NodeIndex) -> Option<Liveness> {
        self.nodes.get(node).map(|node| node.state)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    pub(super) fn set_now(&mut self, now_s: f64) {
        self.now_s = now_s;
    }

    pub(super) fn begin(&mut self) {
        self.phase = Phase::Running;
        self.changed.phase = true;
    }

    pub(super) fn end(&mut self, good: bool, words: &str) {
        self.phase = Phase::Ended;
        self.ending = Some((good, words.to_owned()));
        self.changed.phase = true;
    }

    pub(super) fn set_node(&mut self, node: NodeIndex, to: Liveness) {
        self.change(node, |now| {
            now.state = to;
            now.answers = true;
            if to != Liveness::On {
                now.connections = 0;
            }
        });
        if to != Liveness::On
            && let Some(peers) = self.peers.get_mut(node)
        {
            peers.clear();
        }
        self.relink();
    }

    pub(super) fn set_answers(&mut self, node: NodeIndex, answers: bool) {
        self.change(node, |now| now.answers = answers);
    }

    pub(super) fn set_counts(&mut self, node: NodeIndex, counts: Counts) {
        self.change(node, |now| now.counts = counts);
    }

    pub(super) fn set_peers(&mut self, node: NodeIndex, to: BTreeMap<NodeIndex, &'static str>) {
        let connections = to.len();
        // Asked before it was stopped.
        if self.node(node) != Some(Liveness::On) {
            return;
        }
        self.change(node, |now| now.connections = connections);
        if let Some(peers) = self.peers.get_mut(node) {
            *peers = to;
        }
        self.relink();
    }

    /// Cuts a link, or mends it.
    pub(super) fn set_cut(&mut self, a: NodeIndex, b: NodeIndex, cut: bool, at_s: f64) {
        let pair = (a.min(b), a.max(b));
        let name = |node: NodeIndex| self.scene.nodes.get(node).map_or("?", |node| &node.name);
        let between = format!("{} and {}", name(pair.0), name(pair.1));
        let (kind, what) = if cut {
            self.cuts.insert(pair);
            ("cut", format!("link between {between} cut"))
        } else {
            self.cuts.remove(&pair);
            ("mend", format!("link between {between} mended"))
        };
        self.note(at_s, kind, what, true);
        self.relink();
    }

    /// Something of a scenario's kinds happened.
    pub(super) fn happened(&mut self, event: &Event, at_s: f64, by_hand: bool) {
        let scene = &self.scene;
        let name = |node: NodeIndex| {
            scene.nodes.get(node).map_or_else(|| "?".to_owned(), |node| node.name.clone())
        };
        let (kind, what) = event_words(&name, event);
        self.note(at_s, kind, what, by_hand);
        match event {
            Event::Partition(groups) => {
                for (number, group) in groups.iter().enumerate() {
                    for node in group {
                        self.change(*node, |now| now.group = Some(number));
                    }
                }
            }
            Event::Heal => {
                self.cuts.clear();
                for node in 0..self.nodes.len() {
                    self.change(node, |now| now.group = None);
                }
            }
            Event::Flood { at, lasts, .. } => {
                let until = at_s + lasts.as_secs_f64();
                self.change(*at, |now| now.flooded_until_s = Some(until));
            }
            Event::DiskFull(nodes) | Event::DiskFree(nodes) => {
                let full = matches!(event, Event::DiskFull(_));
                for node in nodes {
                    self.change(*node, |now| now.disk_full = full);
                }
            }
            // Whoever does it says so of each node.
            Event::Stop(_)
            | Event::Crash(_)
            | Event::Start(_)
            | Event::Leave(_)
            | Event::ClockJump { .. }
            | Event::Link(_)
            | Event::Revoke(_)
            | Event::Room { .. } => {}
        }
        self.relink();
    }

    pub(super) fn note(&mut self, at_s: f64, kind: &'static str, what: String, by_hand: bool) {
        if self.log.len() >= LOG_MAX {
            self.log.pop_front();
        }
        self.log.push_back(Line { n: self.lines, at_s, kind, what, by_hand });
        self.lines += 1;
        self.changed.lines = (self.changed.lines + 1).min(LOG_MAX);
    }

    /// A message is heard of: on either side, and perhaps on both.
    pub(super) fn written(&mut self, id: &str, fresh: Fresh) {
        self.messages.written(id, fresh);
    }

    /// The node whose user is called so.
    pub(super) fn called(&self, name: &str) -> Option<NodeIndex> {
        self.scene.nodes.iter().position(|node| node.name == name)
    }

    /// All of it.
    pub(super) fn snapshot(&self) -> Value {
        let places = self.scene.places();
        let nodes = self.scene.nodes.iter().zip(places).enumerate();
        let nodes: Vec<Value> = nodes
            .map(|(index, (node, (x, y)))| {
                json!({
                    "name": node.name, "role": node.role, "user": node.user,
                    "cluster": node.cluster, "x": x, "y": y, "now": self.now_of(index),
                })
            })
            .collect();
        json!({
            "name": self.scene.name,
            "description": self.scene.description,
            "run_as": self.scene.run_as,
            "duration_s": self.scene.duration.map(|duration| duration.as_secs_f64()),
            "planned": self.scene.planned,
            "can": self.scene.can,
            "now_s": self.now_s,
            "phase": self.phase,
            "ending": self.ending_told(),
            "nodes": nodes,
            "links": self.links,
            "messages": self.messages.last(),
            "totals": self.messages.totals(),
            "log": self.log,
        })
    }

    /// What changed since this was last asked; `None`: nothing but the time.
    pub(super) fn take_changes(&mut self) -> Option<Value> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.nodes.extend(self.messages.changed_writers());
        let nodes: BTreeMap<NodeIndex, Value> =
            changed.nodes.iter().map(|node| (*node, self.now_of(*node))).collect();
        let messages = serde_json::to_value(self.messages.take_changed()).unwrap_or_default();
        let has_messages = messages.as_array().is_some_and(|messages| !messages.is_empty());
        let lines = self.log.iter().skip(self.log.len().saturating_sub(changed.lines));
        let mut told = json!({ "now_s": self.now_s });
        let mut put = |key: &str, is_so: bool, value: Value| {
            if is_so {
                told[key] = value;
            }
            is_so
        };
        let any = [
            put("nodes", !nodes.is_empty(), json!(nodes)),
            put("links", changed.links, json!(self.links)),
            put("messages", has_messages, messages),
            put("log", changed.lines > 0, json!(lines.collect::<Vec<_>>())),
            put("phase", changed.phase, json!(self.phase)),
            put("ending", changed.phase, self.ending_told()),
        ];
        put("totals", has_messages, json!(self.messages.totals()));
        any.contains(&true).then_some(told)
    }

    /// The time alone.
    pub(super) fn time(&self) -> Value {
        json!({ "now_s": self.now_s })
    }

    fn ending_told(&self) -> Value {
        match &self.ending {
            Some((good, words)) => json!({ "good": good, "words": words }),
            None => Value::Null,
        }
    }

    fn now_of(&self, node: NodeIndex) -> Value {
        let mut now = json!(self.nodes.get(node));
        now["waiting"] = json!(self.messages.waiting(node));
        now
    }

    fn change(&mut self, node: NodeIndex, change: impl FnOnce(&mut NodeNow)) {
        let Some(now) = self.nodes.get_mut(node) else { return };
        let before = *now;
        change(now);
        if *now != before {
            self.changed.nodes.insert(node);
        }
    }

    /// Finds again which links there are, and how they are.
    fn relink(&mut self) {
        let mut links: BTreeMap<(NodeIndex, NodeIndex), Link> = BTreeMap::new();
        let link = |a, b, planned| Link { a, b, planned, cut: false, by: None };
        for (a, b) in &self.scene.links {
            links.insert((*a, *b), link(*a, *b, true));
        }
        for (node, peers) in self.peers.iter().enumerate() {
            for (peer, by) in peers {
                // The other may be gone, and this one hasn't been asked since.
                if self.node(*peer) != Some(Liveness::On) {
                    continue;
                }
                let (a, b) = (node.min(*peer), node.max(*peer));
                links.entry((a, b)).or_insert_with(|| link(a, b, false)).by = Some(by);
            }
        }
        for link in links.values_mut() {
            let group = |node: NodeIndex| self.nodes.get(node).and_then(|node| node.group);
            link.cut = self.cuts.contains(&(link.a, link.b)) || group(link.a) != group(link.b);
        }
        let links: Vec<Link> = links.into_values().collect();
        if links != self.links {
            self.links = links;
            self.changed.links = true;
        }
    }
}

#[cfg(test)]
mod tests;
