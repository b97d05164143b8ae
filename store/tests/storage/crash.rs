//! Crashes and full disks at every write: what was acknowledged is there, nothing is there by half.

use std::fmt::Debug;

use martlet_protocol::{EnvelopeId, UnixMillis};
use martlet_store::vault::Key;
use martlet_store::{LastCommit, Mailbox, StoreError, Vault};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::disk::{Disk, Image};
use crate::fixture::*;

/// Commits of the workload.
const STEPS: usize = 6;
/// Power cuts tried per failing write, each keeping other sectors.
const POWER_CUTS: u64 = 4;

/// One of the two databases, with a workload of [`STEPS`] transactions.
trait Subject {
    type Dump: Debug + PartialEq;
    type Database;

    fn open(disk: &Disk) -> Result<Self::Database, StoreError>;
    fn step(database: &Self::Database, number: usize) -> Result<(), StoreError>;
    fn reopen(database: &Self::Database) -> Result<LastCommit, StoreError>;
    fn dump(database: &Self::Database) -> Self::Dump;
}

struct MailboxSubject;
struct VaultSubject;

#[test]
fn a_mailbox_survives_a_crash_at_every_write() {
    crash_at_every_write::<MailboxSubject>();
}

#[test]
fn a_vault_survives_a_crash_at_every_write() {
    crash_at_every_write::<VaultSubject>();
}

#[test]
fn a_mailbox_goes_on_after_the_disk_was_full() {
    full_at_every_write::<MailboxSubject>();
}

#[test]
fn a_vault_goes_on_after_the_disk_was_full() {
    full_at_every_write::<VaultSubject>();
}

#[test]
fn after_a_failed_commit_only_reading_goes_on_until_it_can_be_opened_again() {
    let (image, _) = plain_run::<MailboxSubject>();
    let disk = Disk::with(image);
    let mailbox = MailboxSubject::open(&disk).unwrap();
    let before = MailboxSubject::dump(&mailbox);
    let view = mailbox.view().unwrap();
    disk.fail(disk.changes()..usize::MAX);
    assert!(matches!(MailboxSubject::step(&mailbox, 0), Err(StoreError::Failed { .. })));
    assert!(matches!(mailbox.begin(), Err(StoreError::Failed { .. })));
    assert!(mailbox.reopen().is_err());
    // Everything was refused until the disk took writes again, the history too.
    assert_eq!(MailboxSubject::dump(&mailbox), before);
    assert!(matches!(MailboxSubject::step(&mailbox, 0), Err(StoreError::Failed { .. })));
    disk.fail(0..0);
    assert_eq!(mailbox.reopen().unwrap(), LastCommit::Lost);
    assert_eq!(MailboxSubject::dump(&mailbox), before);
    MailboxSubject::step(&mailbox, 0).unwrap();
    // A view of the database as it was opened before: no panic, whatever it says.
    let _ = view.digests();
    let _ = view.get(&spec(0, 0).make().0);
}

fn crash_at_every_write<S: Subject>() {
    let (image, states) = plain_run::<S>();
    for failing in 0.. {
        let disk = Disk::with(image.clone());
        disk.fail(failing..usize::MAX);
        let acknowledged = S::open(&disk).map_or(0, |database| {
            (0..STEPS).take_while(|number| S::step(&database, *number).is_ok()).count()
        });
        let ended_well = disk.changes() <= failing;
        let mut images = vec![("killed".to_owned(), disk.after_kill())];
        for seed in 0..POWER_CUTS {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            // The first keeps nothing, the others more and more.
            let image = disk.after_power_cut(|| u64::from(rng.next_u32()) % POWER_CUTS < seed);
            images.push((format!("power cut {seed}"), image));
        }
        for (crash, image) in images {
            let what = format!("failing from change {failing}, {crash}");
            let database = S::open(&Disk::with(image)).unwrap_or_else(|e| panic!("{what}: {e}"));
            let found = S::dump(&database);
            let possible = &states[acknowledged..(acknowledged + 2).min(states.len())];
            assert!(possible.contains(&found), "{what}: of {acknowledged} acknowledged, {found:?}");
        }
        if ended_well {
            break;
        }
    }
}

fn full_at_every_write<S: Subject>() {
    let (image, states) = plain_run::<S>();
    let (mut lost, mut kept) = (0, 0);
    for failing in 0.. {
        let disk = Disk::with(image.clone());
        let database = S::open(&disk).unwrap();
        let first = disk.changes() + failing;
        disk.fail(first..first + 3);
        for number in 0..STEPS {
            while S::step(&database, number).is_err() {
                let last = loop {
                    if let Ok(last) = S::reopen(&database) {
                        break last;
                    }
                };
                match last {
                    LastCommit::Lost => {
                        lost += 1;
                        assert_eq!(S::dump(&database), states[number], "change {failing}");
                    }
                    LastCommit::Kept => {
                        kept += 1;
                        assert_eq!(S::dump(&database), states[number + 1], "change {failing}");
                        break;
                    }
                }
            }
        }
        assert_eq!(S::dump(&database), states[STEPS], "change {failing}");
        if disk.changes() < first {
            break;
        }
    }
    assert!(lost > 10 && kept > 0, "{lost} lost, {kept} kept");
}

/// An empty database closed properly, and what it holds after each step of the workload.
fn plain_run<S: Subject>() -> (Image, Vec<S::Dump>) {
    let disk = Disk::default();
    let database = S::open(&disk).unwrap();
    drop(database);
    let image = disk.after_kill();
    let database = S::open(&disk).unwrap();
    let mut states = vec![S::dump(&database)];
    for number in 0..STEPS {
        S::step(&database, number).unwrap();
        states.push(S::dump(&database));
    }
    (image, states)
}

fn spec(step: usize, number: u64) -> Spec {
    let step = u64::try_from(step).unwrap();
    Spec {
        number: step * 100 + number,
        tag: u8::try_from(number % 3).unwrap(),
        shard: u16::try_from(number % 2).unwrap(),
        expiry: 100 + u32::try_from(step).unwrap(),
        slots: 1 + u8::try_from(number % 2).unwrap(),
    }
}

impl Subject for MailboxSubject {
    type Dump = MailboxDump;
    type Database = Mailbox;

    fn open(disk: &Disk) -> Result<Mailbox, StoreError> {
        Mailbox::with_backend(disk.clone(), OPTIONS)
    }

    fn step(mailbox: &Mailbox, step: usize) -> Result<(), StoreError> {
        let mut txn = mailbox.begin()?;
        for number in 0..8 {
            let (id, envelope, header) = spec(step, number).make();
            txn.insert(&id, &envelope, &header, PEER, UnixMillis(0))?;
        }
        if let Some(before) = step.checked_sub(1) {
            for number in 0..4 {
                txn.acknowledge(&spec(before, number).ack(0))?;
            }
        }
        if step == STEPS - 1 {
            txn.sweep(UnixMillis(101 * HOUR_MS), usize::MAX)?;
        }
        txn.commit()
    }

    fn reopen(mailbox: &Mailbox) -> Result<LastCommit, StoreError> {
        mailbox.reopen()
    }

    fn dump(mailbox: &Mailbox) -> MailboxDump {
        let ids: Vec<EnvelopeId> = (0..STEPS)
            .flat_map(|step| (0..8).map(move |number| spec(step, number).make().0))
            .collect();
        dump_mailbox(mailbox, &ids)
    }
}

impl Subject for VaultSubject {
    type Dump = VaultDump;
    type Database = Vault;

    fn open(disk: &Disk) -> Result<Vault, StoreError> {
        vault_on(disk)
    }

    fn step(vault: &Vault, step: usize) -> Result<(), StoreError> {
        let mut txn = vault.begin([u8::try_from(step).unwrap() + 1; 32])?;
        let step = u64::try_from(step).unwrap();
        for number in step * 8..step * 8 + 8 {
            let record = (number, "x".repeat(300));
            txn.put(&NAMED, Key::Named(&[u8::try_from(number % 16).unwrap()]), &record)?;
            txn.put(&LOG, Key::Ordinal(number), &record)?;
            txn.put(&SCOPED, Key::Scoped(b"alice", number), &record)?;
        }
        txn.delete_range(&LOG, None, 0..=step * 4)?;
        txn.commit()
    }

    fn reopen(vault: &Vault) -> Result<LastCommit, StoreError> {
        vault.reopen()
    }

    fn dump(vault: &Vault) -> VaultDump {
        dump_vault(vault)
    }
}
