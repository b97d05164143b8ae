//! What a scenario comes to: every node, link, message and event, with its time.
//!
//! A scenario file says "ten users, each writes six messages an hour"; its plan lists the messages.
//! All chance is in the making of the plan, which is given a seed, so that every [`Runner`] does the
//! same.

use std::time::Duration;

use martlet_protocol::control::Role;
use martlet_protocol::network::Privacy;
use martletd::net::GossipPolicy;
use serde::{Deserialize, Serialize};

mod files;
mod rooms;

pub(crate) use files::file_contents;
pub use files::{Accept, FilePlan, Way, file_name, of_file_name};
pub use rooms::{Membership, RoomDeed, RoomIndex, RoomPlan, memberships};

/// A node, by its place in [`Plan::nodes`].
pub type NodeIndex = usize;

/// What runs a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runner {
    /// One process, a virtual clock.
    Sim,
    /// Processes on loopback.
    Local,
    /// Processes in network namespaces.
    Netns,
    /// Nodes started elsewhere, by their agents.
    Agents,
}

/// A network and all that happens to it. Times are from the start of the run, when all nodes that
/// are there from the start have been started.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The scenario's name: letters, digits and dashes.
    pub name: String,
    /// What it shows, in a sentence or two.
    pub description: String,
    /// What chance it was made with.
    pub seed: u64,
    /// How long it runs.
    pub duration: Duration,
    /// The network's descriptor, as far as it matters here.
    pub network: NetworkPlan,
    /// How the daemons are set.
    pub settings: Settings,
    /// The nodes.
    pub nodes: Vec<NodePlan>,
    /// Who is connected to whom; each pair once, `a < b`.
    pub links: Vec<LinkPlan>,
    /// Who becomes whose contact, in order of time.
    pub contacts: Vec<ContactPlan>,
    /// Rooms. They are made, and changed, by [`Event::Room`].
    pub rooms: Vec<RoomPlan>,
    /// What is written, in order of time.
    pub messages: Vec<MessagePlan>,
    /// What happens, in order of time.
    pub events: Vec<TimedEvent>,
    /// What must be true at the end.
    pub expectations: Vec<Expectation>,
}

impl Plan {
    /// Whether a node's clock is off, or jumps.
    #[must_use]
    pub fn has_own_clock(&self, node: NodeIndex) -> bool {
        let jumps = |timed: &TimedEvent| matches!(&timed.event, Event::ClockJump { nodes, .. } if nodes.contains(&node));
        self.nodes.get(node).is_some_and(|node| node.clock_offset_ms != 0)
            || self.events.iter().any(jumps)
    }

    /// The person whose device a node is, by their first device.
    #[must_use]
    pub fn person(&self, node: NodeIndex) -> NodeIndex {
        self.nodes.get(node).and_then(|plan| plan.device_of).unwrap_or(node)
    }

    /// The name of whom a message is written to.
    #[must_use]
    pub fn name_of(&self, to: Addressee) -> &str {
        let name = match to {
            Addressee::Person(node) => self.nodes.get(node).map(|node| node.name.as_str()),
            Addressee::Room(room) => self.rooms.get(room).map(|room| room.name.as_str()),
        };
        name.unwrap_or("?")
    }

    /// Whether anyone has several devices.
    #[must_use]
    pub fn has_devices(&self) -> bool {
        self.nodes.iter().any(|node| node.device_of.is_some())
    }
}

/// The network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkPlan {
    /// 0 to 12: the network has `2^shard_bits` shards.
    pub shard_bits: u8,
    /// Zero bits asked of a stamp, 0 to 32.
    pub stamp_bits: u8,
    /// How the users' own leaves their nodes.
    pub privacy: Option<Privacy>,
    /// The largest file that goes through mailboxes, bytes; `None`: as by default on a LAN.
    pub mailbox_file_bytes: Option<u64>,
}

/// How the daemons are set, where it is not as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Connections a node tries to have.
    pub connections_target: Option<usize>,
    /// Bytes of envelopes a mailbox holds.
    pub mailbox_bytes_max: Option<u64>,
    /// Envelopes a peer may bring in a minute.
    pub peer_envelopes_per_minute: Option<u32>,
    /// Whether nodes fetch files from each other directly, and give them to others.
    pub direct_files: Option<bool>,
    /// How much rarer than usual nodes do what they do unasked: gossip's heartbeat, pings, rounds
    /// of sync. 1 is as usual. Simulations of days use more, since it is what they spend their time
    /// on; the other runners have only 1.
    pub quiet_factor: u32,
    /// How gossip spreads; the other runners have only the default.
    pub gossip: GossipPolicy,
    /// What nodes' work takes; `None`: no time. The other runners have what it takes.
    pub costs: Option<Costs>,
    /// What is above the links of a simulation. The other runners have only the default.
    pub transport: LinkTransport,
}

/// What is above the links of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkTransport {
    /// Noise and Yamux, as over TCP.
    #[default]
    Secured,
    /// Neither, but about as many bytes.
    Plain,
}

/// What a node's work takes, microseconds, as `martlet-testnet calibrate` measures it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// All that is done for an envelope that a node is brought, but for the disk: decryption of the
    /// connection, gossip, checks, the engine.
    pub envelope_us: u32,
    /// A commit of one database.
    pub commit_us: u32,
    /// From bytes that arrive to the process that they wake.
    pub wake_us: u32,
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodePlan {
    /// Its name, unique: letters, digits and dashes.
    pub name: String,
    /// The cluster or LAN it is in, where the topology has such: for drawings.
    pub cluster: Option<usize>,
    /// What it does for the network.
    pub role: Role,
    /// Whether it has a user, who has an identity from the first start.
    pub user: bool,
    /// Of a further device of a person: their first one, which has the root. Then its user comes by [`Event::Link`].
    pub device_of: Option<NodeIndex>,
    /// How far its clock is ahead, milliseconds; negative: behind.
    pub clock_offset_ms: i64,
    /// The shards it keeps; `None`: as many as by default.
    pub shards: Option<Vec<u16>>,
    /// Whether it is there from the start. If not it joins by [`Event::Start`].
    pub starts: bool,
}

/// A link between two nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkPlan {
    /// One end, which dials.
    pub a: NodeIndex,
    /// The other.
    pub b: NodeIndex,
    /// How it is.
    pub shape: LinkShape,
}

/// How a link is, in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkShape {
    /// One-way delay.
    pub latency: Duration,
    /// What chance adds to it, at most.
    pub jitter: Duration,
    /// `None`: without bound.
    pub bandwidth_bytes_per_s: Option<u64>,
    /// The part of all packets (of 1,400 bytes) that is lost, 0 to 1.
    pub loss: f64,
    /// What a loss does to a reliable stream.
    pub loss_as: LossAs,
}

/// What a lost packet does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossAs {
    /// It is sent again: what comes after it waits for a round trip, at least 200 ms (RFC 6298,
    /// with Linux's minimum).
    Delay,
    /// The connection breaks.
    Reset,
}

/// Two users become contacts of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContactPlan {
    /// When.
    pub at: Duration,
    /// One.
    pub a: NodeIndex,
    /// The other.
    pub b: NodeIndex,
}

/// A message: a text, or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagePlan {
    /// When it is written.
    pub at: Duration,
    /// Who writes it.
    pub from: NodeIndex,
    /// To whom.
    pub to: Addressee,
    /// Bytes of its text, at least 16: they begin with a number that tells it from all others. 0 of a file.
    pub bytes: usize,
    /// If it is a file: which.
    pub file: Option<FilePlan>,
}

/// To whom a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Addressee {
    /// A person, by their first device.
    Person(NodeIndex),
    /// All in a room.
    Room(RoomIndex),
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedEvent {
    /// When.
    pub at: Duration,
    /// What.
    pub event: Event,
}

/// What can happen. Churn is a list of crashes and starts by the time it stands here.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An orderly stop: what a user does who shuts a computer down.
    Stop(Vec<NodeIndex>),
    /// SIGKILL, or the plug pulled.
    Crash(Vec<NodeIndex>),
    /// A start, the first one or another, with what was on disk.
    Start(Vec<NodeIndex>),
    /// A stop for ever, and the disk is erased.
    Leave(Vec<NodeIndex>),
    /// Nodes of different groups don't reach each other any more; every node is in one of them.
    Partition(Vec<Vec<NodeIndex>>),
    /// All nodes that are linked reach each other again.
    Heal,
    /// A hostile node connects to `at` and gossips valid envelopes that are for nobody.
    Flood {
        /// The victim.
        at: NodeIndex,
        /// How fast.
        envelopes_per_s: u32,
        /// How large each is.
        bytes: usize,
        /// For how long.
        lasts: Duration,
    },
    /// A clock is set forward by so many milliseconds; negative: back.
    ClockJump {
        /// Whose.
        nodes: Vec<NodeIndex>,
        /// How far.
        by_ms: i64,
    },
    /// From now on each write to these nodes' disks fails.
    DiskFull(Vec<NodeIndex>),
    /// There is room again.
    DiskFree(Vec<NodeIndex>),
    /// These join the identities of their people, each by a code of the person's first device, one after the other.
    Link(Vec<NodeIndex>),
    /// These are lost: their people revoke them, by their first devices. They stay on, with whoever has them now.
    Revoke(Vec<NodeIndex>),
    /// Someone does something to a room, or to who is in it.
    Room {
        /// Which.
        room: RoomIndex,
        /// Who does it.
        by: NodeIndex,
        /// What.
        deed: RoomDeed,
        /// To whom.
        whom: Vec<NodeIndex>,
    },
}

/// What must be true at the end. Times are of the nodes' network, not of the machine that simulates
/// it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expectation {
    /// At least this part of all messages written was delivered, 0 to 1.
    DeliveryMin(f64),
    /// Half of all messages took at most so long.
    LatencyP50Max(Duration),
    /// 99 % of all messages took at most so long.
    LatencyP99Max(Duration),
    /// No node received more bytes.
    BytesPerNodeMax(u64),
    /// All nodes together received at most so many bytes for each byte of text delivered.
    AmplificationMax(f64),
    /// After the last heal (or the last start, if nothing was healed) all messages written before
    /// were delivered within so long.
    ConvergenceMax(Duration),
    /// No node ever held an envelope longer than six days by its own receive time, and at the end
    /// none holds one.
    NothingOlderThan(Duration),
    /// No message was shown twice.
    NoDuplicates,
    /// Each conversation came in the order of its writing.
    InOrder,
    /// Of all messages on all devices on which they should be shown, at least this part was, 0 to 1.
    DeviceDeliveryMin(f64),
    /// Who was cut off read nothing that was written by who knew of it.
    CutOff,
    /// At the end, all in a room who are on have the same state of it: so of each room.
    OneRoomState,
    /// Of all files, at all who were to get them, at least this part was there whole, 0 to 1.
    FilesMin(f64),
    /// 99 % of the files that came were there whole within so long, each at each recipient.
    FilesP99Max(Duration),
}

impl LinkShape {
    /// Without any delay.
    #[must_use]
    pub fn instant() -> Self {
        Self { latency: Duration::ZERO, ..Self::default() }
    }

    /// Whether it is what loopback and bridges come near to by themselves: as by default, or
    /// faster.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let Self { latency, jitter, bandwidth_bytes_per_s, loss, loss_as: _ } = *self;
        latency <= Self::default().latency
            && jitter.is_zero()
            && bandwidth_bytes_per_s.is_none()
            && loss <= 0.0
    }
}

impl Default for LinkShape {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            bandwidth_bytes_per_s: None,
            loss: 0.0,
            loss_as: LossAs::Delay,
        }
    }
}
