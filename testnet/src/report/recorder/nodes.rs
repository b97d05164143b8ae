//! What came of the nodes, and the bytes on their links.

use super::reach::Reach;
use super::{NodeSample, messages, ratio, rounded};
use crate::plan::{NodeIndex, Plan};
use crate::report::{Messages, NodeReport, Traffic};

pub(super) fn node_reports(
    plan: &Plan,
    samples: &[NodeSample],
    mailbox_envelopes_max: &[u64],
    told: &[messages::Told],
    reach: &Reach,
) -> Vec<NodeReport> {
    let groups = reach.last_groups();
    let report = |index: NodeIndex| {
        let (node, sample) = (&plan.nodes[index], &samples[index]);
        NodeReport {
            name: node.name.clone(),
            role: node.role.name().to_owned(),
            user: node.user,
            cluster: node.cluster,
            partition: groups.map(|groups| groups[index]),
            on: sample.on,
            received_bytes: sample.received_bytes,
            sent_bytes: sample.sent_bytes,
            envelopes_new: sample.envelopes_new,
            envelopes_new_bytes: sample.envelopes_new_bytes,
            envelopes_duplicate: sample.envelopes_duplicate,
            connections: if sample.on { sample.connections } else { 0 },
            mailbox_envelopes: sample.mailbox_envelopes,
            mailbox_envelopes_max: mailbox_envelopes_max[index],
            mailbox_bytes: sample.mailbox_bytes,
            written: 0,
            delivered: 0,
        }
    };
    let mut nodes: Vec<_> = (0..plan.nodes.len()).map(report).collect();
    for told in told {
        nodes[told.from].written += 1;
        nodes[told.to].delivered += u64::from(told.delivered.is_some());
    }
    nodes
}

pub(super) fn traffic(nodes: &[NodeReport], messages: &Messages) -> Traffic {
    let received_bytes = nodes.iter().map(|node| node.received_bytes).sum();
    let payload = messages.payload_bytes;
    Traffic {
        received_bytes,
        sent_bytes: nodes.iter().map(|node| node.sent_bytes).sum(),
        envelope_bytes: nodes.iter().map(|node| node.envelopes_new_bytes).sum(),
        amplification: (payload > 0).then(|| rounded(ratio(received_bytes, payload))),
        received_bytes_max: nodes.iter().map(|node| node.received_bytes).max().unwrap_or_default(),
        stream_bytes: 0,
    }
}
