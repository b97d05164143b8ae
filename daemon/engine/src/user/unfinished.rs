//! What is too much for one batch, and goes on from batch to batch.
//!
//! One batch does a bounded part of it, so that no command and nothing of the network waits long, and no more than that
//! part is in memory at a time. Whom a reset makes untold is written first. In what order the other parts are done:
//!
//! 1. What was addressed in vain leaves the outbox, and waits.
//! 2. What waited is sent.
//! 3. Conversations are removed, and what other devices told of new contacts is shown.
//! 4. Envelopes end.
//! 5. Messages that were read are told that they burn, and those whose time is over end.
//! 6. Messages are told to be sent.
//! 7. After a start, the outbox is compared with the mailbox.
//! 8. Requests and sessions end.
//! 9. Parts of files are looked for in the mailbox.
//! 10. Where someone searches, the texts are read that are looked through.
//!
//! All of it is found again after a crash: by the records, or by the day's chores.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use martlet_protocol::{EnvelopeId, IdentityId, RoomId};
use martlet_store::StoreError;
use martlet_store::records::State;

use super::User;
use super::search::Searches;
use crate::conversation::{self, ConversationRef};
use crate::limits::{REQUEST_COST, RESTORED_PER_BATCH_MAX, UNFINISHED_PER_BATCH_MAX};
use crate::outbox::{self, Place};
use crate::turn::Turn;

/// What goes on from batch to batch.
#[derive(Default)]
pub(super) struct Unfinished {
    /// Messages that this batch may still handle.
    budget: usize,
    /// Envelopes to be taken out of the outbox and addressed anew.
    taken_back: Vec<TakenBack>,
    /// Whose messages wait for that.
    recipients: BTreeSet<IdentityId>,
    /// Contacts to whom what waits can be sent.
    sendable: BTreeSet<IdentityId>,
    /// Conversations being removed, and the envelopes for them that are to be let go, once they are known.
    removals: BTreeMap<IdentityId, Removal>,
    /// Contacts who have come, and of whom other devices told before.
    early_copies: BTreeSet<IdentityId>,
    /// Whether own envelopes have ended.
    has_ended: bool,
    /// Whether messages have.
    have_messages_ended: bool,
    /// Messages that another node holds, and that are to be told so.
    sent: VecDeque<Place>,
    /// Own envelopes whose acks may have come while the vault was locked.
    unacknowledged: Vec<EnvelopeId>,
    /// Whether there is, for all that is known, room in the mailbox for what is outside of it.
    fills_mailbox: bool,
    /// Whether requests and sessions whose time is over may be left.
    has_old: bool,
    /// Searches that wait for the texts to be read.
    pub(super) searches: Searches,
    /// Who is to be told of rooms, some with each tick.
    greetings: VecDeque<Greeting>,
}

/// What someone in a room is to be told.
pub(super) enum Greeting {
    /// All of it.
    All { room: RoomId, who: IdentityId },
    /// What is known of it.
    Heads { room: RoomId, who: IdentityId },
    /// How the user is found, by a session's key: all who were not told.
    Key { room: RoomId },
}

/// An envelope to be taken back.
struct TakenBack {
    id: EnvelopeId,
    /// Whether others refuse it as it is: it leaves the mailbox, and its message was not sent.
    is_refused: bool,
}

struct Removal {
    up_to: u64,
    envelopes: Option<Vec<EnvelopeId>>,
}

impl Unfinished {
    /// Whether messages are still going that were removed, or have ended.
    pub(super) fn is_removing(&self) -> bool {
        !self.removals.is_empty() || self.have_messages_ended
    }

    /// Goes on with these removals.
    pub(super) fn new(removals: impl Iterator<Item = (IdentityId, u64)>) -> Self {
        let removals = removals.map(|(identity, up_to)| (identity, Removal::of(up_to))).collect();
        // A user may come in the middle of a batch.
        Self { removals, budget: UNFINISHED_PER_BATCH_MAX, ..Self::default() }
    }

    pub(super) fn begin_batch(&mut self) {
        self.budget = UNFINISHED_PER_BATCH_MAX;
    }

    /// Whether there is something to go on with.
    pub(super) fn is_some(&self) -> bool {
        !self.taken_back.is_empty()
            || !self.sendable.is_empty()
            || !self.removals.is_empty()
            || !self.early_copies.is_empty()
            || self.has_ended
            || self.have_messages_ended
            || !self.sent.is_empty()
            || !self.unacknowledged.is_empty()
            || self.fills_mailbox
            || self.has_old
    }

    /// Takes one message's share of what the batch may do; `false` if nothing is left of it.
    pub(super) fn take(&mut self) -> bool {
        let is_left = self.budget > 0;
        self.spend(1);
        is_left
    }

    fn spend(&mut self, messages: usize) {
        self.budget = self.budget.saturating_sub(messages);
    }

    /// What waits for `identity` is to be sent, by the next batches.
    pub(super) fn send_later(&mut self, identity: IdentityId) {
        self.sendable.insert(identity);
    }

    /// Whether what is for `identity` is being taken back: until that is done nothing is sent to them, so that all
    /// goes out in order.
    pub(super) fn is_taking_back(&self, identity: &IdentityId) -> bool {
        self.recipients.contains(identity)
    }

    /// Whether anything is to be taken back.
    pub(super) fn takes_back(&self) -> bool {
        !self.taken_back.is_empty()
    }

    /// What other devices told of a contact before they were one is to be shown.
    pub(super) fn show_copies_of(&mut self, identity: IdentityId) {
        self.early_copies.insert(identity);
    }

    /// Own envelopes have ended.
    pub(super) fn end_envelopes(&mut self) {
        self.has_ended = true;
    }

    /// Messages have ended.
    pub(super) fn end_messages(&mut self) {
        self.have_messages_ended = true;
    }

    /// There may be room for what is outside the mailbox.
    pub(super) fn fill_mailbox(&mut self, may: bool) {
        self.fills_mailbox = may;
    }

    /// Looks for acks of these that were missed.
    pub(super) fn look_for_acks(&mut self, ids: Vec<EnvelopeId>) {
        self.unacknowledged = ids;
    }

    /// These are to be told of rooms, instead of any who still were.
    pub(super) fn greet(&mut self, greetings: Vec<Greeting>) {
        self.greetings = greetings.into();
    }

    /// The same, after those who still are.
    pub(super) fn greet_also(&mut self, greeting: Greeting) {
        self.greetings.push_back(greeting);
    }

    pub(super) fn next_greeting(&mut self) -> Option<Greeting> {
        self.greetings.pop_front()
    }

    /// Looks for requests and sessions whose time is over.
    pub(super) fn end_old(&mut self) {
        self.has_old = true;
    }

    /// Removes what is left of `identity` up to this position.
    pub(super) fn remove(&mut self, identity: IdentityId, up_to: u64) {
        self.removals.insert(identity, Removal::of(up_to));
    }
}

impl Removal {
    fn of(up_to: u64) -> Self {
        Self { up_to, envelopes: None }
    }
}

impl User {
    /// Takes these own envelopes back, to send what they carry again, in order, in new sessions. Others may refuse
    /// them as they are.
    pub(super) fn take_back(
        &mut self,
        turn: &mut Turn<'_>,
        envelopes: Vec<(EnvelopeId, IdentityId)>,
        is_refused: bool,
    ) -> Result<(), StoreError> {
        for (id, identity) in envelopes {
            let is_part = self.outbox.part_in(&id).is_some();
            if is_part && !is_refused {
                // It is of no session.
                continue;
            }
            self.unfinished.taken_back.push(TakenBack { id, is_refused });
            let is_control = self.outbox.is_control(&id);
            if !is_control && !is_part && self.unfinished.recipients.insert(identity) {
                // Its key may be in what nobody gets.
                self.keyring.outbound.end(turn.vault()?, &identity)?;
            }
        }
        Ok(())
    }

    /// Does what one batch may of what is left.
    pub(super) fn go_on(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if !self.has_unfinished() {
            return Ok(());
        }
        self.write_untold_some(turn)?;
        self.take_back_some(turn)?;
        for identity in std::mem::take(&mut self.unfinished.sendable) {
            self.send_waiting(turn, identity)?;
        }
        self.remove_some(turn)?;
        self.show_copies_some(turn)?;
        if !self.unfinished.takes_back() {
            // What a wrong clock addressed is addressed anew before it could end.
            self.end_some(turn)?;
            self.restore_some(turn)?;
        }
        self.light_some(turn)?;
        self.end_messages_some(turn)?;
        self.tell_some(turn)?;
        self.end_old_some(turn)?;
        self.look_for_parts(turn)?;
        self.search_some(turn)
    }

    fn take_back_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        while let Some(TakenBack { id, is_refused }) = self.unfinished.taken_back.last() {
            let (id, is_refused) = (*id, *is_refused);
            if !self.unfinished.take() {
                return Ok(());
            }
            self.unfinished.taken_back.pop();
            if let Some((outbox::Place { identity, position }, part)) = self.outbox.part_in(&id) {
                // It is made anew, as it is addressed now.
                let conversation = ConversationRef::direct(&identity);
                self.timeline
                    .parts
                    .outgoing
                    .unmake(&conversation::Place { conversation, position }, part);
            }
            let place = self.outbox.take_back(turn.vault()?, &id)?;
            if is_refused {
                let now = turn.now;
                turn.mailbox_mut().withdraw(&id, now)?;
                place.map_or(Ok(()), |place| self.take_back_sent(turn, place))?;
            }
        }
        let recipients = std::mem::take(&mut self.unfinished.recipients);
        self.unfinished.sendable.extend(recipients);
        Ok(())
    }

    fn remove_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        while self.unfinished.budget > 0
            && let Some(mut first) = self.unfinished.removals.first_entry()
        {
            let (identity, budget) = (*first.key(), self.unfinished.budget);
            let Removal { up_to, envelopes } = first.get_mut();
            let up_to = *up_to;
            let is_contact = self.directory.is_contact(&identity);
            let mut done = 0;
            if !is_contact {
                done += self.keyring.inbound.park(turn.vault()?, &identity, budget)?;
            }
            let conversation = ConversationRef::direct(&identity);
            // What is cleared goes on its way.
            if !self.timeline.is_clearing(&conversation) {
                let outbox = &self.outbox;
                let left =
                    envelopes.get_or_insert_with(|| outbox.left_for(&identity, up_to, !is_contact));
                let now_gone = left.split_off(left.len().saturating_sub(budget - done));
                done += now_gone.len();
                for id in now_gone {
                    self.outbox.let_go(turn.vault()?, &id)?;
                }
                done += self.outbox.end_waits(turn.vault()?, identity, up_to, budget - done)?;
            }
            done += self.timeline.remove_some(turn.vault()?, conversation, budget - done)?;
            self.unfinished.spend(done);
            if done < budget {
                self.unfinished.removals.remove(&identity);
            }
        }
        Ok(())
    }

    fn show_copies_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        while let Some(identity) = self.unfinished.early_copies.first().copied()
            && self.unfinished.take()
        {
            if !self.show_early_copy(turn, identity)? {
                self.unfinished.early_copies.remove(&identity);
            }
        }
        Ok(())
    }

    fn end_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        while self.unfinished.has_ended {
            let Some(id) = self.outbox.first_ended(turn.sure) else {
                self.unfinished.has_ended = false;
                break;
            };
            if !self.unfinished.take() {
                break;
            }
            if let Some(ended) = self.outbox.end(turn.vault()?, &id)? {
                self.tell_ended(turn, ended)?;
            }
        }
        Ok(())
    }

    /// Tells messages that were read that they burn.
    pub(super) fn light_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let lit = self.timeline.light_some(turn.vault()?, self.unfinished.budget)?;
        self.unfinished.spend(lit);
        Ok(())
    }

    fn end_messages_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        while self.unfinished.have_messages_ended && self.unfinished.take() {
            self.unfinished.have_messages_ended = self.end_next(turn)?;
        }
        Ok(())
    }

    fn restore_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let unacknowledged = &mut self.unfinished.unacknowledged;
        let looked_at =
            unacknowledged.split_off(unacknowledged.len().saturating_sub(RESTORED_PER_BATCH_MAX));
        if !looked_at.is_empty() {
            for ack in turn.mailbox().lacking(&looked_at)?.1 {
                self.unfinished.spend(1);
                self.note_ack(turn, &ack)?;
            }
        }
        if self.unfinished.fills_mailbox && self.unfinished.unacknowledged.is_empty() {
            self.fill_mailbox(turn)?;
        }
        Ok(())
    }

    fn tell_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        while !self.unfinished.sent.is_empty() && self.unfinished.take() {
            let sent = self.unfinished.sent.pop_front();
            // Not what was taken back meanwhile.
            if let Some(place) = sent.filter(|place| !self.outbox.is_waiting(place)) {
                let Place { identity, position } = place;
                self.advance(turn, identity, position, State::Sent)?;
            }
        }
        Ok(())
    }

    fn end_old_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        while self.unfinished.has_old && self.unfinished.budget > 0 {
            let (sure, budget) = (turn.sure, self.unfinished.budget);
            if let Some(identity) = self.directory.requests().first_ended(sure) {
                self.forget_request(turn, identity)?;
                self.unfinished.spend(REQUEST_COST);
                continue;
            }
            let (own, rooms) = (self.identity, self.directory.rooms());
            let is_shown = |room: &RoomId| rooms.get(room).is_some_and(|it| it.is_shown(&own));
            let inbound = &mut self.keyring.inbound;
            let forgotten = inbound.forget_old(turn.vault()?, sure, budget, is_shown)?;
            self.unfinished.spend(forgotten);
            if forgotten < budget {
                self.unfinished.has_old = false;
                self.look_for_left_out(turn)?;
            }
        }
        Ok(())
    }

    /// Tells messages to be sent: at once as many as a batch may, the rest in the next ones.
    pub(super) fn tell_sent(
        &mut self,
        turn: &mut Turn<'_>,
        sent: Vec<Place>,
    ) -> Result<(), StoreError> {
        self.unfinished.sent.extend(sent);
        self.tell_some(turn)
    }
}
