//! Who writes what to whom.

use serde::Deserialize;

use super::super::values::{Names, Period, Rate, Sizes, Time};
use crate::plan::Accept;

/// `[[traffic]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traffic {
    pub(crate) from: Names,
    pub(crate) to: Names,
    #[serde(default)]
    pub(crate) pick: Pick,
    pub(crate) every: Option<Period>,
    pub(crate) rate: Option<Rate>,
    #[serde(default)]
    pub(crate) pattern: Pattern,
    pub(crate) burst: Option<usize>,
    pub(crate) daily: Option<Daily>,
    pub(crate) size: Option<Sizes>,
    #[serde(default)]
    pub(crate) start: Time,
    pub(crate) end: Option<Time>,
}

/// To whom of the recipients a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pick {
    #[default]
    One,
    Each,
}

/// How occasions follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pattern {
    #[default]
    Regular,
    Poisson,
}

/// `traffic.daily`: hours of each day of the run.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Daily {
    pub(crate) from: Time,
    pub(crate) to: Time,
}

/// `[[files]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Files {
    pub(crate) from: Names,
    pub(crate) to: Names,
    #[serde(default)]
    pub(crate) pick: Pick,
    pub(crate) every: Option<Period>,
    pub(crate) rate: Option<Rate>,
    #[serde(default)]
    pub(crate) pattern: Pattern,
    pub(crate) burst: Option<usize>,
    pub(crate) daily: Option<Daily>,
    pub(crate) size: Sizes,
    #[serde(default)]
    pub(crate) start: Time,
    pub(crate) end: Option<Time>,
    #[serde(default)]
    pub(crate) accept: Accept,
}

impl Files {
    /// When which are sent, and to whom: as with texts.
    pub(crate) fn traffic(&self) -> Traffic {
        let Self { from, to, pick, every, rate, pattern, burst, .. } = self.clone();
        let Self { daily, size, start, end, .. } = *self;
        Traffic { from, to, pick, every, rate, pattern, burst, daily, size: Some(size), start, end }
    }
}
