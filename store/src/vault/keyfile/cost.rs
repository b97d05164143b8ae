//! What a guess at a passphrase costs, and the key that is derived from one.

use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use martlet_protocol::limits::PASSPHRASE_BYTES_MAX;
use zeroize::Zeroizing;

use super::{KEY_BYTES, KeyFileError};
use crate::error::StoreError;
use crate::limits::{
    PASSPHRASE_LANES, PASSPHRASE_LANES_MAX, PASSPHRASE_MEMORY_KIB, PASSPHRASE_MEMORY_KIB_MAX,
    PASSPHRASE_PASSES, PASSPHRASE_PASSES_MAX, PASSPHRASE_TIME,
};

/// What a guess at a new passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassphraseCost {
    pub(super) passes: u32,
}

impl PassphraseCost {
    /// The least that a new passphrase costs.
    pub const LEAST: Self = Self { passes: PASSPHRASE_PASSES };

    /// What takes [`PASSPHRASE_TIME`] where [`Self::LEAST`] takes `least`; never less than that, nor more than a key
    /// file may ask for.
    #[must_use]
    pub fn for_machine(least: Duration) -> Self {
        let pass = (least / PASSPHRASE_PASSES).max(Duration::from_micros(1));
        let passes = PASSPHRASE_TIME.as_micros() / pass.as_micros().max(1);
        let passes = u32::try_from(passes).unwrap_or(u32::MAX);
        Self { passes: passes.clamp(PASSPHRASE_PASSES, PASSPHRASE_PASSES_MAX) }
    }

    /// Derives a key at [`Self::LEAST`] and throws it away, for its time to be taken.
    ///
    /// # Errors
    /// [`StoreError::Failed`] without the memory for it.
    pub fn try_least() -> Result<(), KeyFileError> {
        derive(b"measure", &[0; 16], &Self::LEAST.params()?).map(|_| ())
    }

    pub(super) fn params(self) -> Result<Params, StoreError> {
        cost(PASSPHRASE_MEMORY_KIB, self.passes, PASSPHRASE_LANES)
            .ok_or_else(|| StoreError::failed("bounds of the passphrase's cost"))
    }
}

/// The cost of a passphrase, if it is within bounds.
pub(super) fn cost(memory_kib: u32, passes: u32, lanes: u32) -> Option<Params> {
    let within = (1..=PASSPHRASE_MEMORY_KIB_MAX).contains(&memory_kib)
        && (1..=PASSPHRASE_PASSES_MAX).contains(&passes)
        && (1..=PASSPHRASE_LANES_MAX).contains(&lanes);
    if !within {
        return None;
    }
    Params::new(memory_kib, passes, lanes, Some(KEY_BYTES)).ok()
}

/// The cipher that wraps the master key.
pub(super) fn derive(
    passphrase: &[u8],
    salt: &[u8],
    cost: &Params,
) -> Result<XChaCha20Poly1305, KeyFileError> {
    if passphrase.len() > PASSPHRASE_BYTES_MAX {
        return Err(KeyFileError::WrongPassphrase);
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.clone())
        .hash_password_into(passphrase, salt, &mut key[..])
        .map_err(|error| StoreError::failed(format!("Argon2id: {error}")))?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}
