//! Waiting on conditions.

use std::time::{Duration, Instant};

use super::ClusterError;

/// Time between two looks at a condition: short against what is measured in milliseconds by eye,
/// long enough to leave the processor to the daemons.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Waits until `check` returns something, looking every 10 ms for at most `deadline`. `what` says
/// what was waited for when it fails.
///
/// # Errors
/// What `check` returns, at once; [`ClusterError::TimedOut`].
pub async fn until<T>(
    what: impl Into<String>,
    deadline: Duration,
    mut check: impl AsyncFnMut() -> Result<Option<T>, ClusterError>,
) -> Result<T, ClusterError> {
    let started = Instant::now();
    loop {
        if let Some(value) = check().await? {
            return Ok(value);
        }
        if started.elapsed() >= deadline {
            return Err(ClusterError::TimedOut { what: what.into(), after: deadline });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
