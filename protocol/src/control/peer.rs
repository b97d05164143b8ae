//! Peers: the nodes this one is connected to or knows of.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its transport key's id; tied to no identity.
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
}

/// `POST /v1/peers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DialRequest {
    /// A multiaddress, such as `/ip4/192.168.1.7/tcp/4177`.
    pub address: String,
}
