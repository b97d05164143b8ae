//! What was said in a room before someone came: who brought them in tells them, if the room is set so.
//!
//! It is told once, when their device is first heard of, and is that person's word: the sessions in which it was written prove
//! nothing to others.

use martlet_protocol::limits::{CLOCK_SKEW_MAX, ENVELOPE_LIFETIME_MAX};
use martlet_protocol::message::{DeviceMessage, RoomHistory, Said, Timers};
use martlet_protocol::{DeviceId, IdentityId, RoomId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{Body, Happened, MessageRecord, State};

use super::User;
use crate::conversation::{Author, ConversationRef};
use crate::kinds::{Content, Says};
use crate::limits::{ROOM_HISTORY_BYTES_MAX, ROOM_HISTORY_LOOKED_AT_MAX};
use crate::turn::Turn;

impl User {
    /// Someone knows of a room: if this device brought them in, they are told what was said there before.
    pub(super) fn give_history(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        who: IdentityId,
    ) -> Result<(), StoreError> {
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        let (own, this, now) = (self.identity, self.keyring.device().device(), turn.now);
        let brought_in_by = known.person(&who).and_then(|it| known.room.set().get(&it.admitted_by));
        let most = usize::from(known.room.state().settings().history);
        let after = known.came_after(&who);
        if most == 0 || after == 0 || brought_in_by.is_none_or(|op| op.device() != this) {
            return Ok(());
        }
        let (mut said, mut bytes) = (Vec::new(), 0_usize);
        let conversation = ConversationRef::room(id);
        let max = ROOM_HISTORY_LOOKED_AT_MAX;
        self.timeline.look_back(turn.vault()?, &conversation, max, |position, message| {
            if position > after {
                return true;
            }
            if now.since(message.stored_at) >= ENVELOPE_LIFETIME_MAX {
                return false;
            }
            let Some(one) = told(own, now, &message) else { return true };
            bytes += one.bytes();
            if bytes > ROOM_HISTORY_BYTES_MAX {
                return false;
            }
            said.push(one);
            said.len() < most
        })?;
        said.reverse();
        for part in RoomHistory::parts(*id, said, now) {
            self.send_about_room(turn, (who, None), &DeviceMessage::RoomHistory(part))?;
        }
        Ok(())
    }

    /// Who brought the user into a room tells what was said there before; whether that is wanted.
    pub(super) fn take_room_history(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        RoomHistory { room, said }: RoomHistory,
    ) -> Result<bool, StoreError> {
        let (own, now) = (self.identity, turn.now);
        let known = self.directory.rooms().get(&room);
        let Some(known) = known.filter(|known| known.is_shown(&own) && known.has(&own)) else {
            // They may be brought in by what comes later.
            self.leave_out_of_rooms();
            return Ok(false);
        };
        let brought_in_by = known.person(&own).and_then(|it| known.room.set().get(&it.admitted_by));
        let is_theirs = brought_in_by.is_some_and(|op| op.author() == author.identity);
        if !is_theirs || !known.has(&author.identity) {
            return Ok(false);
        }
        let most = u16::from(known.room.state().settings().history);
        let left = usize::from(most.saturating_sub(known.told()));
        let is_of_then = |one: &Said| {
            let timers = Timers { expire_s: one.expire_s, burn_s: None };
            now.since(one.sent_at) <= ENVELOPE_LIFETIME_MAX + CLOCK_SKEW_MAX
                && one.sent_at <= now.plus(CLOCK_SKEW_MAX)
                && timers.check().is_ok()
        };
        let is_of_room = |one: &Said| one.author != own && known.concerns(&one.author);
        let taken: Vec<_> =
            said.into_iter().filter(|it| is_of_then(it) && is_of_room(it)).take(left).collect();
        let count = u16::try_from(taken.len()).unwrap_or(u16::MAX);
        self.directory.rooms_mut().note_told(turn.vault()?, &room, count)?;
        let conversation = ConversationRef::room(&room);
        for one in taken {
            if self.timeline.is_known(turn.vault()?, &one.author, &one.id)? {
                continue;
            }
            let record = record(one, author.identity, now);
            if self.timeline.has_ended(&record).is_some() {
                continue;
            }
            let place = self.timeline.append(turn.vault()?, conversation, &record)?;
            self.emit(turn, Happened::MessageReceived(place))?;
        }
        Ok(true)
    }
}

/// What is told of a message: a text, unless it burns, or ends, or is only told here.
fn told(own: IdentityId, now: UnixMillis, message: &MessageRecord) -> Option<Said> {
    let Content::Says(Says::Text(text)) = Content::of(message) else { return None };
    let Timers { expire_s, burn_s } = message.timers;
    let author = if message.own { Some(own) } else { message.author.map(|it| it.identity) };
    let is_over = message.timers.expires_at(message.sent_at).is_some_and(|end| end <= now);
    let is_told = burn_s.is_none() && !is_over && !message.is_late && message.told_by.is_none();
    let (id, sent_at) = (message.id, message.sent_at);
    author.filter(|_| is_told).map(|author| Said { id, author, sent_at, text, expire_s })
}

fn record(one: Said, told_by: IdentityId, now: UnixMillis) -> MessageRecord {
    let Said { id, author, sent_at, text, expire_s } = one;
    MessageRecord {
        id,
        own: false,
        // No device numbered it for the user.
        seq: 0,
        sent_at,
        stored_at: now,
        state: State::Delivered,
        body: Body::Text(text),
        author: Some(Author { identity: author, device: DeviceId([0; 32]) }),
        timers: Timers { expire_s, burn_s: None },
        burns_from: None,
        reply_to: None,
        is_marked: false,
        is_late: false,
        mentions: Vec::new(),
        mentions_user: false,
        told_by: Some(told_by),
    }
}
