//! AutoNAT's client, and which peers it has asked to test an address: a connection that comes from
//! one of them meanwhile is the test.

use std::collections::HashMap;
use std::task::{Context, Poll};

use crate::limits::{AUTONAT_PROBE_INTERVAL, AUTONAT_PROBES_MAX, DIAL_BACK_MAX};
use libp2p::PeerId;
use libp2p::autonat::v2::client;
use libp2p::swarm::{
    ConnectionId, FromSwarm, NetworkBehaviour, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use tokio::time::Instant;

use super::super::forward::forward_connections;

/// The client. All it ever tells a connection is to ask the peer for a test.
pub(in crate::net) struct Probes {
    inner: client::Behaviour,
    /// Until when a peer may connect for a test.
    asked: HashMap<PeerId, Instant>,
}

impl Probes {
    /// Nobody was asked yet.
    pub(super) fn new() -> Self {
        let config = client::Config::default()
            .with_probe_interval(AUTONAT_PROBE_INTERVAL)
            .with_max_candidates(AUTONAT_PROBES_MAX);
        Self { inner: client::Behaviour::new(rand::make_rng(), config), asked: HashMap::new() }
    }

    /// Whether the peer was asked so lately that it may connect for a test.
    pub(in crate::net) fn expects(&self, peer: &PeerId) -> bool {
        self.asked.get(peer).is_some_and(|until| *until > Instant::now())
    }

    fn note_asked(&mut self, peer: PeerId) {
        let now = Instant::now();
        // So it has at most what can be asked in that time.
        self.asked.retain(|_, until| *until > now);
        self.asked.insert(peer, now + DIAL_BACK_MAX);
    }
}

impl NetworkBehaviour for Probes {
    type ConnectionHandler = <client::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = client::Event;

    forward_connections!();

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        let action = std::task::ready!(self.inner.poll(context));
        if let ToSwarm::NotifyHandler { peer_id, .. } = &action {
            self.note_asked(*peer_id);
        }
        Poll::Ready(action)
    }
}
