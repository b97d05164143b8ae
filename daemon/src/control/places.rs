//! Places for connections: so many at a time, and of them so many for each process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{CONTROL_CONNECTIONS_MAX, CONTROL_CONNECTIONS_OF_PROCESS_MAX};

/// A process by its number, as the system tells it: 0 for those of another namespace, which share their room.
pub(super) type ProcessId = i32;

/// Counts connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    /// How many each process has, of those that have any.
    of_process: Arc<Mutex<HashMap<ProcessId, usize>>>,
}

/// One connection's place, until it is dropped.
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
    #[error(
        "this process has {CONTROL_CONNECTIONS_OF_PROCESS_MAX} connections to the control socket already; close some"
    )]
    OfProcess,
    /// All together have all there is.
    #[error(
        "there are {CONTROL_CONNECTIONS_MAX} connections to the control socket already; close some"
    )]
    AtAll,
}

impl Places {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX)), of_process: Arc::default() }
    }

    /// Takes a place for a connection of this process.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(super) fn take(&self, process: ProcessId) -> Result<Place, NoPlace> {
        let mut of_process = self.of_process.lock().unwrap_or_else(PoisonError::into_inner);
        let held = of_process.get(&process).copied().unwrap_or_default();
        if held >= CONTROL_CONNECTIONS_OF_PROCESS_MAX {
            return Err(NoPlace::OfProcess);
        }
        let permit = Arc::clone(&self.all).try_acquire_owned().map_err(|_| NoPlace::AtAll)?;
        of_process.insert(process, held + 1);
        Ok(Place { places: self.clone(), process, _permit: permit })
    }

    /// Waits until all connections have ended.
    pub(super) async fn emptied(&self) {
        let all = u32::try_from(CONTROL_CONNECTIONS_MAX).unwrap_or(u32::MAX);
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
        let places = Places::new();
        let mut taken: Vec<Place> = Vec::new();
        while let Ok(place) = places.take(1) {
            taken.push(place);
        }
        assert_eq!(taken.len(), CONTROL_CONNECTIONS_OF_PROCESS_MAX);
        assert_eq!(places.take(1).unwrap_err(), NoPlace::OfProcess);
        for process in 2.. {
            match places.take(process) {
                Ok(place) => taken.push(place),
                Err(reason) => {
                    assert_eq!(reason, NoPlace::AtAll);
                    break;
                }
            }
        }
        assert_eq!(taken.len(), CONTROL_CONNECTIONS_MAX);
        taken.clear();
        assert!(places.of_process.lock().unwrap().is_empty());
        drop(places.take(1).unwrap());
    }
}
