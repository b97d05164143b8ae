//! Streams of the blob protocol: opened to connected peers, and taken from them.
//!
//! libp2p-stream (0.5.0-alpha) does nearly the same. It is not used, for three things: it keeps something of every connection that
//! ever was, so that whoever connects again and again fills the memory; it dials by itself, past what `dialer.rs` and bans
//! decide; and it hands on a stream only while somebody waits for one, else drops it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};
use tokio::sync::{mpsc, oneshot};

use super::NetHandle;
use super::asked::Unread;
use super::task::Command;
use crate::limits::STREAM_OPENED_MAX;

/// Gets a stream to a peer; dropped where none can be had.
type Wish = oneshot::Sender<Stream>;

/// The behaviour.
pub(super) struct Streams {
    protocol: StreamProtocol,
    /// Taken, too, where this node keeps blobs for others: that it is listed says so.
    depot: Option<StreamProtocol>,
    taken: mpsc::Sender<(PeerId, Stream)>,
    wishes: VecDeque<(PeerId, Wish)>,
}

impl Streams {
    /// Streams of others go to `taken`; those that find no room there are closed.
    pub(super) fn new(
        protocol: StreamProtocol,
        depot: Option<StreamProtocol>,
        taken: mpsc::Sender<(PeerId, Stream)>,
    ) -> Self {
        Self { protocol, depot, taken, wishes: VecDeque::new() }
    }

    /// Opens a stream to a peer, over a connection that there is.
    pub(super) fn open(&mut self, peer: PeerId, wish: Wish) {
        self.wishes.push_back((peer, wish));
    }

    fn handler(&self, peer: PeerId) -> Handler {
        Handler {
            peer,
            protocol: self.protocol.clone(),
            depot: self.depot.clone(),
            taken: self.taken.clone(),
            wishes: VecDeque::new(),
        }
    }
}

/// The protocols that are taken: a stream is the same in each.
#[derive(Debug, Clone)]
pub(super) struct Takes(Vec<StreamProtocol>);

impl UpgradeInfo for Takes {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Takes {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // Whoever asks does so between two polls. To a peer without a connection the swarm drops it.
        match self.wishes.pop_front() {
            Some((peer_id, event)) => {
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::Any, event })
            }
            None => Poll::Pending,
        }
    }
}

impl NetHandle {
    /// A stream of the blob protocol to a peer, over a connection that there is; `None` if there is none, or the peer speaks no such
    /// protocol.
    pub(crate) async fn open_stream(&self, peer: PeerId) -> Option<Stream> {
        let opened = self.ask(|reply| Command::OpenStream(peer, reply));
        tokio::time::timeout(STREAM_OPENED_MAX, opened).await.ok().flatten()
    }
}

/// A connected peer that keeps blobs for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DepotPeer {
    /// Which.
    pub(crate) peer: PeerId,
    /// Where it was met, the best first.
    pub(crate) addresses: Vec<Multiaddr>,
}

impl NetHandle {
    /// The connected peers that keep blobs for others.
    pub(crate) async fn depots(&self) -> Vec<DepotPeer> {
        self.ask(Command::Depots).await.unwrap_or_default()
    }
}

/// How a peer uses streams of the blob protocol as no honest peer does, or hardly ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// Its question could not be read.
    Unread(Unread),
    /// It takes next to nothing of what it asked for. A slow link does the same.
    TooSlow,
    /// It has more of them open than it may.
    TooMany,
    /// It brought what a blob is not, or let go what is not its own.
    False,
}

impl NetHandle {
    /// Counts what a peer did, and does what its score then leads to. Waits while the network is behind.
    pub(crate) async fn count_misuse(&self, peer: PeerId, misuse: Misuse) {
        self.send(Command::Misused(peer, misuse)).await;
    }

    /// The same if that is possible without waiting; else it is not counted.
    pub(crate) fn try_count_misuse(&self, peer: PeerId, misuse: Misuse) {
        if self.commands.try_send(Command::Misused(peer, misuse)).is_err() {
            tracing::debug!(
                "the network is behind, or has stopped; a peer's misuse is not counted"
            );
        }
    }
}

/// One connection.
pub(super) struct Handler {
    peer: PeerId,
    protocol: StreamProtocol,
    depot: Option<StreamProtocol>,
    taken: mpsc::Sender<(PeerId, Stream)>,
    wishes: VecDeque<Wish>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Wish;
    type ToBehaviour = Infallible;
    type InboundProtocol = Takes;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Wish;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        let takes = [Some(self.protocol.clone()), self.depot.clone()];
        SubstreamProtocol::new(Takes(takes.into_iter().flatten().collect()), ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Wish, Infallible>> {
        match self.wishes.pop_front() {
            Some(wish) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), wish),
            }),
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, wish: Wish) {
        self.wishes.push_back(wish);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), Wish>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                info: (),
            }) => {
                let taken = self.taken.try_send((self.peer, stream));
                if taken.is_err() {
                    tracing::debug!("a stream for blobs found no room");
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: wish,
            }) => {
                // An error: nobody waits for it any more, and it is closed.
                wish.send(stream).unwrap_or_default();
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: _, error }) => {
                tracing::debug!(%error, "a peer takes no stream for blobs");
            }
            // What else happens to a connection means nothing here; libp2p adds to these.
            _ => {}
        }
    }
}
