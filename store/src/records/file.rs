//! Files that are blobs.

use martlet_protocol::message::Holder;
use martlet_protocol::{AckSecret, BlobId, ExpiryHour, IdentityId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::conversation::Place;
use crate::blobs::BlobName;

/// See [`FILES`](super::FILES): a blob on this disk, or one that is to be. What opens it is in the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Of which message.
    pub place: Place,
    /// By what its files are called here.
    pub name: BlobName,
    /// Which blob it is.
    pub blob: BlobId,
    /// Bytes of it, sealed.
    pub size: u64,
    /// How far it is.
    pub stage: FileStage,
    /// When it came to be so.
    pub since: UnixMillis,
    /// Of an own one: whether the other side said that they have it.
    pub is_received: bool,
    /// Who wrote its message, if it is fetched without the user's having asked for it.
    #[serde(default)]
    pub unasked_of: Option<IdentityId>,
    /// Of an own one that depots are to keep for who is away.
    #[serde(default)]
    pub deposit: Option<DepositRecord>,
}

/// What depots keep of an own file, or are to keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositRecord {
    /// Until when it is of use.
    pub until: ExpiryHour,
    /// Lets it go before. Its commitment is told to each depot.
    pub secret: AckSecret,
    /// Those that were told anything of it.
    pub depots: Vec<DepotRecord>,
}

/// A depot that keeps a file, or is brought it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepotRecord {
    /// Which node it is, and where.
    pub holder: Holder,
    /// Whether all of it is on its disk.
    pub is_kept: bool,
}

/// See [`RELEASES`](super::RELEASES).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// Which blob.
    pub blob: BlobId,
    /// When it ends there by itself.
    pub until: ExpiryHour,
    /// What lets it go.
    pub secret: AckSecret,
    /// The peer ids of those that were not told yet.
    pub depots: Vec<ByteBuf>,
}

/// How far a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileStage {
    /// All of it is here.
    Whole,
    /// It is fetched.
    Wanted,
    /// It is not fetched any more, for this reason.
    Failed(FileFailure),
    /// The user does not want it.
    Refused,
    /// What of it comes through mailboxes is kept. Nobody is asked for it.
    Collected,
}

/// Why a blob is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileFailure {
    /// It is not what its message says.
    Corrupt,
    /// The disk has too little room.
    DiskLow,
    /// The disk failed.
    Disk,
    /// It was here, and the disk lost or damaged it.
    Lost,
}
