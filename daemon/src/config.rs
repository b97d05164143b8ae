//! The configuration: flags over environment over file over defaults, in one validated struct.
//!
//! ```toml
//! data_dir = "/var/lib/martlet"           # default: $XDG_DATA_HOME/martlet
//! socket = "/run/martlet/control.sock"    # default: $XDG_RUNTIME_DIR/martlet/control.sock
//! listen = ["/ip4/0.0.0.0/tcp/4177"]      # default: port 4177, TCP and QUIC, IPv4 and IPv6
//! static_peers = ["/ip4/192.168.1.7/tcp/4177"]
//! mdns = true
//! network = "network.toml"                # a descriptor; default: network.toml beside this file if it
//!                                         # is there, else the built-in network "lan"
//! connections_target = 24
//! announce = []                           # addresses at which everyone reaches this node
//! relay_server = false
//! autonat_server = false
//! upnp = false
//! mailbox_bytes_max = 1073741824
//! mailbox_peer_bytes_max = 536870912
//! peer_envelopes_per_minute = 60000
//! log = "info"
//! log_format = "text"                     # or "json"
//! metrics_listen = "127.0.0.1:9464"       # default: metrics on the control socket only
//! user = true                             # false: a mailbox for others, no identity of its own
//! auto_lock = "off"                       # or a time without the user, like "15m"
//! direct_files = true                     # default: true where lan_only
//! depot_files = true                      # default: as direct_files
//! depot_bytes = 0                         # 0: this node is no depot
//! passphrase_file = "passphrase"          # default: none, or a credential of the service manager
//! notify = "off"                          # or "sender", or "full"
//! notify_command = ["notify"]             # gets {"title": …, "body": …} on its standard input
//! role = "full"                           # or "edge", or "mailbox"
//! shard_count = 8                         # of a full node: how many shards it keeps for the network
//! shards = [3, 7]                         # and which, if not (only) those of its peer id
//! ```
//!
//! Relative paths in the file are relative to the file.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::limits::{
    CONNECTIONS_TARGET, MAILBOX_BYTES_DEFAULT, MAILBOX_PEER_SHARE_DEFAULT,
    PEER_ENVELOPES_PER_MINUTE_DEFAULT,
};
use martlet_protocol::control::Role;
use martlet_protocol::excerpt;
use martlet_protocol::limits::CONFIG_BYTES_MAX;
use martlet_protocol::network::{NetworkDescriptor, NetworkError};
use zeroize::Zeroizing;

pub mod address;
mod idle;
mod keeps;
mod loopback;
mod notify;
pub mod paths;
mod settings;
mod unused;
mod user;

pub use address::{AddressError, AnnounceAddress, DialAddress, ListenAddress, PORT_DEFAULT};
pub use idle::{AutoLock, AutoLockError};
pub use keeps::KeepsConfig;
pub use loopback::{LoopbackAddress, LoopbackError};
pub use notify::{Notify, NotifyError};
pub use settings::{ConnectionsTarget, MailboxBytes, Settings};
pub use user::UserConfig;

use crate::logging::{LogFilter, LogFormat};
use crate::net::transport;

/// What the daemon runs with: every value checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where databases, keys and the lock file are.
    pub data_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// Addresses to listen on.
    pub listen: Vec<ListenAddress>,
    /// Peers always dialled, and redialled.
    pub static_peers: Vec<DialAddress>,
    /// Whether to find peers by mDNS.
    pub mdns: bool,
    /// Connections aimed at.
    pub connections_target: usize,
    /// The network's descriptor file, where it is not the built-in network.
    pub network_file: Option<PathBuf>,
    /// Where a descriptor is looked for at the next start: the file above, or the one that is not
    /// there yet.
    pub network_file_next: Option<PathBuf>,
    /// The network to be part of.
    pub network: NetworkDescriptor,
    /// What is done where the network reaches beyond the LAN.
    pub wan: WanConfig,
    /// Bytes of envelopes the mailbox holds at most.
    pub mailbox_bytes_max: u64,
    /// Bytes of these that any one peer may bring.
    pub mailbox_peer_bytes_max: u64,
    /// Envelopes one peer may bring by gossip in a minute.
    pub peer_envelopes_per_minute: u32,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Where metrics are served beside the control socket.
    pub metrics_listen: Option<LoopbackAddress>,
    /// The user who may be here.
    pub user: UserConfig,
    /// What the user should know about the files.
    pub warnings: Vec<String>,
    /// What the node does for the network.
    pub role: Role,
    /// What a full node keeps for it.
    pub keeps: KeepsConfig,
}

/// Where a backup is put back, and how it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Where databases, keys and the lock file are.
    pub data_dir: PathBuf,
    /// Where the network's descriptor is read at the next start; it need not be there.
    pub network_file: Option<PathBuf>,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// What is done where the network reaches beyond the LAN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WanConfig {
    /// Addresses at which this node is reached from everywhere.
    pub announce: Vec<AnnounceAddress>,
    /// Whether to relay between nodes that cannot reach each other.
    pub relay_server: bool,
    /// Whether to test for others at which addresses they are reached.
    pub autonat_server: bool,
    /// Whether to ask the router for a port by UPnP.
    pub upnp: bool,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// What.
    pub filter: LogFilter,
    /// How.
    pub format: LogFormat,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("can't read the {what} {path}: {source}", path = path.display())]
    Unreadable {
        /// Which file it was to be.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not TOML, an unknown key, or a value that is refused; the text has line, key and reason.
    #[error("{path}: {text}", path = path.display())]
    File {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong, and where.
        text: String,
    },
    /// A network descriptor that is refused.
    #[error("{path}: {source}", path = path.display())]
    Network {
        /// The descriptor's file.
        path: PathBuf,
        /// Why.
        source: NetworkError,
    },
    /// A bootstrap address of the descriptor that can't be dialled.
    #[error("{path}: bootstrap: {source}", path = path.display())]
    Bootstrap {
        /// The descriptor's file.
        path: PathBuf,
        /// Why.
        source: AddressError,
    },
    /// A QUIC address, which a closed network has no use for.
    #[error(
        "{key} = {address}: the network {network} is closed, and a closed network has no QUIC; write it like /ip4/192.168.1.7/tcp/4177"
    )]
    QuicInClosedNetwork {
        /// The key.
        key: &'static str,
        /// The address.
        address: String,
        /// The network's name.
        network: String,
    },
    /// No data directory was named, and there is no home to have one in.
    #[error(
        "no data directory: neither HOME nor XDG_DATA_HOME is set; give --data-dir DIR or set MARTLET_DATA_DIR"
    )]
    NoDataDir,
    /// An empty path.
    #[error("{key} is empty; give a path, or leave it out for the default")]
    EmptyPath {
        /// The key.
        key: &'static str,
    },
    /// Keys that don't go together.
    #[error("{0}")]
    Conflict(String),
}

impl Config {
    /// Reads the file and puts `given` (flags and environment) over it.
    ///
    /// `file` was asked for, so it must be there; the default one need not.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(
        file: Option<&Path>,
        given: Settings,
        lookup: paths::Lookup<'_>,
    ) -> Result<Self, ConfigError> {
        let (settings, path) = read_over(file, given, lookup)?;
        Self::from_settings(settings, path.as_deref(), lookup)
    }

    /// The same of places alone. The network's descriptor is not read: on a new machine it is still to come.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn places(
        file: Option<&Path>,
        given: Settings,
        lookup: paths::Lookup<'_>,
    ) -> Result<Places, ConfigError> {
        let (settings, path) = read_over(file, given, lookup)?;
        settings.check_paths()?;
        let network_file = settings.network_file(path.as_deref());
        Ok(Places {
            data_dir: settings.data_dir_or_default(lookup)?,
            network_file,
            log: settings.log_config(),
        })
    }

    /// The configuration as a file that gives the same one.
    ///
    /// # Errors
    /// A path that is not UTF-8, which TOML can't have.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(&Settings {
            data_dir: Some(self.data_dir.clone()),
            socket: Some(self.socket.clone()),
            listen: Some(self.listen.clone()),
            static_peers: Some(self.static_peers.clone()),
            mdns: Some(self.mdns),
            connections_target: Some(ConnectionsTarget::from_checked(self.connections_target)),
            network: self.network_file.clone(),
            announce: Some(self.wan.announce.clone()),
            relay_server: Some(self.wan.relay_server),
            autonat_server: Some(self.wan.autonat_server),
            upnp: Some(self.wan.upnp),
            mailbox_bytes_max: Some(MailboxBytes::from_checked(self.mailbox_bytes_max)),
            mailbox_peer_bytes_max: Some(MailboxBytes::from_checked(self.mailbox_peer_bytes_max)),
            peer_envelopes_per_minute: Some(self.peer_envelopes_per_minute),
            log: Some(self.log.filter.clone()),
            log_format: Some(self.log.format),
            metrics_listen: self.metrics_listen,
            user: Some(self.user.is_allowed),
            auto_lock: Some(self.user.auto_lock),
            direct_files: Some(self.user.direct_files),
            depot_files: Some(self.user.depot_files),
            depot_bytes: Some(self.keeps.depot_bytes),
            passphrase_file: self.user.passphrase_file.clone(),
            notify: Some(self.user.notify),
            notify_command: (!self.user.notify_command.is_empty())
                .then(|| self.user.notify_command.clone()),
            role: Some(self.role),
            shard_count: (self.role == Role::Full).then_some(self.keeps.shard_count),
            shards: (!self.keeps.shards.is_empty())
                .then(|| self.keeps.shards.iter().map(|shard| shard.0).collect()),
        })
    }

    fn from_settings(
        settings: Settings,
        config_file: Option<&Path>,
        lookup: paths::Lookup<'_>,
    ) -> Result<Self, ConfigError> {
        settings.check_paths()?;
        let network_file_next = settings.network_file(config_file);
        let (network_file, network) = match &network_file_next {
            Some(path) => match read_network(path) {
                Err(error) if settings.network.is_none() && error.is_not_found() => {
                    (None, NetworkDescriptor::default())
                }
                other => (Some(path.clone()), other?),
            },
            None => (None, NetworkDescriptor::default()),
        };
        let role = settings.role.unwrap_or_default();
        settings.check_role(role, &network)?;
        let user = UserConfig::of(&settings, (role, network.lan_only), lookup)?;
        let keeps = KeepsConfig::of(&settings);
        let unused = settings.unused(&network);
        let (data_dir, log) = (settings.data_dir_or_default(lookup)?, settings.log_config());
        let socket = settings.socket.unwrap_or_else(|| paths::socket(lookup, &data_dir));
        let listen = settings.listen.unwrap_or_else(|| ListenAddress::defaults(&network));
        let static_peers = settings.static_peers.unwrap_or_default();
        let listens = listen.iter().map(|address| ("listen", address.as_multiaddr()));
        let dials = static_peers.iter().map(|address| ("static_peers", address.as_multiaddr()));
        for (key, address) in listens.chain(dials) {
            if !transport::takes(&network, address) {
                return Err(ConfigError::QuicInClosedNetwork {
                    key,
                    address: address.to_string(),
                    network: network.name,
                });
            }
        }
        let mailbox_bytes_max =
            settings.mailbox_bytes_max.map_or(MAILBOX_BYTES_DEFAULT, MailboxBytes::get);
        Ok(Self {
            data_dir,
            socket,
            listen,
            static_peers,
            mdns: settings.mdns.unwrap_or(true),
            warnings: network_file
                .as_deref()
                .filter(|_| network.is_closed())
                .and_then(warn_if_others_can_read)
                .into_iter()
                .chain(unused)
                .collect(),
            network_file,
            network_file_next,
            connections_target: settings
                .connections_target
                .map_or(CONNECTIONS_TARGET, ConnectionsTarget::get),
            network,
            mailbox_bytes_max,
            mailbox_peer_bytes_max: settings
                .mailbox_peer_bytes_max
                .map_or(mailbox_bytes_max / MAILBOX_PEER_SHARE_DEFAULT, MailboxBytes::get),
            peer_envelopes_per_minute: settings
                .peer_envelopes_per_minute
                .unwrap_or(PEER_ENVELOPES_PER_MINUTE_DEFAULT),
            wan: WanConfig {
                announce: settings.announce.unwrap_or_default(),
                relay_server: settings.relay_server.unwrap_or(false),
                autonat_server: settings.autonat_server.unwrap_or(false),
                upnp: settings.upnp.unwrap_or(false),
            },
            log,
            metrics_listen: settings.metrics_listen,
            user,
            role,
            keeps,
        })
    }
}

impl ConfigError {
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// What was given over what the file says, and which file that is: the one that was asked for, which must be there, or
/// the default one.
fn read_over(
    file: Option<&Path>,
    given: Settings,
    lookup: paths::Lookup<'_>,
) -> Result<(Settings, Option<PathBuf>), ConfigError> {
    let path = file.map(Path::to_path_buf).or_else(|| paths::config_file(lookup));
    let from_file = match &path {
        Some(path) => match read_settings(path) {
            Err(error) if file.is_none() && error.is_not_found() => Settings::default(),
            other => other?,
        },
        None => Settings::default(),
    };
    Ok((given.over(from_file), path))
}

fn read_settings(path: &Path) -> Result<Settings, ConfigError> {
    let text = read_bounded("configuration", path)?;
    let mut settings: Settings = toml::from_str(&text).map_err(|error| ConfigError::File {
        path: path.to_path_buf(),
        // Not the line: a mistaken path leads to a file of another kind, a network's or a passphrase's.
        text: excerpt::toml(&text, &error),
    })?;
    settings
        .check_paths()
        .map_err(|error| ConfigError::File { path: path.into(), text: error.to_string() })?;
    if let Some(directory) = path.parent() {
        settings.resolve_paths(directory);
    }
    Ok(settings)
}

fn read_network(path: &Path) -> Result<NetworkDescriptor, ConfigError> {
    let text = read_bounded("network descriptor", path)?;
    let network = NetworkDescriptor::from_toml(&text)
        .map_err(|source| ConfigError::Network { path: path.into(), source })?;
    for address in &network.bootstrap {
        address
            .parse::<DialAddress>()
            .map_err(|source| ConfigError::Bootstrap { path: path.into(), source })?;
    }
    Ok(network)
}

/// The key of a closed network is a secret: what to do if its file is open to others.
fn warn_if_others_can_read(path: &Path) -> Option<String> {
    // The file has just been read.
    let mode = path.metadata().ok()?.mode();
    (mode & 0o077 != 0).then(|| {
        let path = path.display();
        format!("the network's key can be read by other users of this machine: chmod 600 {path}")
    })
}

fn read_bounded(what: &'static str, path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { what, path: path.into(), source };
    let mut text = Zeroizing::new(String::new());
    martlet_input::open(path)
        .and_then(|file| file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(unreadable)?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        let reason = format!("it is over {CONFIG_BYTES_MAX} bytes");
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
