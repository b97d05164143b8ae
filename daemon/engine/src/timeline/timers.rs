//! Timers of a conversation's messages, where nothing else is said: both sides may set them, and agree on which count.

use martlet_protocol::message::Timers;
use martlet_protocol::{IdentityId, MessageId, UnixMillis};
use martlet_store::records::{MessageRecord, TimersSet};
use std::time::Duration;

use super::{Timeline, writer};
use crate::conversation::ConversationRef;
use crate::kinds::{Content, Says};
use crate::limits::TIMERS_REPEATED_AFTER;

/// The least by which one time is after another.
const INSTANT: Duration = Duration::from_millis(1);

impl Timeline {
    /// What a conversation's messages have where nothing else is said.
    pub(crate) fn timers(&self, id: &ConversationRef) -> Timers {
        self.timers_set(id).map_or(Timers::OFF, |set| set.timers)
    }

    /// Those that someone set last, and by what.
    pub(crate) fn timers_set(&self, id: &ConversationRef) -> Option<TimersSet> {
        self.get(id).and_then(|record| record.timers)
    }

    /// Another device knows of these, which count if nobody set others later.
    pub(crate) fn set_timers(&mut self, id: ConversationRef, set: TimersSet) {
        if self.timers_set(&id).is_none_or(|last| order(&last) < order(&set)) {
            self.get_mut(id).timers = Some(set);
        }
    }

    /// Those that the user set, if they are the conversation's and may be sent again now: neither they were sent of late,
    /// nor again.
    pub(crate) fn timers_to_repeat(
        &mut self,
        id: &ConversationRef,
        user: IdentityId,
        now: UnixMillis,
        steady: Duration,
    ) -> Option<TimersSet> {
        let is_of_late = |at: Duration| steady.saturating_sub(at) < TIMERS_REPEATED_AFTER;
        self.timers_repeated.retain(|_, at| is_of_late(*at));
        let set = self.timers_set(id)?;
        let is_ahead = set.set_at > now.plus(TIMERS_REPEATED_AFTER);
        let is_old = is_ahead || now.since(set.set_at) >= TIMERS_REPEATED_AFTER;
        (is_old && set.author == user && !self.timers_repeated.contains_key(id)).then_some(set)
    }

    /// They are sent again.
    pub(crate) fn repeat_timers(&mut self, id: ConversationRef, steady: Duration) {
        self.timers_repeated.insert(id, steady);
    }

    /// When timers are to be set so that they count, though the other side's clock may be ahead.
    pub(crate) fn timers_set_at(&self, id: &ConversationRef, now: UnixMillis) -> UnixMillis {
        let last = self.timers_set(id);
        last.map_or(now, |last| now.max(last.set_at.plus(INSTANT)))
    }

    /// A message was shown: if it sets timers, and nobody set others later, they are the conversation's.
    pub(super) fn note_timers(&mut self, id: &ConversationRef, message: &MessageRecord) {
        let Content::Says(Says::Timers(timers)) = Content::of(message) else { return };
        let set_at = message.sent_at;
        let set = TimersSet { timers, set_at, author: writer(id, message), id: message.id };
        let last = self.timers_set(id);
        if last.is_none_or(|last| order(&last) < order(&set) || message.own && is_last(&last)) {
            self.get_mut(*id).timers = Some(set);
        }
    }
}

/// Whether nothing is later: its sender lied about the time, and the user's own word counts here all the same.
fn is_last(set: &TimersSet) -> bool {
    set.set_at.plus(INSTANT) == set.set_at
}

/// Which of two settings counts: all of it is in the message, signed, so both sides order them alike, whenever they come.
/// The time is that of the setter's clock. One that is ahead has no last word: whoever sets timers later, having seen
/// these, gives theirs a later time ([`Timeline::timers_set_at`]).
fn order(set: &TimersSet) -> (UnixMillis, IdentityId, MessageId) {
    (set.set_at, set.author, set.id)
}
