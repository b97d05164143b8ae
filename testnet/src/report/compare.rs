//! Two reports beside each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::file::JSON_NAME;
use super::many::Many;
use super::measures::{MEASURES, Measure, Unit};
use super::words::time;
use super::{Outcome, Report, ReportError};

/// Two reports of one scenario, or of two.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The scenario of the first.
    pub scenario: String,
    /// Why differences may mean nothing: another scenario, seed, runner, duration or number of
    /// nodes.
    pub warnings: Vec<String>,
    /// The main figures.
    pub figures: Vec<Figure>,
    /// Expectations that came out otherwise, or that only one has.
    pub expectations: Vec<Verdicts>,
}

/// A figure of both.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Its name, with the unit.
    pub name: &'static str,
    /// Of the first; absent if it has none.
    pub a: Option<f64>,
    /// Of the second.
    pub b: Option<f64>,
    /// `b - a`.
    pub difference: Option<f64>,
    /// `b / a`; absent where `a` is 0.
    pub ratio: Option<f64>,
    #[serde(skip)]
    unit: Unit,
}

/// What came of an expectation in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdicts {
    /// Its key in the scenario file.
    pub name: String,
    /// In the first; absent if it does not expect it.
    pub a: Option<Outcome>,
    /// In the second.
    pub b: Option<Outcome>,
}

/// What several reports, files or directories come to.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Compared {
    /// Two of each name.
    Pairs(Comparisons),
    /// More, by their names: a single entry of files, or one for each name that any two directories have.
    Many(BTreeMap<String, Many>),
}

impl Compared {
    /// Of several `report.json`, directories that have one, or directories of such directories. Of one
    /// directory of directories all in it are compared.
    ///
    /// # Errors
    ///
    /// When there is no report, only one, or one can't be read.
    pub fn read(paths: &[PathBuf]) -> Result<Self, ReportError> {
        if let [a, b] = paths {
            return Comparisons::read(a, b).map(Self::Pairs);
        }
        let all = paths.iter().map(|path| reports(path)).collect::<Result<Vec<_>, _>>()?;
        let together = match all.as_slice() {
            [only] => Some(only.iter().map(|(name, path)| (name.clone(), path.clone())).collect()),
            all if all.iter().all(|found| found.len() == 1) => {
                let only = |(path, found): (&PathBuf, &BTreeMap<String, PathBuf>)| {
                    Some((path.display().to_string(), found.values().next()?.clone()))
                };
                Some(paths.iter().zip(all).filter_map(only).collect::<Vec<_>>())
            }
            _ => None,
        };
        if let Some(together) = together {
            let many = Many::read(&together)?;
            return Ok(Self::Many([(many.scenario.clone(), many)].into()));
        }
        let mut by_name: BTreeMap<String, Vec<(String, PathBuf)>> = BTreeMap::new();
        for (dir, found) in paths.iter().zip(all) {
            for (name, path) in found {
                by_name.entry(name).or_default().push((dir.display().to_string(), path));
            }
        }
        by_name.retain(|_, together| together.len() > 1);
        let many = by_name.into_iter().map(|(name, all)| Ok((name, Many::read(&all)?)));
        Ok(Self::Many(many.collect::<Result<_, ReportError>>()?))
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        match self {
            Self::Pairs(pairs) => pairs.table(),
            Self::Many(many) => {
                let table = |(name, many): (&String, &Many)| format!("{name}\n{}", many.table());
                many.iter().map(table).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

/// All that two files or directories have.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Comparisons {
    /// Reports that both have: two files, or those of the same name in two directories.
    pub compared: Vec<Comparison>,
    /// Names of those that only the first has.
    pub only_a: Vec<String>,
    /// Names of those that only the second has.
    pub only_b: Vec<String>,
}

impl Comparisons {
    /// Of two `report.json`, directories that have one, or directories of such directories.
    ///
    /// # Errors
    ///
    /// When there is no report, or one can't be read.
    pub fn read(a: &Path, b: &Path) -> Result<Self, ReportError> {
        let (a, mut b) = (reports(a)?, reports(b)?);
        if a.len() == 1 && b.len() == 1 {
            // Of two single ones the names don't matter.
            let both = a.into_values().zip(b.into_values());
            let compared = both.map(|(a, b)| compare_files(&a, &b)).collect::<Result<_, _>>()?;
            return Ok(Self { compared, ..Self::default() });
        }
        let mut all = Self::default();
        for (name, path) in a {
            match b.remove(&name) {
                Some(other) => all.compared.push(compare_files(&path, &other)?),
                None => all.only_a.push(name),
            }
        }
        all.only_b = b.into_keys().collect();
        Ok(all)
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = self.compared.iter().map(Comparison::table).collect::<Vec<_>>().join("\n");
        for (which, names) in [("first", &self.only_a), ("second", &self.only_b)] {
            if !names.is_empty() {
                table += &format!("\nonly in the {which}: {}\n", names.join(", "));
            }
        }
        table
    }
}

fn compare_files(a: &Path, b: &Path) -> Result<Comparison, ReportError> {
    Ok(Comparison::of(&Report::read(a)?, &Report::read(b)?))
}

/// The reports at a path, by the names of their directories.
fn reports(path: &Path) -> Result<BTreeMap<String, PathBuf>, ReportError> {
    let named = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !path.is_dir() {
        return Ok([(named(path), path.to_owned())].into());
    }
    let own = path.join(JSON_NAME);
    if own.is_file() {
        return Ok([(named(path), own)].into());
    }
    let failed = |source| ReportError::Read { path: path.to_owned(), source };
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let dir = entry.map_err(failed)?.path();
        let report = dir.join(JSON_NAME);
        if report.is_file() {
            found.insert(named(&dir), report);
        }
    }
    if found.is_empty() {
        return Err(ReportError::Nothing { path: path.to_owned() });
    }
    Ok(found)
}

impl Comparison {
    /// Of two reports.
    #[must_use]
    pub fn of(a: &Report, b: &Report) -> Self {
        let figure = |measure: Measure| Figure::of(measure, (measure.value)(a), (measure.value)(b));
        Self {
            scenario: a.scenario.clone(),
            warnings: warnings(a, b),
            figures: MEASURES.into_iter().map(figure).collect(),
            expectations: verdicts(a, b),
        }
    }

    fn table(&self) -> String {
        let mut rows = vec![["", "A", "B", "difference", "ratio"].map(str::to_owned)];
        for figure in &self.figures {
            let said =
                |value: Option<f64>| value.map_or("-".to_owned(), |value| figure.unit.said(value));
            let difference = figure.difference.map_or("-".to_owned(), |difference| {
                let sign = match difference {
                    difference if difference > 0.0 => "+",
                    difference if difference < 0.0 => "-",
                    _ => "",
                };
                format!("{sign}{}", figure.unit.said(difference.abs()))
            });
            let ratio = figure.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
            rows.push([figure.name.to_owned(), said(figure.a), said(figure.b), difference, ratio]);
        }
        let mut widths = [0; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut table = format!("{}\n", self.scenario);
        for warning in &self.warnings {
            table += &format!("warning: {warning}\n");
        }
        for [name, cells @ ..] in &rows {
            table += &format!("{name:width$}", width = widths[0]);
            for (cell, width) in cells.iter().zip(&widths[1..]) {
                table += &format!("  {cell:>width$}");
            }
            table += "\n";
        }
        for verdicts in &self.expectations {
            let said = |outcome: &Option<Outcome>| match outcome {
                None => "not expected".to_owned(),
                Some(outcome) if outcome.passed => format!("met ({})", outcome.found),
                Some(outcome) => format!("missed ({}; {})", outcome.found, outcome.missed_by),
            };
            table += &format!(
                "expectation {}: A {}; B {}\n",
                verdicts.name,
                said(&verdicts.a),
                said(&verdicts.b)
            );
        }
        table
    }
}

impl Figure {
    fn of(measure: Measure, a: Option<f64>, b: Option<f64>) -> Self {
        let rounded = |value: f64| (value * 1e6).round() / 1e6;
        let both = a.zip(b);
        Self {
            name: measure.name,
            a,
            b,
            difference: both.map(|(a, b)| rounded(b - a)),
            ratio: both.filter(|(a, _)| *a != 0.0).map(|(a, b)| rounded(b / a)),
            unit: measure.unit,
        }
    }
}

pub(super) fn warnings(a: &Report, b: &Report) -> Vec<String> {
    let differs = [
        ("scenario", a.scenario.clone(), b.scenario.clone()),
        ("seed", a.seed.to_string(), b.seed.to_string()),
        ("runner", format!("{:?}", a.runner), format!("{:?}", b.runner)),
        ("duration", time(a.duration_s), time(b.duration_s)),
        ("time they ran", time(a.ran_s), time(b.ran_s)),
        ("number of nodes", a.nodes.len().to_string(), b.nodes.len().to_string()),
    ];
    let differs = differs.into_iter().filter(|(_, a, b)| a != b);
    differs
        .map(|(what, a, b)| {
            format!("the {what} differs: {} and {}", a.to_lowercase(), b.to_lowercase())
        })
        .collect()
}

fn verdicts(a: &Report, b: &Report) -> Vec<Verdicts> {
    let find = |report: &Report, name: &str| {
        report.expectations.iter().find(|outcome| outcome.name == name).cloned()
    };
    let mut names: Vec<&str> = Vec::new();
    for outcome in a.expectations.iter().chain(&b.expectations) {
        if !names.contains(&outcome.name.as_str()) {
            names.push(&outcome.name);
        }
    }
    let both = names.into_iter().map(|name| Verdicts {
        name: name.to_owned(),
        a: find(a, name),
        b: find(b, name),
    });
    let passed = |outcome: &Option<Outcome>| outcome.as_ref().map(|outcome| outcome.passed);
    both.filter(|verdicts| passed(&verdicts.a) != passed(&verdicts.b)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::report::{example, write};

    #[test]
    fn what_differs_is_said_with_difference_and_ratio() {
        let a = example::split_and_heal();
        let mut b = a.clone();
        b.seed = 8;
        b.messages.delivered += 1;
        b.messages.latency.p50_s *= 2.0;
        b.expectations[0].passed = false;
        b.expectations[0].missed_by = "1 too few".to_owned();
        let found = Comparison::of(&a, &b);
        assert_eq!(found.warnings, ["the seed differs: 7 and 8"]);
        let figure = |name| found.figures.iter().find(|figure| figure.name == name).unwrap();
        assert_eq!(figure("delivered").difference, Some(1.0));
        assert_eq!(figure("latency_p50_s").ratio, Some(2.0));
        assert_eq!(figure("written").difference, Some(0.0));
        let [verdicts] = found.expectations.as_slice() else { panic!("{:?}", found.expectations) };
        assert_eq!(verdicts.name, "delivery");
        let table = found.table();
        assert!(table.contains("warning: the seed differs"), "{table}");
        assert!(
            table.contains("expectation delivery: A met (99 % of 500 delivered); B missed"),
            "{table}"
        );
    }

    #[test]
    fn directories_are_compared_by_the_names_in_them() {
        let dir = tempfile::tempdir().unwrap();
        let report = example::split_and_heal();
        let at = |path: &str| dir.path().join(path);
        for name in ["a/split", "a/churn", "b/split", "b/thin"] {
            write(&report, &at(name)).unwrap();
        }
        let found = Comparisons::read(&at("a"), &at("b")).unwrap();
        assert_eq!(found.compared.len(), 1);
        assert_eq!(
            (found.only_a.join(","), found.only_b.join(",")),
            ("churn".to_owned(), "thin".to_owned())
        );
        // Of two single ones the names don't matter.
        let found = Comparisons::read(&at("a/churn"), &at("b/thin/report.json")).unwrap();
        assert_eq!(found.compared.len(), 1);
        assert!(found.compared[0].warnings.is_empty());
        let error = Comparisons::read(&at("a"), dir.path()).unwrap_err().to_string();
        assert!(error.contains("there is no report in"), "{error}");
    }
}
