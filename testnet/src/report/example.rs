//! Runs that never were, for tests: what a runner would see, told to a recorder.

use std::collections::BTreeMap;
use std::time::Duration;

use martlet_protocol::control::Role;

use super::recorder::{NodeSample, Recorder};
use super::{Edges, Origin, Report};
use crate::plan::{
    Addressee, Event, Expectation, LinkPlan, LinkShape, MessagePlan, NetworkPlan, NodeIndex,
    NodePlan, Plan, Runner, Settings, TimedEvent,
};
use crate::scenario::{Setting, show_duration};

/// So many users in a ring, and nothing happens.
pub(crate) fn plan(nodes: usize) -> Plan {
    let node = |index: usize| NodePlan {
        name: format!("n{index}"),
        cluster: None,
        role: match index % 10 {
            8 => Role::Mailbox,
            9 => Role::Edge,
            _ => Role::Full,
        },
        user: index % 10 != 8,
        clock_offset_ms: 0,
        device_of: None,
        shards: None,
        starts: true,
    };
    let link =
        |a: usize, b: usize| LinkPlan { a: a.min(b), b: a.max(b), shape: LinkShape::default() };
    Plan {
        name: "example".to_owned(),
        description: "Some nodes in a ring.".to_owned(),
        seed: 7,
        duration: Duration::from_secs(100),
        network: NetworkPlan::default(),
        settings: Settings::default(),
        nodes: (0..nodes).map(node).collect(),
        links: (0..nodes).map(|index| link(index, (index + 1) % nodes)).collect(),
        contacts: Vec::new(),
        rooms: Vec::new(),
        messages: Vec::new(),
        events: Vec::new(),
        expectations: Vec::new(),
    }
}

/// Three nodes and a few messages, of which the report is short enough to read.
pub(crate) fn small() -> Report {
    let mut plan = plan(3);
    write_evenly(&mut plan, 6);
    plan.events = vec![
        timed(30, Event::Partition(vec![vec![0], vec![1, 2]])),
        timed(60, Event::Heal),
        timed(70, Event::Crash(vec![2])),
        timed(80, Event::Start(vec![2])),
    ];
    plan.expectations =
        vec![Expectation::DeliveryMin(1.0), Expectation::LatencyP50Max(Duration::from_millis(1))];
    run(&plan, Duration::from_secs(100), Duration::from_secs(20))
}

/// Twenty nodes, split for five minutes.
pub(crate) fn split_and_heal() -> Report {
    let mut plan = plan(20);
    plan.name = "split-and-heal".to_owned();
    plan.description =
        "Twenty nodes are split in two halves for five minutes. What is written across the \
                        split waits, and comes soon after the heal."
            .to_owned();
    plan.duration = Duration::from_secs(900);
    more_links(&mut plan, 2, |a, b| a / 10 == b / 10);
    write_evenly(&mut plan, 500);
    plan.events = vec![
        timed(300, Event::Partition(vec![(0..10).collect(), (10..20).collect()])),
        timed(450, Event::Crash(vec![3])),
        timed(460, Event::Start(vec![3])),
        timed(600, Event::Heal),
    ];
    plan.expectations = vec![
        Expectation::DeliveryMin(0.99),
        Expectation::LatencyP50Max(Duration::from_secs(2)),
        Expectation::LatencyP99Max(Duration::from_secs(240)),
        Expectation::ConvergenceMax(Duration::from_secs(60)),
        Expectation::AmplificationMax(12.0),
        Expectation::BytesPerNodeMax(2 << 20),
        Expectation::NoDuplicates,
        Expectation::InOrder,
        Expectation::NothingOlderThan(Duration::from_secs(6 * 86_400)),
    ];
    run(&plan, Duration::from_secs(900), Duration::from_secs(1))
}

/// Fifty nodes in five clusters, of which always some are off.
pub(crate) fn churn() -> Report {
    let mut plan = plan(50);
    plan.name = "churn".to_owned();
    plan.description = "Fifty nodes in five clusters crash and come back all day.".to_owned();
    plan.duration = Duration::from_secs(86_400);
    for (index, node) in plan.nodes.iter_mut().enumerate() {
        node.cluster = Some(index / 10);
    }
    more_links(&mut plan, 3, |a, b| a / 10 == b / 10);
    write_evenly(&mut plan, 1_200);
    let mut chance = Chance(5);
    for number in 0..300 {
        let (node, at) = (chance.below(50) as usize, 200 + number * 280);
        plan.events.push(timed(at, Event::Crash(vec![node])));
        plan.events.push(timed(at + 60 + chance.below(1_500), Event::Start(vec![node])));
    }
    plan.events.push(timed(
        40_000,
        Event::Flood { at: 4, envelopes_per_s: 50, bytes: 2_048, lasts: Duration::from_secs(600) },
    ));
    plan.events.sort_by_key(|timed| timed.at);
    plan.expectations = vec![
        Expectation::DeliveryMin(0.95),
        Expectation::LatencyP99Max(Duration::from_secs(3_600)),
    ];
    run(&plan, Duration::from_secs(86_400), Duration::from_secs(40))
}

/// A thousand nodes, interrupted.
pub(crate) fn thousand() -> Report {
    let mut plan = plan(1_000);
    plan.name = "thousand-nodes".to_owned();
    plan.description = "A thousand nodes for ten minutes.".to_owned();
    plan.duration = Duration::from_secs(600);
    more_links(&mut plan, 3, |_, _| true);
    write_evenly(&mut plan, 250);
    plan.expectations = vec![Expectation::DeliveryMin(0.999), Expectation::AmplificationMax(8.0)];
    run(&plan, Duration::from_secs(480), Duration::from_secs(10))
}

pub(crate) fn timed(at: u64, event: Event) -> TimedEvent {
    TimedEvent { at: Duration::from_secs(at), event }
}

fn more_links(plan: &mut Plan, each: usize, near: impl Fn(usize, usize) -> bool) {
    let mut chance = Chance(11);
    let nodes = plan.nodes.len();
    for a in 0..nodes {
        for _ in 0..each {
            let b = chance.below(nodes as u64) as usize;
            if a < b && near(a, b) {
                plan.links.push(LinkPlan { a, b, shape: LinkShape::default() });
            }
        }
    }
    plan.links.sort_by_key(|link| (link.a, link.b));
    plan.links.dedup_by_key(|link| (link.a, link.b));
}

fn write_evenly(plan: &mut Plan, messages: u64) {
    let mut chance = Chance(3);
    let users: Vec<NodeIndex> =
        (0..plan.nodes.len()).filter(|node| plan.nodes[*node].user).collect();
    let step = plan.duration.as_secs_f64() * 0.9 / messages as f64;
    for number in 0..messages {
        let from = chance.below(users.len() as u64) as usize;
        let to = (from + 1 + chance.below(users.len() as u64 - 1) as usize) % users.len();
        plan.messages.push(MessagePlan {
            at: Duration::from_secs_f64(number as f64 * step),
            from: users[from],
            to: Addressee::Person(users[to]),
            bytes: 200,
            file: None,
        });
    }
}

/// What a runner would see.
enum Sight {
    Happened(usize),
    Written(usize),
    Seen(usize, NodeIndex),
    Delivered(usize),
    Sample,
}

/// A run of `plan`, as one could be.
fn run(plan: &Plan, until: Duration, every: Duration) -> Report {
    let mut chance = Chance(plan.seed);
    let course = Course::of(plan);
    // By time, and then in the order of their making.
    let mut sights: BTreeMap<(Duration, usize), Sight> = BTreeMap::new();
    let mut add = |at: Duration, sight: Sight| {
        let place = sights.len();
        sights.insert((at, place), sight);
    };
    for (index, timed) in plan.events.iter().enumerate() {
        add(timed.at, Sight::Happened(index));
    }
    let mut at = Duration::ZERO;
    while at <= until {
        add(at, Sight::Sample);
        at += every;
    }
    for (index, message) in plan.messages.iter().enumerate() {
        if !course.is_on(message.from, message.at) {
            continue;
        }
        add(message.at, Sight::Written(index));
        for node in 0..plan.nodes.len() {
            let seen = course.meet(message.from, node, message.at, chance.time(0.05, 0.5));
            add(seen, Sight::Seen(index, node));
        }
        if chance.below(120) > 0 {
            let took = chance.time(0.25, 0.7);
            let to = recipient(message);
            add(course.meet(message.from, to, message.at, took), Sight::Delivered(index));
        }
    }

    let mut recorder = Recorder::new(plan, Runner::Sim);
    let mut nodes =
        vec![NodeSample { on: true, connections: 5, ..NodeSample::default() }; plan.nodes.len()];
    for ((at, _), sight) in sights.range(..=(until, usize::MAX)) {
        match sight {
            Sight::Happened(event) => recorder.happened(&plan.events[*event].event, *at),
            Sight::Written(message) => {
                recorder.written(*message, *at);
                let from = plan.messages[*message].from;
                recorder.envelope_made(id(*message), from, *at);
                nodes[from].mailbox_envelopes += 1;
            }
            Sight::Seen(message, node) => {
                recorder.envelope_seen(id(*message), *node, *at);
                let load = 1 + (*node as u64 * 7) % 5;
                nodes[*node].received_bytes += 900 + 200 * load;
                nodes[*node].sent_bytes += 1_300;
                nodes[*node].envelopes_new += 1;
                nodes[*node].envelopes_new_bytes += 1_180;
                nodes[*node].envelopes_duplicate += load;
                nodes[*node].mailbox_envelopes += 1;
            }
            Sight::Delivered(message) => {
                recorder.shown(*message, recipient(&plan.messages[*message]), *at);
                for node in &mut nodes {
                    node.mailbox_envelopes = node.mailbox_envelopes.saturating_sub(1);
                }
            }
            Sight::Sample => {
                for (index, node) in nodes.iter_mut().enumerate() {
                    node.on = course.is_on(index, *at);
                    node.mailbox_bytes = node.mailbox_envelopes * 1_180;
                    node.mailbox_oldest = Some(*at / 2);
                }
                recorder.sample(*at, &nodes);
            }
        }
    }
    let report = recorder.finish(until, until < plan.duration);
    report.with_origin(origin(plan))
}

fn recipient(message: &MessagePlan) -> NodeIndex {
    match message.to {
        Addressee::Person(node) => node,
        Addressee::Room(_) => unreachable!("there are no rooms here"),
    }
}

/// Whence such a run could be.
fn origin(plan: &Plan) -> Origin {
    Origin {
        version: "0.1.0".to_owned(),
        commit: Some("1a2b3c4d5e6f".to_owned()),
        file: format!("{}.toml", plan.name),
        is_ready: false,
        text: "# A network.\nduration = \"10m\"\n\n[topology]\nfile = \"edges.txt\"\n".to_owned(),
        edges: Some(Edges { file: "edges.txt".to_owned(), text: "n0 n1\nn1 n2\n".to_owned() }),
        nodes: Some(plan.nodes.len()),
        duration: Some(show_duration(plan.duration)),
        set: vec![Setting { key: "links.latency".to_owned(), value: "80ms".to_owned() }],
    }
}

/// Who is on and who reaches whom.
struct Course {
    /// When each node is turned off and on.
    turned: Vec<Vec<(Duration, bool)>>,
    /// The group of each node from a time on; none: all are one.
    groups: Vec<(Duration, Vec<usize>)>,
}

impl Course {
    fn of(plan: &Plan) -> Self {
        let mut course = Self { turned: vec![Vec::new(); plan.nodes.len()], groups: Vec::new() };
        for TimedEvent { at, event } in &plan.events {
            let (nodes, on) = match event {
                Event::Crash(nodes) => (nodes, false),
                Event::Start(nodes) => (nodes, true),
                Event::Partition(parts) => {
                    let mut groups = vec![0; plan.nodes.len()];
                    for (group, nodes) in parts.iter().enumerate() {
                        nodes.iter().for_each(|node| groups[*node] = group);
                    }
                    course.groups.push((*at, groups));
                    continue;
                }
                Event::Heal => {
                    course.groups.push((*at, Vec::new()));
                    continue;
                }
                _ => continue,
            };
            nodes.iter().for_each(|node| course.turned[*node].push((*at, on)));
        }
        course
    }

    fn is_on(&self, node: NodeIndex, at: Duration) -> bool {
        self.turned[node].iter().rfind(|turned| turned.0 <= at).is_none_or(|turned| turned.1)
    }

    /// When something gets from one node to another: at once, or after what keeps them apart has
    /// ended.
    fn meet(&self, a: NodeIndex, b: NodeIndex, at: Duration, took: Duration) -> Duration {
        let turned = self.turned[b].iter().map(|turned| turned.0);
        let mut changes: Vec<_> = turned.chain(self.groups.iter().map(|groups| groups.0)).collect();
        changes.sort_unstable();
        let joined = |at| {
            let groups = self.groups.iter().rfind(|groups| groups.0 <= at);
            groups.is_none_or(|(_, groups)| groups.is_empty() || groups[a] == groups[b])
        };
        let times = std::iter::once(at).chain(changes.into_iter().filter(|change| *change > at));
        let met = times.into_iter().find(|at| self.is_on(b, *at) && joined(*at));
        met.unwrap_or(Duration::from_secs(1 << 40)) + took
    }
}

fn id(message: usize) -> [u8; 32] {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&(message as u64).to_be_bytes());
    id
}

/// `SplitMix64`.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A time around so many seconds, log-normal.
    fn time(&mut self, middle_s: f64, width: f64) -> Duration {
        let sum: f64 = (0..12).map(|_| self.below(1 << 32) as f64 / (1_u64 << 32) as f64).sum();
        Duration::from_secs_f64(middle_s * ((sum - 6.0) * width).exp())
    }
}
