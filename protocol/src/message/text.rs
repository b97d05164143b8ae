//! Kind 1: a text.
//!
//! Payload: UTF-8, 1 to [`TEXT_BYTES_MAX`] bytes, as it was typed.

use crate::limits::TEXT_BYTES_MAX;

/// The kind's number.
pub const KIND: u16 = 1;

/// A text within its bounds.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(String);

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing in it.
    #[error("the text is empty")]
    Empty,
    /// Longer than a message may be.
    #[error("the text has {found} bytes, a message holds at most {TEXT_BYTES_MAX}")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// Not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
}

impl Text {
    /// The text, if within its bounds.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        match text.len() {
            0 => Err(TextError::Empty),
            found if found > TEXT_BYTES_MAX => Err(TextError::TooLong { found }),
            _ => Ok(Self(text)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, TextError> {
        if payload.len() > TEXT_BYTES_MAX {
            return Err(TextError::TooLong { found: payload.len() });
        }
        Self::new(str::from_utf8(payload).map_err(|_| TextError::NotUtf8)?)
    }
}

/// Hand-written: a text is never logged.
impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}
