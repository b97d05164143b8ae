//! Listening: on what was asked for, or on a free port where that is taken.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use libp2p::multiaddr::Protocol;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, Swarm, TransportError};

use super::{NetError, shorten};

/// Listens on each of `addresses`; a port that is taken is replaced by a free one. An address that
/// cannot be listened on (no IPv6 here) is skipped.
///
/// # Errors
/// [`NetError::Listen`] when there were addresses and none could be listened on.
pub(super) fn listen<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    addresses: &[Multiaddr],
) -> Result<(), NetError> {
    let mut listening = 0;
    let mut failed = None;
    let mut told = false;
    for address in addresses {
        let mut address = address.clone();
        let result = match is_taken(&address) {
            false => swarm.listen_on(address.clone()).map_err(reason),
            true => Err(io::Error::from(io::ErrorKind::AddrInUse)),
        };
        let result = match result {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && has_port(&address) => {
                if !told {
                    let taken = shorten::address(&address);
                    tracing::info!(%taken, "the port is taken, listening on a free one");
                    told = true;
                }
                address = with_any_port(&address);
                swarm.listen_on(address.clone()).map_err(reason)
            }
            other => other,
        };
        match result {
            Ok(_) => listening += 1,
            Err(error) => {
                tracing::debug!(address = %shorten::address(&address), %error, "cannot listen");
                failed = Some((address, error));
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

fn has_port(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Tcp(1..) | Protocol::Udp(1..)))
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
        TransportError::Other(error) => match find_io(&error) {
            Some(kind) => io::Error::new(kind, error),
            None => error,
        },
        TransportError::MultiaddrNotSupported(address) => {
            io::Error::other(format!("{address} has no transport known here"))
        }
    }
}

/// The kind of the innermost input/output error: transports wrap it in errors of their own.
fn find_io(error: &io::Error) -> Option<io::ErrorKind> {
    let mut source = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    let mut kind = Some(error.kind());
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            kind = Some(io.kind());
        }
        source = inner.source();
    }
    kind
}
