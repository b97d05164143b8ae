//! What the swarm reports.

use std::sync::Arc;

use libp2p::core::ConnectedPoint;
use libp2p::gossipsub;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, OutboundFailure, ResponseChannel};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, identify, mdns, ping};
use martlet_protocol::limits::{PEER_REFUSED_FOR, REFUSED_PEERS_MAX, SYNC_REQUESTS_PER_PEER_MAX};
use martlet_protocol::sync::{Refusal, Request, Response};
use tokio::time::Instant;

use super::super::behaviour::BehaviourEvent;
use super::super::gossip;
use super::super::intake::Verdict;
use super::super::sync::RequestError;
use super::super::{NetSink, shorten};
use super::{Task, Timers};

/// Pings that may go unanswered in a row: one may be late behind a burst on a slow link.
const MISSED_PINGS_MAX: u32 = 2;

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
                }
                self.on_closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => match error {
                DialError::LocalPeerId { .. } => self.dialer.is_self(connection_id),
                DialError::DialPeerConditionFalse(_) | DialError::Aborted => {
                    self.dialer.failed(connection_id, None);
                }
                error => self.dialer.failed(connection_id, Some(&innermost(&error))),
            },
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "an incoming connection failed");
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
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Sync(event) => self.on_sync(event),
            BehaviourEvent::Ping(event) => {
                self.on_ping(event);
                Timers::Same
            }
            BehaviourEvent::Identify(event) => {
                self.on_identify(event);
                Timers::Changed
            }
            BehaviourEvent::Open(event) => self.on_open(event),
            BehaviourEvent::Mdns(event) => {
                match event {
                    mdns::Event::Discovered(found) => {
                        for (peer, address) in found {
                            self.dialer.discovered(peer, address);
                        }
                    }
                    mdns::Event::Expired(gone) => {
                        for (peer, address) in gone {
                            self.dialer.expired(peer, address);
                        }
                    }
                }
                Timers::Changed
            }
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) -> Timers {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let verdict = self.intake.message(
                    propagation_source,
                    &message.topic,
                    gossip::envelope_id(&message_id),
                    &message.data,
                );
                self.swarm.behaviour_mut().gossip.report_message_validation_result(
                    &message_id,
                    &propagation_source,
                    verdict.acceptance(),
                );
                match verdict {
                    Verdict::Accept | Verdict::Ignore | Verdict::Reject => Timers::Same,
                    Verdict::Shed => {
                        self.note_gap(propagation_source);
                        Timers::Changed
                    }
                    Verdict::RejectAndCut => {
                        self.cut_off(propagation_source);
                        Timers::Changed
                    }
                }
            }
            gossipsub::Event::Subscribed { .. } => {
                self.outgoing.retry_unsent();
                Timers::Same
            }
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                tracing::debug!(
                    peer = %shorten::peer(&peer_id),
                    lost = failed_messages.non_priority,
                    "the peer is slow, sync will bring it what gossip dropped"
                );
                self.note_gap(peer_id);
                Timers::Changed
            }
            gossipsub::Event::Unsubscribed { .. }
            | gossipsub::Event::GossipsubNotSupported { .. } => Timers::Same,
        }
    }

    fn on_sync(&mut self, event: request_response::Event<Request, Response>) -> Timers {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                request_response::Message::Request { request, channel, .. } => {
                    self.on_request(peer, request, channel)
                }
                request_response::Message::Response { request_id, response } => {
                    if let Some(reply) = self.requests.remove(&request_id) {
                        // The sync may have been given up.
                        reply.send(Ok(response)).unwrap_or_default();
                    }
                    Timers::Same
                }
            },
            request_response::Event::OutboundFailure { request_id, error, .. } => {
                if let Some(reply) = self.requests.remove(&request_id) {
                    reply.send(Err(request_error(error))).unwrap_or_default();
                }
                Timers::Same
            }
            request_response::Event::InboundFailure { peer, error, .. } => {
                tracing::debug!(peer = %shorten::peer(&peer), %error, "a peer's request failed");
                match error {
                    // A request that cannot be read is no honest peer's.
                    request_response::InboundFailure::Io(error)
                        if error.kind() == std::io::ErrorKind::InvalidData =>
                    {
                        self.count_fault(peer);
                        Timers::Changed
                    }
                    _ => Timers::Same,
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
        let Some(state) = self.peers.get_mut(&peer) else { return Timers::Same };
        if state.serving >= SYNC_REQUESTS_PER_PEER_MAX {
            let busy = Response::Refused(Refusal::Busy);
            if self.swarm.behaviour_mut().sync.send_response(channel, busy).is_err() {
                tracing::debug!(peer = %shorten::peer(&peer), "too late to refuse");
            }
            return Timers::Same;
        }
        state.serving += 1;
        if matches!(request, Request::Digests(_)) {
            state.sync.served();
        }
        tokio::spawn(Arc::clone(&self.responder).serve(peer, request, channel));
        Timers::Changed
    }

    fn on_ping(&mut self, event: ping::Event) {
        let Some(state) = self.peers.get_mut(&event.peer) else { return };
        match event.result {
            Ok(round_trip) => state.answered(round_trip),
            Err(ping::Failure::Unsupported) => {}
            Err(error) => {
                state.missed_pings += 1;
                let peer = shorten::peer(&event.peer);
                tracing::debug!(%peer, %error, "ping not answered");
                if state.missed_pings >= MISSED_PINGS_MAX {
                    self.swarm.close_connection(event.connection);
                }
            }
        }
    }

    /// Peers of other networks are found by mDNS too, and may be dialled by mistake.
    fn on_identify(&mut self, event: identify::Event) {
        // (`Pushed` is about what was told here; what a peer pushes is received.)
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        if info.protocol_version == self.identify_protocol {
            self.on_kin(peer_id, &info);
        } else {
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
        let now = Instant::now();
        if self.refused.get(&peer).is_some_and(|until| *until > now) {
            self.refuse(peer);
            return;
        }
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
        let (is_first, close) = self.peers.established(peer, connection, endpoint);
        for connection in close {
            self.swarm.close_connection(connection);
        }
        if !is_first {
            return;
        }
        let direction = if endpoint.is_dialer() { "out" } else { "in" };
        let address = shorten::address(endpoint.get_remote_address());
        tracing::info!(peer = %shorten::peer(&peer), %address, direction, "connected");
        let begins = self.local < peer;
        if let Some(state) = self.peers.get_mut(&peer) {
            state.sync.connected(begins, Instant::now());
        }
    }

    fn on_closed(&mut self, peer: PeerId, connection: ConnectionId) {
        if self.open.as_mut().is_some_and(|open| open.connections.closed(connection)) {
            return;
        }
        if self.peers.closed(&peer, connection) {
            self.kin_gone(peer);
            tracing::info!(peer = %shorten::peer(&peer), "disconnected");
            self.responder.forget(&peer);
            self.dialer.lost(peer);
        } else {
            let begins = self.local < peer;
            if let Some(state) = self.peers.get_mut(&peer) {
                // Gossip, or a sync, may have gone into the connection that was closed.
                state.sync.connected(begins, Instant::now());
            }
        }
    }

    fn note_gap(&mut self, peer: PeerId) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.sync.gap(Instant::now());
        }
    }

    /// Counts something that no honest peer does.
    pub(super) fn count_fault(&mut self, peer: PeerId) {
        if self.intake.count_invalid(peer) == Verdict::RejectAndCut {
            self.cut_off(peer);
        }
    }

    fn cut_off(&mut self, peer: PeerId) {
        tracing::info!(peer = %shorten::peer(&peer), "cut off: it keeps sending what is invalid");
        self.refuse(peer);
    }

    /// Disconnects, and has no more to do with the peer for a while.
    fn refuse(&mut self, peer: PeerId) {
        if self.refused.len() < REFUSED_PEERS_MAX || self.refused.contains_key(&peer) {
            let until = Instant::now() + PEER_REFUSED_FOR;
            self.refused.entry(peer).or_insert(until);
        }
        self.dialer.postpone(peer, PEER_REFUSED_FOR);
        self.disconnect(peer);
    }

    fn disconnect(&mut self, peer: PeerId) {
        // An error: it has gone by itself.
        self.swarm.disconnect_peer_id(peer).unwrap_or_default();
    }
}

fn request_error(error: OutboundFailure) -> RequestError {
    match error {
        OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => {
            RequestError::Disconnected
        }
        OutboundFailure::UnsupportedProtocols => RequestError::Unsupported,
        OutboundFailure::Timeout | OutboundFailure::Io(_) => {
            RequestError::Failed { reason: error.to_string() }
        }
    }
}

/// What the system said, of all the errors it is wrapped in.
fn innermost(error: &DialError) -> String {
    let mut source: &dyn std::error::Error = match error {
        DialError::Transport(attempts) => match attempts.last() {
            Some((_, attempt)) => attempt,
            None => error,
        },
        _ => error,
    };
    while let Some(inner) = source.source() {
        source = inner;
    }
    match error {
        DialError::Transport(attempts) => attempts
            .last()
            .map_or_else(String::new, |(address, _)| without_name(&source.to_string(), address)),
        _ => source.to_string(),
    }
}

/// A reason without the host's name, which a resolver's errors repeat: it is part of the address.
fn without_name(reason: &str, address: &Multiaddr) -> String {
    let name = address.iter().find_map(|part| match part {
        Protocol::Dns(name)
        | Protocol::Dns4(name)
        | Protocol::Dns6(name)
        | Protocol::Dnsaddr(name) => Some(name.into_owned()),
        _ => None,
    });
    name.map_or_else(|| reason.to_owned(), |name| reason.replace(&name, "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A look-up that failed was logged with the whole name.
    #[test]
    fn the_names_of_hosts_are_not_in_the_log() {
        let address = Multiaddr::empty().with(Protocol::Dnsaddr("host.example".into()));
        let reason = "no records found for Query { name: Name(\"_dnsaddr.host.example.\") }";
        assert!(!without_name(reason, &address).contains("example"));
    }
}
