//! Plans by hand, as a scenario file would come to.

use std::time::Duration;

use martlet_protocol::control::Role;
use martlet_testnet::plan::{
    Addressee, ContactPlan, Event, Expectation, LinkPlan, LinkShape, MessagePlan, NetworkPlan,
    NodePlan, Plan, Settings, TimedEvent,
};

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Four users in a ring, who write to each other for seven seconds; then it is quiet. Meanwhile
/// they are split in two and healed, one crashes and comes back.
pub(crate) fn small() -> Plan {
    let pairs = [(0, 1), (2, 3), (0, 2), (1, 3)];
    let messages = (0..14u64).flat_map(|round| {
        pairs
            .map(|(a, b)| if round % 2 == 0 { (a, b) } else { (b, a) })
            .map(move |(from, to)| (from, Addressee::Person(to)))
            .map(move |(from, to)| MessagePlan {
                at: ms(round * 500),
                from,
                to,
                bytes: 100,
                file: None,
            })
    });
    let at = |at, event| TimedEvent { at: ms(at), event };
    Plan {
        name: "small".to_owned(),
        description: String::new(),
        seed: 1,
        duration: ms(12_000),
        network: NetworkPlan::default(),
        settings: Settings { quiet_factor: 1, ..Settings::default() },
        nodes: (0..4).map(node).collect(),
        links: [(0, 1), (1, 2), (2, 3), (0, 3)].map(|(a, b)| link(a, b)).into(),
        contacts: pairs.map(|(a, b)| ContactPlan { at: ms(0), a, b }).into(),
        rooms: Vec::new(),
        messages: messages.collect(),
        events: vec![
            at(1200, Event::Partition(vec![vec![0, 1], vec![2, 3]])),
            at(3200, Event::Heal),
            at(4200, Event::Crash(vec![3])),
            at(5200, Event::Start(vec![3])),
        ],
        expectations: vec![
            Expectation::DeliveryMin(1.0),
            Expectation::NoDuplicates,
            Expectation::InOrder,
        ],
    }
}

pub(crate) fn node(index: usize) -> NodePlan {
    NodePlan {
        name: format!("n{index}"),
        cluster: None,
        role: Role::Full,
        user: true,
        clock_offset_ms: 0,
        device_of: None,
        shards: None,
        starts: true,
    }
}

pub(crate) fn link(a: usize, b: usize) -> LinkPlan {
    LinkPlan { a, b, shape: LinkShape::default() }
}
