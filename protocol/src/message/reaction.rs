//! Kind 31, in conversations: a reaction to a message of anyone's.
//!
//! Payload: `{0: message id 16, 1: emoji text}`: at most [`EMOJI_BYTES_MAX`] bytes of UTF-8 without control characters and
//! line ends, empty to withdraw what there was. Further fields are ignored. Each author has one reaction to a message: that
//! with the greatest `(sent at, id)`.

use serde::{Deserialize, Serialize};

use super::MessageError;
use crate::codec;
use crate::ids::MessageId;

/// The kind's number.
pub const KIND: u16 = 31;
/// Longest payload, bytes: 85, and room for fields to come.
pub const BYTES_MAX: usize = 256;
/// Longest emoji, bytes: the longest sequences of Unicode (families, flags of regions) have some 40.
pub const EMOJI_BYTES_MAX: usize = 64;

/// A reaction to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// To which.
    pub target: MessageId,
    /// With what; `None` withdraws it.
    pub emoji: Option<Emoji>,
}

/// What one reacts with: an emoji, or any short text within the bounds.
#[derive(Clone, PartialEq, Eq)]
pub struct Emoji(String);

/// Why something is no emoji to react with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmojiError {
    /// Nothing in it that can be seen.
    #[error("the reaction is empty")]
    Empty,
    /// Longer than a reaction may be.
    #[error("the reaction has {found} bytes, at most {EMOJI_BYTES_MAX} are allowed")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// It has a control character or a line end.
    #[error("the reaction has a line end or a control character")]
    Control,
}

impl Emoji {
    /// The emoji, if within its bounds.
    ///
    /// # Errors
    /// [`EmojiError`].
    pub fn new(emoji: impl Into<String>) -> Result<Self, EmojiError> {
        let emoji = emoji.into();
        if emoji.len() > EMOJI_BYTES_MAX {
            return Err(EmojiError::TooLong { found: emoji.len() });
        }
        if emoji.trim().is_empty() {
            return Err(EmojiError::Empty);
        }
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if emoji.contains(breaks) {
            return Err(EmojiError::Control);
        }
        Ok(Self(emoji))
    }

    /// The emoji.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Serialize, Deserialize)]
struct Fields {
    target: MessageId,
    emoji: String,
}

impl Reaction {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let emoji = self.emoji.as_ref().map_or_else(String::new, |emoji| emoji.0.clone());
        codec::encode(&Fields { target: self.target, emoji })
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Codec`] and [`MessageError::Emoji`].
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let Fields { target, emoji } = codec::decode_lenient(payload, BYTES_MAX)?;
        let emoji = if emoji.is_empty() { None } else { Some(Emoji::new(emoji)?) };
        Ok(Self { target, emoji })
    }
}

/// Hand-written: what was said is never logged.
impl std::fmt::Debug for Emoji {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Emoji({} bytes)", self.0.len())
    }
}
