//! The comparison: both devices show three numbers of four digits.
//!
//! They are made by [`vodozemac::sas`], which Matrix compares devices with: X25519 of two keys that are used for this once, then
//! HKDF-SHA256 with the info `martlet link v2|NETWORK|IDENTITY|DEVICE|TRANSCRIPT`. All four are in hexadecimal digits: the network's
//! tag, the identity, the new device, and BLAKE3 derive_key(`"martlet 2026 link transcript v2"`, of the payloads of the steps 1,
//! 2 and 3 each its length u32 and its bytes).
//!
//! The commitment of step 1 is BLAKE3 derive_key(`"martlet 2026 link commitment v2"`, comparison key 32 ‖ nonce 32).
//!
//! **Randomness.** Everything else in this crate is given its randomness. [`ComparisonKey::generate`] is not: `Sas` draws its key
//! from the system's generator, has no way to be built from bytes, and can't be kept on disk. So a code dies with a restart, and
//! the numbers are others in each run. Nothing but the numbers depends on the key.

use std::fmt;

use vodozemac::Curve25519PublicKey;
use vodozemac::sas::Sas;

use super::steps::LinkError;
use crate::ids::{DeviceId, IdentityId, NetworkTag};

/// One side's key for one comparison.
pub struct ComparisonKey(Sas);

/// Three numbers of four digits, 1000 to 9191: 39 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers(pub [u16; 3]);

/// What both sides have seen of the steps.
#[derive(Debug, Clone, Copy)]
pub struct Transcript<'a> {
    /// In which network.
    pub network: &'a NetworkTag,
    /// Which identity is joined.
    pub identity: &'a IdentityId,
    /// By which device.
    pub device: &'a DeviceId,
    /// The payloads of the steps 1, 2 and 3.
    pub steps: [&'a [u8]; 3],
}

/// What the new device commits to, before it knows the other side's key.
#[must_use]
pub fn commitment(key: &[u8; 32], nonce: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 link commitment v2");
    hasher.update(key).update(nonce);
    *hasher.finalize().as_bytes()
}

impl ComparisonKey {
    /// A new one, from the system's generator.
    #[must_use]
    pub fn generate() -> Self {
        Self(Sas::new())
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.public_key().to_bytes()
    }

    /// The numbers, with the other side's key.
    ///
    /// # Errors
    /// [`LinkError::Key`].
    pub fn numbers(
        self,
        theirs: &[u8; 32],
        transcript: &Transcript<'_>,
    ) -> Result<Numbers, LinkError> {
        let theirs = Curve25519PublicKey::from_bytes(*theirs);
        let established = self.0.diffie_hellman(theirs).map_err(|_| LinkError::Key)?;
        let (first, second, third) = established.bytes(&transcript.info()).decimals();
        Ok(Numbers([first, second, third]))
    }
}

impl Transcript<'_> {
    fn info(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 link transcript v2");
        for step in self.steps {
            let length = u32::try_from(step.len()).unwrap_or(u32::MAX);
            hasher.update(&length.to_be_bytes()).update(step);
        }
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!(
            "martlet link v2|{}|{}|{}|{}",
            hex(&self.network.0),
            hex(&self.identity.0),
            hex(&self.device.0),
            hasher.finalize().to_hex()
        )
    }
}

/// As both sides show them: `1234 5678 9012`.
impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([first, second, third]) = self;
        write!(f, "{first} {second} {third}")
    }
}

impl fmt::Debug for ComparisonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ComparisonKey(…)")
    }
}
