//! Prekeys: what session keys are sealed to, one a day.

use martlet_protocol::UnixMillis;
use martlet_protocol::crypto::seal::{PrekeyPublic, PrekeySecret, PreparedPrekey};
use martlet_protocol::limits::PREKEY_KEPT_AFTER_SUPERSEDED;
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

    /// Makes the prekey of the day, and deletes those that were surely superseded more than eight
    /// days ago.
    pub(super) fn of_day(
        &mut self,
        records: &mut VaultTxn,
        rng: &mut ChaCha20Rng,
        now: UnixMillis,
        sure: UnixMillis,
    ) -> Result<PrekeyPublic, StoreError> {
        let secret = PrekeySecret::generate(rng);
        let public = secret.public();
        if let Some((number, newest)) = self.records.last_mut() {
            newest.superseded_at = Some(now);
            records.put(&PREKEYS, Key::Ordinal(*number), newest)?;
        }
        let number = self.records.last().map_or(0, |(number, _)| *number) + 1;
        let record = PrekeyRecord { secret, created_at: now, superseded_at: None };
        records.put(&PREKEYS, Key::Ordinal(number), &record)?;
        self.records.push((number, record));

        let is_old = |prekey: &PrekeyRecord| {
            prekey.superseded_at.is_some_and(|at| sure.since(at) > PREKEY_KEPT_AFTER_SUPERSEDED)
        };
        for (number, _) in self.records.iter().filter(|(_, prekey)| is_old(prekey)) {
            records.delete(&PREKEYS, Key::Ordinal(*number))?;
        }
        self.records.retain(|(_, prekey)| !is_old(prekey));
        self.prepare();
        Ok(public)
    }

    fn prepare(&mut self) {
        // Making one ready is dear: a prekey of this day's, once a day.
        self.prepared =
            self.records.iter().rev().map(|(_, prekey)| prekey.secret.prepare()).collect();
    }
}
