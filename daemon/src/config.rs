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
//! role = "full"                           # or "edge", or "mailbox"
//! shard_count = 8                         # of a full node: how many shards it keeps for the network
//! shards = [3, 7]                         # and which, if not (only) those of its peer id
//! ```
//!
//! Relative paths in the file are relative to the file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::limits::{
    CONNECTIONS_TARGET, MAILBOX_BYTES_DEFAULT, MAILBOX_PEER_SHARE_DEFAULT,
    PEER_ENVELOPES_PER_MINUTE_DEFAULT, SHARDS_KEPT_DEFAULT,
};
use clap::ValueEnum;
use martlet_protocol::Shard;
use martlet_protocol::control::Role;
use martlet_protocol::limits::CONFIG_BYTES_MAX;
use martlet_protocol::network::{NetworkDescriptor, NetworkError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub mod address;
mod loopback;
pub mod paths;
mod settings;

pub use address::{AddressError, AnnounceAddress, DialAddress, ListenAddress, PORT_DEFAULT};
pub use loopback::{LoopbackAddress, LoopbackError};
pub use settings::{ConnectionsTarget, MailboxBytes, Settings};

use crate::logging::LogFilter;
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
    /// Addresses at which this node is reached from everywhere.
    pub announce: Vec<AnnounceAddress>,
    /// Whether to relay between nodes that cannot reach each other.
    pub relay_server: bool,
    /// Whether to test for others at which addresses they are reached.
    pub autonat_server: bool,
    /// Whether to ask the router for a port by UPnP.
    pub upnp: bool,
    /// Bytes of envelopes the mailbox holds at most.
    pub mailbox_bytes_max: u64,
    /// Bytes of these that any one peer may bring.
    pub mailbox_peer_bytes_max: u64,
    /// Envelopes one peer may bring by gossip in a minute.
    pub peer_envelopes_per_minute: u32,
    /// What is logged.
    pub log: LogFilter,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Where metrics are served beside the control socket.
    pub metrics_listen: Option<LoopbackAddress>,
    /// Whether an identity may be made and used here.
    pub user: bool,
    /// What the user should know about the files.
    pub warnings: Vec<String>,
    /// What the node does for the network.
    pub role: Role,
    /// Shards that a full node keeps whatever its peer id.
    pub shards: Vec<Shard>,
    /// How many shards it keeps by its peer id.
    pub shard_count: u16,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
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
        let path = file.map(Path::to_path_buf).or_else(|| paths::config_file(lookup));
        let from_file = match &path {
            Some(path) => match read_settings(path) {
                Err(error) if file.is_none() && error.is_not_found() => Settings::default(),
                other => other?,
            },
            None => Settings::default(),
        };
        Self::from_settings(given.over(from_file), path.as_deref(), lookup)
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
            announce: Some(self.announce.clone()),
            relay_server: Some(self.relay_server),
            autonat_server: Some(self.autonat_server),
            upnp: Some(self.upnp),
            mailbox_bytes_max: Some(MailboxBytes::from_checked(self.mailbox_bytes_max)),
            mailbox_peer_bytes_max: Some(MailboxBytes::from_checked(self.mailbox_peer_bytes_max)),
            peer_envelopes_per_minute: Some(self.peer_envelopes_per_minute),
            log: Some(self.log.clone()),
            log_format: Some(self.log_format),
            metrics_listen: self.metrics_listen,
            user: Some(self.user),
            role: Some(self.role),
            shard_count: (self.role == Role::Full).then_some(self.shard_count),
            shards: (!self.shards.is_empty())
                .then(|| self.shards.iter().map(|shard| shard.0).collect()),
        })
    }

    fn from_settings(
        settings: Settings,
        config_file: Option<&Path>,
        lookup: paths::Lookup<'_>,
    ) -> Result<Self, ConfigError> {
        settings.check_paths()?;
        let beside = || config_file.map(|file| file.with_file_name(paths::NETWORK_FILE));
        let network_file_next = settings.network.clone().or_else(beside);
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
        let data_dir =
            settings.data_dir.or_else(|| paths::data_dir(lookup)).ok_or(ConfigError::NoDataDir)?;
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
        let shards: Vec<Shard> =
            settings.shards.unwrap_or_default().into_iter().map(Shard).collect();
        // Who names shards means these.
        let default_count = if shards.is_empty() { SHARDS_KEPT_DEFAULT } else { 0 };
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
            announce: settings.announce.unwrap_or_default(),
            relay_server: settings.relay_server.unwrap_or(false),
            autonat_server: settings.autonat_server.unwrap_or(false),
            upnp: settings.upnp.unwrap_or(false),
            log: settings.log.unwrap_or_default(),
            log_format: settings.log_format.unwrap_or_default(),
            metrics_listen: settings.metrics_listen,
            user: settings.user.unwrap_or(role != Role::Mailbox),
            role,
            shards,
            shard_count: settings.shard_count.unwrap_or(default_count),
        })
    }
}

impl ConfigError {
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

fn read_settings(path: &Path) -> Result<Settings, ConfigError> {
    let text = read_bounded("configuration", path)?;
    let mut settings: Settings = toml::from_str(&text).map_err(|error| ConfigError::File {
        path: path.to_path_buf(),
        text: error.to_string().trim_end().to_owned(),
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
    File::open(path)
        .and_then(|file| file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(unreadable)?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        let reason = format!("it is over {CONFIG_BYTES_MAX} bytes");
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::ffi::OsString;

    use super::*;

    fn home(name: &str) -> Option<OsString> {
        (name == "HOME").then(|| OsString::from("/nonexistent/ann"))
    }

    fn load(text: &str, given: Settings) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("martletd.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), given, &home)
    }

    /// The error for a file with this text. Every one names the file.
    fn refused(text: &str) -> String {
        let error = load(text, Settings::default()).unwrap_err().to_string();
        assert!(error.contains("martletd.toml"), "{error}");
        error
    }

    #[test]
    fn defaults_without_a_file() {
        let config = Config::load(None, Settings::default(), &home).unwrap();
        assert_eq!(config.data_dir, PathBuf::from("/nonexistent/ann/.local/share/martlet"));
        assert_eq!(config.socket, config.data_dir.join("control.sock"));
        assert_eq!(config.network.name, "lan");
        assert_eq!(config.mailbox_bytes_max, MAILBOX_BYTES_DEFAULT);
        assert!(config.mdns && config.user);
        assert_eq!(config.listen.len(), 4);
        assert_eq!(config.listen[0].to_string(), "/ip4/0.0.0.0/tcp/4177");
        assert!(matches!(
            Config::load(None, Settings::default(), &|_| None),
            Err(ConfigError::NoDataDir)
        ));
    }

    #[test]
    fn what_is_given_wins_over_the_file() {
        let text = "data_dir = \"/from/file\"\nmdns = false\nmailbox_bytes_max = 2000000\n";
        let given = Settings { data_dir: Some("/from/flag".into()), ..Settings::default() };
        let config = load(text, given).unwrap();
        assert_eq!(config.data_dir, PathBuf::from("/from/flag"));
        assert!(!config.mdns);
        assert_eq!(config.mailbox_bytes_max, 2_000_000);
    }

    #[test]
    fn paths_in_the_file_are_relative_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("martletd.toml");
        std::fs::write(&path, "data_dir = \"data\"\nnetwork = \"net.toml\"\n").unwrap();
        std::fs::write(dir.path().join("net.toml"), "name = \"ship\"\n").unwrap();
        let config = Config::load(Some(&path), Settings::default(), &home).unwrap();
        assert_eq!(config.data_dir, dir.path().join("data"));
        assert_eq!(config.network.name, "ship");
    }

    #[test]
    fn errors_name_file_line_and_key() {
        let unknown_key = refused("mdns = true\nlisten_on = []\n");
        assert!(unknown_key.contains("line 2"), "{unknown_key}");
        assert!(unknown_key.contains("listen_on"), "{unknown_key}");

        let wrong_type = refused("# comment\n\nmdns = \"yes\"\n");
        assert!(wrong_type.contains("line 3"), "{wrong_type}");
        assert!(wrong_type.contains("mdns"), "{wrong_type}");

        let bad_address = refused("static_peers = [\"192.168.1.7:4177\"]\n");
        assert!(bad_address.contains("line 1"), "{bad_address}");
        assert!(bad_address.contains("/ip4/192.168.1.7/tcp/4177"), "{bad_address}");

        let too_small = refused("mailbox_bytes_max = 1024\n");
        assert!(too_small.contains("line 1"), "{too_small}");
        assert!(too_small.contains("1048576"), "{too_small}");

        let not_loopback = refused("metrics_listen = \"0.0.0.0:9464\"\n");
        assert!(not_loopback.contains("line 1"), "{not_loopback}");
        assert!(not_loopback.contains("127.0.0.1:9464"), "{not_loopback}");
        let none = refused("connections_target = 0\n");
        assert!(none.contains("line 1") && none.contains("1 to 256"), "{none}");

        let bad_filter = refused("log = \"martletd=loud\"\n");
        assert!(bad_filter.contains("line 1"), "{bad_filter}");

        let syntax = refused("mdns = true\nlog = info\n");
        assert!(syntax.contains("line 2"), "{syntax}");

        let empty = refused("data_dir = \"\"\n");
        assert!(empty.contains("data_dir is empty"), "{empty}");
    }

    #[test]
    fn a_file_asked_for_must_be_there() {
        let error =
            Config::load(Some(Path::new("/nonexistent/x.toml")), Settings::default(), &home)
                .unwrap_err();
        assert!(error.to_string().contains("/nonexistent/x.toml"), "{error}");

        // A file that is not text names itself as well.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("binary.toml");
        std::fs::write(&path, [0xff, 0xfe, 0]).unwrap();
        let error = Config::load(Some(&path), Settings::default(), &home).unwrap_err();
        assert!(error.to_string().contains("binary.toml"), "{error}");

        std::fs::write(&path, vec![b'#'; 1 + usize::try_from(CONFIG_BYTES_MAX).unwrap()]).unwrap();
        let error = Config::load(Some(&path), Settings::default(), &home).unwrap_err();
        assert!(error.to_string().contains("is over"), "{error}");
    }

    #[test]
    fn a_bad_descriptor_names_its_own_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("net.toml");
        for (text, expected) in [
            ("name = \"Ship!\"", "name"),
            ("name = \"ship\"\nshard_bits = 40", "shard_bits"),
            ("name = \"ship\"\nkey = 1", "line 2"),
            ("name = \"ship\"\nkey = \"martletkey1qqqq\"", "line 2: key = …: not a network key"),
            ("name = \"ship\"\nbootstrap = [\"/ip4/1.2.3.4\"]", "bootstrap"),
        ] {
            std::fs::write(&path, text).unwrap();
            let given = Settings { network: Some(path.clone()), ..Settings::default() };
            let error = Config::load(None, given, &home).unwrap_err().to_string();
            assert!(error.contains("net.toml") && error.contains(expected), "{error}");
        }
    }

    const CLOSED: &str = "name = \"ship\"\nkey = \"martletkey1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0s4dm3u5\"\n";

    #[test]
    fn a_descriptor_beside_the_configuration_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let (path, network) = (dir.path().join("martletd.toml"), dir.path().join("network.toml"));
        std::fs::write(&path, "").unwrap();
        let config = Config::load(Some(&path), Settings::default(), &home).unwrap();
        assert_eq!((config.network.name.as_str(), config.network_file), ("lan", None));
        assert_eq!(config.network_file_next, Some(network.clone()));
        std::fs::write(&network, "name = \"boat\"\n").unwrap();
        let config = Config::load(Some(&path), Settings::default(), &home).unwrap();
        assert_eq!(config.network.name, "boat");
        assert_eq!(config.network_file, Some(network.clone()));
        assert!(config.warnings.is_empty());
        assert_eq!(load(&config.to_toml().unwrap(), Settings::default()).unwrap(), config);
        std::fs::write(&network, "nam = \"boat\"\n").unwrap();
        assert!(Config::load(Some(&path), Settings::default(), &home).is_err());
    }

    #[test]
    fn a_closed_network_has_no_quic_and_its_key_is_for_its_user_alone() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("net.toml");
        std::fs::write(&path, CLOSED).unwrap();
        let given = Settings { network: Some(path.clone()), ..Settings::default() };
        for (mode, warnings) in [(0o644, 1), (0o640, 1), (0o600, 0)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let config = Config::load(None, given.clone(), &home).unwrap();
            assert!(config.network.is_closed());
            assert_eq!(config.listen.len(), 2, "{:?}", config.listen);
            assert_eq!(config.warnings.len(), warnings, "{:?}", config.warnings);
        }
        let quic = "/ip4/10.0.0.1/udp/4177/quic-v1";
        let listen = Some(vec![quic.parse().unwrap()]);
        let peers = Some(vec![quic.parse().unwrap()]);
        for (given, key) in [
            (Settings { listen, ..given.clone() }, "listen"),
            (Settings { static_peers: peers, ..given.clone() }, "static_peers"),
        ] {
            let error = Config::load(None, given, &home).unwrap_err().to_string();
            for word in [key, "closed", "no QUIC", "/tcp/"] {
                assert!(error.contains(word), "{error}");
            }
        }
    }

    #[test]
    fn roles_and_shards_that_do_not_go_together_are_refused() {
        for (text, expected) in [
            ("role = \"mailbox\"\nuser = true", "user"),
            ("role = \"edge\"\nshard_count = 3", "shard_count"),
            ("role = \"mailbox\"\nshards = [0]", "shards"),
            ("shards = [1]", "has 1 shard"),
        ] {
            let error = load(text, Settings::default()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(refused("role = \"relay\"\n").contains("line 1"));
        let mailbox = load("role = \"mailbox\"\n", Settings::default()).unwrap();
        assert!(!mailbox.user);
        let listed = load("shards = [0]\n", Settings::default()).unwrap();
        assert_eq!((listed.shards, listed.shard_count), (vec![Shard(0)], 0));
    }

    #[test]
    fn what_is_printed_is_a_file_that_gives_the_same() {
        let text = "data_dir = \"/d\"\nlisten = [\"/ip4/0.0.0.0/tcp/0\"]\nlog = \"debug,yamux=warn\"\n\
                    static_peers = [\"/ip4/10.0.0.1/udp/1/quic-v1\"]\nlog_format = \"json\"\n\
                    metrics_listen = \"127.0.0.1:0\"\nuser = false\n\
                    connections_target = 3\n";
        for text in [text, "role = \"edge\"\n", ""] {
            let config = load(text, Settings::default()).unwrap();
            let again = load(&config.to_toml().unwrap(), Settings::default()).unwrap();
            // Only where a descriptor would be looked for differs: beside either file.
            let network_file_next = config.network_file_next.clone();
            assert_eq!(Config { network_file_next, ..again }, config);
        }
    }
}
