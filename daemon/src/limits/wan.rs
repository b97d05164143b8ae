//! Beyond the LAN.

use std::time::Duration;

/// Memory of the whole process, bytes, from which new connections are refused: several times what
/// 48 connections and the sync sessions may take, and little enough for a small machine.
pub const CONNECTIONS_MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Addresses of one peer that are believed from others: a machine has fewer.
pub const STRANGER_ADDRESSES_MAX: usize = 8;
/// Longest such address, bytes: one through a relay takes about 100.
pub const STRANGER_ADDRESS_BYTES_MAX: usize = 192;
/// Different addresses at which peers say they see this node, taken in one
/// [`OBSERVED_ADDRESSES_WINDOW`]: each is kept for good by AutoNAT's client.
pub const OBSERVED_ADDRESSES_MAX: usize = 16;
/// See [`OBSERVED_ADDRESSES_MAX`].
pub const OBSERVED_ADDRESSES_WINDOW: Duration = Duration::from_secs(600);
/// Dials a minute to addresses that peers chose (AutoNAT's server, hole punching): no tool for
/// knocking at others' doors.
pub const PEER_CHOSEN_DIALS_PER_MINUTE_MAX: u32 = 60;
/// How often an address of this node's own that is not yet tested is given to an AutoNAT server.
pub const AUTONAT_PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// Addresses tested in one such interval.
pub const AUTONAT_PROBES_MAX: usize = 4;
/// How long a connection made to test an address may last.
pub const DIAL_BACK_MAX: Duration = Duration::from_secs(10);
/// First wait between two look-ups in the distributed hash table, doubling while nothing new comes.
pub const LOOKUP_INTERVAL_MIN: Duration = Duration::from_secs(4);
/// Longest wait between two look-ups, and the wait when there are connections enough.
pub const LOOKUP_INTERVAL_MAX: Duration = Duration::from_secs(600);
/// How long one look-up may take.
pub const LOOKUP_MAX: Duration = Duration::from_secs(30);
/// How long a connection made for a look-up is kept when there are others enough: for its answers.
pub const LOOKUP_CONNECTION_KEPT: Duration = Duration::from_secs(10);
/// Peers remembered from look-ups.
pub const FOUND_PEERS_MAX: usize = 256;
/// How long a peer from a look-up is remembered when it is not found again.
pub const FOUND_PEER_KEPT: Duration = Duration::from_secs(1800);
/// Largest message of the distributed hash table, bytes: 20 peers with 8 addresses each.
pub const LOOKUP_BYTES_MAX: usize = 32 * 1024;
/// Look-ups for providers that wait for their end.
pub const PROVIDER_LOOKUPS_MAX: usize = 64;
/// Providers kept for one shard: as many as one answer tells. Half of the places are for who came first, the others
/// change: of 200 keepers that tell 20 servers every ten minutes, a look-up finds some 45, and those of an hour all.
pub const PROVIDERS_PER_SHARD_MAX: usize = 20;
/// How often a node tells which shards it keeps.
pub const PROVIDE_INTERVAL: Duration = Duration::from_secs(600);
/// How long that is believed without being told again: two may be lost.
pub const PROVIDER_KEPT: Duration = Duration::from_secs(1800);
/// Relays that a node behind NAT is reached through.
pub const RELAY_RESERVATIONS_WANTED: usize = 2;
/// Connected peers remembered as relays.
pub const RELAYS_KNOWN_MAX: usize = 48;
/// How long a node that does not know yet whether others reach it waits before it asks for relays:
/// AutoNAT tells within seconds where there is a server.
pub const RELAY_PATIENCE: Duration = Duration::from_secs(20);
/// First wait before a relay that refused is asked again.
pub const RELAY_RETRY_MIN: Duration = Duration::from_secs(30);
/// Longest wait before a relay that refused is asked again.
pub const RELAY_RETRY_MAX: Duration = Duration::from_secs(3600);
/// Nodes that a relay keeps places for. (Its own connections bound it first.)
pub const RELAY_RESERVATIONS_MAX: usize = 64;
/// Places of one peer: one, and one that it has lost.
pub const RELAY_RESERVATIONS_PER_PEER_MAX: usize = 2;
/// Connections through a relay at a time.
pub const RELAY_CIRCUITS_MAX: usize = 16;
/// Of these, to or from one peer.
pub const RELAY_CIRCUITS_PER_PEER_MAX: usize = 4;
/// Bytes through one relayed connection, each way: some batches of a sync, which at libp2p's
/// default of 128 KiB would never end.
pub const RELAY_CIRCUIT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// How long one relayed connection lasts: hole punching takes seconds.
pub const RELAY_CIRCUIT_MAX: Duration = Duration::from_secs(600);
/// Places and connections that one peer, and one IP address, may ask a relay for in
/// [`RELAY_ASKED_WINDOW`].
pub const RELAY_ASKED_MAX: u32 = 30;
/// See [`RELAY_ASKED_MAX`].
pub const RELAY_ASKED_WINDOW: Duration = Duration::from_secs(120);
