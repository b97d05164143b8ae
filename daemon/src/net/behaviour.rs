//! What the swarm does: the behaviours and their bounds.

use crate::limits::{
    CONNECTION_IDLE_MAX, CONNECTIONS_PENDING_MAX, CONNECTIONS_PER_PEER_MAX, MDNS_QUERY_INTERVAL,
    MDNS_TTL, PING_INTERVAL, PING_TIMEOUT, STEM_HOP_MAX, STEM_STREAMS_MAX,
};
use libp2p::request_response::ProtocolSupport;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{
    StreamProtocol, Swarm, allow_block_list, connection_limits, identify, mdns,
    memory_connection_limits, ping, request_response, swarm,
};
use martlet_protocol::control::Role;
use martlet_protocol::network::Privacy;

use super::counted::counted;
use super::handshakes::Handshakes;
use super::linked::Linked;
use super::meter::Metered;
use super::rates::NodeRates;
use super::reserved::Reserved;
use super::stem::codec::StemCodec;
use super::streams::Streams;
use super::sync::codec::SyncCodec;
use super::wan::{self, Guard, Scope, WanBehaviour};
use super::{NetConfig, NetError, gossip, sync, transport};

/// The behaviours. Those of networks beyond the LAN cost nothing on it.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    /// How many may connect; see `task::connections`.
    pub(super) limits: connection_limits::Behaviour,
    /// Who may not.
    pub(super) blocked: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    handshakes: Handshakes,
    memory: Toggle<memory_connection_limits::Behaviour>,
    pub(super) identify: Guard<Reserved>,
    ping: ping::Behaviour,
    pub(super) gossip: Metered<Linked>,
    pub(super) sync: request_response::Behaviour<SyncCodec>,
    pub(super) stem: Toggle<request_response::Behaviour<StemCodec>>,
    pub(super) blobs: Toggle<Streams>,
    mdns: Toggle<mdns::tokio::Behaviour>,
    pub(super) wan: Toggle<WanBehaviour>,
}

impl Behaviour {
    /// Whether discovery on the local network by IPv4 could be started; see `mdns6` for IPv6.
    pub(super) fn has_mdns(&self) -> bool {
        self.mdns.is_enabled()
    }
}

/// What identify tells of the network: peers of others are left alone.
pub(super) fn identify_protocol(network: &str) -> String {
    format!("/martlet/{network}/2")
}

/// The stem's protocol.
pub(super) fn stem_protocol(network: &str) -> Result<StreamProtocol, NetError> {
    StreamProtocol::try_from_owned(format!("/martlet/{network}/stem/2"))
        .map_err(|error| NetError::Name { name: network.to_owned(), reason: error.to_string() })
}

/// The protocol by which nodes ask each other for blobs.
fn blob_protocol(network: &str) -> Result<StreamProtocol, NetError> {
    StreamProtocol::try_from_owned(format!("/martlet/{network}/blob/1"))
        .map_err(|error| NetError::Name { name: network.to_owned(), reason: error.to_string() })
}

/// The protocol by which a node says that it keeps blobs for others. It asks nothing else than the one above.
pub(super) fn depot_protocol(network: &str) -> Result<StreamProtocol, NetError> {
    StreamProtocol::try_from_owned(format!("/martlet/{network}/depot/1"))
        .map_err(|error| NetError::Name { name: network.to_owned(), reason: error.to_string() })
}

/// Streams for blobs, where somebody takes them.
fn blobs(config: &NetConfig) -> Result<Option<Streams>, NetError> {
    let Some(taken) = config.blobs.clone() else { return Ok(None) };
    let (blob, depot) =
        (blob_protocol(&config.network.name)?, depot_protocol(&config.network.name)?);
    Ok(Some(Streams::new(blob, config.is_depot.then_some(depot), taken)))
}

/// The stem, where the network has one. An edge node passes nothing on.
fn stem(config: &NetConfig) -> Result<Option<request_response::Behaviour<StemCodec>>, NetError> {
    match config.network.privacy() {
        Privacy::Mixed if config.gossip.stem => {}
        Privacy::Fast | Privacy::Mixed => return Ok(None),
    }
    let support = match config.role {
        Role::Full | Role::Mailbox => ProtocolSupport::Full,
        Role::Edge => ProtocolSupport::Outbound,
    };
    Ok(Some(request_response::Behaviour::with_codec(
        StemCodec,
        [(stem_protocol(&config.network.name)?, support)],
        request_response::Config::default()
            .with_request_timeout(STEM_HOP_MAX)
            .with_max_concurrent_streams(STEM_STREAMS_MAX),
    )))
}

/// The swarm, not yet listening. With a `scope` it reaches beyond the LAN.
pub(super) fn swarm(
    config: &NetConfig,
    scope: Option<Scope>,
    transport: transport::Boxed,
    topics: &gossip::Topics,
    rates: &NodeRates,
) -> Result<Swarm<Behaviour>, NetError> {
    let peer_id = config.keypair.public().to_peer_id();
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(CONNECTIONS_PENDING_MAX))
        .with_max_pending_outgoing(Some(CONNECTIONS_PENDING_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
    let identify =
        identify::Config::new(identify_protocol(&config.network.name), config.keypair.public())
            .with_agent_version("martletd".into())
            .with_push_listen_addr_updates(true)
            // It would dial what peers say their addresses are, without a look at them.
            .with_cache_size(0);
    let (wan, transport) = match scope {
        Some(scope) => {
            let (wan, relayed) = wan::behaviour(config, scope)?;
            (Some(wan), transport::with_relayed(transport, relayed, config)?)
        }
        None => (None, transport),
    };
    let transport = counted(transport, &config.metrics.net);
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        blocked: allow_block_list::Behaviour::default(),
        handshakes: Handshakes::default(),
        memory: config
            .memory_bytes_max
            .map(memory_connection_limits::Behaviour::with_max_bytes)
            .into(),
        identify: Guard::new(Reserved::new(identify), scope),
        ping: ping::Behaviour::new(
            ping::Config::new()
                .with_interval(config.pace.apply(PING_INTERVAL))
                .with_timeout(PING_TIMEOUT),
        ),
        gossip: Metered::new(Linked::new(gossip::behaviour(config, topics)?), rates.frames()),
        sync: sync::behaviour(&config.network, &config.metrics)?,
        stem: stem(config)?.into(),
        blobs: blobs(config)?.into(),
        mdns: discovery(config.mdns, peer_id).into(),
        wan: wan.into(),
    };
    let config =
        swarm::Config::with_tokio_executor().with_idle_connection_timeout(CONNECTION_IDLE_MAX);
    Ok(Swarm::new(transport, behaviour, peer_id, config))
}

/// mDNS by IPv4, if wanted and possible: without multicast the rest still works.
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
