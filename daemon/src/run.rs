//! The daemon's life: take the data directory, start the parts, wait for a signal, stop the parts
//! in the opposite order.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::control::{self, BindError};
use crate::lock::{DataDirLock, LockError};
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
        matches!(self, Self::PeerKey(PeerKeyError::Damaged { .. }))
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
    // The engine and the network are started here.
    drop((keypair, socket));
    notify(sd_notify::NotifyState::Ready);
    signals.next().await;
    notify(sd_notify::NotifyState::Stopping);
    Ok(())
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
