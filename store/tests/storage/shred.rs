//! The shredder: what was deleted or overwritten can't be opened any more, by whoever has a later copy of the files and the
//! master key; what is there can.
//!
//! What "can't be opened" means is told here by the layout that is documented (`vault/erasable.rs`, `vault/seal.rs`), not
//! by the code that is tested: every key in either copy of the file of keys is tried, and the one that derives
//! from the master key.

mod crash;
mod files;
mod keys;

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::UnixMillis;
use martlet_store::vault::{Collection, Key, ShredSlice};
use martlet_store::{StoreError, Vault};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::disk::Disk;
use crate::fixture::*;
use keys::{FoundKeys, Sealed, sealed_in};

/// One whose records are spread over all buckets.
const SPREAD: Collection<Record> = Collection::new("messages");
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const SLICE: ShredSlice = ShredSlice { seen: 5, bytes: 1 << 20 };

/// A vault with a history, and every record that ever was in it, as it was sealed.
struct History {
    disk: Disk,
    vault: Vault,
    rng: ChaCha20Rng,
    /// What it should hold: by collection, scope and number.
    model: BTreeMap<(u8, u8, u64), Record>,
    seen: BTreeSet<Sealed>,
    /// Those that had ended when the shred under way began.
    ended: BTreeSet<Sealed>,
    shreds: usize,
}

impl History {
    fn new(seed: u64) -> Self {
        let disk = Disk::default();
        let vault = vault_on(&disk).unwrap();
        let (model, seen, ended) = Default::default();
        let rng = ChaCha20Rng::seed_from_u64(seed);
        Self { disk, vault, rng, model, seen, ended, shreds: 0 }
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    fn below(&mut self, end: u32) -> u64 {
        u64::from(self.rng.next_u32() % end)
    }

    /// A transaction of some writes and deletions.
    fn write(&mut self) {
        let seed = self.seed();
        let mut txn = self.vault.begin(seed).unwrap();
        for _ in 0..=self.below(6) {
            let table = u8::try_from(self.below(4)).unwrap();
            let scope = u8::try_from(self.below(2)).unwrap();
            let number = self.below(2) * 300 + self.below(3);
            let number_bytes = number.to_be_bytes();
            let scope_bytes = [scope];
            let (collection, key, scope) = match table {
                0 => (NAMED, Key::Named(&number_bytes), 0),
                1 => (LOG, Key::Ordinal(number), 0),
                2 => (SCOPED, Key::Scoped(&scope_bytes, number), scope),
                _ => (SPREAD, Key::Scoped(&scope_bytes, number), scope),
            };
            let at = (table, scope, number);
            if self.below(3) == 0 {
                let was = txn.delete(&collection, key).unwrap();
                assert_eq!(was, self.model.remove(&at).is_some());
            } else {
                let record = (self.below(1000), "text ".repeat(self.below(20) as usize));
                txn.put(&collection, key, &record).unwrap();
                self.model.insert(at, record);
            }
        }
        txn.commit().unwrap();
        self.note();
    }

    /// Notes what is in the file now.
    fn note(&mut self) {
        self.seen.extend(sealed_in(&self.disk.after_kill()));
    }

    fn begin_shred(&mut self) {
        if self.vault.shred_state().is_running {
            return;
        }
        let seed = self.seed();
        let is_any = self.vault.begin_shred(seed).unwrap();
        let live = sealed_in(&self.disk.after_kill());
        self.ended = self.seen.difference(&live).cloned().collect();
        assert_eq!(self.vault.shred_state().is_running, is_any);
    }

    /// A slice of the shred under way; whether it is done.
    fn shred_some(&mut self) -> bool {
        let seed = self.seed();
        let is_done = self.vault.shred_some(seed, SLICE, NOW).unwrap();
        self.note();
        is_done
    }

    fn reopen(&mut self) {
        self.disk = Disk::with(self.disk.after_kill());
        self.vault = vault_on(&self.disk).unwrap();
    }

    fn check_contents(&self) {
        check_contents(&self.vault, &self.model);
    }

    /// What had ended before the last shred is without a key in a copy made now, and what lives is not.
    fn check_shredded(&mut self, with_all_keys: bool) {
        self.shreds += 1;
        let image = self.disk.after_kill();
        let found = FoundKeys::of(&image, &master_key());
        for live in sealed_in(&image) {
            assert!(found.opens(&live, false), "{live:?} lives");
        }
        for ended in &self.ended {
            assert!(!found.opens(ended, with_all_keys), "{ended:?} has ended");
        }
    }
}

fn check_contents(vault: &Vault, model: &BTreeMap<(u8, u8, u64), Record>) {
    let txn = vault.begin([0; 32]).unwrap();
    for ((table, scope, number), record) in model {
        let found = match table {
            0 => txn.get(&NAMED, Key::Named(&number.to_be_bytes())),
            1 => txn.get(&LOG, Key::Ordinal(*number)),
            2 => txn.get(&SCOPED, Key::Scoped(&[*scope], *number)),
            _ => txn.get(&SPREAD, Key::Scoped(&[*scope], *number)),
        };
        assert_eq!(found.unwrap().as_ref(), Some(record), "{table} {scope} {number}");
    }
    let counts = [&NAMED, &LOG, &SCOPED, &SPREAD].map(|it| txn.count(it).unwrap());
    assert_eq!(counts.iter().sum::<u64>(), u64::try_from(model.len()).unwrap());
}

/// A thousand histories of writes, deletions, shreds with writes between their slices, and starts after kills.
#[test]
fn what_has_ended_is_without_a_key_after_a_shred_whatever_happened_before() {
    let (mut shreds, mut ended) = (0, 0);
    for seed in 0..1000 {
        let mut history = History::new(seed);
        for _ in 0..12 {
            match history.below(6) {
                0..3 => history.write(),
                3 => history.begin_shred(),
                4 => history.reopen(),
                _ => {}
            }
            if history.vault.shred_state().is_running && history.shred_some() {
                history.check_shredded(seed % 50 == 0);
                ended += history.ended.len();
            }
        }
        history.write();
        if !history.vault.shred_state().is_running {
            history.begin_shred();
        }
        while !history.shred_some() {}
        history.check_shredded(seed % 50 == 0);
        history.check_contents();
        history.reopen();
        history.check_contents();
        (shreds, ended) = (shreds + history.shreds, ended + history.ended.len());
    }
    assert!(shreds > 1000 && ended > 3000, "{shreds} shreds, {ended} ended");
}

#[test]
fn nothing_waits_where_nothing_has_ended_and_what_ends_in_a_shred_waits_for_the_next() {
    let mut history = History::new(1);
    assert!(!history.vault.begin_shred([1; 32]).unwrap(), "an empty vault");
    let put = |history: &mut History, number, text: &str| {
        let seed = history.seed();
        let mut txn = history.vault.begin(seed).unwrap();
        txn.put(&LOG, Key::Ordinal(number), &(number, text.to_owned())).unwrap();
        txn.commit().unwrap();
        history.note();
    };
    put(&mut history, 1, "first");
    put(&mut history, 2, "second");
    let state = history.vault.shred_state();
    assert_eq!((state.waiting, state.keys, state.finished_at), (0, 1024, None));
    assert!(!history.vault.begin_shred([1; 32]).unwrap());

    put(&mut history, 1, "first again");
    assert_eq!(history.vault.shred_state().waiting, 1);
    history.begin_shred();
    // Under the next key already: this has ended when the shred is done, and waits for another.
    put(&mut history, 2, "second again");
    assert_eq!(history.vault.shred_state().waiting, 1);
    put(&mut history, 2, "and again");
    while !history.shred_some() {}
    history.check_shredded(true);
    let state = history.vault.shred_state();
    assert_eq!((state.waiting, state.is_running), (1, false));
    assert_eq!((state.resealed, state.finished_at), (1, Some(NOW)));
    history.begin_shred();
    while !history.shred_some() {}
    history.check_shredded(true);
    assert_eq!(history.vault.shred_state().waiting, 0);
}

#[test]
fn a_failed_slice_is_done_again() {
    let mut history = History::new(3);
    (0..10).for_each(|_| history.write());
    history.begin_shred();
    for failing in 0.. {
        history.disk.fail(history.disk.changes() + failing..usize::MAX);
        let seed = history.seed();
        let done = history.vault.shred_some(seed, SLICE, NOW);
        history.disk.fail(0..0);
        match done {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => {
                assert!(matches!(error, StoreError::Failed { .. }), "{error}");
                history.vault.reopen().unwrap();
            }
        }
        history.note();
        history.check_contents();
    }
    history.check_shredded(false);
    history.check_contents();
}
