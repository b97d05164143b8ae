//! A hostile peer: gossips valid envelopes that are for nobody, as fast as it was told.

use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use martlet_protocol::ExpiryHour;
use martlet_protocol::network::NetworkDescriptor;

use super::net::Net;
use super::transport;
use crate::attack::frames;
use crate::peer::RawPeer;
use crate::plan::{Event, LinkShape, NodeIndex, Plan};

/// Envelopes are sent in bursts of this length: smoother would cost timers and change nothing.
const BURST: Duration = Duration::from_millis(100);

/// A flood under way.
pub(super) struct Flood {
    /// Its place in the network, after the plan's nodes.
    pub(super) guest: NodeIndex,
    pub(super) at: NodeIndex,
    pub(super) victim: PeerId,
    pub(super) envelopes_per_s: u32,
    pub(super) bytes: usize,
    pub(super) lasts: Duration,
}

/// How many floods a plan has.
pub(super) fn count(plan: &Plan) -> usize {
    links(plan).count()
}

/// The links of a plan's floods to their victims: each is a host of its own.
pub(super) fn links(plan: &Plan) -> impl Iterator<Item = ((NodeIndex, NodeIndex), LinkShape)> {
    let victims = plan.events.iter().filter_map(|event| match event.event {
        Event::Flood { at, .. } => Some(at),
        Event::Stop(_)
        | Event::Crash(_)
        | Event::Start(_)
        | Event::Leave(_)
        | Event::Partition(_)
        | Event::Heal
        | Event::ClockJump { .. }
        | Event::DiskFull(_)
        | Event::DiskFree(_)
        | Event::Link(_)
        | Event::Revoke(_)
        | Event::Room { .. } => None,
    });
    let nodes = plan.nodes.len();
    victims.enumerate().map(move |(flood, at)| ((at, nodes + flood), LinkShape::default()))
}

impl Flood {
    /// Floods to its end, or until the victim is rid of it.
    pub(super) async fn run(self, net: Arc<Net>, network: NetworkDescriptor) {
        let key = Keypair::generate_ed25519();
        let Ok(transport) = transport::over_links(&net, self.guest, &key, &network) else { return };
        let address = Net::address(self.at).with(Protocol::P2p(self.victim)).to_string();
        let Ok(peer) = RawPeer::connect_over(transport, &key, &network, &address).await else {
            return;
        };
        let mut bursts = tokio::time::interval(BURST);
        let per_burst = f64::from(self.envelopes_per_s) * BURST.as_secs_f64();
        let end = tokio::time::Instant::now() + self.lasts;
        let mut owed = 0.0;
        while tokio::time::Instant::now() < end {
            bursts.tick().await;
            owed += per_burst;
            while owed >= 1.0 {
                owed -= 1.0;
                let expiry = ExpiryHour::latest(frames::now());
                let envelope = frames::envelope_of(&network, expiry, self.bytes);
                if peer.publish_envelope(envelope.encode()).await.is_err() {
                    // The victim is rid of it; a second try is another scenario.
                    return;
                }
            }
        }
    }
}
