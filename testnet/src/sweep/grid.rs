//! Which seeds and values a sweep has.

use std::str::FromStr;

use super::{SweepError, limits::RUNS_MAX};
use crate::report::sweep::Parameter;
use crate::scenario::Setting;

/// Seeds: `1..20` (both ends included), `3`, or `1..5,9`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

/// A key and its values: `links.latency=20ms,80ms`. Commas within brackets or quotes are the value's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Varied {
    /// The key.
    pub key: String,
    /// The values, each once.
    pub values: Vec<String>,
}

/// All combinations of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// The seeds.
    pub seeds: Seeds,
    /// The keys.
    pub varied: Vec<Varied>,
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} are no seeds; write such as 1..20, or 3,5,8");
        let mut seeds = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once("..").unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
            let (first, last) = (number(first)?, number(last)?);
            if last < first || last - first >= RUNS_MAX as u64 {
                return Err(format!("{part:?}: give at most {RUNS_MAX} seeds, the lowest first"));
            }
            seeds.extend(first..=last);
        }
        let mut known = std::collections::BTreeSet::new();
        seeds.retain(|seed| known.insert(*seed));
        Ok(Self(seeds))
    }
}

impl FromStr for Varied {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Setting { key, value } = text.parse()?;
        let mut values: Vec<String> = Vec::new();
        for value in parts(&value) {
            let value = value.trim().to_owned();
            if value.is_empty() {
                return Err(format!("{text:?}: a value is missing between two commas"));
            }
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Ok(Self { key, values })
    }
}

/// What is between the commas that are in no brackets and no quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut depth, mut quote) = (0_usize, None);
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(letter),
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            (_, None) => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

impl Grid {
    pub(super) fn check(&self) -> Result<(), SweepError> {
        for (place, varied) in self.varied.iter().enumerate() {
            if varied.key == "seed" {
                return Err(SweepError::SeedSet);
            }
            if self.varied[..place].iter().any(|other| other.key == varied.key) {
                return Err(SweepError::Twice { key: varied.key.clone() });
            }
        }
        let counts = self.varied.iter().map(|varied| varied.values.len());
        let runs = counts.fold(self.seeds.0.len(), usize::saturating_mul);
        if runs > RUNS_MAX {
            return Err(SweepError::TooMany { runs, max: RUNS_MAX });
        }
        Ok(())
    }

    /// Each combination, the last key's values next to each other. Without keys there is one, of
    /// nothing.
    pub(super) fn points(&self) -> Vec<Vec<Setting>> {
        self.varied.iter().fold(vec![Vec::new()], |points, varied| {
            let with = |point: &Vec<Setting>, value: &String| {
                let setting = Setting { key: varied.key.clone(), value: value.clone() };
                point.iter().cloned().chain([setting]).collect()
            };
            points
                .iter()
                .flat_map(|point| varied.values.iter().map(move |value| with(point, value)))
                .collect()
        })
    }

    pub(super) fn parameters(&self) -> Vec<Parameter> {
        let parameter =
            |varied: &Varied| Parameter { key: varied.key.clone(), values: varied.values.clone() };
        self.varied.iter().map(parameter).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn seeds_are_ranges_with_both_ends_and_single_ones_each_once() {
        assert_eq!("1..4".parse(), Ok(Seeds(vec![1, 2, 3, 4])));
        assert_eq!("7,1..3,2".parse(), Ok(Seeds(vec![7, 1, 2, 3])));
        for wrong in ["", "a", "3..1", "1..", "0..10000", "-1"] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_are_parted_by_commas_outside_of_brackets_and_quotes() {
        let varied: Varied = "traffic[0].size=[20, 500], 64,\"a,b\",64".parse().unwrap();
        assert_eq!(varied.key, "traffic[0].size");
        assert_eq!(varied.values, ["[20, 500]", "64", "\"a,b\""]);
        assert!("nodes=1,,2".parse::<Varied>().is_err());
        assert!("nodes".parse::<Varied>().is_err());
    }

    #[test]
    fn every_combination_is_there_once() {
        let varied = ["nodes=50,100", "links.latency=20ms,80ms,1s"];
        let mut grid = Grid {
            seeds: Seeds(vec![1, 2]),
            varied: varied.map(|varied| varied.parse().unwrap()).into(),
        };
        grid.check().unwrap();
        let points = grid.points();
        let said = |point: &Vec<Setting>| point.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(points.len(), 6);
        assert_eq!(said(&points[1]), ["nodes=50", "links.latency=80ms"]);
        assert_eq!(said(&points[3]), ["nodes=100", "links.latency=20ms"]);
        grid.varied.push("nodes=7".parse().unwrap());
        assert!(matches!(grid.check(), Err(SweepError::Twice { .. })));
        grid.varied = vec!["seed=1".parse().unwrap()];
        assert!(matches!(grid.check(), Err(SweepError::SeedSet)));
        grid.varied = vec![Varied { key: "nodes".into(), values: vec![String::new(); 5_001] }];
        assert!(matches!(grid.check(), Err(SweepError::TooMany { runs: 10_002, .. })));
    }
}
