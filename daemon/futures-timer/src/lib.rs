//! The interface of `futures-timer` 3.0, on tokio's timers.
//!
//! libp2p's behaviours take their timers from `futures-timer`, which runs a thread of its own on
//! the system's clock. Every Martlet program runs on tokio; with its timers there is one thread
//! less in the daemon, and a simulation's virtual clock reaches all of libp2p. `[patch.crates-io]`
//! in the workspace's manifest puts this crate in the other's place.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Ready once a time has passed. To be made, reset and polled within a tokio runtime.
pub struct Delay(Pin<Box<Sleep>>);

impl Delay {
    /// Ready after `duration`.
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        Self(Box::pin(tokio::time::sleep(duration)))
    }

    /// Ready after `duration` from now, whether or not it was ready before.
    pub fn reset(&mut self, duration: Duration) {
        // As far as the clock reaches: what is longer never ends, as in the original.
        let end = Instant::now().checked_add(duration);
        self.0.as_mut().reset(end.unwrap_or_else(far_future));
    }
}

/// Thirty years from now, which is what tokio takes for "never".
fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(30 * 365 * 86_400)
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delay").field("end", &self.0.deadline()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_tokios_clock_and_can_be_reset() {
        let begun = Instant::now();
        let mut delay = Delay::new(Duration::from_secs(3600));
        (&mut delay).await;
        assert_eq!(begun.elapsed().as_secs(), 3600);
        delay.reset(Duration::from_secs(5));
        delay.await;
        assert_eq!(begun.elapsed().as_secs(), 3605);
    }
}
