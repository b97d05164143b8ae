//! The network: libp2p behind a handle.

use std::sync::Arc;

use libp2p::{Multiaddr, PeerId};
use martlet_protocol::control::Peer;
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{Ack, Envelope, EnvelopeId, Header};
use tokio::sync::oneshot;

/// How to run the network.
#[derive(Debug, Clone)]
pub struct NetConfig {
    /// The network to be part of.
    pub network: NetworkDescriptor,
    /// The transport's key: tied to no identity.
    pub keypair: libp2p::identity::Keypair,
    /// Addresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// Peers always dialled, and redialled.
    pub static_peers: Vec<Multiaddr>,
    /// Whether to find peers by mDNS.
    pub mdns: bool,
}

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

/// What the network brings to the engine.
#[derive(Debug)]
pub enum NetEvent {
    /// Validated envelopes, by gossip or sync. `stored` is answered once they are on disk (or
    /// refused: full); the engine also asks the net to tell `from` that they are stored.
    Envelopes {
        /// Who brought them.
        from: PeerId,
        /// The envelopes.
        envelopes: Vec<Received>,
        /// Answered after the commit, where someone waits for it.
        stored: Option<oneshot::Sender<Stored>>,
    },
    /// Acks, unchecked.
    Acks {
        /// Who brought them.
        from: PeerId,
        /// The acks.
        acks: Vec<Ack>,
    },
    /// `from` says that these are on its disk.
    StoredBy {
        /// Who holds them.
        from: PeerId,
        /// The envelopes.
        ids: Vec<EnvelopeId>,
    },
    /// A reconciliation with `peer` ended: of all live envelopes that had arrived here up to
    /// `up_to_arrival`, it holds all but `lacking`.
    Reconciled {
        /// With whom.
        peer: PeerId,
        /// `last_arrival` of the snapshot reconciled.
        up_to_arrival: u64,
        /// What the peer lacked.
        lacking: Vec<EnvelopeId>,
    },
}

/// What became of envelopes brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// All are on disk (or were known).
    All,
    /// Some were refused: the mailbox or the disk is full.
    Full,
}

/// A handle to the network task. Cheap to clone. Sending waits when the task is behind.
#[derive(Clone, Debug)]
pub struct NetHandle {
    _todo: Arc<()>,
}

#[expect(clippy::unused_async, reason = "skeleton")]
impl NetHandle {
    /// Gossips envelopes of the user's own. (The mailbox has them: sync brings them to those whom
    /// gossip does not reach.)
    pub async fn publish(&self, _envelopes: Vec<Envelope>) {}
    /// Gossips acks.
    pub async fn publish_acks(&self, _acks: Vec<Ack>) {}
    /// Tells a peer that what it brought is on disk. Gathered for `limits::ACK_DELAY`.
    pub async fn stored(&self, _peer: PeerId, _ids: Vec<EnvelopeId>) {}
    /// Connected and known peers.
    pub async fn peers(&self) -> Vec<Peer> {
        Vec::new()
    }
    /// Starts to dial; the connection, if it comes about, is seen in [`Self::peers`].
    pub async fn dial(&self, _address: Multiaddr) {}
    /// Addresses listened on, each with `/p2p/<peer id>`.
    pub async fn listen_addresses(&self) -> Vec<Multiaddr> {
        Vec::new()
    }
    /// This node's peer id.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        PeerId::random()
    }
    /// Closes all connections and ends the task.
    pub async fn shutdown(&self) {}
}
