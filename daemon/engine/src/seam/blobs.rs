//! All that passes between the engine and whoever keeps blobs for it: one enum each way.
//!
//! The engine decides which blobs there are, and has that on disk before it is told here. The keeper waits: for disks, streams and
//! holders. What it tells may be late or come twice, and a blob that it tells of may be gone.

use martlet_protocol::file::FileKey;
use martlet_protocol::file::ask::{Commitment, PutRefusal};
use martlet_protocol::message::Holder;
use martlet_protocol::{BlobId, ExpiryHour};
use martlet_store::blobs::BlobName;
use martlet_store::records::{DepotRecord, ReleaseRecord};

/// A blob that the vault has a record of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownBlob {
    /// By what its files are called.
    pub name: BlobName,
    /// Which it is.
    pub id: BlobId,
    /// Its bytes, sealed.
    pub size: u64,
}

/// What is to be done with a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobUse {
    /// It is whole: it is served to who asks for it.
    Serve,
    /// It is fetched until it is whole.
    Fetch(Box<WantedBlob>),
    /// What there is of it is kept, and nobody is asked for it, nor given it.
    Rest,
}

/// How a blob is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedBlob {
    /// What opens it: it is whole only if it does.
    pub key: FileKey,
    /// Bytes of the file in it.
    pub size: u64,
    /// Who has it, as its message says.
    pub holders: Vec<Holder>,
}

/// How depots are to keep an own blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// Until when.
    pub until: ExpiryHour,
    /// What is told to each, so that it can be let go before.
    pub release: Commitment,
    /// Those that may be told: what lets the blob go there is on disk.
    pub depots: Vec<DepotRecord>,
    /// Whether others may be [chosen](FromBlobs::DepotChosen).
    pub chooses: bool,
}

/// What the engine tells the keeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToBlobs {
    /// The vault is open, and these are all that it knows: files of others are removed.
    Known(Vec<(KnownBlob, BlobUse)>),
    /// One more, or another use for one.
    Add(KnownBlob, BlobUse),
    /// Nobody needs it any more: its files are removed.
    Remove(BlobName),
    /// These parts of it are to be read, so that they can be sent.
    ReadParts(KnownBlob, Vec<u16>),
    /// A part of it has come.
    KeepPart(KnownBlob, u16, PartBytes),
    /// All its parts have been kept: what they make is compared with it.
    JoinParts(KnownBlob, Box<WantedBlob>),
    /// Depots are to keep it, for as long as it is served.
    Deposit(KnownBlob, Box<Deposit>),
    /// Depots are to let a blob go that is no more. The name is that of the release.
    Release(BlobName, Box<ReleaseRecord>),
    /// The vault was closed: nothing is fetched.
    Closed,
}

/// What the keeper tells the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromBlobs {
    /// So many bytes of a blob are here.
    Progress {
        /// Of which.
        name: BlobName,
        /// How many, sealed.
        bytes: u64,
        /// Whether nobody who has the rest can be reached.
        is_waiting: bool,
    },
    /// It is on disk, whole, and opens.
    Whole(BlobName),
    /// It is fetched no more.
    Failed(BlobName, BlobFailure),
    /// It was to be made here, and is not.
    NotMade(BlobName),
    /// These are parts of it.
    PartsRead(BlobName, Vec<(u16, PartBytes)>),
    /// These parts of it are on disk.
    PartsKept(BlobName, Vec<u16>),
    /// Its parts together are not what its message says, and they are removed.
    PartsFalse(BlobName),
    /// This connected depot would be brought it. Nothing is told to it before it stands in a [`Deposit`].
    DepotChosen(BlobName, Holder),
    /// The depot with this peer id has all of it on disk.
    DepotKeeps(BlobName, Vec<u8>),
    /// The depot with this peer id does not keep it, and has nothing of it.
    DepotRefused(BlobName, Vec<u8>, PutRefusal),
    /// The depot with this peer id has let a blob go. The name is that of the release.
    Released(BlobName, Vec<u8>),
}

/// A part of a blob.
#[derive(Clone, PartialEq, Eq)]
pub struct PartBytes(pub Vec<u8>);

impl AsRef<[u8]> for PartBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Hand-written: 32 KiB of ciphertext are of no use in a log.
impl std::fmt::Debug for PartBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartBytes({})", self.0.len())
    }
}

/// Why a blob is not had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobFailure {
    /// It is not what its message says.
    Corrupt,
    /// The disk has too little room.
    DiskLow,
    /// The disk failed, or damaged what was here: the rest of it is of use.
    Disk,
    /// It was here, and is gone.
    Lost,
}
