//! How the user wants conversations to be.

use martlet_store::records::{Manner, SETTINGS, SettingsRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::Timeline;
use crate::conversation::ConversationRef;

impl Timeline {
    /// How the user wants all of them.
    pub(crate) fn settings(&self) -> SettingsRecord {
        self.settings
    }

    /// Changes that.
    pub(crate) fn set_settings(
        &mut self,
        records: &mut VaultTxn,
        settings: SettingsRecord,
    ) -> Result<(), StoreError> {
        self.settings = settings;
        records.put(&SETTINGS, Key::Named(b""), &settings)
    }

    /// How the user wants one of them.
    pub(crate) fn manner(&self, id: &ConversationRef) -> Manner {
        self.get(id).map_or_else(Manner::default, |record| record.manner)
    }

    /// Changes that.
    pub(crate) fn set_manner(&mut self, id: ConversationRef, manner: Manner) {
        if self.manner(&id) != manner {
            self.get_mut(id).manner = manner;
        }
    }

    /// Whether read receipts go there, and are taken.
    pub(crate) fn has_receipts(&self, id: &ConversationRef) -> bool {
        self.manner(id).receipts.unwrap_or(self.settings.receipts)
    }

    /// The same of typing.
    pub(crate) fn has_typing(&self, id: &ConversationRef) -> bool {
        self.manner(id).typing.unwrap_or(self.settings.typing)
    }

    pub(super) fn load_settings(&mut self, records: &VaultTxn) -> Result<(), StoreError> {
        self.settings = records.get(&SETTINGS, Key::Named(b""))?.unwrap_or_default();
        Ok(())
    }
}
