//! The daemon's life: take the data directory, start the parts, wait for a signal, stop the parts
//! in the opposite order.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use martlet_store::StoreError;
use martlet_store::vault::keyfile::KeyFileError;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, PORT_DEFAULT};
use crate::control::{self, BindError, ControlContext, ControlServer};
use crate::engine::{self, EngineConfig, EngineError, EngineHandle};
use crate::lock::{DataDirLock, LockError};
use crate::net::{self, NetConfig, NetError, NetHandle};
use crate::peer_key::{self, PeerKeyError};

/// Threads for network and control. Two keep a busy reader from delaying the other; more only cost
/// memory, since the engine has a thread of its own.
const WORKER_THREADS: usize = 2;

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
    /// A database or the key file can't be opened.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The network can't be started.
    #[error(transparent)]
    Net(#[from] NetError),
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
            Self::Lock(LockError::AlreadyRunning { .. }) | Self::Bind(BindError::InUse { .. })
        )
    }

    /// Whether a file is damaged.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::PeerKey(PeerKeyError::Damaged { .. })
                | Self::Engine(
                    EngineError::Store(StoreError::Damaged { .. } | StoreError::Record { .. })
                        | EngineError::KeyFile(KeyFileError::Store(StoreError::Damaged { .. }))
                )
        )
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
    let _lock = DataDirLock::acquire(&config.data_dir)?;
    let keypair = peer_key::load_or_create(&config.data_dir)?;
    let socket = control::bind(&config.socket)?;

    let (engine, mailbox) = engine::spawn(EngineConfig {
        data_dir: config.data_dir.clone(),
        network: config.network.clone(),
        mailbox_bytes_max: config.mailbox_bytes_max,
    })?;
    let net = net::spawn(net_config(&config, keypair), mailbox, engine.clone())?;
    engine.attach_net(net.clone()).await;
    let context = ControlContext {
        engine: engine.clone(),
        net: net.clone(),
        network: config.network.name.clone(),
        peer_id: net.peer_id(),
        user: config.user,
    };
    let control = control::serve(socket, context);
    notify(sd_notify::NotifyState::Ready);

    signals.next().await;
    notify(sd_notify::NotifyState::Stopping);
    tokio::select! {
        () = stop(control, &net, &engine) => Ok(()),
        // Whoever asks twice does not want to wait; what was acknowledged is on disk already.
        () = signals.next() => Ok(()),
    }
}

/// Ends the parts in the opposite order of their start.
async fn stop(control: ControlServer, net: &NetHandle, engine: &EngineHandle) {
    control.stop().await;
    net.shutdown().await;
    engine.shutdown().await;
}

fn net_config(config: &Config, keypair: Keypair) -> NetConfig {
    let listen = match &config.listen {
        Some(addresses) => addresses.iter().map(|a| a.as_multiaddr().clone()).collect(),
        None => default_listen(),
    };
    NetConfig {
        network: config.network.clone(),
        keypair,
        listen,
        static_peers: config.static_peers.iter().map(|a| a.as_multiaddr().clone()).collect(),
        mdns: config.mdns,
    }
}

/// TCP and QUIC, IPv4 and IPv6, on all interfaces.
fn default_listen() -> Vec<Multiaddr> {
    let addresses: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    addresses
        .into_iter()
        .flat_map(|address| {
            let address = Multiaddr::from(address);
            [
                address.clone().with(Protocol::Tcp(PORT_DEFAULT)),
                address.with(Protocol::Udp(PORT_DEFAULT)).with(Protocol::QuicV1),
            ]
        })
        .collect()
}

fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "can't tell the service manager");
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
