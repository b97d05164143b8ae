//! The engine as other tasks see it.

use std::sync::Arc;

use martlet_protocol::control::{Event, Problem};
use tokio::sync::broadcast;

use super::command::Command;
use crate::net::NetEvent;

/// A handle to the engine's thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineHandle {
    events: broadcast::Sender<Arc<Event>>,
}

impl EngineHandle {
    /// Runs a command; the reply comes once what it changed is on disk.
    ///
    /// # Errors
    /// The command's own [`Problem`], `storage-failed` when the commit failed, `stopping` when the
    /// engine has ended.
    pub async fn call<C: Command>(&self, _command: C) -> Result<C::Reply, Problem> {
        std::future::pending().await
    }

    /// Brings what the network delivered. Waits while the engine is behind.
    pub async fn net_event(&self, _event: NetEvent) {}

    /// Events as they are committed, each numbered one more than the last. A receiver that lags
    /// reads what it missed with [`command::ReadEvents`](super::command::ReadEvents). Closed when
    /// the engine stops.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.subscribe()
    }
}
