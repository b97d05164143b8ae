//! What can go wrong between client and daemon.

use std::fmt;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use martlet_protocol::control::Problem;
use martlet_protocol::limits::{CONTROL_ANSWER_TIMEOUT, SOCKET_PATH_BYTES_MAX};

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on any of the sockets.
    #[error(
        "the Martlet daemon isn't running: {}. Start it with `martletd`, or `systemctl --user start martletd`; \
         or name its socket with --socket",
        tried.iter().map(Tried::to_string).collect::<Vec<_>>().join(", ")
    )]
    NotRunning {
        /// Where it was looked for.
        tried: Vec<Tried>,
    },
    /// The socket can't be used.
    #[error("cannot connect to {}: {}", socket.display(), reason(socket, source))]
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
    #[error("the daemon's answer is not understood: {0}. `martletctl status` shows its version; this martletctl has {version}", version = env!("CARGO_PKG_VERSION"))]
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

/// A socket on which nobody listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Its path.
    pub socket: PathBuf,
    /// Whether the file is there all the same.
    pub is_stale: bool,
}

impl Tried {
    /// What a failed connect means, if it is that nobody listens.
    pub(super) fn of(socket: &Path, error: &io::Error) -> Option<Self> {
        let is_stale = match error.kind() {
            io::ErrorKind::NotFound => false,
            io::ErrorKind::ConnectionRefused if is_socket(socket) => true,
            _ => return None,
        };
        Some(Self { socket: socket.to_owned(), is_stale })
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found =
            if self.is_stale { "is left over from a daemon that ended" } else { "doesn't exist" };
        write!(f, "{} {found}", self.socket.display())
    }
}

/// Why a socket can't be used, and what to do.
fn reason(socket: &Path, source: &io::Error) -> String {
    let len = socket.as_os_str().len();
    match source.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "{source}. It belongs to another user's daemon; run this as that user, or name your own with --socket"
        ),
        io::ErrorKind::ConnectionRefused if !is_socket(socket) => {
            "it is a file of another kind; name the daemon's socket with --socket".to_owned()
        }
        _ if len > SOCKET_PATH_BYTES_MAX => format!(
            "its path has {len} bytes, and that of a socket has at most {SOCKET_PATH_BYTES_MAX}: have the \
             daemon make it at a shorter one (martletd --socket), and name that with --socket"
        ),
        _ => source.to_string(),
    }
}

fn is_socket(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket())
}
