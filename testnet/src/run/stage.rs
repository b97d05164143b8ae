//! What is known, while a plan runs, of its nodes, users and contacts.

use std::cell::RefCell;
use std::collections::HashSet;

use martlet_protocol::Id;
use tokio::sync::watch;

use crate::dashboard::{Board, Liveness};
use crate::plan::{NodeIndex, NodePlan, Plan};

/// The plan and what has become of its nodes.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) plan: &'a Plan,
    actors: Vec<Actor>,
    /// Who has whom for a contact.
    contacts: RefCell<HashSet<(NodeIndex, NodeIndex)>>,
    pub(super) board: Board,
}

/// A node.
#[derive(Debug)]
struct Actor {
    is_on: watch::Sender<bool>,
    /// Its user's ID, once there is one.
    id: watch::Sender<Option<String>>,
    /// Held by what this node's user does with their devices.
    linking: tokio::sync::Mutex<()>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(plan: &'a Plan, board: Board) -> Self {
        let actor = |_| Actor {
            is_on: watch::Sender::new(false),
            id: watch::Sender::new(None),
            linking: tokio::sync::Mutex::default(),
        };
        let actors = plan.nodes.iter().map(actor).collect();
        Self { plan, actors, contacts: RefCell::default(), board }
    }

    /// Nodes with a user.
    pub(super) fn users(&self) -> impl Iterator<Item = NodeIndex> {
        let nodes = self.plan.nodes.iter().enumerate();
        nodes.filter(|(_, node)| node.user).map(|(index, _)| index)
    }

    /// The name of a node; that of its user, too.
    pub(super) fn name(&self, node: NodeIndex) -> &str {
        self.plan.nodes.get(node).map_or("?", |node| &node.name)
    }

    pub(super) fn node(&self, node: NodeIndex) -> Option<&'a NodePlan> {
        self.plan.nodes.get(node)
    }

    /// The node of this name.
    pub(super) fn named(&self, name: &str) -> Option<NodeIndex> {
        self.plan.nodes.iter().position(|node| node.name == name)
    }

    /// The person, by their first device, whose identity is that of this ID.
    pub(super) fn known_as(&self, id: &str) -> Option<NodeIndex> {
        let wanted = id.parse::<Id>().ok()?.identity;
        let is_it = |node: &NodeIndex| {
            let id = self.id(*node).and_then(|id| id.parse::<Id>().ok());
            id.is_some_and(|id| id.identity == wanted)
        };
        (0..self.plan.nodes.len()).find(is_it).map(|node| self.plan.person(node))
    }

    /// Waits until the user of a node does nothing else with their devices.
    pub(super) async fn linking(&self, node: NodeIndex) -> tokio::sync::MutexGuard<'_, ()> {
        match self.actors.get(node) {
            Some(actor) => actor.linking.lock().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn is_on(&self, node: NodeIndex) -> bool {
        self.actors.get(node).is_some_and(|actor| *actor.is_on.borrow())
    }

    pub(super) fn set_on(&self, node: NodeIndex, on: bool) {
        if let Some(actor) = self.actors.get(node) {
            actor.is_on.send_replace(on);
        }
        self.board.node(node, if on { Liveness::On } else { Liveness::Stopping });
    }

    /// Waits until a node is on.
    pub(super) async fn until_on(&self, node: NodeIndex) {
        match self.actors.get(node) {
            // The sender is in `self`.
            Some(actor) => drop(actor.is_on.subscribe().wait_for(|on| *on).await),
            None => std::future::pending().await,
        }
    }

    pub(super) fn id(&self, node: NodeIndex) -> Option<String> {
        self.actors.get(node).and_then(|actor| actor.id.borrow().clone())
    }

    pub(super) fn set_id(&self, node: NodeIndex, id: String) {
        if let Some(actor) = self.actors.get(node) {
            actor.id.send_replace(Some(id));
        }
    }

    /// Waits until a node has a user.
    pub(super) async fn until_id(&self, node: NodeIndex) -> String {
        if let Some(actor) = self.actors.get(node)
            && let Ok(id) = actor.id.subscribe().wait_for(Option::is_some).await
            && let Some(id) = &*id
        {
            return id.clone();
        }
        std::future::pending().await
    }

    pub(super) fn knows(&self, who: NodeIndex, whom: NodeIndex) -> bool {
        self.contacts.borrow().contains(&(who, whom))
    }

    pub(super) fn add_contact(&self, who: NodeIndex, whom: NodeIndex) {
        self.contacts.borrow_mut().insert((who, whom));
    }
}
