//! What the user is told of a message that came, beside their clients.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a notification says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notify {
    /// There is none.
    #[default]
    Off,
    /// Who wrote.
    Sender,
    /// Who wrote, and the beginning of what.
    Full,
}

/// `off`, `sender` and `full` are all there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} says not what to notify of; there are off, sender and full")]
pub struct NotifyError {
    text: String,
}

impl FromStr for Notify {
    type Err = NotifyError;

    fn from_str(text: &str) -> Result<Self, NotifyError> {
        [Self::Off, Self::Sender, Self::Full]
            .into_iter()
            .find(|known| known.to_string() == text)
            .ok_or_else(|| NotifyError { text: text.to_owned() })
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Sender => "sender",
            Self::Full => "full",
        })
    }
}
