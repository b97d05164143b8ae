//! How near a simulation comes to real processes: the same plan by both, side by side.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::plan::{Costs, Plan, Settings};
use crate::report::Report;
use crate::report::words;

/// How far delivery may be off, parts of all: 0.1 points of a hundred.
const DELIVERY_OFF_MAX: f64 = 0.001;
/// How far times of delivery may be off, parts of what processes took.
const LATENCY_OFF_MAX: f64 = 0.2;
/// How far bytes may be off, parts of those of processes.
const BYTES_OFF_MAX: f64 = 0.1;

/// One scenario by both.
#[derive(Debug, Clone, Serialize)]
pub struct Fidelity {
    /// The scenario.
    pub scenario: String,
    /// The seed of both.
    pub seed: u64,
    /// Nodes of both.
    pub nodes: usize,
    /// How long both ran, seconds.
    pub ran_s: f64,
    /// What was not as the scenario has it, in either.
    pub notes: Vec<String>,
    /// What nodes' work took in the simulation; absent if no time.
    pub costs: Option<Costs>,
    /// The figures, those with a goal first.
    pub figures: Vec<Figure>,
}

/// A figure of both.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Its name, with the unit.
    pub name: &'static str,
    /// Of the simulation; absent if it has none.
    pub sim: Option<f64>,
    /// Of the processes.
    pub local: Option<f64>,
    /// How far the simulation is from the processes: a difference for `delivery`, else a part of
    /// theirs; absent where that is nothing.
    pub off: Option<f64>,
    /// How far it may be, either way; absent where a figure only explains others.
    pub goal: Option<f64>,
    /// Whether it is no further; absent without a goal.
    pub met: Option<bool>,
    #[serde(skip)]
    said: fn(f64) -> String,
}

/// How far off a figure is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Difference,
    Part,
}

/// A name, how its values are said, how far they may be off, and where they are.
type Row = (&'static str, fn(f64) -> String, Option<f64>, fn(&Report) -> Option<f64>);

const ROWS: [Row; 9] = [
    (DELIVERY, percent, Some(DELIVERY_OFF_MAX), |report| Some(report.messages.delivery_ratio)),
    ("latency_p50_s", words::time, Some(LATENCY_OFF_MAX), |report| {
        any(report).map(|latency| latency.p50_s)
    }),
    ("latency_p99_s", words::time, Some(LATENCY_OFF_MAX), |report| {
        any(report).map(|latency| latency.p99_s)
    }),
    ("stream_bytes", words::bytes, Some(BYTES_OFF_MAX), |report| {
        Some(report.traffic.stream_bytes as f64)
    }),
    ("latency_min_s", words::time, None, |report| any(report).map(|latency| latency.min_s)),
    ("latency_p90_s", words::time, None, |report| any(report).map(|latency| latency.p90_s)),
    ("envelopes_new", words::short, None, |report| {
        Some(report.nodes.iter().map(|node| node.envelopes_new as f64).sum())
    }),
    ("envelopes_duplicate", words::short, None, |report| {
        Some(report.nodes.iter().map(|node| node.envelopes_duplicate as f64).sum())
    }),
    ("connections", words::short, None, |report| {
        report.series.connections.iter().max().map(|most| *most as f64)
    }),
];

const DELIVERY: &str = "delivery_ratio";

fn any(report: &Report) -> Option<&crate::report::Latency> {
    Some(&report.messages.latency).filter(|latency| latency.count > 0)
}

fn percent(ratio: f64) -> String {
    format!("{:.2} %", ratio * 100.0)
}

/// The plan as both can run it, and what is not as it was: processes have no `quiet_factor`, and
/// gossip as they always do.
#[must_use]
pub fn comparable(plan: &Plan) -> (Plan, Vec<String>) {
    let settings = Settings {
        quiet_factor: 1,
        gossip: crate::plan::Settings::default().gossip,
        ..plan.settings
    };
    let mut notes = Vec::new();
    if plan.settings.quiet_factor > 1 {
        notes.push("both without quiet_factor, which processes don't have".to_owned());
    }
    if plan.settings.gossip != settings.gossip {
        notes.push("both without settings.gossip, which processes don't have".to_owned());
    }
    (Plan { settings, ..plan.clone() }, notes)
}

/// A scenario's `[settings.costs]`, alone in a file.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct CostsFile {
    settings: CostsSettings,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct CostsSettings {
    costs: Costs,
}

/// Costs as a scenario's `[settings.costs]`.
///
/// # Errors
/// None that is known: three numbers always become TOML.
pub fn costs_text(costs: Costs) -> Result<String, toml::ser::Error> {
    toml::to_string(&CostsFile { settings: CostsSettings { costs } })
}

/// The `[settings.costs]` of a file that has nothing else.
///
/// # Errors
/// What is wrong with it, with the place.
pub fn parse_costs(text: &str) -> Result<Costs, toml::de::Error> {
    toml::from_str::<CostsFile>(text).map(|file| file.settings.costs)
}

impl Fidelity {
    /// Of the reports of one plan.
    #[must_use]
    pub fn of(sim: &Report, local: &Report, costs: Option<Costs>, notes: Vec<String>) -> Self {
        Self {
            scenario: sim.scenario.clone(),
            seed: sim.seed,
            nodes: sim.nodes.len(),
            ran_s: sim.ran_s,
            notes,
            costs,
            figures: ROWS.map(|row| Figure::of(row, sim, local)).into(),
        }
    }

    /// Whether every goal is met.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.figures.iter().all(|figure| figure.met != Some(false))
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows = vec![["", "sim", "local", "off by", "goal", ""].map(str::to_owned)];
        for figure in &self.figures {
            let said = |value: Option<f64>| value.map_or("-".to_owned(), figure.said);
            let verdict = match figure.met {
                Some(true) => "met",
                Some(false) => "NOT MET",
                None => "",
            };
            rows.push([
                figure.name.to_owned(),
                said(figure.sim),
                said(figure.local),
                figure.off.map_or("-".to_owned(), |off| figure.off_said(off)),
                figure.goal.map_or(String::new(), |goal| figure.off_said(goal)),
                verdict.to_owned(),
            ]);
        }
        let mut widths = [0; 6];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut table = format!(
            "{}, seed {}: {} nodes for {}\n",
            self.scenario,
            self.seed,
            self.nodes,
            words::time(self.ran_s)
        );
        // Writing to a string does not fail.
        if let Some(Costs { envelope_us, commit_us, wake_us }) = self.costs {
            let _ = writeln!(
                table,
                "sim with costs: an envelope {envelope_us} µs, a commit {commit_us} µs, a wake-up {wake_us} µs"
            );
        }
        for note in &self.notes {
            let _ = writeln!(table, "note: {note}");
        }
        for [name, cells @ ..] in &rows {
            let mut line = format!("  {name:width$}", width = widths[0]);
            for (cell, width) in cells.iter().zip(&widths[1..]) {
                let _ = write!(line, "  {cell:>width$}");
            }
            let _ = writeln!(table, "{}", line.trim_end());
        }
        table
    }
}

impl Figure {
    fn of((name, said, goal, value): Row, sim: &Report, local: &Report) -> Self {
        let (sim, local) = (value(sim), value(local));
        let off = sim.zip(local).and_then(|(sim, local)| match measure(name) {
            Measure::Difference => Some(sim - local),
            Measure::Part => (local != 0.0).then(|| sim / local - 1.0),
        });
        let off = off.map(|off| (off * 1e6).round() / 1e6);
        let met = goal.map(|goal| match off {
            Some(off) => off.abs() <= goal,
            // Neither has any.
            None => sim == local,
        });
        Self { name, sim, local, off, goal, met, said }
    }

    fn off_said(&self, off: f64) -> String {
        match measure(self.name) {
            Measure::Difference => format!("{:.2} points", off * 100.0),
            Measure::Part => format!("{:.1} %", off * 100.0),
        }
    }
}

fn measure(name: &str) -> Measure {
    if name == DELIVERY { Measure::Difference } else { Measure::Part }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::report::example;
    use crate::scenario::{PlanOptions, Scenario};

    #[test]
    fn goals_are_met_within_their_bounds_either_way() {
        let mut sim = example::split_and_heal();
        sim.traffic.stream_bytes = 1000;
        let mut local = sim.clone();
        assert!(Fidelity::of(&sim, &local, None, Vec::new()).is_near());
        local.messages.latency.p50_s = sim.messages.latency.p50_s * 0.8;
        local.traffic.stream_bytes = 1111;
        local.messages.delivery_ratio -= 0.002;
        let found = Fidelity::of(&sim, &local, None, vec!["as it is".to_owned()]);
        let met = |name| found.figures.iter().find(|figure| figure.name == name).unwrap().met;
        assert_eq!(met("latency_p50_s"), Some(false));
        assert_eq!(met("latency_p99_s"), Some(true));
        assert_eq!(met("stream_bytes"), Some(true));
        assert_eq!(met("delivery_ratio"), Some(false));
        assert!(!found.is_near());
        let table = found.table();
        assert!(table.contains("note: as it is") && table.contains("0.20 points"), "{table}");
    }

    #[test]
    fn costs_are_read_as_they_are_written() {
        let costs = Costs { envelope_us: 400, commit_us: 900, wake_us: 60 };
        let text = costs_text(costs).unwrap();
        assert!(text.starts_with("[settings.costs]\n"), "{text}");
        assert_eq!(parse_costs(&text).unwrap(), costs);
        assert!(parse_costs("[settings.costs]\nenvelope_us = 1").is_err());
        // As it stands a scenario takes it.
        let scenario = format!("{}\n{text}", crate::scenario::READY[0].text);
        let plan = Scenario::parse(&scenario, "a.toml").unwrap().plan(&PlanOptions::default());
        assert_eq!(plan.unwrap().settings.costs, Some(costs));
    }

    #[test]
    fn what_only_a_simulation_has_is_left_out_of_both() {
        let plan = Scenario::find("six-day-network").unwrap().plan(&PlanOptions::default());
        let plan = plan.unwrap();
        let (same, notes) = comparable(&plan);
        assert_eq!(same.settings.quiet_factor, 1);
        assert!(notes[0].contains("quiet_factor"), "{notes:?}");
        assert_eq!(same.nodes, plan.nodes);
    }
}
