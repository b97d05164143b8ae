//! The shredder on real files: what belongs together, vaults of before it, and the file that gets smaller.

use std::fs;
use std::path::Path;

use martlet_store::vault::keyfile::{MasterKey, VaultId};
use martlet_store::vault::keys_path;
use redb::Database;

use super::*;
use crate::shred::keys::sealed_of;

fn open(path: &Path) -> Result<Vault, StoreError> {
    Vault::open(path, &master_key(), CACHE_BYTES)
}

fn shred(vault: &Vault) {
    assert!(vault.begin_shred([1; 32]).unwrap());
    while !vault.shred_some([2; 32], ShredSlice { seen: 1000, bytes: 1 << 20 }, NOW).unwrap() {}
}

fn overwrite(vault: &Vault, text: &str) {
    let mut txn = vault.begin([5; 32]).unwrap();
    txn.put(&NAMED, Key::Named(b"one"), &(1, text.to_owned())).unwrap();
    txn.commit().unwrap();
}

/// Both files, and that neither is touched, with and without the key.
fn assert_refused(path: &Path, what: &str, is_it: impl Fn(&StoreError) -> bool) {
    let read = || [path.to_path_buf(), keys_path(path)].map(|path| fs::read(path).ok());
    let before = read();
    let checked = Vault::check(path, Some(VaultId::of(&master_key())), CACHE_BYTES).unwrap_err();
    let opened = open(path).unwrap_err();
    for error in [checked, opened] {
        assert!(is_it(&error), "{what}: {error}");
        assert!(error.to_string().contains(".keys"), "{what}: {error}");
    }
    assert!(read() == before, "{what}: touched");
}

#[test]
fn keys_that_are_missing_damaged_older_newer_or_anothers_are_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    let keys = keys_path(&path);
    let vault = Vault::create(&path, &master_key(), CACHE_BYTES).unwrap();
    overwrite(&vault, "first");
    overwrite(&vault, "second");
    drop(vault);
    let before = [&path, &keys].map(|path| fs::read(path).unwrap());
    let vault = open(&path).unwrap();
    shred(&vault);
    drop(vault);
    let after = [&path, &keys].map(|path| fs::read(path).unwrap());
    drop(open(&path).unwrap());

    fs::remove_file(&keys).unwrap();
    assert_refused(&path, "missing", |error| matches!(error, StoreError::Missing { .. }));
    let is_damaged = |error: &StoreError| matches!(error, StoreError::Damaged { .. });
    fs::write(&keys, &before[1]).unwrap();
    assert_refused(&path, "older", is_damaged);
    fs::write(&path, &before[0]).unwrap();
    drop(open(&path).unwrap());
    fs::write(&keys, &after[1]).unwrap();
    assert_refused(&path, "newer", is_damaged);
    fs::write(&path, &after[0]).unwrap();
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("cut", after[1][..100_000].to_vec()),
        ("zeros", vec![0; after[1].len()]),
        ("longer", [&after[1][..], &[0]].concat()),
        ("flipped in both", {
            let mut bytes = after[1].clone();
            bytes[100] ^= 1;
            bytes[69_632 + 5] ^= 1;
            bytes
        }),
    ] {
        fs::write(&keys, bytes).unwrap();
        assert_refused(&path, what, is_damaged);
    }
    let other = dir.path().join("other.redb");
    let vault = Vault::create(&other, &MasterKey::from_bytes(&[43; 32]), CACHE_BYTES).unwrap();
    overwrite(&vault, "another's");
    drop(vault);
    fs::copy(keys_path(&other), &keys).unwrap();
    assert_refused(&path, "another's", |error| matches!(error, StoreError::OtherKey { .. }));

    // One whole copy is enough, and makes the other.
    let mut half = after[1].clone();
    half[..1000].fill(7);
    fs::write(&keys, half).unwrap();
    drop(open(&path).unwrap());
    assert!(fs::read(&keys).unwrap() == after[1]);
}

#[test]
fn keys_of_a_commit_that_never_was_are_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    drop(Vault::create(&path, &master_key(), CACHE_BYTES).unwrap());
    assert!(!keys_path(&path).exists());
    // A crash while they were written.
    fs::write(keys_path(&path), [1; 5000]).unwrap();
    let vault = open(&path).unwrap();
    overwrite(&vault, "text");
    drop(vault);
    drop(open(&path).unwrap());
}

/// Of the vaults that earlier builds made.
#[test]
fn a_vault_of_before_erasable_keys_keeps_all_and_loses_what_had_ended() {
    for name in ["vault-v1.redb", "vault-v2.redb"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.redb");
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        fs::copy(data, &path).unwrap();
        let old = {
            let copy = dir.path().join("copy.redb");
            fs::copy(&path, &copy).unwrap();
            sealed_of(&Database::open(copy).unwrap())
        };
        assert!(!old.is_empty());
        let reading = Vault::open_for_reading(&path, &master_key(), CACHE_BYTES).unwrap();
        let holds = dump_vault(&reading);
        drop(reading);
        assert!(!keys_path(&path).exists());

        let vault = open(&path).unwrap();
        assert_eq!(dump_vault(&vault), holds, "{name}");
        let state = vault.shred_state();
        assert!(state.holds_old && state.waiting == 1024, "{state:?}");
        let mut txn = vault.begin([3; 32]).unwrap();
        txn.delete(&LOG, Key::Ordinal(1)).unwrap();
        txn.commit().unwrap();
        let holds = dump_vault(&vault);
        shred(&vault);
        assert_eq!(dump_vault(&vault), holds, "{name}");
        let state = vault.shred_state();
        assert!(state.holds_old && state.wants_rewrite && state.waiting == 0, "{state:?}");
        drop(vault);
        // The next start writes the file anew.
        let vault = open(&path).unwrap();
        assert_eq!(dump_vault(&vault), holds, "{name}");
        assert!(!vault.shred_state().holds_old && !vault.shred_state().wants_rewrite);
        overwrite(&vault, "it goes on");
        drop(vault);
        let bytes = fs::read(&path).unwrap();
        for sealed in &old {
            let is_there = bytes.windows(40).any(|window| window == &sealed.bytes[..40]);
            assert!(!is_there, "{name}: {sealed:?}");
        }
        let image = [bytes, fs::read(keys_path(&path)).unwrap()];
        let found = FoundKeys::of(&image, &master_key());
        assert!(sealed_in(&image).iter().all(|live| found.opens(live, false)));
        drop(open(&path).unwrap());
    }
}

#[test]
fn a_file_much_larger_than_what_it_holds_gets_small_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    let vault = Vault::create(&path, &master_key(), CACHE_BYTES).unwrap();
    let mut txn = vault.begin([1; 32]).unwrap();
    for number in 0..400 {
        txn.put(&LOG, Key::Ordinal(number), &(number, "x".repeat(60_000))).unwrap();
    }
    txn.commit().unwrap();
    let mut txn = vault.begin([2; 32]).unwrap();
    txn.delete_range(&LOG, None, 10..=399).unwrap();
    txn.commit().unwrap();
    shred(&vault);
    assert!(vault.shred_state().wants_rewrite);
    let large = fs::metadata(&path).unwrap().len();
    drop(vault);
    let vault = open(&path).unwrap();
    let small = fs::metadata(&path).unwrap().len();
    assert!(small < large / 5, "{large} bytes, then {small}");
    assert_eq!(vault.begin([0; 32]).unwrap().count(&LOG).unwrap(), 10);
    assert!(!vault.rewrite().unwrap());
    // And once more while it is in use.
    let mut txn = vault.begin([3; 32]).unwrap();
    for number in 0..400 {
        txn.put(&LOG, Key::Ordinal(number), &(number, "x".repeat(60_000))).unwrap();
    }
    txn.commit().unwrap();
    let mut txn = vault.begin([4; 32]).unwrap();
    txn.delete_range(&LOG, None, 10..=399).unwrap();
    txn.commit().unwrap();
    shred(&vault);
    let seen = vault.seen().unwrap();
    assert!(vault.rewrite().unwrap());
    assert_eq!(vault.seen().unwrap(), seen);
    assert_eq!(vault.begin([0; 32]).unwrap().count(&LOG).unwrap(), 10);
    overwrite(&vault, "it goes on");
    drop(vault);
    drop(open(&path).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

/// A backup that takes long, with a shred meanwhile.
#[test]
fn a_copy_has_the_keys_of_its_own_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    let vault = Vault::create(&path, &master_key(), CACHE_BYTES).unwrap();
    overwrite(&vault, "first");
    overwrite(&vault, "second");
    let snapshot = vault.snapshot().unwrap();
    shred(&vault);
    overwrite(&vault, "third");
    let copy = dir.path().join("copy.redb");
    let bytes = snapshot.copy_to(&copy, CACHE_BYTES).unwrap();
    let len = |path: &Path| fs::metadata(path).unwrap().len();
    assert_eq!(bytes, len(&copy) + len(&keys_path(&copy)));
    assert!(snapshot.copy_to(&copy, CACHE_BYTES).is_err());
    drop(snapshot);
    let text = |vault: &Vault| {
        let found = vault.begin([0; 32]).unwrap().get(&NAMED, Key::Named(b"one"));
        found.unwrap().unwrap().1
    };
    assert_eq!(text(&open(&copy).unwrap()), "second");
    assert_eq!(text(&vault), "third");
}

/// How long it takes: with `--ignored --nocapture`, optimized.
#[test]
#[ignore = "figures, for docs/performance.md"]
fn figures() {
    use std::time::{Duration, Instant};

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.redb");
    let open = || Vault::open(&path, &master_key(), 8 << 20).unwrap();
    let text =
        "a text of usual length, some ninety characters long, as people write them to each other";
    let vault = Vault::create(&path, &master_key(), 8 << 20).unwrap();
    for part in 0..100u64 {
        let mut txn = vault.begin([u8::try_from(part).unwrap(); 32]).unwrap();
        for number in part * 500..part * 500 + 500 {
            let record = (number, text.to_owned());
            txn.put(&SPREAD, Key::Scoped(&[u8::try_from(number % 50).unwrap()], number), &record)
                .unwrap();
            txn.put(&INDEX, Key::Named(&number.to_be_bytes()), &record).unwrap();
        }
        txn.commit().unwrap();
    }
    let commit = |what: &str| {
        let began = Instant::now();
        for number in 0..200u64 {
            let mut txn = vault.begin([7; 32]).unwrap();
            let record = (number, text.to_owned());
            txn.put(&SPREAD, Key::Scoped(&[1], 1_000_000 + number), &record).unwrap();
            txn.put(&INDEX, Key::Named(&(1_000_000 + number).to_be_bytes()), &record).unwrap();
            txn.put(&NAMED, Key::Named(b"counters"), &record).unwrap();
            txn.put(&NAMED, Key::Named(b"session"), &record).unwrap();
            txn.put(&LOG, Key::Ordinal(number), &record).unwrap();
            txn.commit().unwrap();
        }
        println!("{what}: {:?} a commit of five records", began.elapsed() / 200);
    };
    commit("as it is");
    let mut txn = vault.begin([8; 32]).unwrap();
    for number in (0..50_000u64).step_by(10) {
        txn.delete(&INDEX, Key::Named(&number.to_be_bytes())).unwrap();
    }
    txn.commit().unwrap();
    println!("{:?}", vault.shred_state());
    let began = Instant::now();
    assert!(vault.begin_shred([1; 32]).unwrap());
    println!("begin: {:?}", began.elapsed());
    let (mut slices, mut longest) = (0, Duration::ZERO);
    loop {
        let slice = Instant::now();
        let done =
            vault.shred_some([2; 32], ShredSlice { seen: 2000, bytes: 64 << 10 }, NOW).unwrap();
        slices += 1;
        longest = longest.max(slice.elapsed());
        if done {
            break;
        }
    }
    println!("{:?} in {slices} slices, the longest {longest:?}", began.elapsed());
    println!("{:?}, {} bytes", vault.shred_state(), fs::metadata(&path).unwrap().len());
    commit("after it");
    drop(vault);
    let began = Instant::now();
    drop(open());
    println!("opened in {:?}", began.elapsed());
}

const INDEX: Collection<Record> = Collection::new("message_index");
