//! What is under way between simulated nodes, and in what order it arrives.

use std::cmp::Ordering;

use super::host::Tick;
use super::lockstep::{Crossing, SectorIndex};
use super::pipe::{ConnectionId, Signal};
use crate::plan::NodeIndex;

/// What passes from one node to another.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) due: Tick,
    pub(super) to: SectorIndex,
    pub(super) place: Place,
    pub(super) what: What,
}

/// In what order packets that are due at once arrive; no two have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) from: NodeIndex,
    pub(super) connection: ConnectionId,
    pub(super) number: u32,
}

#[derive(Debug)]
pub(super) enum What {
    /// Of a connection.
    Signal(NodeIndex, Signal),
    /// What people tell each other.
    Word(Word),
}

/// What people tell each other, and not over the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// The ID of a node's user.
    User { node: NodeIndex, id: String },
    /// The code by which a device joins.
    Code { device: NodeIndex, code: String },
}

impl Word {
    /// Whose it is, and which of theirs.
    fn place(&self) -> (NodeIndex, u32) {
        match self {
            Self::User { node, .. } => (*node, 0),
            Self::Code { device, .. } => (*device, 1),
        }
    }

    /// It is no connection's.
    pub(super) fn packet(self, due: Tick, to: SectorIndex) -> Packet {
        let (from, number) = self.place();
        let connection = ConnectionId { dialler: from, number: 0, stream: 0 };
        Packet { due, to, place: Place { from, connection, number }, what: What::Word(self) }
    }
}

impl Ord for Packet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.due.cmp(&other.due).then_with(|| self.place.cmp(&other.place))
    }
}

impl PartialOrd for Packet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Packet {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Packet {}

impl Crossing for Packet {
    fn to(&self) -> SectorIndex {
        self.to
    }

    fn due(&self) -> Tick {
        self.due
    }
}
