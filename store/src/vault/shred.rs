//! The shredder: what was deleted or overwritten loses its key.
//!
//! A transaction notes the buckets in which it ended a record. A shred of those buckets goes in steps, each of which a
//! crash may end, and which the next opening goes on from:
//!
//! 1. **Begin.** Each bucket gets a next key. The file of keys is written with it (epoch + 1), then the ledger says so.
//!    From now on records of these buckets are sealed under the next key.
//! 2. **Go through** all records, in slices. Those of the shred's buckets that are not under the next key are sealed
//!    anew. How far it got is in the same transaction.
//! 3. **Promote.** The ledger says that no record needs the former keys (epoch + 1); then the file is overwritten, both
//!    copies, with the next keys in the place of the current ones; then the ledger says that the shred is done.
//!
//! After that, what was deleted or overwritten before the shred began is ciphertext without a key, wherever it
//! lies in the database's free pages, and in any copy of the files that is made later. What ends meanwhile waits for the
//! next shred.
//!
//! The ledger knows which epoch the file must have ([`Ledger::fits`](super::ledger::Ledger::fits)): an older file, or a
//! newer one beside an older vault, is refused at the opening, for its keys open not all there is.

use std::ops::Bound;

use martlet_protocol::UnixMillis;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use redb::{ReadableTable, TableDefinition, TableHandle};

use super::buckets::{BUCKETS, BucketSet};
use super::ledger::{Cursor, Ledger, Old};
use super::seal::{Erasable, Header, Keys, StoredKey};
use super::{Bare, META, SCHEMA, Vault, copy};
use crate::database::{Bytes, Database, Source, Transaction};
use crate::error::StoreError;
use crate::limits::{REWRITTEN_BYTES_MIN, REWRITTEN_FACTOR};

/// How much of a shred is done in one transaction.
#[derive(Debug, Clone, Copy)]
pub struct ShredSlice {
    /// Records looked at.
    pub seen: usize,
    /// Bytes of records sealed anew.
    pub bytes: usize,
}

/// How things stand with what was deleted or overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShredState {
    /// Keys that are to be changed: of buckets in which something ended, those of a shred under way included.
    pub waiting: usize,
    /// Keys in all.
    pub keys: usize,
    /// Whether a shred is under way.
    pub is_running: bool,
    /// Records that the shred under way, else the last one, sealed anew.
    pub resealed: u64,
    /// When the last shred was done; `None`: never.
    pub finished_at: Option<UnixMillis>,
    /// The vault was made before there were erasable keys, and some of what was deleted then can still be opened by who
    /// has the key file and its passphrase.
    pub holds_old: bool,
    /// The file is to be written anew, which the next opening does, or [`Vault::rewrite`].
    pub wants_rewrite: bool,
    /// Bytes of records, as of the last shred.
    pub live_bytes: u64,
}

impl Vault {
    /// How things stand; costs nothing.
    #[must_use]
    pub fn shred_state(&self) -> ShredState {
        let erasable = self.keys.erasable();
        let ledger = &erasable.ledger;
        ShredState {
            waiting: ledger.waiting(),
            keys: BUCKETS,
            is_running: ledger.is_shredding(),
            resealed: ledger.resealed,
            finished_at: (ledger.finished_at != UnixMillis(0)).then_some(ledger.finished_at),
            holds_old: ledger.old != Old::None,
            wants_rewrite: ledger.is_worth_rewriting || ledger.old == Old::InFreePages,
            live_bytes: ledger.live_bytes,
        }
    }

    /// Begins to shred what ended until now; whether there is anything to go on with by [`Self::shred_some`]. Waits until
    /// there is no write transaction. `seed` makes the new keys: fresh randomness.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: continue with [`Self::reopen`].
    pub fn begin_shred(&self, seed: [u8; 32]) -> Result<bool, StoreError> {
        let mut rng = ChaCha20Rng::from_seed(seed);
        // This before the keys, as everywhere.
        let mut transaction = self.database.write()?;
        let mut erasable = self.keys.erasable_mut();
        if erasable.ledger.is_shredding() {
            transaction.abort()?;
            return Ok(true);
        }
        if erasable.buckets.is_none() && erasable.ledger.old == Old::Live {
            let mut ledger = erasable.ledger.clone();
            erasable.make_keys(&mut ledger, &mut rng)?;
            erasable.commit(ledger, transaction)?;
            transaction = self.database.write()?;
        }
        let mut ledger = erasable.ledger.clone();
        ledger.shredding = match ledger.old {
            Old::Live => BucketSet::ALL,
            Old::None | Old::InFreePages => std::mem::take(&mut ledger.stale),
        };
        ledger.stale = BucketSet::NONE;
        let Some(buckets) = erasable.buckets.as_ref().filter(|_| ledger.is_shredding()) else {
            transaction.abort()?;
            return Ok(false);
        };
        let buckets = buckets.with_next(&ledger.shredding, &mut rng);
        ledger.epoch = ledger.epoch.saturating_add(1);
        (ledger.cursor, ledger.resealed, ledger.live_bytes) = (None, 0, 0);
        erasable.place.write(&erasable.file_key.seal(&buckets, ledger.epoch)?)?;
        erasable.commit(ledger, transaction)?;
        erasable.buckets = Some(buckets);
        Ok(true)
    }

    /// Goes on with a shred that was begun, by one slice; whether it is done. `seed` makes nonces: fresh randomness.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: continue with [`Self::reopen`], then this again.
    pub fn shred_some(
        &self,
        seed: [u8; 32],
        slice: ShredSlice,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let transaction = self.database.write()?;
        let mut erasable = self.keys.erasable_mut();
        if !erasable.ledger.is_shredding() {
            transaction.abort()?;
            return Ok(true);
        }
        if erasable.ledger.is_promoting {
            self.promote(&mut erasable, transaction, now)?;
            return Ok(true);
        }
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut ledger = erasable.ledger.clone();
        if go_through(&self.keys, &erasable, &mut ledger, &transaction, slice, &mut rng)? {
            ledger.is_promoting = true;
            ledger.epoch = ledger.epoch.saturating_add(1);
        }
        erasable.commit(ledger, transaction)?;
        Ok(false)
    }

    fn promote(
        &self,
        erasable: &mut Erasable,
        transaction: Transaction,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut ledger = erasable.ledger.clone();
        if let Some(buckets) = erasable.buckets.as_ref().filter(|buckets| buckets.is_pending()) {
            let promoted = buckets.promoted();
            erasable.place.write(&erasable.file_key.seal(&promoted, ledger.epoch)?)?;
            erasable.buckets = Some(promoted);
        }
        ledger.is_promoting = false;
        ledger.shredding = BucketSet::NONE;
        ledger.cursor = None;
        ledger.finished_at = now;
        if ledger.old == Old::Live {
            ledger.old = Old::InFreePages;
        }
        let file = self.database.file_bytes().unwrap_or(0);
        ledger.is_worth_rewriting =
            file > REWRITTEN_BYTES_MIN && file > ledger.live_bytes.saturating_mul(REWRITTEN_FACTOR);
        erasable.commit(ledger, transaction)
    }

    /// Writes the file anew if a shred found that worth it: it gets as small as what it holds. Takes as long as to copy that,
    /// and nothing else can be done meanwhile. Whether it was. Snapshots taken before go on with the former file.
    ///
    /// # Errors
    /// [`StoreError`]. The vault is as it was, or closed: continue with [`Self::reopen`].
    pub fn rewrite(&self) -> Result<bool, StoreError> {
        if !self.shred_state().wants_rewrite {
            return Ok(false);
        }
        // Nobody writes while it is copied.
        self.database.write()?.abort()?;
        let mut erasable = self.keys.erasable_mut();
        let mut ledger = erasable.ledger.clone();
        // What was in free pages under the derived key is overwritten before it is let go.
        let is_wiped = ledger.old == Old::InFreePages;
        ledger.is_worth_rewriting = false;
        ledger.old = if is_wiped { Old::None } else { ledger.old };
        let cache_bytes = self.database.cache_bytes();
        let is_done = self.database.rewrite(is_wiped, |snapshot, path| {
            copy::fill(snapshot, path, Some(&ledger), cache_bytes)?;
            let source = Source::File(path.to_path_buf());
            // Verified as each vault that is opened, and marked as closed.
            drop(Database::open(source, &SCHEMA, &Bare(&self.keys), cache_bytes)?);
            Ok(())
        })?;
        if is_done {
            erasable.ledger = ledger;
        }
        Ok(is_done)
    }
}

impl Erasable {
    /// Makes the first keys; the ledger says so once it is committed.
    pub(super) fn make_keys(
        &mut self,
        ledger: &mut Ledger,
        rng: &mut ChaCha20Rng,
    ) -> Result<(), StoreError> {
        let made = super::erasable::BucketKeys::random(rng);
        self.place.write(&self.file_key.seal(&made, 1)?)?;
        self.buckets = Some(made);
        ledger.epoch = 1;
        Ok(())
    }

    /// Commits a transaction with what the ledger says from now on.
    pub(super) fn commit(
        &mut self,
        ledger: Ledger,
        transaction: Transaction,
    ) -> Result<(), StoreError> {
        if ledger != self.ledger {
            ledger.write(&transaction.redb)?;
        }
        transaction.commit()?;
        self.ledger = ledger;
        Ok(())
    }
}

/// Seals anew what is due in a slice of the records; whether all were seen.
fn go_through(
    keys: &Keys,
    erasable: &Erasable,
    ledger: &mut Ledger,
    transaction: &Transaction,
    slice: ShredSlice,
    rng: &mut ChaCha20Rng,
) -> Result<bool, StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::failed(error);
    let tables = transaction.redb.list_tables().map_err(StoreError::failed)?;
    let mut tables: Vec<String> =
        tables.map(|table| table.name().to_owned()).filter(|name| name != META).collect();
    tables.sort_unstable();
    let (mut seen, mut bytes) = (0, 0);
    for name in tables {
        let from = match &ledger.cursor {
            Some(cursor) if cursor.table > name => continue,
            Some(cursor) if cursor.table == name => Bound::Excluded(cursor.key),
            Some(_) | None => Bound::Unbounded,
        };
        let definition = TableDefinition::<Bytes<32>, &[u8]>::new(&name);
        let mut table = transaction.redb.open_table(definition).map_err(|error| failed(&error))?;
        let mut due: Vec<(StoredKey, Vec<u8>)> = Vec::new();
        let mut is_full = false;
        {
            let from = from.as_ref().map(|key| &key[..]);
            let rows =
                table.range::<&[u8]>((from, Bound::Unbounded)).map_err(StoreError::failed)?;
            for row in rows {
                let (key, sealed) = row.map_err(StoreError::failed)?;
                let (key, sealed) = (key.value(), sealed.value());
                let Some(key) = key.first_chunk::<32>().copied() else { continue };
                seen += 1;
                ledger.live_bytes = ledger.live_bytes.saturating_add(bytes_of_row(sealed));
                if is_due(erasable, ledger, sealed) {
                    bytes += sealed.len();
                    due.push((key, sealed.to_vec()));
                }
                ledger.cursor = Some(Cursor { table: name.clone(), key });
                is_full = seen >= slice.seen || bytes >= slice.bytes;
                if is_full {
                    break;
                }
            }
        }
        for (key, sealed) in due {
            let Some(buckets) = &erasable.buckets else { continue };
            // One that can't be read is lost already, and no reason to keep what else has ended.
            let Some((value, header)) = keys.open_with(erasable, &name, &key, &sealed) else {
                continue;
            };
            if header.is_some_and(|header| buckets.newest(header.bucket).0 == header.generation) {
                continue;
            }
            let mut row = table
                .insert_reserve(&key[..], Keys::sealed_len(value.len()))
                .map_err(StoreError::failed)?;
            buckets
                .seal(&name, &key, &value, rng, row.as_mut())
                .ok_or_else(|| StoreError::failed("a record that was sealed can be sealed"))?;
            ledger.resealed = ledger.resealed.saturating_add(1);
        }
        if is_full {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a record may have to be sealed anew, as far as its first bytes tell.
fn is_due(erasable: &Erasable, ledger: &Ledger, sealed: &[u8]) -> bool {
    if ledger.old == Old::Live {
        return true;
    }
    let Some(buckets) = &erasable.buckets else { return false };
    Header::of(sealed).is_some_and(|header| {
        ledger.shredding.contains(header.bucket)
            && buckets.newest(header.bucket).0 != header.generation
    })
}

/// What a record takes at least, with its key.
fn bytes_of_row(sealed: &[u8]) -> u64 {
    u64::try_from(sealed.len() + 32).unwrap_or(u64::MAX)
}
