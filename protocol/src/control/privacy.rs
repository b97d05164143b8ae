//! What a node holds, and who can see what of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema::{HandleText, ShownName};
use super::shred::Shred;
use super::status::{DepotStatus, KeptShards, MailboxStatus, Role};
use crate::time::UnixMillis;

/// `GET /v1/privacy`: made of the databases, the counters and the configuration as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrivacyReport {
    /// When.
    pub at: UnixMillis,
    /// What is so, by whom it is about.
    pub sections: Vec<PrivacySection>,
    /// What the vault holds; absent without an identity, and while it is locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultHolds>,
    /// What the node holds for others.
    pub others: OthersHold,
}

/// What is so about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrivacySection {
    /// Which.
    pub about: PrivacySubject,
    /// Each in a sentence or two.
    pub statements: Vec<PrivacyStatement>,
}

/// What statements are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrivacySubject {
    /// What this node holds of its user.
    You,
    /// What it holds of others.
    Others,
    /// What is seen on the network segments that the node is on.
    Lan,
    /// What nodes beyond them see.
    Internet,
    /// What any node of the network sees that is connected to this one.
    Peer,
    /// What a node sees that passes connections on.
    Relay,
    /// What everyone sees who has the user's ID.
    IdHolder,
    /// What a contact sees.
    Contact,
    /// What someone sees who is in a room with the user.
    RoomMember,
}

/// One thing that is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrivacyStatement {
    /// A word for it, for programs: another one is said where the setting that it depends on is another.
    pub code: String,
    /// In words.
    pub text: String,
}

/// What contacts are told of what the user does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MannersHold {
    /// Whether contacts are told what was read.
    pub receipts: bool,
    /// Contacts for whom that is otherwise.
    pub receipts_differ: u64,
    /// Whether contacts are told that the user is writing.
    pub typing: bool,
    /// Contacts for whom that is otherwise.
    pub typing_differ: u64,
}

/// The rooms of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomsHold {
    /// Those that the user is in.
    pub joined: u64,
    /// People who are in one with the user.
    pub people: u64,
    /// Of these, such as are no contacts.
    pub no_contacts: u64,
    /// Of the rooms, those that show what was sent before its writer heard of their removal.
    pub not_strict: u64,
}

/// What an open vault holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VaultHolds {
    /// The name that others are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ShownName>)]
    pub name: Option<String>,
    /// Contacts.
    pub contacts: u64,
    /// People who are blocked.
    pub blocked: u64,
    /// Unknown people who wrote.
    pub requests: u64,
    /// Conversations whose messages end by a timer where nothing else is said.
    pub timed_conversations: u64,
    /// Messages not yet delivered.
    pub outbox: u64,
    /// The user's profile.
    pub profile: ProfileHolds,
    /// What contacts are told of what the user does.
    #[serde(flatten)]
    pub manners: MannersHold,
    /// Whether nothing goes to a verified contact with a device that the user has not confirmed.
    pub strict_devices: bool,
    /// Contacts whom the user verified.
    pub verified: u64,
    /// Devices of the user's that count; 0 once the identity has ended.
    pub devices: u64,
    /// Keys of the user's.
    pub keys: KeysHold,
    /// Invites.
    pub invites: InvitesHold,
    /// Rooms.
    #[serde(default)]
    pub rooms: RoomsHold,
    /// What is kept in memory for searches; absent while nobody has searched of late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchHolds>,
    /// How many records each table of the vault has.
    pub records: BTreeMap<String, u64>,
    /// How things stand with what was deleted.
    pub shred: Shred,
}

/// Keys of the user's, as far as it matters which are here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeysHold {
    /// When the oldest prekey was made: what was sealed since then can be opened with what is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_prekey: Option<UnixMillis>,
    /// Whether the root of the identity is here.
    pub root: RootHeld,
}

/// Whether the root of the user's identity is in the vault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RootHeld {
    /// It is.
    #[default]
    Here,
    /// It never was: the device was linked.
    Linked,
    /// It is no more: it was locked, and is in the recovery phrase alone.
    Locked,
}

/// Invites, the user's and those that the user accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitesHold {
    /// Of the user's: those that are good.
    pub open: u64,
    /// Of the user's: those that were used or revoked, or have expired.
    pub ended: u64,
    /// Those of contacts' that the user accepted, and whose device has not seen that yet.
    pub accepted: u64,
}

/// What is kept in memory for searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchHolds {
    /// Messages whose texts it is.
    pub texts: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A profile and a handle, as far as it matters who knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProfileHolds {
    /// Whether it says something: a name, or a picture.
    pub says_something: bool,
    /// Whether contacts are told.
    pub shared: bool,
    /// Contacts who were told what is so now.
    pub told: u64,
    /// The handle that the user claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HandleText>)]
    pub handle: Option<String>,
}

/// What a node holds for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OthersHold {
    /// What it does for them.
    pub role: Role,
    /// The shards it keeps.
    pub shards: KeptShards,
    /// Sealed envelopes, its user's own among them.
    pub mailbox: MailboxStatus,
    /// What it keeps of their large files, as a depot; absent where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depot: Option<DepotStatus>,
    /// Envelopes that went before they ended: their ids are kept until then.
    pub tombstones: u64,
    /// Nodes whose addresses it remembers.
    pub known_peers: u64,
    /// Nodes it refuses.
    pub bans: u64,
}
