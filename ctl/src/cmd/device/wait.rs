//! Waiting for the other device, until Ctrl-C.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Failure;
use crate::render::Output;

/// How often it is asked how far a linking came: nobody notices so much, and it costs the daemon nothing.
pub(super) const POLL_EVERY: Duration = Duration::from_millis(250);

/// Hears Ctrl-C from its beginning on.
pub(super) struct Wait(Signal);

impl Wait {
    pub(super) fn begin() -> Result<Self, Failure> {
        let heard = signal(SignalKind::interrupt());
        heard.map(Self).map_err(|error| Failure::Usage(format!("cannot hear Ctrl-C: {error}")))
    }

    /// Asks on the terminal; everything but yes is no.
    ///
    /// # Errors
    /// [`Failure::Interrupted`], [`Failure::Usage`].
    pub(super) async fn ask(&mut self, question: &str, output: &Output) -> Result<bool, Failure> {
        let unusable =
            |error: std::io::Error| Failure::Usage(format!("cannot use the terminal: {error}"));
        output.prompt(&format!("{question} [y/N] "));
        // On a thread of its own, so that Ctrl-C is heard.
        let read = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            std::io::stdin().read_line(&mut answer).map(|_| answer)
        });
        let answer = tokio::select! {
            answer = read => answer.map_err(|_| Failure::Interrupted)?.map_err(unusable)?,
            _ = self.0.recv() => return Err(Failure::Interrupted),
        };
        Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
    }

    /// # Errors
    /// [`Failure::Interrupted`].
    pub(super) async fn sleep(&mut self, time: Duration) -> Result<(), Failure> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            _ = self.0.recv() => Err(Failure::Interrupted),
        }
    }
}
