//! How the user wants conversations to be, what they began to write there, and what they noted of people.

use martlet_protocol::IdentityId;
use martlet_protocol::control::{
    ConversationChange, ConversationList, ConversationSettings, ConversationSummary, Draft,
    Settings, SettingsChange, Snippet, Switch,
};
use martlet_protocol::message::Text;
use martlet_store::StoreError;
use martlet_store::records::{
    CONTACT_NOTES, ContactNoteRecord, DRAFTS, DraftRecord, Manner, SettingsRecord,
};
use martlet_store::vault::Key;

use super::User;
use super::view::excerpt;
use crate::conversation::{ConversationRef, Place};
use crate::directory::{RoomError, Subject};
use crate::error::{CommandError, Fault};
use crate::limits::CONTACT_NOTE_BYTES_MAX;
use crate::turn::Turn;

impl User {
    /// All conversations: those that are pinned first, then the newest first, those without a message last.
    pub(crate) fn conversations(
        &self,
        turn: &mut Turn<'_>,
    ) -> Result<ConversationList, StoreError> {
        let records = turn.vault()?;
        let (view, has_snippets) = (self.view(), self.timeline.settings().snippets);
        let mut conversations = Vec::new();
        for (name, identity) in self.all_conversations() {
            let (conversation, identity) = (ConversationRef::direct(&identity), &identity);
            let page = self.timeline.page(records, &conversation, None, 1)?;
            let last = page.messages.into_iter().find_map(|(at, message)| Some((at, message?)));
            let last_at = last.as_ref().map(|(_, message)| message.stored_at);
            let last = last.filter(|_| has_snippets).and_then(|(position, message)| {
                let place = Place { conversation, position };
                let (direction, state) = view.direction_and_state(&place, &message);
                let is_over = self.timeline.is_over(&place, &message);
                let author = view.author_in_room(&place, &message);
                (!is_over).then(|| Snippet { author, direction, text: excerpt(&message), state })
            });
            conversations.push(ConversationSummary {
                name,
                room: self.room_id_of(identity),
                unread: self.timeline.unread(&conversation),
                mentions: self.timeline.mentions(&conversation),
                last_at,
                last,
                draft: records.get(&DRAFTS, Key::Named(&conversation.0))?.is_some(),
                settings: self.conversation_settings(identity),
            });
        }
        conversations.sort_by_key(|it| std::cmp::Reverse((it.settings.pinned, it.last_at)));
        Ok(ConversationList { conversations })
    }

    /// Messages that are unread of the conversation with `identity`.
    pub(crate) fn unread_of(&self, identity: &IdentityId) -> u64 {
        self.timeline.unread(&ConversationRef::direct(identity))
    }

    /// How the user wants the conversation with `identity`.
    pub(crate) fn conversation_settings(&self, identity: &IdentityId) -> ConversationSettings {
        let manner = self.timeline.manner(&ConversationRef::direct(identity));
        ConversationSettings {
            muted: manner.is_muted,
            pinned: manner.is_pinned,
            receipts: switch(manner.receipts),
            typing: switch(manner.typing),
        }
    }

    /// Changes that.
    pub(crate) fn set_conversation(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        change: &ConversationChange,
    ) -> Result<ConversationSettings, Fault> {
        let conversation = ConversationRef::direct(identity);
        let is_of_two = change.receipts.is_some() || change.typing.is_some();
        if is_of_two && self.is_room(&conversation) {
            return Err(RoomError::OfTwo.into());
        }
        let old = self.timeline.manner(&conversation);
        let manner = Manner {
            is_muted: change.muted.unwrap_or(old.is_muted),
            is_pinned: change.pinned.unwrap_or(old.is_pinned),
            receipts: change.receipts.map_or(old.receipts, choice),
            typing: change.typing.map_or(old.typing, choice),
        };
        self.timeline.set_manner(conversation, manner);
        self.share(turn, Subject::Manner(*identity))?;
        Ok(self.conversation_settings(identity))
    }

    /// How the user wants all of them.
    pub(crate) fn settings(&self) -> Settings {
        let SettingsRecord { receipts, typing, snippets, strict_devices } =
            self.timeline.settings();
        Settings { receipts, typing, snippets, strict_devices }
    }

    /// Changes that.
    pub(crate) fn set_settings(
        &mut self,
        turn: &mut Turn<'_>,
        change: &SettingsChange,
    ) -> Result<Settings, StoreError> {
        let old = self.timeline.settings();
        let settings = SettingsRecord {
            receipts: change.receipts.unwrap_or(old.receipts),
            typing: change.typing.unwrap_or(old.typing),
            snippets: change.snippets.unwrap_or(old.snippets),
            strict_devices: change.strict_devices.unwrap_or(old.strict_devices),
        };
        self.put_settings(turn, settings)?;
        self.share(turn, Subject::Preferences)?;
        Ok(self.settings())
    }

    pub(super) fn put_settings(
        &mut self,
        turn: &mut Turn<'_>,
        settings: SettingsRecord,
    ) -> Result<(), StoreError> {
        let was_strict = self.timeline.settings().strict_devices;
        self.timeline.set_settings(turn.vault()?, settings)?;
        if was_strict && !settings.strict_devices {
            self.send_all_confirmed(turn)?;
        }
        Ok(())
    }

    /// What the user began to write to `identity`.
    pub(crate) fn draft(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
    ) -> Result<Draft, StoreError> {
        let found = turn.vault()?.get(&DRAFTS, Key::Named(&identity.0))?;
        Ok(match found {
            Some(DraftRecord { text, at }) => Draft { text: Some(text), at: Some(at) },
            None => Draft::default(),
        })
    }

    /// Keeps that, or, with `None`, forgets it.
    pub(crate) fn set_draft(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        text: Option<&Text>,
    ) -> Result<Draft, StoreError> {
        let (at, key) = (turn.now, Key::Named(&identity.0));
        let Some(text) = text else {
            turn.vault()?.delete(&DRAFTS, key)?;
            return Ok(Draft::default());
        };
        let text = text.as_str().to_owned();
        turn.vault()?.put(&DRAFTS, key, &DraftRecord { text: text.clone(), at })?;
        Ok(Draft { text: Some(text), at: Some(at) })
    }

    /// What the user noted of a contact.
    pub(crate) fn contact_note(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
    ) -> Result<Option<String>, StoreError> {
        let found = turn.vault()?.get(&CONTACT_NOTES, Key::Named(&identity.0))?;
        Ok(found.map(|note: ContactNoteRecord| note.text))
    }

    /// Keeps that; an empty note is none.
    pub(crate) fn set_contact_note(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        text: String,
    ) -> Result<(), Fault> {
        if text.len() > CONTACT_NOTE_BYTES_MAX {
            let (found, max) = (text.len(), CONTACT_NOTE_BYTES_MAX);
            return Err(CommandError::NoteTooLong { found, max }.into());
        }
        self.put_contact_note(turn, identity, text)?;
        Ok(self.share(turn, Subject::Note(*identity))?)
    }

    pub(super) fn put_contact_note(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        text: String,
    ) -> Result<(), StoreError> {
        let key = Key::Named(&identity.0);
        if text.is_empty() {
            turn.vault()?.delete(&CONTACT_NOTES, key)?;
        } else {
            turn.vault()?.put(&CONTACT_NOTES, key, &ContactNoteRecord { text })?;
        }
        Ok(())
    }

    /// A contact is removed: what the user wrote of them, and how they wanted the conversation to be.
    pub(super) fn forget_manners(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        self.timeline.set_manner(ConversationRef::direct(identity), Manner::default());
        let records = turn.vault()?;
        records.delete(&DRAFTS, Key::Named(&identity.0))?;
        records.delete(&CONTACT_NOTES, Key::Named(&identity.0))?;
        Ok(())
    }
}

fn switch(choice: Option<bool>) -> Switch {
    match choice {
        None => Switch::Default,
        Some(true) => Switch::On,
        Some(false) => Switch::Off,
    }
}

fn choice(switch: Switch) -> Option<bool> {
    match switch {
        Switch::Default => None,
        Switch::On => Some(true),
        Switch::Off => Some(false),
    }
}
