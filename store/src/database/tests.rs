#![expect(clippy::unwrap_used, reason = "tests")]

use redb::backends::InMemoryBackend;
use redb::{ReadableTable, StorageBackend};

use super::*;
use crate::migrate::Step;
use crate::schema::Meta;

const NOTES: Meta = Meta::new("notes");

struct OneNote;

impl Contents for OneNote {
    fn fill(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        let mut notes = transaction.open_table(NOTES).unwrap();
        notes.insert(&b"a"[..], &b"1"[..]).unwrap();
        Ok(())
    }

    fn inspect(&self, _: &ReadTransaction, _: &Path) -> Result<(), StoreError> {
        Ok(())
    }
}

fn append(transaction: &WriteTransaction, what: u8) {
    let mut notes = transaction.open_table(NOTES).unwrap();
    let mut note = notes.get(&b"a"[..]).unwrap().unwrap().value().to_vec();
    note.push(what);
    notes.insert(&b"a"[..], note.as_slice()).unwrap();
}

fn second(transaction: &WriteTransaction) -> Result<(), StoreError> {
    append(transaction, b'2');
    Ok(())
}

fn third(transaction: &WriteTransaction) -> Result<(), StoreError> {
    append(transaction, b'3');
    Ok(())
}

fn fails(_: &WriteTransaction) -> Result<(), StoreError> {
    Err(StoreError::failed("for the test"))
}

static V1: Schema = schema(&[]);
static V2: Schema = schema(&[second]);
static V3: Schema = schema(&[second, third]);
static BAD_V3: Schema = schema(&[second, fails]);

const fn schema(steps: &'static [Step]) -> Schema {
    Schema { meta: "meta", steps, checked_bytes_max: u64::MAX }
}

fn open(backend: &SharedBackend, schema: &'static Schema) -> Result<Vec<u8>, StoreError> {
    let source = Source::Backend(backend.clone());
    let database = Database::make(source, schema, &OneNote, 1 << 20)?;
    let snapshot = database.read()?;
    assert_eq!(schema.version(&snapshot).unwrap(), Some(schema.newest()));
    let notes = snapshot.open_table(NOTES).unwrap();
    Ok(notes.get(&b"a"[..]).unwrap().unwrap().value().to_vec())
}

fn memory() -> SharedBackend {
    SharedBackend::new(InMemoryBackend::new())
}

#[test]
fn each_step_runs_once_in_order() {
    let backend = memory();
    assert_eq!(open(&backend, &V1).unwrap(), b"1");
    assert_eq!(open(&backend, &V2).unwrap(), b"12");
    assert_eq!(open(&backend, &V2).unwrap(), b"12");
    assert_eq!(open(&backend, &V3).unwrap(), b"123");
    assert_eq!(open(&backend, &V3).unwrap(), b"123");
    // Two steps at once.
    let backend = memory();
    assert_eq!(open(&backend, &V1).unwrap(), b"1");
    assert_eq!(open(&backend, &V3).unwrap(), b"123");
}

#[test]
fn a_step_that_fails_leaves_the_version_there_was() {
    let backend = memory();
    open(&backend, &V1).unwrap();
    assert!(matches!(open(&backend, &BAD_V3), Err(StoreError::Failed { .. })));
    assert_eq!(open(&backend, &V1).unwrap(), b"1");
}

#[test]
fn a_newer_version_is_refused_untouched() {
    let backend = memory();
    open(&backend, &V3).unwrap();
    let image = || {
        let mut bytes = vec![0; usize::try_from(backend.len().unwrap()).unwrap()];
        backend.read(0, &mut bytes).unwrap();
        bytes
    };
    let before = image();
    assert!(matches!(open(&backend, &V2), Err(StoreError::TooNew { found: 3, known: 2, .. })));
    assert!(image() == before);
}
