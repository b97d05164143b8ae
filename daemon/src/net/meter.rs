//! Counts the frames each peer sends to a behaviour, whatever they hold, and keeps those past the
//! rate from it.
//!
//! Gossipsub reports only messages that are new to it. Copies, subscriptions and control messages
//! cost their share of the processor too, and only this sees them.

use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::swarm::behaviour::ConnectionClosed;
use libp2p::swarm::{
    ConnectionId, FromSwarm, NetworkBehaviour, THandlerInEvent, THandlerOutEvent, ToSwarm,
};

use super::forward::{forward_connections, forward_pending};
use super::rates::Limiter;

/// A behaviour and its meter.
pub(super) struct Metered<B> {
    inner: B,
    frames_per_minute: u32,
    frames: HashMap<PeerId, Frames>,
    /// Peers over the rate that are yet to be reported.
    excess: VecDeque<PeerId>,
}

/// What one connected peer may still send.
struct Frames {
    limiter: Limiter,
    is_reported: bool,
}

/// What happened.
#[derive(Debug)]
pub(super) enum MeteredEvent<E> {
    /// The behaviour's own event.
    Inner(E),
    /// The peer sends more frames than any honest one. Reported once a connection.
    Excess(PeerId),
}

impl<B> Metered<B> {
    /// Lets each peer send `inner` at most so many frames a minute.
    pub(super) fn new(inner: B, frames_per_minute: u32) -> Self {
        Self { inner, frames_per_minute, frames: HashMap::new(), excess: VecDeque::new() }
    }

    fn takes(&mut self, peer: PeerId) -> bool {
        let per_minute = self.frames_per_minute;
        let frames = self.frames.entry(peer).or_insert_with(|| Frames {
            limiter: Limiter::per_minute(per_minute),
            is_reported: false,
        });
        if frames.limiter.takes(1) {
            return true;
        }
        if !frames.is_reported {
            frames.is_reported = true;
            self.excess.push_back(peer);
        }
        false
    }
}

impl<B> Deref for Metered<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.inner
    }
}

impl<B> DerefMut for Metered<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.inner
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Metered<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = MeteredEvent<B::ToSwarm>;

    forward_pending!();
    forward_connections!();

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed {
            peer_id,
            remaining_established: 0,
            ..
        }) = event
        {
            self.frames.remove(&peer_id);
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if self.takes(peer) {
            self.inner.on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(peer) = self.excess.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(MeteredEvent::Excess(peer)));
        }
        self.inner.poll(cx).map(|event| event.map_out(MeteredEvent::Inner))
    }
}
