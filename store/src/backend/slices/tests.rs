#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, OpenOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::*;

const PAGE: u64 = 4096;
const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("table");

/// A file in memory that several see.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }

    fn real(&self) -> u64 {
        u64::try_from(self.bytes().len()).unwrap()
    }

    /// As a crash leaves it.
    fn image(&self) -> Self {
        Self(Arc::new(Mutex::new(self.bytes().clone())))
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        Ok(self.real())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let bytes = self.bytes();
        out.copy_from_slice(
            bytes.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?,
        );
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let mut bytes = self.bytes();
        bytes
            .get_mut(offset..offset + data.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from_slice(data);
        Ok(())
    }
}

fn fill(database: &Database, from: u64, to: u64, bytes: usize) {
    let txn = database.begin_write().unwrap();
    {
        let mut table = txn.open_table(TABLE).unwrap();
        for key in from..to {
            table.insert(key, vec![u8::try_from(key % 251).unwrap(); bytes].as_slice()).unwrap();
        }
    }
    txn.commit().unwrap();
}

fn remove(database: &Database, from: u64, to: u64) {
    let txn = database.begin_write().unwrap();
    {
        let mut table = txn.open_table(TABLE).unwrap();
        for key in from..to {
            table.remove(key).unwrap();
        }
    }
    txn.commit().unwrap();
}

/// Whether `database` has the values of keys below `to`, and no others.
fn assert_has(database: &Database, to: u64, bytes: usize) {
    let table = database.begin_read().unwrap().open_table(TABLE).unwrap();
    let found: Vec<_> = table
        .iter()
        .unwrap()
        .map(|row| {
            let (key, value) = row.unwrap();
            assert_eq!(value.value(), vec![u8::try_from(key.value() % 251).unwrap(); bytes]);
            key.value()
        })
        .collect();
    assert_eq!(found, (0..to).collect::<Vec<_>>());
}

fn open(under: Shared, slice_bytes: u64) -> Database {
    let sliced = Sliced::with_slices_of(slice_bytes, under).unwrap();
    Database::builder().set_check_integrity_on_open(true).create_with_backend(sliced).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Len(u64),
    Write(u64, Vec<u8>),
    Read(u64, usize),
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..40_u64).prop_map(|pages| Step::Len(pages * PAGE)),
        (0..40 * PAGE, prop::collection::vec(1_u8.., 1..6000))
            .prop_map(|(at, data)| Step::Write(at, data)),
        (0..40 * PAGE, 0..20_000_usize).prop_map(|(at, len)| Step::Read(at, len)),
        Just(Step::Sync),
    ]
}

proptest! {
    /// Whatever redb does: it sees what it would see of a file that is cut at once.
    #[test]
    fn what_is_cut_late_looks_like_what_is_cut_at_once(steps in prop::collection::vec(step(), 1..60)) {
        let (plain, under) = (Shared::default(), Shared::default());
        let sliced = Sliced::with_slices_of(2 * PAGE, under.clone()).unwrap();
        for step in steps {
            match step {
                Step::Len(len) => {
                    plain.set_len(len).unwrap();
                    sliced.set_len(len).unwrap();
                }
                Step::Write(at, data) if at + u64::try_from(data.len()).unwrap() <= plain.real() => {
                    plain.write(at, &data).unwrap();
                    sliced.write(at, &data).unwrap();
                }
                Step::Write(at, data) => prop_assert!(sliced.write(at, &data).is_err()),
                Step::Read(at, len) => {
                    let (mut one, mut other) = (vec![0; len], vec![0; len]);
                    let is_there = at + u64::try_from(len).unwrap() <= plain.real();
                    prop_assert_eq!(sliced.read(at, &mut other).is_ok(), is_there);
                    if is_there {
                        plain.read(at, &mut one).unwrap();
                        prop_assert_eq!(one, other);
                    }
                }
                Step::Sync => {
                    let before = under.real();
                    sliced.sync_data().unwrap();
                    prop_assert!(before - under.real() <= 2 * PAGE);
                }
            }
            prop_assert_eq!(sliced.len().unwrap(), plain.real());
            prop_assert!(under.real() >= plain.real());
        }
        sliced.close().unwrap();
        prop_assert_eq!(&*under.bytes(), &*plain.bytes());
    }
}

/// The file was cut in one piece, whatever its size, in the commit that left its end free.
#[test]
fn a_file_is_cut_by_a_slice_after_each_sync_and_opens_from_any_length_between() {
    const ROWS: u64 = 400;
    const BYTES: usize = 15_000;
    let slice = 16 * PAGE;
    let under = Shared::default();
    let database = open(under.clone(), slice);
    fill(&database, 0, ROWS, BYTES);
    let full = under.real();
    remove(&database, 40, ROWS);
    let mut lens = Vec::new();
    for _ in 0..400 {
        let before = under.real();
        fill(&database, 0, 1, BYTES);
        // A commit syncs twice at most.
        assert!(before.saturating_sub(under.real()) <= 2 * slice, "{before} {}", under.real());
        if under.real() == before {
            continue;
        }
        lens.push(under.real());
        // The process is killed: what there is of the file is whole.
        let image = under.image();
        let again = open(image.clone(), slice);
        assert_has(&again, 40, BYTES);
        fill(&again, 40, 80, BYTES);
        drop(again);
        assert_has(&open(image, slice), 80, BYTES);
    }
    assert!(lens.len() > 10, "{lens:?}");
    assert!(under.real() < full / 4, "{} of {full}", under.real());
    // It grows again over what was cut, and over what was not.
    fill(&database, 40, ROWS, BYTES);
    assert_has(&database, ROWS, BYTES);
    remove(&database, 40, ROWS);
    fill(&database, 40, ROWS, BYTES);
    assert_has(&database, ROWS, BYTES);
    remove(&database, 40, ROWS);
    drop(database);
    assert_has(&open(under, slice), 40, BYTES);
}

/// Of this thread, as Linux tells it: however busy the machine is. What the system frees for it is in it.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// How much work the longest commit is of those that remove values of 15 kB, 32 in each, from a file of as many MiB as
/// `MARTLET_MIB` says (900): cut at once, and in slices.
#[test]
#[ignore = "measures; a gigabyte of disk: cargo test -p martlet-store -- --ignored --nocapture how_long_a_cut"]
fn how_long_a_cut_takes() {
    let mib: u64 = std::env::var("MARTLET_MIB").map_or(900, |mib| mib.parse().unwrap());
    let rows = mib * 64;
    for is_sliced in [false, true, false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cut.redb");
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        let backend = FileBackend::new(file).unwrap();
        let mut builder = Database::builder();
        builder.set_cache_size(16 << 20);
        let database = if is_sliced {
            builder.create_with_backend(Sliced::new(backend).unwrap()).unwrap()
        } else {
            builder.create_with_backend(backend).unwrap()
        };
        for from in (0..rows).step_by(640) {
            fill(&database, from, from + 640, 15_000);
        }
        let full = fs::metadata(&path).unwrap().len();
        let mut times = Vec::new();
        // From the end, as what was written last is removed first.
        for part in (0..rows / 32).rev() {
            let from = part * 32;
            let (begun, len) = (processor_time(), fs::metadata(&path).unwrap().len());
            remove(&database, from, from + 32);
            let took = processor_time() - begun;
            times.push((took, (len - fs::metadata(&path).unwrap().len()) >> 20));
        }
        let left = fs::metadata(&path).unwrap().len();
        let begun = Instant::now();
        drop(database);
        let closed = begun.elapsed();
        times.sort_unstable();
        let median: Duration = times[times.len() / 2].0;
        println!(
            "sliced: {is_sliced}; {} MiB, {} commits, half are {median:?} of work, the longest, with MiB cut: {:?}; {} MiB left, closed in {closed:?}",
            full >> 20,
            times.len(),
            times.iter().rev().take(6).collect::<Vec<_>>(),
            left >> 20,
        );
    }
}
