//! Rooms that the user forgot, and those that were never theirs.

use std::collections::BTreeMap;

use martlet_protocol::message::in_room::HEAD_BYTES;
use martlet_protocol::room::{Action, Operation};
use martlet_protocol::{IdentityId, OpId, RoomId, UnixMillis};
use martlet_store::records::{FORGOTTEN_ROOMS, ForgottenRoomRecord, ROOM_OPS, ROOMS};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::{Known, Rooms};
use crate::limits::{ROOMS_FOREIGN_MAX, ROOMS_FORGOTTEN_MAX};

/// What is left of rooms that the user forgot: who has not heard that the user is out goes on to tell of them.
#[derive(Default)]
pub(super) struct Forgotten(BTreeMap<RoomId, ForgottenRoomRecord>);

impl Forgotten {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let rooms = records.scan(&FORGOTTEN_ROOMS)?.into_iter();
        Ok(Self(rooms.map(|record| (record.room, record)).collect()))
    }

    /// What had brought the user into a room that is known again from now on.
    pub(super) fn take(
        &mut self,
        records: &mut VaultTxn,
        room: &RoomId,
    ) -> Result<Vec<OpId>, StoreError> {
        let Some(record) = self.0.remove(room) else { return Ok(Vec::new()) };
        records.delete(&FORGOTTEN_ROOMS, Key::Named(&room.0))?;
        Ok(record.admissions)
    }

    fn keep(
        &mut self,
        records: &mut VaultTxn,
        record: ForgottenRoomRecord,
    ) -> Result<(), StoreError> {
        if self.0.len() >= ROOMS_FORGOTTEN_MAX {
            let oldest = self.0.values().map(|record| (record.at, record.room)).min();
            if let Some((_, oldest)) = oldest {
                self.take(records, &oldest)?;
            }
        }
        records.put(&FORGOTTEN_ROOMS, Key::Named(&record.room.0), &record)?;
        self.0.insert(record.room, record);
        Ok(())
    }
}

impl Rooms {
    /// Whether the user forgot a room, of which nothing else is known any more.
    pub(crate) fn is_forgotten(&self, room: &RoomId) -> bool {
        self.forgotten.0.contains_key(room)
    }

    /// The user is in a room no more, and wants to see nothing of it. What it was goes some time later, see
    /// [`Self::forget_foreign`]: until then envelopes of it may come, and must not bring it back.
    pub(crate) fn hide(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let own = self.own;
        let Some(known) = self.rooms.get_mut(id) else { return Ok(()) };
        known.record.forgotten = known.admissions_of(&own);
        (known.record.was_in, known.record.since) = (false, now);
        records.put(&ROOMS, Key::Named(&id.0), &known.record)
    }

    /// Of the rooms that are none of the user's, or that the user forgot, forgets those of before a time, and the oldest, so that
    /// there may be one more. Which, and who was in them.
    pub(crate) fn forget_foreign(
        &mut self,
        records: &mut VaultTxn,
        (before, now): (UnixMillis, UnixMillis),
    ) -> Result<Vec<(RoomId, Vec<IdentityId>)>, StoreError> {
        let mut forgotten = Vec::new();
        loop {
            let foreign = self.rooms.values().filter(|known| !known.is_shown(&self.own));
            let mut foreign: Vec<_> = foreign.map(|it| (it.since(), it.room.id())).collect();
            foreign.sort_unstable();
            let is_over = |(since, _): &&(UnixMillis, RoomId)| *since < before;
            let is_too_many = foreign.len() >= ROOMS_FOREIGN_MAX;
            let first = foreign.first().filter(|it| is_over(it) || is_too_many);
            let Some(known) = first.and_then(|(_, id)| self.rooms.remove(id)) else {
                return Ok(forgotten);
            };
            let room = known.room.id();
            records.delete_range(&ROOM_OPS, Some(&room.0), 0..=u64::MAX)?;
            records.delete(&ROOMS, Key::Named(&room.0))?;
            let people = known.room.state().people().map(|(who, _)| *who).collect();
            forgotten.push((room, people));
            let admissions = known.record.forgotten;
            if !admissions.is_empty() {
                let record = ForgottenRoomRecord { room, at: now, admissions };
                self.forgotten.keep(records, record)?;
            }
        }
    }
}

impl Known {
    /// Whether who knew these operations last knew what brought the user in again, if they had forgotten it. What was written before
    /// is not for them.
    pub(crate) fn has_heard_of_return(&self, own: &IdentityId, heads: &[[u8; HEAD_BYTES]]) -> bool {
        let admission = self.person(own).map(|person| person.admitted_by);
        self.record.forgotten.is_empty()
            || admission.is_some_and(|admission| self.room.set().is_in_past_of(&admission, heads))
    }

    /// All that brought someone in, whether it counts or not.
    fn admissions_of(&self, who: &IdentityId) -> Vec<OpId> {
        let brings_in = |op: &&Operation| match op.action() {
            Action::Create(_) => op.author() == *who,
            Action::Add(whom) | Action::Grant(whom) => whom == who,
            Action::Remove(_)
            | Action::Revoke(_)
            | Action::Set(_)
            | Action::Leave
            | Action::Close
            | Action::Unknown { .. } => false,
        };
        self.room.set().iter().filter(brings_in).map(Operation::id).collect()
    }
}
