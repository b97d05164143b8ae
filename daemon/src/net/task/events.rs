//! What the swarm reports.

use std::sync::Arc;

use crate::limits::{PEER_REFUSED_FOR, SYNC_REQUESTS_PER_PEER_MAX};
use libp2p::core::ConnectedPoint;
use libp2p::gossipsub;
use libp2p::request_response::{self, InboundFailure, OutboundFailure, ResponseChannel};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{PeerId, identify, mdns};
use martlet_protocol::control::PeerEventBody;
use martlet_protocol::sync::{Refusal, Request, Response};
use tokio::time::Instant;

use super::super::asked::Asked;
use super::super::behaviour::BehaviourEvent;
use super::super::gossip;
use super::super::intake::Verdict;
use super::super::mdns6::Heard;
use super::super::meter::MeteredEvent;
use super::super::mismatches::host;
use super::super::scores::{Admission, Standing};
use super::super::stem::Key;
use super::super::{NetSink, shorten};
use super::reasons::{innermost, is_broken_off, other_key, request_error};
use super::silence::is_silence;
use super::{Task, Timers};

impl<S: NetSink> Task<S> {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) -> Timers {
        match event {
            SwarmEvent::Behaviour(event) => return self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                if let Some(error) = cause {
                    tracing::debug!(peer = %shorten::peer(&peer_id), %error, "connection lost");
                    if is_silence(&error) && self.peers.is_connected(&peer_id) {
                        self.opinions.silent.insert(peer_id);
                    }
                }
                self.on_closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error, .. } => {
                match error {
                    DialError::LocalPeerId { .. } => self.dialer.is_self(connection_id),
                    DialError::DialPeerConditionFalse(_) | DialError::Aborted => {
                        self.dialer.failed(connection_id, None);
                    }
                    error => {
                        self.context.metrics.net.connections.dials_failed.inc();
                        if let Some(address) = other_key(&error) {
                            self.health.mismatches.note(address, Instant::now());
                        }
                        self.dialer.failed(connection_id, Some(&innermost(&error)));
                        peer_id.iter().for_each(|peer| self.memory.cache.failed(peer));
                    }
                }
            }
            SwarmEvent::IncomingConnectionError { error, send_back_addr, .. } => {
                tracing::debug!(%error, "an incoming connection failed");
                if let Some(host) = host(&send_back_addr)
                    && is_broken_off(&error)
                    && !self.peers.has_host(host)
                {
                    self.health.broken_off.note(host, Instant::now());
                }
                self.context.metrics.net.connections.accepts_failed.inc();
                return Timers::Same;
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(address = %shorten::address(&address), "listening");
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::debug!(%error, "listener error");
            }
            SwarmEvent::ListenerClosed { listener_id, .. }
                if self.reservation_ended(listener_id) => {}
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                for address in &addresses {
                    let address = shorten::address(address);
                    match &reason {
                        Ok(()) => tracing::info!(%address, "no longer listening"),
                        Err(error) => tracing::warn!(%address, %error, "no longer listening"),
                    }
                }
            }
            SwarmEvent::ExternalAddrConfirmed { address }
            | SwarmEvent::ExternalAddrExpired { address } => self.on_external_changed(&address),
            // Nothing is decided by these. The enum is open: new variants are news, not duties.
            _ => return Timers::Same,
        }
        Timers::Changed
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) -> Timers {
        match event {
            BehaviourEvent::Gossip(MeteredEvent::Inner(event)) => self.on_link_event(event),
            BehaviourEvent::Gossip(MeteredEvent::Excess(peer)) => {
                self.cut_off(peer);
                Timers::Changed
            }
            BehaviourEvent::Sync(event) => self.on_sync(event),
            BehaviourEvent::Stem(event) => self.on_stem(event),
            BehaviourEvent::Ping(event) => {
                self.on_ping(event);
                Timers::Changed
            }
            BehaviourEvent::Identify(event) => {
                self.on_identify(event);
                Timers::Changed
            }
            BehaviourEvent::Wan(event) => self.on_wan(event),
            BehaviourEvent::Mdns(event) => {
                let heard = match event {
                    mdns::Event::Discovered(found) => Heard::Found(found),
                    mdns::Event::Expired(gone) => Heard::Expired(gone),
                };
                self.on_heard(heard)
            }
        }
    }

    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) -> Timers {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.heard(&propagation_source);
                let admission = self.opinions.scores.admit(&propagation_source, Instant::now());
                let verdict = match admission {
                    Admission::Judged => self.intake.message(
                        propagation_source,
                        &message.topic,
                        gossip::envelope_id(&message_id),
                        &message.data,
                    ),
                    Admission::Ignored | Admission::Flood => Verdict::Ignore,
                };
                let is_envelope = message.topic != *self.outgoing.topics.acks();
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                let was_kept = gossip.judge(
                    &message_id,
                    &propagation_source,
                    message.data.len(),
                    verdict.acceptance(),
                );
                if was_kept && is_envelope && verdict == Verdict::Accept {
                    self.context.metrics.envelopes.forwarded.inc();
                }
                if admission == Admission::Flood {
                    self.count_excess(propagation_source);
                }
                if matches!(verdict, Verdict::Accept | Verdict::Keep) {
                    match gossip::envelope_id(&message_id).filter(|_| is_envelope) {
                        Some(id) => self.stem_saw(Key::envelope(id)),
                        None => self.stem_saw_acks(&message.data),
                    }
                    if is_envelope {
                        self.count_useful(propagation_source, 1);
                    }
                }
                self.on_verdict(propagation_source, verdict)
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                self.outgoing.retry_unsent(&topic);
                let timers = self.on_subscribed(peer_id, &topic);
                self.stem_waiting();
                timers
            }
            gossipsub::Event::Unsubscribed { peer_id, topic } => {
                if let Some(shard) = self.outgoing.topics.shard(&topic) {
                    self.shards.unsubscribed(&peer_id, shard);
                }
                Timers::Changed
            }
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                let lost = failed_messages.non_priority + failed_messages.priority;
                self.on_lost(peer_id, u64::try_from(lost).unwrap_or(u64::MAX))
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                if let Some(state) = self.peers.get_mut(&peer_id) {
                    state.speaks_gossip = false;
                }
                Timers::Same
            }
        }
    }

    /// A peer that takes gossip of a shard keeps it.
    fn on_subscribed(&mut self, peer: PeerId, topic: &gossipsub::TopicHash) -> Timers {
        let Some(shard) = self.outgoing.topics.shard(topic) else { return Timers::Same };
        if !self.peers.is_connected(&peer) {
            return Timers::Same;
        }
        self.shards.subscribed(peer, shard);
        if self.shards.lookups.ask(peer, shard, Instant::now()) {
            Timers::Changed
        } else {
            Timers::Same
        }
    }

    fn on_sync(&mut self, event: request_response::Event<Asked<Request>, Response>) -> Timers {
        if let request_response::Event::Message { peer, .. } = &event {
            self.heard(peer);
        }
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                request_response::Message::Request { request, channel, .. } => match request {
                    Ok(request) => self.on_request(peer, request, channel),
                    Err(unread) => {
                        self.context.metrics.sync.requests_refused.inc();
                        self.count_unread(peer, unread);
                        Timers::Changed
                    }
                },
                request_response::Message::Response { request_id, response } => {
                    if let Some(reply) = self.syncs.requests.remove(&request_id) {
                        // The sync may have been given up.
                        reply.send(Ok(response)).unwrap_or_default();
                    }
                    Timers::Same
                }
            },
            request_response::Event::OutboundFailure { peer, request_id, error, .. } => {
                if matches!(error, OutboundFailure::Timeout) {
                    self.count_stalled(peer);
                }
                if let Some(reply) = self.syncs.requests.remove(&request_id) {
                    reply.send(Err(request_error(error))).unwrap_or_default();
                }
                Timers::Same
            }
            request_response::Event::InboundFailure { peer, error, .. } => {
                tracing::debug!(peer = %shorten::peer(&peer), %error, "a peer's request failed");
                match error {
                    // It does not read the answer.
                    InboundFailure::Timeout => {
                        self.count_stalled(peer);
                        Timers::Changed
                    }
                    InboundFailure::Io(_)
                    | InboundFailure::ConnectionClosed
                    | InboundFailure::UnsupportedProtocols
                    | InboundFailure::ResponseOmission => Timers::Same,
                }
            }
            request_response::Event::ResponseSent { .. } => Timers::Same,
        }
    }

    fn on_request(
        &mut self,
        peer: PeerId,
        request: Request,
        channel: ResponseChannel<Response>,
    ) -> Timers {
        let is_throttled =
            self.opinions.scores.standing(&peer, Instant::now()) >= Standing::Throttled;
        let Some(state) = self.peers.get_mut(&peer) else { return Timers::Same };
        let is_full = state.serving >= SYNC_REQUESTS_PER_PEER_MAX;
        let is_busy = is_full || is_throttled && state.serving > 0;
        if is_busy || !self.intake.takes_request(peer) {
            let busy = Response::Refused(Refusal::Busy);
            self.context.metrics.sync.requests_refused.inc();
            if self.swarm.behaviour_mut().sync.send_response(channel, busy).is_err() {
                tracing::debug!(peer = %shorten::peer(&peer), "too late to refuse");
            }
            if is_full {
                self.count_excess(peer);
            }
            return Timers::Changed;
        }
        state.serving += 1;
        let compares = matches!(request, Request::Digests(_) | Request::Compare { .. });
        if !matches!(request, Request::Stored(_) | Request::Time | Request::Lookup { .. }) {
            state.sync.asked(compares, Instant::now());
        }
        if compares && !self.shards.always_begins() {
            state.sync.served(Instant::now());
            self.context.metrics.sync.served.inc();
        }
        tokio::spawn(Arc::clone(&self.syncs.responder).serve(peer, request, channel));
        Timers::Changed
    }

    /// Peers of other networks are found by mDNS too, and may be dialled by mistake.
    fn on_identify(&mut self, event: identify::Event) {
        let (peer_id, info) = match event {
            identify::Event::Received { peer_id, info, .. } => (peer_id, info),
            // (What a peer pushes is received; this was told here, and taken.)
            identify::Event::Pushed { peer_id, connection_id, .. } => {
                self.peers.answered(&peer_id, connection_id);
                return;
            }
            identify::Event::Sent { .. } | identify::Event::Error { .. } => return,
        };
        if info.protocol_version == self.protocols.identify {
            self.swarm.behaviour_mut().identify.get_mut().is_kin(peer_id);
            self.remember_inbound(peer_id, &info);
            if let Some(state) = self.peers.get_mut(&peer_id) {
                state.identified(&info, &self.protocols.stem, &self.protocols.depot);
            }
            self.dialer.met(&peer_id, Ok(()));
            self.stem_waiting();
            self.on_kin(peer_id, &info);
            if self.health.skew.is_empty() {
                // At once: until someone has told the time, a clock that jumps is followed.
                self.ask_time(peer_id, Instant::now());
            }
        } else {
            self.memory.cache.forget(&peer_id);
            self.dialer.met(&peer_id, Err("the node there is of another network"));
            let name = shorten::peer(&peer_id);
            if self.dialer.postpone(peer_id, PEER_REFUSED_FOR) {
                tracing::info!(peer = %name, "a configured peer is of another network");
            } else {
                tracing::debug!(peer = %name, "the peer is of another network");
            }
            self.disconnect(peer_id);
        }
    }

    fn on_established(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        self.dialer.established(connection, peer);
        if self.peers.is_identified(&peer) {
            self.dialer.met(&peer, Ok(()));
        }
        let metrics = &self.context.metrics.net.connections;
        if endpoint.is_dialer() { &metrics.dialled } else { &metrics.accepted }.inc();
        if !self.is_test(peer, connection, endpoint) {
            self.count_connection(peer, connection, endpoint);
        }
    }

    /// A connection is one of the peer's.
    pub(super) fn count_connection(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        let (is_first, retired) = self.peers.established(peer, connection, endpoint);
        host(endpoint.get_remote_address())
            .iter()
            .for_each(|host| self.health.broken_off.connected(*host));
        for connection in retired {
            tracing::debug!(
                peer = %shorten::peer(&peer),
                "two connections with one peer: one is closed soon"
            );
            self.swarm.behaviour_mut().gossip.retire(peer, connection);
            if self.peers.is_doubted(&peer, connection) {
                self.swarm.behaviour_mut().identify.get_mut().push_over(peer, connection);
            }
        }
        if endpoint.is_dialer() {
            self.remember_dialled(peer, endpoint.get_remote_address());
        }
        self.admit_by_policy();
        if !is_first {
            return;
        }
        if !self.intake.connected(peer, endpoint.is_dialer()) {
            self.cut_off(peer);
            return;
        }
        let direction = if endpoint.is_dialer() { "out" } else { "in" };
        let address = shorten::address(endpoint.get_remote_address());
        if endpoint.is_dialer() || self.lines.takes(1) {
            tracing::info!(peer = %shorten::peer(&peer), %address, direction, "connected");
        } else {
            tracing::debug!(peer = %shorten::peer(&peer), %address, direction, "connected");
        }
        let address = endpoint.get_remote_address().to_string();
        self.tell_change(peer, PeerEventBody::PeerConnected { address });
        let begins = self.local < peer;
        if let Some(state) = self.peers.get_mut(&peer) {
            state.sync.connected(begins, Instant::now());
        }
    }

    fn on_closed(&mut self, peer: PeerId, connection: ConnectionId) {
        if self.wan.as_mut().is_some_and(|wan| wan.connections.closed(connection)) {
            return;
        }
        if let Some(lasted) = self.peers.closed(&peer, connection) {
            self.kin_gone(peer);
            if self.lines.takes(1) {
                tracing::info!(peer = %shorten::peer(&peer), "disconnected");
            } else {
                tracing::debug!(peer = %shorten::peer(&peer), "disconnected");
            }
            // Were one that is set aside as a test to stay, gossip would not begin anew with the next.
            self.disconnect(peer);
            self.syncs.responder.forget(&peer);
            self.stem_lost(&peer, false);
            self.reviews.probes.settled(&peer);
            let is_silent = self.opinions.silent.remove(&peer);
            if is_silent && self.dialer.origin(&peer).is_none() {
                // It had dialled, and may not know that the connection is gone.
                self.dialer.remembered(peer, self.memory.cache.addresses(&peer));
            }
            self.dialer.met(
                &peer,
                Err("the node there ended the connection at once: it may have no place for it"),
            );
            self.dialer.lost(peer, lasted, is_silent);
            self.tell_change(peer, PeerEventBody::PeerDisconnected { silent: is_silent });
            self.shards.disconnected(&peer);
            self.admit_by_policy();
        } else {
            let begins = self.local < peer;
            if let Some(state) = self.peers.get_mut(&peer) {
                // Gossip, or a sync, may have gone into the connection that was closed.
                state.sync.connected(begins, Instant::now());
            }
        }
    }

    pub(super) fn note_gap(&mut self, peer: PeerId) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.sync.gap(Instant::now());
        }
    }

    /// Closes all connections with a peer.
    pub(super) fn disconnect(&mut self, peer: PeerId) {
        // An error: it has gone by itself.
        self.swarm.disconnect_peer_id(peer).unwrap_or_default();
    }
}
