//! Kind 36, in conversations: how the sender wants the contact to see them.
//!
//! Payload: `{0: name text, 1: picture bytes}`, each empty where there is none; both empty withdraw what was told before.
//! Further fields are ignored. The name has at most 64 bytes; what else a name must be is the engine's business. The picture is
//! a JPEG of at most [`PICTURE_BYTES_MAX`] bytes: so that the message fits one envelope of the padding ladder's last rung. Two
//! envelopes would have to be put together again, and would show by their number that a picture is sent; 256 × 256
//! pixels, more than any screen shows beside a name, take 10 to 20 KiB.
//!
//! Of several of one person the one with the greatest `(sent at, id)` counts.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::MessageError;
use crate::codec;
use crate::limits::NAME_BYTES_MAX;

/// The kind's number.
pub const KIND: u16 = 36;
/// Longest picture, bytes: with its wrapping it fits the 32 KiB rung, with room for fields to come.
pub const PICTURE_BYTES_MAX: usize = 24 * 1024;
/// Longest payload, bytes.
pub const BYTES_MAX: usize = PICTURE_BYTES_MAX + NAME_BYTES_MAX + 256;
/// How a JPEG begins (ITU-T T.81, B.1.1.3: start of image, and the next marker).
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];

/// How the sender wants to be seen.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// What they call themselves: unverified.
    pub name: Option<String>,
    /// Their picture.
    pub picture: Option<Picture>,
}

/// A picture, as far as can be told without decoding it: a JPEG within the bounds.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture(Vec<u8>);

/// Why bytes are no picture, or a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Too many.
    #[error("a picture of {found} bytes: at most {PICTURE_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many.
        found: usize,
    },
    /// Another format.
    #[error("the picture is no JPEG")]
    NoJpeg,
    /// A long name.
    #[error("a name of {found} bytes: at most {NAME_BYTES_MAX} are allowed")]
    Name {
        /// How long.
        found: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct Fields {
    #[serde(default)]
    name: String,
    #[serde(default, with = "serde_bytes")]
    picture: Vec<u8>,
}

impl Picture {
    /// Takes bytes for a picture, if they may be one. They are not decoded.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, ProfileError> {
        match bytes.len() {
            found if found > PICTURE_BYTES_MAX => Err(ProfileError::TooLarge { found }),
            _ if !bytes.starts_with(&JPEG) => Err(ProfileError::NoJpeg),
            _ => Ok(Self(bytes)),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Profile {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.picture.is_none()
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let picture = self.picture.as_ref().map(|picture| picture.0.clone()).unwrap_or_default();
        let mut fields = Fields { name: self.name.clone().unwrap_or_default(), picture };
        let bytes = codec::encode(&fields);
        fields.name.zeroize();
        fields.picture.zeroize();
        bytes
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Codec`] and [`MessageError::Profile`].
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let Fields { name, picture } = codec::decode_lenient(payload, BYTES_MAX)?;
        if name.len() > NAME_BYTES_MAX {
            return Err(ProfileError::Name { found: name.len() }.into());
        }
        let picture = match picture.is_empty() {
            true => None,
            false => Some(Picture::new(picture)?),
        };
        Ok(Self { name: Some(name).filter(|name| !name.is_empty()), picture })
    }
}

/// Hand-written: who they are is nobody's business.
impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Profile(name: {}, {:?})", self.name.is_some(), self.picture)
    }
}

/// Hand-written, for the same reason.
impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} bytes)", self.0.len())
    }
}
