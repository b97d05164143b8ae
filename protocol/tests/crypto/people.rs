//! The people of these tests. All randomness is ChaCha20's with a seed of one repeated byte.

use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::seal::{DetectionSecret, PrekeySecret, PreparedPrekey, Recipient};
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::time::{ExpiryHour, UnixMillis};
use martlet_protocol::{ConversationId, Id, IdentityId, NetworkTag, RendezvousSecret, Shard};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// 2026-01-02 03:04:05.678 UTC.
pub(crate) const NOW: UnixMillis = UnixMillis(1_767_323_045_678);

/// By what everyone's bundles are found.
pub(crate) const SECRET: RendezvousSecret = RendezvousSecret([5; 15]);

/// A person with one device.
pub(crate) struct Person {
    pub(crate) root: RootKey,
    pub(crate) device: DeviceKeys,
    pub(crate) prekey: PrekeySecret,
    pub(crate) prepared: PreparedPrekey,
    pub(crate) detection: DetectionSecret,
    recipient: (martlet_protocol::crypto::seal::PrekeyPublic, [u8; 32]),
}

impl Person {
    /// The person whose keys are drawn, in this order, from the generator seeded with `seed`: root,
    /// device, prekey, detection key.
    pub(crate) fn new(seed: u8) -> Self {
        let mut rng = rng(seed);
        let root = RootKey::generate(&mut rng);
        let device = DeviceKeys::generate(&mut rng, &root, NOW);
        let prekey = PrekeySecret::generate(&mut rng);
        let detection = DetectionSecret::generate(&mut rng);
        let recipient = (prekey.public(), detection.public());
        Self { root, device, prepared: prekey.prepare(), prekey, detection, recipient }
    }

    pub(crate) fn identity(&self) -> IdentityId {
        self.root.identity()
    }

    /// With a secret of bytes 05.
    pub(crate) fn id(&self) -> Id {
        Id { identity: self.identity(), secret: SECRET }
    }

    /// Their conversation.
    pub(crate) fn conversation_with(&self, other: &Self) -> ConversationId {
        ConversationId::direct(&self.identity(), &other.identity())
    }

    pub(crate) fn recipient(&self) -> Recipient<'_> {
        Recipient { prekey: &self.recipient.0, detection: &self.recipient.1 }
    }
}

pub(crate) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// Network "test", shard 0, an envelope made [`NOW`].
pub(crate) fn addressing() -> Addressing {
    Addressing { network: NetworkTag::of("test"), shard: Shard(0), expiry: ExpiryHour::latest(NOW) }
}
