//! Looking after the connections: whom to let go, whom to try anew, whom to remember.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::{
    CACHED_PEERS_DIALLED_MAX, CONNECTIONS_SPARE, DIAL_BACKOFF_MAX, LET_GO_FOR,
    PEER_CACHE_SAVE_INTERVAL, PEER_CACHE_SAVE_SOON, PEER_SEARCH_INTERVAL, REFUSED_PEERS_MAX,
    SYNC_LEFT_OUT_INTERVAL, SYNC_REQUEST_TIMEOUT, TIME_ASKED_INTERVAL,
};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, identify};
use martlet_engine::FromNet;
use martlet_protocol::UnixMillis;
use martlet_protocol::sync::{Request, Response};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::cache::Source;
use super::super::connections::surplus;
use super::super::dialer::Origin;
use super::super::report::{FarFuture, MdnsState, NetReport};
use super::super::state_files::{BANS_FILE, PEER_CACHE_FILE};
use super::super::streams::DepotPeer;
use super::super::sync::ToSwarm;
use super::super::sync::schedule::to_compare;
use super::super::{Clock, NetSink, shorten};
use super::{Task, Timers};

/// Peers asked for the time in one look: those that connected at once are asked one after another.
const TIME_ASKED_AT_ONCE: usize = 4;

impl<S: NetSink> Task<S> {
    /// Looks over all connections.
    pub(super) fn review(&mut self, now: Instant) {
        self.pardon(now);
        self.look_at_clock(now);
        self.look_at_gossip(now);
        self.look_after_left_out(now);
        self.let_go(now);
        self.search(now);
        self.ask_times(now);
        if now >= self.memory.save_at {
            self.save_cache(now);
        }
        if now.duration_since(self.health.far_future.since) >= TIME_ASKED_INTERVAL {
            self.health.far_future = FarFuture::new(now);
        }
        self.admit_by_policy();
    }

    /// Lets as many in as the policy says, and pinned ones always. To be called when the number of
    /// connections or who is pinned has changed.
    pub(super) fn admit_by_policy(&mut self) {
        let pinned: HashSet<PeerId> = self.dialer.pinned().collect();
        let room = self.peers.inbound_room(|peer| pinned.contains(peer));
        let all = u32::try_from(self.peers.policy().high()).unwrap_or(u32::MAX);
        let limits = &mut self.swarm.behaviour_mut().limits;
        for peer in self.opinions.pinned.difference(&pinned) {
            limits.remove_peer_id(peer);
        }
        for peer in pinned.difference(&self.opinions.pinned) {
            limits.bypass_peer_id(peer);
        }
        let changed = limits
            .limits_mut()
            .clone()
            .with_max_established_incoming(Some(u32::try_from(room).unwrap_or(u32::MAX)))
            .with_max_established(Some(all.saturating_add(CONNECTIONS_SPARE)));
        *limits.limits_mut() = changed;
        self.opinions.pinned = pinned;
    }

    /// A connection came up that was dialled here: the peer is remembered.
    pub(super) fn remember_dialled(&mut self, peer: PeerId, address: &Multiaddr) {
        let source = match self.dialer.origin(&peer) {
            Some(Origin::Static) => Source::Static,
            Some(Origin::Command) => Source::Command,
            Some(Origin::Discovered | Origin::Cache) | None => Source::Mdns,
        };
        let now = self.context.clock.now();
        let is_news = self.memory.cache.succeeded(peer, without_peer(address), source, now);
        self.save_soon(is_news);
    }

    /// A peer said where it listens. What is at the address it connected from is believed: it can
    /// have nobody else dialled, and who answers there proves to be the same peer.
    pub(super) fn remember_inbound(&mut self, peer: PeerId, info: &identify::Info) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let Some((from, false)) = state.endpoint() else { return };
        let Some(host) = from.iter().next() else { return };
        let theirs = info.listen_addrs.iter().filter(|address| {
            address.iter().next().is_some_and(|first| first == host)
                && !address.iter().any(|part| part == Protocol::P2pCircuit)
        });
        let now = self.context.clock.now();
        // The best last, since the last one comes first.
        let theirs: Vec<Multiaddr> = theirs.take(2).map(without_peer).collect();
        for address in theirs.into_iter().rev() {
            let is_news = self.memory.cache.succeeded(peer, address, Source::Inbound, now);
            self.save_soon(is_news);
        }
    }

    /// The connected peers that say that they keep blobs for others.
    pub(super) fn depots(&self) -> Vec<DepotPeer> {
        let depots = self.peers.iter().filter(|(_, state)| state.is_depot());
        let with_addresses = depots.map(|(peer, state)| {
            let dialled = state.endpoint().filter(|(_, is_dialled)| *is_dialled);
            let mut addresses: Vec<_> =
                dialled.map(|(address, _)| without_peer(address)).into_iter().collect();
            addresses.extend(self.memory.cache.addresses(peer));
            addresses.dedup();
            DepotPeer { peer: *peer, addresses }
        });
        with_addresses.collect()
    }

    /// Has the remembered peers written.
    pub(super) fn save_cache(&mut self, now: Instant) {
        let wall = self.context.clock.now();
        for (peer, _) in self.peers.iter() {
            self.memory.cache.still_connected(peer, wall);
        }
        self.memory.cache.forget_old(wall);
        if self.memory.cache.take_changed() || self.memory.files.take_failed() {
            // One that finds no place in the queue is made up for by the next.
            self.memory.files.save(PEER_CACHE_FILE, self.memory.cache.to_records());
            self.memory.files.save(BANS_FILE, self.opinions.bans.to_records());
        }
        self.memory.save_at = now + PEER_CACHE_SAVE_INTERVAL;
    }

    fn save_soon(&mut self, is_news: bool) {
        if is_news {
            self.memory.save_at = self.memory.save_at.min(Instant::now() + PEER_CACHE_SAVE_SOON);
        }
    }

    /// Writes what is worth keeping, at a stop.
    pub(super) async fn save_all(&mut self) {
        self.save_cache(Instant::now());
        self.save_bans();
        self.memory.files.flush().await;
    }

    /// How the network does, for the doctor.
    pub(super) fn report(&mut self) -> NetReport {
        let now = Instant::now();
        let (unreachable, configured) =
            self.dialer.unreachable(|peer| self.peers.is_connected(peer));
        NetReport {
            connected: self.peers.count(),
            listening: self.swarm.listeners().count(),
            mdns: match (
                self.health.wants_mdns,
                self.health.mdns6 || self.swarm.behaviour().has_mdns(),
            ) {
                (false, _) => MdnsState::Off,
                (true, false) => MdnsState::Unavailable,
                (true, true) if self.health.mdns_heard => MdnsState::Heard,
                (true, true) => MdnsState::Silent,
            },
            configured,
            unreachable,
            key_mismatches: self.health.mismatches.list(now),
            broken_off: self.health.broken_off.list(now),
            banned: self.opinions.bans.list().len(),
            clock_ahead_ms: self
                .health
                .skew
                .ahead_ms(self.health.clock.wall(), self.health.clock.steady()),
            far_future: self.health.far_future.refused,
            taken: self.health.far_future.taken,
            up: now.duration_since(self.health.started),
        }
    }

    /// Tells the engine what the peers say the time is.
    pub(super) fn tell_peers_time(&mut self) {
        let now = self.health.clock.now();
        let Some(ahead) = self.health.skew.ahead_ms(now, self.health.clock.steady()) else {
            return;
        };
        let theirs = UnixMillis(now.0.saturating_sub_signed(ahead));
        let sink = Arc::clone(&self.context.sink);
        tokio::spawn(async move { sink.deliver(FromNet::PeersTime { theirs }).await });
    }

    /// Once the clock was set, asks for what was refused before for its hour: gossip brings nothing twice.
    pub(super) fn look_at_clock(&mut self, now: Instant) -> Timers {
        let clock = &self.health.clock;
        if !self.health.settings.look(clock.now(), clock.steady()) {
            return Timers::Same;
        }
        for (_, state) in self.peers.iter_mut() {
            state.sync.gap(now);
        }
        Timers::Changed
    }

    /// Notes who is in a mesh, and closes connections that gossip has lost while the peer speaks it:
    /// over a new one the two tell each other anew what they take.
    fn look_at_gossip(&mut self, now: Instant) {
        let gossip = &self.swarm.behaviour().gossip;
        let mesh: HashSet<PeerId> = gossip.all_mesh_peers().copied().collect();
        let takes: HashSet<PeerId> = gossip
            .all_peers()
            .filter(|(_, topics)| !topics.is_empty())
            .map(|(peer, _)| *peer)
            .collect();
        let topics = self.outgoing.topics.all_envelopes();
        let passed_to: HashSet<PeerId> =
            topics.flat_map(|topic| gossip.mesh_peers(topic)).copied().collect();
        let wait = self.peers.policy().gossip_wait();
        let mut lost = Vec::new();
        for (peer, state) in self.peers.iter_mut() {
            state.sync.set_left_out(!passed_to.contains(peer));
            state.in_mesh = mesh.contains(peer);
            if state.in_mesh {
                state.useful_at = now;
            }
            if takes.contains(peer) || !state.speaks_gossip {
                state.no_gossip_since = None;
                if takes.contains(peer) {
                    self.opinions.gossip_lost.remove(peer);
                }
                continue;
            }
            let since = *state.no_gossip_since.get_or_insert(now);
            let times = self.opinions.gossip_lost.get(peer).copied().unwrap_or(0);
            // Each time it waits longer: it may be a peer that wants no gossip.
            let patience = (wait * (1 << times.min(16))).min(DIAL_BACKOFF_MAX);
            if now.duration_since(since) >= patience {
                lost.push(*peer);
            }
        }
        for peer in lost {
            if self.opinions.gossip_lost.len() >= REFUSED_PEERS_MAX
                && !self.opinions.gossip_lost.contains_key(&peer)
            {
                return;
            }
            *self.opinions.gossip_lost.entry(peer).or_default() += 1;
            tracing::debug!(peer = %shorten::peer(&peer), "no gossip with it; connecting anew");
            self.disconnect(peer);
        }
    }

    /// After news, compares with two of the peers to which gossip only announces them: on a slow link
    /// that may come too late. What came since the last review may still be on its way.
    fn look_after_left_out(&mut self, now: Instant) {
        let settled = std::mem::replace(&mut self.news.reviewed, self.news.count);
        if settled == self.news.compared || now < self.news.next_comparison {
            return;
        }
        self.news.compared = settled;
        self.news.next_comparison = now + SYNC_LEFT_OUT_INTERVAL;
        let left_out = self.peers.iter().filter(|(_, state)| state.sync.is_left_out());
        let left_out: Vec<_> = left_out
            .map(|(peer, state)| (*peer, state.envelopes_in, state.sync.compared_at()))
            .collect();
        for peer in to_compare(&left_out) {
            if let Some(state) = self.peers.get_mut(&peer) {
                state.sync.turn(now);
            }
        }
    }

    fn let_go(&mut self, now: Instant) {
        let relays = self.wan.as_ref().map(|wan| &wan.relays);
        let candidates = self.peers.candidates(|peer| {
            self.opinions.pinned.contains(peer)
                || self.shards.needs(peer)
                || relays.is_some_and(|relays| relays.is_used(peer))
        });
        for peer in surplus(&candidates, self.peers.policy(), now) {
            tracing::debug!(peer = %shorten::peer(&peer), "let go: there are connections enough");
            self.dialer.postpone(peer, LET_GO_FOR);
            self.disconnect(peer);
        }
    }

    /// Lets peers go that do not say what they are: they may be of any network, and would hold a place.
    pub(super) fn let_silent_go(&mut self, now: Instant) {
        for peer in self.peers.take_unidentified(now) {
            tracing::debug!(peer = %shorten::peer(&peer), "let go: it does not say what it is");
            self.count_stalled(peer);
            self.disconnect(peer);
        }
    }

    /// Takes up remembered peers again from time to time, while there are too few.
    pub(super) fn search(&mut self, now: Instant) {
        if now < self.reviews.search_at || self.peers.wanted() == 0 {
            return;
        }
        self.reviews.search_at = now + PEER_SEARCH_INTERVAL;
        for (peer, addresses) in self.memory.cache.best(CACHED_PEERS_DIALLED_MAX) {
            self.dialer.remembered(peer, addresses);
        }
    }

    fn ask_times(&mut self, now: Instant) {
        let due: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, state)| state.is_time_due(now))
            .take(TIME_ASKED_AT_ONCE)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in due {
            self.ask_time(peer, now);
        }
    }

    /// Asks a peer for the time whose clock is doubted, also if it was asked a while ago.
    pub(super) fn ask_doubted_time(&mut self, peer: PeerId) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.time_asked = None;
        }
        self.ask_time(peer, Instant::now());
    }

    /// Asks a peer for the time, if it was not asked for a while.
    pub(super) fn ask_time(&mut self, peer: PeerId, now: Instant) {
        let Some(state) = self.peers.get_mut(&peer).filter(|state| state.is_time_due(now)) else {
            return;
        };
        state.time_asked = Some(now);
        let (reply, answer) = oneshot::channel();
        self.send_request(peer, Request::Time, reply);
        let swarm = self.context.swarm.clone();
        tokio::spawn(async move {
            let Ok(Ok(Ok(Response::Time(seconds)))) =
                tokio::time::timeout(SYNC_REQUEST_TIMEOUT, answer).await
            else {
                // It has none to give; others do.
                return;
            };
            // Half a second is the mean of what was cut off.
            let time = UnixMillis(seconds.saturating_mul(1000).saturating_add(500));
            swarm.send(ToSwarm::TimeHeard(peer, time)).await.unwrap_or_default();
        });
    }
}

/// An address as it is dialled, without who is there.
fn without_peer(address: &Multiaddr) -> Multiaddr {
    address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()
}

/// When the first look is due.
pub(super) fn first_review(interval: Duration) -> Instant {
    Instant::now() + interval
}
