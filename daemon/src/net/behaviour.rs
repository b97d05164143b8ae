//! What the swarm does: the behaviours and their bounds.

use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Swarm, connection_limits, identify, mdns, ping, request_response, swarm};
use martlet_protocol::limits::{
    CONNECTION_IDLE_MAX, CONNECTIONS_MAX, CONNECTIONS_PENDING_MAX, CONNECTIONS_PER_PEER_MAX,
    MDNS_QUERY_INTERVAL, MDNS_TTL, PING_INTERVAL, PING_TIMEOUT,
};

use super::sync::codec::SyncCodec;
use super::{NetConfig, NetError, gossip, sync, transport};

/// The behaviours. Kademlia, AutoNAT and relays come with networks beyond the LAN.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) gossip: gossip::Gossip,
    pub(super) sync: request_response::Behaviour<SyncCodec>,
    mdns: Toggle<mdns::tokio::Behaviour>,
}

/// What identify tells of the network: peers of others are left alone.
pub(super) fn identify_protocol(network: &str) -> String {
    format!("/martlet/{network}/1")
}

/// The swarm, not yet listening.
pub(super) fn swarm(
    config: &NetConfig,
    transport: transport::Boxed,
    topics: &gossip::Topics,
) -> Result<Swarm<Behaviour>, NetError> {
    let peer_id = config.keypair.public().to_peer_id();
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(CONNECTIONS_PENDING_MAX))
        .with_max_pending_outgoing(Some(CONNECTIONS_PENDING_MAX))
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
    let identify =
        identify::Config::new(identify_protocol(&config.network.name), config.keypair.public())
            .with_agent_version("martletd".into())
            .with_push_listen_addr_updates(true);
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT),
        ),
        gossip: gossip::behaviour(&config.network, topics, &config.kept)?,
        sync: sync::behaviour(&config.network)?,
        mdns: discovery(config.mdns, peer_id).into(),
    };
    let config =
        swarm::Config::with_tokio_executor().with_idle_connection_timeout(CONNECTION_IDLE_MAX);
    Ok(Swarm::new(transport, behaviour, peer_id, config))
}

/// mDNS, if wanted and possible: without multicast the rest still works.
fn discovery(wanted: bool, peer_id: libp2p::PeerId) -> Option<mdns::tokio::Behaviour> {
    if !wanted {
        return None;
    }
    let config =
        mdns::Config { query_interval: MDNS_QUERY_INTERVAL, ttl: MDNS_TTL, enable_ipv6: false };
    mdns::tokio::Behaviour::new(config, peer_id)
        .inspect_err(|error| tracing::info!(%error, "no discovery on the local network"))
        .ok()
}
