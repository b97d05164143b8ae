//! Gossipsub, each of its connections looked after by a [`Link`].

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::limits::GOSSIP_UNOPENED_MAX;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::gossipsub::{
    Event, MessageAcceptance, MessageId, PublishError, TopicHash, ValidationError,
};
use libp2p::swarm::behaviour::ConnectionClosed;
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::forward::forward_pending;
use super::gossip::Gossip;
use super::lane::{Lane, Pool};
use super::link::{Link, LinkNews, LinkOrder, Over};
use super::rpc;

type Heard = <<Gossip as NetworkBehaviour>::ConnectionHandler as ConnectionHandler>::ToBehaviour;

/// The behaviour.
pub(super) struct Linked {
    inner: Gossip,
    pool: Arc<Pool>,
    /// In the order of their ids, so that a simulation is the same each time.
    peers: BTreeMap<PeerId, LinkedPeer>,
    /// Bytes of messages given to gossipsub to be sent on, so far.
    handed_on: u64,
    events: VecDeque<ToSwarm<LinkedEvent, LinkOrder>>,
}

/// A connected peer.
struct LinkedPeer {
    lane: Arc<Lane>,
    /// What had been handed on when it last had a stream to take gossip, if it has none.
    unopened_at: Option<u64>,
}

/// What happened.
#[derive(Debug)]
pub(super) enum LinkedEvent {
    /// Gossipsub's own event.
    Inner(Event),
    /// Messages that a peer did not get: it is slow.
    Lost { peer: PeerId, messages: u64 },
    /// Gossip with a peer can't go on over a connection, or over any.
    Over { peer: PeerId, connection: Option<ConnectionId>, over: Over },
    /// Messages that gossipsub refused before it looked at what is in them.
    Refused { peer: PeerId, refused: Refused },
}

/// Messages refused for their form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Refused {
    /// They name their sender, are numbered or signed.
    pub(super) signed: u64,
    /// Anything else.
    pub(super) others: u64,
}

impl Linked {
    /// Looks after the connections of `inner`.
    pub(super) fn new(inner: Gossip) -> Self {
        Self {
            inner,
            pool: Arc::default(),
            peers: BTreeMap::new(),
            handed_on: 0,
            events: VecDeque::new(),
        }
    }

    /// Bytes that wait for peers.
    pub(super) fn queued(&self) -> usize {
        self.pool.bytes()
    }

    /// A connection is about to be closed, as there is another: from now on gossip leaves by that one.
    pub(super) fn retire(&mut self, peer_id: PeerId, connection: ConnectionId) {
        let handler = NotifyHandler::One(connection);
        let event = LinkOrder::Retire;
        self.events.push_back(ToSwarm::NotifyHandler { peer_id, handler, event });
    }

    /// Gossips a message of this node's own.
    ///
    /// # Errors
    /// Gossipsub's.
    pub(super) fn publish(
        &mut self,
        topic: TopicHash,
        data: Vec<u8>,
    ) -> Result<MessageId, PublishError> {
        self.hand_on(data.len());
        self.inner.publish(topic, data)
    }

    /// Tells gossipsub what is to be done with a message of so many bytes. Returns whether it still had it.
    pub(super) fn judge(
        &mut self,
        message: &MessageId,
        from: &PeerId,
        bytes: usize,
        acceptance: MessageAcceptance,
    ) -> bool {
        if let MessageAcceptance::Accept = acceptance {
            self.hand_on(bytes);
        }
        self.inner.report_message_validation_result(message, from, acceptance)
    }

    /// A peer that takes no stream, though it has said what it wants, would have all of it wait in gossipsub.
    fn hand_on(&mut self, bytes: usize) {
        self.handed_on += u64::try_from(bytes).unwrap_or(u64::MAX);
        for (peer, linked) in &mut self.peers {
            if linked.lane.is_open() {
                linked.unopened_at = None;
                continue;
            }
            let since = *linked.unopened_at.get_or_insert(self.handed_on);
            if self.handed_on - since > GOSSIP_UNOPENED_MAX {
                linked.unopened_at = None;
                let mut all = self.inner.all_peers();
                if all.any(|(other, topics)| other == peer && !topics.is_empty()) {
                    let event =
                        LinkedEvent::Over { peer: *peer, connection: None, over: Over::Stalled };
                    self.events.push_back(ToSwarm::GenerateEvent(event));
                }
            }
        }
    }

    /// The handler of a new connection. On the first of a peer gossipsub itself says what is taken here.
    fn link(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        inner: THandler<Gossip>,
    ) -> THandler<Self> {
        let hello = if self.peers.contains_key(&peer) {
            rpc::subscriptions(self.inner.topics().map(TopicHash::as_str))
        } else {
            Vec::new()
        };
        let pool = &self.pool;
        let linked = self.peers.entry(peer).or_insert_with(|| LinkedPeer {
            lane: Arc::new(Lane::new(Arc::clone(pool))),
            unopened_at: None,
        });
        Link::new(inner, connection, Arc::clone(&linked.lane), hello)
    }
}

impl Deref for Linked {
    type Target = Gossip;

    fn deref(&self) -> &Gossip {
        &self.inner
    }
}

impl DerefMut for Linked {
    fn deref_mut(&mut self) -> &mut Gossip {
        &mut self.inner
    }
}

impl NetworkBehaviour for Linked {
    type ConnectionHandler = Link;
    type ToSwarm = LinkedEvent;

    forward_pending!();

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self.inner.handle_established_inbound_connection(id, peer, local, remote)?;
        Ok(self.link(peer, id, inner))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner =
            self.inner.handle_established_outbound_connection(id, peer, address, role, port_use)?;
        Ok(self.link(peer, id, inner))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed {
            peer_id,
            remaining_established: 0,
            ..
        }) = event
        {
            self.peers.remove(&peer_id);
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        news: THandlerOutEvent<Self>,
    ) {
        let event = match news {
            LinkNews::Inner(heard) => {
                let refused = refused(&heard);
                self.inner.on_connection_handler_event(peer, connection, heard);
                if refused == Refused::default() {
                    return;
                }
                LinkedEvent::Refused { peer, refused }
            }
            LinkNews::Lost(messages) => LinkedEvent::Lost { peer, messages },
            LinkNews::Over(over) => LinkedEvent::Over { peer, connection: Some(connection), over },
        };
        self.events.push_back(ToSwarm::GenerateEvent(event));
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        let event = self.inner.poll(cx);
        event.map(|event| event.map_out(LinkedEvent::Inner).map_in(LinkOrder::Inner))
    }
}

/// What of an RPC gossipsub refused.
fn refused(heard: &Heard) -> Refused {
    let mut refused = Refused::default();
    let Heard::Message { invalid_messages, .. } = heard else { return refused };
    for (_, error) in invalid_messages {
        match error {
            ValidationError::SignaturePresent
            | ValidationError::SequenceNumberPresent
            | ValidationError::MessageSourcePresent => refused.signed += 1,
            ValidationError::InvalidSignature
            | ValidationError::EmptySequenceNumber
            | ValidationError::InvalidSequenceNumber
            | ValidationError::InvalidPeerId
            | ValidationError::TransformFailed
            | ValidationError::MessageSizeTooLargeForTopic => refused.others += 1,
        }
    }
    refused
}
