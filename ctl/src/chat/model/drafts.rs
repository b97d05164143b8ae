//! What is typed and not sent: the daemon keeps it, in the vault.

use super::{About, Ask, Input, Link, Model, Place};

impl Model {
    /// Asks for what was typed in a conversation before, unless that is known.
    pub(super) fn ask_draft(&self, place: &Place, asks: &mut Vec<Ask>) {
        let is_unknown = self.conversation(place).is_none_or(|it| it.draft_kept.is_none());
        if let (Place::Contact(name), true, Link::Up) = (place, is_unknown, &self.link) {
            asks.push(Ask::Draft { name: name.clone() });
        }
    }

    /// Takes in what was typed in a conversation before.
    pub(super) fn take_draft(&mut self, name: String, text: String) {
        let conversation = self.conversations.entry(Place::Contact(name)).or_default();
        if conversation.draft.is_empty() && conversation.about.is_none() {
            conversation.draft = Input::of(&text);
        }
        conversation.draft_kept = Some(text);
    }

    /// Gives the daemon what changed of what is being typed.
    pub(super) fn keep_drafts(&mut self, asks: &mut Vec<Ask>) {
        if self.link != Link::Up {
            return;
        }
        for (place, conversation) in &mut self.conversations {
            let Place::Contact(name) = place else { continue };
            // What another message is to say instead is no draft.
            let is_edit = matches!(conversation.about, Some(About::Edit { .. }));
            let text = conversation.draft.text();
            if !is_edit && conversation.draft_kept.as_ref().is_some_and(|kept| kept != text) {
                asks.push(Ask::KeepDraft { name: name.clone(), text: text.to_owned() });
                conversation.draft_kept = Some(text.to_owned());
            }
        }
    }

    /// Whether something is typed that nobody keeps.
    pub(super) fn has_unkept_drafts(&self) -> bool {
        self.conversations.values().any(|conversation| {
            let is_kept = self.link == Link::Up && conversation.draft_kept.is_some();
            !conversation.draft.is_empty() && !is_kept
        })
    }
}
