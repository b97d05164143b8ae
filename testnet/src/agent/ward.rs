//! The daemon in an agent's care.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use martlet_protocol::control::Status;
use martletctl::client::Client;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::Daemon;
use crate::cluster::{ClusterError, Process, STOP_MAX};

/// Time between two looks whether the daemon has ended: small against an orderly stop.
const END_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A daemon that is started, stopped and killed. Cheap to clone: one daemon.
#[derive(Debug, Clone)]
pub(super) struct Ward(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    args: Vec<OsString>,
    data: PathBuf,
    socket: PathBuf,
    /// Held while it is started or stopped, so that these never mix.
    process: Mutex<Option<Process>>,
    _temporary: Option<TempDir>,
}

/// Why the daemon is not as it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum WardError {
    /// It runs, and doesn't answer or listen yet.
    #[error("the daemon does not answer yet")]
    NotAnswering,
    /// It ended by itself.
    #[error("the daemon ended by itself ({status}); its log says why")]
    Ended {
        /// How.
        status: ExitStatus,
    },
    /// It runs, which it must not for this.
    #[error("the daemon runs; stop it first")]
    On,
    /// It has not ended in time.
    #[error("the daemon did not stop within {} s and was killed", STOP_MAX.as_secs())]
    TooSlow,
    /// It can't be started or signalled.
    #[error("the daemon's process: {0}")]
    Process(#[from] io::Error),
    /// What it kept can't be removed.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Ward {
    /// A daemon that is off. `args` are those of `martletd`, without its data directory and socket.
    pub(super) fn new(data: Option<PathBuf>, args: Vec<OsString>) -> Result<Self, ClusterError> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| ClusterError::File { path, source }
        };
        let program = std::env::current_exe().map_err(file(Path::new("/proc/self/exe")))?;
        let (data, temporary) = match data {
            Some(data) => (data, None),
            None => {
                // Not std::env::temp_dir(): a socket's path has at most 107 bytes.
                let made = tempfile::Builder::new().prefix("martlet-").tempdir_in("/tmp");
                let made = made.map_err(file(Path::new("/tmp")))?;
                (made.path().to_owned(), Some(made))
            }
        };
        fs::create_dir_all(&data).map_err(file(&data))?;
        let socket = data.join("control.sock");
        let process = Mutex::new(None);
        Ok(Self(Arc::new(Inner { program, args, data, socket, process, _temporary: temporary })))
    }

    /// Its control socket, whether or not it runs.
    pub(super) fn socket(&self) -> &Path {
        &self.0.socket
    }

    /// Starts it, unless it runs.
    pub(super) async fn start(&self) -> Result<(), WardError> {
        let mut process = self.0.process.lock().await;
        if let Some(running) = process.as_mut()
            && running.ended()?.is_none()
        {
            return Ok(());
        }
        let own: [OsString; 5] = [
            "daemon".into(),
            "--data-dir".into(),
            self.0.data.clone().into(),
            "--socket".into(),
            self.0.socket.clone().into(),
        ];
        let args = own.iter().chain(&self.0.args);
        *process = Some(Process::spawn_logging_here(&self.0.program, args)?);
        Ok(())
    }

    /// Stops it as a user does, if it runs, and waits for its end.
    pub(super) async fn stop(&self) -> Result<(), WardError> {
        let mut process = self.0.process.lock().await;
        let Some(mut running) = process.take() else { return Ok(()) };
        running.signal(Signal::TERM)?;
        let asked = Instant::now();
        while running.ended()?.is_none() {
            if asked.elapsed() >= STOP_MAX {
                running.kill()?;
                return Err(WardError::TooSlow);
            }
            tokio::time::sleep(END_POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Kills it, if it runs.
    pub(super) async fn crash(&self) -> Result<(), WardError> {
        match self.0.process.lock().await.take() {
            Some(mut running) => running.kill().map(drop).map_err(WardError::Process),
            None => Ok(()),
        }
    }

    /// Removes all that it kept.
    pub(super) async fn erase(&self) -> Result<(), WardError> {
        let process = self.0.process.lock().await;
        if process.is_some() {
            return Err(WardError::On);
        }
        // What is in the directory, not itself: it may be where a volume is mounted.
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WardError::File { path, source }
        };
        for entry in fs::read_dir(&self.0.data).map_err(failed(&self.0.data))? {
            let path = entry.map_err(failed(&self.0.data))?.path();
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(failed(&path))?;
        }
        Ok(())
    }

    /// Whether it is as it was told to be.
    pub(super) async fn look(&self) -> Result<Daemon, WardError> {
        match self.0.process.lock().await.as_mut() {
            None => return Ok(Daemon::Off),
            Some(process) => {
                if let Some(status) = process.ended()? {
                    return Err(WardError::Ended { status });
                }
            }
        }
        match Client::new(self.0.socket.clone()).get::<Status>("/v1/status").await {
            Ok(status) if !status.listen.is_empty() => Ok(Daemon::On),
            Ok(_) | Err(_) => Err(WardError::NotAnswering),
        }
    }
}
