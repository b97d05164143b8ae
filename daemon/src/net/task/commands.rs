//! What the handle asks for, and what the engine tells.

use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Stream};
use martlet_engine::{Interest, Lookup, ToNet};
use martlet_protocol::Shard;
use martlet_protocol::control::{Ban, FailedDial, Peer, PeerList};
use martlet_protocol::network::Privacy;
use martlet_protocol::sync::ShardSet;
use rand::seq::IteratorRandom;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::dialer::{Origin, Outcome};
use super::super::mdns6::Heard;
use super::super::peer_key::peer_of;
use super::super::report::NetReport;
use super::super::state_files::NotStored;
use super::super::streams::{DepotPeer, Misuse};
use super::super::wan::{Provider, Reach};
use super::super::{NetSink, gossip, peers};
use super::{Task, Timers};
use crate::limits::{ACK_DELAY, LOOKUP_KEEPERS_MAX};
/// What the handle asks for.
#[derive(Debug)]
pub(in crate::net) enum Command {
    /// What the engine tells, in order.
    Engine(Vec<ToNet>),
    /// Tell which shards are kept.
    Kept(oneshot::Sender<ShardSet>),
    /// List peers.
    Peers(oneshot::Sender<PeerList>),
    /// Dial an address, and perhaps tell what comes of it.
    Dial(Multiaddr, Option<oneshot::Sender<Outcome>>),
    DialNamed(PeerId, Vec<Multiaddr>),
    /// Ban a peer, for a time or until the ban is lifted.
    Ban {
        /// Whom.
        peer: PeerId,
        /// For how long.
        lasts: Option<Duration>,
        /// Why.
        reason: String,
        /// Gets the ban, once it is on disk.
        reply: oneshot::Sender<Result<Option<Ban>, NotStored>>,
    },
    /// Lift a ban; whether there was one is told once that is on disk.
    Unban(PeerId, oneshot::Sender<Result<bool, NotStored>>),
    /// List bans.
    Bans(oneshot::Sender<Vec<Ban>>),
    /// Tell how the network does.
    Report(oneshot::Sender<NetReport>),
    /// List addresses listened on.
    ListenAddresses(oneshot::Sender<Vec<Multiaddr>>),
    /// Set the metrics that are states.
    Measure(oneshot::Sender<()>),
    /// Tell how far others reach this node.
    Reach(oneshot::Sender<Reach>),
    /// Tell the network whether this node keeps a shard.
    Provide(Shard, bool),
    /// Ask the network who keeps a shard.
    FindProviders(Shard, oneshot::Sender<Vec<Provider>>),
    /// A cable, a Wi-Fi or an address came or went.
    LinksChanged {
        /// Whether one came.
        found: bool,
    },
    /// What was heard by mDNS over IPv6.
    Heard(Heard),
    /// Open a stream of the blob protocol to a connected peer.
    OpenStream(PeerId, oneshot::Sender<Stream>),
    /// List the connected peers that keep blobs for others.
    Depots(oneshot::Sender<Vec<DepotPeer>>),
    /// Count how a peer misused streams of the blob protocol.
    Misused(PeerId, Misuse),
    /// Stop.
    Shutdown(oneshot::Sender<()>),
}

impl<S: NetSink> Task<S> {
    pub(super) fn on_command(&mut self, command: Command) -> Timers {
        match command {
            Command::Engine(to_net) => {
                to_net.into_iter().for_each(|told| self.on_engine(told));
                self.look_at_clock(Instant::now());
                if self.outgoing.has_due() {
                    self.publish_some();
                }
                Timers::Changed
            }
            Command::Kept(reply) => {
                // Whoever asked may have gone.
                reply.send(self.shards.kept()).unwrap_or_default();
                Timers::Same
            }
            Command::Peers(reply) => {
                // Whoever asked may have gone.
                reply.send(self.describe_peers()).unwrap_or_default();
                Timers::Same
            }
            Command::Dial(address, reply) => {
                self.dialer.add(address.clone(), Origin::Command);
                if let Some(reply) = reply {
                    self.tell_outcome(address, reply);
                }
                self.admit_by_policy();
                Timers::Changed
            }
            Command::DialNamed(peer, addresses) => {
                self.dialer.named(peer, addresses);
                Timers::Changed
            }
            Command::Ban { peer, lasts, reason, reply } => {
                let ban = self.ban(peer, lasts, &reason);
                self.save_bans_and_tell(ban, reply);
                Timers::Changed
            }
            Command::Unban(peer, reply) => {
                let was_refused = self.unban(peer);
                self.save_bans_and_tell(was_refused, reply);
                Timers::Changed
            }
            Command::Bans(reply) => {
                reply.send(self.opinions.bans.list()).unwrap_or_default();
                Timers::Same
            }
            Command::Report(reply) => {
                reply.send(self.report()).unwrap_or_default();
                Timers::Same
            }
            Command::ListenAddresses(reply) => {
                let local = self.local;
                let addresses = self
                    .swarm
                    .listeners()
                    .map(|address| {
                        // One through a relay has it already.
                        address.clone().with_p2p(local).unwrap_or_else(|address| address)
                    })
                    .collect();
                reply.send(addresses).unwrap_or_default();
                Timers::Same
            }
            Command::Measure(reply) => {
                self.measure();
                // Whoever asked may have gone.
                reply.send(()).unwrap_or_default();
                Timers::Same
            }
            Command::Reach(reply) => {
                reply.send(self.reach()).unwrap_or_default();
                Timers::Same
            }
            Command::Provide(shard, keeps) => self.provide(shard, keeps),
            Command::Heard(heard) => self.on_heard(heard),
            Command::LinksChanged { found } => self.on_links_changed(found),
            Command::FindProviders(shard, reply) => self.find_providers(shard, reply),
            Command::OpenStream(peer, reply) => {
                if let Some(streams) = self.swarm.behaviour_mut().blobs.as_mut() {
                    streams.open(peer, reply);
                }
                Timers::Same
            }
            Command::Depots(reply) => {
                // Whoever asked may have gone.
                reply.send(self.depots()).unwrap_or_default();
                Timers::Same
            }
            Command::Misused(peer, misuse) => {
                self.count_misuse(peer, misuse);
                Timers::Changed
            }
            // Handled by the loop, which ends.
            Command::Shutdown(_) => Timers::Same,
        }
    }

    fn on_engine(&mut self, told: ToNet) {
        match told {
            ToNet::Publish(envelopes) => {
                self.outgoing.add(envelopes);
                self.expect_word();
            }
            ToNet::PublishAcks(acks) => {
                // On a network that is `mixed` they have waited, and sync must not tell them first.
                let already = self.context.network.privacy() == Privacy::Mixed;
                self.outgoing.add_acks(acks, already, Instant::now());
            }
            ToNet::Stem(stemmed) => {
                self.stem_own(stemmed);
                self.expect_word();
            }
            ToNet::Stored(peer, ids) => {
                let due = Instant::now() + ACK_DELAY;
                let state = peer_of(&peer).and_then(|peer| self.peers.get_mut(&peer));
                if let Some(state) = state {
                    state.stored.add(ids, due);
                }
            }
            ToNet::HasRoom(peers) => {
                let now = Instant::now();
                for peer in peers.iter().filter_map(peer_of) {
                    if let Some(state) = self.peers.get_mut(&peer) {
                        state.sync.over_share(now);
                    }
                }
            }
            // Not gossip, so that it goes after what people wrote.
            ToNet::HasUngossiped => {
                self.count_news(None, 1);
                let now = Instant::now();
                self.peers.iter_mut().for_each(|(_, state)| state.sync.news(now));
            }
            ToNet::FalseAcks(peer, count) => {
                if let Some(peer) = peer_of(&peer) {
                    self.intake.count_false_acks(peer, count);
                }
            }
            ToNet::Interest(interest) => self.set_interest(&interest),
            ToNet::LookUp(lookups) => self.look_up(lookups),
            // Given to those who asked before it comes here.
            ToNet::Answer(..) => {}
        }
    }

    /// A shard kept from now on is gossiped in and synced at once.
    fn set_interest(&mut self, interest: &Interest) {
        let Some(shard) = self.shards.set_interest(interest) else { return };
        let topics = &self.outgoing.topics;
        if let Some(topic) = topics.envelopes(shard)
            && let Err(error) = gossip::subscribe(&mut self.swarm.behaviour_mut().gossip, topic)
        {
            tracing::warn!(%error, "gossip of the user's shard is not taken part in");
        }
        self.provide(shard, true);
        let now = Instant::now();
        for (_, state) in self.peers.iter_mut() {
            state.sync.turn(now);
        }
    }

    fn look_up(&mut self, lookups: Vec<Lookup>) {
        let now = Instant::now();
        for Lookup { shard, tags } in lookups {
            let keepers = self.shards.keepers(shard).sample(&mut rand::rng(), LOOKUP_KEEPERS_MAX);
            self.shards.lookups.add(shard, tags, now);
            for peer in keepers {
                self.shards.lookups.ask(peer, shard, now);
            }
        }
    }

    /// Has a client told what comes of a dial.
    fn tell_outcome(&mut self, address: Multiaddr, reply: oneshot::Sender<Outcome>) {
        let banned = address.iter().any(|part| match part {
            Protocol::P2p(peer) => self.is_blocked(&peer),
            _ => false,
        });
        if banned {
            let reason = "it is banned, or was cut off: martletctl peers --banned".to_owned();
            // Who asked may have gone.
            return reply.send(Err(reason)).unwrap_or_default();
        }
        let peers = &self.peers;
        self.dialer.tell(address, reply, |peer| peers.is_identified(peer));
    }

    fn describe_peers(&self) -> PeerList {
        let now = self.context.clock.now();
        let mut described = self.peers.describe(now, |peer, details| self.judge(peer, details));
        let mut known: Vec<Peer> = self
            .dialer
            .known()
            .filter(|(peer, _)| !self.peers.is_connected(peer))
            .map(|(peer, address)| Peer {
                peer_id: peer.to_base58(),
                connected: false,
                address: address.to_string(),
                transport: peers::transport(address),
                direction: None,
                latency_ms: None,
                details: None,
                ban: self.opinions.bans.get(&peer),
                upgraded: false,
            })
            .collect();
        described.sort_by(|a, b| a.peer_id.cmp(&b.peer_id));
        known.sort_by(|a, b| a.peer_id.cmp(&b.peer_id));
        known.dedup_by(|a, b| a.peer_id == b.peer_id);
        described.extend(known);
        let failed = self.dialer.failed_dials(|peer| self.peers.is_connected(peer));
        let failed = failed.into_iter().map(|one| FailedDial {
            address: one.address.to_string(),
            peer_id: one.peer.map(|peer| peer.to_base58()),
            attempts: one.failures,
            reason: one.reason,
            given_up: one.given_up,
        });
        PeerList { peers: described, failed: failed.collect() }
    }
}
