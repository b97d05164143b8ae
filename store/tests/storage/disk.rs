//! A disk in memory that fails when told to, and forgets what was not synced.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

/// A handle; clones share the disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What a process sees.
    current: Vec<u8>,
    /// What was there at the last sync.
    synced: Vec<u8>,
    /// What was done since.
    unsynced: Vec<Change>,
    /// Writes, length changes and syncs so far.
    changes: usize,
    /// Which of them fail.
    failing: std::ops::Range<usize>,
}

#[derive(Clone)]
enum Change {
    Len(usize),
    Write(usize, Vec<u8>),
}

impl Disk {
    pub(crate) fn with(image: Vec<u8>) -> Self {
        let state = State { synced: image.clone(), current: image, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
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
    pub(crate) fn after_kill(&self) -> Vec<u8> {
        self.lock().current.clone()
    }

    /// What a power cut leaves: of the changes since the last sync those that `kept` draws, and of
    /// a write perhaps only some of its sectors.
    pub(crate) fn after_power_cut(&self, mut kept: impl FnMut() -> bool) -> Vec<u8> {
        const SECTOR_BYTES: usize = 512;
        let state = self.lock();
        let mut image = state.synced.clone();
        for change in &state.unsynced {
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn change(&mut self) -> io::Result<()> {
        let number = self.changes;
        self.changes += 1;
        if self.failing.contains(&number) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.lock().current.len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let state = self.lock();
        let there = state.current.get(offset..offset + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        let mut state = self.lock();
        state.change()?;
        state.current.resize(len, 0);
        state.unsynced.push(Change::Len(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.change()?;
        state.synced = state.current.clone();
        state.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let mut state = self.lock();
        state.change()?;
        state.current[offset..offset + data.len()].copy_from_slice(data);
        state.unsynced.push(Change::Write(offset, data.to_vec()));
        Ok(())
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}
