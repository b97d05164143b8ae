//! Kind 12, in conversations: a file.
//!
//! Payload: `{0: name text, 1: media type text, 2: size u64, 3: file key 32 or null, 4: blob id 32 or null, 5: bytes or
//! null, 6: parts u16 or null, 7: thumbnail bytes or null, 8: duration ms u32 or null, 9: holders, 10: text}`. Further
//! fields are ignored. A holder is `{0: peer id bytes, 1: [address bytes]}`, multiaddresses in binary; at most four with four
//! each.
//!
//! A file of up to [`FILE_INLINE_BYTES_MAX`] bytes is in field 5, and fields 3, 4, 6, 7 and 9 are null or empty. A larger one
//! has fields 3 and 4, and field 6 if it goes in [parts](crate::file::part) too. The message's id is the file's.
//!
//! Field 8 is what its sender says that it lasts. Who shows it bounds it by the [bytes](crate::file::voice::longest_ms), or computes it.
//!
//! What others say of a file is made harmless when it is read: its [name and media type](crate::file::name), and what is no
//! JPEG or WebP of at most [`THUMBNAIL_BYTES_MAX`](crate::limits::THUMBNAIL_BYTES_MAX) bytes is no thumbnail.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::MessageError;
use crate::codec;
use crate::file::name::{FileName, media_type};
use crate::file::sealed::Layout;
use crate::file::thumbnail::{NoThumbnail, Thumbnail};
use crate::file::voice::VoiceError;
use crate::file::{FileKey, part};
use crate::ids::BlobId;
use crate::limits::{
    DURATION_MS_MAX, FILE_BYTES_MAX, FILE_INLINE_BYTES_MAX, FILE_TEXT_BYTES_MAX,
    HOLDER_ADDRESS_BYTES_MAX, HOLDER_ADDRESSES_MAX, HOLDERS_MAX, PARTS_MAX,
};

/// The kind's number.
pub const KIND: u16 = 12;
/// Longest payload, bytes: the largest file that is in it, the longest name, type and text, and room for fields to come.
pub const BYTES_MAX: usize = 27 * 1024;
/// Longest peer id, bytes: that of an Ed25519 key has 38.
const PEER_ID_BYTES_MAX: usize = 64;

/// A file, or where it is.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: FileName,
    /// What it is, as its sender says.
    pub media_type: String,
    /// Its bytes, or how they are got.
    pub content: FileContent,
    /// How long a sound or film is, milliseconds.
    pub duration_ms: Option<u32>,
    /// What its sender says about it; may be empty.
    pub text: String,
}

/// A file's bytes, or how they are got.
#[derive(Clone, PartialEq, Eq)]
pub enum FileContent {
    /// All of it.
    Here(FileBytes),
    /// Somewhere else.
    Blob(Box<BlobContent>),
}

/// The bytes of a file.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct FileBytes(Vec<u8>);

/// A file that is a blob.
#[derive(Clone, PartialEq, Eq)]
pub struct BlobContent {
    /// Its size, bytes.
    pub size: u64,
    /// What opens it.
    pub key: FileKey,
    /// Its sealed bytes.
    pub blob: BlobId,
    /// Whether these go in parts too.
    pub has_parts: bool,
    /// How it looks.
    pub thumbnail: Option<Thumbnail>,
    /// Who has it.
    pub holders: Vec<Holder>,
}

/// Who has a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its peer id.
    pub peer: serde_bytes::ByteBuf,
    /// Where it may be reached: multiaddresses.
    pub addresses: Vec<serde_bytes::ByteBuf>,
}

/// Why a file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// More than a message holds.
    #[error("a file of {found} bytes: at most {FILE_INLINE_BYTES_MAX} fit a message")]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// Its bytes, its size and how to get it contradict each other.
    #[error("what is said of the file contradicts itself")]
    Contradiction,
    /// A text that is too long.
    #[error(
        "the text beside the file has {found} bytes, at most {FILE_TEXT_BYTES_MAX} are allowed"
    )]
    Text {
        /// How long.
        found: usize,
    },
    /// Longer than a day.
    #[error("the file lasts {found} ms: at most {DURATION_MS_MAX} are allowed")]
    Duration {
        /// How long.
        found: u32,
    },
    /// It was to be a voice memo, and is none.
    #[error("{0}. A voice memo is one sound, Opus in an Ogg file; send anything else as a file")]
    Voice(#[from] VoiceError),
    /// It was to have a thumbnail that is none.
    #[error("the thumbnail is {0}; make it smaller, or leave it out")]
    Thumbnail(#[from] NoThumbnail),
    /// Too many, or too long.
    #[error("the file's holders are out of bounds")]
    Holders,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    name: String,
    media_type: String,
    size: u64,
    key: Option<FileKey>,
    blob: Option<BlobId>,
    bytes: Option<serde_bytes::ByteBuf>,
    parts: Option<u16>,
    thumbnail: Option<serde_bytes::ByteBuf>,
    duration_ms: Option<u32>,
    holders: Vec<Holder>,
    text: String,
}

impl FileBytes {
    /// The bytes of a file, if it may travel in its message.
    ///
    /// # Errors
    /// [`FileError::TooLarge`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, FileError> {
        match bytes.len() {
            found if found > FILE_INLINE_BYTES_MAX => Err(FileError::TooLarge { found }),
            _ => Ok(Self(bytes)),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl File {
    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.content {
            FileContent::Here(bytes) => bytes.0.len() as u64,
            FileContent::Blob(blob) => blob.size,
        }
    }

    /// Checks what its writer may get wrong.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn check(&self) -> Result<(), FileError> {
        if self.text.len() > FILE_TEXT_BYTES_MAX {
            return Err(FileError::Text { found: self.text.len() });
        }
        if let Some(found) = self.duration_ms.filter(|duration| *duration > DURATION_MS_MAX) {
            return Err(FileError::Duration { found });
        }
        Ok(())
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields {
            name: self.name.as_str().to_owned(),
            media_type: self.media_type.clone(),
            size: self.size(),
            key: None,
            blob: None,
            bytes: None,
            parts: None,
            thumbnail: None,
            duration_ms: self.duration_ms,
            holders: Vec::new(),
            text: self.text.clone(),
        };
        match &self.content {
            FileContent::Here(bytes) => {
                fields.bytes = Some(serde_bytes::ByteBuf::from(bytes.0.clone()));
            }
            FileContent::Blob(content) => {
                let BlobContent { size, key, blob, has_parts, thumbnail, holders } = &**content;
                fields.key = Some(key.clone());
                fields.blob = Some(*blob);
                fields.parts = has_parts.then(|| parts_of(*size)).flatten();
                fields.thumbnail =
                    thumbnail.as_ref().map(|it| serde_bytes::ByteBuf::from(it.as_slice().to_vec()));
                fields.holders.clone_from(holders);
            }
        }
        let encoded = codec::encode(&fields);
        fields.wipe();
        encoded
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Codec`] and [`MessageError::File`].
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let mut fields: Fields = codec::decode_lenient(payload, BYTES_MAX)?;
        let content = fields.content();
        let file = content.map(|content| Self {
            name: FileName::harmless(&fields.name),
            media_type: media_type(&fields.media_type),
            content,
            duration_ms: fields.duration_ms,
            text: std::mem::take(&mut fields.text),
        });
        fields.wipe();
        let file = file?;
        file.check()?;
        Ok(file)
    }
}

impl Fields {
    fn content(&mut self) -> Result<FileContent, FileError> {
        let Self { size, key, blob, bytes, parts, thumbnail, holders, .. } = self;
        match (bytes.take(), key.take(), *blob) {
            (Some(bytes), None, None)
                if parts.is_none() && thumbnail.is_none() && holders.is_empty() =>
            {
                let bytes = FileBytes::new(bytes.into_vec())?;
                match bytes.0.len() as u64 == *size {
                    true => Ok(FileContent::Here(bytes)),
                    false => Err(FileError::Contradiction),
                }
            }
            (None, Some(key), Some(blob)) => {
                let parts_fit = parts.is_none() || *parts == parts_of(*size);
                if *size > FILE_BYTES_MAX || !parts_fit {
                    return Err(FileError::Contradiction);
                }
                check_holders(holders)?;
                Ok(FileContent::Blob(Box::new(BlobContent {
                    size: *size,
                    key,
                    blob,
                    has_parts: parts.is_some(),
                    thumbnail: thumbnail.take().and_then(|it| Thumbnail::new(it.into_vec()).ok()),
                    holders: std::mem::take(holders),
                })))
            }
            _ => Err(FileError::Contradiction),
        }
    }

    fn wipe(&mut self) {
        self.name.zeroize();
        self.text.zeroize();
        if let Some(bytes) = &mut self.bytes {
            bytes.zeroize();
        }
        if let Some(bytes) = &mut self.thumbnail {
            bytes.zeroize();
        }
    }
}

/// Whether holders are within their bounds.
pub(super) fn check_holders(holders: &[Holder]) -> Result<(), FileError> {
    let is_good = |holder: &Holder| {
        (1..=PEER_ID_BYTES_MAX).contains(&holder.peer.len())
            && holder.addresses.len() <= HOLDER_ADDRESSES_MAX
            && holder.addresses.iter().all(|it| it.len() <= HOLDER_ADDRESS_BYTES_MAX)
    };
    match holders.len() <= HOLDERS_MAX && holders.iter().all(is_good) {
        true => Ok(()),
        false => Err(FileError::Holders),
    }
}

/// In how many parts a file of `size` bytes goes, if it may.
#[must_use]
pub fn parts_of(size: u64) -> Option<u16> {
    let sealed = Layout::of(size).ok()?.sealed_size();
    u16::try_from(part::parts(sealed)).ok().filter(|parts| *parts <= PARTS_MAX)
}

/// Hand-written: what people send each other is never logged.
impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({} bytes)", self.size())
    }
}

/// Hand-written, for the same reason.
impl std::fmt::Debug for FileBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileBytes({} bytes)", self.0.len())
    }
}
