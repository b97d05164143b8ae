//! Which nodes are on, over time.

use std::time::Duration;

use super::super::roster::Roster;
use super::super::values::show;
use crate::plan::{Event, NodeIndex};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not there yet.
    Awaited,
    On,
    OffSince(Duration),
    GoneSince(Duration),
}

/// Which nodes are on, over time.
#[derive(Debug)]
pub(super) struct Timeline {
    names: Vec<String>,
    states: Vec<State>,
    /// When each node is not on: from and to.
    off: Vec<Vec<(Duration, Duration)>>,
    partitioned: bool,
    /// Which devices were linked, and revoked, so far.
    linked: Vec<bool>,
    revoked: Vec<bool>,
}

impl Timeline {
    pub(super) fn new(roster: &Roster) -> Self {
        let state =
            |joins: &Option<Duration>| if joins.is_some() { State::Awaited } else { State::On };
        let before =
            |joins: &Option<Duration>| joins.iter().map(|at| (Duration::ZERO, *at)).collect();
        Self {
            names: roster.nodes.iter().map(|node| node.name.clone()).collect(),
            states: roster.joins.iter().map(state).collect(),
            off: roster.joins.iter().map(before).collect(),
            partitioned: false,
            linked: vec![false; roster.nodes.len()],
            revoked: vec![false; roster.nodes.len()],
        }
    }

    /// Why the event can't be, as things stand.
    pub(super) fn happen(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::Stop(nodes) | Event::Crash(nodes) => self.each(nodes, |this, node| {
                this.needs_on(node)?;
                this.go(node, at, State::OffSince(at));
                Ok(())
            }),
            Event::Start(nodes) => self.each(nodes, |this, node| match this.states[node] {
                State::Awaited | State::OffSince(_) => {
                    this.come(node, at);
                    Ok(())
                }
                State::On => Err(format!("{} is on already: it can't start", this.names[node])),
                State::GoneSince(_) => this.needs_on(node),
            }),
            Event::Leave(nodes) => self.each(nodes, |this, node| {
                this.needs_there(node)?;
                this.go(node, at, State::GoneSince(at));
                Ok(())
            }),
            Event::ClockJump { nodes, .. } | Event::DiskFull(nodes) | Event::DiskFree(nodes) => {
                self.each(nodes, |this, node| this.needs_there(node))
            }
            Event::Link(nodes) => self.each(nodes, |this, node| {
                this.needs_there(node)?;
                match std::mem::replace(&mut this.linked[node], true) {
                    true => Err(format!("{} is linked already", this.names[node])),
                    false => Ok(()),
                }
            }),
            Event::Revoke(nodes) => self.each(nodes, |this, node| {
                if !this.linked[node] {
                    return Err(format!("{} is not linked yet", this.names[node]));
                }
                match std::mem::replace(&mut this.revoked[node], true) {
                    true => Err(format!("{} is revoked already", this.names[node])),
                    false => Ok(()),
                }
            }),
            Event::Room { by, whom, .. } => {
                self.needs_there(*by)?;
                self.each(whom, |this, node| this.needs_there(node))
            }
            Event::Flood { at: node, .. } => self.needs_on(*node),
            Event::Partition(_) => {
                self.partitioned = true;
                Ok(())
            }
            Event::Heal if self.partitioned => {
                self.partitioned = false;
                Ok(())
            }
            Event::Heal => Err("the network is in one piece: there is nothing to heal".to_owned()),
        }
    }

    /// Takes a node down from `at` to `back`, if it is on all that time.
    pub(super) fn take_down(&mut self, node: NodeIndex, at: Duration, back: Duration) -> bool {
        let free = self.is_on_throughout(node, at, back);
        if free {
            self.off[node].push((at, back));
        }
        free
    }

    pub(super) fn is_on_throughout(&self, node: NodeIndex, at: Duration, back: Duration) -> bool {
        self.off[node].iter().all(|(from, to)| back < *from || *to < at)
    }

    fn each(
        &mut self,
        nodes: &[NodeIndex],
        mut one: impl FnMut(&mut Self, NodeIndex) -> Result<(), String>,
    ) -> Result<(), String> {
        nodes.iter().try_for_each(|node| one(self, *node))
    }

    fn needs_on(&self, node: NodeIndex) -> Result<(), String> {
        match self.states[node] {
            State::On => Ok(()),
            State::OffSince(since) => {
                Err(format!("{} is off since {}: it must be on", self.names[node], show(since)))
            }
            State::Awaited | State::GoneSince(_) => self.needs_there(node),
        }
    }

    fn needs_there(&self, node: NodeIndex) -> Result<(), String> {
        let name = &self.names[node];
        match self.states[node] {
            State::On | State::OffSince(_) => Ok(()),
            State::Awaited => Err(format!("{name} has not joined: it must be there")),
            State::GoneSince(since) => {
                Err(format!("{name} left for ever at {}: it must be there", show(since)))
            }
        }
    }

    fn go(&mut self, node: NodeIndex, at: Duration, state: State) {
        if self.states[node] == State::On {
            self.off[node].push((at, Duration::MAX));
        }
        self.states[node] = state;
    }

    fn come(&mut self, node: NodeIndex, at: Duration) {
        if let Some((_, to)) = self.off[node].last_mut() {
            *to = at;
        }
        self.states[node] = State::On;
    }
}
