//! The note that a depot has of a blob:
//!
//! ```text
//! note = "MRTKEPT1" ‖ CBOR {0: blob id 32, 1: size u64, 2: until u64, 3: peer id, 4: [commitment 16]} ‖ BLAKE3(all before) 32
//! ```

use std::fs;
use std::io;

use martlet_protocol::file::ask::Commitment;
use martlet_protocol::{BlobId, UnixMillis, codec};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::blobs::{BlobDir, BlobName, FileOf};
use crate::limits::DEPOT_NOTE_BYTES_MAX;

const MAGIC: &[u8; 8] = b"MRTKEPT1";
const HASH_BYTES: usize = 32;

/// What a depot knows of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    pub(super) id: BlobId,
    /// Bytes.
    pub(super) size: u64,
    /// When it ends, by the depot's own clock.
    pub(super) until: UnixMillis,
    /// The peer id of who brought it.
    pub(super) from: ByteBuf,
    /// Whose secrets let it go before.
    pub(super) releases: Vec<Commitment>,
}

impl Note {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&codec::encode(self));
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    /// `None` if it is damaged, or not written to its end.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (said, hash) = bytes.split_last_chunk::<HASH_BYTES>()?;
        if blake3::hash(said) != *hash {
            return None;
        }
        codec::decode(said.strip_prefix(MAGIC)?, DEPOT_NOTE_BYTES_MAX).ok()
    }
}

impl BlobDir {
    /// Writes the note of a blob. It is on disk when this returns.
    pub(super) fn write_note(&self, name: &BlobName, note: &Note) -> io::Result<()> {
        self.write_synced(name, FileOf::NextNote, &note.encode())?;
        self.rename(name, FileOf::NextNote, FileOf::Note)
    }

    /// All notes that can be read.
    pub(super) fn notes(&self) -> io::Result<Vec<(BlobName, Note)>> {
        let mut notes = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let file = entry?.file_name();
            let Some((stem, "note")) = file.to_str().and_then(|file| file.split_once('.')) else {
                continue;
            };
            let Ok(name) = stem.parse::<BlobName>() else { continue };
            let path = self.file(&name, FileOf::Note);
            if fs::metadata(&path)?.len() > DEPOT_NOTE_BYTES_MAX as u64 {
                continue;
            }
            notes.extend(Note::decode(&fs::read(path)?).map(|note| (name, note)));
        }
        Ok(notes)
    }

    /// No crash brings back what was removed.
    pub(super) fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }
}
