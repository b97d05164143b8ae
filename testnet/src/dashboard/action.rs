//! What buttons ask for.

use serde::Deserialize;
use tokio::sync::oneshot;

use super::limits::FLOOD;
use super::scene::Scene;
use super::state::Liveness;
use crate::plan::{Event, NodeIndex};

/// What someone wants to happen. All but the cutting of one link are events that scenarios have too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// An orderly stop.
    Stop {
        /// Of this node.
        node: NodeIndex,
    },
    /// SIGKILL.
    Kill {
        /// For this node.
        node: NodeIndex,
    },
    /// A start with what is on the disk.
    Start {
        /// Of this node.
        node: NodeIndex,
    },
    /// Those here don't reach the others any more.
    Split {
        /// One of the two groups.
        nodes: Vec<NodeIndex>,
    },
    /// All that are linked reach each other again, also over links that were cut.
    Heal {},
    /// Nothing gets through a link.
    Cut {
        /// One end.
        a: NodeIndex,
        /// The other.
        b: NodeIndex,
    },
    /// Everything gets through again.
    Mend {
        /// One end.
        a: NodeIndex,
        /// The other.
        b: NodeIndex,
    },
    /// Each write that needs room fails.
    FillDisk {
        /// Of this node.
        node: NodeIndex,
    },
    /// There is room again.
    FreeDisk {
        /// Of this node.
        node: NodeIndex,
    },
    /// A hostile peer gossips envelopes that are for nobody.
    Flood {
        /// To this node.
        node: NodeIndex,
    },
}

/// An action that is asked for, and who waits to hear what came of it.
#[derive(Debug)]
pub struct Request {
    /// What.
    pub action: Action,
    pub(super) answer: oneshot::Sender<Result<(), String>>,
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such node.
    #[error("there is no node {0}; there are {1}, from 0")]
    NoNode(NodeIndex, usize),
    /// There is no such link.
    #[error("{0} and {1} are not linked")]
    NoLink(NodeIndex, NodeIndex),
    /// What runs the network can't.
    #[error("this network can't do that: {0}")]
    Unable(&'static str),
    /// The node is not on.
    #[error("{0} is not on")]
    NotOn(String),
    /// The node is on already.
    #[error("{0} is on, or about to be")]
    On(String),
    /// The node left for ever.
    #[error("{0} left for ever")]
    Left(String),
    /// One of the groups would be empty.
    #[error("a split has nodes on both sides")]
    OneSided,
}

impl Request {
    /// Says what came of it.
    pub fn answer(self, done: Result<(), String>) {
        // Who asked may have gone.
        let _ = self.answer.send(done);
    }
}

impl Action {
    /// The scenario's event; `None` for those that scenarios don't have.
    #[must_use]
    pub fn event(&self, nodes: usize) -> Option<Event> {
        Some(match self {
            Self::Stop { node } => Event::Stop(vec![*node]),
            Self::Kill { node } => Event::Crash(vec![*node]),
            Self::Start { node } => Event::Start(vec![*node]),
            Self::Split { nodes: some } => {
                Event::Partition(vec![some.clone(), others(some, nodes)])
            }
            Self::Heal {} => Event::Heal,
            Self::FillDisk { node } => Event::DiskFull(vec![*node]),
            Self::FreeDisk { node } => Event::DiskFree(vec![*node]),
            Self::Flood { node } => {
                let (envelopes_per_s, bytes, lasts) = FLOOD;
                Event::Flood { at: *node, envelopes_per_s, bytes, lasts }
            }
            Self::Cut { .. } | Self::Mend { .. } => return None,
        })
    }

    /// Whether it makes sense for a network that is so.
    pub(super) fn check(
        &self,
        scene: &Scene,
        state: impl Fn(NodeIndex) -> Option<Liveness>,
    ) -> Result<(), Refused> {
        let count = scene.nodes.len();
        let of = |node: NodeIndex| state(node).ok_or(Refused::NoNode(node, count));
        let name = |node: NodeIndex| scene.nodes.get(node).map_or("?".into(), |it| it.name.clone());
        let can = |able: bool, why: &'static str| able.then_some(()).ok_or(Refused::Unable(why));
        match self {
            Self::Stop { node } | Self::Kill { node } => match of(*node)? {
                Liveness::On | Liveness::Starting => Ok(()),
                Liveness::Off | Liveness::Stopping | Liveness::Left => {
                    Err(Refused::NotOn(name(*node)))
                }
            },
            Self::Start { node } => match of(*node)? {
                Liveness::Off => Ok(()),
                Liveness::On | Liveness::Starting | Liveness::Stopping => {
                    Err(Refused::On(name(*node)))
                }
                Liveness::Left => Err(Refused::Left(name(*node))),
            },
            Self::Split { nodes } => {
                can(scene.can.split, "it has no links of its own that could be cut")?;
                nodes.iter().try_for_each(|node| of(*node).map(drop))?;
                let one_sided = nodes.is_empty() || others(nodes, count).is_empty();
                if one_sided { Err(Refused::OneSided) } else { Ok(()) }
            }
            Self::Heal {} => can(scene.can.split, "it has no links of its own that could be cut"),
            Self::Cut { a, b } | Self::Mend { a, b } => {
                can(scene.can.cut, "it has no links of its own that could be cut")?;
                let pair = (*a.min(b), *a.max(b));
                if scene.links.contains(&pair) { Ok(()) } else { Err(Refused::NoLink(*a, *b)) }
            }
            Self::FillDisk { node } | Self::FreeDisk { node } | Self::Flood { node } => {
                can(scene.can.harm, "disks and floods are for scenarios")?;
                match of(*node)? {
                    Liveness::On => Ok(()),
                    _ if matches!(self, Self::FreeDisk { .. }) => Ok(()),
                    Liveness::Off | Liveness::Starting | Liveness::Stopping | Liveness::Left => {
                        Err(Refused::NotOn(name(*node)))
                    }
                }
            }
        }
    }
}

fn others(some: &[NodeIndex], nodes: usize) -> Vec<NodeIndex> {
    (0..nodes).filter(|node| !some.contains(node)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::scene::{Abilities, SceneNode};
    use super::*;

    pub(in super::super) fn scene(can: Abilities) -> Scene {
        let node = |index: usize| SceneNode {
            name: format!("n{index}"),
            role: "full",
            user: true,
            cluster: None,
        };
        Scene {
            name: "small".to_owned(),
            description: String::new(),
            run_as: "tests",
            duration: None,
            planned: None,
            nodes: (0..3).map(node).collect(),
            links: vec![(0, 1), (1, 2)],
            can,
        }
    }

    #[test]
    fn what_a_network_cannot_do_is_refused_and_the_rest_is_an_event()
    -> Result<(), serde_json::Error> {
        let states = [Liveness::On, Liveness::Off, Liveness::Left];
        let all = scene(Abilities { split: true, cut: true, harm: true });
        let none = scene(Abilities::default());
        for (text, refused, event) in [
            (r#"{"do":"kill","node":0}"#, None, Some(Event::Crash(vec![0]))),
            (r#"{"do":"kill","node":1}"#, Some("n1 is not on"), Some(Event::Crash(vec![1]))),
            (r#"{"do":"start","node":1}"#, None, Some(Event::Start(vec![1]))),
            (r#"{"do":"start","node":0}"#, Some("n0 is on"), Some(Event::Start(vec![0]))),
            (r#"{"do":"start","node":2}"#, Some("left for ever"), Some(Event::Start(vec![2]))),
            (r#"{"do":"stop","node":7}"#, Some("no node 7"), Some(Event::Stop(vec![7]))),
            (
                r#"{"do":"split","nodes":[1]}"#,
                None,
                Some(Event::Partition(vec![vec![1], vec![0, 2]])),
            ),
            (
                r#"{"do":"split","nodes":[0,1,2]}"#,
                Some("both sides"),
                Some(Event::Partition(vec![vec![0, 1, 2], vec![]])),
            ),
            (r#"{"do":"cut","a":1,"b":0}"#, None, None),
            (r#"{"do":"mend","a":0,"b":2}"#, Some("not linked"), None),
            (r#"{"do":"fill-disk","node":0}"#, None, Some(Event::DiskFull(vec![0]))),
        ] {
            let action: Action = serde_json::from_str(text)?;
            let said = action.check(&all, |node| states.get(node).copied());
            match refused {
                None => assert_eq!(said, Ok(()), "{text}"),
                Some(words) => {
                    assert!(said.is_err_and(|said| said.to_string().contains(words)), "{text}");
                }
            }
            assert_eq!(action.event(3), event, "{text}");
        }
        for text in
            [r#"{"do":"heal"}"#, r#"{"do":"cut","a":0,"b":1}"#, r#"{"do":"flood","node":0}"#]
        {
            let action: Action = serde_json::from_str(text)?;
            let said = action.check(&none, |node| states.get(node).copied());
            assert!(matches!(said, Err(Refused::Unable(_))), "{text}");
        }
        for text in [r#"{"do":"erase","node":0}"#, r#"{"do":"heal","now":1}"#, "[]", "{}"] {
            assert!(serde_json::from_str::<Action>(text).is_err(), "{text}");
        }
        Ok(())
    }
}
