#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::limits::{
    PASSPHRASE_LANES_MAX, PASSPHRASE_MEMORY_KIB_MAX, PASSPHRASE_PASSES, PASSPHRASE_PASSES_MAX,
};
use martlet_protocol::limits::PASSPHRASE_BYTES_MAX;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

#[test]
fn without_passphrase_the_key_comes_back_and_the_file_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.key");
    assert!(KeyFile::read(&path).unwrap().is_none());
    let key = KeyFile::create(&path, None, &mut rng()).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(metadata.len(), 256);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let file = KeyFile::read(&path).unwrap().unwrap();
    assert!(!file.has_passphrase());
    assert_eq!(file.unwrap(None).unwrap().0, key.0);
    assert_eq!(file.unwrap(Some(b"ignored")).unwrap().0, key.0);
    assert_eq!(file.vault_id(), Some(VaultId::of(&key)));
}

#[test]
fn the_passphrase_and_no_other_opens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.key");
    let key = KeyFile::create(&path, Some(b"correct horse"), &mut rng()).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(32).any(|window| window == &key.0[..]));
    let file = KeyFile::read(&path).unwrap().unwrap();
    assert!(file.has_passphrase());
    assert_eq!(file.unwrap(Some(b"correct horse")).unwrap().0, key.0);
    assert_eq!(file.vault_id(), Some(VaultId::of(&key)));
    let wrong = [b"correct hors".to_vec(), Vec::new(), vec![b'x'; PASSPHRASE_BYTES_MAX + 1]];
    for passphrase in wrong {
        assert!(matches!(file.unwrap(Some(&passphrase)), Err(KeyFileError::WrongPassphrase)));
    }
    assert!(matches!(file.unwrap(None), Err(KeyFileError::PassphraseRequired)));
}

#[test]
fn an_existing_file_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.key");
    KeyFile::create(&path, None, &mut rng()).unwrap();
    let before = fs::read(&path).unwrap();
    let error = KeyFile::create(&path, None, &mut rng()).unwrap_err();
    assert!(error.to_string().contains("vault.key"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_crash_while_it_was_made_does_not_stand_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.key");
    fs::write(dir.path().join("vault.key.part"), b"mrtl").unwrap();
    KeyFile::create(&path, None, &mut rng()).unwrap();
    assert!(KeyFile::read(&path).unwrap().is_some());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn every_flipped_bit_and_every_other_length_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.key");
    KeyFile::create(&path, None, &mut rng()).unwrap();
    let whole = fs::read(&path).unwrap();
    let is_damage = |bytes: &[u8]| match KeyFile::parse(&path, bytes) {
        Err(KeyFileError::Store(StoreError::Damaged { path: named, .. })) => named == path,
        Ok(_) | Err(_) => false,
    };
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(is_damage(&bytes), "bit {bit}");
    }
    for len in 0..whole.len() {
        assert!(is_damage(&whole[..len]), "{len} bytes");
    }
    assert!(is_damage(&[&whole[..], &[0]].concat()));
    fs::write(&path, &whole[..100]).unwrap();
    assert!(KeyFile::read(&path).is_err());
}

#[test]
fn costs_out_of_bounds_are_refused_before_they_are_paid() {
    for (memory, passes, lanes) in [
        (PASSPHRASE_MEMORY_KIB_MAX + 1, 1, 1),
        (u32::MAX, 1, 1),
        (64, PASSPHRASE_PASSES_MAX + 1, 1),
        (64, 0, 1),
        (0, 1, 1),
        (64, 1, PASSPHRASE_LANES_MAX + 1),
        (64, 1, 0),
    ] {
        let mut bytes = header(PASSPHRASE);
        bytes[MEMORY_AT..PASSES_AT].copy_from_slice(&memory.to_be_bytes());
        bytes[PASSES_AT..LANES_AT].copy_from_slice(&passes.to_be_bytes());
        bytes[LANES_AT..SALT_AT].copy_from_slice(&lanes.to_be_bytes());
        checksum(&mut bytes);
        assert!(matches!(
            KeyFile::parse(Path::new("vault.key"), &bytes[..]),
            Err(KeyFileError::Store(StoreError::Damaged { .. }))
        ));
    }
}

#[test]
fn a_change_of_passphrase_leaves_the_key_and_nothing_of_the_old_wrapping() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.key");
    let key = KeyFile::create(&path, Some(b"old"), &mut rng()).unwrap();
    let mut rng = rng();
    let dearer = PassphraseCost { passes: PASSPHRASE_PASSES + 1 };
    let mut passphrases: [Option<&[u8]>; 4] = [Some(b"new"), None, Some(b"again"), None];
    for passphrase in &mut passphrases {
        let old = KeyFile::read(&path).unwrap().unwrap();
        let before = fs::read(&path).unwrap();
        old.rewrap(&key, *passphrase, dearer, &mut rng).unwrap().replace(&old).unwrap();
        let after = fs::read(&path).unwrap();
        assert_ne!(after[KEY_AT..TAG_AT], before[KEY_AT..TAG_AT]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let file = KeyFile::read(&path).unwrap().unwrap();
        assert_eq!(file.has_passphrase(), passphrase.is_some());
        assert_eq!(file.unwrap(*passphrase).unwrap().0, key.0);
        assert_eq!(file.vault_id(), old.vault_id());
        if let Some(passphrase) = passphrase {
            assert_eq!(after[PASSES_AT..LANES_AT], (PASSPHRASE_PASSES + 1).to_be_bytes());
            let longer = [passphrase, b"!".as_slice()].concat();
            let wrong = file.unwrap(Some(&longer));
            assert!(matches!(wrong, Err(KeyFileError::WrongPassphrase)));
        }
        // It is not what is there any more.
        assert!(matches!(file.replace(&old), Err(KeyFileError::Changed { .. })));
        assert_eq!(fs::read(&path).unwrap(), after);
    }
}

/// Every state that a crash may leave of a change: before, beside it half of the new one or all, half overwritten
/// (at each byte), wholly overwritten.
#[test]
fn a_crash_in_a_change_of_passphrase_leaves_the_old_or_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.key");
    let key = KeyFile::create(&path, None, &mut rng()).unwrap();
    let before = fs::read(&path).unwrap();
    let old = KeyFile::read(&path).unwrap().unwrap();
    let new = old.rewrap(&key, Some(b"new"), PassphraseCost::LEAST, &mut rng()).unwrap();
    let after = new.bytes.to_vec();
    let mut states = vec![(before.clone(), None, &before), (after.clone(), None, &after)];
    states.push((before.clone(), Some(after[..100].to_vec()), &before));
    states.push((before.clone(), Some(Vec::new()), &before));
    states.push((before.clone(), Some(after.clone()), &before));
    states.push((after.clone(), Some(after.clone()), &after));
    for overwritten in 0..KEY_FILE_BYTES {
        let torn = [&after[..overwritten], &before[overwritten..]].concat();
        let is = if torn == before { &before } else { &after };
        states.push((torn, Some(after.clone()), is));
    }
    for (there, beside_it, becomes) in states {
        fs::write(&path, &there).unwrap();
        if let Some(bytes) = beside_it {
            fs::write(beside(&path), bytes).unwrap();
        }
        // Without a write, as long as nobody has the directory alone.
        let read = KeyFile::read(&path).unwrap().unwrap();
        assert_eq!(&read.bytes[..], &becomes[..]);
        assert_eq!(fs::read(&path).unwrap(), there);
        KeyFile::settle(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), *becomes);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
    // Damage is not taken for a crash.
    fs::write(&path, &before[..100]).unwrap();
    fs::write(beside(&path), &after[..100]).unwrap();
    assert!(KeyFile::settle(&path).is_err());
    assert_eq!(fs::read(&path).unwrap(), before[..100]);
    assert!(fs::exists(beside(&path)).unwrap());
}

#[test]
fn a_guess_costs_a_second_on_the_machine_and_never_less_than_the_least() {
    let for_machine = |millis| PassphraseCost::for_machine(Duration::from_millis(millis)).passes;
    assert_eq!(for_machine(100), 30);
    assert_eq!(for_machine(150), 20);
    assert_eq!(for_machine(1_000), PASSPHRASE_PASSES);
    assert_eq!(for_machine(60_000), PASSPHRASE_PASSES);
    assert_eq!(for_machine(10), PASSPHRASE_PASSES_MAX);
    assert_eq!(for_machine(0), PASSPHRASE_PASSES_MAX);
}

#[test]
fn a_newer_version_is_not_called_damage() {
    let mut bytes = header(BARE);
    bytes[8] = VERSION + 1;
    checksum(&mut bytes);
    assert!(matches!(
        KeyFile::parse(Path::new("vault.key"), &bytes[..]),
        Err(KeyFileError::Store(StoreError::TooNew { found: 2, known: 1, .. }))
    ));
}
