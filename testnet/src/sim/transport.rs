//! libp2p's transport over simulated links.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, Ready};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, yamux};
use martlet_protocol::network::NetworkDescriptor;
use martletd::limits::CONNECT_TIMEOUT;
use martletd::net::{self, NetError};
use tokio::sync::mpsc;

use super::net::{Arrival, Net, Path};
use super::pipe::End;
use super::plain;
use crate::plan::{LinkTransport, NodeIndex};

/// Over the simulated links, with Noise and Yamux as everywhere, or without.
pub(super) fn over_links(
    net: &Arc<Net>,
    node: NodeIndex,
    keypair: &Keypair,
    network: &NetworkDescriptor,
) -> Result<net::transport::Boxed, NetError> {
    let links = SimTransport::new(net, node, keypair.public().to_peer_id());
    if net.transport() == LinkTransport::Plain {
        let plain = links.and_then(plain::secure);
        return Ok(TransportTimeout::new(plain, CONNECT_TIMEOUT).boxed());
    }
    let secured = links
        .upgrade(Version::V1Lazy)
        .authenticate(net::transport::noise(keypair, network)?)
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    Ok(TransportTimeout::new(secured, CONNECT_TIMEOUT).boxed())
}

/// A node's transport: addresses are `/memory/N`, the node's index and one.
pub(super) struct SimTransport {
    net: Arc<Net>,
    node: NodeIndex,
    peer: PeerId,
    listener: Option<Listener>,
}

struct Listener {
    id: ListenerId,
    arrivals: mpsc::Receiver<Arrival>,
    is_told: bool,
}

impl SimTransport {
    fn new(net: &Arc<Net>, node: NodeIndex, peer: PeerId) -> Self {
        Self { net: Arc::clone(net), node, peer, listener: None }
    }
}

/// The node that an address is of.
fn node_at(address: &Multiaddr) -> Option<NodeIndex> {
    match address.iter().next()? {
        Protocol::Memory(port) => usize::try_from(port).ok()?.checked_sub(1),
        _ => None,
    }
}

impl Transport for SimTransport {
    type Output = End;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<End>>;
    type Dial = BoxFuture<'static, io::Result<End>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        if node_at(&address) != Some(self.node) {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        let arrivals = self.net.listen(self.node, self.peer);
        self.listener = Some(Listener { id, arrivals, is_told: false });
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.listener.take_if(|listener| listener.id == id).is_some()
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(to) = node_at(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let (net, path, peer) = (Arc::clone(&self.net), Path { from: self.node, to }, self.peer);
        let dial = async move {
            let end = net.dial(path, peer)?;
            poll_fn(|context| end.poll_answer(context)).await?;
            Ok(end)
        };
        Ok(dial.boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let node = self.node;
        let Some(listener) = &mut self.listener else { return Poll::Pending };
        if !std::mem::replace(&mut listener.is_told, true) {
            return Poll::Ready(TransportEvent::NewAddress {
                listener_id: listener.id,
                listen_addr: Net::address(node),
            });
        }
        match std::task::ready!(listener.arrivals.poll_recv(context)) {
            Some(Arrival { end, from }) => Poll::Ready(TransportEvent::Incoming {
                listener_id: listener.id,
                upgrade: futures::future::ready(Ok(end)),
                local_addr: Net::address(node),
                send_back_addr: from,
            }),
            // Unplugged.
            None => Poll::Pending,
        }
    }
}
