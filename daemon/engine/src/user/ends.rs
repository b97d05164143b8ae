//! Messages whose life is over: by their timers, or since the user wants it. And what timers a conversation has.

use martlet_protocol::control::{Delivery, SendResponse};
use martlet_protocol::message::{Message, Timers};
use martlet_protocol::{IdentityId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{Body, EndReason, Ending, Happened, MessageRecord, State};

use super::User;
use crate::agenda::{Due, What};
use crate::conversation::{ConversationRef, Place, person};
use crate::error::{CommandError, Fault};
use crate::kinds::message_of;
use crate::outbox::{self, Ended};
use crate::timeline::expires_at;
use crate::turn::Turn;

impl User {
    /// Sets the timers that messages with `identity` have where nothing else is said, and tells them.
    pub(crate) fn set_timers(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        timers: Timers,
    ) -> Result<SendResponse, StoreError> {
        let conversation = ConversationRef::direct(&identity);
        let sent_at = self.timeline.timers_set_at(&conversation, turn.now);
        let record = self.write(turn, &identity, Body::Timers(timers), State::Queued);
        let record = MessageRecord { sent_at, ..record };
        let position = self.append(turn, identity, &record)?;
        self.send_off(turn, identity, position, &message_of(&record))?;
        Ok(SendResponse { id: record.id.to_string(), state: Delivery::Queued })
    }

    /// An own message has left the outbox.
    pub(super) fn tell_ended(
        &mut self,
        turn: &mut Turn<'_>,
        ended: Ended,
    ) -> Result<(), StoreError> {
        let (outbox::Place { identity, position }, state) = match ended {
            Ended::Delivered(place) => (place, State::Delivered),
            Ended::Expired(place) => (place, State::Expired),
        };
        if state == State::Expired && self.directory.rooms().is_line(&identity) {
            return self.end_in_room(turn, identity, position);
        }
        let known = self.directory.rooms().of_line(&identity);
        if known.is_some_and(|known| known.is_unreached(position)) {
            // All to whom it went have it; not all for whom it is. (A deed is kept for them.)
            let place = Place { conversation: ConversationRef::direct(&identity), position };
            if self.timeline.message(turn.vault()?, &place)?.is_none() {
                return Ok(());
            }
            self.advance(turn, identity, position, State::Sent)?;
            return self.timeline.end_as_sent(turn.vault()?, &place);
        }
        self.advance(turn, identity, position, state)?;
        match state {
            State::Delivered => self.repeat_timers(turn, identity),
            State::Queued | State::Sent | State::Expired | State::Recalled => Ok(()),
        }
    }

    /// A contact has received something. If timers that the user set before have not reached them, they are sent again:
    /// someone who had blocked the user reads nothing of what came meanwhile.
    pub(super) fn repeat_timers(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let conversation = ConversationRef::direct(&identity);
        let (now, steady) = (turn.now, turn.steady);
        let own = self.identity;
        let Some(set) = self.timeline.timers_to_repeat(&conversation, own, now, steady) else {
            return Ok(());
        };
        let Some(place) = self.timeline.find_of(turn.vault()?, &set.id, None)? else {
            return Ok(());
        };
        let message = self.timeline.message(turn.vault()?, &place)?;
        // Another device of the user's repeats what it set.
        let this = self.keyring.device().device();
        let message = message.filter(|it| it.author.is_none_or(|author| author.device == this));
        match message.map(|message| message.state) {
            Some(State::Queued | State::Sent) => {
                let place = outbox::Place { identity, position: place.position };
                let envelopes = self.outbox.envelopes_of(&place).into_iter();
                let envelopes = envelopes.map(|id| (id, identity)).collect();
                self.timeline.repeat_timers(conversation, steady);
                self.take_back(turn, envelopes, false)
            }
            Some(State::Expired) => {
                self.timeline.repeat_timers(conversation, steady);
                self.set_timers(turn, identity, set.timers).map(|_| ())
            }
            Some(State::Delivered | State::Recalled) | None => Ok(()),
        }
    }

    /// When the next message ends. After a start the timeline may know better than the clock what has come.
    pub(super) fn plan_ended(&mut self) {
        let next = self.timeline.next_end().map(Due::Sure);
        let at_once = self.timeline.is_ending().then_some(Due::Now(UnixMillis(0)));
        self.agenda.set(What::Ended, at_once.or(next));
    }

    /// Ends the next of what is over; whether there was something.
    pub(super) fn end_next(&mut self, turn: &mut Turn<'_>) -> Result<bool, StoreError> {
        let Some(ending) = self.timeline.take_ended(turn.vault()?)? else { return Ok(false) };
        match ending {
            Ending::Message(place) => {
                // It may be gone already, or its place another's.
                if let Some(message) = self.timeline.message(turn.vault()?, &place)?
                    && let Some(reason) = self.timeline.has_ended(&message)
                {
                    self.end_message(turn, &place, &message, reason)?;
                }
            }
            Ending::Id(name) => self.timeline.forget_id(turn.vault()?, &name)?,
            Ending::Request(identity, number) => {
                self.directory.requests_mut().end_message(turn.vault()?, &identity, number)?;
            }
        }
        Ok(true)
    }

    /// A message's life is over: it leaves the vault, and the outbox, and that is told.
    fn end_message(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Place,
        message: &MessageRecord,
        reason: EndReason,
    ) -> Result<(), StoreError> {
        if message.own {
            self.end_sending(turn, place)?;
        }
        self.timeline.end(turn.vault()?, place, message)?;
        self.emit(turn, Happened::MessageEnded(place.conversation, message.id, reason))
    }

    /// What of an own message is not delivered is not sent any more.
    fn end_sending(&mut self, turn: &mut Turn<'_>, place: &Place) -> Result<(), StoreError> {
        let (identity, position) = (person(&place.conversation), place.position);
        let of_outbox = outbox::Place { identity, position };
        for id in self.outbox.envelopes_of(&of_outbox) {
            if let Some(ended) = self.outbox.end(turn.vault()?, &id)? {
                self.tell_ended(turn, ended)?;
            }
        }
        if self.outbox.is_waiting(&of_outbox) {
            self.outbox.end_wait(turn.vault()?, of_outbox)?;
            self.advance(turn, identity, position, State::Expired)?;
        }
        Ok(())
    }

    /// Deletes a message here, for this user.
    pub(crate) fn delete_message(&mut self, turn: &mut Turn<'_>, text: &str) -> Result<(), Fault> {
        let (place, message) = self.resolve(turn, text)?;
        let identity = person(&place.conversation);
        if message.own && self.outbox.has(&outbox::Place { identity, position: place.position }) {
            return Err(CommandError::OnItsWay.into());
        }
        Ok(self.end_message(turn, &place, &message, EndReason::Deleted)?)
    }

    /// Deletes all messages of a conversation here. The contact stays, and what is on its way goes on.
    pub(crate) fn clear_conversation(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let conversation = ConversationRef::direct(&identity);
        let up_to = self.timeline.begin_clearing(turn.vault()?, conversation)?;
        self.directory.siblings_mut().past_mut().close_line(turn.vault()?, &identity)?;
        self.unfinished.remove(identity, up_to);
        self.emit(turn, Happened::ConversationCleared(conversation))
    }

    /// Notes when what an unknown person just wrote is over, if it has an end.
    pub(super) fn note_request_end(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        message: &Message,
        stored_at: UnixMillis,
    ) -> Result<(), StoreError> {
        let Some(at) = expires_at(&message.timers, message.sent_at, stored_at) else {
            return Ok(());
        };
        let Some(number) = self.directory.requests().number_of_last(&identity) else {
            return Ok(());
        };
        self.timeline.add_end(turn.vault()?, at, Ending::Request(identity, number))
    }
}
