//! What is wrong with this node or around it, and what to do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Diagnosis {
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// How far this node's clock is ahead of the median of its peers', milliseconds; negative when it
    /// is behind, absent when fewer than three have told theirs. Whole seconds are exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_ms: Option<i64>,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What it is, for programs. Stable.
    pub code: FindingCode,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, for people.
    pub problem: String,
    /// What to do about it, for people.
    pub advice: String,
}

/// How bad a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Messages don't come or go, or soon won't.
    Error,
    /// It works, but not as it should.
    Warning,
    /// As it was chosen; worth knowing.
    Info,
}

/// What the doctor knows to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingCode {
    /// This node's clock is wrong: by two hours or more (error), or by five minutes or more
    /// (warning).
    ClockSkew,
    /// No peer is connected.
    NoPeers,
    /// No address is listened on.
    NotListening,
    /// Configured or bootstrap peers can't be reached.
    BootstrapUnreachable,
    /// Names of static and bootstrap peers can't be looked up: the system names no server to ask.
    NoResolver,
    /// Nodes were met with another network key, or with none, or this node has none.
    KeyMismatch,
    /// mDNS is on and can't work: no network interface takes multicast, or it failed to start.
    MdnsUnavailable,
    /// mDNS is on and nobody has been heard.
    MdnsSilent,
    /// mDNS is switched off.
    MdnsOff,
    /// The file system of the data directory is nearly full: under 64 MiB (error) or 512 MiB
    /// (warning) are free.
    DiskNearlyFull,
    /// The mailbox has reached its quota (error), or 90 % of it (warning).
    MailboxNearlyFull,
    /// The last write to the databases failed.
    StorageFailed,
    /// The vault could not be opened when that was asked for last.
    VaultUnreadable,
    /// The vault was put back from an older copy within the last week.
    VaultPutBack,
    /// The vault is locked: nothing is read or sent.
    Locked,
    /// A node that is for a user has no identity yet.
    NoIdentity,
    /// The user's identity was terminated: nothing can be sent any more.
    IdentityTerminated,
    /// This device was revoked: nothing can be sent from it any more.
    DeviceRevoked,
    /// Peers are banned.
    PeersBanned,
    /// The vault has no passphrase.
    NoPassphrase,
}
