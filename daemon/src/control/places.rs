//! Places for what takes room: so many at a time, and of them so many for each process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{
    CONTROL_CONNECTIONS_MAX, CONTROL_CONNECTIONS_OF_PROCESS_MAX, FILE_TRANSFERS_MAX,
    FILE_TRANSFERS_OF_PROCESS_MAX,
};

/// A process by its number, as the system tells it: 0 for those of another namespace, which share their room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ProcessId(pub(super) i32);

/// How much there is of something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// What: "256 …".
    what: &'static str,
    /// At a time.
    max: usize,
    /// Of them those of one process.
    of_process_max: usize,
    /// What to do where there is no more.
    advice: &'static str,
}

/// For connections.
pub(super) const CONNECTIONS: Room = Room {
    what: "connections to the control socket",
    max: CONTROL_CONNECTIONS_MAX,
    of_process_max: CONTROL_CONNECTIONS_OF_PROCESS_MAX,
    advice: "close some",
};

/// For files of more than a message holds that are sent and read.
pub(super) const TRANSFERS: Room = Room {
    what: "files being sent or read over the control socket",
    max: FILE_TRANSFERS_MAX,
    of_process_max: FILE_TRANSFERS_OF_PROCESS_MAX,
    advice: "wait until one of them is done",
};

/// Counts who has a place. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Places {
    room: &'static Room,
    all: Arc<Semaphore>,
    /// How many each process has, of those that have any.
    of_process: Arc<Mutex<HashMap<ProcessId, usize>>>,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    process: ProcessId,
    _permit: OwnedSemaphorePermit,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPlace {
    /// The process has its share.
    #[error("this process has {} {} already; {}", .0.of_process_max, .0.what, .0.advice)]
    OfProcess(&'static Room),
    /// All together have all there is.
    #[error("there are {} {} already; {}", .0.max, .0.what, .0.advice)]
    AtAll(&'static Room),
}

impl Places {
    pub(super) fn new(room: &'static Room) -> Self {
        Self { room, all: Arc::new(Semaphore::new(room.max)), of_process: Arc::default() }
    }

    /// Takes a place for this process.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(super) fn take(&self, process: ProcessId) -> Result<Place, NoPlace> {
        let mut of_process = self.of_process.lock().unwrap_or_else(PoisonError::into_inner);
        let held = of_process.get(&process).copied().unwrap_or_default();
        if held >= self.room.of_process_max {
            return Err(NoPlace::OfProcess(self.room));
        }
        let all = Arc::clone(&self.all);
        let permit = all.try_acquire_owned().map_err(|_| NoPlace::AtAll(self.room))?;
        of_process.insert(process, held + 1);
        Ok(Place { places: self.clone(), process, _permit: permit })
    }

    /// Waits until nobody has a place any more.
    pub(super) async fn emptied(&self) {
        let all = u32::try_from(self.room.max).unwrap_or(u32::MAX);
        // An error would mean that there is no room any more, and so nobody in it.
        let _ = self.all.acquire_many(all).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut of_process = self.places.of_process.lock().unwrap_or_else(PoisonError::into_inner);
        match of_process.get_mut(&self.process) {
            Some(held) if *held > 1 => *held -= 1,
            Some(_) | None => drop(of_process.remove(&self.process)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn no_process_takes_all_the_room_and_what_it_gives_back_is_free() {
        for room in [&CONNECTIONS, &TRANSFERS] {
            let places = Places::new(room);
            let mut taken: Vec<Place> = Vec::new();
            while let Ok(place) = places.take(ProcessId(1)) {
                taken.push(place);
            }
            assert_eq!(taken.len(), room.of_process_max);
            assert_eq!(places.take(ProcessId(1)).unwrap_err(), NoPlace::OfProcess(room));
            for process in 2.. {
                match places.take(ProcessId(process)) {
                    Ok(place) => taken.push(place),
                    Err(reason) => {
                        assert_eq!(reason, NoPlace::AtAll(room));
                        break;
                    }
                }
            }
            assert_eq!(taken.len(), room.max);
            taken.clear();
            assert!(places.of_process.lock().unwrap().is_empty());
            drop(places.take(ProcessId(1)).unwrap());
        }
    }
}
