//! Dials link-local addresses, which need the interface: `/ip6zone/ZONE/ip6/ADDRESS/tcp/PORT`. A zone is an interface's
//! name, or its number (RFC 4007, section 11.2). libp2p's TCP leaves it out.

use std::future::Pending;
use std::io;
use std::net::SocketAddrV6;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, Transport, tcp};
use tokio::net::TcpStream;

/// The transport: it dials and doesn't listen.
pub(super) struct Zones;

impl Transport for Zones {
    type Output = tcp::tokio::TcpStream;
    type Error = io::Error;
    type ListenerUpgrade = Pending<io::Result<Self::Output>>;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some((zone, address)) = parse(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        Ok(Box::pin(async move {
            let mut address = address;
            address.set_scope_id(index(&zone)?);
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(tcp::tokio::TcpStream(stream))
        }))
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}

/// The zone and the rest, perhaps with a peer id behind it.
fn parse(address: &Multiaddr) -> Option<(String, SocketAddrV6)> {
    let mut parts = address.iter();
    let (Protocol::Ip6zone(zone), Protocol::Ip6(ip), Protocol::Tcp(port)) =
        (parts.next()?, parts.next()?, parts.next()?)
    else {
        return None;
    };
    match parts.next() {
        None | Some(Protocol::P2p(_)) => {
            Some((zone.into_owned(), SocketAddrV6::new(ip, port, 0, 0)))
        }
        Some(_) => None,
    }
}

/// The number of an interface.
fn index(zone: &str) -> io::Result<u32> {
    use rustix::net::{AddressFamily, SocketType, netdevice, socket};
    if let Ok(index) = zone.parse() {
        return Ok(index);
    }
    let any = socket(AddressFamily::INET6, SocketType::DGRAM, None)?;
    netdevice::name_to_index(any, zone)
        .map_err(|_| io::Error::other("there is no such network interface here"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_addresses_with_a_zone_are_dialled_here() {
        let parsed = |text: &str| parse(&text.parse().unwrap());
        let address = SocketAddrV6::new("fe80::7".parse().unwrap(), 4177, 0, 0);
        let with_zone = "/ip6zone/eth0/ip6/fe80::7/tcp/4177";
        assert_eq!(parsed(with_zone), Some(("eth0".into(), address)));
        assert_eq!(parsed("/ip6/fe80::7/tcp/4177"), None);
        assert_eq!(parsed("/ip6zone/eth0/ip6/fe80::7/udp/4177/quic-v1"), None);
    }

    #[test]
    fn a_zone_is_a_name_or_a_number() {
        assert_eq!(index("7").unwrap(), 7);
        assert_eq!(index("lo").unwrap(), 1);
        assert!(index("none-such").is_err());
    }
}
