//! A shred that a crash ends at any write, of the database or of the file of keys.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::*;

const POWER_CUTS: u64 = 4;

/// From its beginning to its end, writes between its slices included; nothing is lost, and it can always be finished.
#[test]
fn a_crash_at_every_write_of_a_shred_loses_nothing_and_spares_nothing() {
    let mut history = History::new(7);
    (0..24).for_each(|_| history.write());
    let live = sealed_in(&history.disk.after_kill());
    let ended: BTreeSet<Sealed> = history.seen.difference(&live).cloned().collect();
    assert!(ended.len() > 5);
    history.reopen();
    let image = history.disk.after_kill();
    let (mut crashes, mut unfinished) = (0, 0);
    for failing in 0.. {
        let disk = Disk::with(image.clone());
        disk.fail(failing..usize::MAX);
        let done = vault_on(&disk).and_then(|vault| shred(&vault));
        let ended_well = done.is_ok();
        let mut images = vec![("killed".to_owned(), disk.after_kill())];
        for seed in 0..POWER_CUTS {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let image = disk.after_power_cut(|| u64::from(rng.next_u32()) % POWER_CUTS < seed);
            images.push((format!("power cut {seed}"), image));
        }
        for (crash, image) in images {
            let what = format!("failing from change {failing}, {crash}");
            let disk = Disk::with(image);
            let vault = vault_on(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            check_contents(&vault, &history.model);
            unfinished += usize::from(vault.shred_state().is_running);
            shred(&vault).unwrap();
            check_contents(&vault, &history.model);
            let image = disk.after_kill();
            let found = FoundKeys::of(&image, &master_key());
            assert!(sealed_in(&image).iter().all(|live| found.opens(live, false)), "{what}");
            assert!(!ended.iter().any(|ended| found.opens(ended, false)), "{what}");
            crashes += 1;
        }
        if ended_well && disk.changes() <= failing {
            break;
        }
    }
    assert!(crashes > 200 && unfinished > 50, "{crashes} crashes, {unfinished} unfinished");
}

/// All of a shred, of what waits now or of what was begun.
fn shred(vault: &Vault) -> Result<(), StoreError> {
    if vault.begin_shred([1; 32])? {
        while !vault.shred_some([2; 32], SLICE, NOW)? {}
    }
    Ok(())
}
