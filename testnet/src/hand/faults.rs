//! What the dashboard of a network that is up can do to it.

use std::collections::{BTreeMap, BTreeSet};

use super::UpOptions;
use super::supervise::peers_of;
use crate::cluster::{ClusterError, Lan, Link, Node};
use crate::dashboard::{Abilities, Action, Board, Liveness, Scene, SceneNode};
use crate::plan::LinkShape;

/// The links of a network, and what was done to them.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) board: Board,
    /// Of nodes on loopback: who dials, whom.
    links: BTreeMap<(usize, usize), Link>,
    /// The smaller number first.
    cuts: BTreeSet<(usize, usize)>,
    /// One side of a split.
    side: Option<BTreeSet<usize>>,
}

/// What a network is that is about to be up.
pub(super) fn scene(options: &UpOptions) -> Scene {
    let node = |number: usize| SceneNode {
        name: format!("n{}", number + 1),
        role: "full",
        user: !options.bare,
        cluster: None,
    };
    // On a LAN everyone finds everyone.
    let dialled = |number: usize| {
        if options.netns { (0..number).collect() } else { peers_of(number) }
    };
    let links =
        (0..options.nodes).flat_map(|node| dialled(node).into_iter().map(move |to| (to, node)));
    Scene {
        name: options.name.clone(),
        description: "A network to try things on by hand.".to_owned(),
        run_as: if options.netns {
            "processes in network namespaces, by hand"
        } else {
            "processes on loopback, by hand"
        },
        duration: None,
        planned: None,
        links: links.collect(),
        nodes: (0..options.nodes).map(node).collect(),
        can: Abilities { split: true, cut: !options.netns, harm: false },
    }
}

impl Faults {
    pub(super) fn new(board: Board) -> Self {
        Self { board, links: BTreeMap::new(), cuts: BTreeSet::new(), side: None }
    }

    /// A link that can be cut, from a node about to be started to one that was; what to dial.
    pub(super) async fn link(
        &mut self,
        from: usize,
        to: usize,
        node: &Node,
    ) -> Result<String, ClusterError> {
        // As in scenarios: every second one over QUIC.
        let address =
            if (from + to).is_multiple_of(2) { node.address()? } else { node.quic_address()? };
        let link = Link::shaped(node.name(), &address, LinkShape::instant()).await?;
        let address = link.address().to_owned();
        self.links.insert((from, to), link);
        Ok(address)
    }

    /// Does it, or says why not.
    pub(super) async fn carry_out(
        &mut self,
        action: &Action,
        nodes: &mut [Node],
        lan: Option<&Lan>,
    ) -> Result<(), String> {
        let done = self.act(action, nodes, lan).await.map_err(|error| error.to_string());
        if let Err(words) = &done {
            self.board.failed(words.clone());
        }
        done
    }

    async fn act(
        &mut self,
        action: &Action,
        nodes: &mut [Node],
        lan: Option<&Lan>,
    ) -> Result<(), ClusterError> {
        if let Some(event) = action.event(nodes.len()) {
            self.board.happened(&event, true);
        }
        match action {
            Action::Stop { node } => {
                self.board.node(*node, Liveness::Stopping);
                let stopped = seat(nodes, *node)?.stop().await;
                self.board.node(*node, Liveness::Off);
                stopped
            }
            Action::Kill { node } => {
                let killed = seat(nodes, *node)?.kill();
                self.board.node(*node, Liveness::Off);
                killed
            }
            Action::Start { node } => {
                self.board.node(*node, Liveness::Starting);
                let started = seat(nodes, *node)?.start().await;
                let now = if started.is_ok() { Liveness::On } else { Liveness::Off };
                self.board.node(*node, now);
                started
            }
            Action::Split { nodes: side } => {
                let side: BTreeSet<usize> = side.iter().copied().collect();
                if let Some(lan) = lan {
                    let group = |node| usize::from(!side.contains(&node));
                    lan.separate(&(0..nodes.len()).map(group).collect::<Vec<_>>())?;
                }
                self.side = Some(side);
                self.apply();
                Ok(())
            }
            Action::Heal {} => {
                if let Some(lan) = lan {
                    lan.reunite()?;
                }
                self.side = None;
                self.cuts.clear();
                self.apply();
                Ok(())
            }
            Action::Cut { a, b } | Action::Mend { a, b } => {
                let pair = (*a.min(b), *a.max(b));
                let cut = matches!(action, Action::Cut { .. });
                if cut {
                    self.cuts.insert(pair);
                } else {
                    self.cuts.remove(&pair);
                }
                self.apply();
                self.board.cut(*a, *b, cut);
                Ok(())
            }
            // The page does not offer them, and the board refuses them.
            Action::FillDisk { .. } | Action::FreeDisk { .. } | Action::Flood { .. } => {
                Err(ClusterError::Wrong("disks and floods are for scenarios".to_owned()))
            }
        }
    }

    /// Holds the links of those that are apart, and mends all others.
    fn apply(&self) {
        for ((from, to), link) in &self.links {
            let is_split =
                self.side.as_ref().is_some_and(|side| side.contains(from) != side.contains(to));
            if is_split || self.cuts.contains(&(*from.min(to), *from.max(to))) {
                link.hold();
            } else {
                link.mend();
            }
        }
    }
}

fn seat(nodes: &mut [Node], node: usize) -> Result<&mut Node, ClusterError> {
    nodes.get_mut(node).ok_or_else(|| ClusterError::Wrong(format!("there is no node {node}")))
}
