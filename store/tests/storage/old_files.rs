//! Files of each schema version there ever was still open, with all that was in them. (Mailboxes of
//! before version 3 open empty: they held envelopes of version 1 of the wire format.)
//!
//! When a schema changes, its version's files stay in `tests/data`, and new ones are added:
//! `cargo test -p martlet-store --test storage -- --ignored make_files`.

use std::fs;
use std::path::{Path, PathBuf};

use martlet_protocol::{EnvelopeId, UnixMillis};
use martlet_store::mailbox::{Acknowledged, Inserted, MailboxStats};
use martlet_store::vault::Key;
use martlet_store::vault::keyfile::{KeyFile, VaultId};
use martlet_store::{Mailbox, Vault};

use crate::disk::Disk;
use crate::fixture::*;

const PASSPHRASE: &[u8] = b"correct horse battery staple";

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn specs() -> Vec<Spec> {
    (0..6)
        .map(|number| Spec {
            tag: u8::try_from(number % 2).unwrap(),
            slots: [1, 2][usize::try_from(number % 2).unwrap()],
            ..Spec::simple(number)
        })
        .collect()
}

fn ids() -> Vec<EnvelopeId> {
    specs().iter().map(|spec| spec.make().0).collect()
}

fn fill(mailbox: &Mailbox, vault: &Vault) {
    let mut txn = mailbox.begin().unwrap();
    for spec in specs() {
        let (id, envelope, header) = spec.make();
        txn.insert(&id, &envelope, &header, PEER, UnixMillis(0)).unwrap();
    }
    for spec in &specs()[..2] {
        txn.acknowledge(&spec.ack(0)).unwrap();
    }
    txn.commit().unwrap();
    let mut txn = vault.begin([1; 32]).unwrap();
    for number in 0..4 {
        let record = (number, format!("record {number}"));
        txn.put(&NAMED, Key::Named(&[u8::try_from(number).unwrap()]), &record).unwrap();
        txn.put(&LOG, Key::Ordinal(number), &record).unwrap();
        txn.put(&SCOPED, Key::Scoped(b"alice", number), &record).unwrap();
    }
    txn.commit().unwrap();
}

/// What [`fill`] makes, from a database of today.
fn expected() -> (MailboxDump, VaultDump) {
    let mailbox = Mailbox::with_backend(Disk::default(), OPTIONS).unwrap();
    let vault = vault_on(&Disk::default()).unwrap();
    fill(&mailbox, &vault);
    (dump_mailbox(&mailbox, &ids()), dump_vault(&vault))
}

#[test]
fn old_files_open() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "mailbox-v1.redb",
        "mailbox-v2.redb",
        "mailbox-v3.redb",
        "vault-v1.redb",
        "vault-v2.redb",
        "vault-v3.redb",
        "vault-v3.keys",
        "key-v1",
        "key-bare-v1",
    ] {
        fs::copy(data(name), dir.path().join(name)).unwrap();
    }
    let file = |name: &str| dir.path().join(name);
    let (mailbox_holds, vault_holds) = expected();
    assert_eq!(mailbox_holds.stats.envelopes, 5);
    assert_eq!(mailbox_holds.purged.len(), 1);
    assert_eq!(vault_holds.named.len(), 4);

    for name in ["mailbox-v1.redb", "mailbox-v2.redb"] {
        // Twice: brought to the newest version, and opened as such.
        for _ in 0..2 {
            let mailbox = Mailbox::open(&file(name), OPTIONS).unwrap();
            let stats = mailbox.view().unwrap().stats().unwrap();
            let MailboxStats { envelopes, bytes, tombstones, last_arrival } = stats;
            assert_eq!((envelopes, bytes, tombstones), (0, 0, 0), "{name}");
            assert_eq!(last_arrival, mailbox_holds.stats.last_arrival, "{name}");
        }
        // Nothing of what was there is in the way of what comes.
        let mailbox = Mailbox::open(&file(name), OPTIONS).unwrap();
        let mut txn = mailbox.begin().unwrap();
        let (id, envelope, header) = specs()[3].make();
        let inserted = txn.insert(&id, &envelope, &header, PEER, UnixMillis(0)).unwrap();
        let arrival = mailbox_holds.stats.last_arrival + 1;
        assert_eq!(inserted, Inserted::New { arrival });
        assert_eq!(txn.acknowledge(&specs()[3].ack(0)).unwrap(), Acknowledged::Accepted);
        txn.commit().unwrap();
    }
    let name = "mailbox-v3.redb";
    let mailbox = Mailbox::open(&file(name), OPTIONS).unwrap();
    assert_eq!(dump_mailbox(&mailbox, &ids()), mailbox_holds, "{name}");
    let mut txn = mailbox.begin().unwrap();
    assert_eq!(txn.acknowledge(&specs()[3].ack(0)).unwrap(), Acknowledged::Accepted);
    assert_eq!(txn.acknowledge(&specs()[1].ack(1)).unwrap(), Acknowledged::Purged);
    assert_eq!(txn.sweep(UnixMillis(1_000 * HOUR_MS), usize::MAX).unwrap(), 6);
    assert_eq!(txn.stats().unwrap().tombstones, 0);
    txn.commit().unwrap();

    for name in ["vault-v1.redb", "vault-v2.redb", "vault-v3.redb"] {
        for _ in 0..2 {
            let vault = Vault::open(&file(name), &master_key(), CACHE_BYTES).unwrap();
            assert_eq!(dump_vault(&vault), vault_holds, "{name}");
        }
    }

    let wrapped = KeyFile::read(&file("key-v1")).unwrap().unwrap();
    let bare = KeyFile::read(&file("key-bare-v1")).unwrap().unwrap();
    // Of before there were ids, as are the vaults.
    assert_eq!((wrapped.vault_id(), bare.vault_id()), (None, None));
    Vault::check(&file("vault-v2.redb"), Some(VaultId::of(&master_key())), CACHE_BYTES).unwrap();
    let key = wrapped.unwrap(Some(PASSPHRASE)).unwrap();
    // Both were made from the same randomness, which begins with the key.
    assert_eq!(key.as_bytes(), bare.unwrap(None).unwrap().as_bytes());
}

#[test]
#[ignore = "makes the files of the current version; only when the version is new"]
fn make_files() {
    let make = |name: &str| {
        let path = data(name);
        assert!(!path.exists(), "{} is there: old files stay as they are", path.display());
        path
    };
    fs::create_dir_all(data("")).unwrap();
    // Those that are there stay as they are: only what has a new version is made.
    let mailbox = Mailbox::with_backend(Disk::default(), OPTIONS).unwrap();
    let vault = Vault::create(&make("vault-v3.redb"), &master_key(), CACHE_BYTES).unwrap();
    fill(&mailbox, &vault);
}
