//! What a scenario file may have: every table and key. `docs/scenarios.md` explains them to users.

use martlet_protocol::control::Role;
use martlet_protocol::network::Privacy;
use serde::Deserialize;

use super::values::{
    Bandwidth, Bytes, Fraction, Names, Offset, Period, Positive, Rate, Time, WordOr,
};
use crate::plan;

mod traffic;

pub(crate) use traffic::{Files, Pattern, Pick, Traffic};

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) duration: Period,
    pub(crate) seed: Option<u64>,
    #[serde(default)]
    pub(crate) network: Network,
    #[serde(default)]
    pub(crate) settings: Settings,
    #[serde(default)]
    pub(crate) nodes: Vec<Nodes>,
    #[serde(default)]
    pub(crate) topology: Topology,
    #[serde(default)]
    pub(crate) links: Links,
    #[serde(default)]
    pub(crate) contacts: Vec<Contacts>,
    #[serde(default)]
    pub(crate) rooms: Vec<Room>,
    #[serde(default)]
    pub(crate) traffic: Vec<Traffic>,
    #[serde(default)]
    pub(crate) files: Vec<Files>,
    #[serde(default)]
    pub(crate) events: Vec<Event>,
    #[serde(default)]
    pub(crate) expect: Expect,
}

/// `[network]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Network {
    pub(crate) shard_bits: u8,
    pub(crate) stamp_bits: u8,
    pub(crate) privacy: Option<Privacy>,
    pub(crate) mailbox_file_bytes: Option<Bytes>,
}

/// `[settings]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) connections_target: Option<usize>,
    pub(crate) mailbox_bytes_max: Option<Bytes>,
    pub(crate) peer_envelopes_per_minute: Option<u32>,
    pub(crate) direct_files: Option<bool>,
    pub(crate) quiet_factor: Option<u32>,
    pub(crate) gossip: Gossip,
    pub(crate) costs: Option<plan::Costs>,
}

/// `[settings.gossip]`
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Gossip {
    pub(crate) mesh: Option<usize>,
    pub(crate) mesh_max: Option<usize>,
    pub(crate) lazy: Option<usize>,
    pub(crate) flood_publish: Option<bool>,
    pub(crate) stem: Option<bool>,
    pub(crate) idontwant_bytes_min: Option<usize>,
}

/// `[[nodes]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nodes {
    pub(crate) name: String,
    pub(crate) count: Option<usize>,
    pub(crate) devices: Option<usize>,
    #[serde(default)]
    pub(crate) role: Role,
    pub(crate) user: Option<bool>,
    #[serde(default)]
    pub(crate) clock_offset: Offset,
    pub(crate) shards: Option<Vec<u16>>,
    pub(crate) cluster: Option<usize>,
    pub(crate) joins: Option<Time>,
    pub(crate) joins_over: Option<Period>,
}

/// `[topology]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Topology {
    pub(crate) kind: TopologyKind,
    pub(crate) degree: Option<usize>,
    pub(crate) rewire: Option<Fraction>,
    pub(crate) links: Option<usize>,
    pub(crate) clusters: Option<usize>,
    pub(crate) bridges: Option<usize>,
    pub(crate) joined: Option<Joined>,
    pub(crate) lans: Option<usize>,
    pub(crate) routers: Option<Names>,
    pub(crate) edges: Option<Vec<Vec<String>>>,
    pub(crate) file: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TopologyKind {
    #[default]
    Full,
    RandomRegular,
    SmallWorld,
    ScaleFree,
    Clusters,
    Lans,
    Edges,
}

/// Which clusters have bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Joined {
    #[default]
    Ring,
    Chain,
    Star,
    All,
}

/// `[links]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Links {
    pub(crate) latency: Option<Time>,
    pub(crate) jitter: Option<Time>,
    pub(crate) bandwidth: Option<Bandwidth>,
    pub(crate) loss: Option<Fraction>,
    pub(crate) loss_as: Option<LossAs>,
    pub(crate) transport: plan::LinkTransport,
    pub(crate) bridges: Option<Shape>,
    pub(crate) between: Vec<Between>,
}

/// `[links.bridges]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Shape {
    pub(crate) latency: Option<Time>,
    pub(crate) jitter: Option<Time>,
    pub(crate) bandwidth: Option<Bandwidth>,
    pub(crate) loss: Option<Fraction>,
    pub(crate) loss_as: Option<LossAs>,
}

/// `[[links.between]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Between {
    pub(crate) nodes: Vec<Names>,
    pub(crate) latency: Option<Time>,
    pub(crate) jitter: Option<Time>,
    pub(crate) bandwidth: Option<Bandwidth>,
    pub(crate) loss: Option<Fraction>,
    pub(crate) loss_as: Option<LossAs>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LossAs {
    Delay,
    Reset,
}

/// `[[contacts]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contacts {
    pub(crate) pairs: WordOr<Vec<Vec<String>>>,
    pub(crate) each: Option<usize>,
    pub(crate) among: Option<Names>,
    #[serde(default)]
    pub(crate) at: Time,
}

/// `[[rooms]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) members: Names,
    pub(crate) creator: Option<String>,
    pub(crate) moderators: Option<Names>,
    #[serde(default)]
    pub(crate) at: Time,
    #[serde(default)]
    pub(crate) strict: bool,
    #[serde(default)]
    pub(crate) add_by: AddBy,
}

/// Who adds others to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AddBy {
    #[default]
    Moderators,
    Members,
}

/// `[[events]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) at: Time,
    #[serde(rename = "do")]
    pub(crate) deed: Deed,
    pub(crate) nodes: Option<Names>,
    pub(crate) lasts: Option<Period>,
    pub(crate) over: Option<Period>,
    pub(crate) rate: Option<Rate>,
    pub(crate) down: Option<Period>,
    pub(crate) how: Option<How>,
    pub(crate) until: Option<Time>,
    pub(crate) groups: Option<WordOr<Vec<Names>>>,
    pub(crate) into: Option<usize>,
    pub(crate) node: Option<String>,
    pub(crate) size: Option<Bytes>,
    pub(crate) by: Option<Offset>,
    pub(crate) room: Option<String>,
    #[serde(rename = "as")]
    pub(crate) acting: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Deed {
    Stop,
    Crash,
    Start,
    Restart,
    Join,
    Leave,
    Churn,
    Partition,
    Heal,
    Flood,
    ClockJump,
    DiskFull,
    DiskFree,
    Link,
    Revoke,
    Invite,
    Remove,
    Moderator,
    Demote,
}

/// How churn takes nodes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum How {
    #[default]
    Crash,
    Stop,
}

/// `[expect]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    pub(crate) delivery: Option<Fraction>,
    pub(crate) latency_p50: Option<Period>,
    pub(crate) latency_p99: Option<Period>,
    pub(crate) bytes_per_node: Option<Bytes>,
    pub(crate) amplification: Option<Positive>,
    pub(crate) convergence: Option<Period>,
    pub(crate) nothing_older_than: Option<Period>,
    pub(crate) no_duplicates: Option<bool>,
    pub(crate) in_order: Option<bool>,
    pub(crate) device_delivery: Option<Fraction>,
    pub(crate) cut_off: Option<bool>,
    pub(crate) one_room_state: Option<bool>,
    pub(crate) files: Option<Fraction>,
    pub(crate) files_p99: Option<Period>,
}

impl TopologyKind {
    /// Which keys go with it, beside `kind`.
    pub(crate) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Full => &[],
            Self::RandomRegular => &["degree"],
            Self::SmallWorld => &["degree", "rewire"],
            Self::ScaleFree => &["links"],
            Self::Clusters => &["clusters", "degree", "bridges", "joined"],
            Self::Lans => &["lans", "degree", "routers"],
            Self::Edges => &["edges", "file"],
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::RandomRegular => "random-regular",
            Self::SmallWorld => "small-world",
            Self::ScaleFree => "scale-free",
            Self::Clusters => "clusters",
            Self::Lans => "lans",
            Self::Edges => "edges",
        }
    }
}

impl Deed {
    /// Which keys go with it, beside `at` and `do`.
    pub(crate) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Stop | Self::Crash | Self::Restart | Self::DiskFull => &["nodes", "lasts"],
            Self::Start | Self::Leave | Self::DiskFree => &["nodes"],
            Self::Join | Self::Link | Self::Revoke => &["nodes", "over"],
            Self::Churn => &["nodes", "rate", "down", "how", "until"],
            Self::Invite | Self::Remove | Self::Moderator | Self::Demote => {
                &["room", "as", "nodes"]
            }
            Self::Partition => &["groups", "into", "lasts"],
            Self::Heal => &[],
            Self::Flood => &["node", "rate", "size", "lasts"],
            Self::ClockJump => &["nodes", "by"],
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Crash => "crash",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Churn => "churn",
            Self::Partition => "partition",
            Self::Heal => "heal",
            Self::Flood => "flood",
            Self::ClockJump => "clock-jump",
            Self::DiskFull => "disk-full",
            Self::DiskFree => "disk-free",
            Self::Link => "link",
            Self::Revoke => "revoke",
            Self::Invite => "invite",
            Self::Remove => "remove",
            Self::Moderator => "moderator",
            Self::Demote => "demote",
        }
    }
}

impl Links {
    pub(crate) fn shape(&self) -> Shape {
        let Self { latency, jitter, bandwidth, loss, loss_as, .. } = self;
        Shape {
            latency: *latency,
            jitter: *jitter,
            bandwidth: *bandwidth,
            loss: *loss,
            loss_as: *loss_as,
        }
    }
}

impl Between {
    pub(crate) fn shape(&self) -> Shape {
        let Self { latency, jitter, bandwidth, loss, loss_as, nodes: _ } = self;
        Shape {
            latency: *latency,
            jitter: *jitter,
            bandwidth: *bandwidth,
            loss: *loss,
            loss_as: *loss_as,
        }
    }
}

impl From<LossAs> for plan::LossAs {
    fn from(loss_as: LossAs) -> Self {
        match loss_as {
            LossAs::Delay => Self::Delay,
            LossAs::Reset => Self::Reset,
        }
    }
}
