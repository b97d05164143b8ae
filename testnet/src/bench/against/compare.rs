//! What the figures of two builds say.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::better::{Better, better};
use super::child::{Build, Outcome};
use crate::bench::report::rounded;
use crate::report::Statistics;

/// Two builds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Comparison {
    /// The build that measures.
    pub(super) this: Build,
    /// The one that it is compared with.
    pub(super) other: Build,
    /// How often each part was to be run by each.
    pub(super) rounds: usize,
    /// Whether the counts were too small for a measurement.
    pub(super) quick: bool,
    /// The parts, in the order in which they ran.
    pub(super) parts: Vec<PartComparison>,
}

/// A part, run by two builds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PartComparison {
    /// Its name.
    pub(super) part: String,
    /// The figures, by their paths: of each round, by this build and by the other.
    figures: BTreeMap<String, [Vec<Option<f64>>; 2]>,
    /// What went wrong.
    pub(super) troubles: Vec<Trouble>,
    rounds: usize,
}

/// A run without figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Trouble {
    /// By which build.
    pub(super) build: Side,
    /// In which round, from 1.
    pub(super) round: usize,
    /// What came of it.
    pub(super) what: Kind,
    /// For people.
    pub(super) reason: String,
}

/// What came of a run without figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The build doesn't know the part. It is not run again.
    Refused,
    /// It failed. It is run again in the next round.
    Failed,
    /// It was killed, as it took too long. It is not run again.
    TimedOut,
}

/// One of two builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Side {
    /// The one that measures.
    This,
    /// The one that it is compared with.
    Other,
}

/// One figure of two builds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct FigureComparison {
    /// Its path in the JSON object of `bench`.
    pub(super) figure: String,
    /// Which direction is the better one, if that is known.
    pub(super) better: Option<Better>,
    /// By this build, in each round.
    pub(super) this_rounds: Vec<Option<f64>>,
    /// By the other.
    pub(super) other_rounds: Vec<Option<f64>>,
    /// What these come to.
    pub(super) this: Option<Spread>,
    /// What these come to.
    pub(super) other: Option<Spread>,
    /// This build's figure over the other's, of each round that has both.
    pub(super) ratio: Option<Spread>,
    /// Where the true ratio is, as far as so few rounds can say: in 95 of 100 such comparisons.
    pub(super) ratio_interval: Option<[f64; 2]>,
    /// What that says.
    pub(super) verdict: Verdict,
}

/// Several values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    /// The middle one, or the mean of the middle two.
    pub(super) median: f64,
    /// The least.
    pub(super) least: f64,
    /// The most.
    pub(super) most: f64,
}

/// What a comparison says of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Better, by more than the rounds differ.
    Better,
    /// Worse, by more than the rounds differ.
    Worse,
    /// The rounds differ by more than the builds.
    WithinTheSpread,
    /// The same value in each round.
    Same,
    /// Only one build has it.
    OneSided,
    /// One round says nothing of how much chance there is in it.
    OneRound,
    /// Nobody said which direction is better.
    Unjudged,
}

impl Side {
    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::This => "this build",
            Self::Other => "the other build",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::This => 0,
            Self::Other => 1,
        }
    }
}

impl Comparison {
    /// Runs that failed or were killed. A refused part is no failure: the other build is of another time.
    pub(super) fn failed_runs(&self) -> usize {
        let troubles = self.parts.iter().flat_map(|part| &part.troubles);
        troubles.filter(|trouble| trouble.what != Kind::Refused).count()
    }
}

impl PartComparison {
    pub(super) fn new(part: &str, rounds: usize) -> Self {
        let (figures, troubles) = (BTreeMap::new(), Vec::new());
        Self { part: part.to_owned(), figures, troubles, rounds }
    }

    /// Whether another run may have figures.
    pub(super) fn is_worth_running(&self, side: Side) -> bool {
        let of_it = self.troubles.iter().filter(|trouble| trouble.build == side);
        of_it.map(|trouble| trouble.what).all(|what| match what {
            Kind::Failed => true,
            Kind::Refused | Kind::TimedOut => false,
        })
    }

    /// Adds what came of a run, of the rounds 0, 1, 2, …
    pub(super) fn add(&mut self, side: Side, round: usize, outcome: Outcome) {
        let trouble = outcome.trouble();
        let what = match outcome {
            Outcome::Figures(figures) => {
                let rounds = self.rounds;
                for (path, value) in figures {
                    let of_both = self
                        .figures
                        .entry(path)
                        .or_insert_with(|| [vec![None; rounds], vec![None; rounds]]);
                    if let Some(slot) = of_both[side.index()].get_mut(round) {
                        *slot = Some(value);
                    }
                }
                return;
            }
            Outcome::Refused(_) => Kind::Refused,
            Outcome::Failed(_) => Kind::Failed,
            Outcome::TimedOut(_) => Kind::TimedOut,
        };
        let reason = trouble.unwrap_or_default();
        self.troubles.push(Trouble { build: side, round: round + 1, what, reason });
    }

    /// Its figures.
    pub(super) fn figures(&self) -> Vec<FigureComparison> {
        self.figures
            .iter()
            .map(|(path, [this, other])| FigureComparison::of(path, this, other))
            .collect()
    }

    /// What went wrong, each thing once, with the build.
    pub(super) fn told(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut told = Vec::new();
        for Trouble { build, reason, .. } in &self.troubles {
            if seen.insert((build.index(), reason)) {
                let times = self
                    .troubles
                    .iter()
                    .filter(|other| other.build == *build && other.reason == *reason);
                let times = match times.count() {
                    1 => String::new(),
                    times => format!(" ({times} times)"),
                };
                told.push(format!("{}{times} {reason}", build.words()));
            }
        }
        told
    }
}

impl Serialize for PartComparison {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut part = serializer.serialize_struct("PartComparison", 3)?;
        part.serialize_field("part", &self.part)?;
        part.serialize_field("figures", &self.figures())?;
        part.serialize_field("troubles", &self.troubles)?;
        part.end()
    }
}

impl FigureComparison {
    fn of(path: &str, this: &[Option<f64>], other: &[Option<f64>]) -> Self {
        let pairs: Vec<(f64, f64)> = this
            .iter()
            .zip(other)
            .filter_map(|(this, other)| Some(((*this)?, (*other)?)))
            .collect();
        let ratios: Vec<f64> = pairs
            .iter()
            .filter(|(_, other)| *other != 0.0)
            .map(|(this, other)| rounded(this / other))
            .collect();
        let better = better(path);
        Self {
            figure: path.to_owned(),
            better,
            this_rounds: this.to_vec(),
            other_rounds: other.to_vec(),
            this: Spread::of(this.iter().flatten().copied()),
            other: Spread::of(other.iter().flatten().copied()),
            ratio: Spread::of(ratios.into_iter()),
            ratio_interval: logarithms(&pairs)
                .and_then(|logarithms| interval(&logarithms))
                .map(|bounds| bounds.map(|bound| rounded(bound.exp()))),
            verdict: verdict(&pairs, better),
        }
    }
}

fn verdict(pairs: &[(f64, f64)], better: Option<Better>) -> Verdict {
    if pairs.is_empty() {
        return Verdict::OneSided;
    }
    let Some(better) = better else { return Verdict::Unjudged };
    if pairs.iter().all(|(this, other)| this.total_cmp(other).is_eq()) {
        return Verdict::Same;
    }
    let differences = || pairs.iter().map(|(this, other)| this - other).collect();
    let Some([low, high]) = interval(&logarithms(pairs).unwrap_or_else(differences)) else {
        return Verdict::OneRound;
    };
    match better {
        Better::Less if high < 0.0 => Verdict::Better,
        Better::More if low > 0.0 => Verdict::Better,
        Better::Less if low > 0.0 => Verdict::Worse,
        Better::More if high < 0.0 => Verdict::Worse,
        Better::Less | Better::More => Verdict::WithinTheSpread,
    }
}

/// The logarithms of the ratios: half and twice as much are equally far from 1. None where there is nothing to divide.
fn logarithms(pairs: &[(f64, f64)]) -> Option<Vec<f64>> {
    let logarithm =
        |(this, other): &(f64, f64)| (*this > 0.0 && *other > 0.0).then(|| (this / other).ln());
    pairs.iter().map(logarithm).collect()
}

/// The 95 % confidence interval of the mean; none of a single value.
fn interval(values: &[f64]) -> Option<[f64; 2]> {
    let statistics = Statistics::of(values)?;
    statistics.confidence?;
    let (low, high) = statistics.interval();
    Some([low, high])
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Some(Self { median, least, most })
    }
}
