//! Scrolling, and asking for what is scrolled to.

use super::{Ask, Link, Model, Place};
use crate::chat::rows;

impl Model {
    /// Scrolls up by so many lines; down if negative. Asks for older messages near the top.
    pub(crate) fn scroll(&mut self, lines: isize, asks: &mut Vec<Ask>) {
        if let Some(conversation) = self.open_conversation_mut() {
            conversation.scroll = conversation.scroll.saturating_add_signed(lines);
        }
        self.hold_scroll(asks);
        self.read_open(asks);
    }

    /// Keeps the place scrolled to within the messages.
    pub(super) fn hold_scroll(&mut self, asks: &mut Vec<Ask>) {
        let Some(place) = self.open.clone() else { return };
        let area = self.layout().messages;
        let height = usize::from(area.height);
        let Some(conversation) = self.conversation(&place) else { return };
        // A screen ahead while scrolling, so that older ones are there when they are scrolled to.
        let ahead = if conversation.scroll > 0 { height } else { 0 };
        let wanted = conversation.scroll.saturating_add(height + ahead);
        let lines = rows::count(self, &place, usize::from(area.width), wanted);
        let is_short = lines < wanted;
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        conversation.scroll = conversation.scroll.min(lines.saturating_sub(height));
        if is_short {
            self.ask_older(&place, asks);
        }
    }

    /// Asks for the page before what is loaded. False if there is none.
    pub(crate) fn ask_older(&mut self, place: &Place, asks: &mut Vec<Ask>) -> bool {
        let Some(conversation) = self.conversations.get_mut(place) else { return false };
        let Some(first) = conversation.rows.first() else { return false };
        let can = conversation.loaded && conversation.more && self.link == Link::Up;
        if can && !conversation.loading {
            let before = Some(first.id.clone());
            conversation.loading = true;
            asks.push(Ask::Page { place: place.clone(), before });
        }
        can
    }

    /// Changes a conversation while what is seen of it stays where it is.
    pub(super) fn keeping_place<T>(
        &mut self,
        place: &Place,
        change: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let is_scrolled = self.open.as_ref() == Some(place)
            && self.conversation(place).is_some_and(|conversation| conversation.scroll > 0);
        let columns = usize::from(self.layout().messages.width);
        let before = if is_scrolled { rows::count(self, place, columns, usize::MAX) } else { 0 };
        let result = change(self);
        if is_scrolled {
            let after = rows::count(self, place, columns, usize::MAX);
            if let Some(conversation) = self.conversations.get_mut(place) {
                conversation.scroll += after.saturating_sub(before);
            }
        }
        result
    }
}
