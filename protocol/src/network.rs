//! The network descriptor: what makes a network, and keeps networks apart.
//!
//! ```toml
//! name = "ship"          # 1 to 32 characters of a-z, 0-9, '-'; in every protocol name and topic
//! shard_bits = 0         # 0 to 12
//! stamp_bits = 0         # 0 to 32
//! lan_only = true        # no discovery beyond the local network
//! bootstrap = []         # multiaddresses dialled at start
//! key = "martletkey1…"   # only of a closed network: who has it may take part
//! privacy = "fast"       # or "mixed"; without it "fast" where lan_only, else "mixed"
//! mailbox_file_bytes = 4194304   # largest file that goes through mailboxes; without it 4 MiB where lan_only, else 512 KiB
//! ```
//!
//! The same on one line, to be pasted or scanned: bech32m, prefix `martletnet`, of the descriptor's
//! CBOR, `{0: name, 1: shard_bits, 2: stamp_bits, 3: lan_only, 4: bootstrap, 5: key bytes, 6: privacy,
//! 7: mailbox_file_bytes u64}`, where privacy is 0 for `fast` and 1 for `mixed`; 5 to 7 are left out as in TOML.

mod address;
mod key;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::codec;
use crate::excerpt;
use crate::ids::NetworkTag;
use crate::limits::{
    BOOTSTRAP_ADDRESS_BYTES_MAX, BOOTSTRAP_MAX, CONFIG_BYTES_MAX, MAILBOX_FILE_BYTES_MAX,
    MAILBOX_FILE_BYTES_WAN, SHARD_BITS_MAX, STAMP_BITS_MAX,
};

pub(crate) use address::check as check_address;
pub use key::{KeyFingerprint, NetworkKey, NetworkKeyError};

/// Longest network name, characters.
const NAME_CHARS_MAX: usize = 32;
/// Human-readable part of a descriptor on one line.
const TEXT_PREFIX: &str = "martletnet";

/// What makes a network.
///
/// Its encodings contain the key.
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
    /// The key of a closed network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<NetworkKey>,
    /// How the user's own leaves a node, where the network says so; see [`Self::privacy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Privacy>,
    /// Largest file that goes through mailboxes, where the network says so; see [`Self::mailbox_file_bytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox_file_bytes: Option<u64>,
}

/// What a node does so that its neighbours can't tell what of all that it brings is its user's own.
///
/// Each node decides for itself by its descriptor: nodes that differ understand each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// Only what costs no time: own envelopes go to all neighbours at once, and acks leave apart from each
    /// other within milliseconds. A direct neighbour can tell the author.
    Fast,
    /// Own envelopes go to the neighbours of the mesh alone, as others' do, and acks wait for seconds, each
    /// for a random time of its own. Costs seconds until "delivered" is known.
    Mixed,
}

/// Why a descriptor is refused. No message contains a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not TOML, a wrong type, or an unknown key; the text names line and key.
    #[error("{0}")]
    Toml(String),
    /// Over [`CONFIG_BYTES_MAX`].
    #[error("over {CONFIG_BYTES_MAX} bytes: this is no network descriptor")]
    TooLong,
    /// A descriptor on one line that is not one.
    #[error("not a network's text: {reason}; it starts with martletnet1 and is copied whole")]
    Text {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A descriptor that doesn't fit one line.
    #[error(
        "this network doesn't fit one line of text: it has too many bootstrap addresses; pass it on as a file"
    )]
    NoText,
    /// A value that is refused, and where it stands.
    #[error("line {line}: {error}")]
    At {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        error: Box<NetworkError>,
    },
    /// A name outside `[a-z0-9-]{1,32}`.
    #[error("name = {name:?}: a network's name has 1 to 32 characters of a-z, 0-9 and '-'")]
    Name {
        /// The name found.
        name: String,
    },
    /// A longer name. It is not repeated: it may be a key in the wrong place.
    #[error("name: a network's name has at most {NAME_CHARS_MAX} characters, not {found}")]
    NameTooLong {
        /// Its characters.
        found: usize,
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
    /// Too large files through mailboxes.
    #[error("mailbox_file_bytes = {found}: at most {MAILBOX_FILE_BYTES_MAX}")]
    MailboxFileBytes {
        /// The value found.
        found: u64,
    },
    /// A bootstrap address that can't be one.
    #[error("bootstrap: {address:?}: {reason}; write it like /dns/host.example/tcp/4177")]
    Bootstrap {
        /// The address found.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Too many bootstrap addresses.
    #[error("bootstrap: {found} addresses; at most {BOOTSTRAP_MAX}")]
    TooManyBootstrap {
        /// How many were found.
        found: usize,
    },
}

impl NetworkDescriptor {
    /// Reads and validates a descriptor in either form: TOML, or the text on one line.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn read(text: &str) -> Result<Self, NetworkError> {
        // What some editors put before a text.
        let text = text.trim_start_matches('\u{feff}');
        let start = text.trim_start().get(..TEXT_PREFIX.len() + 1).unwrap_or_default();
        let is_text = start.eq_ignore_ascii_case("martletnet1");
        if is_text { Self::from_text(text) } else { Self::from_toml(text) }
    }

    /// Reads and validates a descriptor.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn from_toml(text: &str) -> Result<Self, NetworkError> {
        if text.len() as u64 > CONFIG_BYTES_MAX {
            return Err(NetworkError::TooLong);
        }
        let descriptor: Self = toml::from_str(text)
            .map_err(|error| NetworkError::Toml(excerpt::toml(text, &error)))?;
        descriptor.validate().map_err(|error| match line_of(text, error.key()) {
            Some(line) => NetworkError::At { line, error: Box::new(error) },
            None => error,
        })?;
        Ok(descriptor)
    }

    /// The descriptor as a file that gives the same one. It contains the key.
    #[must_use]
    pub fn to_toml(&self) -> Zeroizing<String> {
        // A struct of plain values always serializes.
        Zeroizing::new(toml::to_string(self).unwrap_or_default())
    }

    /// Reads and validates a descriptor on one line; space around it is left out.
    ///
    /// # Errors
    /// [`NetworkError::Text`] and what [`Self::validate`] refuses.
    pub fn from_text(text: &str) -> Result<Self, NetworkError> {
        let text = text.trim();
        let wrong = |reason| NetworkError::Text { reason };
        if text.len() > <Bech32m as bech32::Checksum>::CODE_LENGTH {
            return Err(wrong("it is too long"));
        }
        let checked = CheckedHrpstring::new::<Bech32m>(text)
            .map_err(|_| wrong("it is mistyped or incomplete"))?;
        if checked.hrp() != Hrp::parse_unchecked(TEXT_PREFIX) {
            return Err(wrong("it is the text of something else"));
        }
        let bytes = Zeroizing::new(checked.byte_iter().collect::<Vec<u8>>());
        let descriptor: Self = codec::decode(&bytes, <Bech32m as bech32::Checksum>::CODE_LENGTH)
            .map_err(|_| wrong("it was made by another version, or is damaged"))?;
        descriptor.validate()?;
        Ok(descriptor)
    }

    /// The descriptor on one line. It contains the key.
    ///
    /// # Errors
    /// [`NetworkError::NoText`] past 1,023 characters, up to which the checksum is made for: about
    /// 600 bytes, five bootstrap addresses.
    pub fn to_text(&self) -> Result<Zeroizing<String>, NetworkError> {
        let bytes = Zeroizing::new(codec::encode(self));
        bech32::encode::<Bech32m>(Hrp::parse_unchecked(TEXT_PREFIX), &bytes)
            .map(Zeroizing::new)
            .map_err(|_| NetworkError::NoText)
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn validate(&self) -> Result<(), NetworkError> {
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let found = self.name.chars().count();
        if found > NAME_CHARS_MAX {
            return Err(NetworkError::NameTooLong { found });
        }
        if found == 0 || !self.name.chars().all(is_allowed) {
            return Err(NetworkError::Name { name: self.name.clone() });
        }
        if self.shard_bits > SHARD_BITS_MAX {
            return Err(NetworkError::ShardBits { found: self.shard_bits });
        }
        if self.stamp_bits > STAMP_BITS_MAX {
            return Err(NetworkError::StampBits { found: self.stamp_bits });
        }
        if let Some(found) = self.mailbox_file_bytes.filter(|it| *it > MAILBOX_FILE_BYTES_MAX) {
            return Err(NetworkError::MailboxFileBytes { found });
        }
        if self.bootstrap.len() > BOOTSTRAP_MAX {
            return Err(NetworkError::TooManyBootstrap { found: self.bootstrap.len() });
        }
        for address in &self.bootstrap {
            address::check(address, self.is_closed()).map_err(|reason| {
                // Not the whole of what may be a mebibyte.
                let address: String = address.chars().take(BOOTSTRAP_ADDRESS_BYTES_MAX).collect();
                let address = key::hide(&address);
                NetworkError::Bootstrap { address, reason }
            })?;
        }
        Ok(())
    }

    /// Whether only who has the key can take part.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.key.is_some()
    }

    /// The tag its envelopes carry. Closed networks of one name and different keys have different
    /// ones, so that what got from one into the other by mistake is refused.
    #[must_use]
    pub fn tag(&self) -> NetworkTag {
        match &self.key {
            None => NetworkTag::of(&self.name),
            Some(key) => key.tag(&self.name),
        }
    }

    /// What it says of privacy; else fast on a LAN, where who is on it is trusted and sees all links
    /// anyway, and mixed beyond it, where neighbours are strangers.
    #[must_use]
    pub fn privacy(&self) -> Privacy {
        self.privacy.unwrap_or(if self.lan_only { Privacy::Fast } else { Privacy::Mixed })
    }

    /// What it says of the largest file that goes through mailboxes, bytes; else 4 MiB on a LAN, where links are fast, and
    /// 512 KiB beyond it. Files in their messages are not meant.
    #[must_use]
    pub fn mailbox_file_bytes(&self) -> u64 {
        let default = if self.lan_only { MAILBOX_FILE_BYTES_MAX } else { MAILBOX_FILE_BYTES_WAN };
        self.mailbox_file_bytes.unwrap_or(default)
    }

    /// The prologue of a closed network's Noise handshakes; `None` for an open one.
    #[must_use]
    pub fn prologue(&self) -> Option<Zeroizing<[u8; 32]>> {
        self.key.as_ref().map(|key| key.prologue(&self.name))
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
            key: None,
            privacy: None,
            mailbox_file_bytes: None,
        }
    }
}

impl Privacy {
    /// As it is written in a descriptor.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Mixed => "mixed",
        }
    }
}

impl NetworkError {
    /// The descriptor's key that a value was refused of.
    fn key(&self) -> &'static str {
        match self {
            Self::Name { .. } | Self::NameTooLong { .. } => "name",
            Self::ShardBits { .. } => "shard_bits",
            Self::StampBits { .. } => "stamp_bits",
            Self::MailboxFileBytes { .. } => "mailbox_file_bytes",
            Self::Bootstrap { .. } | Self::TooManyBootstrap { .. } => "bootstrap",
            Self::Toml(_) | Self::TooLong | Self::Text { .. } | Self::NoText | Self::At { .. } => {
                ""
            }
        }
    }
}

/// The line, from 1, on which `key` is given.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let gives = |line: &str| {
        let rest = line.trim_start().strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.lines().position(gives).map(|at| at + 1)
}

fn yes() -> bool {
    true
}
