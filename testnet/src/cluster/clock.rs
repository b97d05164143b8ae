//! A clock that is ahead of the machine's, or behind it, of one process: a file says how far.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use super::ClusterError;

/// Names the file to the child.
const VARIABLE: &str = "TESTNET_CLOCK";
/// How often the child looks at the file: soon enough for clocks that jump by minutes.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How far this process's is.
static AHEAD_MS: AtomicI64 = AtomicI64::new(0);

/// How many milliseconds this process's clock is ahead of the machine's; negative: behind. The
/// executable asks, which stands in for libc's clock (`hooks.rs` beside `main.rs`).
#[must_use]
pub fn clock_ahead_ms() -> i64 {
    AHEAD_MS.load(Ordering::Relaxed)
}

/// The variable that names this file to the child.
pub(super) fn variable(path: &Path) -> String {
    format!("{VARIABLE}={}", path.display())
}

/// Says in the file how many milliseconds the clock is ahead; negative: behind.
///
/// # Errors
/// [`ClusterError::File`].
pub fn set_clock(path: &Path, ahead_ms: i64) -> Result<(), ClusterError> {
    let new = path.with_extension("clock-new");
    // In one step: whoever reads it sees the one or the other.
    fs::write(&new, ahead_ms.to_string())
        .and_then(|()| fs::rename(&new, path))
        .map_err(|source| ClusterError::File { path: path.to_owned(), source })
}

/// In a child that was named such a file: goes by it from now on. Does nothing in any other process.
///
/// # Errors
/// When the file can't be read, or no thread be started.
pub fn follow_clock() -> io::Result<()> {
    let Some(path) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let look = move || -> io::Result<()> {
        let ahead_ms = fs::read_to_string(&path)?.parse().map_err(io::Error::other)?;
        AHEAD_MS.store(ahead_ms, Ordering::Relaxed);
        Ok(())
    };
    look()?;
    let looking = move || {
        loop {
            thread::sleep(LOOK_INTERVAL);
            // Once the cluster's directory is gone, so will be this process.
            let _ = look();
        }
    };
    thread::Builder::new().name("clock".into()).spawn(looking).map(drop)
}
