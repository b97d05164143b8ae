//! What of a scenario is not done where nodes run under agents, and where it runs on an engine.

use super::Engine;
use martletd::net::GossipPolicy;

use crate::plan::{Event, LinkShape, LinkTransport, LossAs, Plan};

/// What of `plan` an engine leaves out, a sentence each.
pub(super) fn left_out(plan: &Plan, engine: Engine) -> Vec<String> {
    let links = match engine {
        Engine::Shadow => left_out_by_shadow(plan),
        Engine::Kubernetes | Engine::Compose => left_out_of_links(plan),
    };
    links.into_iter().chain(left_out_by_agents(plan)).collect()
}

/// What agents can't do, whatever they run on.
#[must_use]
pub fn left_out_by_agents(plan: &Plan) -> Vec<String> {
    let has = |kind: fn(&Event) -> bool| plan.events.iter().any(|timed| kind(&timed.event));
    chosen([
        (
            plan.nodes.iter().any(|node| node.clock_offset_ms != 0),
            "Clock offsets: all nodes have their machines' clocks.",
        ),
        (
            plan.settings.quiet_factor > 1,
            "The quiet factor: real daemons do what they do unasked as often as always.",
        ),
        (
            plan.settings.gossip != GossipPolicy::default(),
            "The settings of gossip: real daemons gossip as they always do.",
        ),
        (
            plan.settings.transport != LinkTransport::default(),
            "The transport of links: real daemons encrypt and multiplex as they always do.",
        ),
        (
            has(|event| matches!(event, Event::Partition(_) | Event::Heal)),
            "Partitions: agents keep daemons, not networks; the nodes stay connected.",
        ),
        (
            has(|event| matches!(event, Event::ClockJump { .. })),
            "Clock jumps: all nodes have their machines' clocks.",
        ),
        (
            has(|event| matches!(event, Event::DiskFull(_) | Event::DiskFree(_))),
            "Full disks: there is always room.",
        ),
        (has(|event| matches!(event, Event::Flood { .. })), "Floods: there is no hostile node."),
    ])
}

/// What of the links' shapes is lost where the network is as it is.
#[must_use]
pub fn left_out_of_links(plan: &Plan) -> Vec<String> {
    chosen([(
        plan.links.iter().any(|link| link.shape != LinkShape::default()),
        "Delay, jitter, bandwidth and loss of links: the network is as it is there.",
    )])
}

fn left_out_by_shadow(plan: &Plan) -> Vec<String> {
    let has = |kind: fn(&LinkShape) -> bool| plan.links.iter().any(|link| kind(&link.shape));
    chosen([
        (
            has(|shape| !shape.jitter.is_zero()),
            "Jitter: Shadow knows the word and does nothing yet.",
        ),
        (
            has(|shape| shape.loss > 0.0 && shape.loss_as == LossAs::Reset),
            "Loss as resets: Shadow drops packets, and its TCP sends them again.",
        ),
        (
            has(|shape| shape.bandwidth_bytes_per_s.is_some()),
            "Bandwidth of single links: Shadow bounds hosts; each has the sum of its links'.",
        ),
    ])
}

fn chosen<const N: usize>(all: [(bool, &str); N]) -> Vec<String> {
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what.to_owned()).collect()
}
