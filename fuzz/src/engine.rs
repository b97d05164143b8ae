//! Two engines in memory, Alice's and Bob's, and what a network, their users and strangers may do to them.
//!
//! The input is a list of steps of three bytes: what, and two arguments. Whatever the order: nothing
//! panics, no message is shown twice, events are numbered without a gap, what is kept of strangers is
//! bounded, and an engine that is opened again from its disk shows what the one before showed.

mod node;
mod steps;
mod stranger;

use martlet_engine::PeerKey;
use martlet_protocol::UnixMillis;
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{Ack, Envelope};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use node::Node;
use steps::Step;
use stranger::Stranger;

/// Steps of one run: what more does is better tried by another run.
const STEPS_MAX: usize = 96;
/// Envelopes and acks remembered of those that were released; the oldest go.
const POOL_MAX: usize = 256;
/// Strangers who may write.
const STRANGERS: usize = 3;

/// The nodes, and all that they released.
pub(crate) struct World {
    nodes: [Node; 2],
    strangers: Vec<Stranger>,
    network: NetworkDescriptor,
    now: UnixMillis,
    rng: ChaCha20Rng,
    envelopes: Vec<Envelope>,
    acks: Vec<Ack>,
    /// Texts sent so far: each is another.
    texts: u32,
}

/// Takes the steps that `bytes` name, and checks what came of them.
pub fn run(bytes: &[u8]) {
    let mut world = World::new();
    for step in bytes.chunks_exact(3).take(STEPS_MAX) {
        world.take(&Step::of([step[0], step[1], step[2]]));
    }
    for node in 0..world.nodes.len() {
        world.reopen(node);
    }
}

impl World {
    fn new() -> Self {
        let network = crate::network();
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let now = crate::NOW;
        let nodes = ["alice", "bob"].map(|name| Node::new(name, &network, now, &mut rng));
        let strangers = (0..STRANGERS).map(|_| Stranger::new(&mut rng, now)).collect();
        let (envelopes, acks) = (Vec::new(), Vec::new());
        let mut world = Self { nodes, strangers, network, now, rng, envelopes, acks, texts: 0 };
        world.gather();
        world
    }

    /// Takes what the nodes released into the pool, from which the steps choose.
    fn gather(&mut self) {
        for node in &mut self.nodes {
            self.envelopes.append(&mut node.released.envelopes);
            self.acks.append(&mut node.released.acks);
        }
        self.envelopes.drain(..self.envelopes.len().saturating_sub(POOL_MAX));
        self.acks.drain(..self.acks.len().saturating_sub(POOL_MAX));
    }

    /// Opens a node's engine again from its disk: it shows what it showed.
    fn reopen(&mut self, node: usize) {
        // What the mailbox is about to commit is on disk with the next batch.
        self.now = self.now.plus(martlet_engine::limits::MAILBOX_COMMIT_DELAY);
        let Self { nodes, network, now, rng, .. } = self;
        nodes[node].run([], *now, rng);
        let before = nodes[node].shown(*now, rng);
        nodes[node].open(network);
        let after = nodes[node].shown(*now, rng);
        assert_eq!(before, after, "what the disk has is not what was shown");
        nodes[node].run([martlet_engine::Input::Tick], *now, rng);
        self.gather();
    }
}

/// The transport key of the peer that brings everything.
const PEER: PeerKey = PeerKey([9; 32]);
