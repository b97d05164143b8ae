//! Files: sealed once, when they are sent, and then stored, served and verified as ciphertext.
//!
//! | module | does | with |
//! | --- | --- | --- |
//! | [`name`] | makes others' names and media types harmless | |
//! | [`sealed`] | pads and encrypts in segments, of which each opens alone | STREAM, ChaCha20-Poly1305 |
//! | [`blob`] | names the ciphertext, and proves any part of it | BLAKE3, Bao trees |
//! | [`part`] | cuts the ciphertext into envelopes that mailboxes keep for the absent | [`body`](crate::crypto::body) |
//! | [`voice`] | tells whether a file is a voice memo, and how long it lasts | Ogg, Opus |
//! | [`thumbnail`] | tells what a picture looks like, small, in its message | |
//! | [`ask`] | what is asked on a stream between two nodes | |
//!
//! How a file travels goes by its size: up to [`FILE_INLINE_BYTES_MAX`](crate::limits::FILE_INLINE_BYTES_MAX) in its
//! [message](crate::message::file), beyond that as parts or as a blob. All keys derive from the file's own:
//!
//! ```text
//! segments = BLAKE3 derive_key("martlet 2026 file segments v1", file key)
//! parts    = BLAKE3 derive_key("martlet 2026 file parts v1", file key)
//! ```

pub mod ask;
pub mod blob;
pub mod name;
pub mod part;
pub mod sealed;
pub mod thumbnail;
pub mod voice;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use name::FileName;
pub use thumbnail::Thumbnail;

/// What opens a file: random, of one file alone.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileKey(#[serde(with = "serde_bytes")] [u8; 32]);

impl FileKey {
    /// A new one.
    #[must_use]
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn derive(&self, context: &str) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(blake3::derive_key(context, &self.0))
    }
}

/// Hand-written: keys are never logged.
impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(…)")
    }
}
