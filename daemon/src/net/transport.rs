//! The transports: TCP with Noise and Yamux, and QUIC, both with names looked up where the system
//! can.
//!
//! In a closed network the Noise handshake has a prologue made of the network's key and name (Noise
//! Protocol Framework, revision 34, section 6): both sides mix it into what the handshake's
//! ciphertexts authenticate, so that who lacks it can't finish one. QUIC's TLS has no such thing,
//! therefore a closed network has TCP only.

use crate::limits::{CONNECT_TIMEOUT, SILENCE_MAX, STREAMS_PER_CONNECTION_MAX};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Transport as _, core, noise, quic, relay, tcp, yamux};
use martlet_protocol::network::NetworkDescriptor;

use super::names::WithNames;
use super::zones::Zones;
use super::{NetConfig, NetError};

/// A transport of any kind: authenticated and multiplexed.
pub type Boxed = core::transport::Boxed<(PeerId, StreamMuxerBox)>;

/// The system's TCP and, in an open network, UDP; names are looked up as the system says at that moment.
///
/// # Errors
/// [`NetError::Key`] when Noise refuses the key.
pub fn system(keypair: &Keypair, network: &NetworkDescriptor) -> Result<Boxed, NetError> {
    let direct = sockets(keypair, network)?;
    let (keypair, network) = (keypair.clone(), network.clone());
    // An error was told above: it is the same key.
    let make = move || sockets(&keypair, &network).ok();
    Ok(TransportTimeout::new(WithNames::new(direct, make), CONNECT_TIMEOUT).boxed())
}

/// `transport`, and beside it connections through relays: secured end to end like those by TCP.
///
/// # Errors
/// [`NetError::Key`] when Noise refuses the key.
pub(super) fn with_relayed(
    transport: Boxed,
    relayed: relay::client::Transport,
    config: &NetConfig,
) -> Result<Boxed, NetError> {
    let relayed = relayed
        .upgrade(Version::V1Lazy)
        .authenticate(noise(&config.keypair, &config.network)?)
        .multiplex(multiplexer())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let relayed = TransportTimeout::new(relayed, CONNECT_TIMEOUT);
    Ok(relayed.or_transport(transport).map(|either, _| either.into_inner()).boxed())
}

/// Noise as the nodes of `network` speak it: for transports beside [`system`]'s.
///
/// # Errors
/// [`NetError::Key`] when Noise refuses the key.
pub fn noise(keypair: &Keypair, network: &NetworkDescriptor) -> Result<noise::Config, NetError> {
    let config =
        noise::Config::new(keypair).map_err(|error| NetError::Key { reason: error.to_string() })?;
    Ok(match network.prologue() {
        Some(prologue) => config.with_prologue(prologue.to_vec()),
        None => config,
    })
}

/// Whether nodes of `network` can be reached at `address`, by its transport.
#[must_use]
pub fn takes(network: &NetworkDescriptor, address: &Multiaddr) -> bool {
    let is_quic = |part| matches!(part, Protocol::Quic | Protocol::QuicV1);
    !(network.is_closed() && address.iter().any(is_quic))
}

/// Yamux with as many streams as are allowed.
fn multiplexer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS_PER_CONNECTION_MAX);
    config
}

/// Ends the connection when what was sent is not confirmed for [`SILENCE_MAX`] (`TCP_USER_TIMEOUT`, tcp(7)). Otherwise
/// the kernel goes on for a quarter of an hour, and tries so rarely in the end that what is sent waits for half a minute
/// after the link is back.
#[cfg(target_os = "linux")]
fn ended_by_silence(stream: tcp::tokio::TcpStream) -> tcp::tokio::TcpStream {
    let milliseconds = u32::try_from(SILENCE_MAX.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream.0, milliseconds) {
        tracing::debug!(%error, "a lost link will be noticed late");
    }
    stream
}

/// Elsewhere pings tell.
#[cfg(not(target_os = "linux"))]
fn ended_by_silence(stream: tcp::tokio::TcpStream) -> tcp::tokio::TcpStream {
    stream
}

fn sockets(keypair: &Keypair, network: &NetworkDescriptor) -> Result<Boxed, NetError> {
    // Zones first: TCP would take their addresses and leave out the zone.
    let tcp = Zones
        .or_transport(tcp::tokio::Transport::new(tcp::Config::default().nodelay(true)))
        .map(|stream, _| ended_by_silence(stream.into_inner()))
        .upgrade(Version::V1Lazy)
        .authenticate(noise(keypair, network)?)
        .multiplex(multiplexer())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    if network.is_closed() {
        return Ok(tcp.boxed());
    }
    let mut quic = quic::Config::new(keypair);
    quic.max_concurrent_stream_limit =
        u32::try_from(STREAMS_PER_CONNECTION_MAX / 2).unwrap_or(u32::MAX);
    let quic = quic::tokio::Transport::new(quic)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    Ok(quic.or_transport(tcp).map(|either, _| either.into_inner()).boxed())
}
