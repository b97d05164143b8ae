//! The daemon's state, its identity, and the vault's lock.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema::{IdText, NameText, NewPassphraseText, PassphraseText, PeerIdText, ShownName};
use super::{Shred, Transport};
use crate::network::Privacy;

/// `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Whether there is an identity and whether it can be used.
    pub lock: LockState,
    /// Whether the vault is protected by a passphrase; absent before `init`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<bool>,
    /// The identity, when unlocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The network's name.
    #[schema(max_length = 32)]
    pub network: String,
    /// Whether the network is closed: only nodes with its key can connect.
    #[serde(default)]
    pub closed: bool,
    /// How the user's own leaves the node; absent in answers of older daemons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Privacy>,
    /// What connections may run on: in a closed network there is no QUIC.
    #[serde(default)]
    pub transports: Vec<Transport>,
    /// The transport's peer id.
    #[schema(value_type = PeerIdText)]
    pub peer_id: String,
    /// Addresses listened on, with the peer id at the end: what others can dial.
    pub listen: Vec<String>,
    /// Where metrics are served by TCP; absent where they are only on the control socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<String>,
    /// Whether nodes beyond the LAN can connect to this one; absent where the network stays on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reachability: Option<Reachability>,
    /// Addresses at which nodes beyond the LAN reach this one: public ones, and those through
    /// relays (with `/p2p-circuit`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<String>,
    /// Peers connected.
    pub peers_connected: u32,
    /// What it does for the network.
    #[serde(default)]
    pub role: Role,
    /// The shards it keeps.
    #[serde(default)]
    pub shards: KeptShards,
    /// How full the mailbox is.
    pub mailbox: MailboxStatus,
    /// What it keeps of others' large files, for who is away; absent where it is no depot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depot: Option<DepotStatus>,
    /// Messages not yet delivered; absent while locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbox: Option<u64>,
    /// Own envelopes (messages, keys, the bundle) that wait for their stamp, in a network that asks
    /// for one. They are on disk, and leave as soon as the work is done.
    #[serde(default)]
    pub stamping: u64,
    /// Unread messages; absent while locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<u64>,
    /// What was deleted and is not gone for good yet; absent while locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shred: Option<Shred>,
    /// What the user should know: no passphrase, a full disk, a wrong clock.
    pub warnings: Vec<String>,
}

/// What a node does for the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Keeps its user's shard and some more, and forwards what is gossiped in them.
    #[default]
    Full,
    /// Keeps its user's shard only, and forwards nothing.
    Edge,
    /// Keeps all shards, and has no user.
    Mailbox,
}

/// `full`, `edge` and `mailbox` are the roles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no role; there are full, edge and mailbox")]
pub struct RoleError {
    text: String,
}

/// The shards a node keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct KeptShards {
    /// Shards of the network.
    pub total: u16,
    /// How many of them it keeps.
    pub kept: u16,
    /// Which; left out where it keeps all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<u16>,
}

/// How full the mailbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct MailboxStatus {
    /// Envelopes held.
    pub envelopes: u64,
    /// Bytes that the quota counts: of the envelopes, and 256 more for each, and for each tombstone.
    pub bytes: u64,
    /// Bytes allowed.
    pub bytes_max: u64,
}

/// What a depot keeps of others' large files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct DepotStatus {
    /// Files, whole or not.
    pub files: u64,
    /// Their bytes, sealed. One that is not whole counts as all of it.
    pub bytes: u64,
    /// Bytes allowed. Of these any one peer may bring an eighth.
    pub bytes_max: u64,
}

/// Whether nodes beyond the LAN can connect to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reachability {
    /// It is not known yet: no other node has tested it.
    Unknown,
    /// At a public address.
    Public,
    /// Not directly (it is behind NAT or a firewall); through relays, if there are any.
    Private,
}

/// Whether there is an identity and whether it can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockState {
    /// No identity: a mailbox for others until `martletctl init`.
    NoIdentity,
    /// The vault is locked.
    Locked,
    /// The vault is open.
    Unlocked,
}

/// The user's own identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The ID to give to others.
    #[schema(value_type = IdText)]
    pub id: String,
    /// The name given at `init`; sent with first messages, so that it can be suggested.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ShownName>)]
    pub name: Option<String>,
}

/// `POST /v1/identity`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InitRequest {
    /// The name others are offered for this identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NameText>)]
    pub name: Option<String>,
    /// Protects the vault; `null` for none.
    #[serde(default)]
    #[schema(value_type = Option<NewPassphraseText>)]
    pub passphrase: Option<String>,
}

/// What of an identity is to be kept on paper.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InitResponse {
    /// The ID to give to others.
    #[schema(value_type = IdText)]
    pub id: String,
    /// 24 words (BIP 39) that are the root key. `POST /v1/account/phrase` shows them once more.
    #[schema(max_length = 4096)]
    pub recovery_phrase: String,
    /// 12 words (BIP 39) that end the identity, and can do nothing else. The recovery phrase makes them again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 1024)]
    pub kill_phrase: String,
}

/// `POST /v1/identity/recover`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverRequest {
    /// The name others are offered for this identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NameText>)]
    pub name: Option<String>,
    /// Protects the vault; `null` for none.
    #[serde(default)]
    #[schema(value_type = Option<NewPassphraseText>)]
    pub passphrase: Option<String>,
    /// The 24 words of the recovery phrase.
    #[schema(max_length = 4096)]
    pub recovery_phrase: String,
}

/// `POST /v1/unlock`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlockRequest {
    /// The vault's passphrase; `null` where there is none.
    #[serde(default)]
    #[schema(value_type = Option<PassphraseText>)]
    pub passphrase: Option<String>,
}

/// `POST /v1/passphrase`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PassphraseChange {
    /// The passphrase until now; `null` where there is none.
    #[serde(default)]
    #[schema(value_type = Option<PassphraseText>)]
    pub old: Option<String>,
    /// The passphrase from now on; `null` for none. It must be named, so that none is forgotten.
    #[schema(value_type = Option<NewPassphraseText>, required)]
    #[serde(deserialize_with = "named")]
    pub new: Option<String>,
}

/// Read like any, but never left out: serde takes a missing `Option` for none otherwise.
fn named<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(from)
}

impl Role {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Edge => "edge",
            Self::Mailbox => "mailbox",
        }
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        [Self::Full, Self::Edge, Self::Mailbox]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| RoleError { text: text.to_owned() })
    }
}

impl fmt::Debug for InitRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InitRequest(…)")
    }
}

impl fmt::Debug for RecoverRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoverRequest(…)")
    }
}

impl fmt::Debug for InitResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InitResponse(…)")
    }
}

impl fmt::Debug for PassphraseChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassphraseChange(…)")
    }
}

impl fmt::Debug for UnlockRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnlockRequest(…)")
    }
}
