//! The transports: TCP with Noise and Yamux, and QUIC, both with names looked up where the system
//! can.

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport as _, core, dns, noise, quic, tcp, yamux};
use martlet_protocol::limits::{CONNECT_TIMEOUT, STREAMS_PER_CONNECTION_MAX};

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

fn sockets(keypair: &Keypair) -> Result<Boxed, NetError> {
    let noise =
        noise::Config::new(keypair).map_err(|error| NetError::Key { reason: error.to_string() })?;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(STREAMS_PER_CONNECTION_MAX);
    let mut quic = quic::Config::new(keypair);
    quic.max_concurrent_stream_limit =
        u32::try_from(STREAMS_PER_CONNECTION_MAX / 2).unwrap_or(u32::MAX);
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let quic = quic::tokio::Transport::new(quic)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    Ok(quic.or_transport(tcp).map(|either, _| either.into_inner()).boxed())
}
