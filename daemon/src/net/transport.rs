//! The transports: TCP with Noise and Yamux, and QUIC, both with names looked up where the system
//! can.

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport as _, core, dns, noise, quic, relay, tcp, yamux};
use martlet_protocol::limits::CONNECT_TIMEOUT;

use super::NetError;

/// A transport of any kind: authenticated and multiplexed.
pub type Boxed = core::transport::Boxed<(PeerId, StreamMuxerBox)>;

/// The system's TCP and UDP. Without a readable resolver configuration `/dns` addresses cannot be
/// dialled; everything else works.
///
/// # Errors
/// [`NetError::Key`] when Noise refuses the key.
pub fn system(keypair: &Keypair) -> Result<Boxed, NetError> {
    match dns::tokio::Transport::system(sockets(keypair)?) {
        Ok(with_names) => Ok(TransportTimeout::new(with_names, CONNECT_TIMEOUT).boxed()),
        Err(error) => {
            tracing::debug!(%error, "no resolver: names cannot be dialled, addresses can");
            Ok(TransportTimeout::new(sockets(keypair)?, CONNECT_TIMEOUT).boxed())
        }
    }
}

/// `transport`, and beside it connections through relays: secured end to end like those by TCP.
///
/// # Errors
/// [`NetError::Key`] when Noise refuses the key.
pub(super) fn with_relayed(
    transport: Boxed,
    relayed: relay::client::Transport,
    keypair: &Keypair,
) -> Result<Boxed, NetError> {
    let noise =
        noise::Config::new(keypair).map_err(|error| NetError::Key { reason: error.to_string() })?;
    let relayed = relayed
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let relayed = TransportTimeout::new(relayed, CONNECT_TIMEOUT);
    Ok(relayed.or_transport(transport).map(|either, _| either.into_inner()).boxed())
}

fn sockets(keypair: &Keypair) -> Result<Boxed, NetError> {
    let noise =
        noise::Config::new(keypair).map_err(|error| NetError::Key { reason: error.to_string() })?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let quic = quic::tokio::Transport::new(quic::Config::new(keypair))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    Ok(quic.or_transport(tcp).map(|either, _| either.into_inner()).boxed())
}
