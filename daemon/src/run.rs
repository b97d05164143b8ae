//! The daemon's life: take the data directory, start the parts, wait for a signal, stop the parts
//! in the opposite order.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::limits::{
    BLOB_DISK_FREE_MIN, BLOB_ORDERS_MAX, BLOB_STREAMS_WAITING_MAX, CONNECTIONS_MEMORY_BYTES_MAX,
};
use libp2p::identity::Keypair;
use martlet_engine::{CommandError, EngineConfig, EngineError, Storage, TICK};
use martlet_store::StoreError;
use martlet_store::blobs::BlobDir;
use martlet_store::blobs::depot::Depot;
use martlet_store::vault::keyfile::KeyFileError;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::blobs::{Keeper, Keeps, Meter, Policy};
use crate::blocking;
use crate::clock::Clock as _;
use crate::config::{Config, Notify, UserConfig};
use crate::control::{self, BindError, ControlContext, Exposure};
use crate::host::{self, CallError, EngineHandle, passphrase_file};
use crate::lock::{DataDirLock, LockError};
use crate::logging::LogFilter;
use crate::metrics::Metrics;
use crate::net::{
    self, ConnectionPolicy, GossipPolicy, NetConfig, NetError, NetHandle, Pace, WanOptions, shorten,
};
use crate::notify as notifications;
use crate::peer_key::{self, PeerKeyError};
use crate::scrape::{self, MetricsSource};

/// Threads for network and control. Two keep a busy reader from delaying the other; more only cost
/// memory, since the engine has a thread of its own.
const WORKER_THREADS: usize = 2;
/// The directory of files that are blobs, in the data directory.
const BLOBS: &str = "blobs";
/// The directory of what is kept for others, there as well.
const DEPOT: &str = "depot";

/// Why the daemon could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The data directory is taken or unusable.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The transport's key is damaged or unreadable.
    #[error(transparent)]
    PeerKey(#[from] PeerKeyError),
    /// The control socket can't be made.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The databases or the engine's thread can't be had.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The network can't be started.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The metrics' port can't be had.
    #[error(transparent)]
    Metrics(#[from] scrape::BindError),
    /// The engine's thread is gone: a defect.
    #[error("the engine has ended unexpectedly; please report this with the log")]
    EngineEnded,
    /// The runtime or the signal handlers can't be made.
    #[error("can't start: {0}")]
    Runtime(#[from] io::Error),
}

impl DaemonError {
    /// Whether another daemon is in the way.
    #[must_use]
    pub fn is_already_running(&self) -> bool {
        matches!(
            self,
            Self::Lock(LockError::AlreadyRunning { .. })
                | Self::Bind(BindError::InUse { .. })
                | Self::Engine(EngineError::Store(StoreError::InUse { .. }))
        )
    }

    /// Whether a file is damaged, missing or another's.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        let store = match self {
            Self::PeerKey(error) => return matches!(error, PeerKeyError::Damaged { .. }),
            Self::Engine(
                EngineError::Store(store) | EngineError::KeyFile(KeyFileError::Store(store)),
            ) => store,
            Self::Engine(
                EngineError::KeyFile(
                    KeyFileError::WrongPassphrase
                    | KeyFileError::PassphraseRequired
                    | KeyFileError::Changed { .. },
                )
                | EngineError::Thread(_),
            )
            | Self::Lock(_)
            | Self::Bind(_)
            | Self::Net(_)
            | Self::Metrics(_)
            | Self::EngineEnded
            | Self::Runtime(_) => return false,
        };
        store.is_damage()
    }
}

/// Runs the daemon until a signal.
///
/// # Errors
/// [`DaemonError`].
pub fn run_blocking(config: Config) -> Result<(), DaemonError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("martletd")
        .enable_all()
        .build()?
        .block_on(run(config))
}

async fn run(config: Config) -> Result<(), DaemonError> {
    let mut signals = Signals::new()?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let _lock = DataDirLock::acquire(&config.data_dir)?;
    let storage = Storage::Directory(config.data_dir.clone());
    if storage.settle_erasure().map_err(EngineError::from)? {
        tracing::warn!("the account that was being erased when the daemon ended is erased now");
    }
    // Before anything is made: where half of a vault is, all is left alone.
    storage.read_key_file().map_err(EngineError::from)?;
    let keypair = peer_key::load_or_create(&config.data_dir)?;
    // Early: a socket that can't be had costs nothing yet. Who connects now is answered once the
    // rest has started.
    let socket = control::bind(&config.socket)?;
    let metrics_port = match config.metrics_listen {
        Some(address) => Some(scrape::bind(address).await?),
        None => None,
    };
    let metrics_listen = metrics_port.as_ref().map(|(_, address)| *address);
    let parts = Parts::start(&config, keypair).await?;
    let _metrics = metrics_port.map(|(listener, address)| {
        tracing::info!(%address, "metrics are served");
        scrape::serve(listener, parts.metrics.clone())
    });
    // Before the vault is opened: what came until then is told of, too.
    let events = (config.user.notify != Notify::Off).then(|| parts.engine.subscribe());
    let unlock_failure = unlock_at_start(&config.user, &parts.engine).await;
    let server = control::serve(
        socket,
        ControlContext {
            engine: parts.engine.clone(),
            net: parts.net.clone(),
            metrics: parts.metrics.clone(),
            metrics_listen,
            network: config.network.clone(),
            // Absolute: a client has another working directory.
            network_file: config
                .network_file_next
                .as_ref()
                .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            warnings: config.warnings.clone(),
            role: config.role,
            peer_id: parts.net.peer_id(),
            user: config.user.is_allowed,
            auto_lock: config.user.auto_lock.get(),
            unlock_failure,
            data_dir: config.data_dir.clone(),
            blobs: parts.blobs.clone(),
            sends_large: config.user.direct_files || config.user.depot_files,
            direct_files: config.user.direct_files,
            exposure: exposure_of(&config),
        },
    );
    let _notifying = events.map(|events| {
        let (user, engine) = (config.user.clone(), parts.engine.clone());
        tokio::spawn(notifications::run(user, engine, events, server.locks()))
    });
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        network = config.network.name,
        closed = config.network.is_closed(),
        peer_id = %shorten::peer(&parts.net.peer_id()),
        "ready"
    );
    notify(NotifyState::Ready);

    let outcome = tokio::select! {
        () = signals.next() => Ok(()),
        () = parts.engine.ended() => Err(DaemonError::EngineEnded),
    };
    notify(NotifyState::Stopping);
    tracing::info!("stopping");
    tokio::select! {
        () = async { server.stop().await; parts.stop().await } => outcome,
        // Who asks twice does not want to wait; what was acknowledged is on disk already.
        () = signals.next() => outcome,
    }
}

fn exposure_of(config: &Config) -> Exposure {
    let UserConfig { passphrase_file, credential, notify, notify_command, .. } = &config.user;
    let opened_by = match (passphrase_file, credential) {
        (Some(path), _) => Some(format!("the file {}", path.display())),
        (None, Some(_)) => Some("a credential of the service manager".to_owned()),
        (None, None) => None,
    };
    Exposure {
        mdns: config.mdns,
        dialled: config.static_peers.len() + config.network.bootstrap.len(),
        upnp: config.wan.upnp,
        announces: !config.wan.announce.is_empty(),
        relay_server: config.wan.relay_server,
        opened_by,
        notify: *notify,
        has_notify_command: !notify_command.is_empty(),
        is_log_usual: config.log.filter == LogFilter::default(),
    }
}

/// Opens the vault with the passphrase in a file, if one is named. Why not, for the user: the daemon goes on with its
/// vault locked.
async fn unlock_at_start(config: &UserConfig, engine: &EngineHandle) -> Option<String> {
    let (path, is_credential) = match (&config.passphrase_file, &config.credential) {
        (Some(path), _) => (path.clone(), false),
        (None, Some(path)) => (path.clone(), true),
        (None, None) => return None,
    };
    let shown = path.display().to_string();
    let read = blocking::run(move || passphrase_file::read(&path)).await?;
    let reason = match read {
        Ok(file) => {
            // How a credential is kept from others is the service manager's business, by more than modes.
            if file.is_open_to_others && !is_credential {
                tracing::warn!(file = shown, "others may use the passphrase file: chmod 600");
            }
            match engine.unlock(Some(file.passphrase)).await {
                Ok(()) => {
                    tracing::info!("the vault was opened with the passphrase file");
                    return None;
                }
                // It is open since the start, and whoever reads its files needs no file with a passphrase.
                Err(CallError::NoPassphrase) => {
                    tracing::warn!(
                        file = shown,
                        "the vault has no passphrase: the one in the file was not looked at; martletctl passphrase sets one"
                    );
                    return None;
                }
                // Before `init` there is nothing to open.
                Err(CallError::Command(CommandError::NoIdentity)) => return None,
                Err(error) => error.to_string(),
            }
        }
        Err(error) => error.to_string(),
    };
    let told = format!(
        "the vault could not be opened at the start with the passphrase file {shown}: {reason}; mend it, or run: \
         martletctl unlock"
    );
    tracing::error!("{told}");
    Some(told)
}

/// What is kept for others. Where nothing is to be, nothing that was is left.
fn keeps(
    path: &Path,
    bytes_max: u64,
    engine: &EngineHandle,
    metrics: &Arc<Metrics>,
) -> io::Result<Option<Keeps>> {
    if bytes_max == 0 && !path.exists() {
        return Ok(None);
    }
    let clock = engine.clock();
    let directory = BlobDir::open(path.to_owned(), BLOB_DISK_FREE_MIN, free_bytes)?;
    let depot = Depot::open(directory, bytes_max, clock.now())?;
    Ok((bytes_max > 0).then(|| Keeps::new(depot, clock, Arc::clone(metrics))))
}

/// What answers the control socket.
struct Parts {
    engine: EngineHandle,
    net: NetHandle,
    metrics: MetricsSource,
    blobs: Keeper,
}

impl Parts {
    async fn start(config: &Config, keypair: Keypair) -> Result<Self, DaemonError> {
        let metrics = Arc::new(Metrics::new());
        let kept = net::shards::kept(
            config.role,
            &config.keeps.shards,
            config.keeps.shard_count,
            &keypair.public().to_peer_id(),
            config.network.shard_bits,
        );
        let engine_config = EngineConfig {
            kept: kept.clone(),
            storage: Storage::Directory(config.data_dir.clone()),
            network: config.network.clone(),
            mailbox_bytes_max: config.mailbox_bytes_max,
            observer: Arc::clone(&metrics) as _,
            mailbox_peer_bytes_max: config.mailbox_peer_bytes_max,
            fetches_unasked: config.user.direct_files,
            deposits: config.user.depot_files,
            tick: TICK,
        };
        let (streams_taken, streams) = mpsc::channel(BLOB_STREAMS_WAITING_MAX);
        let (engine, mailbox) = host::spawn(engine_config, Arc::clone(&metrics))?;
        // Not before the vault is opened: what is damaged is left alone, and all else with it.
        let directory = BlobDir::open(config.data_dir.join(BLOBS), BLOB_DISK_FREE_MIN, free_bytes)?;
        let depot_bytes = config.keeps.depot_bytes;
        let keeps = keeps(&config.data_dir.join(DEPOT), depot_bytes, &engine, &metrics);
        // The user's own messages go on, whatever became of others' files.
        let keeps = keeps.unwrap_or_else(|error| {
            tracing::error!(%error, "the directory depot/ can't be read: this node is no depot until it can, and was started again");
            None
        });
        let net_config = NetConfig {
            gossip: GossipPolicy::default(),
            network: config.network.clone(),
            keypair,
            listen: config.listen.iter().map(|address| address.as_multiaddr().clone()).collect(),
            static_peers: config
                .static_peers
                .iter()
                .map(|address| address.as_multiaddr().clone())
                .collect(),
            mdns: config.mdns,
            metrics: Arc::clone(&metrics),
            connections: ConnectionPolicy {
                target: config.connections_target,
                ..ConnectionPolicy::default()
            },
            data_dir: Some(config.data_dir.clone()),
            peer_envelopes_per_minute: config.peer_envelopes_per_minute,
            wan: WanOptions {
                relay_server: config.wan.relay_server,
                autonat_server: config.wan.autonat_server,
                upnp: config.wan.upnp,
                announce: config
                    .wan
                    .announce
                    .iter()
                    .map(|address| address.as_multiaddr().clone())
                    .collect(),
            },
            role: config.role,
            kept,
            blobs: Some(streams_taken),
            is_depot: keeps.is_some(),
            pace: Pace::USUAL,
            memory_bytes_max: Some(CONNECTIONS_MEMORY_BYTES_MAX),
        };
        let net = net::spawn(net_config, mailbox, engine.clone(), engine.clock())?;
        engine.attach_net(net.clone()).await;
        let (orders_given, orders) = mpsc::channel(BLOB_ORDERS_MAX);
        let serves = config.user.direct_files;
        let is_lan_only = config.network.lan_only;
        let policy = Policy { serves, is_lan: serves && is_lan_only, is_lan_only };
        let handles = (engine.clone(), net.clone());
        let meter = Meter { metrics: Arc::clone(&metrics), fetched: None };
        let blobs = Keeper::start(directory, handles, (policy, meter), keeps, orders, streams);
        engine.attach_blobs(orders_given).await;
        let metrics = MetricsSource { metrics, engine: engine.clone(), net: net.clone() };
        Ok(Self { engine, net, metrics, blobs })
    }

    /// The network first, so that the engine hears of everything that it was given.
    async fn stop(self) {
        self.blobs.stop();
        self.net.shutdown().await;
        self.engine.shutdown().await;
    }
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "can't tell the service manager");
    }
}

/// What asks the daemon to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// The terminal was closed. `None` where whoever started the daemon had it ignored (`nohup`).
    hangup: Option<Signal>,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            Some(()) = async { self.hangup.as_mut()?.recv().await } => {}
        }
    }
}

/// As Linux tells it: the signals ignored, in hexadecimal, the first in the lowest bit (proc_pid_status(5)). A
/// handler would take their place.
fn is_hangup_ignored() -> bool {
    const HANGUP_BIT: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & HANGUP_BIT != 0)
}

/// Bytes that are free on the disk of a directory, for who is not root.
fn free_bytes(directory: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
