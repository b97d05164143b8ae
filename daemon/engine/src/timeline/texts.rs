//! The texts that searches look through: what all messages say, folded, in memory alone.
//!
//! Nothing of it is on disk. It is read from the vault when someone searches, some messages in each batch, and follows
//! each message that comes, is edited, or is gone. It is wiped with the vault's keys, and when nobody has searched for a
//! while.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use martlet_protocol::UnixMillis;
use martlet_protocol::control::SearchHolds;
use martlet_store::records::MessageRecord;
use martlet_store::{StoreError, VaultTxn};

use super::{Page, Timeline};
use crate::conversation::{ConversationRef, Place};
use crate::kinds::Content;
use crate::limits::{SEARCHED_BYTES_MAX, SEARCHED_KEPT, SEARCHED_PAGE};
use crate::search::{Folded, Query};

/// What a text takes beside its bytes.
const ENTRY_BYTES: usize = 64;

/// The texts, once someone has searched.
#[derive(Default)]
pub(super) struct Texts {
    kept: Option<Kept>,
    /// The time since the host's start.
    steady: Duration,
}

struct Kept {
    texts: BTreeMap<ConversationRef, BTreeMap<u64, Text>>,
    /// What is still to be read: of which conversations, before which position.
    left: VecDeque<(ConversationRef, Option<u64>)>,
    bytes: usize,
    bytes_max: usize,
    /// The oldest found no room.
    is_partial: bool,
    used_at: Duration,
}

struct Text {
    stored_at: UnixMillis,
    folded: Folded,
}

/// What a search found, newest first.
pub(crate) struct Hits {
    pub(crate) messages: Vec<(Place, MessageRecord)>,
    /// Whether there are older ones.
    pub(crate) more: bool,
    /// Whether old messages were not looked at.
    pub(crate) is_partial: bool,
}

impl Texts {
    pub(super) fn begin_batch(&mut self, steady: Duration) {
        self.steady = steady;
        if let Some(kept) = &self.kept
            && steady.saturating_sub(kept.used_at) > SEARCHED_KEPT
        {
            self.kept = None;
        }
    }

    /// A message has come, or says something else than before.
    pub(super) fn note(&mut self, place: &Place, message: &MessageRecord) {
        if let Some(kept) = &mut self.kept {
            kept.put(place, message);
        }
    }

    /// A message is gone.
    pub(super) fn forget(&mut self, place: &Place) {
        if let Some(kept) = &mut self.kept {
            kept.remove(place);
        }
    }

    /// All of a conversation is gone, up to this position.
    pub(super) fn forget_up_to(&mut self, id: &ConversationRef, position: u64) {
        if let Some(kept) = &mut self.kept
            && let Some(texts) = kept.texts.get_mut(id)
        {
            let later = texts.split_off(&position.saturating_add(1));
            let gone = std::mem::replace(texts, later);
            kept.bytes -= gone.values().map(Text::bytes).sum::<usize>();
        }
    }
}

impl Kept {
    fn put(&mut self, place: &Place, message: &MessageRecord) {
        self.remove(place);
        let Some(text) = Content::of(message).searched() else { return };
        let text = Text { stored_at: message.stored_at, folded: Folded::new(&text) };
        self.bytes += text.bytes();
        self.texts.entry(place.conversation).or_default().insert(place.position, text);
        while self.bytes > self.bytes_max
            && let Some(longest) = self.texts.values_mut().max_by_key(|texts| texts.len())
            && let Some((_, oldest)) = longest.pop_first()
        {
            self.bytes -= oldest.bytes();
            self.is_partial = true;
            // What is older than what finds no room doesn't find any either.
            self.left.clear();
        }
    }

    fn remove(&mut self, place: &Place) {
        let texts = self.texts.get_mut(&place.conversation);
        if let Some(text) = texts.and_then(|texts| texts.remove(&place.position)) {
            self.bytes -= text.bytes();
        }
    }
}

impl Text {
    fn bytes(&self) -> usize {
        self.folded.len() + ENTRY_BYTES
    }
}

impl Timeline {
    /// Someone searches: the texts are read, if they are not there.
    pub(crate) fn want_texts(&mut self) {
        let left = || self.conversations.keys().map(|id| (*id, None)).collect();
        let used_at = self.texts.steady;
        let kept = self.texts.kept.get_or_insert_with(|| Kept {
            texts: BTreeMap::new(),
            left: left(),
            bytes: 0,
            bytes_max: SEARCHED_BYTES_MAX,
            is_partial: false,
            used_at,
        });
        kept.used_at = used_at;
    }

    /// What is in memory of them.
    pub(crate) fn texts_held(&self) -> Option<SearchHolds> {
        let kept = self.texts.kept.as_ref()?;
        let texts: usize = kept.texts.values().map(BTreeMap::len).sum();
        let number = |count| u64::try_from(count).unwrap_or(u64::MAX);
        Some(SearchHolds { texts: number(texts), bytes: number(kept.bytes) })
    }

    /// Whether texts are still to be read.
    pub(crate) fn is_reading_texts(&self) -> bool {
        self.texts.kept.as_ref().is_some_and(|kept| !kept.left.is_empty())
    }

    /// Reads some of the texts, newest first, of each conversation in turn.
    pub(crate) fn read_texts(
        &mut self,
        records: &VaultTxn,
        mut max: usize,
    ) -> Result<(), StoreError> {
        while max > 0
            && let Some(kept) = &mut self.texts.kept
            && let Some((conversation, before)) = kept.left.pop_front()
        {
            let Page { messages, more } =
                self.page(records, &conversation, before, SEARCHED_PAGE.min(max))?;
            let Some(kept) = &mut self.texts.kept else { break };
            if let Some((first, _)) = messages.first().filter(|_| more) {
                kept.left.push_back((conversation, Some(*first)));
            }
            max -= messages.len().min(max);
            // The newest first, which are those to be kept.
            for (position, message) in messages.into_iter().rev() {
                if let Some(message) = message {
                    kept.put(&Place { conversation, position }, &message);
                }
            }
        }
        Ok(())
    }

    /// The newest messages that have what is looked for, at most `max`: of one conversation, or of all. Each is read anew,
    /// so that none is found that is gone.
    pub(crate) fn search(
        &self,
        records: &VaultTxn,
        query: &Query,
        within: Option<&ConversationRef>,
        max: usize,
    ) -> Result<Hits, StoreError> {
        let mut hits = Hits { messages: Vec::new(), more: false, is_partial: false };
        let Some(kept) = &self.texts.kept else { return Ok(hits) };
        hits.is_partial = kept.is_partial;
        let mut found = Vec::new();
        let texts = kept.texts.iter().filter(|(id, _)| within.is_none_or(|within| within == *id));
        for (id, texts) in texts {
            let has = texts.iter().filter(|(_, text)| query.is_in(&text.folded));
            found.extend(has.map(|(position, text)| (text.stored_at, id, *position)));
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        for (_, conversation, position) in found {
            let place = Place { conversation: *conversation, position };
            let message = self.message(records, &place)?;
            let Some(message) = message.filter(|it| !self.is_over(&place, it)) else {
                continue;
            };
            if hits.messages.len() >= max {
                hits.more = true;
                break;
            }
            hits.messages.push((place, message));
        }
        Ok(hits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(bytes_max: usize) -> Kept {
        Kept {
            texts: BTreeMap::new(),
            left: VecDeque::from([(ConversationRef([1; 32]), None)]),
            bytes: 0,
            bytes_max,
            is_partial: false,
            used_at: Duration::ZERO,
        }
    }

    fn message(text: &str) -> MessageRecord {
        crate::timeline::tests::message(1, text)
    }

    fn place(position: u64) -> Place {
        Place { conversation: ConversationRef([1; 32]), position }
    }

    #[test]
    fn what_finds_no_room_are_the_oldest_and_it_is_told() {
        let mut kept = kept(3 * (ENTRY_BYTES + 10));
        for position in 1..=3 {
            kept.put(&place(position), &message("0123456789"));
        }
        assert!(!kept.is_partial && !kept.left.is_empty());
        kept.put(&place(4), &message("0123456789"));
        assert!(kept.is_partial && kept.left.is_empty());
        let positions: Vec<_> = kept.texts.values().flat_map(BTreeMap::keys).copied().collect();
        assert_eq!(positions, [2, 3, 4]);
        assert_eq!(kept.bytes, 3 * (ENTRY_BYTES + 10));
    }

    #[test]
    fn bytes_are_those_of_what_is_there() {
        let mut texts = Texts { kept: Some(kept(1 << 20)), steady: Duration::ZERO };
        for position in 1..=10 {
            texts.note(&place(position), &message("before"));
            texts.note(&place(position), &message("afterwards"));
        }
        texts.forget(&place(10));
        texts.forget(&place(10));
        texts.forget_up_to(&ConversationRef([1; 32]), 8);
        let bytes = texts.kept.as_ref().map(|kept| kept.bytes);
        assert_eq!(bytes, Some(ENTRY_BYTES + "afterwards".len()));
        texts.begin_batch(SEARCHED_KEPT + Duration::from_secs(1));
        assert!(texts.kept.is_none(), "nobody has searched for a while");
    }
}
