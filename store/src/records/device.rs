//! The user's identity, this device and its keys, and the vault's counters.

use martlet_protocol::crypto::seal::{DetectionSecret, PrekeySecret};
use martlet_protocol::{DeviceId, IdentityId, Rendezvous, RendezvousSecret, UnixMillis};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// See [`PROFILE`](super::PROFILE).
#[derive(Clone, Serialize, Deserialize)]
pub struct Profile {
    /// The root key's seed; `None` on a device that was linked, and where the root was locked.
    pub root_seed: Option<Seed>,
    /// The device key's seed.
    pub device_seed: Seed,
    /// The device's certificate, as issued.
    #[serde(with = "serde_bytes")]
    pub certificate: Vec<u8>,
    /// The device's detection key.
    pub detection: DetectionSecret,
    /// The name given at `init`.
    pub name: Option<String>,
    /// By what the user's bundles are found. Identities of before 2026-12 have no secret.
    #[serde(default)]
    pub rendezvous: Rendezvous,
    /// When the identity was recovered on this device from its phrase; `None` where it was made, or linked.
    #[serde(default)]
    pub recovered_at: Option<UnixMillis>,
    /// By which device this one was linked, and when.
    #[serde(default)]
    pub linked: Option<LinkedBy>,
    /// That the root was here, and was locked.
    #[serde(default)]
    pub root_locked: Option<RootLocked>,
}

/// By which device another was linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedBy {
    /// The device with the root.
    pub device: DeviceId,
    /// When.
    pub at: UnixMillis,
    /// The rendezvous secret that the identity had first: by it a device is found that is restored from the phrase.
    pub first_secret: RendezvousSecret,
}

/// The root was taken out of the vault: it is in the recovery phrase alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootLocked {
    /// When.
    pub at: UnixMillis,
    /// The rendezvous secret that follows from it: by it a device is found that is restored from the phrase.
    pub first_secret: RendezvousSecret,
}

/// The 32-byte seed of a signing key.
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// See [`PREKEYS`](super::PREKEYS).
#[derive(Clone, Serialize, Deserialize)]
pub struct PrekeyRecord {
    /// Its private half.
    pub secret: PrekeySecret,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When a newer one was made.
    pub superseded_at: Option<UnixMillis>,
}

/// See [`COUNTERS`](super::COUNTERS).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Everything in the mailbox up to this arrival was looked at.
    pub processed_arrival: u64,
    /// The newest event.
    pub last_event: u64,
    /// The oldest event kept.
    pub first_event: u64,
    /// Of older builds: the newest prekey's number.
    pub last_prekey: u64,
    /// The day, since the Unix epoch, whose bundle was published last.
    pub published_day: u32,
    /// When the next bundle is due; 0 if that was never drawn.
    #[serde(default)]
    pub next_bundle: UnixMillis,
    /// The opening of the mailbox that `processed_arrival` was seen in; 0 of older builds.
    #[serde(default)]
    pub mailbox_opening: u64,
    /// That the vault was put back from an older copy, as it was noticed last.
    #[serde(default)]
    pub put_back: Option<PutBack>,
    /// Whether all contacts are untold, though the records of some don't say so yet.
    #[serde(default)]
    pub all_untold: bool,
    /// What had surely come when messages were hidden that were over, as long as some of them are not deleted.
    #[serde(default)]
    pub hidden_by: Option<UnixMillis>,
    /// What others' vaults that were put back lost of what was sent from here, and what of the user's other devices did.
    #[serde(default)]
    pub losses: Vec<LossRecord>,
}

/// A device's vault was put back from a copy: it lost what was sent to it since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossRecord {
    /// Whose device.
    pub identity: IdentityId,
    /// Which.
    pub device: DeviceId,
    /// In which conversation: with whom, or how its room stands.
    pub line: IdentityId,
    /// Since when, as the device said it last.
    pub since: UnixMillis,
    /// What was sent since then is to be sent again: the earliest that it said, of what is not done yet.
    pub from: UnixMillis,
    /// When that was heard.
    pub heard_at: UnixMillis,
    /// Whether it was sent again.
    pub is_done: bool,
}

/// A vault was put back from an older copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBack {
    /// When it was noticed.
    pub noticed_at: UnixMillis,
    /// All that came later than this may be lacking.
    pub lost_since: UnixMillis,
}
