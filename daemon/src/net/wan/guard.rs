//! A behaviour whose dials and findings are checked: libp2p's behaviours dial what peers tell them,
//! and believe what peers say this node's address is.

use std::collections::HashSet;
use std::task::{Context, Poll};

use crate::limits::{
    OBSERVED_ADDRESSES_MAX, OBSERVED_ADDRESSES_WINDOW, PEER_CHOSEN_DIALS_PER_MINUTE_MAX,
};
use libp2p::core::Endpoint;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use std::time::Duration;
use tokio::time::Instant;

use super::super::forward::{forward_connections, forward_pending_inbound};
use super::scope::Scope;

const MINUTE: Duration = Duration::from_secs(60);

/// A behaviour, and what it may do.
///
/// - Of the addresses it finds for a peer those are dialled that [`Scope::choose`] takes.
/// - A dial to addresses that a peer chose (AutoNAT's server, hole punching) goes ahead only if all
///   of them are public, and [`PEER_CHOSEN_DIALS_PER_MINUTE_MAX`] times a minute.
/// - Addresses at which others see this node are passed on only if they can be public, and
///   [`OBSERVED_ADDRESSES_MAX`] different ones in [`OBSERVED_ADDRESSES_WINDOW`]: AutoNAT's client
///   keeps every one for ever.
pub(in crate::net) struct Guard<B> {
    inner: B,
    scope: Option<Scope>,
    /// Dials this behaviour asked for, until they end.
    dials: HashSet<ConnectionId>,
    /// Dials to addresses that peers chose, since `minute_began`.
    peer_chosen: u32,
    minute_began: Instant,
    observed: HashSet<Multiaddr>,
    window_began: Instant,
}

/// Why a dial was not made.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("a peer asked to dial an address that is not public")]
    NotPublic,
    #[error("peers asked for too many dials")]
    TooMany,
}

impl<B> Guard<B> {
    /// Guards `inner`. Without a scope nothing that it finds is passed on.
    pub(in crate::net) fn new(inner: B, scope: Option<Scope>) -> Self {
        let now = Instant::now();
        Self {
            inner,
            scope,
            dials: HashSet::new(),
            peer_chosen: 0,
            minute_began: now,
            observed: HashSet::new(),
            window_began: now,
        }
    }

    /// The behaviour.
    pub(in crate::net) fn get_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// Whether this behaviour asked for the connection.
    pub(in crate::net) fn dialled(&self, connection: ConnectionId) -> bool {
        self.dials.contains(&connection)
    }

    fn check_dial(&mut self, addresses: &[Multiaddr]) -> Result<(), Refused> {
        if addresses.is_empty() {
            // The behaviours are asked for addresses; ours are filtered.
            return Ok(());
        }
        let public = |address| self.scope.is_some_and(|scope| scope.is_public(address));
        if !addresses.iter().all(public) {
            return Err(Refused::NotPublic);
        }
        let now = Instant::now();
        if now - self.minute_began >= MINUTE {
            self.minute_began = now;
            self.peer_chosen = 0;
        }
        if self.peer_chosen >= PEER_CHOSEN_DIALS_PER_MINUTE_MAX {
            return Err(Refused::TooMany);
        }
        self.peer_chosen += 1;
        Ok(())
    }

    fn takes_observed(&mut self, address: &Multiaddr) -> bool {
        let now = Instant::now();
        if now - self.window_began >= OBSERVED_ADDRESSES_WINDOW {
            self.window_began = now;
            self.observed.clear();
        }
        if !self.scope.is_some_and(|scope| scope.is_public(address)) {
            return false;
        }
        if self.observed.contains(address) {
            return true;
        }
        if self.observed.len() >= OBSERVED_ADDRESSES_MAX {
            return false;
        }
        self.observed.insert(address.clone());
        true
    }
}

impl<B: NetworkBehaviour> Guard<B> {
    /// The addresses at which this behaviour would dial the peer.
    pub(in crate::net) fn addresses_of(&mut self, peer: PeerId) -> Vec<Multiaddr> {
        let Some(scope) = self.scope else { return Vec::new() };
        let id = ConnectionId::new_unchecked(usize::MAX);
        let found =
            self.inner.handle_pending_outbound_connection(id, Some(peer), &[], Endpoint::Dialer);
        scope.choose(&found.unwrap_or_default())
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Guard<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = B::ToSwarm;

    forward_pending_inbound!();
    forward_connections!();

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.dials.contains(&id) {
            self.check_dial(addresses).map_err(ConnectionDenied::new)?;
        }
        let found = self.inner.handle_pending_outbound_connection(id, peer, addresses, role)?;
        Ok(self.scope.map(|scope| scope.choose(&found)).unwrap_or_default())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::DialFailure(failure) => {
                self.dials.remove(&failure.connection_id);
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.dials.remove(&closed.connection_id);
            }
            _ => {}
        }
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
        loop {
            let action = std::task::ready!(self.inner.poll(context));
            match &action {
                ToSwarm::Dial { opts } => {
                    self.dials.insert(opts.connection_id());
                }
                ToSwarm::NewExternalAddrCandidate(address) => {
                    let address = address.clone();
                    if !self.takes_observed(&address) {
                        continue;
                    }
                }
                _ => {}
            }
            return Poll::Ready(action);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn public(port: u16) -> Multiaddr {
        format!("/ip4/8.8.8.8/tcp/{port}").parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn observed_addresses_are_bounded_and_public() {
        let mut guard = Guard::new((), Some(Scope::Internet));
        assert!(!guard.takes_observed(&"/ip4/192.168.1.1/tcp/1".parse().unwrap()));
        let many = u16::try_from(OBSERVED_ADDRESSES_MAX).unwrap();
        for port in 1..=many {
            assert!(guard.takes_observed(&public(port)));
        }
        assert!(!guard.takes_observed(&public(many + 1)));
        assert!(guard.takes_observed(&public(1)), "seen again");
        tokio::time::advance(OBSERVED_ADDRESSES_WINDOW).await;
        assert!(guard.takes_observed(&public(many + 1)));
        assert!(!Guard::new((), None).takes_observed(&public(1)), "nobody wants to know on a LAN");
    }

    #[tokio::test(start_paused = true)]
    async fn peers_cannot_have_private_addresses_or_many_dialled() {
        let mut guard = Guard::new((), Some(Scope::Internet));
        let mixed = [public(1), "/ip4/10.0.0.1/tcp/22".parse().unwrap()];
        assert!(matches!(guard.check_dial(&mixed), Err(Refused::NotPublic)));
        for _ in 0..PEER_CHOSEN_DIALS_PER_MINUTE_MAX {
            guard.check_dial(&[public(1)]).unwrap();
        }
        assert!(matches!(guard.check_dial(&[public(1)]), Err(Refused::TooMany)));
        tokio::time::advance(MINUTE).await;
        guard.check_dial(&[public(1)]).unwrap();
    }
}
