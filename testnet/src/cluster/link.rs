//! A link between two nodes that a test can cut and mend, as someone does who pulls a cable, and
//! that can be as slow as a real one.

mod shape;

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{ClusterError, Node};
use crate::plan::LinkShape;

/// The link's own end of every connection: not the nodes' address, so that no node takes where a
/// link comes from for where the other listens, and dials past the link.
const LINK_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Connections of one link: one in use, the others about to be closed.
const CONNECTIONS_MAX: usize = 8;

/// A way to one node over TCP: whoever dials [`Self::address`] reaches that node while the link is
/// not cut. Gone, with its connections, when dropped.
#[derive(Debug)]
pub struct Link {
    address: String,
    is_up: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Link {
    /// A link to a node that was started.
    ///
    /// # Errors
    /// [`ClusterError::NotRunning`] if it was not; [`ClusterError::Link`].
    pub async fn to(node: &Node) -> Result<Self, ClusterError> {
        Self::shaped(node.name(), &node.address()?, LinkShape::default()).await
    }

    /// A link to the node `name` at a TCP address with its peer id. The default shape is that of loopback, without
    /// further delay.
    ///
    /// # Errors
    /// [`ClusterError::Link`]; [`ClusterError::Wrong`] if it is no such address.
    pub async fn shaped(name: &str, address: &str, shape: LinkShape) -> Result<Self, ClusterError> {
        let (target, peer) = tcp(address).ok_or_else(|| {
            ClusterError::Wrong(format!("{address} is no TCP address with a peer id"))
        })?;
        let failed = |source| ClusterError::Link { node: name.to_owned(), source };
        let listener = TcpListener::bind((LINK_IP, 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let (is_up, watched) = watch::channel(true);
        Ok(Self {
            address: format!("/ip4/{LINK_IP}/tcp/{port}/p2p/{peer}"),
            is_up,
            task: tokio::spawn(forward(listener, target, shape, watched)),
        })
    }

    /// The multiaddress to dial, with the node's peer id.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends every connection through the link; new ones are closed as soon as they come.
    pub fn cut(&self) {
        self.is_up.send_replace(false);
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.is_up.send_replace(true);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(
    listener: TcpListener,
    target: SocketAddr,
    shape: LinkShape,
    is_up: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that was gone before it was taken is no loss.
                let Ok((near, _)) = accepted else { continue };
                if *is_up.borrow() && connections.len() < CONNECTIONS_MAX {
                    connections.spawn(carry(near, target, shape, is_up.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection until an end closes it or the link is cut.
async fn carry(
    mut near: TcpStream,
    target: SocketAddr,
    shape: LinkShape,
    mut is_up: watch::Receiver<bool>,
) {
    let both_ways = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((LINK_IP, 0).into())?;
        let mut far = socket.connect(target).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        if shape == LinkShape::default() {
            copy_bidirectional(&mut near, &mut far).await.map(drop)
        } else {
            shape::carry(near, far, shape).await
        }
    };
    tokio::select! {
        // However it ended: both ends are closed, which is what the nodes should see.
        _ = both_ways => {}
        _ = is_up.wait_for(|is_up| !is_up) => {}
    }
}

/// The socket address and the peer id of `/ip4/<ip>/tcp/<port>/p2p/<peer id>`.
fn tcp(address: &str) -> Option<(SocketAddr, &str)> {
    let mut parts = address.strip_prefix("/ip4/")?.split('/');
    let ip: Ipv4Addr = parts.next()?.parse().ok()?;
    let port = parts.next().filter(|part| *part == "tcp").and(parts.next())?.parse().ok()?;
    let peer = parts.next().filter(|part| *part == "p2p").and(parts.next())?;
    Some(((ip, port).into(), peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_tcp_addresses_with_a_peer_id_only() {
        assert_eq!(
            tcp("/ip4/127.0.0.1/tcp/4177/p2p/12D3Koo"),
            Some((SocketAddr::from(([127, 0, 0, 1], 4177)), "12D3Koo"))
        );
        for other in [
            "/ip4/127.0.0.1/tcp/4177",
            "/ip4/127.0.0.1/udp/4177/quic-v1/p2p/12D3Koo",
            "/ip6/::1/tcp/4177/p2p/12D3Koo",
            "/ip4/127.0.0.1/tcp/70000/p2p/12D3Koo",
        ] {
            assert_eq!(tcp(other), None, "{other}");
        }
    }
}
