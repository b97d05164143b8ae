//! A vault put back from a backup.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use martlet_protocol::identity::RootKey;
use martlet_store::Bytes;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use redb::{ReadableDatabase, ReadableTable, TableDefinition, TableHandle};
use rustix::process::Signal;
use serde_json::json;

use crate::daemon::Daemon;

/// Bytes of a sealed record's nonce, with which it begins.
const NONCE_BYTES: usize = 24;

/// The daemon's randomness came from one seed, from which the nonces of all batches followed. Two daemons
/// that begin with the same copy of a vault and do the same must not seal two records under one nonce:
/// who has both files would learn what differs between the two.
#[test]
fn a_vault_put_back_twice_seals_no_two_records_under_one_nonce() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let made = client.call("POST", "/v1/identity", &json!({ "name": "alice" }));
    assert!(made.is_success(), "{made:?}");
    drop(client);
    daemon.signal(Signal::TERM);
    let (_, mut home) = daemon.wait();
    let backup = tempfile::tempdir().unwrap();
    let files = ["vault.redb", "vault.key", "vault.keys"];
    for file in files {
        fs::copy(home.path().join(file), backup.path().join(file)).unwrap();
    }

    // What was sealed under each nonce, with its place; a record may be found again in its place.
    let mut sealed: HashMap<[u8; NONCE_BYTES], (String, Vec<u8>, Vec<u8>)> = HashMap::new();
    let (mut found, mut again) = (0, 0);
    for _ in 0..2 {
        for file in files {
            fs::copy(backup.path().join(file), home.path().join(file)).unwrap();
        }
        let daemon = Daemon::start_in(home, &[]);
        let mut client = daemon.connect();
        for number in 0..3 {
            let name = format!("contact {number}");
            let root = RootKey::generate(&mut UnwrapErr(SysRng));
            let id = root.identity().to_string();
            let added = client.call("POST", "/v1/contacts", &json!({ "id": id, "name": name }));
            assert!(added.is_success(), "{added:?}");
            let sent = client.call("POST", "/v1/messages", &json!({ "to": name, "text": "hello" }));
            assert!(sent.is_success(), "{sent:?}");
        }
        drop(client);
        daemon.signal(Signal::TERM);
        (_, home) = daemon.wait();
        for record in records(&home.path().join("vault.redb")) {
            // After the bucket and the generation of its key.
            let nonce = *record.2[3..].first_chunk().unwrap();
            found += 1;
            if let Some(other) = sealed.insert(nonce, record.clone()) {
                assert_eq!(other, record, "two records under one nonce");
                again += 1;
            }
        }
    }
    // The profile, which was in the backup and stayed, and the many that each run wrote.
    assert!(again > 0 && found > again + 20, "{again} of {found} were found again");
}

/// All records of a vault as they are in its file: table, stored key, nonce and ciphertext.
fn records(path: &Path) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let database = redb::Database::open(path).unwrap();
    let snapshot = database.begin_read().unwrap();
    let mut records = Vec::new();
    for table in snapshot.list_tables().unwrap().filter(|table| !table.name().starts_with('.')) {
        let name = table.name().to_owned();
        let definition = TableDefinition::<Bytes<32>, &[u8]>::new(&name);
        for row in snapshot.open_table(definition).unwrap().iter().unwrap() {
            let (key, record) = row.unwrap();
            records.push((name.clone(), key.value().to_vec(), record.value().to_vec()));
        }
    }
    records
}
