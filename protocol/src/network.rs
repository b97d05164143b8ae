//! The network descriptor: what makes a network, and keeps networks apart.
//!
//! ```toml
//! name = "ship"          # 1 to 32 characters of a-z, 0-9, '-'; in every protocol name and topic
//! shard_bits = 0         # 0 to 12
//! stamp_bits = 0         # 0 to 32
//! lan_only = true        # no discovery beyond the local network
//! bootstrap = []         # multiaddresses dialled at start
//! ```

use serde::{Deserialize, Serialize};

use crate::ids::NetworkTag;
use crate::limits::{SHARD_BITS_MAX, STAMP_BITS_MAX};

/// Longest network name, characters.
const NAME_CHARS_MAX: usize = 32;

/// What makes a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkDescriptor {
    /// Its name.
    pub name: String,
    /// The network has `2^shard_bits` shards.
    #[serde(default)]
    pub shard_bits: u8,
    /// Work that every envelope's stamp must show.
    #[serde(default)]
    pub stamp_bits: u8,
    /// Whether to stay on the local network.
    #[serde(default = "yes")]
    pub lan_only: bool,
    /// Multiaddresses dialled at start.
    #[serde(default)]
    pub bootstrap: Vec<String>,
}

/// Why a descriptor is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not TOML, a wrong type, or an unknown key; the text names line and key.
    #[error("{0}")]
    Toml(String),
    /// A name outside `[a-z0-9-]{1,32}`.
    #[error("name = {name:?}: a network's name has 1 to 32 characters of a-z, 0-9 and '-'")]
    Name {
        /// The name found.
        name: String,
    },
    /// Too many shard bits.
    #[error("shard_bits = {found}: at most {SHARD_BITS_MAX}")]
    ShardBits {
        /// The value found.
        found: u8,
    },
    /// Too many stamp bits.
    #[error("stamp_bits = {found}: at most {STAMP_BITS_MAX}")]
    StampBits {
        /// The value found.
        found: u8,
    },
}

impl NetworkDescriptor {
    /// Reads and validates a descriptor.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn from_toml(text: &str) -> Result<Self, NetworkError> {
        let descriptor: Self =
            toml::from_str(text).map_err(|error| NetworkError::Toml(error.to_string()))?;
        descriptor.validate()?;
        Ok(descriptor)
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn validate(&self) -> Result<(), NetworkError> {
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_CHARS_MAX).contains(&self.name.len()) || !self.name.chars().all(is_allowed) {
            return Err(NetworkError::Name { name: self.name.clone() });
        }
        if self.shard_bits > SHARD_BITS_MAX {
            return Err(NetworkError::ShardBits { found: self.shard_bits });
        }
        if self.stamp_bits > STAMP_BITS_MAX {
            return Err(NetworkError::StampBits { found: self.stamp_bits });
        }
        Ok(())
    }

    /// The tag its envelopes carry.
    #[must_use]
    pub fn tag(&self) -> NetworkTag {
        NetworkTag::of(&self.name)
    }
}

impl Default for NetworkDescriptor {
    /// The built-in network: everyone on the same LAN.
    fn default() -> Self {
        Self {
            name: "lan".into(),
            shard_bits: 0,
            stamp_bits: 0,
            lan_only: true,
            bootstrap: Vec::new(),
        }
    }
}

fn yes() -> bool {
    true
}
