//! Links that are lost without a word, and ways that come and go.

use libp2p::swarm::ConnectionError;
use libp2p::{PeerId, ping};
use martlet_protocol::control::{PeerEvent, PeerEventBody, Transport};
use martlet_protocol::sync::Request;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::mdns6::Heard;
use super::super::{NetSink, peers, shorten, transport};
use super::{Task, Timers};

/// Pings that may go unanswered in a row: one may be late behind a burst on a slow link.
const MISSED_PINGS_MAX: u32 = 2;

impl<S: NetSink> Task<S> {
    /// A ping was answered, or not.
    pub(super) fn on_ping(&mut self, event: ping::Event) {
        if event.result.is_ok() {
            self.heard(&event.peer);
        }
        let Some(state) = self.peers.get_mut(&event.peer) else { return };
        match event.result {
            Ok(round_trip) => {
                if state.answered(round_trip, self.pace) {
                    tracing::debug!(peer = %shorten::peer(&event.peer), "it was silent; syncing");
                    state.sync.connected(self.local < event.peer, Instant::now());
                }
            }
            Err(ping::Failure::Unsupported) => {}
            Err(error) => {
                state.missed_pings += 1;
                let peer = shorten::peer(&event.peer);
                tracing::debug!(%peer, %error, "ping not answered");
                if state.missed_pings >= MISSED_PINGS_MAX {
                    self.opinions.silent.insert(event.peer);
                    self.swarm.close_connection(event.connection);
                }
            }
        }
    }

    /// A cable, a Wi-Fi or an address came (`found`) or went. Each connection may be dead: all are asked. What could
    /// not be reached may be there now.
    pub(super) fn on_links_changed(&mut self, found: bool) -> Timers {
        tracing::debug!(found, "the network interfaces have changed");
        let now = Instant::now();
        let peers: Vec<PeerId> = self.peers.iter().map(|(peer, _)| *peer).collect();
        for peer in peers {
            self.reviews.probes.doubt(peer, now);
        }
        if found {
            self.dialer.hurry(now);
        }
        Timers::Changed
    }

    /// What mDNS heard, by IPv4 or IPv6.
    pub(super) fn on_heard(&mut self, heard: Heard) -> Timers {
        match heard {
            Heard::Started => self.health.mdns6 = true,
            Heard::Found(found) => {
                self.health.mdns_heard = true;
                for (peer, address) in found {
                    // Whether a peer is of this network shows in the handshake.
                    if transport::takes(&self.context.network, &address) {
                        self.dialer.discovered(peer, address);
                    }
                }
            }
            Heard::Expired(gone) => {
                for (peer, address) in gone {
                    self.dialer.expired(peer, address);
                }
            }
        }
        Timers::Changed
    }

    /// The user's own was sent: who took it and says nothing is asked whether it is there. Over TCP the kernel tells.
    pub(super) fn expect_word(&mut self) {
        let now = Instant::now();
        let quic = self.peers.iter().filter(|(_, state)| {
            state.endpoint().and_then(|(address, _)| peers::transport(address))
                == Some(Transport::Quic)
        });
        for (peer, _) in quic {
            self.reviews.probes.sent(*peer, now);
        }
    }

    /// Tells those who follow that a peer came or went.
    pub(super) fn tell_change(&self, peer: PeerId, body: PeerEventBody) {
        let at = self.context.clock.now();
        let event = PeerEvent { at, peer_id: peer.to_base58(), body };
        // An error: nobody follows.
        self.health.changes.send(event).map(|_| ()).unwrap_or_default();
    }

    /// A peer said something.
    pub(super) fn heard(&mut self, peer: &PeerId) {
        self.reviews.probes.settled(peer);
    }

    /// Asks who is to be asked, and ends connections with who did not answer.
    pub(super) fn probe_due(&mut self, now: Instant) {
        let due = self.reviews.probes.take_due(now);
        for peer in due.ask {
            // The answer is noticed where all that comes from the peer is.
            let (reply, _) = oneshot::channel();
            self.send_request(peer, Request::Time, reply);
        }
        for peer in due.silent {
            let transport = self
                .peers
                .get_mut(&peer)
                .and_then(|state| state.endpoint())
                .and_then(|(address, _)| peers::transport(address));
            if transport == Some(Transport::Quic) {
                tracing::debug!(peer = %shorten::peer(&peer), "no answer; the link is taken for lost");
                self.opinions.silent.insert(peer);
                self.disconnect(peer);
            }
        }
    }
}

/// Whether a connection ended since nothing came from the other side any more: the peer did not end it, and does not
/// know of it.
pub(super) fn is_silence(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::KeepAliveTimeout => false,
        ConnectionError::IO(error) => {
            if error.kind() == std::io::ErrorKind::TimedOut {
                return true;
            }
            let mut source =
                error.get_ref().map(|inner| -> &(dyn std::error::Error + 'static) { inner });
            while let Some(error) = source {
                // What is wrapped in several errors has lost its kind on the way, not its text.
                if error.to_string().contains("timed out") {
                    return true;
                }
                source = error.source();
            }
            false
        }
    }
}
