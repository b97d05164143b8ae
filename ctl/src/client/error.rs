//! What can go wrong between client and daemon.

use std::io;
use std::path::{Path, PathBuf};

use martlet_protocol::control::Problem;
use martlet_protocol::limits::CONTROL_ANSWER_TIMEOUT;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error(
        "the Martlet daemon isn't running: {socket} {found}. Start it with `martletd`, or `systemctl --user start martletd`",
        socket = socket.display(),
        found = if *stale { "is left over from a daemon that ended" } else { "doesn't exist" }
    )]
    NotRunning {
        /// The socket's path.
        socket: PathBuf,
        /// Whether the file is there, though nobody listens.
        stale: bool,
    },
    /// The socket can't be used.
    #[error("cannot connect to {}: {source}{}", socket.display(), hint(source))]
    Connect {
        /// The socket's path.
        socket: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The daemon closed the connection before it had answered: whether it did what was asked is
    /// not known.
    #[error(
        "the daemon on {} closed the connection before it had answered; it may have done what was asked, look before you repeat it",
        socket.display()
    )]
    Disconnected {
        /// The socket's path.
        socket: PathBuf,
    },
    /// The daemon refused.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// No answer in time.
    #[error("the daemon gave no answer within {} s", CONTROL_ANSWER_TIMEOUT.as_secs())]
    Timeout,
    /// An answer that isn't the control API's. The versions may differ.
    #[error("the daemon isn't understood: {0}. `martletctl status` tells its version, this is {version}", version = env!("CARGO_PKG_VERSION"))]
    Protocol(String),
    /// An event of a kind not known here, from a newer daemon. The stream goes on after it.
    #[error("event {seq} ({name}) is not understood: {reason}")]
    UnknownEvent {
        /// Its number.
        seq: String,
        /// Its name.
        name: String,
        /// What the decoder found.
        reason: String,
    },
}

impl ClientError {
    /// What a failed connect means.
    pub(super) fn from_connect(socket: &Path, source: io::Error) -> Self {
        let socket = socket.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotRunning { socket, stale: false },
            io::ErrorKind::ConnectionRefused => Self::NotRunning { socket, stale: true },
            _ => Self::Connect { socket, source },
        }
    }
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            ". It belongs to another user's daemon; run this as that user, or name your own with --socket"
        }
        _ => "",
    }
}
