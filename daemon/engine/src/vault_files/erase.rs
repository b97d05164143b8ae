//! The end of a vault: its keys are overwritten, then its files removed. Once the marker is on disk it is going to end;
//! what a crash leaves of it the next start ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use martlet_store::StoreError;

use super::failed;

/// Says, as long as it is there, that the vault beside it is to end.
const MARKER: &str = "vault.erase";
/// What holds keys, under all names that it has while it is made or changed. Overwritten before anything is removed.
const KEYS: [&str; 5] =
    ["vault.key", "vault.key.new", "vault.key.part", "vault.keys", "vault.redb.keys"];
/// What is sealed under these, and what becomes of it while it is made, copied or written anew.
const SEALED: [&str; 5] = [
    "vault.redb",
    "vault.redb.new",
    "vault.redb.restored",
    "vault.redb.part",
    "vault.redb.new.part",
];
/// The directory of sealed files, whose keys were in the vault.
const BLOBS: &str = "blobs";
/// Bytes overwritten at a time.
const ZEROS: [u8; 4096] = [0; 4096];

/// Notes that the vault of a data directory is going to end.
///
/// # Errors
/// [`StoreError::Failed`]: nothing was changed.
pub(crate) fn begin(data_dir: &Path) -> Result<(), StoreError> {
    let marker = data_dir.join(MARKER);
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&marker);
    let noted = made.and_then(|file| file.sync_all()).and_then(|()| sync(data_dir));
    noted.map_err(|error| failed(&marker, &error))
}

/// Ends the vault, if that was begun; it must be closed. Whether it was.
///
/// # Errors
/// [`StoreError::Failed`]: some of it may be there still; it is to be tried again.
pub(crate) fn finish(data_dir: &Path) -> Result<bool, StoreError> {
    let marker = data_dir.join(MARKER);
    if !super::exists(&marker)? {
        return Ok(false);
    }
    for path in KEYS.map(|name| data_dir.join(name)) {
        overwrite(&path).map_err(|error| failed(&path, &error))?;
    }
    for path in KEYS.iter().chain(&SEALED).map(|name| data_dir.join(name)) {
        super::remove(&path)?;
    }
    remove_files_in(&data_dir.join(BLOBS))?;
    // The marker last, and once all else is gone: without it nobody goes on.
    sync(data_dir).map_err(|error| failed(data_dir, &error))?;
    super::remove(&marker)?;
    sync(data_dir).map_err(|error| failed(data_dir, &error))?;
    Ok(true)
}

/// Files of a data directory that look like copies of a vault's, which someone else made.
pub(crate) fn copies(data_dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(data_dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut copies: Vec<_> = names.filter(|name| name.starts_with("vault")).collect();
    copies.sort();
    copies
}

/// Zeros in the place of what a file holds, on disk.
fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut left = file.metadata()?.len();
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        file.write_all(&ZEROS[..part])?;
        left -= u64::try_from(part).unwrap_or(left);
    }
    file.sync_all()
}

fn sync(data_dir: &Path) -> io::Result<()> {
    File::open(data_dir).and_then(|directory| directory.sync_all())
}

/// The directory itself stays: whoever writes there finds it.
fn remove_files_in(directory: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| failed(directory, &error))?,
    };
    for entry in entries {
        let path = entry.map_err(|error| failed(directory, &error))?.path();
        super::remove(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Whatever a crash left of a vault that was going to end, under all names that parts of it have.
    #[test]
    fn what_was_begun_is_ended_whatever_is_left() {
        for left in 0..=KEYS.len() + SEALED.len() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            for name in KEYS.iter().chain(&SEALED).skip(left) {
                fs::write(path.join(name), [7; 5000]).unwrap();
            }
            fs::write(path.join("mailbox.redb"), b"others'").unwrap();
            fs::write(path.join("vault.redb.bak"), b"the user's").unwrap();
            begin(path).unwrap();
            begin(path).unwrap();
            assert!(finish(path).unwrap());
            assert_eq!(names(path), ["mailbox.redb", "vault.redb.bak"]);
            assert_eq!(copies(path), ["vault.redb.bak"]);
            assert!(!finish(path).unwrap());
        }
    }

    /// Without the marker nothing is touched.
    #[test]
    fn what_was_not_begun_stays() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("vault.key"), b"key").unwrap();
        assert!(!finish(directory.path()).unwrap());
        assert_eq!(names(directory.path()), ["vault.key"]);
    }

    /// A name that another file system keeps leads to zeros.
    #[test]
    fn keys_are_overwritten_and_not_only_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let (key, kept) = (path.join("vault.key"), path.join("kept"));
        fs::write(&key, [7; 5000]).unwrap();
        fs::hard_link(&key, &kept).unwrap();
        begin(path).unwrap();
        finish(path).unwrap();
        assert_eq!(fs::read(&kept).unwrap(), [0; 5000]);
        assert!(!key.exists());
    }
}
