//! Prekeys: what session keys are sealed to, one a day.

use crate::limits::{PREKEY_KEPT_AFTER_SUPERSEDED, PREKEYS_KEPT_MAX};
use martlet_protocol::UnixMillis;
use martlet_protocol::crypto::seal::{PrekeySecret, PreparedPrekey};
use martlet_store::records::{PREKEYS, PrekeyRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};
use rand_chacha::ChaCha20Rng;

/// The prekeys that are kept.
pub(super) struct Prekeys {
    /// Newest last.
    records: Vec<(u64, PrekeyRecord)>,
    /// They made ready, newest first: what envelopes are opened with.
    prepared: Vec<PreparedPrekey>,
}

impl Prekeys {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let records = records.range(&PREKEYS, None, 0..=u64::MAX, usize::MAX)?;
        let mut prekeys = Self { records, prepared: Vec::new() };
        prekeys.prepare();
        Ok(prekeys)
    }

    /// What envelopes are opened with, newest first.
    pub(super) fn prepared(&self) -> &[PreparedPrekey] {
        &self.prepared
    }

    /// The prekey of the day that `now` is in, made if there is none: so a clock that goes wrong at each
    /// start and comes right again makes one for each day it shows, and not one each time.
    pub(super) fn of_day(
        &mut self,
        records: &mut VaultTxn,
        rng: &mut ChaCha20Rng,
        now: UnixMillis,
        sure: UnixMillis,
    ) -> Result<PrekeySecret, StoreError> {
        let of_today = |(_, prekey): &(u64, PrekeyRecord)| prekey.created_at.day() == now.day();
        let number = match self.records.iter().rfind(|prekey| of_today(prekey)) {
            Some((number, _)) => *number,
            None => {
                let number = self.records.last().map_or(0, |(number, _)| *number) + 1;
                let secret = PrekeySecret::generate(rng);
                let record = PrekeyRecord { secret, created_at: now, superseded_at: None };
                records.put(&PREKEYS, Key::Ordinal(number), &record)?;
                self.records.push((number, record));
                number
            }
        };
        for (other, prekey) in &mut self.records {
            let superseded_at = (*other != number).then(|| prekey.superseded_at.unwrap_or(now));
            if prekey.superseded_at != superseded_at {
                prekey.superseded_at = superseded_at;
                records.put(&PREKEYS, Key::Ordinal(*other), prekey)?;
            }
        }
        self.forget_old(records, sure)?;
        self.prepare();
        let current = self.records.iter().find(|(other, _)| *other == number);
        match current {
            Some((_, prekey)) => Ok(prekey.secret.clone()),
            None => Err(StoreError::Record { table: PREKEYS.name() }),
        }
    }

    /// Deletes those that were surely superseded more than eight days ago.
    fn forget_old(&mut self, records: &mut VaultTxn, sure: UnixMillis) -> Result<(), StoreError> {
        let count = self.records.len();
        let mut kept = Vec::new();
        for (at, (number, prekey)) in self.records.drain(..).enumerate() {
            let newer = count - at - 1;
            // By a clock that was behind it may have been superseded before it was made.
            let superseded_at = prekey.superseded_at.map(|at| at.max(prekey.created_at));
            let is_old = |since: UnixMillis| sure.since(since) > PREKEY_KEPT_AFTER_SUPERSEDED;
            if superseded_at.is_some_and(|since| is_old(since) || newer >= PREKEYS_KEPT_MAX) {
                records.delete(&PREKEYS, Key::Ordinal(number))?;
            } else {
                kept.push((number, prekey));
            }
        }
        self.records = kept;
        Ok(())
    }

    fn prepare(&mut self) {
        // Making one ready is dear: a prekey of this day's, once a day.
        self.prepared =
            self.records.iter().rev().map(|(_, prekey)| prekey.secret.prepare()).collect();
    }
}
