//! The transport's key: what other nodes know this one by, tied to no identity.
//!
//! `peer.key` in the data directory is libp2p's protobuf encoding of an Ed25519 key pair (68 bytes),
//! mode 0600, made at the first start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::limits::PEER_KEY_BYTES_MAX;
use libp2p::identity::{KeyType, Keypair};
use zeroize::Zeroizing;

/// The key's file in the data directory.
pub const PEER_KEY_FILE: &str = "peer.key";

/// Why there is no transport key.
#[derive(Debug, thiserror::Error)]
pub enum PeerKeyError {
    /// The file is not a key. It was not written to.
    #[error(
        "{path} is damaged ({reason}); it was left as it is. Restore it from a backup, or remove it: this node then gets a new peer id (contacts and messages are not affected)",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file can't be read or written.
    #[error("can't read or write {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads the key, or makes one where there is none. The caller holds the data directory's lock.
///
/// # Errors
/// [`PeerKeyError`].
pub fn load_or_create(data_dir: &Path) -> Result<Keypair, PeerKeyError> {
    let path = data_dir.join(PEER_KEY_FILE);
    match read(&path) {
        Ok(bytes) => decode(&path, &bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(data_dir, &path),
        Err(source) => Err(PeerKeyError::Io { path, source }),
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * PEER_KEY_BYTES_MAX as usize));
    File::open(path)?.take(PEER_KEY_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Keypair, PeerKeyError> {
    let damaged = |reason: String| PeerKeyError::Damaged { path: path.into(), reason };
    if bytes.len() as u64 > PEER_KEY_BYTES_MAX {
        return Err(damaged(format!("over {PEER_KEY_BYTES_MAX} bytes")));
    }
    let keypair =
        Keypair::from_protobuf_encoding(bytes).map_err(|error| damaged(error.to_string()))?;
    match keypair.key_type() {
        KeyType::Ed25519 => Ok(keypair),
        other => Err(damaged(format!("an {other} key where Ed25519 is expected"))),
    }
}

fn create(data_dir: &Path, path: &Path) -> Result<Keypair, PeerKeyError> {
    let keypair = Keypair::generate_ed25519();
    let bytes = keypair
        .to_protobuf_encoding()
        .map(Zeroizing::new)
        .map_err(|error| PeerKeyError::Io { path: path.into(), source: io::Error::other(error) })?;
    write(data_dir, path, &bytes)
        .map_err(|source| PeerKeyError::Io { path: path.into(), source })?;
    Ok(keypair)
}

/// All of the file or none: a crash between leaves at most the temporary one.
fn write(data_dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("key.new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(data_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create(dir.path()).unwrap();
        let path = dir.path().join(PEER_KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let again = load_or_create(dir.path()).unwrap();
        assert_eq!(first.public(), again.public());
    }

    #[test]
    fn damage_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        load_or_create(dir.path()).unwrap();
        let path = dir.path().join(PEER_KEY_FILE);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[10] ^= 1;
        for bytes in [&whole[..40], &[], &flipped, &[0; 5000]] {
            fs::write(&path, bytes).unwrap();
            let error = load_or_create(dir.path()).unwrap_err();
            assert!(matches!(error, PeerKeyError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains("peer.key"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
}
