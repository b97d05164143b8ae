//! How metrics are asked for: `GET /v1/metrics` on the control socket and, where it is configured, a
//! loopback TCP port (`scrape/server.rs`). It knows both handles; the counts (`metrics.rs`) know nobody.

mod server;

use std::sync::Arc;

use tokio::time::timeout;

use crate::host::EngineHandle;
use crate::limits::METRICS_ANSWER_MAX;
use crate::metrics::Metrics;
use crate::net::NetHandle;

pub use server::{BindError, MetricsServer, bind, serve};

/// The media type of the answer: Prometheus' text format, which every reader of metrics takes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where a scrape gets everything from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MetricsSource {
    /// The counts.
    pub metrics: Arc<Metrics>,
    /// The engine, for the length of its queue.
    pub engine: EngineHandle,
    /// The network, for its state.
    pub net: NetHandle,
}

impl MetricsSource {
    /// All metrics now, in Prometheus' text format. A network that does not answer within
    /// [`METRICS_ANSWER_MAX`] leaves its states as they were last: a scrape is most wanted when
    /// something hangs.
    pub async fn scrape(&self) -> String {
        let queues = &self.metrics.net.queues;
        queues.engine.items.set(u64::try_from(self.engine.queued()).unwrap_or(u64::MAX));
        queues.net.items.set(u64::try_from(self.net.queued()).unwrap_or(u64::MAX));
        if timeout(METRICS_ANSWER_MAX, self.net.measure()).await.is_err() {
            tracing::debug!("the network is busy; its part of the metrics is old");
        }
        self.metrics.encode()
    }
}
