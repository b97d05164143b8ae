//! What happens, and whether it can: who is off can't be stopped.

use std::time::Duration;

use super::error::{Fault, Faults};
use super::file::{self, Deed};
use super::limits::{EVENTS_MAX, TABLES_MAX};
use super::rooms::Rooms;
use super::roster::{Roster, spread};
use super::source::advise;
use super::values::{Names, show};
use crate::plan::{Event, NodeIndex, TimedEvent};

mod churn;
mod devices;
mod partition;
mod state;

use churn::Churn;
pub(crate) use devices::InUse;
use state::Timeline;

/// How long a restart takes, where the scenario says nothing.
const RESTART_DEFAULT: Duration = Duration::from_secs(1);
/// Bytes of a flood's envelopes, where the scenario says nothing: the smallest that are valid have
/// about so many.
const FLOOD_BYTES_DEFAULT: usize = 1024;

/// What the tables come to, each with the key of its time and the table it is from.
struct Step {
    at: Duration,
    key: String,
    event: Event,
}

/// All events, in order of time. Nodes that join by an event are taken from those that are there
/// from the start.
pub(crate) fn events(
    tables: &[file::Event],
    keys_given: impl Fn(&str) -> Vec<String>,
    roster: &mut Roster,
    rooms: &Rooms,
    (seed, duration): (u64, Duration),
) -> Result<Vec<TimedEvent>, Vec<Fault>> {
    if tables.len() > TABLES_MAX {
        return Err(vec![Fault::new(
            "events",
            format!("there are more than {TABLES_MAX} [[events]]; use churn"),
        )]);
    }
    let mut faults = Faults::default();
    let made = rooms.made.iter();
    let mut steps: Vec<Step> = made
        .map(|(at, event)| Step { at: *at, key: "rooms".to_owned(), event: event.clone() })
        .collect();
    let mut churns = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let one = One { table, key: format!("events[{index}]"), duration };
        let mut add = || {
            one.check_keys(&keys_given(&one.key))?;
            one.check_time("at", table.at.0)?;
            if table.deed == Deed::Churn {
                churns.push(one.churn(index, roster)?);
                return Ok(());
            }
            if matches!(table.deed, Deed::Invite | Deed::Remove | Deed::Moderator | Deed::Demote) {
                let event =
                    rooms.event(table, roster).map_err(|it| one.fault(&it.key, it.message))?;
                steps.push(Step { at: table.at.0, key: format!("{}.at", one.key), event });
                return Ok(());
            }
            one.expand(roster, seed, index, &mut steps)
        };
        faults.keep(add());
    }
    faults.unless(())?;
    in_order(steps, churns, roster, seed, duration).map_err(|fault| vec![fault])
}

/// What the tables come to, in order of time, if it can happen in that order.
fn in_order(
    mut steps: Vec<Step>,
    churns: Vec<Churn>,
    roster: &Roster,
    seed: u64,
    duration: Duration,
) -> Result<Vec<TimedEvent>, Fault> {
    steps.extend(joins(roster));
    let links = devices::links(roster, &steps);
    steps.extend(links);
    // Of one time, those the scenario has first come first.
    steps.sort_by_key(|step| step.at);
    let mut timeline = Timeline::new(roster);
    for step in &steps {
        timeline.happen(step.at, &step.event).map_err(|message| {
            Fault::new(step.key.clone(), format!("{message} at {}", show(step.at)))
        })?;
    }
    let mut events: Vec<TimedEvent> =
        steps.into_iter().map(|step| TimedEvent { at: step.at, event: step.event }).collect();
    for churn in churns {
        events.extend(churn.events(&mut timeline, seed, duration)?);
    }
    if events.len() > EVENTS_MAX {
        return Err(Fault::new(
            "events",
            format!("there are {}; have at most {EVENTS_MAX}", events.len()),
        ));
    }
    events.sort_by_key(|event| event.at);
    Ok(events)
}

/// The first starts of those that are not there from the start; who comes at the same time comes as
/// one.
fn joins(roster: &Roster) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for group in &roster.groups {
        for node in group.members.clone() {
            let Some(at) = roster.joins[node] else { continue };
            match steps.last_mut() {
                Some(Step { at: last, event: Event::Start(nodes), .. }) if *last == at => {
                    nodes.push(node)
                }
                _ => {
                    let key = format!("nodes[{}].joins", group.table);
                    steps.push(Step { at, key, event: Event::Start(vec![node]) });
                }
            }
        }
    }
    steps
}

/// One `[[events]]`.
struct One<'a> {
    table: &'a file::Event,
    key: String,
    duration: Duration,
}

impl One<'_> {
    fn fault(&self, key: &str, message: impl Into<String>) -> Fault {
        Fault::new(format!("{}.{key}", self.key), message)
    }

    fn check_keys(&self, given: &[String]) -> Result<(), Fault> {
        let known = self.table.deed.keys();
        let allowed = |key: &str| key == "at" || key == "do" || known.contains(&key);
        match given.iter().find(|key| !allowed(key)) {
            None => Ok(()),
            Some(key) => {
                let word = self.table.deed.word();
                Err(self.fault(
                    key,
                    match known {
                        [] => format!("do = {word:?} has no such key; leave it out"),
                        _ => format!("do = {word:?} has no such key; {}", advise(key, known)),
                    },
                ))
            }
        }
    }

    fn check_time(&self, key: &str, at: Duration) -> Result<(), Fault> {
        if at >= self.duration {
            let (at, end) = (show(at), show(self.duration));
            let message = format!(
                "{at} is not before the end of the run, which is {end}; choose an earlier time"
            );
            return Err(self.fault(key, message));
        }
        Ok(())
    }

    /// The time after `lasts`, where it is given.
    fn end(&self) -> Result<Option<Duration>, Fault> {
        let Some(lasts) = self.table.lasts else { return Ok(None) };
        let end = self.table.at.0 + lasts.0;
        if end >= self.duration {
            let (at, run) = (show(end), show(self.duration));
            let message = format!(
                "it would end at {at}, not before the end of the run, which is {run}; shorten it"
            );
            return Err(self.fault("lasts", message));
        }
        Ok(Some(end))
    }

    fn needed<T>(&self, value: Option<T>, key: &str) -> Result<T, Fault> {
        value.ok_or_else(|| {
            self.fault(
                key,
                format!("it is missing: do = {:?} needs it; add it", self.table.deed.word()),
            )
        })
    }

    fn nodes(&self, roster: &Roster) -> Result<Vec<NodeIndex>, Fault> {
        let names: &Names = self.needed(self.table.nodes.as_ref(), "nodes")?;
        roster.select(names).map_err(|message| self.fault("nodes", message))
    }

    fn expand(
        &self,
        roster: &mut Roster,
        seed: u64,
        index: usize,
        steps: &mut Vec<Step>,
    ) -> Result<(), Fault> {
        let at = self.table.at.0;
        let end = self.end()?;
        let mut add = |at, event| steps.push(Step { at, key: format!("{}.at", self.key), event });
        match self.table.deed {
            Deed::Stop | Deed::Crash => {
                let nodes = self.nodes(roster)?;
                let off = if self.table.deed == Deed::Stop { Event::Stop } else { Event::Crash };
                add(at, off(nodes.clone()));
                if let Some(end) = end {
                    add(end, Event::Start(nodes));
                }
            }
            Deed::Restart => {
                let nodes = self.nodes(roster)?;
                let end = end.unwrap_or(at + RESTART_DEFAULT);
                self.check_time("at", end)?;
                add(at, Event::Stop(nodes.clone()));
                add(end, Event::Start(nodes));
            }
            Deed::Start => add(at, Event::Start(self.nodes(roster)?)),
            Deed::Join => self.join(roster)?,
            Deed::Leave => add(at, Event::Leave(self.nodes(roster)?)),
            Deed::Partition => {
                let groups = partition::groups(self.table, roster, seed, index)
                    .map_err(|fault| self.fault(&fault.key, fault.message))?;
                add(at, Event::Partition(groups));
                if let Some(end) = end {
                    add(end, Event::Heal);
                }
            }
            Deed::Heal => add(at, Event::Heal),
            Deed::Flood => add(at, self.flood(roster)?),
            Deed::ClockJump => {
                let by_ms = self.needed(self.table.by, "by")?.0;
                if by_ms == 0 {
                    return Err(
                        self.fault("by", "a jump by nothing is none; give one such as \"+1h\"")
                    );
                }
                add(at, Event::ClockJump { nodes: self.nodes(roster)?, by_ms });
            }
            Deed::DiskFull => {
                let nodes = self.nodes(roster)?;
                add(at, Event::DiskFull(nodes.clone()));
                if let Some(end) = end {
                    add(end, Event::DiskFree(nodes));
                }
            }
            Deed::DiskFree => add(at, Event::DiskFree(self.nodes(roster)?)),
            Deed::Link | Deed::Revoke => self.of_devices(roster, steps)?,
            // Churn fits itself in where the others leave room; what is done to rooms is added by them.
            Deed::Churn | Deed::Invite | Deed::Remove | Deed::Moderator | Deed::Demote => {}
        }
        Ok(())
    }

    /// Who joins is not there before.
    fn join(&self, roster: &mut Roster) -> Result<(), Fault> {
        let nodes = self.nodes(roster)?;
        let over = self.table.over.map_or(Duration::ZERO, |over| over.0);
        self.check_time("over", self.table.at.0 + over)?;
        for (number, node) in nodes.iter().enumerate() {
            if roster.joins[*node].is_some() {
                let name = &roster.nodes[*node].name;
                return Err(self.fault(
                    "nodes",
                    format!("{name} joins already otherwise; leave one of the two out"),
                ));
            }
            roster.joins[*node] = Some(self.table.at.0 + spread(over, number, nodes.len()));
            roster.nodes[*node].starts = false;
        }
        Ok(())
    }

    fn flood(&self, roster: &Roster) -> Result<Event, Fault> {
        let node = self.needed(self.table.node.as_ref(), "node")?;
        let at = roster.one(node).map_err(|message| self.fault("node", message))?;
        let rate = self.needed(self.table.rate, "rate")?;
        if rate.0 < 1.0 {
            return Err(self.fault("rate", "that is no flood; give at least \"1/s\""));
        }
        let lasts = self.needed(self.table.lasts, "lasts")?.0;
        let bytes = match self.table.size {
            None => FLOOD_BYTES_DEFAULT,
            Some(size) => usize::try_from(size.0)
                .ok()
                .filter(|bytes| {
                    (FLOOD_BYTES_DEFAULT..=martlet_protocol::limits::ENVELOPE_BYTES_MAX)
                        .contains(bytes)
                })
                .ok_or_else(|| {
                    let most = martlet_protocol::limits::ENVELOPE_BYTES_MAX;
                    self.fault(
                        "size",
                        format!(
                            "an envelope has {FLOOD_BYTES_DEFAULT} to {most} bytes; stay within"
                        ),
                    )
                })?,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 10,000")]
        let envelopes_per_s = rate.0.round() as u32;
        Ok(Event::Flood { at, envelopes_per_s, bytes, lasts })
    }

    fn churn(&self, index: usize, roster: &Roster) -> Result<Churn, Fault> {
        let until = match self.table.until {
            None => self.duration,
            Some(until) if until.0 <= self.table.at.0 => {
                return Err(self.fault("until", "it is not after at; end later"));
            }
            Some(until) if until.0 > self.duration => {
                let end = show(self.duration);
                return Err(self.fault(
                    "until",
                    format!("it is after the end of the run, which is {end}; end earlier"),
                ));
            }
            Some(until) => until.0,
        };
        Ok(Churn {
            index,
            nodes: self.nodes(roster)?,
            at: self.table.at.0,
            until,
            mean: Duration::from_secs_f64(1.0 / self.needed(self.table.rate, "rate")?.0),
            down: self.needed(self.table.down, "down")?.0,
            how: self.table.how.unwrap_or_default(),
        })
    }
}
