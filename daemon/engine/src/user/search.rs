//! Searches: they wait until the texts are there that they look through.

use std::collections::VecDeque;

use martlet_protocol::control::{SearchResult, SearchResults};
use martlet_store::StoreError;

use super::User;
use crate::conversation::{ConversationRef, Place, person};
use crate::kinds::Content;
use crate::limits::{SEARCHED_PER_BATCH_MAX, SEARCHES_WAITING_MAX};
use crate::search::{Around, Query};
use crate::timeline::Hits;
use crate::turn::Turn;

/// Searches that wait. Dropped with the vault, and their askers with them.
pub(super) type Searches = VecDeque<Search>;

/// A search under way.
pub(crate) struct Search {
    pub(crate) query: Query,
    /// Only there.
    pub(crate) within: Option<ConversationRef>,
    /// Messages to be found at most.
    pub(crate) max: usize,
    /// Who asked.
    pub(crate) answer: Box<dyn FnOnce(SearchResults) + Send>,
}

impl User {
    /// Begins a search, and answers it as soon as can be, or in this batch.
    pub(crate) fn search(
        &mut self,
        turn: &mut Turn<'_>,
        search: Search,
        is_at_once: bool,
    ) -> Result<(), StoreError> {
        self.timeline.want_texts();
        if self.unfinished.searches.len() >= SEARCHES_WAITING_MAX {
            self.unfinished.searches.pop_front();
        }
        self.unfinished.searches.push_back(search);
        while is_at_once && self.timeline.is_reading_texts() {
            self.timeline.read_texts(turn.vault()?, usize::MAX)?;
        }
        self.answer_searches(turn)
    }

    /// Reads some of what is looked through.
    pub(super) fn search_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if self.timeline.is_reading_texts() {
            self.timeline.read_texts(turn.vault()?, SEARCHED_PER_BATCH_MAX)?;
        }
        self.answer_searches(turn)
    }

    fn answer_searches(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if self.timeline.is_reading_texts() {
            return Ok(());
        }
        for Search { query, within, max, answer } in std::mem::take(&mut self.unfinished.searches) {
            let hits = self.timeline.search(turn.vault()?, &query, within.as_ref(), max)?;
            let results = self.show_hits(&query, hits);
            turn.after_commit(move || answer(results));
        }
        Ok(())
    }

    fn show_hits(&self, query: &Query, hits: Hits) -> SearchResults {
        let Hits { messages, more, is_partial } = hits;
        let view = self.view();
        let mut results = Vec::new();
        for (place, record) in messages {
            let text = Content::of(&record).shown();
            let Some(Around { before, found, after }) = query.around(&text) else { continue };
            let (direction, _) = view.direction_and_state(&place, &record);
            let Place { conversation, .. } = place;
            results.push(SearchResult {
                id: record.id.to_string(),
                conversation: view.name_or_id(&person(&conversation)),
                room: self.room_id_of(&person(&conversation)),
                author: view.author_in_room(&place, &record),
                direction,
                sent_at: record.sent_at,
                stored_at: record.stored_at,
                before,
                found,
                after,
            });
        }
        SearchResults { results, more, partial: is_partial }
    }
}
