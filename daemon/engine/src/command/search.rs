//! Searching the history.

use martlet_protocol::control::{SearchQuery, SearchResults};
use martlet_protocol::limits::HISTORY_PAGE_MAX;

use super::{Command, CommandError};
use crate::conversation::ConversationRef;
use crate::engine::Engine;
use crate::error::Fault;
use crate::limits::SEARCH_RESULTS;
use crate::search::Query;
use crate::turn::Turn;
use crate::user::Search;

/// Looks for words in all messages, or in those of one conversation. The reply says that it was begun: the first search
/// in a while takes as long as it takes to read all messages.
pub struct SearchMessages {
    /// What to look for, and where.
    pub query: SearchQuery,
    /// Takes what was found; dropped if the vault is closed before that.
    pub answer: Box<dyn FnOnce(SearchResults) + Send>,
}

impl Command for SearchMessages {
    type Reply = ();
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        // Where nothing can be written, batches do nothing else.
        let is_at_once = engine.failures.storage().is_some();
        let user = engine.user_mut()?;
        let SearchQuery { words, within, notes, limit } = self.query;
        let query = Query::new(&words).map_err(CommandError::from)?;
        let within = match (within, notes) {
            (Some(name), _) => Some(user.conversation_called(&name)?),
            (None, true) => Some(user.identity),
            (None, false) => None,
        };
        let within = within.map(|identity| ConversationRef::direct(&identity));
        let limit = limit.unwrap_or(SEARCH_RESULTS);
        if !(1..=HISTORY_PAGE_MAX).contains(&limit) {
            return Err(CommandError::PageSize { limit, max: HISTORY_PAGE_MAX }.into());
        }
        let max = usize::try_from(limit).unwrap_or(1);
        let search = Search { query, within, max, answer: self.answer };
        Ok(user.search(turn, search, is_at_once)?)
    }
}

impl std::fmt::Debug for SearchMessages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SearchMessages(…)")
    }
}
