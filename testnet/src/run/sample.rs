//! Looking at all nodes from time to time.

use std::time::Duration;

use futures::stream::{StreamExt, iter};
use martletctl::client::Client;

use super::stage::Stage;
use super::{Diary, Hosts, RunError, contacts};
use crate::cluster::{ClusterError, Samples};
use crate::plan::NodeIndex;
use crate::report::recorder::NodeSample;

/// Time between two looks at all nodes of a small network.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// More time for each node: a look costs it about a millisecond, which is to stay some percent of
/// the machine.
const INTERVAL_PER_NODE: Duration = Duration::from_millis(20);
/// Nodes asked at the same time.
const AT_ONCE: usize = 8;

/// What a node counted, over its restarts.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// Up to the last restart.
    before: [u64; 7],
    /// Since then, when last seen.
    since: [u64; 7],
    /// What else was last seen.
    last: NodeSample,
}

/// Looks at all nodes for ever.
pub(super) async fn look(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    diary: &Diary<'_>,
) -> Result<(), RunError> {
    let clients = contacts::clients(stage, hosts)?;
    let mut counts = vec![Counts::default(); clients.len()];
    let nodes = u32::try_from(clients.len()).unwrap_or(u32::MAX);
    let interval = INTERVAL_MIN.max(INTERVAL_PER_NODE.saturating_mul(nodes));
    let mut next = Duration::ZERO;
    loop {
        diary.sleep_until(next).await;
        // Not sooner than it can be done.
        next = next.max(diary.now()) + interval;
        let seen: Vec<(NodeIndex, Option<Samples>)> = iter(clients.iter().enumerate())
            .map(async |(node, client)| (node, scrape(stage, client, node).await))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (node, samples) in seen {
            let on = stage.is_on(node);
            if on && samples.is_none() {
                hosts.check(node).await.or_else(|error| {
                    // It was stopped in the meantime.
                    if stage.is_on(node) { Err(error) } else { Ok(()) }
                })?;
            }
            if let Some(counts) = counts.get_mut(node) {
                counts.last.on = on;
                if let Some(samples) = samples {
                    counts.see(&samples);
                }
            }
        }
        let all: Vec<NodeSample> = counts.iter().map(|counts| counts.last).collect();
        diary.sample(diary.now(), &all);
    }
}

async fn scrape(stage: &Stage<'_>, client: &Client, node: NodeIndex) -> Option<Samples> {
    if !stage.is_on(node) {
        return None;
    }
    client.get_text("/v1/metrics").await.ok().map(|text| Samples::parse(&text))
}

impl Counts {
    fn see(&mut self, samples: &Samples) {
        let count = |series: &str| whole(samples.get(series));
        let now = [
            count(r#"martlet_connections_bytes_total{direction="received"}"#),
            count(r#"martlet_connections_bytes_total{direction="sent"}"#),
            count(r#"martlet_envelopes_taken_total{result="new"}"#),
            count(r#"martlet_envelopes_taken_total{result="duplicate"}"#),
            count(r#"martlet_envelopes_taken_bytes_total{result="new"}"#),
            count(r#"martlet_files_bytes_total{direction="received"}"#),
            count(r#"martlet_files_bytes_total{direction="sent"}"#),
        ];
        for ((before, since), now) in self.before.iter_mut().zip(&mut self.since).zip(now) {
            // It counts from its start on: less than before means another start.
            if now < *since {
                *before += *since;
            }
            *since = now;
        }
        let [received, sent, new, duplicate, new_bytes, files_received, files_sent] =
            std::array::from_fn(|at| self.before[at] + self.since[at]);
        self.last = NodeSample {
            on: self.last.on,
            connections: count(r#"martlet_peers{state="connected"}"#),
            mailbox_envelopes: count("martlet_mailbox_envelopes"),
            mailbox_bytes: count("martlet_mailbox_bytes"),
            // No daemon tells.
            mailbox_oldest: None,
            received_bytes: received,
            sent_bytes: sent,
            // It is these that daemons count.
            stream_bytes: received,
            files_received_bytes: files_received,
            files_sent_bytes: files_sent,
            envelopes_new: new,
            envelopes_new_bytes: new_bytes,
            envelopes_duplicate: duplicate,
        };
    }
}

fn whole(value: Result<f64, ClusterError>) -> u64 {
    value.map_or(0, |value| value.max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_over_a_restart() {
        let samples = |bytes: u64| {
            Samples::parse(&format!(
                "martlet_connections_bytes_total{{direction=\"received\"}} {bytes}\nmartlet_mailbox_envelopes 3\n"
            ))
        };
        let mut counts = Counts::default();
        for (bytes, all) in [(100, 100), (250, 250), (40, 290), (60, 310)] {
            counts.see(&samples(bytes));
            assert_eq!(counts.last.received_bytes, all);
        }
        assert_eq!(counts.last.mailbox_envelopes, 3);
    }
}
