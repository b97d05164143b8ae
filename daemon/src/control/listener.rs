//! The socket in the file system.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use martlet_protocol::limits::SOCKET_PATH_BYTES_MAX;
use tokio::net::UnixListener;

/// A socket that is listened on. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

/// Why the control socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A daemon answers there, with another data directory.
    #[error(
        "another martletd answers on {path}; stop it first, or give another --socket",
        path = path.display()
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// A file that is no socket: not ours to remove.
    #[error(
        "{path} is in the way and is no socket; remove it, or give another --socket",
        path = path.display()
    )]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// No socket can be made at so long a path.
    #[error(
        "the control socket's path {path} has {len} bytes, and that of a socket has at most \
         {SOCKET_PATH_BYTES_MAX}: give a shorter one with --socket, and to martletctl too",
        path = path.display(),
        len = path.as_os_str().len()
    )]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// The directory or the socket can't be made.
    #[error("can't make the control socket {path}: {source}", path = path.display())]
    Failed {
        /// The directory or the socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Makes the directory (mode 0700) where there is none, and the socket (mode 0600) in place of one
/// that a dead daemon left. Must be called within a tokio runtime.
///
/// # Errors
/// [`BindError`].
pub fn bind(path: &Path) -> Result<ControlSocket, BindError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| BindError::Failed { path, source }
    };
    if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        return Err(BindError::TooLong { path: path.into() });
    }
    if let Some(directory) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed(directory))?;
    }
    remove_stale(path)?;
    let listener = UnixListener::bind(path).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { path: path.into() },
        _ => BindError::Failed { path: path.into(), source },
    })?;
    let socket = ControlSocket { listener, path: path.into() };
    // Whoever connects before this is checked by credentials like everyone else.
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed(path))?;
    Ok(socket)
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |source| BindError::Failed { path: path.into(), source };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(source)),
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.into() });
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(BindError::InUse { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failed(source)),
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket was gone already");
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn modes_are_tight_and_the_file_goes_with_the_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/control.sock");
        let socket = bind(&path).unwrap();
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_dead_daemons_socket_is_replaced_and_a_live_ones_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        // Dropping a std listener leaves its file behind, as a killed daemon does.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _live = bind(&path).unwrap();
        let error = bind(&path).unwrap_err();
        assert!(matches!(error, BindError::InUse { .. }), "{error}");
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn other_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious.txt");
        fs::write(&path, "keep").unwrap();
        let error = bind(&path).unwrap_err();
        assert!(matches!(error, BindError::NotASocket { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "keep");
    }

    #[tokio::test]
    async fn a_path_has_a_longest_and_what_is_longer_is_told_with_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let room = SOCKET_PATH_BYTES_MAX - dir.path().as_os_str().len() - 1;
        let longest = dir.path().join("x".repeat(room));
        drop(bind(&longest).unwrap());
        let error = bind(&dir.path().join("x".repeat(room + 1))).unwrap_err().to_string();
        for part in ["xxx", &SOCKET_PATH_BYTES_MAX.to_string(), "--socket"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
