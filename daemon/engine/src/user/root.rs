//! The root of the user's identity: whether it is here, and else where.

use martlet_protocol::DeviceId;
use martlet_protocol::control::RootHeld;
use martlet_protocol::identity::{IdentityState, RootKey};
use martlet_store::StoreError;
use zeroize::Zeroizing;

use super::User;
use crate::error::{CommandError, Fault, RootPlace};
use crate::turn::Turn;

/// Digits of a device's id that are shown, as `martletctl device list` shows it.
const SHOWN_DIGITS: usize = 12;

impl User {
    /// The root of the user's identity. What the batch leaves of it is wiped before anyone is answered.
    ///
    /// # Errors
    /// [`CommandError::NoRoot`] if this device does not have it.
    pub(crate) fn root(&self, turn: &mut Turn<'_>) -> Result<RootKey, Fault> {
        turn.effects.wipes = true;
        match self.keyring.root(turn.vault()?)? {
            Some(root) => Ok(root),
            None => Err(CommandError::NoRoot { place: self.root_place(turn)? }.into()),
        }
    }

    /// The root that a recovery phrase is, for one act, else that of the vault.
    ///
    /// # Errors
    /// [`CommandError::InvalidPhrase`], [`CommandError::OtherPhrase`], [`CommandError::NoRoot`].
    pub(crate) fn root_or(
        &self,
        turn: &mut Turn<'_>,
        phrase: Option<&Zeroizing<String>>,
    ) -> Result<RootKey, Fault> {
        let Some(phrase) = phrase else { return self.root(turn) };
        turn.effects.wipes = true;
        let root = RootKey::from_phrase(phrase).map_err(CommandError::InvalidPhrase)?;
        if root.identity() == self.identity {
            Ok(root)
        } else {
            Err(CommandError::OtherPhrase.into())
        }
    }

    /// The root leaves the vault, and is shredded. Who can't say how its phrase ends keeps it.
    ///
    /// # Errors
    /// [`CommandError::NoRoot`], [`CommandError::WrongWords`].
    pub(crate) fn lock_root(&mut self, turn: &mut Turn<'_>, last_words: &str) -> Result<(), Fault> {
        if !self.root(turn)?.ends_with_words(last_words) {
            return Err(CommandError::WrongWords.into());
        }
        let now = turn.now;
        self.keyring.lock_root(turn.vault()?, now)?;
        self.ask_to_shred();
        Ok(())
    }

    /// Whether the root is here, and else why not.
    pub(super) fn root_held(&self, turn: &mut Turn<'_>) -> Result<RootHeld, StoreError> {
        turn.effects.wipes = true;
        let records = turn.vault()?;
        Ok(match (self.keyring.has_root(records)?, self.keyring.linker(records)?) {
            (true, _) => RootHeld::Here,
            (false, Some(_)) => RootHeld::Linked,
            (false, None) => RootHeld::Locked,
        })
    }

    fn root_place(&self, turn: &mut Turn<'_>) -> Result<RootPlace, Fault> {
        Ok(match self.keyring.linker(turn.vault()?)? {
            Some(linker) => RootPlace::Linker { device: self.device_called(&linker) },
            None => RootPlace::Phrase,
        })
    }

    /// What one of the user's devices is called, or the beginning of its id.
    fn device_called(&self, device: &DeviceId) -> String {
        let mut devices =
            self.keyring.identities.own().into_iter().flat_map(IdentityState::devices);
        let name = devices.find(|it| it.device == *device).map(|it| it.name.to_owned());
        name.filter(|name| !name.is_empty())
            .unwrap_or_else(|| device.to_string().chars().take(SHOWN_DIGITS).collect())
    }
}
