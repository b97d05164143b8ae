//! A link to a node that a test can shape, hold and cut: a proxy in this process, of TCP or of UDP.
//!
//! What a link does to what is put on it is the simulator's (`link.rs`). While it is held, nothing
//! gets through and nobody is told: bytes of streams wait, as TCP would send them again, datagrams
//! are dropped, who dials waits. When it is cut, connections end.

mod datagrams;
mod streams;
mod timer;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{ClusterError, Node};
use crate::plan::LinkShape;

/// The link's own end of every connection: not the nodes' address, so that no node takes where a
/// link comes from for where the other listens, and dials past the link.
const LINK_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Connections of one link: one in use, the others about to be closed, or given up by one end while
/// the link was held.
const CONNECTIONS_MAX: usize = 64;

/// A way to one node over TCP or QUIC: whoever dials [`Self::address`] reaches that node while the
/// link is neither held nor cut. Gone, with its connections, when dropped.
#[derive(Debug)]
pub struct Link {
    address: String,
    passage: watch::Sender<Passage>,
    task: JoinHandle<()>,
}

/// Whether what is on a link gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passage {
    Open,
    /// Not now, and nobody is told.
    Held,
    /// No, and who is connected is told.
    Cut,
}

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    transport: Transport,
    address: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Quic,
}

impl Link {
    /// A link over TCP to a node that was started, as fast as loopback.
    ///
    /// # Errors
    /// [`ClusterError::NotRunning`] if it was not; [`ClusterError::Link`].
    pub async fn to(node: &Node) -> Result<Self, ClusterError> {
        Self::shaped(node.name(), &node.address()?, LinkShape::instant()).await
    }

    /// A link to the node `name` at a TCP or QUIC address with its peer id. QUIC's packets are lost where those of TCP
    /// are late, or break the connection ([`crate::plan::LossAs`]).
    ///
    /// # Errors
    /// [`ClusterError::Link`]; [`ClusterError::Wrong`] if it is no such address.
    pub async fn shaped(name: &str, address: &str, shape: LinkShape) -> Result<Self, ClusterError> {
        let (target, peer) = parse(address).ok_or_else(|| {
            ClusterError::Wrong(format!("{address} is no TCP or QUIC address with a peer id"))
        })?;
        let (passage, watched) = watch::channel(Passage::Open);
        let made = Self::serve(target, shape, watched).await;
        let (here, task) =
            made.map_err(|source| ClusterError::Link { node: name.to_owned(), source })?;
        let way = match target.transport {
            Transport::Tcp => format!("tcp/{}", here.port()),
            Transport::Quic => format!("udp/{}/quic-v1", here.port()),
        };
        Ok(Self { address: format!("/ip4/{LINK_IP}/{way}/p2p/{peer}"), passage, task })
    }

    async fn serve(
        target: Target,
        shape: LinkShape,
        passage: watch::Receiver<Passage>,
    ) -> io::Result<(SocketAddr, JoinHandle<()>)> {
        let here = (LINK_IP, 0);
        Ok(match target.transport {
            Transport::Tcp => {
                let listener = TcpListener::bind(here).await?;
                let serving = streams::forward;
                (
                    listener.local_addr()?,
                    tokio::spawn(serving(listener, target.address, shape, passage)),
                )
            }
            Transport::Quic => {
                let socket = UdpSocket::bind(here).await?;
                let serving = datagrams::forward;
                (
                    socket.local_addr()?,
                    tokio::spawn(serving(socket, target.address, shape, passage)),
                )
            }
        })
    }

    /// The multiaddress to dial, with the node's peer id.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends every TCP connection through the link; new ones are closed as soon as they come. Packets
    /// of QUIC are dropped.
    pub fn cut(&self) {
        self.passage.send_replace(Passage::Cut);
    }

    /// Lets nothing through, and tells nobody.
    pub fn hold(&self) {
        self.passage.send_replace(Passage::Held);
    }

    /// Lets everything through again, and what was held back of TCP.
    pub fn mend(&self) {
        self.passage.send_replace(Passage::Open);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What `/ip4/<ip>/tcp/<port>/p2p/<peer id>` or `/ip4/<ip>/udp/<port>/quic-v1/p2p/<peer id>` leads
/// to, and the peer id.
fn parse(address: &str) -> Option<(Target, &str)> {
    let parts: Vec<&str> = address.split('/').collect();
    let (transport, ip, port, peer) = match parts[..] {
        ["", "ip4", ip, "tcp", port, "p2p", peer] => (Transport::Tcp, ip, port, peer),
        ["", "ip4", ip, "udp", port, "quic-v1", "p2p", peer] => (Transport::Quic, ip, port, peer),
        _ => return None,
    };
    let ip: Ipv4Addr = ip.parse().ok()?;
    let port: u16 = port.parse().ok()?;
    Some((Target { transport, address: (ip, port).into() }, peer))
}

#[cfg(test)]
mod tests;
