//! Bounds the handshakes under way from one IP address, so that whoever stalls its own leaves
//! places for others. What is connected does not count: behind one address there may be many.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};

use super::mismatches::host;
use crate::limits::HANDSHAKES_PER_ADDRESS_MAX;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionEstablished, ListenFailure};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

/// The bound.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    under_way: HashMap<ConnectionId, IpAddr>,
}

/// A handshake that was not begun.
#[derive(Debug, thiserror::Error)]
#[error("{HANDSHAKES_PER_ADDRESS_MAX} handshakes from this address are under way")]
struct TooMany;

impl NetworkBehaviour for Handshakes {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(address) = host(remote) else { return Ok(()) };
        let same = self.under_way.values().filter(|other| **other == address).count();
        if same >= HANDSHAKES_PER_ADDRESS_MAX {
            return Err(ConnectionDenied::new(TooMany));
        }
        self.under_way.insert(connection, address);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { connection_id, .. })
            | FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.under_way.remove(&connection_id);
            }
            // The enum is open, and nothing else ends a handshake.
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others() -> Result<(), libp2p::multiaddr::Error> {
        let mut handshakes = Handshakes::default();
        let local = Multiaddr::empty();
        let (stalls, other): (Multiaddr, Multiaddr) =
            ("/ip4/10.0.0.1/tcp/1".parse()?, "/ip4/10.0.0.2/tcp/1".parse()?);
        let mut begin = |number, from| {
            let id = ConnectionId::new_unchecked(number);
            handshakes.handle_pending_inbound_connection(id, &local, from).is_ok()
        };
        assert!((0..HANDSHAKES_PER_ADDRESS_MAX).all(|number| begin(number, &stalls)));
        assert!(!begin(100, &stalls));
        assert!(begin(101, &other));
        Ok(())
    }
}
