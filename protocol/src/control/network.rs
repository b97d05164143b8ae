//! The network this node is part of.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Transport;
use crate::network::{NetworkDescriptor, Privacy};

/// `GET /v1/network`: the network without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Network {
    /// Its name.
    #[schema(max_length = 32)]
    pub name: String,
    /// Whether it has a key, without which no connection comes about.
    pub closed: bool,
    /// What the key is recognized by: 16 hexadecimal digits; absent if the network is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16)]
    pub key_fingerprint: Option<String>,
    /// The network has `2^shard_bits` shards.
    pub shard_bits: u8,
    /// Work that every envelope's stamp must show, bits.
    pub stamp_bits: u8,
    /// Whether to stay on the local network.
    pub lan_only: bool,
    /// How the user's own leaves a node; absent in answers of older daemons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Privacy>,
    /// Largest file that goes through mailboxes, bytes; 0 if none does. Absent in answers of older daemons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox_file_bytes: Option<u64>,
    /// Multiaddresses dialled at start.
    pub bootstrap: Vec<String>,
    /// What connections may run on.
    #[serde(default)]
    pub transports: Vec<Transport>,
    /// The file that the descriptor is read from when the daemon starts; absent where there is
    /// nowhere to look for one. It need not be there yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What the file has for the next start, where that is another network: it waits for a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingNetwork>,
}

/// A network that the daemon takes part in once it is restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingNetwork {
    /// Its name.
    #[schema(max_length = 32)]
    pub name: String,
    /// Whether it has a key.
    pub closed: bool,
    /// What the key is recognized by; absent if the network is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16)]
    pub key_fingerprint: Option<String>,
}

/// `POST /v1/network/export`: the network with its key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkExport {
    /// The descriptor, TOML. It contains the key of a closed network.
    pub descriptor: String,
}

impl Network {
    /// What a descriptor says, but for its key; without `file`.
    #[must_use]
    pub fn of(descriptor: &NetworkDescriptor) -> Self {
        let key = descriptor.key.as_ref();
        Self {
            name: descriptor.name.clone(),
            closed: descriptor.is_closed(),
            key_fingerprint: key.map(|key| key.fingerprint().to_string()),
            shard_bits: descriptor.shard_bits,
            stamp_bits: descriptor.stamp_bits,
            lan_only: descriptor.lan_only,
            privacy: Some(descriptor.privacy()),
            mailbox_file_bytes: Some(descriptor.mailbox_file_bytes()),
            bootstrap: descriptor.bootstrap.clone(),
            transports: match descriptor.is_closed() {
                // A Noise handshake can be bound to the key, QUIC's TLS can't.
                true => vec![Transport::Tcp],
                false => vec![Transport::Tcp, Transport::Quic],
            },
            file: None,
            pending: None,
        }
    }
}

impl PendingNetwork {
    /// What a descriptor says.
    #[must_use]
    pub fn of(descriptor: &NetworkDescriptor) -> Self {
        let Network { name, closed, key_fingerprint, .. } = Network::of(descriptor);
        Self { name, closed, key_fingerprint }
    }
}

impl fmt::Debug for NetworkExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkExport(…)")
    }
}
