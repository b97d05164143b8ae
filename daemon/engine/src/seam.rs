//! All that passes between engine and network: one enum each way. What passes between it and the keeper of blobs is in `blobs`.
//!
//! The network asks by a [`Ticket`] and gets the [`Answer`] with it, so that neither side holds a channel of
//! the other's.

mod blobs;

use std::fmt;

use martlet_protocol::sync::ShardSet;
use martlet_protocol::{Ack, Envelope, EnvelopeId, ExpiryHour, Header, Shard, Tag, UnixMillis};

pub use blobs::{
    BlobFailure, BlobUse, Deposit, FromBlobs, KnownBlob, PartBytes, ToBlobs, WantedBlob,
};

/// What the engine knows a peer by: the Ed25519 public key of its transport. Tied to no identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);

/// The number of a question; the network chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A validated envelope.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its id.
    pub id: EnvelopeId,
    /// The envelope.
    pub envelope: Envelope,
    /// Its header, checked against the network and the clock.
    pub header: Header,
}

/// What goes by the stem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stemmed {
    /// An envelope.
    Envelope(Envelope),
    /// An ack.
    Ack(Ack),
}

/// What the network brings to the engine.
#[derive(Debug)]
pub enum FromNet {
    /// Validated envelopes, by gossip or sync. The engine also asks the network to tell `from` which of
    /// them are stored.
    Envelopes {
        /// Who brought them.
        from: PeerKey,
        /// The envelopes.
        envelopes: Vec<Received>,
        /// Answered by [`Answer::Stored`] after the commit, where someone waits for it.
        ticket: Option<Ticket>,
    },
    /// Acks, unchecked.
    Acks {
        /// Who brought them.
        from: PeerKey,
        /// The acks.
        acks: Vec<Ack>,
    },
    /// `from` says that these are on its disk.
    StoredBy {
        /// Who holds them.
        from: PeerKey,
        /// The envelopes.
        ids: Vec<EnvelopeId>,
    },
    /// A reconciliation with `peer` ended: of all live envelopes of `shards` that had arrived here
    /// up to `up_to_arrival` and end after the hour `after`, it holds all but `lacking`.
    Reconciled {
        /// With whom.
        peer: PeerKey,
        /// The shards reconciled.
        shards: Box<ShardSet>,
        /// `last_arrival` of the snapshot reconciled.
        up_to_arrival: u64,
        /// The last hour that was not compared, since by one of the two clocks it has come.
        after: ExpiryHour,
        /// What the peer lacked.
        lacking: Vec<EnvelopeId>,
    },
    /// Asks which of the user's own envelopes of `shards` are not proved received yet. Answered by
    /// [`Answer::Ids`]: none where there is no user.
    Outstanding {
        /// The shards.
        shards: ShardSet,
        /// Of the answer.
        ticket: Ticket,
    },
    /// Asks which of these envelopes, which `from` holds and the mailbox here doesn't know, are
    /// worth fetching: not those that were refused lately for want of room, as long as there is none. Answered by
    /// [`Answer::Ids`].
    Sift {
        /// Who holds them.
        from: PeerKey,
        /// The envelopes.
        ids: Vec<EnvelopeId>,
        /// Of the answer.
        ticket: Ticket,
    },
    /// What connected peers say the time is: the median of them.
    PeersTime {
        /// The time.
        theirs: UnixMillis,
    },
    /// These of the user's own are off the stem, and nobody has brought them back: no neighbour speaks it, or
    /// they were lost on it. They are published from here.
    OffStem(Vec<Stemmed>),
    /// What a look-up found: not to be kept in the mailbox.
    Found {
        /// Validated conversation envelopes with tags asked for.
        envelopes: Vec<Received>,
    },
}

/// What the engine tells the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToNet {
    /// Gossip these envelopes of the user's own. (The mailbox has them: sync brings them to those whom
    /// gossip does not reach.)
    Publish(Vec<Envelope>),
    /// Gossip these acks of the user's own.
    PublishAcks(Vec<Ack>),
    /// Send these of the user's own by the stem, each by itself. What the stem loses comes back as
    /// [`FromNet::OffStem`]. (The mailbox doesn't have them, and sync tells them to nobody.)
    Stem(Vec<Stemmed>),
    /// Tell a peer that what it brought is on disk.
    Stored(PeerKey, Vec<EnvelopeId>),
    /// The mailbox has something of the user's own that is not gossiped: sync with the neighbours soon.
    HasUngossiped,
    /// These peers brought what there was no room for, and there is some now: sync with them.
    HasRoom(Vec<PeerKey>),
    /// So many acks that a peer brought don't open what is held here.
    FalseAcks(PeerKey, usize),
    /// What the user makes of the shards has changed.
    Interest(Interest),
    /// Ask the keepers of other shards. What they have comes as [`FromNet::Found`].
    LookUp(Vec<Lookup>),
    /// The answer to a question.
    Answer(Ticket, Answer),
}

/// What the network asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What became of envelopes brought.
    Stored(Stored),
    /// Envelopes.
    Ids(Vec<EnvelopeId>),
}

/// What became of envelopes brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// Whether any of them was not known before, and is on disk now.
    pub any_new: bool,
    /// Why some were refused; `None` if all are on disk (or were known).
    pub refused: Option<NoRoom>,
}

/// Why envelopes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// The mailbox or the disk is full.
    Full,
    /// The peer that brought them holds its share of the mailbox.
    OverShare,
}

impl Stored {
    /// None is.
    pub const NONE: Self = Self { any_new: false, refused: Some(NoRoom::Full) };
}

/// What the user of this node makes of the shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// The user's own shard: it is kept here.
    pub user: Shard,
    /// The shards of the user's contacts: their keepers should be near.
    pub contacts: ShardSet,
}

/// Tags to be looked up at the keepers of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The shard.
    pub shard: Shard,
    /// The tags.
    pub tags: Vec<Tag>,
}

impl FromNet {
    /// The answer where nothing comes of it: a database failed, or the engine has ended.
    #[must_use]
    pub fn refusal(&self) -> Option<(Ticket, Answer)> {
        match self {
            Self::Envelopes { ticket, .. } => Some(((*ticket)?, Answer::Stored(Stored::NONE))),
            Self::Outstanding { ticket, .. } | Self::Sift { ticket, .. } => {
                Some((*ticket, Answer::Ids(Vec::new())))
            }
            Self::Acks { .. }
            | Self::StoredBy { .. }
            | Self::Reconciled { .. }
            | Self::PeersTime { .. }
            | Self::OffStem(_)
            | Self::Found { .. } => None,
        }
    }
}

/// Hand-written: shortened, as in logs.
impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}
