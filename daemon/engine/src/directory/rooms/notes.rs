//! What is noted of a room beside its operations.

use martlet_protocol::{IdentityId, RoomId, UnixMillis};
use martlet_store::records::{AskedRecord, ROOMS, RoomRecallRecord, UntoldMember};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::Rooms;
use crate::conversation::After;
use crate::limits::ROOM_UNREACHED_MAX;

impl Rooms {
    /// Something came from someone in a room; whether that is the first.
    pub(crate) fn hear(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        who: IdentityId,
    ) -> Result<bool, StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(false) };
        if known.record.heard.contains(&who) {
            return Ok(false);
        }
        known.record.heard.push(who);
        records.put(&ROOMS, Key::Named(&id.0), &known.record)?;
        Ok(true)
    }

    /// Someone is out of a room: if they come again, they are to be heard again, and are new.
    pub(crate) fn forget_heard(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        who: &IdentityId,
    ) -> Result<(), StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(()) };
        known.record.heard.retain(|heard| heard != who);
        known.record.came.retain(|(came, _)| came != who);
        known.record.came_numbers.retain(|(came, _)| came != who);
        known.record.unreached.retain(|(_, of)| of != who);
        records.put(&ROOMS, Key::Named(&id.0), &known.record)
    }

    /// The user is in a room now: it is shown from now on.
    pub(crate) fn join(&mut self, records: &mut VaultTxn, id: &RoomId) -> Result<(), StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(()) };
        (known.record.was_in, known.record.told) = (true, 0);
        records.put(&ROOMS, Key::Named(&id.0), &known.record)
    }

    /// These are in a room from now on: what was written there up to this position is not for them.
    pub(crate) fn come(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        (who, After { position, number }): (&[IdentityId], After),
    ) -> Result<(), StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(()) };
        let came = &mut known.record.came;
        let is_new = |who: &&IdentityId| !came.iter().any(|(other, _)| other == *who);
        let new: Vec<_> = who.iter().filter(is_new).map(|who| (*who, position)).collect();
        if new.is_empty() {
            return Ok(());
        }
        if number > 0 {
            known.record.came_numbers.extend(new.iter().map(|(who, _)| (*who, number)));
        }
        known.record.came.extend(new);
        records.put(&ROOMS, Key::Named(&id.0), &known.record)
    }

    /// What was written in a room up to this position is not for someone who is in it, whatever was noted of them before.
    pub(crate) fn come_anew(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        (who, After { position, number }): (IdentityId, After),
    ) -> Result<(), StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(()) };
        known.record.came.retain(|(other, _)| *other != who);
        known.record.came_numbers.retain(|(other, _)| *other != who);
        known.record.came.push((who, position));
        known.record.came_numbers.push((who, number));
        known.record.unreached.retain(|(_, other)| *other != who);
        records.put(&ROOMS, Key::Named(&id.0), &known.record)
    }

    /// What is in this position of a room's conversation goes to all in it but these.
    pub(crate) fn note_unreached(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        (position, who): (u64, Vec<IdentityId>),
    ) -> Result<(), StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(()) };
        let unreached = &mut known.record.unreached;
        let before = unreached.len();
        unreached.retain(|(of, _)| *of != position);
        if who.is_empty() && unreached.len() == before {
            return Ok(());
        }
        unreached.extend(who.into_iter().map(|who| (position, who)));
        let too_many = unreached.len().saturating_sub(ROOM_UNREACHED_MAX);
        unreached.drain(..too_many);
        records.put(&ROOMS, Key::Named(&id.0), &known.record)
    }

    /// What is in this position of a room's conversation is lost to someone in it.
    pub(crate) fn note_lost(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        (position, who): (u64, IdentityId),
    ) -> Result<(), StoreError> {
        let Some(known) = self.rooms.get(id) else { return Ok(()) };
        let unreached = known.record.unreached.iter().filter(|(of, _)| *of == position);
        let mut people: Vec<_> = unreached.map(|(_, who)| *who).collect();
        if !people.contains(&who) {
            people.push(who);
        }
        self.note_unreached(records, id, (position, people))
    }

    /// Changes which recalls of moderators wait for operations of a room.
    pub(crate) fn change_recalls(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        change: impl FnOnce(&mut Vec<RoomRecallRecord>),
    ) -> Result<(), StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(()) };
        change(&mut known.record.recalls);
        records.put(&ROOMS, Key::Named(&id.0), &known.record)
    }

    /// Members of a room are to be told anew how the user is found, and since when what they sent is lost here, if anything.
    pub(crate) fn untell(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        (members, lost_since): (Vec<IdentityId>, Option<UnixMillis>),
    ) -> Result<(), StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(()) };
        let untold = &mut known.record.untold;
        for who in members {
            match untold.iter_mut().find(|it| it.who == who) {
                Some(it) => it.lost_since = it.lost_since.or(lost_since),
                None => untold.push(UntoldMember { who, lost_since }),
            }
        }
        records.put(&ROOMS, Key::Named(&id.0), &known.record)
    }

    /// Those are told, or are in the room no more.
    pub(crate) fn told(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        is_told: impl Fn(&IdentityId) -> bool,
    ) -> Result<(), StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(()) };
        let before = known.record.untold.len();
        known.record.untold.retain(|it| !is_told(&it.who));
        if known.record.untold.len() == before {
            return Ok(());
        }
        records.put(&ROOMS, Key::Named(&id.0), &known.record)
    }

    /// The user was told so many messages of before they came.
    pub(crate) fn note_told(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        more: u16,
    ) -> Result<(), StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(()) };
        known.record.told = known.record.told.saturating_add(more);
        records.put(&ROOMS, Key::Named(&id.0), &known.record)
    }

    /// What became of a room meanwhile is asked, or is not any more.
    pub(crate) fn set_asked(
        &mut self,
        records: &mut VaultTxn,
        id: &RoomId,
        asked: Option<AskedRecord>,
    ) -> Result<(), StoreError> {
        let Some(known) = self.rooms.get_mut(id) else { return Ok(()) };
        if known.record.asked == asked {
            return Ok(());
        }
        known.record.asked = asked;
        records.put(&ROOMS, Key::Named(&id.0), &known.record)
    }
}
