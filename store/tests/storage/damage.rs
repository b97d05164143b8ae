//! Damaged files: refused and left as they are, or opened with everything that was committed.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use martlet_protocol::UnixMillis;
use martlet_store::mailbox::{Inserted, Source};
use martlet_store::vault::keyfile::{MasterKey, VaultId};
use martlet_store::{Mailbox, StoreError, Vault};

use crate::fixture::*;

/// A database file, and how to open it and say what it holds.
struct Subject<'a, D> {
    path: PathBuf,
    /// As it was closed properly.
    whole: Vec<u8>,
    /// As a crash left it after the last commit.
    crashed: Vec<u8>,
    expected: D,
    open: &'a dyn Fn(&Path) -> Result<D, StoreError>,
}

impl<D: Debug + PartialEq> Subject<'_, D> {
    /// Opens the file made of `bytes`. Whether it opened.
    fn opens(&self, bytes: &[u8], what: &str) -> bool {
        fs::write(&self.path, bytes).unwrap();
        match (self.open)(&self.path) {
            Ok(found) => {
                assert_eq!(found, self.expected, "{what}");
                true
            }
            Err(StoreError::Damaged { path, .. }) => {
                assert_eq!(path, self.path);
                assert!(fs::read(&self.path).unwrap() == bytes, "{what}: the file was touched");
                false
            }
            Err(other) => panic!("{what}: {other}"),
        }
    }

    fn flip(&self, image: &[u8], bit: usize, name: &str) -> bool {
        let mut bytes = image.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        self.opens(&bytes, &format!("{name}, bit {} of byte {}", bit % 8, bit / 8))
    }

    fn bits_and_lengths(&self) {
        let panics = count_panics();
        for (image, name) in [(&self.whole, "closed"), (&self.crashed, "crashed")] {
            assert!(self.opens(image, name));
            // redb's header and the mark, and something of every page; steps without a divisor in
            // common with what is in there, so that all kinds of bytes have their turn.
            let header = (0..320 * 8).step_by(5);
            let mark = (4080 * 8..4096 * 8).step_by(3);
            let pages = (4096 * 8..image.len() * 8).step_by(8 * 509 + 3);
            let bits: Vec<usize> = header.chain(mark).chain(pages).collect();
            let refused = bits.iter().filter(|bit| !self.flip(image, **bit, name)).count();
            assert!(refused > 100, "{name}: only {refused} refused");
        }
        for len in (0..self.whole.len()).step_by(4096 * 7 + 13).chain([1, 9, 320, 4096, 8192]) {
            assert!(!self.opens(&self.whole[..len], &format!("cut to {len} bytes")));
            assert!(!self.opens(&self.crashed[..len], &format!("crashed, cut to {len} bytes")));
        }
        assert_eq!(panics.load(Ordering::Relaxed), 0, "redb panicked");
    }
}

#[test]
fn a_damaged_mailbox_is_refused_untouched_or_whole() {
    let dir = scratch();
    let path = dir.path().join("mailbox.redb");
    let mailbox = Mailbox::open(&path, OPTIONS).unwrap();
    let ids = fill_mailbox(&mailbox);
    let expected = dump_mailbox(&mailbox, &ids);
    let crashed = fs::read(&path).unwrap();
    drop(mailbox);
    let whole = fs::read(&path).unwrap();
    let open =
        |path: &Path| Mailbox::open(path, OPTIONS).map(|mailbox| dump_mailbox(&mailbox, &ids));
    Subject { path, whole, crashed, expected, open: &open }.bits_and_lengths();
}

/// A mailbox of gigabytes would take seconds to check at every start. What was closed properly is
/// taken as it is; what a crash left is read whole.
#[test]
fn a_large_mailbox_is_checked_whole_only_after_a_crash() {
    /// Inside of an envelope's content. (In debug builds redb follows the structure at every
    /// opening, but computes no checksums.)
    const ENVELOPES: std::ops::Range<usize> = (40 << 20) + 8192..(40 << 20) + 12_288;
    let dir = scratch();
    let path = dir.path().join("mailbox.redb");
    let mailbox = Mailbox::open(&path, OPTIONS).unwrap();
    let ids = fill_mailbox(&mailbox);
    let mut txn = mailbox.begin().unwrap();
    for number in 1_000..3_300 {
        let (id, envelope, header) = Spec::simple(number).with_body(32 * 1024);
        let inserted = txn.insert(&id, &envelope, &header, Source::Own, UnixMillis(0)).unwrap();
        assert!(matches!(inserted, Inserted::New { .. }));
    }
    txn.commit().unwrap();
    let expected = dump_mailbox(&mailbox, &ids).stats;
    let crashed = fs::read(&path).unwrap();
    drop(mailbox);
    let mut closed = fs::read(&path).unwrap();
    assert!(crashed.len() > 64 << 20);

    let mut damaged = crashed.clone();
    damaged[ENVELOPES].iter_mut().for_each(|byte| *byte ^= 1);
    fs::write(&path, &damaged).unwrap();
    assert!(matches!(Mailbox::open(&path, OPTIONS), Err(StoreError::Damaged { .. })));
    assert!(fs::read(&path).unwrap() == damaged);
    fs::write(&path, &crashed).unwrap();
    assert_eq!(Mailbox::open(&path, OPTIONS).unwrap().view().unwrap().stats().unwrap(), expected);

    closed[ENVELOPES].iter_mut().for_each(|byte| *byte ^= 1);
    fs::write(&path, &closed).unwrap();
    let mailbox = Mailbox::open(&path, OPTIONS).unwrap();
    assert_eq!(mailbox.view().unwrap().stats().unwrap(), expected);
    // While it is open, it isn't closed properly.
    let copy = dir.path().join("copy.redb");
    fs::copy(&path, &copy).unwrap();
    assert!(matches!(Mailbox::open(&copy, OPTIONS), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_file_of_something_else_is_refused_untouched() {
    let dir = scratch();
    let mailbox = dir.path().join("mailbox.redb");
    let vault = dir.path().join("vault.redb");
    drop(Mailbox::open(&mailbox, OPTIONS).unwrap());
    drop(Vault::create(&vault, &master_key(), CACHE_BYTES).unwrap());
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("text", b"not a database at all\n".repeat(1000)),
        ("zeros", vec![0; 1 << 20]),
        ("the vault", fs::read(&vault).unwrap()),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, &bytes).unwrap();
        match Mailbox::open(&path, OPTIONS) {
            Err(StoreError::Damaged { path: named, .. }) => assert_eq!(named, path),
            other => panic!("{name}: {other:?}"),
        }
        assert!(fs::read(&path).unwrap() == bytes, "{name} was touched");
    }
    let before = fs::read(&mailbox).unwrap();
    assert!(matches!(
        Vault::open(&mailbox, &master_key(), CACHE_BYTES),
        Err(StoreError::Damaged { .. })
    ));
    assert!(fs::read(&mailbox).unwrap() == before);
}

#[test]
fn another_vaults_key_is_recognized_and_the_file_untouched() {
    let dir = scratch();
    let path = dir.path().join("vault.redb");
    let vault = Vault::create(&path, &master_key(), CACHE_BYTES).unwrap();
    fill_vault(&vault);
    drop(vault);
    let before = fs::read(&path).unwrap();
    assert!(matches!(
        Vault::open(&path, &MasterKey::from_bytes(&[43; 32]), CACHE_BYTES),
        Err(StoreError::OtherKey { .. })
    ));
    // Without the key, by what its key file says.
    let check = |id| Vault::check(&path, id, CACHE_BYTES);
    let other = VaultId::of(&MasterKey::from_bytes(&[43; 32]));
    assert!(matches!(check(Some(other)), Err(StoreError::OtherKey { .. })));
    check(Some(VaultId::of(&master_key()))).unwrap();
    check(None).unwrap();
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn a_vault_is_made_only_where_there_is_none_and_opened_only_where_there_is_one() {
    let dir = scratch();
    let path = dir.path().join("vault.redb");
    let missing = Vault::open(&path, &master_key(), CACHE_BYTES);
    assert!(matches!(missing, Err(StoreError::Failed { .. })));
    assert!(!path.exists());
    drop(Vault::create(&path, &master_key(), CACHE_BYTES).unwrap());
    let before = fs::read(&path).unwrap();
    assert!(Vault::create(&path, &master_key(), CACHE_BYTES).is_err());
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn a_database_in_use_is_not_called_damaged() {
    let dir = scratch();
    let path = dir.path().join("mailbox.redb");
    let mailbox = Mailbox::open(&path, OPTIONS).unwrap();
    let ids = fill_mailbox(&mailbox);
    let before = dump_mailbox(&mailbox, &ids);
    match Mailbox::open(&path, OPTIONS) {
        Err(StoreError::InUse { path: named }) => assert_eq!(named, path),
        other => panic!("{other:?}"),
    }
    assert_eq!(dump_mailbox(&mailbox, &ids), before);
}

#[test]
fn what_a_crash_left_half_made_is_made_again() {
    let dir = scratch();
    let path = dir.path().join("mailbox.redb");
    fs::write(dir.path().join("mailbox.redb.part"), vec![1; 10_000]).unwrap();
    let mailbox = Mailbox::open(&path, OPTIONS).unwrap();
    fill_mailbox(&mailbox);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_vault_is_refused_untouched_or_whole() {
    let dir = scratch();
    let path = dir.path().join("vault.redb");
    let vault = Vault::create(&path, &master_key(), CACHE_BYTES).unwrap();
    fill_vault(&vault);
    let expected = dump_vault(&vault);
    let crashed = fs::read(&path).unwrap();
    drop(vault);
    let whole = fs::read(&path).unwrap();
    let open = |path: &Path| {
        // The same is seen without the key: at a start the vault stays locked.
        let checked = Vault::check(path, Some(VaultId::of(&master_key())), CACHE_BYTES);
        let opened = Vault::open(path, &master_key(), CACHE_BYTES).map(|vault| dump_vault(&vault));
        assert_eq!(checked.is_ok(), opened.is_ok(), "{checked:?}");
        opened
    };
    Subject { path, whole, crashed, expected, open: &open }.bits_and_lengths();
}

/// In memory where the system has such a place: thousands of files are opened here, and syncing
/// each is not what is tested.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Counts panics of this thread, caught or not.
fn count_panics() -> &'static AtomicUsize {
    thread_local! {
        static PANICS: &'static AtomicUsize = Box::leak(Box::default());
    }
    let counted = PANICS.with(|panics| *panics);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.with(|panics| panics.fetch_add(1, Ordering::Relaxed));
        before(info);
    }));
    counted
}
