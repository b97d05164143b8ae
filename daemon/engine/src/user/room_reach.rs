//! Whom what is written in a room does not reach at once, and how it reaches them later.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::limits::ENVELOPE_LIFETIME_MAX;
use martlet_protocol::message::Message;
use martlet_protocol::{DeviceId, IdentityId, RoomId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{MessageRecord, SealedTo, State};

use super::User;
use crate::conversation::{ConversationRef, Place};
use crate::directory::{is_about_room, room_line};
use crate::outbox;
use crate::turn::Turn;

impl User {
    /// Whether a device may be written to in a room: it counts, and the user confirmed it where they have to.
    pub(super) fn may_be_written_to(&self, who: &IdentityId, bundle: &Bundle) -> bool {
        let device = bundle.certificate().device();
        let contact = self.directory.contact(who).filter(|_| self.needs_confirmation(who));
        let verified = contact.and_then(|contact| contact.verified_record());
        self.keyring.identities.is_valid(who, &device)
            && verified.is_none_or(|verified| verified.devices.contains(&device))
    }

    /// Whether anyone takes what the user says in a room now: of who is out nobody takes anything but how they went.
    pub(super) fn may_go_in_room(&self, line: &IdentityId, message: &Message) -> bool {
        let known = self.directory.rooms().of_line(line);
        known.is_none_or(|known| known.has(&self.identity) || is_about_room(message))
    }

    /// Members for whom what is in this position is, too, and of whom no device can be written to now. Not who is blocked: they are
    /// not meant to get it; nor who has ended. The user is one as long as a device of theirs is waited for.
    pub(super) fn unreached(&self, now: UnixMillis, id: &RoomId, position: u64) -> Vec<IdentityId> {
        let Some(known) = self.directory.rooms().get(id) else { return Vec::new() };
        let is_lacking = |who: &&IdentityId| {
            if **who == self.identity {
                return self.awaits_sibling(now);
            }
            let bundles = self.directory.bundles_of(who);
            !self.directory.is_blocked(who)
                && !self.keyring.identities.is_terminated(who)
                && known.came_after(who) < position
                && !bundles.is_some_and(|bundles| {
                    bundles.usable(now).any(|bundle| self.may_be_written_to(who, bundle))
                })
        };
        known.room.state().members().filter(is_lacking).copied().collect()
    }

    /// Notes whom a message that is sent now does not reach, so that they get it once their keys are known.
    pub(super) fn note_unreached(
        &mut self,
        turn: &mut Turn<'_>,
        (line, position): (IdentityId, u64),
    ) -> Result<(), StoreError> {
        let id = RoomId(line.0);
        let who = self.unreached(turn.now, &id, position);
        self.directory.rooms_mut().note_unreached(turn.vault()?, &id, (position, who))
    }

    /// Someone can be written to: what was written in a room meanwhile, and is not over, is sent once more. Others know it by its id.
    /// The note of it goes when it is sealed anew: until then a crash changes nothing.
    pub(super) fn reach(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        who: &IdentityId,
    ) -> Result<(), StoreError> {
        let line = room_line(id);
        let known = self.directory.rooms().get(id);
        let positions = known.map(|known| known.unreached_by(who)).unwrap_or_default();
        for position in positions {
            let at = outbox::Place { identity: line, position };
            if self.outbox.is_waiting(&at) {
                continue;
            }
            let place = Place { conversation: ConversationRef::room(id), position };
            let said = self.timeline.outgoing(turn.vault()?, &place)?;
            let is_of_use = said.is_some_and(|said| {
                turn.now.since(said.sent_at) < ENVELOPE_LIFETIME_MAX
                    && matches!(said.state, State::Queued | State::Sent | State::Delivered)
                    && !said.body.is_recalled()
            });
            if !is_of_use {
                self.directory.rooms_mut().note_unreached(
                    turn.vault()?,
                    id,
                    (position, Vec::new()),
                )?;
                continue;
            }
            let under_way = self.outbox.envelopes_of(&at);
            if under_way.is_empty() {
                self.outbox.wait(turn.vault()?, at)?;
            }
            self.take_back(turn, under_way.into_iter().map(|id| (id, line)).collect(), false)?;
        }
        Ok(())
    }

    /// Someone's devices may be written to now: what waited for that in rooms goes.
    pub(super) fn reach_in_rooms(
        &mut self,
        turn: &mut Turn<'_>,
        who: &IdentityId,
    ) -> Result<(), StoreError> {
        for room in self.directory.rooms().shared_with(who).collect::<Vec<_>>() {
            self.reach(turn, &room, who)?;
            self.send_waiting(turn, room_line(&room))?;
        }
        Ok(())
    }

    /// A device could not open the key of a session in a room, so nothing of that session: what of it is under way is sent in a new
    /// one.
    pub(super) fn send_again_in_rooms(
        &mut self,
        turn: &mut Turn<'_>,
        (who, device): (&IdentityId, &DeviceId),
    ) -> Result<(), StoreError> {
        for room in self.directory.rooms().shared_with(who).collect::<Vec<_>>() {
            let line = room_line(&room);
            let is_its = |(_, sealed_to): (IdentityId, SealedTo)| sealed_to.device == *device;
            if !self.outbox.keys(Some(line)).any(is_its) {
                continue;
            }
            // Who was put out is told by an envelope that is no message either, and stays.
            let mut theirs = self.outbox.matching(|pending| {
                *pending.recipient() == line
                    && !pending.is_control()
                    && pending.sealed_to().is_none()
            });
            theirs.extend(self.keyring.outbound.keys(&line).iter().map(|id| (*id, line)));
            self.take_back(turn, theirs, false)?;
            self.unfinished.send_later(line);
        }
        Ok(())
    }

    /// Own deeds in rooms that were kept for whom they did not reach, and are of no use any more, are forgotten.
    pub(super) fn end_old_deeds_in_rooms(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let rooms: Vec<_> = self.directory.rooms().iter().map(|known| known.room.id()).collect();
        for room in rooms {
            let (conversation, identity) = (ConversationRef::room(&room), room_line(&room));
            let (now, outbox) = (turn.now, &self.outbox);
            let is_over = |position, deed: &MessageRecord| {
                let is_old = now.since(deed.sent_at) >= ENVELOPE_LIFETIME_MAX;
                is_old && !outbox.has(&outbox::Place { identity, position })
            };
            for position in self.timeline.own_deeds(turn.vault()?, &conversation, is_over)? {
                self.timeline.end_deed(turn.vault()?, &Place { conversation, position })?;
            }
        }
        Ok(())
    }
}
