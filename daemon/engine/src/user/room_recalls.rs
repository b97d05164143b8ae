//! Recalls of moderators: they take back what someone else wrote in a room.
//!
//! One counts if its writer moderated the room by what they knew of it. Who does not know yet what they knew keeps the recall, and
//! looks at it again once they do.

use std::collections::BTreeMap;

use martlet_protocol::limits::ENVELOPE_LIFETIME_MAX;
use martlet_protocol::message::in_room::HEAD_BYTES;
use martlet_protocol::message::{Content, RoomRecall};
use martlet_protocol::{IdentityId, RoomId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{EndReason, Happened, MessageRecord, RoomRecallRecord, State};

use super::User;
use super::bundles::DAY;
use crate::conversation::{ConversationRef, Place, person};
use crate::directory::{RoomError, room_line};
use crate::error::Fault;
use crate::kinds;
use crate::limits::ROOM_RECALLS_WAITING_MAX;
use crate::observer::Dropped;
use crate::outbox;
use crate::turn::Turn;

impl User {
    /// Takes back what someone else wrote in a room that the user moderates.
    pub(super) fn recall_of_other(
        &mut self,
        turn: &mut Turn<'_>,
        (room, place): (RoomId, &Place),
        message: &MessageRecord,
    ) -> Result<(), Fault> {
        self.check_member(&room)?;
        let own = self.identity;
        let person = self.known_room(&room)?.person(&own);
        let author = message.author.filter(|_| person.is_some_and(|it| it.grant.is_some()));
        let Some(author) = author.map(|author| author.identity) else {
            return Err(RoomError::NotModerator.into());
        };
        let recall = RoomRecall { message: message.id, author };
        self.take_room_recall(turn, place.conversation, (own, recall))?;
        let (line, body) = (room_line(&room), kinds::body_of(Content::RoomRecall(recall)));
        let deed = self.write(turn, &line, body, State::Queued);
        Ok(self.send_deed(turn, line, &deed)?)
    }

    /// Whether the recall of someone counts who knew these operations last. `None` if that can't be told yet.
    pub(super) fn may_recall(
        &self,
        now: UnixMillis,
        id: &RoomId,
        (who, heads): (&IdentityId, &[[u8; HEAD_BYTES]]),
    ) -> Option<bool> {
        let Some(known) = self.directory.rooms().get(id) else { return Some(false) };
        let set = known.room.set();
        let Some(ended) = known.room.moderated_by(who, heads) else {
            let lacks = heads.iter().any(|head| !set.has_beginning(head));
            return if lacks { None } else { Some(false) };
        };
        // Else who once moderated could say for ever that they had not heard of the end; in a strict room nothing is taken of them.
        let is_recent =
            |end| set.get(end).is_some_and(|op| now.since(op.at()) <= ENVELOPE_LIFETIME_MAX);
        let is_strict = known.room.state().settings().strict;
        Some(ended.is_empty() || !is_strict && ended.iter().all(is_recent))
    }

    /// A recall may count once more of the room is known.
    pub(super) fn keep_room_recall(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        (by, heads): (IdentityId, &[[u8; HEAD_BYTES]]),
        RoomRecall { message, author }: RoomRecall,
    ) -> Result<(), StoreError> {
        let since = turn.now;
        let recall = RoomRecallRecord { by, heads: heads.concat(), message, author, since };
        let rooms = self.directory.rooms_mut();
        rooms.change_recalls(turn.vault()?, id, |recalls| wait(recalls, recall))
    }

    /// With the day's chores: recalls are forgotten that waited for as long as anything of their room may be on its way.
    pub(super) fn forget_waiting_recalls(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let now = turn.now;
        let is_over = |recall: &RoomRecallRecord| {
            now.since(recall.since) > ENVELOPE_LIFETIME_MAX || recall.since > now.plus(DAY)
        };
        let rooms = self.directory.rooms().iter();
        let over = rooms.filter(|known| known.recalls().iter().any(is_over));
        for room in over.map(|known| known.room.id()).collect::<Vec<_>>() {
            let rooms = self.directory.rooms_mut();
            rooms.change_recalls(turn.vault()?, &room, |recalls| {
                recalls.retain(|recall| !is_over(recall));
            })?;
        }
        Ok(())
    }

    /// More of a room is known: recalls that waited for it are done, or dropped.
    pub(super) fn look_at_recalls(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
    ) -> Result<(), StoreError> {
        let Some(known) = self.directory.rooms().get(id) else { return Ok(()) };
        let (waiting, now) = (known.recalls().to_vec(), turn.now);
        let judged = waiting.into_iter().map(|recall| {
            let (heads, _) = recall.heads.as_chunks::<HEAD_BYTES>();
            (self.may_recall(now, id, (&recall.by, heads)), recall)
        });
        let judged: Vec<_> = judged.collect();
        if judged.iter().all(|(verdict, _)| verdict.is_none()) {
            return Ok(());
        }
        let (mut still, mut counting) = (Vec::new(), Vec::new());
        for (verdict, recall) in judged {
            match verdict {
                None => still.push(recall),
                Some(true) => counting.push(recall),
                Some(false) => {}
            }
        }
        let rooms = self.directory.rooms_mut();
        rooms.change_recalls(turn.vault()?, id, |recalls| *recalls = still)?;
        for RoomRecallRecord { by, message, author, .. } in counting {
            let recall = RoomRecall { message, author };
            self.take_room_recall(turn, ConversationRef::room(id), (by, recall))?;
        }
        Ok(())
    }

    /// A moderator takes back what someone wrote, and that counts.
    pub(super) fn take_room_recall(
        &mut self,
        turn: &mut Turn<'_>,
        conversation: ConversationRef,
        (by, RoomRecall { message, author }): (IdentityId, RoomRecall),
    ) -> Result<(), StoreError> {
        let own = self.identity;
        let early = self.timeline.take_early(turn.vault()?, &conversation, &message)?;
        early.iter().for_each(|_| turn.observer.deed_dropped(Dropped::Recalled));
        if author != own {
            let of = (author, Some(by));
            if self.timeline.recall(turn.vault()?, &own, conversation, of, message)? {
                let ended =
                    Happened::MessageEnded(conversation, message, EndReason::RecalledBy(by));
                self.emit(turn, ended)?;
            }
            return Ok(());
        }
        let place = self.timeline.find_of(turn.vault()?, &message, None)?;
        let Some(place) = place.filter(|place| place.conversation == conversation) else {
            return self.timeline.await_recalled(turn.vault()?, &own, conversation, own, message);
        };
        let Some(record) = self.timeline.message(turn.vault()?, &place)? else { return Ok(()) };
        if record.body.is_recalled() {
            return Ok(());
        }
        let at = outbox::Place { identity: person(&conversation), position: place.position };
        if self.outbox.has(&at) {
            // Who has not got it yet would wait for its number.
            return self.recall_at(turn, &place, &record, Some(by));
        }
        if self.timeline.recall_own(turn.vault()?, &place, Some(by))? {
            self.tell_recalled(turn, &place, (message, Some(by)))?;
        }
        Ok(())
    }
}

/// Has a recall wait with others. Of too many the oldest goes of who has most: who makes them up pushes out none but their own.
fn wait(recalls: &mut Vec<RoomRecallRecord>, recall: RoomRecallRecord) {
    let is_same = |it: &RoomRecallRecord| {
        (it.by, it.message, it.author, &it.heads)
            == (recall.by, recall.message, recall.author, &recall.heads)
    };
    if recalls.iter().any(is_same) {
        return;
    }
    recalls.push(recall);
    if recalls.len() <= ROOM_RECALLS_WAITING_MAX {
        return;
    }
    let mut counts: BTreeMap<IdentityId, usize> = BTreeMap::new();
    recalls.iter().for_each(|it| *counts.entry(it.by).or_default() += 1);
    let most = counts.iter().max_by_key(|(_, count)| **count).map(|(who, _)| *who);
    if let Some(oldest) = recalls.iter().position(|it| Some(it.by) == most) {
        recalls.remove(oldest);
    }
}
