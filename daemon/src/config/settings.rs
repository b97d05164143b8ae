//! What one source (the file, or flags and environment) may set: the same keys in each.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::limits::{
    CONNECTIONS_TARGET_MAX, MAILBOX_BYTES_MIN, PEER_ENVELOPES_PER_MINUTE_MAX,
    PEER_ENVELOPES_PER_MINUTE_MIN,
};
use clap::builder::BoolishValueParser;
use martlet_protocol::control::Role;
use martlet_protocol::network::NetworkDescriptor;
use serde::{Deserialize, Deserializer, Serialize};

use super::address::{AnnounceAddress, DialAddress, ListenAddress};
use super::{AutoLock, ConfigError, LogConfig, LoopbackAddress, Notify, paths};
use crate::logging::{LogFilter, LogFormat};

/// The keys of the configuration, each of them optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where databases, keys and the lock file are [default: $XDG_DATA_HOME/martlet, or
    /// ~/.local/share/martlet]
    #[arg(long, env = "MARTLET_DATA_DIR", value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,

    /// The control socket [default: $XDG_RUNTIME_DIR/martlet/control.sock, or control.sock in the
    /// data directory]
    #[arg(long, env = "MARTLET_SOCKET", value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,

    /// Address to listen on; repeat it, or separate several by commas. If a port is taken, the daemon
    /// listens on a free one [default: port 4177, TCP and QUIC, on all IPv4 and IPv6 addresses; in a
    /// closed network only TCP]
    #[arg(long, env = "MARTLET_LISTEN", value_name = "MULTIADDR", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<Vec<ListenAddress>>,

    /// Peer to keep a connection to; repeat it, or separate several by commas
    #[arg(
        long = "static-peer",
        alias = "static-peers",
        env = "MARTLET_STATIC_PEERS",
        value_name = "MULTIADDR",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub static_peers: Option<Vec<DialAddress>>,

    /// Whether to find peers on the local network by mDNS. This tells the local network that this node
    /// is there [default: true]
    #[arg(long, env = "MARTLET_MDNS", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mdns: Option<bool>,

    /// How many connections to aim at, 1 to 256. With fewer than half as many the daemon looks for
    /// peers; at twice as many it refuses those who connect [default: 24]
    #[arg(long, env = "MARTLET_CONNECTIONS_TARGET", value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_target: Option<ConnectionsTarget>,

    /// The file that describes the network, see `martletctl network` [default: network.toml beside the
    /// configuration file if it is there, else the built-in network "lan"]
    #[arg(long, env = "MARTLET_NETWORK", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<PathBuf>,

    /// Address at which everyone can reach this node, if you know one; repeat it, or separate several
    /// by commas. Only in networks that are not lan_only
    #[arg(long, env = "MARTLET_ANNOUNCE", value_name = "MULTIADDR", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announce: Option<Vec<AnnounceAddress>>,

    /// Whether to pass on connections between nodes that cannot reach each other; for public nodes of
    /// networks that are not lan_only [default: false]
    #[arg(long, env = "MARTLET_RELAY_SERVER", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_server: Option<bool>,

    /// Whether to test for other nodes whether everyone can reach them; for public nodes of networks
    /// that are not lan_only [default: false]
    #[arg(long, env = "MARTLET_AUTONAT_SERVER", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autonat_server: Option<bool>,

    /// Whether to ask the router for a port by UPnP; in networks that are not lan_only
    /// [default: false]
    #[arg(long, env = "MARTLET_UPNP", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upnp: Option<bool>,

    /// Bytes of envelopes that the mailbox holds at most, others' and the user's own
    /// [default: 1073741824]
    #[arg(long, env = "MARTLET_MAILBOX_BYTES_MAX", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox_bytes_max: Option<MailboxBytes>,

    /// Bytes of these that any one peer may bring; the user's own count for no peer [default: half of
    /// mailbox_bytes_max]
    #[arg(long, env = "MARTLET_MAILBOX_PEER_BYTES_MAX", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox_peer_bytes_max: Option<MailboxBytes>,
    /// Envelopes that one peer may bring by gossip in a minute, 480 to 250000. What it brings beyond
    /// that is neither kept nor passed on. All nodes of a network should have about the same
    /// [default: 60000]
    #[arg(long, env = "MARTLET_PEER_ENVELOPES_PER_MINUTE", value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(
            i64::from(PEER_ENVELOPES_PER_MINUTE_MIN)..=i64::from(PEER_ENVELOPES_PER_MINUTE_MAX)))]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[serde(deserialize_with = "peer_envelopes_per_minute")]
    pub peer_envelopes_per_minute: Option<u32>,

    /// What to log: a level (off, error, warn, info, debug, trace), or TARGET=LEVEL, several separated
    /// by commas [default: info]
    #[arg(long, env = "MARTLET_LOG", value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogFilter>,

    /// How to log [default: text]
    #[arg(long, env = "MARTLET_LOG_FORMAT", value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,

    /// Loopback address to serve metrics for Prometheus on, beside the control socket; every user of
    /// this machine can read them there [default: none]
    #[arg(long, env = "MARTLET_METRICS_LISTEN", value_name = "IP:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<LoopbackAddress>,

    /// Whether this node may have a user. With false nobody can make an identity here: it only works for
    /// others [default: true, with the role mailbox false]
    #[arg(long, env = "MARTLET_USER", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<bool>,

    /// After how long without a request of the user to lock the vault, such as 15m; looking at the status or following
    /// events is none. A vault without a passphrase stays open [default: off]
    #[arg(long, env = "MARTLET_AUTO_LOCK", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_lock: Option<AutoLock>,

    /// Whether contacts to whom you send a file of more than 24 KiB are told where this node is, so that they can fetch it from here
    /// [default: true in networks that are lan_only, else false]
    #[arg(long, env = "MARTLET_DIRECT_FILES", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_files: Option<bool>,

    /// Whether files that are too large to go through other nodes' mailboxes are brought to depots, which keep them for who is away. A depot
    /// learns that this node sent a file of about that size, and which nodes fetch it [default: as direct_files]
    #[arg(long, env = "MARTLET_DEPOT_FILES", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depot_files: Option<bool>,

    /// Bytes of others' large files that this node keeps for who is away, as a depot; 0 for none [default: 0]
    #[arg(long, env = "MARTLET_DEPOT_BYTES", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depot_bytes: Option<u64>,

    /// A file whose first line is the passphrase, to open the vault with at the start [default: the credential
    /// martlet-passphrase of the service manager, if there is one]
    #[arg(long, env = "MARTLET_PASSPHRASE_FILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,

    /// What a notification of a message says: off, sender, or full (the beginning of the text, too)
    /// [default: off]
    #[arg(long, env = "MARTLET_NOTIFY", value_name = "WHAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,

    /// The program that shows notifications, and its arguments, separated by commas: it gets {"title": …, "body": …} on its
    /// standard input [default: the desktop shows them, by D-Bus]
    #[arg(long, env = "MARTLET_NOTIFY_COMMAND", value_name = "PROGRAM", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_command: Option<Vec<String>>,

    /// What to do for the network. full: keep shards for it, and forward gossip. edge, for laptops on
    /// battery: keep the user's own shard, forward nothing. mailbox: keep all shards, no user
    /// [default: full]
    #[arg(long, env = "MARTLET_ROLE", value_name = "ROLE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,

    /// How many shards a full node keeps for the network, besides its user's. Its peer id says which
    /// [default: 8, or 0 if --shards names some]
    #[arg(long, env = "MARTLET_SHARD_COUNT", value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_count: Option<u16>,

    /// Shards that a full node keeps for the network; separate several by commas
    #[arg(long, env = "MARTLET_SHARDS", value_name = "SHARD", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<Vec<u16>>,
}

/// Connections aimed at, 1 to [`CONNECTIONS_TARGET_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct ConnectionsTarget(usize);

/// A number of connections that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} can't be the number of connections; give 1 to {CONNECTIONS_TARGET_MAX}, such as 24"
)]
pub struct ConnectionsTargetError {
    /// What was given.
    found: String,
}

/// A quota of the mailbox, bytes, at least [`MAILBOX_BYTES_MIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct MailboxBytes(u64);

/// Why a quota is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailboxBytesError {
    /// Not a number.
    #[error("{text:?} is not a number of bytes; write it like 1073741824")]
    NotANumber {
        /// What was given.
        text: String,
    },
    /// Less than can work.
    #[error("{found} bytes are too few; give at least {MAILBOX_BYTES_MIN}")]
    TooFew {
        /// What was given.
        found: u64,
    },
}

impl Settings {
    /// These, and where they say nothing, those of `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(below.data_dir),
            socket: self.socket.or(below.socket),
            listen: self.listen.or(below.listen),
            static_peers: self.static_peers.or(below.static_peers),
            mdns: self.mdns.or(below.mdns),
            connections_target: self.connections_target.or(below.connections_target),
            network: self.network.or(below.network),
            announce: self.announce.or(below.announce),
            relay_server: self.relay_server.or(below.relay_server),
            autonat_server: self.autonat_server.or(below.autonat_server),
            upnp: self.upnp.or(below.upnp),
            mailbox_bytes_max: self.mailbox_bytes_max.or(below.mailbox_bytes_max),
            mailbox_peer_bytes_max: self.mailbox_peer_bytes_max.or(below.mailbox_peer_bytes_max),
            peer_envelopes_per_minute: self
                .peer_envelopes_per_minute
                .or(below.peer_envelopes_per_minute),
            log: self.log.or(below.log),
            log_format: self.log_format.or(below.log_format),
            metrics_listen: self.metrics_listen.or(below.metrics_listen),
            user: self.user.or(below.user),
            auto_lock: self.auto_lock.or(below.auto_lock),
            direct_files: self.direct_files.or(below.direct_files),
            depot_files: self.depot_files.or(below.depot_files),
            depot_bytes: self.depot_bytes.or(below.depot_bytes),
            passphrase_file: self.passphrase_file.or(below.passphrase_file),
            notify: self.notify.or(below.notify),
            notify_command: self.notify_command.or(below.notify_command),
            role: self.role.or(below.role),
            shard_count: self.shard_count.or(below.shard_count),
            shards: self.shards.or(below.shards),
        }
    }

    /// Makes relative paths relative to `directory`.
    pub(super) fn resolve_paths(&mut self, directory: &Path) {
        let paths =
            [&mut self.data_dir, &mut self.socket, &mut self.network, &mut self.passphrase_file];
        for path in paths.into_iter().flatten() {
            *path = directory.join(&path);
        }
    }

    pub(super) fn data_dir_or_default(
        &self,
        lookup: paths::Lookup<'_>,
    ) -> Result<PathBuf, ConfigError> {
        let data_dir = self.data_dir.clone().or_else(|| paths::data_dir(lookup));
        data_dir.ok_or(ConfigError::NoDataDir)
    }

    /// Where the network's descriptor is looked for: where it says, else beside the configuration file.
    pub(super) fn network_file(&self, config_file: Option<&Path>) -> Option<PathBuf> {
        let beside = || config_file.map(|file| file.with_file_name(paths::NETWORK_FILE));
        self.network.clone().or_else(beside)
    }

    pub(super) fn log_config(&self) -> LogConfig {
        LogConfig {
            filter: self.log.clone().unwrap_or_default(),
            format: self.log_format.unwrap_or_default(),
        }
    }

    /// Whether the role goes together with the rest.
    pub(super) fn check_role(
        &self,
        role: Role,
        network: &NetworkDescriptor,
    ) -> Result<(), ConfigError> {
        if role == Role::Mailbox && self.user == Some(true) {
            let text = "role = \"mailbox\" is a node without a user; leave user = true out, or choose the role full";
            return Err(ConfigError::Conflict(text.into()));
        }
        let named =
            [("shards", self.shards.is_some()), ("shard_count", self.shard_count.is_some())];
        if let Some((key, _)) = named.iter().find(|(_, is_given)| *is_given)
            && role != Role::Full
        {
            let role = role.name();
            let text = format!(
                "{key} is for the role full; the role {role} says itself which shards are kept"
            );
            return Err(ConfigError::Conflict(text));
        }
        let count = 1u16 << network.shard_bits;
        match self.shards.iter().flatten().find(|shard| **shard >= count) {
            Some(shard) => Err(ConfigError::Conflict(format!(
                "shards: there is no shard {shard}; the network {:?} has {count} {}, counted from 0",
                network.name,
                if count == 1 { "shard" } else { "shards" },
            ))),
            None => Ok(()),
        }
    }

    pub(super) fn check_paths(&self) -> Result<(), ConfigError> {
        let paths = [
            ("data_dir", &self.data_dir),
            ("socket", &self.socket),
            ("network", &self.network),
            ("passphrase_file", &self.passphrase_file),
        ];
        for (key, path) in paths {
            if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
                return Err(ConfigError::EmptyPath { key });
            }
        }
        Ok(())
    }
}

impl ConnectionsTarget {
    /// The number.
    #[must_use]
    pub fn get(self) -> usize {
        self.0
    }

    /// A number that was checked before.
    pub(super) fn from_checked(target: usize) -> Self {
        Self(target)
    }
}

impl TryFrom<usize> for ConnectionsTarget {
    type Error = ConnectionsTargetError;

    fn try_from(found: usize) -> Result<Self, ConnectionsTargetError> {
        if (1..=CONNECTIONS_TARGET_MAX).contains(&found) {
            Ok(Self(found))
        } else {
            Err(ConnectionsTargetError { found: found.to_string() })
        }
    }
}

impl From<ConnectionsTarget> for usize {
    fn from(target: ConnectionsTarget) -> Self {
        target.0
    }
}

impl FromStr for ConnectionsTarget {
    type Err = ConnectionsTargetError;

    fn from_str(text: &str) -> Result<Self, ConnectionsTargetError> {
        let number: Result<usize, _> = text.parse();
        number.map_err(|_| ConnectionsTargetError { found: text.into() })?.try_into()
    }
}

impl MailboxBytes {
    /// The quota, bytes.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// A quota that was checked before.
    pub(super) fn from_checked(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl TryFrom<u64> for MailboxBytes {
    type Error = MailboxBytesError;

    fn try_from(found: u64) -> Result<Self, MailboxBytesError> {
        if found < MAILBOX_BYTES_MIN {
            return Err(MailboxBytesError::TooFew { found });
        }
        Ok(Self(found))
    }
}

impl From<MailboxBytes> for u64 {
    fn from(quota: MailboxBytes) -> Self {
        quota.0
    }
}

impl FromStr for MailboxBytes {
    type Err = MailboxBytesError;

    fn from_str(text: &str) -> Result<Self, MailboxBytesError> {
        match text.parse::<u64>() {
            Ok(bytes) => Self::try_from(bytes),
            Err(_) => Err(MailboxBytesError::NotANumber { text: text.into() }),
        }
    }
}

/// A peer's share, within its bounds.
fn peer_envelopes_per_minute<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let (min, max) = (PEER_ENVELOPES_PER_MINUTE_MIN, PEER_ENVELOPES_PER_MINUTE_MAX);
    let count = u32::deserialize(from)?;
    if !(min..=max).contains(&count) {
        let reason = format!("{count} envelopes a minute; give {min} to {max}");
        return Err(serde::de::Error::custom(reason));
    }
    Ok(Some(count))
}
