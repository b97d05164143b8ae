//! One process owns a data directory: whoever holds the lock on it, and on `martletd.lock` in it.
//!
//! The locks are the system's (`flock`), so they end with the process however that ends. A file can be removed
//! and made again while its lock is held; a directory that is in use can't. Some network file systems lock no
//! directories: there the file's lock is all. The file holds the owner's process id in decimal, for the message
//! to those who come second; it stays behind.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The lock file's name in the data directory.
pub const LOCK_FILE: &str = "martletd.lock";

/// A data directory that is this process's until this is dropped.
#[derive(Debug)]
pub struct DataDirLock {
    _directory: File,
    _file: File,
}

/// Why a data directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "martletd is already running on {data_dir} ({holder}); stop it first, or give another --data-dir",
        data_dir = data_dir.display(),
        holder = pid.map_or("its process is unknown".to_owned(), |pid| format!("process {pid}"))
    )]
    AlreadyRunning {
        /// The data directory.
        data_dir: PathBuf,
        /// Its owner, if it has written its number already.
        pid: Option<u32>,
    },
    /// The directory or the file can't be made, read or written.
    #[error("can't use the data directory {path}: {source}", path = path.display())]
    Unusable {
        /// The directory or the file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DataDirLock {
    /// Makes the directory (mode 0700) if it isn't there, and takes it.
    ///
    /// # Errors
    /// [`LockError`], at once: it never waits.
    pub fn acquire(data_dir: &Path) -> Result<Self, LockError> {
        let unusable = |path: &Path| {
            let path = path.to_path_buf();
            move |source| LockError::Unusable { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .map_err(unusable(data_dir))?;
        warn_if_open_to_others(data_dir);

        let path = data_dir.join(LOCK_FILE);
        let already_running = || LockError::AlreadyRunning {
            data_dir: data_dir.into(),
            pid: File::open(&path).ok().and_then(read_pid),
        };
        let directory = File::open(data_dir).map_err(unusable(data_dir))?;
        match directory.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(already_running()),
            Err(TryLockError::Error(error)) => {
                tracing::debug!(%error, "the data directory can't be locked, only the file in it");
            }
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(unusable(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(already_running()),
            Err(TryLockError::Error(source)) => return Err(LockError::Unusable { path, source }),
        }
        write_pid(&mut file).map_err(unusable(&path))?;
        Ok(Self { _directory: directory, _file: file })
    }
}

fn warn_if_open_to_others(data_dir: &Path) {
    let Ok(metadata) = fs::metadata(data_dir) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            "the data directory is open to other users (mode {mode:04o}); run `chmod 700` on it"
        );
    }
}

fn read_pid(file: File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("a/b");
        let first = DataDirLock::acquire(&data_dir).unwrap();
        assert_eq!(fs::metadata(&data_dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(
            fs::metadata(data_dir.join(LOCK_FILE)).unwrap().permissions().mode() & 0o777,
            0o600
        );

        let error = DataDirLock::acquire(&data_dir).unwrap_err();
        let expected = format!("process {}", std::process::id());
        assert!(error.to_string().contains(&expected), "{error}");

        drop(first);
        DataDirLock::acquire(&data_dir).unwrap();
    }

    /// Whoever removed the lock file could start a second daemon, which failed at the first database in use.
    #[test]
    fn a_lock_file_that_was_removed_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let _first = DataDirLock::acquire(dir.path()).unwrap();
        let path = dir.path().join(LOCK_FILE);
        fs::remove_file(&path).unwrap();
        let error = DataDirLock::acquire(dir.path()).unwrap_err();
        assert!(matches!(error, LockError::AlreadyRunning { pid: None, .. }), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        let error = DataDirLock::acquire(&path).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}
