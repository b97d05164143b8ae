//! More than two reports beside each other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::compare::warnings;
use super::measures::{MEASURES, Measure, Unit};
use super::{Report, ReportError, Statistics};

/// Of so many reports each has a column.
const COLUMNS_MAX: usize = 4;

/// Reports of one scenario, or of several.
#[derive(Debug, Clone, Serialize)]
pub struct Many {
    /// The scenario of the first.
    pub scenario: String,
    /// The reports: where they are, and their seeds.
    pub reports: Vec<(String, u64)>,
    /// In what they differ beyond their seeds: then differences may say nothing about the code.
    pub warnings: Vec<String>,
    /// The main figures.
    pub figures: Vec<ManyFigure>,
    /// How many of the reports met each expectation, and how many have it.
    pub expectations: BTreeMap<String, [usize; 2]>,
}

/// A figure of several reports.
#[derive(Debug, Clone, Serialize)]
pub struct ManyFigure {
    /// Its name, with the unit.
    pub name: &'static str,
    /// Of each report, in their order; absent if it has none.
    pub values: Vec<Option<f64>>,
    /// What they come to; absent if none has it.
    pub statistics: Option<Statistics>,
    #[serde(skip)]
    unit: Unit,
}

impl Many {
    /// Of reports, each with what it is called.
    pub(super) fn read(named: &[(String, PathBuf)]) -> Result<Self, ReportError> {
        if let [(_, path)] = named {
            return Err(ReportError::Alone { path: path.clone() });
        }
        let read = |(name, path): &(String, PathBuf)| Ok((name.clone(), Report::read(path)?));
        Ok(Self::of(&named.iter().map(read).collect::<Result<Vec<_>, ReportError>>()?))
    }

    /// Of these.
    #[must_use]
    pub fn of(reports: &[(String, Report)]) -> Self {
        let figure = |measure: Measure| {
            let values: Vec<_> =
                reports.iter().map(|(_, report)| (measure.value)(report)).collect();
            let known: Vec<f64> = values.iter().flatten().copied().collect();
            let statistics = Statistics::of(&known);
            ManyFigure { name: measure.name, values, statistics, unit: measure.unit }
        };
        let mut all_warnings = Vec::new();
        let mut expectations: BTreeMap<String, [usize; 2]> = BTreeMap::new();
        for (_, report) in reports {
            for outcome in &report.expectations {
                let [met, of] = expectations.entry(outcome.name.clone()).or_default();
                *met += usize::from(outcome.passed);
                *of += 1;
            }
        }
        if let Some(((_, first), rest)) = reports.split_first() {
            for (_, report) in rest {
                let same_seed = Report { seed: first.seed, ..report.clone() };
                let new = warnings(first, &same_seed);
                all_warnings.extend(
                    new.into_iter().filter(|one| !all_warnings.contains(one)).collect::<Vec<_>>(),
                );
            }
        }
        Self {
            scenario: reports
                .first()
                .map(|(_, report)| report.scenario.clone())
                .unwrap_or_default(),
            reports: reports.iter().map(|(name, report)| (name.clone(), report.seed)).collect(),
            warnings: all_warnings,
            figures: MEASURES.into_iter().map(figure).collect(),
            expectations,
        }
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let shown = if self.reports.len() <= COLUMNS_MAX { self.reports.len() } else { 0 };
        let mut table = String::new();
        for (place, (name, seed)) in self.reports.iter().enumerate() {
            let letter = if shown > 0 { format!("{} = ", letter(place)) } else { String::new() };
            table += &format!("{letter}{name}, seed {seed}\n");
        }
        for warning in &self.warnings {
            table += &format!("warning: {warning}\n");
        }
        let mut head = vec![String::new()];
        head.extend((0..shown).map(letter));
        head.extend(["mean", "95 % ±", "deviation", "least", "most"].map(str::to_owned));
        let mut rows = vec![head];
        for figure in &self.figures {
            let said = |value: Option<f64>| {
                value.map_or_else(|| "-".to_owned(), |value| figure.unit.said(value))
            };
            let mut row = vec![figure.name.to_owned()];
            row.extend(figure.values.iter().take(shown).copied().map(said));
            let of = |value: fn(&Statistics) -> Option<f64>| {
                said(figure.statistics.as_ref().and_then(value))
            };
            row.extend([
                of(|all| Some(all.mean)),
                of(|all| all.confidence),
                of(|all| all.deviation),
                of(|all| Some(all.min)),
                of(|all| Some(all.max)),
            ]);
            rows.push(row);
        }
        let columns = rows.first().map_or(0, Vec::len);
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in &rows {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                table += &match column {
                    0 => format!("{cell:width$}"),
                    _ => format!("  {cell:>width$}"),
                };
            }
            table.push('\n');
        }
        for (name, [met, of]) in &self.expectations {
            table += &format!("expectation {name}: met by {met} of {of}\n");
        }
        table
    }
}

fn letter(place: usize) -> String {
    u8::try_from(place)
        .map_or_else(|_| "?".to_owned(), |place| char::from(b'A' + place).to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::report::example;

    #[test]
    fn of_many_reports_mean_spread_and_expectations_are_told() {
        let mut reports = Vec::new();
        for seed in 1..=5_u64 {
            let mut report = example::split_and_heal();
            report.seed = seed;
            report.messages.latency.p50_s = seed as f64;
            report.expectations[0].passed = seed > 2;
            reports.push((format!("seed={seed}"), report));
        }
        let many = Many::of(&reports);
        assert!(many.warnings.is_empty(), "seeds may differ: {:?}", many.warnings);
        let p50 = many.figures.iter().find(|figure| figure.name == "latency_p50_s").unwrap();
        let statistics = p50.statistics.unwrap();
        assert_eq!((statistics.mean, statistics.min, statistics.max), (3.0, 1.0, 5.0));
        assert_eq!(many.expectations["delivery"], [3, 5]);
        let table = many.table();
        assert!(table.contains("expectation delivery: met by 3 of 5"), "{table}");
        assert!(
            table.lines().any(|line| line.starts_with("latency_p50_s") && line.contains("3 s"))
        );
        reports[1].1.nodes.pop();
        assert_eq!(Many::of(&reports).warnings, ["the number of nodes differs: 20 and 19"]);
        assert!(Many::of(&reports[..3]).table().starts_with("A = seed=1, seed 1\n"));
    }
}
