//! Work that takes long, or waits for the disk.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work` outside of the runtime's threads. In a runtime of one thread, which a simulation's
/// is, it runs where it stands: beside the runtime it would end at another point each time. `None`
/// if it panicked, or the runtime ends.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => Some(work()),
        _ => tokio::task::spawn_blocking(work).await.ok(),
    }
}
