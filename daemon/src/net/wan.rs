//! Beyond the LAN: how nodes of a network that is not `lan_only` find and reach each other over the
//! internet. None of it is needed: with everything unreachable it does nothing and says nothing.
//!
//! - **Finding**: Kademlia, `/martlet/NAME/kad/2`. A node is its client, and its server only once an
//!   address of its own is confirmed to be public. Nodes tell which shards they keep (provider
//!   records), so that those behind NAT, which are no servers, are found too.
//! - **Being reached**: AutoNAT v2 tests addresses; without a public one the node has itself reached
//!   through two relays, and connections through them are replaced by direct ones (DCUtR) where
//!   the NATs let that happen.
//! - **Helping others**, by choice: to relay for them, to test their addresses.
//!
//! [`behaviour`](behaviour()) is libp2p's part, [`Wan`] what the swarm's task keeps beside it.

mod found;
mod guard;
mod probes;
mod providers;
mod relays;
mod scope;
mod shards;

use std::collections::HashMap;
use std::num::NonZeroU32;

use crate::limits::{
    LOOKUP_BYTES_MAX, LOOKUP_MAX, PROVIDER_KEPT, PROVIDERS_PER_SHARD_MAX, RELAY_ASKED_MAX,
    RELAY_ASKED_WINDOW, RELAY_CIRCUIT_BYTES_MAX, RELAY_CIRCUIT_MAX, RELAY_CIRCUITS_MAX,
    RELAY_CIRCUITS_PER_PEER_MAX, RELAY_PATIENCE, RELAY_RESERVATIONS_MAX,
    RELAY_RESERVATIONS_PER_PEER_MAX,
};
use libp2p::core::ConnectedPoint;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{ConnectionId, NetworkBehaviour};
use libp2p::{Multiaddr, PeerId, StreamProtocol, autonat, dcutr, kad, relay, upnp};
use martlet_protocol::control::Reachability;
use martlet_protocol::network::NetworkDescriptor;
use tokio::time::Instant;

use super::{NetConfig, NetError};
use found::{Found, Lookups};
use probes::Probes;
use relays::Relays;
use shards::Shards;

pub(super) use guard::Guard;
pub(super) use providers::keep as keep_provider;
pub(super) use scope::{Scope, is_relayed};

/// What a node does for others beyond the LAN, and what it tells of itself. Nothing by default.
#[derive(Debug, Clone, Default)]
pub struct WanOptions {
    /// Whether to relay between nodes that cannot reach each other.
    pub relay_server: bool,
    /// Whether to test for others at which addresses they are reached.
    pub autonat_server: bool,
    /// Whether to ask the router for a port, by UPnP.
    pub upnp: bool,
    /// Addresses at which this node is reached from everywhere, as its operator knows: they need no
    /// test. IP addresses, without `/p2p`.
    pub announce: Vec<Multiaddr>,
}

/// How far others reach this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// `None` in a network that stays on the LAN.
    pub state: Option<Reachability>,
    /// Addresses for the rest of the world: public ones, and those through relays.
    pub addresses: Vec<Multiaddr>,
}

/// A node that keeps a shard, as the network tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The node.
    pub peer: PeerId,
    /// Where to dial it: at most `limits::STRANGER_ADDRESSES_MAX`, without its id.
    pub addresses: Vec<Multiaddr>,
}

/// libp2p's part.
#[derive(NetworkBehaviour)]
pub(super) struct WanBehaviour {
    pub(super) kad: Guard<kad::Behaviour<MemoryStore>>,
    pub(super) autonat_client: Probes,
    pub(super) autonat_server: Toggle<Guard<autonat::v2::server::Behaviour>>,
    relay_client: relay::client::Behaviour,
    pub(super) relay_server: Toggle<relay::Behaviour>,
    dcutr: Guard<dcutr::Behaviour>,
    upnp: Toggle<upnp::tokio::Behaviour>,
}

/// The behaviours, and the transport of relayed connections, still to be secured.
pub(super) fn behaviour(
    config: &NetConfig,
    scope: Scope,
) -> Result<(WanBehaviour, relay::client::Transport), NetError> {
    let local = config.keypair.public().to_peer_id();
    let (transport, relay_client) = relay::client::new(local);
    let guarded = Some(scope);
    let options = &config.wan;
    let autonat_server = options
        .autonat_server
        .then(|| Guard::new(autonat::v2::server::Behaviour::default(), guarded));
    let relay_server = options.relay_server.then(|| relay::Behaviour::new(local, relay_limits()));
    let behaviour = WanBehaviour {
        kad: Guard::new(kademlia(&config.network, local)?, guarded),
        autonat_client: Probes::new(),
        autonat_server: autonat_server.into(),
        relay_client,
        relay_server: relay_server.into(),
        dcutr: Guard::new(dcutr::Behaviour::new(local), guarded),
        upnp: options.upnp.then(upnp::tokio::Behaviour::default).into(),
    };
    Ok((behaviour, transport))
}

/// The name of the network's distributed hash table.
pub(super) fn kademlia_protocol(network: &NetworkDescriptor) -> Result<StreamProtocol, NetError> {
    let name = &network.name;
    StreamProtocol::try_from_owned(format!("/martlet/{name}/kad/2"))
        .map_err(|error| NetError::Name { name: name.clone(), reason: error.to_string() })
}

fn kademlia(
    network: &NetworkDescriptor,
    local: PeerId,
) -> Result<kad::Behaviour<MemoryStore>, NetError> {
    let mut config = kad::Config::new(kademlia_protocol(network)?);
    config
        // What is in the table is told to strangers: only what a node told of itself goes there.
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        // Provider records are looked at before they are kept; others never are.
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_caching(kad::Caching::Disabled)
        .set_record_ttl(None)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_record_ttl(Some(PROVIDER_KEPT))
        // Ours to repeat, see `Shards::take_untold`.
        .set_provider_publication_interval(None)
        // It warns every five minutes while it knows no one; ours are quiet.
        .set_periodic_bootstrap_interval(None)
        .set_query_timeout(LOOKUP_MAX)
        .set_max_packet_size(LOOKUP_BYTES_MAX)
        .disjoint_query_paths(true);
    let store = MemoryStoreConfig {
        max_records: 0,
        max_value_bytes: 0,
        max_providers_per_key: PROVIDERS_PER_SHARD_MAX,
        max_provided_keys: 1 << network.shard_bits,
    };
    let store = MemoryStore::with_config(local, store);
    let mut kademlia = kad::Behaviour::with_config(local, store, config);
    // Left to itself it would be a server at an address through a relay.
    kademlia.set_mode(Some(kad::Mode::Client));
    Ok(kademlia)
}

fn relay_limits() -> relay::Config {
    let config = relay::Config {
        max_reservations: RELAY_RESERVATIONS_MAX,
        max_reservations_per_peer: RELAY_RESERVATIONS_PER_PEER_MAX,
        max_circuits: RELAY_CIRCUITS_MAX,
        max_circuits_per_peer: RELAY_CIRCUITS_PER_PEER_MAX,
        max_circuit_duration: RELAY_CIRCUIT_MAX,
        max_circuit_bytes: RELAY_CIRCUIT_BYTES_MAX,
        reservation_rate_limiters: Vec::new(),
        circuit_src_rate_limiters: Vec::new(),
        ..relay::Config::default()
    };
    let Some(asked) = NonZeroU32::new(RELAY_ASKED_MAX) else { return config };
    config
        .reservation_rate_per_peer(asked, RELAY_ASKED_WINDOW)
        .reservation_rate_per_ip(asked, RELAY_ASKED_WINDOW)
        .circuit_src_per_peer(asked, RELAY_ASKED_WINDOW)
        .circuit_src_per_ip(asked, RELAY_ASKED_WINDOW)
}

/// What the swarm's task keeps of it.
pub(super) struct Wan {
    pub(super) scope: Scope,
    pub(super) kademlia_protocol: StreamProtocol,
    pub(super) shards: Shards,
    pub(super) found: Found,
    pub(super) lookups: Lookups,
    pub(super) relays: Relays,
    pub(super) connections: Connections,
    /// Whether an address of this node's own turned out not to be reached.
    pub(super) test_failed: bool,
    /// Until when relays are not asked for unless a test failed.
    patient_until: Instant,
    listens: bool,
}

/// Connections that are not what they seem.
#[derive(Default)]
pub(super) struct Connections {
    /// Made for a look-up; closed then if there are others enough.
    pub(super) for_lookup: HashMap<ConnectionId, (PeerId, Instant)>,
    /// Made to test a peer's address. libp2p leaves them open (rust-libp2p #6528).
    pub(super) tests: HashMap<ConnectionId, (PeerId, Instant)>,
    /// Perhaps made by a peer to test an address of this node's; else a new connection of its.
    pub(super) maybe_tests: HashMap<ConnectionId, (PeerId, ConnectedPoint, Instant)>,
}

impl Wan {
    /// Nothing is known yet.
    pub(super) fn new(config: &NetConfig, scope: Scope) -> Result<Self, NetError> {
        Ok(Self {
            scope,
            kademlia_protocol: kademlia_protocol(&config.network)?,
            shards: Shards::new(&config.network),
            found: Found::default(),
            lookups: Lookups::new(),
            relays: Relays::default(),
            connections: Connections::default(),
            test_failed: false,
            patient_until: Instant::now() + RELAY_PATIENCE,
            listens: !config.listen.is_empty(),
        })
    }

    /// Whether others reach this node, given its confirmed addresses.
    pub(super) fn reachability<'a>(
        &self,
        mut external: impl Iterator<Item = &'a Multiaddr>,
    ) -> Reachability {
        if external.any(|address| !is_relayed(address)) {
            Reachability::Public
        } else if self.test_failed || !self.listens {
            Reachability::Private
        } else {
            Reachability::Unknown
        }
    }

    /// Whether relays are wanted in that state.
    pub(super) fn wants_relays(&self, state: Reachability) -> bool {
        match state {
            Reachability::Public => false,
            Reachability::Private => true,
            Reachability::Unknown => self.patient_until <= Instant::now(),
        }
    }

    /// When something is due, as far as time tells.
    pub(super) fn next_due(
        &self,
        wanted: usize,
        is_connected: impl Fn(&PeerId) -> bool,
        state: Reachability,
    ) -> Option<Instant> {
        let relays = match state {
            Reachability::Public => None,
            Reachability::Private => self.relays.next_due(),
            Reachability::Unknown => self.relays.next_due().map(|due| due.max(self.patient_until)),
        };
        let times = [
            self.found.next_due(wanted, is_connected),
            self.lookups.next_due(),
            self.connections.next_due(),
            relays,
        ];
        times.into_iter().flatten().min()
    }
}

impl Connections {
    /// A connection is gone. Returns whether it was never counted among the peers'.
    pub(super) fn closed(&mut self, connection: ConnectionId) -> bool {
        self.for_lookup.remove(&connection);
        self.tests.remove(&connection).is_some() | self.maybe_tests.remove(&connection).is_some()
    }

    /// Tests that have lasted long enough.
    pub(super) fn take_ended_tests(&mut self) -> Vec<ConnectionId> {
        let now = Instant::now();
        self.tests.extract_if(|_, (_, until)| *until <= now).map(|(id, _)| id).collect()
    }

    /// Connections that have lasted too long for a test: they are ordinary ones.
    pub(super) fn take_no_tests(&mut self) -> Vec<(ConnectionId, PeerId, ConnectedPoint)> {
        let now = Instant::now();
        self.maybe_tests
            .extract_if(|_, (_, _, until)| *until <= now)
            .map(|(id, (peer, endpoint, _))| (id, peer, endpoint))
            .collect()
    }

    /// Connections whose look-up is over.
    pub(super) fn take_looked_up(&mut self) -> Vec<(ConnectionId, PeerId)> {
        let now = Instant::now();
        self.for_lookup
            .extract_if(|_, (_, until)| *until <= now)
            .map(|(id, (peer, _))| (id, peer))
            .collect()
    }

    fn next_due(&self) -> Option<Instant> {
        let looked_up = self.for_lookup.values().map(|(_, until)| *until);
        let tests = self.tests.values().map(|(_, until)| *until);
        let maybe = self.maybe_tests.values().map(|(_, _, until)| *until);
        looked_up.chain(tests).chain(maybe).min()
    }
}
