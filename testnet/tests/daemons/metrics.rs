//! Metrics of two daemons in conversation: what one counts as sent the other counts as received.

use std::time::Duration;

use martlet_protocol::control::Delivery;
use martlet_testnet::cluster::{Cluster, ClusterError, Samples, introduce, until};

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(30);
const MESSAGES: usize = 20;

fn sync_bytes(samples: &Samples, direction: &str, content: &str) -> Result<f64, ClusterError> {
    samples.get(&format!(
        "martlet_sync_bytes_total{{direction=\"{direction}\",content=\"{content}\"}}"
    ))
}

#[tokio::test]
async fn what_flows_is_counted_on_both_sides() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    for number in 0..MESSAGES {
        let sent = alice.send("bob", &format!("message {number}")).await?;
        alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    }

    let (a, b) = until("the counters to agree", DEADLINE, async || {
        let (a, b) = (alice.metrics().await?, bob.metrics().await?);
        let new = "martlet_envelopes_taken_total{result=\"new\"}";
        let mut agree = true;
        for content in ["reconciliation", "envelopes", "control"] {
            for (from, to) in [(&a, &b), (&b, &a)] {
                let sent = sync_bytes(from, "sent", content)?;
                agree &= sent == sync_bytes(to, "received", content)?;
            }
        }
        let has_mesh = a.get("martlet_mesh_peers{topic=\"envelopes\"}")? == 1.0;
        // States are set once a second.
        let is_unlocked = a.sum("martlet_vault_unlocked") + b.sum("martlet_vault_unlocked") == 2.0;
        let is_delivered = a.get("martlet_outbox_messages")? == 0.0
            && a.get("martlet_mailbox_tombstones")? >= MESSAGES as f64;
        let came = b.get(new)? >= MESSAGES as f64;
        Ok((agree && has_mesh && is_unlocked && is_delivered && came).then_some((a, b)))
    })
    .await?;

    for (samples, dialled, accepted) in [(&a, 0.0, 1.0), (&b, 1.0, 0.0)] {
        let established = |direction| {
            samples
                .get(&format!("martlet_connections_established_total{{direction=\"{direction}\"}}"))
        };
        assert!(established("out")? >= dialled && established("in")? >= accepted);
        assert_eq!(samples.get("martlet_peers{state=\"connected\"}")?, 1.0);
        // Nothing that two honest peers do is refused, or at fault.
        for name in [
            "martlet_envelopes_refused_total",
            "martlet_ack_batches_refused_total",
            "martlet_peer_faults_total",
            "martlet_peer_bans_total",
            "martlet_commits_failed_total",
            "martlet_gossip_dropped_total",
        ] {
            assert_eq!(samples.sum(name), 0.0, "{name}");
        }
        assert_eq!(samples.get("martlet_acks_received_total{result=\"invalid\"}")?, 0.0);
        assert!(sync_bytes(samples, "sent", "reconciliation")? > 0.0);
        assert!(samples.sum("martlet_commit_duration_seconds_count") > 0.0);
        assert!(samples.get("martlet_batch_inputs_sum")? > 0.0);
        assert!(samples.get("process_cpu_seconds_total")? > 0.0);
    }
    // Every message was gossiped or synced, by Alice to Bob, and its ack came back.
    assert!(a.sum("martlet_envelopes_sent_total") >= MESSAGES as f64);
    assert!(b.sum("martlet_envelopes_received_total") >= MESSAGES as f64);
    assert!(b.sum("martlet_envelopes_received_total") <= a.sum("martlet_envelopes_sent_total"));
    assert!(b.get("martlet_acks_sent_total")? > 0.0);
    assert!(a.get("martlet_acks_received_total{result=\"purged\"}")? >= MESSAGES as f64);
    // What one began the other served, and all that ended ended well.
    let ended = |samples: &Samples| samples.sum("martlet_sync_duration_seconds_count");
    let complete = "martlet_sync_duration_seconds_count{result=\"complete\"}";
    assert_eq!(ended(&a), a.get(complete)?);
    assert_eq!(ended(&b), b.get(complete)?);
    assert!(a.get("martlet_syncs_served_total")? + b.get("martlet_syncs_served_total")? > 0.0);

    // Counters begin anew with the process, states don't.
    alice.restart().await?;
    let tombstones = a.get("martlet_mailbox_tombstones")?;
    let again = until("the restarted daemon's states", DEADLINE, async || {
        let again = alice.metrics().await?;
        let is_set = again.get("martlet_mailbox_tombstones")? >= tombstones;
        Ok(is_set.then_some(again))
    })
    .await?;
    let purged = again.get("martlet_acks_received_total{result=\"purged\"}")?;
    assert!(purged < MESSAGES as f64);
    Ok(())
}
