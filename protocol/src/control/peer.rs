//! Peers: the nodes this one is connected to or knows of.

use super::schema::{AddressText, PeerIdText};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::UnixMillis;

/// One peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its transport key's id; tied to no identity.
    #[schema(value_type = PeerIdText)]
    pub peer_id: String,
    /// Whether there is a connection.
    pub connected: bool,
    /// The address connected to, or the last one known.
    pub address: String,
    /// What the connection runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// Who opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<ConnectionDirection>,
    /// Round-trip time of the last ping, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Whether the connection took the place of one through a relay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upgraded: bool,
    /// How it does, while connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<PeerDetails>,
    /// The ban in force, of one that is known and not connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<Ban>,
}

/// How a connected peer does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeerDetails {
    /// Since when it is connected.
    pub since: UnixMillis,
    /// Whether it is in a mesh of gossip: envelopes go to and fro at once.
    pub mesh: bool,
    /// Whether the user wants it (static, bootstrap, or dialled): its connection is kept.
    pub pinned: bool,
    /// What it has earned: 0 for a stranger, at most 20; throttled at -20, disconnected at -50,
    /// banned at -100. Halved every 10 minutes.
    pub score: f64,
    /// Whether its gossip is looked at only up to a small rate.
    pub throttled: bool,
    /// Envelopes it brought, by gossip or fetched by sync, that were good and new.
    pub envelopes_in: u64,
    /// What it brought, asked or answered that no honest peer does.
    pub invalid: u64,
    /// What it says that it is, unchecked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The protocols it says that it speaks, unchecked; 32 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
}

/// A peer that is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ban {
    /// Its transport key's id.
    #[schema(value_type = PeerIdText)]
    pub peer_id: String,
    /// Why.
    #[schema(max_length = 200)]
    pub reason: String,
    /// Since when.
    pub since: UnixMillis,
    /// Until when; absent for one that lasts until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMillis>,
    /// Whether the user banned it, and not its own conduct.
    pub by_user: bool,
}

/// `GET /v1/bans`, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BanList {
    /// All bans in force.
    pub bans: Vec<Ban>,
}

/// `POST /v1/bans`. Bans a peer anew if it is banned already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BanRequest {
    /// A peer id, or the end of one that is known (6 characters or more).
    #[schema(value_type = PeerIdText)]
    pub peer_id: String,
    /// For how long, seconds: 1 to 3,153,600,000, a hundred years; until it is lifted where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3_153_600_000_u64)]
    pub seconds: Option<u64>,
    /// Why, for the user's own memory; 200 bytes of it are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 131072)]
    pub reason: Option<String>,
}

/// What a connection runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP, Noise, Yamux.
    Tcp,
    /// QUIC.
    Quic,
    /// Through another node, which passes the bytes on and can't read them; the address says which.
    Relay,
}

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionDirection {
    /// The peer.
    In,
    /// This node.
    Out,
}

/// `GET /v1/peers`, connected ones first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeerList {
    /// All peers.
    pub peers: Vec<Peer>,
    /// Addresses that could not be connected to, of those not connected now; a peer's here and above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedDial>,
}

/// An address that could not be connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedDial {
    /// The address; one of several where the peer has more.
    pub address: String,
    /// Who should be there, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PeerIdText>)]
    pub peer_id: Option<String>,
    /// Attempts that failed, in a row.
    pub attempts: u32,
    /// Why the last one did, for people.
    pub reason: String,
    /// Whether it is tried no more: what was dialled by command is given up after 10 attempts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
}

/// `POST /v1/peers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DialRequest {
    /// A multiaddress, such as `/ip4/192.168.1.7/tcp/4177`, or `HOST:PORT`, or `HOST` for port 4177. A host is a name, or
    /// an IP address (`[2001:db8::7]:4177`, `[fe80::7%eth0]:4177`). At most 512 bytes.
    #[schema(value_type = AddressText)]
    pub address: String,
    /// Whether to wait, for 10 s at most, for what comes of the first attempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wait: bool,
}

/// What came of a dial that was waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Dialled {
    /// Whether there is a connection, with a node of this network.
    pub connected: bool,
    /// With whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PeerIdText>)]
    pub peer_id: Option<String>,
    /// Why there is none, for people. The daemon goes on trying, 10 times in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A peer came or went. As a Server-Sent Event its name is its `type`, its data this as JSON. It has no number, and none
/// that happened before is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerEvent {
    /// When it happened.
    pub at: UnixMillis,
    /// The peer's transport key's id; tied to no identity.
    #[schema(value_type = PeerIdText)]
    pub peer_id: String,
    /// What happened.
    #[serde(flatten)]
    pub body: PeerEventBody,
}

/// What happened to a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PeerEventBody {
    /// There is a connection with it.
    PeerConnected {
        /// The address connected to, or from.
        address: String,
    },
    /// There is none any more.
    PeerDisconnected {
        /// Whether it was silent before, so that the link is lost, or the peer is gone without a word.
        silent: bool,
    },
}

impl PeerEventBody {
    /// The event's name, as in its `type` field.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::PeerConnected { .. } => "peer_connected",
            Self::PeerDisconnected { .. } => "peer_disconnected",
        }
    }
}
