//! A disk in memory that fails when told to, and forgets what was not synced. It has two files: a database, and
//! what is beside it.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

/// A handle to one of the disk's files; clones share the disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
    /// Which file this handle reads and writes.
    file: usize,
}

/// What both files hold.
pub(crate) type Image = [Vec<u8>; 2];

#[derive(Default)]
struct State {
    files: [File; 2],
    /// Writes, length changes and syncs so far.
    changes: usize,
    /// Which of them fail.
    failing: std::ops::Range<usize>,
}

#[derive(Default)]
struct File {
    /// What a process sees.
    current: Vec<u8>,
    /// What was there at the last sync.
    synced: Vec<u8>,
    /// What was done since.
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Len(usize),
    Write(usize, Vec<u8>),
}

impl Disk {
    pub(crate) fn with(image: Image) -> Self {
        let files =
            image.map(|bytes| File { synced: bytes.clone(), current: bytes, unsynced: Vec::new() });
        let state = State { files, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), file: 0 }
    }

    /// The other file.
    pub(crate) fn beside(&self) -> Self {
        Self { state: Arc::clone(&self.state), file: 1 }
    }

    /// Fails the writes, length changes and syncs with these numbers, from 0.
    pub(crate) fn fail(&self, changes: std::ops::Range<usize>) {
        self.lock().failing = changes;
    }

    /// Writes, length changes and syncs so far.
    pub(crate) fn changes(&self) -> usize {
        self.lock().changes
    }

    /// What a killed process leaves: the system writes the rest.
    pub(crate) fn after_kill(&self) -> Image {
        self.lock().files.each_ref().map(|file| file.current.clone())
    }

    /// What a power cut leaves: of the changes since the last sync those that `kept` draws, and of
    /// a write perhaps only some of its sectors.
    pub(crate) fn after_power_cut(&self, mut kept: impl FnMut() -> bool) -> Image {
        self.lock().files.each_ref().map(|file| file.after_power_cut(&mut kept))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change(&self, act: impl FnOnce(&mut File)) -> io::Result<()> {
        let mut state = self.lock();
        let number = state.changes;
        state.changes += 1;
        if state.failing.contains(&number) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
        }
        act(&mut state.files[self.file]);
        Ok(())
    }
}

impl File {
    fn after_power_cut(&self, kept: &mut impl FnMut() -> bool) -> Vec<u8> {
        const SECTOR_BYTES: usize = 512;
        let mut image = self.synced.clone();
        for change in &self.unsynced {
            match change {
                Change::Len(len) => {
                    if kept() {
                        image.resize(*len, 0);
                    }
                }
                Change::Write(at, data) => {
                    let whole = kept();
                    for (number, sector) in data.chunks(SECTOR_BYTES).enumerate() {
                        let at = at + number * SECTOR_BYTES;
                        // Beyond the end there is no file.
                        if (whole || kept()) && at + sector.len() <= image.len() {
                            image[at..at + sector.len()].copy_from_slice(sector);
                        }
                    }
                }
            }
        }
        image
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.lock().files[self.file].current.len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let state = self.lock();
        let there = state.files[self.file].current.get(offset..offset + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        self.change(|file| {
            file.current.resize(len, 0);
            file.unsynced.push(Change::Len(len));
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|file| {
            file.synced = file.current.clone();
            file.unsynced.clear();
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.change(|file| {
            file.current[offset..offset + data.len()].copy_from_slice(data);
            file.unsynced.push(Change::Write(offset, data.to_vec()));
        })
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}
