//! How a picture looks, small: in the message of one that comes later.
//!
//! It is made by who sends the picture, and shown by who gets it: nothing here decodes one. So a thumbnail may be of something else
//! than its picture, or no picture at all.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::limits::THUMBNAIL_BYTES_MAX;

/// The beginning of a JPEG: the mark of its start, and that of what follows (ITU-T T.81, B.1.1.3).
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];

/// What begins as a JPEG or WebP does, of at most [`THUMBNAIL_BYTES_MAX`] bytes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Thumbnail(Vec<u8>);

/// What was to be a thumbnail, and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no JPEG or WebP of at most {} KiB", THUMBNAIL_BYTES_MAX / 1024)]
pub struct NoThumbnail;

impl Thumbnail {
    /// These bytes, if they may be one.
    ///
    /// # Errors
    /// [`NoThumbnail`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, NoThumbnail> {
        let is_small = bytes.len() <= THUMBNAIL_BYTES_MAX;
        let is_one = is_small && (bytes.starts_with(&JPEG) || is_webp(&bytes));
        if is_one { Ok(Self(bytes)) } else { Err(NoThumbnail) }
    }

    /// The same, as they are told in hexadecimal.
    ///
    /// # Errors
    /// [`NoThumbnail`].
    pub fn from_hex(text: &str) -> Result<Self, NoThumbnail> {
        if text.len() > 2 * THUMBNAIL_BYTES_MAX || !text.is_ascii() || !text.len().is_multiple_of(2)
        {
            return Err(NoThumbnail);
        }
        let digits = text.as_bytes().chunks_exact(2);
        let byte = |pair: &[u8]| {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            let value = digit(pair[0])? * 16 + digit(pair[1])?;
            u8::try_from(value).ok()
        };
        digits.map(byte).collect::<Option<Vec<u8>>>().ok_or(NoThumbnail).and_then(Self::new)
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// What it is, by its beginning: `image/jpeg` or `image/webp`.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        if is_webp(&self.0) { "image/webp" } else { "image/jpeg" }
    }

    /// What such files end with: `jpg` or `webp`.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        if is_webp(&self.0) { "webp" } else { "jpg" }
    }
}

/// RFC 9649, section 2.4.
fn is_webp(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP")
}

/// Hand-written: what people send each other is never logged.
impl std::fmt::Debug for Thumbnail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Thumbnail({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_is_a_small_jpeg_or_webp() {
        let jpeg = Thumbnail::from_hex("ffD8ff00").map(|it| (it.media_type(), it.0.clone()));
        assert_eq!(jpeg, Ok(("image/jpeg", vec![0xff, 0xd8, 0xff, 0])));
        let webp = Thumbnail::new(b"RIFF\x04\0\0\0WEBP".to_vec());
        assert_eq!(webp.map(|it| (it.media_type(), it.extension())), Ok(("image/webp", "webp")));
        let mut most = vec![0; THUMBNAIL_BYTES_MAX];
        most[..3].copy_from_slice(&JPEG);
        assert!(Thumbnail::new(most.clone()).is_ok());
        most.push(0);
        assert_eq!(Thumbnail::new(most), Err(NoThumbnail));
        for none in ["", "ffd8", "ffd8f", "89504e47", "zzzzzz", "ffd8ff0", "ffd8ﬀﬀ"] {
            assert_eq!(Thumbnail::from_hex(none), Err(NoThumbnail), "{none}");
        }
        assert_eq!(Thumbnail::from_hex(&"ff".repeat(THUMBNAIL_BYTES_MAX + 1)), Err(NoThumbnail));
    }
}
