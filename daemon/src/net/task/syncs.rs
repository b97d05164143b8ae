//! What the syncs under way ask of the swarm, and how they ended.

use libp2p::PeerId;
use martlet_protocol::Envelope;
use martlet_protocol::control::Role;
use martlet_protocol::sync::{Refusal, Request, Response};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::stem::Key;
use super::super::sync::{self, RequestError, ToSwarm, initiator};
use super::super::{NetSink, shorten};
use super::{Task, Timers};
use crate::clock::Clock;
use crate::limits::SYNC_INTERVAL;

impl<S: NetSink> Task<S> {
    pub(super) fn on_sync_message(&mut self, message: ToSwarm) -> Timers {
        match message {
            ToSwarm::Request { peer, request, reply } => {
                self.send_request(peer, request, reply);
                Timers::Same
            }
            ToSwarm::Respond { peer, channel, response, fault } => {
                let lacks_room =
                    matches!(response, Response::Refused(Refusal::Full | Refusal::OverShare));
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.serving = state.serving.saturating_sub(1);
                    if lacks_room && self.context.role != Role::Mailbox {
                        // It stops to push, and the user's mail may be among the rest.
                        state.sync.over_share(Instant::now());
                    }
                }
                if self.swarm.behaviour_mut().sync.send_response(channel, response).is_err() {
                    tracing::debug!(peer = %shorten::peer(&peer), "too late to answer");
                }
                if fault {
                    self.count_fault(peer);
                }
                Timers::Changed
            }
            ToSwarm::Ended { peer, result } => {
                self.on_sync_ended(peer, result);
                Timers::Changed
            }
            ToSwarm::LookedUp { peer, fault } => {
                self.shards.lookups.asked(&peer, Instant::now());
                if fault {
                    self.count_fault(peer);
                }
                Timers::Changed
            }
            ToSwarm::News { from, few, has_large } => {
                if !self.stem.is_empty() {
                    let ids = few.iter().flatten().map(Envelope::id);
                    ids.for_each(|id| self.stem_saw(Key::envelope(id)));
                }
                self.pass_on(from, few, has_large);
                Timers::Changed
            }
            ToSwarm::StoredReported(peer) => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.stored.in_flight = false;
                }
                Timers::Changed
            }
            ToSwarm::TimeHeard(peer, time) => {
                self.intake.clock_heard(peer, time);
                self.health.skew.heard(peer, time, self.health.clock.steady());
                self.tell_peers_time();
                Timers::Same
            }
        }
    }

    fn on_sync_ended(&mut self, peer: PeerId, result: Result<initiator::Summary, sync::SyncError>) {
        self.syncs.running = self.syncs.running.saturating_sub(1);
        let now = Instant::now();
        let name = shorten::peer(&peer);
        match result {
            Ok(summary) => {
                let initiator::Summary {
                    fetched,
                    pushed,
                    is_partial,
                    lacks_room,
                    compared_bytes,
                    rounds,
                } = summary;
                tracing::debug!(
                    peer = %name, fetched, pushed, is_partial, lacks_room, compared_bytes, rounds,
                    "synced"
                );
                self.count_useful(peer, fetched);
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.sync.succeeded(now);
                    if state.sync.carried(fetched + pushed, self.news.count, now)
                        && !self.news.bridges.contains(&peer)
                    {
                        tracing::debug!(peer = %name, "gossip leaves it out; syncing when there is news");
                        self.news.bridges.push(peer);
                    }
                    match (is_partial, lacks_room) {
                        (true, true) => state.sync.over_share(now),
                        (true, false) => state.sync.gap(now),
                        // There may be room by then.
                        (false, true) => state.sync.turn(now + SYNC_INTERVAL),
                        (false, false) => {}
                    }
                }
            }
            Err(error) => {
                tracing::debug!(peer = %name, %error, "sync ended early");
                let unsupported =
                    matches!(error, sync::SyncError::Request(RequestError::Unsupported));
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.sync.failed(!unsupported, now);
                }
                if error.is_fault() {
                    self.count_fault(peer);
                }
            }
        }
    }

    pub(super) fn send_request(
        &mut self,
        peer: PeerId,
        request: Request,
        reply: oneshot::Sender<Result<Response, RequestError>>,
    ) {
        // Without a connection libp2p would dial; whom to dial is for the dialer to say.
        if self.peers.is_connected(&peer) {
            let id = self.swarm.behaviour_mut().sync.send_request(&peer, Ok(request));
            self.syncs.requests.insert(id, reply);
        } else {
            reply.send(Err(RequestError::Disconnected)).unwrap_or_default();
        }
    }
}
