//! Invites that the user made: each is good once, until it expires or is revoked.

use std::collections::BTreeMap;

use martlet_protocol::control::InviteState;
use martlet_protocol::invite::InviteSecret;
use martlet_protocol::{IdentityId, UnixMillis};
use martlet_store::records::{INVITES, InviteRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::DirectoryError;
use crate::limits::{INVITE_KEPT_FOR, INVITE_REFUSED_MAX, INVITES_KEPT_MAX, INVITES_MAX};

/// Invites that the user made, by number.
pub(crate) struct Invites(BTreeMap<u64, InviteRecord>);

/// What an invite is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It is good: its number.
    Good(u64),
    /// It is no longer good, and that someone came by it is news.
    Refused(u64),
    /// None of the user's, or nothing new.
    Nothing,
}

impl Invites {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let all = records.range(&INVITES, None, 0..=u64::MAX, usize::MAX)?;
        Ok(Self(all.into_iter().collect()))
    }

    /// All of them, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &InviteRecord)> {
        self.0.iter().map(|(number, record)| (*number, record))
    }

    /// The one with this number.
    pub(crate) fn get(&self, number: u64) -> Result<&InviteRecord, DirectoryError> {
        self.0.get(&number).ok_or(DirectoryError::UnknownInvite { number })
    }

    /// Keeps a new one; its number. Where many are kept, the oldest that is no longer good makes room.
    pub(crate) fn add(
        &mut self,
        records: &mut VaultTxn,
        record: InviteRecord,
    ) -> Result<u64, StoreError> {
        let number = self.0.last_key_value().map_or(1, |(last, _)| last + 1);
        if self.0.len() >= INVITES_KEPT_MAX {
            let now = record.created_at;
            let ended = self.0.iter().find(|(_, it)| state(it, now) != InviteState::Open);
            if let Some(ended) = ended.map(|(number, _)| *number) {
                records.delete(&INVITES, Key::Ordinal(ended))?;
                self.0.remove(&ended);
            }
        }
        records.put(&INVITES, Key::Ordinal(number), &record)?;
        self.0.insert(number, record);
        Ok(number)
    }

    /// Whether there is room for another.
    pub(crate) fn check_room(&self, now: UnixMillis) -> Result<(), DirectoryError> {
        let open = self.0.values().filter(|record| state(record, now) == InviteState::Open).count();
        if open >= INVITES_MAX {
            return Err(DirectoryError::TooManyInvites { max: INVITES_MAX });
        }
        Ok(())
    }

    /// The one with this number, if it is still good.
    pub(crate) fn open(
        &self,
        number: u64,
        now: UnixMillis,
    ) -> Result<&InviteRecord, DirectoryError> {
        let record = self.get(number)?;
        match state(record, now) {
            InviteState::Open => Ok(record),
            state => Err(DirectoryError::InviteEnded { number, state }),
        }
    }

    /// It is good no more.
    pub(crate) fn revoke(&mut self, records: &mut VaultTxn, number: u64) -> Result<(), StoreError> {
        let Some(record) = self.0.get_mut(&number) else { return Ok(()) };
        record.is_revoked = true;
        records.put(&INVITES, Key::Ordinal(number), record)
    }

    /// Someone shows that they were invited.
    pub(crate) fn show_secret(
        &mut self,
        records: &mut VaultTxn,
        secret: &InviteSecret,
        by: IdentityId,
        now: UnixMillis,
    ) -> Result<Worth, StoreError> {
        let mut all = self.0.iter_mut();
        let Some((number, record)) = all.find(|(_, record)| record.secret == *secret) else {
            return Ok(Worth::Nothing);
        };
        if state(record, now) == InviteState::Open {
            return Ok(Worth::Good(*number));
        }
        let is_known = record.used.is_some_and(|(user, _)| user == by)
            || record.refused.contains(&by)
            || record.refused.len() >= INVITE_REFUSED_MAX;
        if is_known {
            return Ok(Worth::Nothing);
        }
        record.refused.push(by);
        records.put(&INVITES, Key::Ordinal(*number), record)?;
        Ok(Worth::Refused(*number))
    }

    /// Someone has come by it.
    pub(crate) fn note_used(
        &mut self,
        records: &mut VaultTxn,
        number: u64,
        by: IdentityId,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let Some(record) = self.0.get_mut(&number) else { return Ok(()) };
        record.used = Some((by, now));
        records.put(&INVITES, Key::Ordinal(number), record)
    }

    /// Forgets those that surely ended long ago.
    pub(crate) fn forget_old(
        &mut self,
        records: &mut VaultTxn,
        sure: UnixMillis,
    ) -> Result<(), StoreError> {
        let is_old = |record: &InviteRecord| sure.since(record.expires_at) > INVITE_KEPT_FOR;
        let old = self.0.iter().filter(|(_, record)| is_old(record)).map(|(number, _)| *number);
        for number in old.collect::<Vec<_>>() {
            records.delete(&INVITES, Key::Ordinal(number))?;
            self.0.remove(&number);
        }
        Ok(())
    }
}

/// What became of an invite.
pub(crate) fn state(record: &InviteRecord, now: UnixMillis) -> InviteState {
    if record.used.is_some() {
        InviteState::Used
    } else if record.is_revoked {
        InviteState::Revoked
    } else if now > record.expires_at {
        InviteState::Expired
    } else {
        InviteState::Open
    }
}
