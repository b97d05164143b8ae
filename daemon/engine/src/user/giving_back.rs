//! What another device of the user's lost whose vault was put back from a copy, and this one has: what the user wrote since, here and
//! there, notes too, how far it got, and how far conversations are read. (Settings are given anyway; what others wrote they send
//! again themselves; what was written in rooms goes as to all members.)
//!
//! It is told in pieces, some with each tick. After a crash it begins anew: the other device knows by the ids what it has.

use std::collections::VecDeque;

use martlet_protocol::UnixMillis;
use martlet_protocol::limits::CLOCK_SKEW_MAX;
use martlet_store::StoreError;
use martlet_store::records::{LossRecord, State};

use super::User;
use super::put_back::millis;
use crate::conversation::{ConversationRef, Place, person};
use crate::kinds::message_of;
use crate::limits::{GIVEN_BACK_PER_TICK_MAX, GIVEN_BACK_UNDER_WAY_MAX, RESENT_MAX};
use crate::turn::Turn;

/// What is left to be told of a loss.
pub(super) struct GivingBack {
    loss: LossRecord,
    conversations: VecDeque<ConversationRef>,
    /// Of the last of them: oldest first.
    places: VecDeque<Place>,
    bytes: usize,
}

impl GivingBack {
    pub(super) fn is_for(&self, loss: &LossRecord) -> bool {
        self.loss == *loss
    }
}

impl User {
    /// Tells as much of it as may be told in one tick. Once it is all, how many bytes it was.
    pub(super) fn give_back_some(
        &mut self,
        turn: &mut Turn<'_>,
        loss: &LossRecord,
    ) -> Result<Option<usize>, StoreError> {
        let own = self.identity;
        if !self.has_siblings(turn.now) || self.outbox.messages_to(&own) >= GIVEN_BACK_UNDER_WAY_MAX
        {
            // Later: its keys may come yet.
            return Ok(None);
        }
        let mut giving = match self.put_back.giving_back.take() {
            Some(giving) if giving.is_for(loss) => giving,
            Some(other) => {
                // One after the other.
                self.put_back.giving_back = Some(other);
                return Ok(None);
            }
            None => self.begin_giving_back(turn, loss)?,
        };
        let mut left = GIVEN_BACK_PER_TICK_MAX;
        while left > 0 {
            if let Some(place) = giving.places.pop_front() {
                left -= 1;
                giving.bytes += self.give_back(turn, place)?;
                continue;
            }
            let Some(conversation) = giving.conversations.pop_front() else {
                return Ok(Some(giving.bytes));
            };
            giving.places = self.to_give_back(turn, conversation, loss)?;
            // It waits there for the message that it names.
            self.copy_read(turn, person(&conversation))?;
            left -= 1;
        }
        self.put_back.giving_back = Some(giving);
        Ok(None)
    }

    fn begin_giving_back(
        &mut self,
        turn: &mut Turn<'_>,
        loss: &LossRecord,
    ) -> Result<GivingBack, StoreError> {
        // What is on its way is in a session that it may have lost.
        let own = self.identity;
        self.take_back(turn, self.outbox.of_session_with(&own, &own), false)?;
        self.unfinished.send_later(own);
        let all = self.timeline.iter().map(|record| record.conversation);
        let all = all.filter(|it| person(it) == own || self.directory.is_contact(&person(it)));
        let mut conversations = VecDeque::new();
        for conversation in all.collect::<Vec<_>>() {
            if self.timeline.has_since(turn.vault()?, &conversation, lost_from(loss))? {
                conversations.push_back(conversation);
            }
        }
        Ok(GivingBack { loss: *loss, conversations, places: VecDeque::new(), bytes: 0 })
    }

    /// What the user wrote in a conversation since then on this device, and on the one that lost it.
    fn to_give_back(
        &self,
        turn: &mut Turn<'_>,
        conversation: ConversationRef,
        loss: &LossRecord,
    ) -> Result<VecDeque<Place>, StoreError> {
        let of = [self.keyring.device().device(), loss.device];
        let from = (RESENT_MAX, &of[..]);
        let own = self.timeline.own_since(turn.vault()?, conversation, lost_from(loss), from)?;
        let own = own.into_iter().rev().filter(|it| it.state != State::Recalled);
        Ok(own.map(|it| Place { conversation, position: it.position }).collect())
    }

    fn give_back(&mut self, turn: &mut Turn<'_>, place: Place) -> Result<usize, StoreError> {
        // It may have ended meanwhile.
        let message = self.timeline.message(turn.vault()?, &place)?;
        let Some(record) = message.filter(|it| !it.body.is_recalled()) else { return Ok(0) };
        let message = message_of(&record);
        self.copy_sent(turn, person(&place.conversation), &message)?;
        self.directory.siblings_mut().progress_mut().note(turn.vault()?, place)?;
        Ok(message.encode().len())
    }
}

/// A little earlier than was said: clocks differ.
fn lost_from(loss: &LossRecord) -> UnixMillis {
    UnixMillis(loss.from.0.saturating_sub(millis(CLOCK_SKEW_MAX)))
}
