//! Gossipsub's side of one connection, looked after: what it writes goes into a lane
//! ([`super::lane`]) and from there to the peer, and what gossipsub tells nobody is told: that the
//! peer takes nothing, or can't be read.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::limits::GOSSIP_STALLED_MAX;
use futures::AsyncWrite;
use futures::future::Either;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
    StreamUpgradeError,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, ConnectionId, NetworkBehaviour, SubstreamProtocol,
};
use tokio::time::{Instant, Sleep};

use super::counted::{self, Carrier, Ending};
use super::gossip::Gossip;
use super::lane::Lane;

type Inner = <Gossip as NetworkBehaviour>::ConnectionHandler;
type Inbound = <Inner as ConnectionHandler>::InboundProtocol;
type Outbound = <Inner as ConnectionHandler>::OutboundProtocol;

type Event = ConnectionHandlerEvent<Outbound, (), LinkNews>;

/// What a connection's handler is told.
#[derive(Debug)]
pub(super) enum LinkOrder {
    /// By gossipsub.
    Inner(<Inner as ConnectionHandler>::FromBehaviour),
    /// It is about to be closed: gossip leaves by the others.
    Retire,
}

/// What a connection's handler tells.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of it is gossipsub's, which would be put on the heap each time"
)]
pub(super) enum LinkNews {
    /// To gossipsub.
    Inner(<Inner as ConnectionHandler>::ToBehaviour),
    /// So many messages found no room, or waited for too long.
    Lost(u64),
    /// Gossip can't go on over this connection. Told once.
    Over(Over),
}

/// Why gossip can't go on over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Over {
    /// The peer takes nothing of what waits for it, or too little.
    #[error("it takes none of the gossip that waits for it")]
    Stalled,
    /// What the peer sent was too long for a frame, or no RPC of gossipsub.
    #[error("it sent what is no frame of gossip, or one that is too long")]
    Unreadable,
    /// The peer ended the stream, or opened too many.
    #[error("it ended the stream of gossip, or opened too many")]
    Ended,
}

/// The handler.
pub(super) struct Link {
    inner: Inner,
    connection: ConnectionId,
    lane: Arc<Lane>,
    /// What the peer must know first, where gossipsub says it on another connection.
    hello: VecDeque<Vec<u8>>,
    writer: Option<Writer>,
    /// How the stream ends on which the peer was heard last.
    heard: Option<Arc<Ending>>,
    /// What was found of [`Over`], until it is told.
    found: Option<Over>,
    is_over: bool,
    is_retired: bool,
    stream: Stream,
}

/// The stream that gossipsub writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    /// Gossipsub asks for it once there is something to write.
    Unasked,
    /// To be asked for in gossipsub's place, on each connection: on one of several gossipsub would sleep until
    /// something else happens there, as another takes all that there is to write.
    Wanted,
    /// Asked for, and not there yet.
    Asked,
}

/// Writes what waits in the lane.
struct Writer {
    carrier: Carrier,
    connection: ConnectionId,
    lane: Arc<Lane>,
    /// The frame that is being written, and how much of it is.
    frame: Vec<u8>,
    at: usize,
    /// When the peer last took something, or had nothing to take.
    moved_at: Instant,
    /// Ends when it may have taken nothing for too long.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Link {
    /// Looks after `inner`. `hello` goes before all that waits.
    pub(super) fn new(
        inner: Inner,
        connection: ConnectionId,
        lane: Arc<Lane>,
        hello: Vec<Vec<u8>>,
    ) -> Self {
        Self {
            inner,
            connection,
            lane,
            hello: hello.into(),
            writer: None,
            heard: None,
            found: None,
            is_over: false,
            is_retired: false,
            stream: Stream::Wanted,
        }
    }

    /// Asks for the stream in gossipsub's place.
    fn ask(&mut self) -> Option<SubstreamProtocol<Outbound>> {
        if self.stream != Stream::Wanted {
            return None;
        }
        self.stream = Stream::Asked;
        let (protocol, ()) = self.inner.listen_protocol().into_upgrade();
        Some(SubstreamProtocol::new(protocol.left()?, ()))
    }

    /// What gossipsub's handler wants or tells; but what was asked for already is not asked for again.
    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            let event = ready!(self.inner.poll(cx));
            if matches!(event, ConnectionHandlerEvent::OutboundSubstreamRequest { .. }) {
                if self.stream == Stream::Asked {
                    continue;
                }
                self.stream = Stream::Asked;
            }
            return Poll::Ready(event.map_custom(LinkNews::Inner));
        }
    }

    /// Whether gossip can't go on, as far as it shows now.
    fn find_over(&mut self, cx: &mut Context<'_>) -> Option<Over> {
        if self.found.is_some() {
            return self.found;
        }
        if self.heard.as_ref().is_some_and(|ending| ending.is_given_up()) {
            return Some(Over::Unreadable);
        }
        // Without a peer that speaks it there is nothing to end.
        if self.heard.is_some() && matches!(self.inner, Inner::Disabled(_)) {
            return Some(Over::Ended);
        }
        if self.lane.is_over() {
            return Some(Over::Stalled);
        }
        self.writer.as_mut()?.write(&mut self.hello, cx).err()
    }
}

impl Writer {
    fn new(carrier: Carrier, connection: ConnectionId, lane: Arc<Lane>) -> Self {
        lane.opened(connection);
        Self {
            carrier,
            connection,
            lane,
            frame: Vec::new(),
            at: 0,
            moved_at: Instant::now(),
            patience: None,
        }
    }

    /// Writes what the peer takes now.
    fn write(&mut self, hello: &mut VecDeque<Vec<u8>>, cx: &mut Context<'_>) -> Result<(), Over> {
        loop {
            if self.at >= self.frame.len() {
                self.finish();
                let next = hello.pop_front().inspect(|frame| self.lane.taken(frame.len()));
                let next =
                    next.or_else(|| self.lane.next(self.connection, cx.waker(), Instant::now()));
                let Some(frame) = next else {
                    // Pending: the muxer flushes by itself.
                    return match Pin::new(&mut self.carrier.io).poll_flush(cx) {
                        Poll::Ready(Err(_)) => Err(Over::Ended),
                        Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
                    };
                };
                self.frame = frame;
                self.moved_at = Instant::now();
            }
            match Pin::new(&mut self.carrier.io).poll_write(cx, &self.frame[self.at..]) {
                Poll::Ready(Ok(0) | Err(_)) => return Err(Over::Ended),
                Poll::Ready(Ok(written)) => {
                    self.at += written;
                    self.moved_at = Instant::now();
                    self.carrier.sent.inc_by(u64::try_from(written).unwrap_or(u64::MAX));
                }
                Poll::Pending => return self.wait(cx),
            }
        }
    }

    /// The peer takes nothing now: waits until it has not for too long.
    fn wait(&mut self, cx: &mut Context<'_>) -> Result<(), Over> {
        let until = self.moved_at + GOSSIP_STALLED_MAX;
        let patience =
            self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        while patience.as_mut().poll(cx).is_ready() {
            if until <= Instant::now() {
                return Err(Over::Stalled);
            }
            patience.as_mut().reset(until);
        }
        Ok(())
    }

    /// The frame is written, or lost.
    fn finish(&mut self) {
        self.lane.written(self.frame.len());
        self.frame = Vec::new();
        self.at = 0;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish();
        self.lane.closed(self.connection);
    }
}

impl ConnectionHandler for Link {
    type FromBehaviour = LinkOrder;
    type ToBehaviour = LinkNews;
    type InboundProtocol = Inbound;
    type OutboundProtocol = Outbound;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Inbound> {
        self.inner.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        self.inner.connection_keep_alive()
    }

    fn on_behaviour_event(&mut self, order: LinkOrder) {
        match order {
            LinkOrder::Inner(order) => self.inner.on_behaviour_event(order),
            LinkOrder::Retire => {
                self.is_retired = true;
                self.lane.retire(self.connection);
            }
        }
    }

    fn on_connection_event(&mut self, mut event: ConnectionEvent<'_, Inbound, Outbound>) {
        match &mut event {
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, _),
                ..
            }) => {
                self.stream = Stream::Unasked;
                let taken = counted::take_writes(stream, &self.lane, self.connection);
                self.writer = taken
                    .map(|carrier| Writer::new(carrier, self.connection, Arc::clone(&self.lane)));
                if self.is_retired {
                    self.lane.retire(self.connection);
                }
            }
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: Either::Left((stream, _)),
                ..
            }) => self.heard = Some(counted::watch_close(stream)),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => match error {
                StreamUpgradeError::Timeout => self.found = Some(Over::Stalled),
                StreamUpgradeError::Io(_) => self.found = Some(Over::Ended),
                // It speaks no gossip; the handler says so.
                StreamUpgradeError::NegotiationFailed => {}
                StreamUpgradeError::Apply(never) => match *never {},
            },
            // The enum is open; the others change nothing here.
            _ => {}
        }
        self.inner.on_connection_event(event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.is_over {
            return Poll::Pending;
        }
        if let Some(protocol) = self.ask() {
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        if let Poll::Ready(event) = self.poll_inner(cx) {
            return Poll::Ready(event);
        }
        if let Some(over) = self.find_over(cx) {
            // What waits is given back now; closing takes time.
            self.writer = None;
            // What is about to be closed may be closed by the other side as well, and is read until then.
            if !self.is_retired {
                self.is_over = true;
                let news = LinkNews::Over(over);
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(news));
            }
        }
        match self.lane.take_lost() {
            0 => Poll::Pending,
            lost => Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(LinkNews::Lost(lost))),
        }
    }
}
