//! Files of a plan, and how they go.

use std::io::Read;

use martlet_engine::goes_in_parts;
use martlet_protocol::control::FileState;
use martlet_protocol::limits::FILE_INLINE_BYTES_MAX;
use martlet_protocol::network::NetworkDescriptor;
use serde::Deserialize;

use super::{NetworkPlan, Plan};

/// A file that a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilePlan {
    /// How many bytes it has, 1 to 5 GiB.
    pub bytes: u64,
    /// Whether those to whom it is sent accept it.
    pub accept: Accept,
}

/// Which files people accept, of those that come to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accept {
    /// Those that their daemons don't get by themselves.
    #[default]
    Offered,
    /// All: what comes through mailboxes is fetched directly as well.
    All,
    /// None.
    None,
}

impl Accept {
    /// Whether they accept a file that they see to be so.
    #[must_use]
    pub fn takes(self, state: FileState) -> bool {
        match (self, state) {
            (Self::Offered | Self::All, FileState::Offered) => true,
            (Self::All, FileState::Fetching | FileState::Waiting) => true,
            (Self::Offered, FileState::Fetching | FileState::Waiting)
            | (Self::None, FileState::Offered | FileState::Fetching | FileState::Waiting)
            | (_, FileState::Complete | FileState::Failed | FileState::Refused | FileState::Gone) => {
                false
            }
        }
    }
}

/// How a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// In its message.
    Message,
    /// In parts, through mailboxes.
    Parts,
    /// From node to node.
    Direct,
}

impl NetworkPlan {
    /// The descriptor of such a network.
    #[must_use]
    pub fn descriptor(&self, name: &str) -> NetworkDescriptor {
        let Self { shard_bits, stamp_bits, privacy, mailbox_file_bytes } = *self;
        NetworkDescriptor {
            name: name.into(),
            shard_bits,
            stamp_bits,
            privacy,
            mailbox_file_bytes,
            ..NetworkDescriptor::default()
        }
    }

    /// How a file of so many bytes goes.
    #[must_use]
    pub fn way_of(&self, bytes: u64) -> Way {
        if usize::try_from(bytes).is_ok_and(|bytes| bytes <= FILE_INLINE_BYTES_MAX) {
            Way::Message
        } else if goes_in_parts(&self.descriptor(""), bytes) {
            Way::Parts
        } else {
            Way::Direct
        }
    }
}

impl Plan {
    /// Whether anyone sends a file.
    #[must_use]
    pub fn has_files(&self) -> bool {
        self.messages.iter().any(|message| message.file.is_some())
    }

    /// Whether nodes fetch files from each other directly, and give them to others.
    #[must_use]
    pub fn direct_files(&self) -> bool {
        // All these networks are of a LAN.
        self.settings.direct_files.unwrap_or(true)
    }
}

/// What a file is called: its message's number tells it from all others.
#[must_use]
pub fn file_name(message: usize) -> String {
    format!("file-{message:08}.bin")
}

/// The number of a file's message, by its name.
#[must_use]
pub fn of_file_name(name: &str) -> Option<usize> {
    name.strip_prefix("file-")?.strip_suffix(".bin")?.parse().ok()
}

/// The bytes of a file: no two files are the same, and none can be made shorter.
pub(crate) fn file_contents(message: usize, bytes: u64) -> impl Read + Send + 'static {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(message as u64).to_be_bytes());
    hasher.finalize_xof().take(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_name() {
        for message in [0, 42, 9_999_999] {
            assert_eq!(of_file_name(&file_name(message)), Some(message));
        }
        assert_eq!(of_file_name("minutes.pdf"), None);
    }

    #[test]
    fn a_file_goes_as_its_size_and_the_network_say() {
        let network = NetworkPlan::default();
        for (bytes, way) in [
            (1, Way::Message),
            (24 * 1024, Way::Message),
            (24 * 1024 + 1, Way::Parts),
            (3_000_000, Way::Parts),
            (5_000_000, Way::Direct),
        ] {
            assert_eq!(network.way_of(bytes), way, "{bytes}");
        }
        let direct = NetworkPlan { mailbox_file_bytes: Some(0), ..network };
        assert_eq!(direct.way_of(3_000_000), Way::Direct);
        let stamped = NetworkPlan { stamp_bits: 8, ..network };
        assert_eq!(stamped.way_of(3_000_000), Way::Direct, "so many stamps nobody makes");
    }
}
