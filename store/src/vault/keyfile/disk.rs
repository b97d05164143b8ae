//! The key file on disk: written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::KEY_FILE_BYTES;
use crate::database::sync_directory;
use crate::error::StoreError;

/// Where the new bytes of a file are while it is overwritten.
pub(super) fn beside(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What a file has, up to one byte more than a key file; `None` if there is none.
pub(super) fn read_some(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    let mut found = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES + 1));
    let most = u64::try_from(KEY_FILE_BYTES).unwrap_or(u64::MAX) + 1;
    file.take(most).read_to_end(&mut found).map_err(|error| unreadable(path, &error))?;
    Ok(Some(found))
}

/// Writes a file that must not exist, so that a crash leaves all of it or nothing.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Asked for before anything is written; the link below is what excludes another writer.
    if fs::exists(path)? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let part = with_suffix(path, ".part");
    // What a crash left half written.
    remove(&part)?;
    let written = write_beside(&part, bytes).and_then(|()| fs::hard_link(&part, path));
    remove(&part)?;
    written?;
    sync_directory(path)
}

/// Writes a file for the owner alone, where there must be none, and syncs it.
pub(super) fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Overwrites a file with as many bytes as a key file has, and syncs it.
pub(super) fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)?;
    // Of a damaged one, which may have had more.
    file.set_len(u64::try_from(KEY_FILE_BYTES).unwrap_or(u64::MAX))?;
    file.sync_all()
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::failed(format!("{}: {error}", path.display()))
}
