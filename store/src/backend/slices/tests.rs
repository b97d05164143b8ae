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
    let sliced = Sliced::with_slices_of(slice_bytes, under);
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
        let sliced = Sliced::with_slices_of(2 * PAGE, under.clone());
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

/// A file of which a power cut keeps what it likes of all that was not synced. From some change of its length on, none succeeds.
#[derive(Debug, Clone, Default)]
struct Torn(Arc<Mutex<TornFile>>);

#[derive(Debug, Default)]
struct TornFile {
    current: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    /// Changes so far.
    changes: u64,
    /// How often it became shorter.
    cuts: u64,
    /// Changes of the length that still succeed.
    lens_left: Option<u64>,
    /// The image after so many changes, and by which bits it is drawn.
    crash: Option<(u64, u64)>,
    image: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Change {
    Len(usize),
    Write(usize, Vec<u8>),
}

impl Torn {
    fn file(&self) -> MutexGuard<'_, TornFile> {
        self.0.lock().unwrap()
    }
}

impl TornFile {
    fn changed(&mut self, change: Change) {
        match &change {
            Change::Len(len) => {
                self.cuts += u64::from(*len < self.current.len());
                self.current.resize(*len, 0);
            }
            Change::Write(at, data) => self.current[*at..*at + data.len()].copy_from_slice(data),
        }
        self.unsynced.push(change);
        self.changes += 1;
        if let Some((at, bits)) = self.crash
            && self.changes == at
        {
            let mut image = self.synced.clone();
            for (number, change) in self.unsynced.iter().enumerate() {
                if bits >> (number % 64) & 1 == 0 {
                    continue;
                }
                match change {
                    Change::Len(len) => image.resize(*len, 0),
                    // Beyond the end there is no file.
                    Change::Write(at, data) if at + data.len() <= image.len() => {
                        image[*at..*at + data.len()].copy_from_slice(data);
                    }
                    Change::Write(..) => {}
                }
            }
            self.image = Some(image);
        }
    }
}

impl StorageBackend for Torn {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.file().current.len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let file = self.file();
        let there = file.current.get(offset..offset + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut file = self.file();
        if let Some(left) = &mut file.lens_left {
            *left = left.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        }
        file.changed(Change::Len(usize::try_from(len).unwrap()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut file = self.file();
        file.synced = file.current.clone();
        file.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file().changed(Change::Write(usize::try_from(offset).unwrap(), data.to_vec()));
        Ok(())
    }
}

/// Changes at which the power is cut, spread over all.
const CRASHES: u64 = 60;
/// Up to which key there are rows, after each commit.
fn states() -> Vec<u64> {
    [0, 200, 20].into_iter().chain(21..46).chain([150, 10]).chain(11..31).collect()
}

/// Commits what leads from each state to the next, and tells of each commit.
fn commit_all(database: &Database, mut committed: impl FnMut(usize)) -> Result<(), redb::Error> {
    for (number, pair) in states().windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        let txn = database.begin_write()?;
        {
            let mut table = txn.open_table(TABLE)?;
            for key in from..to {
                table.insert(key, vec![u8::try_from(key % 251).unwrap(); 15_000].as_slice())?;
            }
            for key in to..from {
                table.remove(key)?;
            }
        }
        txn.commit()?;
        committed(number + 1);
    }
    Ok(())
}

fn make(under: &Torn) -> Database {
    let sliced = Sliced::with_slices_of(4 * PAGE, under.clone());
    let database = Database::builder().create_with_backend(sliced).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(TABLE).unwrap();
    txn.commit().unwrap();
    database
}

fn assert_has_one_of(image: Vec<u8>, committed: usize, what: &str) {
    let under = Shared(Arc::new(Mutex::new(image)));
    let database = open(under, 4 * PAGE);
    let rows = database.begin_read().unwrap().open_table(TABLE).unwrap().iter().unwrap().count();
    let rows = u64::try_from(rows).unwrap();
    let states = states();
    let next = states.get(committed + 1).copied();
    assert!(rows == states[committed] || Some(rows) == next, "{what}: {rows} of {committed}");
    assert_has(&database, rows, 15_000);
}

#[test]
fn a_power_cut_while_a_file_is_cut_loses_nothing_committed() {
    let whole = Torn::default();
    let database = make(&whole);
    let begun = whole.file().changes;
    commit_all(&database, |_| {}).unwrap();
    drop(database);
    let all = whole.file().changes;
    let cuts = whole.file().cuts;
    assert!(cuts > 20, "{cuts}");
    for step in 0..CRASHES {
        let at = begun + 1 + (all - begun - 1) * step / CRASHES;
        let under = Torn::default();
        // Any bits will do, the same in each run.
        under.file().crash = Some((at, (step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let database = make(&under);
        let (mut at_crash, mut last) = (None, 0);
        commit_all(&database, |number| {
            if at_crash.is_none() && under.file().image.is_some() {
                at_crash = Some(last);
            }
            last = number;
        })
        .unwrap();
        drop(database);
        let image = under.file().image.take().unwrap();
        assert_has_one_of(image, at_crash.unwrap_or(last), &format!("change {at}"));
    }
}

#[test]
fn a_length_that_cannot_be_changed_loses_nothing_committed() {
    for lens in 0..40 {
        let under = Torn::default();
        let database = make(&under);
        under.file().lens_left = Some(lens);
        let mut last = 0;
        let committed = commit_all(&database, |number| last = number);
        drop(database);
        let image = under.file().current.clone();
        assert_has_one_of(image, last, &format!("{lens} changes, {committed:?}"));
    }
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
            builder.create_with_backend(Sliced::new(backend)).unwrap()
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
