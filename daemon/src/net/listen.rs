//! Listening: on what was asked for, or on a free port where that is taken.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use libp2p::multiaddr::Protocol;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, Swarm, TransportError};

use super::{NetError, shorten};

/// Listens on each of `addresses`; a port that is taken is replaced by a free one, unless others are told where
/// to connect (`is_announced`). An address that cannot be listened on (no IPv6 here) is skipped.
///
/// # Errors
/// [`NetError::PortTaken`]; [`NetError::Listen`] when there were addresses and none could be listened on.
pub(super) fn listen<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    addresses: &[Multiaddr],
    is_announced: bool,
) -> Result<(), NetError> {
    let mut listening = 0;
    let mut failed = None;
    let mut taken = BTreeSet::new();
    for address in addresses {
        let port = fixed_port(address);
        // Taken on one address, it is another daemon's on all.
        let is_free = port.is_none_or(|port| !taken.contains(&port)) && !is_taken(address);
        let result = match is_free {
            true => swarm.listen_on(address.clone()).map_err(reason),
            false => Err(io::Error::from(io::ErrorKind::AddrInUse)),
        };
        let result = match (result, port) {
            // Transports hide the kind of their errors: if another port will do, it was the port.
            (Err(error), Some(port)) => {
                let elsewhere = swarm.listen_on(with_any_port(address));
                if is_announced && elsewhere.is_ok() {
                    return Err(NetError::PortTaken { address: address.clone() });
                }
                if elsewhere.is_ok() && taken.insert(port) {
                    let address = shorten::address(address);
                    tracing::info!(%address, "the port is taken, listening on a free one");
                }
                elsewhere.map_err(|_| error)
            }
            (result, _) => result,
        };
        match result {
            Ok(_) => listening += 1,
            Err(error) => {
                tracing::debug!(address = %shorten::address(address), %error, "cannot listen");
                failed = Some((address.clone(), error));
            }
        }
    }
    match failed {
        Some((address, error)) if listening == 0 => {
            Err(NetError::Listen { address, reason: error.to_string() })
        }
        Some((address, error)) => {
            tracing::info!(address = %shorten::address(&address), %error, "not listening here");
            Ok(())
        }
        None => Ok(()),
    }
}

/// Whether someone listens on this TCP port. libp2p sets SO_REUSEPORT, so that the system would
/// let two daemons of one user share a port and each get some of the other's peers.
fn is_taken(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return false,
    };
    match parts.next() {
        // An IPv6 probe would also claim the port on IPv4, which another of our addresses has.
        Some(Protocol::Tcp(port)) if port != 0 && ip.is_ipv4() => {
            TcpListener::bind(SocketAddr::new(ip, port))
                .is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
        }
        _ => false,
    }
}

fn fixed_port(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Tcp(port) | Protocol::Udp(port) if port != 0 => Some(port),
        _ => None,
    })
}

fn with_any_port(address: &Multiaddr) -> Multiaddr {
    address
        .iter()
        .map(|part| match part {
            Protocol::Tcp(_) => Protocol::Tcp(0),
            Protocol::Udp(_) => Protocol::Udp(0),
            other => other,
        })
        .collect()
}

fn reason(error: TransportError<io::Error>) -> io::Error {
    match error {
        TransportError::Other(error) => error,
        TransportError::MultiaddrNotSupported(address) => {
            io::Error::other(format!("{address} has no transport known here"))
        }
    }
}
